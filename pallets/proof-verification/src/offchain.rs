// SPDX-License-Identifier: Apache-2.0

//! The off-chain worker: sends the attestations of local workers and the votes of local verifiers.

use crate::{Call, Config, Pallet, LOG};
use poaiw_primitives::{
	app::{ReporterId, ReporterSignature},
	outbox::{
		attestation_key, claim_submission, release_submission, stored, vote_key, Report, SignedReport,
		StoredVerdict,
	},
	task::{Attestation, Vote},
	traits::{Market, Registry},
	worker::Assignment,
	AccountId, BlockNumber,
};
use polkadot_sdk::{frame_system::offchain::SubmitTransaction, sp_application_crypto::RuntimeAppPublic};

/// Local report keys that are served.
const MAX_KEYS: usize = 64;
/// Votes sent at one height for one key; the others follow at the next heights.
const MAX_VOTES: usize = 64;

impl<T: Config> Pallet<T> {
	/// Looks at every local report key of a registered account and sends what is due.
	pub(crate) fn send_reports(now: BlockNumber) {
		for key in ReporterId::all().into_iter().take(MAX_KEYS) {
			let Some(account) = T::Registry::account_of(&key) else {
				continue;
			};
			Self::send_attestation(&key, &account, now);
			let due = Self::assignments(&account)
				.into_iter()
				.filter(|assignment| assignment.due > now);
			let sent = due
				.filter(|assignment| Self::send_vote(&key, &account, assignment, now))
				.take(MAX_VOTES)
				.count();
			if sent > 0 {
				log::info!(target: LOG, "{sent} votes sent for {account:?} at height {now}");
			}
		}
	}

	fn send_attestation(key: &ReporterId, account: &AccountId, now: BlockNumber) {
		let Some((id, task)) = T::Market::lease_of(account).and_then(|id| Some((id, T::Market::leased(id)?)))
		else {
			return;
		};
		let outbox = attestation_key(account, id, task.lease.attempt);
		let Some(attestation) = stored::<Attestation>(&outbox) else {
			return;
		};
		let report = SignedReport {
			account: account.clone(),
			at: now,
			report: Report::Attest(attestation),
		};
		if let Err(error) = Self::checked_attest(&report) {
			log::warn!(target: LOG, "the attestation of task {id} that is stored here is not sent: {error:?}");
			return;
		}
		Self::submit(key, &outbox, report, now, |report, signature| Call::attest {
			report,
			signature,
		});
	}

	fn send_vote(key: &ReporterId, account: &AccountId, assignment: &Assignment, now: BlockNumber) -> bool {
		let Assignment {
			task,
			attempt,
			segment,
			..
		} = *assignment;
		let outbox = vote_key(account, task, attempt, segment);
		let Some(verdict) = stored::<StoredVerdict>(&outbox) else {
			return false;
		};
		let vote = Vote {
			task,
			attempt,
			segment,
			verdict,
		};
		let report = SignedReport {
			account: account.clone(),
			at: now,
			report: Report::Vote(vote),
		};
		Self::submit(key, &outbox, report, now, |report, signature| Call::vote {
			report,
			signature,
		})
	}

	fn submit(
		key: &ReporterId,
		outbox: &[u8],
		report: SignedReport,
		now: BlockNumber,
		call: impl FnOnce(SignedReport, ReporterSignature) -> Call<T>,
	) -> bool {
		if !claim_submission(outbox, now) {
			return false;
		}
		let account = report.account.clone();
		let Some(signature) = key.sign(&report.payload(&Self::genesis())) else {
			log::error!(target: LOG, "a report of {account:?} can't be signed: its key is not in the keystore");
			release_submission(outbox);
			return false;
		};
		let transaction = T::create_authorized_transaction(call(report, signature).into());
		let sent = SubmitTransaction::<T, Call<T>>::submit_transaction(transaction).is_ok();
		if !sent {
			log::warn!(target: LOG, "a report of {account:?} was refused by the pool at height {now}; it is tried again");
			release_submission(outbox);
		}
		sent
	}
}
