// SPDX-License-Identifier: Apache-2.0

//! The off-chain worker: sends the leases that local workers wish for, and the heartbeats of their leases.

use crate::{Call, Config, LeaseOf, Pallet, Tasks, LOG};
use alloc::vec::Vec;
use poaiw_primitives::{
	app::{ReporterId, ReporterSignature},
	outbox::{
		claim_submission, lease_key, liveness_key, release_submission, stored, LeaseWish, Liveness, Report,
		SignedReport,
	},
	task::TaskState,
	traits::Registry,
	AccountId, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::traits::Get, frame_system::offchain::SubmitTransaction,
	sp_application_crypto::RuntimeAppPublic,
};

/// Local report keys that are served.
const MAX_KEYS: usize = 64;
/// Blocks for which a wish counts as fresh.
pub(crate) const WISH_LONGEVITY: BlockNumber = 32;
/// Refused tasks of a wish that are respected.
const MAX_REFUSED: usize = 32;

impl<T: Config> Pallet<T> {
	/// Looks at every local report key of a registered account and sends what is due.
	pub(crate) fn send_reports(now: BlockNumber) {
		for key in ReporterId::all().into_iter().take(MAX_KEYS) {
			let Some(account) = T::Registry::account_of(&key) else {
				continue;
			};
			match LeaseOf::<T>::get(&account) {
				Some(task) => Self::send_heartbeat(&key, account, task, now),
				None => Self::send_lease(&key, account, now),
			}
		}
	}

	fn send_lease(key: &ReporterId, account: AccountId, now: BlockNumber) {
		let outbox = lease_key(&account);
		let Some(wish) = stored::<LeaseWish>(&outbox) else {
			return;
		};
		if now.saturating_sub(wish.at) > WISH_LONGEVITY {
			return;
		}
		let refused: Vec<TaskId> = wish.refused.into_iter().take(MAX_REFUSED).collect();
		let Some(task) = wish.task.or_else(|| Self::next_task(&account, &refused)) else {
			return;
		};
		let report = SignedReport {
			account,
			at: now,
			report: Report::Lease { task },
		};
		if let Err(error) = Self::checked_lease(&report) {
			log::debug!(target: LOG, "no lease of task {task}: {error:?}");
			return;
		}
		Self::submit(key, &outbox, report, now, |report, signature| Call::lease {
			report,
			signature,
		});
	}

	fn send_heartbeat(key: &ReporterId, account: AccountId, id: TaskId, now: BlockNumber) {
		let Some(TaskState::Leased(lease)) = Tasks::<T>::get(id).map(|task| task.state) else {
			return;
		};
		if now.saturating_sub(lease.heartbeat) < T::HeartbeatPeriod::get() {
			return;
		}
		let outbox = liveness_key(&account, id);
		// Only a worker that made progress since the last heartbeat is alive.
		if stored::<Liveness>(&outbox).is_none_or(|sign| sign.at <= lease.heartbeat) {
			return;
		}
		let report = SignedReport {
			account,
			at: now,
			report: Report::Heartbeat { task: id },
		};
		Self::submit(key, &outbox, report, now, |report, signature| Call::heartbeat {
			report,
			signature,
		});
	}

	fn submit(
		key: &ReporterId,
		outbox: &[u8],
		report: SignedReport,
		now: BlockNumber,
		call: impl FnOnce(SignedReport, ReporterSignature) -> Call<T>,
	) {
		if !claim_submission(outbox, now) {
			return;
		}
		let what = alloc::format!("{:?} of {:?}", report.report, report.account);
		let Some(signature) = key.sign(&report.payload(&Self::genesis())) else {
			log::error!(target: LOG, "{what} can't be signed: the report key is not in the keystore");
			return release_submission(outbox);
		};
		let transaction = T::create_authorized_transaction(call(report, signature).into());
		match SubmitTransaction::<T, Call<T>>::submit_transaction(transaction) {
			Ok(()) => log::info!(target: LOG, "submitted {what} at height {now}"),
			Err(()) => {
				log::warn!(target: LOG, "{what} was refused by the pool at height {now}; it is tried again");
				release_submission(outbox);
			}
		}
	}
}
