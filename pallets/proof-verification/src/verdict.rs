// SPDX-License-Identifier: Apache-2.0

//! From findings to a verdict, and what it costs whom.

use crate::{
	tally::agrees,
	types::{Answer, Finding, Outcome, Record, Stage},
	AcceptedSeals, AssignmentsOf, Checks, Config, Event, Exposure, Pallet, Pending, Records, SealClaims,
};
use alloc::vec::Vec;
use poaiw_primitives::{
	traits::{Market, Registry, Slash},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::{storage::with_storage_layer, traits::Get},
	sp_runtime::{BoundedVec, DispatchResult},
};

impl<T: Config> Pallet<T> {
	/// Ends the verification of a task if its outcome is clear. If the market can't carry it out (which means that an
	/// invariant is broken), nothing happens, and it is tried again after a vote window.
	pub(crate) fn decide_if_clear(id: TaskId, now: BlockNumber) {
		let Some(record) = Records::<T>::get(id).filter(|record| record.stage == Stage::Voting) else {
			return;
		};
		let Some(outcome) = Self::outcome(id, &record) else {
			return;
		};
		if let Err(error) = with_storage_layer(|| Self::decide(id, record, outcome, now)) {
			Self::deposit_event(Event::VerdictDelayed { task: id, error });
			Self::look_again(id, now.saturating_add(T::VoteWindow::get()));
		}
	}

	/// A fault decides at once; everything else needs a finding on each segment. Missing artifacts weigh more than doubt.
	fn outcome(id: TaskId, record: &Record) -> Option<Outcome> {
		let mut outcome = Some(Outcome::Accepted);
		for segment in record.segments.iter().copied() {
			let finding = Checks::<T>::get(id, segment).and_then(|check| check.finding);
			outcome = match (finding, outcome) {
				(Some(Finding::Faulty), _) => return Some(Outcome::Faulty { segment }),
				(None, _) | (_, None) => None,
				(Some(Finding::Withheld), Some(Outcome::Accepted | Outcome::Inconclusive { .. })) => {
					Some(Outcome::Withheld { segment })
				}
				(Some(Finding::Inconclusive), Some(Outcome::Accepted)) => {
					Some(Outcome::Inconclusive { segment })
				}
				(_, outcome) => outcome,
			};
		}
		outcome
	}

	fn decide(id: TaskId, mut record: Record, outcome: Outcome, now: BlockNumber) -> DispatchResult {
		Self::dismiss_open_checks(id, &record);
		Pending::<T>::mutate(|pending| pending.retain(|due| due.task != id));
		Exposure::<T>::mutate_exists(&record.worker, |sum| {
			*sum = sum
				.and_then(|sum| sum.checked_sub(record.exposure))
				.filter(|sum| *sum > 0);
		});
		let worker = record.worker.clone();
		let slashed = match outcome {
			Outcome::Accepted => {
				T::Registry::note_valid(&worker);
				0
			}
			Outcome::Faulty { segment } => {
				let taken = Self::slash_fault(id, &record, segment);
				T::Registry::note_fault(&worker);
				taken
			}
			Outcome::Withheld { .. } => {
				T::Registry::note_lost_lease(&worker);
				Self::slash_part(&worker, T::WithheldSlash::get())
			}
			Outcome::Inconclusive { .. } => 0,
		};
		let attempt = record.attestation.attempt;
		record.stage = Stage::Decided { outcome, at: now };
		Records::<T>::insert(id, record);
		// Of the claims of a result that holds, what a requester reads is kept; those of another one are of no use any more.
		let claims = SealClaims::<T>::take(id).filter(|claims| claims.attempt == attempt);
		if let Some(claims) = claims.filter(|_| outcome == Outcome::Accepted) {
			let seals = claims.kept.iter().map(|claim| (claim.block, claim.segment));
			AcceptedSeals::<T>::insert(id, BoundedVec::truncate_from(seals.collect()));
		}
		Self::deposit_event(Event::Decided {
			task: id,
			attempt,
			worker,
			outcome,
			slashed,
		});
		// The market last: it ends the worker's obligation.
		match outcome {
			Outcome::Accepted => T::Market::on_accepted(id),
			_ => T::Market::on_rejected(id),
		}
	}

	/// Takes the part of the bond that a fault costs, at least what answered for the attestation. Each verifier who found it
	/// gets half of an equal part; the rest is burned.
	fn slash_fault(id: TaskId, record: &Record, segment: u32) -> Balance {
		let worker = &record.worker;
		let amount = T::FaultSlash::get()
			.mul_floor(T::Registry::bond(worker))
			.max(record.exposure);
		let finders: Vec<AccountId> = Checks::<T>::get(id, segment)
			.map(|check| check.voters.into_inner())
			.unwrap_or_default()
			.into_iter()
			.filter(|voter| voter.who != *worker)
			.filter(|voter| {
				voter
					.verdict()
					.is_some_and(|verdict| agrees(Finding::Faulty, verdict))
			})
			.map(|voter| voter.who)
			.collect();
		let Some(part) = amount.checked_div(finders.len() as Balance) else {
			return T::Slash::slash(worker, amount, None);
		};
		let rest = amount.saturating_sub(part.saturating_mul(finders.len() as Balance));
		finders
			.iter()
			.fold(T::Slash::slash(worker, rest, None), |sum, finder| {
				sum.saturating_add(T::Slash::slash(worker, part, Some(finder)))
			})
	}

	/// Frees the verifiers of segments that need no finding any more.
	fn dismiss_open_checks(id: TaskId, record: &Record) {
		for segment in &record.segments {
			let Some(check) = Checks::<T>::get(id, segment).filter(|check| check.finding.is_none()) else {
				continue;
			};
			for voter in check.voters.iter().filter(|voter| voter.answer != Answer::Silent) {
				AssignmentsOf::<T>::remove(&voter.who, (id, *segment));
				T::Registry::end_obligation(&voter.who);
			}
		}
	}

	/// Forgets the last attestation of a task.
	pub(crate) fn forget(id: TaskId) {
		for segment in Records::<T>::take(id)
			.map(|record| record.segments)
			.unwrap_or_default()
		{
			Checks::<T>::remove(id, segment);
		}
	}
}
