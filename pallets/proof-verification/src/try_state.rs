// SPDX-License-Identifier: Apache-2.0

//! What must hold between any two blocks.

use crate::{
	types::{Answer, Outcome, Stage},
	AcceptedSeals, AssignmentsOf, Checks, Config, Exposure, Pallet, Pending, Records, SealClaims,
};
use alloc::collections::{BTreeMap, BTreeSet};
use poaiw_primitives::{traits::Market, AccountId, Balance, TaskId};
use polkadot_sdk::{
	frame_support::{ensure, traits::Get},
	sp_runtime::TryRuntimeError,
};

impl<T: Config> Pallet<T> {
	/// All invariants of the pallet.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_pending()?;
		Self::try_checks()?;
		Self::try_exposure()?;
		Self::try_claims()?;
		Self::try_archive()
	}

	/// Undecided records, pending entries and attested tasks of the market are the same tasks.
	fn try_pending() -> Result<(), TryRuntimeError> {
		let mut pending = BTreeSet::<TaskId>::new();
		for due in Pending::<T>::get() {
			ensure!(pending.insert(due.task), "a task is pending twice");
		}
		for (id, record) in Records::<T>::iter() {
			ensure!(record.attestation.task == id, "record under a wrong task");
			let undecided = !matches!(record.stage, Stage::Decided { .. });
			ensure!(
				pending.contains(&id) == undecided,
				"exactly the undecided records are pending"
			);
			let attested = T::Market::leased(id).filter(|task| task.attested);
			if undecided {
				let task = attested.ok_or("an undecided record needs an attested task")?;
				ensure!(
					task.lease.worker == record.worker,
					"record of another worker than the lease"
				);
				ensure!(
					task.lease.attempt == record.attestation.attempt,
					"record of another lease"
				);
			} else {
				ensure!(attested.is_none(), "an attested task whose record is decided");
			}
		}
		ensure!(
			pending.iter().all(Records::<T>::contains_key),
			"pending without a record"
		);
		Ok(())
	}

	/// Checks belong to sampled segments; votes that are due, and nothing else, are in the lists of their verifiers.
	fn try_checks() -> Result<(), TryRuntimeError> {
		let mut due = BTreeSet::new();
		for (id, segment, check) in Checks::<T>::iter() {
			let record = Records::<T>::get(id).ok_or("check without a record")?;
			ensure!(
				record.segments.contains(&segment),
				"check of a segment that was not sampled"
			);
			let open = record.stage == Stage::Voting && check.finding.is_none();
			for voter in check
				.voters
				.iter()
				.filter(|voter| open && voter.answer == Answer::Due)
			{
				ensure!(
					due.insert((voter.who.clone(), id, segment)),
					"a verifier was asked twice"
				);
			}
		}
		for (id, record) in Records::<T>::iter() {
			ensure!(
				record
					.segments
					.iter()
					.all(|segment| Checks::<T>::contains_key(id, segment)),
				"sampled segment without a check"
			);
			ensure!(
				record.segments.is_empty() == matches!(record.stage, Stage::Beacon { .. }),
				"drawn too early or late"
			);
		}
		let listed: BTreeSet<_> = AssignmentsOf::<T>::iter_keys()
			.map(|(who, (id, segment))| (who, id, segment))
			.collect();
		ensure!(listed == due, "assignments differ from the votes that are due");
		Ok(())
	}

	/// The exposure of a worker is the sum over its undecided records.
	fn try_exposure() -> Result<(), TryRuntimeError> {
		let mut sums = BTreeMap::<AccountId, Balance>::new();
		for (_, record) in Records::<T>::iter() {
			if !matches!(record.stage, Stage::Decided { .. }) {
				let sum = sums.entry(record.worker).or_default();
				*sum = sum.saturating_add(record.exposure);
			}
		}
		sums.retain(|_, sum| *sum > 0);
		let stored: BTreeMap<_, _> = Exposure::<T>::iter().filter(|(_, sum)| *sum > 0).collect();
		ensure!(stored == sums, "exposure differs from the undecided records");
		Ok(())
	}

	/// Claims exist only for tasks under lease, for the current lease.
	fn try_claims() -> Result<(), TryRuntimeError> {
		for (id, claims) in SealClaims::<T>::iter() {
			let task = T::Market::leased(id).ok_or("claims on a task that is not under lease")?;
			ensure!(task.lease.attempt == claims.attempt, "claims of an old lease");
			ensure!(
				u32::try_from(claims.kept.len()).is_ok_and(|n| n <= T::MaxClaims::get()),
				"too many claims"
			);
			ensure!(
				claims.kept.iter().all(|claim| claim.segment < task.spec.segments),
				"claim out of range"
			);
		}
		Ok(())
	}

	/// Nothing is kept of tasks that the market has forgotten; seals are kept of accepted results only.
	fn try_archive() -> Result<(), TryRuntimeError> {
		ensure!(
			Records::<T>::iter_keys().all(T::Market::knows),
			"record of a task that the market does not know"
		);
		for (id, seals) in AcceptedSeals::<T>::iter() {
			let record = Records::<T>::get(id).ok_or("seals of a task without a record")?;
			let accepted = matches!(
				record.stage,
				Stage::Decided {
					outcome: Outcome::Accepted,
					..
				}
			);
			ensure!(accepted, "seals kept of a result that was not accepted");
			ensure!(
				seals
					.iter()
					.all(|(block, segment)| *block < record.attested_at
						&& *segment < record.attestation.segments),
				"kept seal out of range"
			);
		}
		Ok(())
	}
}
