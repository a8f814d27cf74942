// SPDX-License-Identifier: Apache-2.0

//! Reads: for the market, for verifiers, for anyone.

use crate::{AcceptedSeals, AssignmentsOf, Checks, Config, Pallet, Records, SealClaims};
use alloc::vec::Vec;
use poaiw_primitives::{
	task::VerificationReport,
	traits::{Market, Verification},
	worker::{Assignment, VerificationBrief},
	AccountId, BlockNumber, TaskId,
};

/// Most assignments in one answer.
pub const MAX_ASSIGNMENTS: usize = 1_024;

impl<T: Config> Pallet<T> {
	/// Segments that wait for a vote of this verifier, at most [`MAX_ASSIGNMENTS`].
	pub fn assignments(verifier: &AccountId) -> Vec<Assignment> {
		AssignmentsOf::<T>::iter_key_prefix(verifier)
			.filter_map(|(task, segment)| {
				let attempt = Records::<T>::get(task)?.attestation.attempt;
				let due = Checks::<T>::get(task, segment)?.due;
				Some(Assignment {
					task,
					attempt,
					segment,
					due,
				})
			})
			.take(MAX_ASSIGNMENTS)
			.collect()
	}

	/// What a verifier must know of an attested task; `None` when no result of it waits for a verdict.
	pub fn brief(task: TaskId) -> Option<VerificationBrief> {
		let leased = T::Market::leased(task).filter(|task| task.attested)?;
		let attestation = Records::<T>::get(task)?.attestation;
		let claims = SealClaims::<T>::get(task)
			.map(|claims| claims.kept.into_inner())
			.unwrap_or_default();
		Some(VerificationBrief {
			spec: leased.spec,
			lease: leased.lease,
			attestation,
			claims,
		})
	}
}

impl<T: Config> Verification for Pallet<T> {
	fn report(task: TaskId) -> Option<VerificationReport> {
		let record = Records::<T>::get(task)?;
		let segments = record
			.segments
			.iter()
			.map(|segment| {
				let voters = Checks::<T>::get(task, segment)
					.map(|check| check.voters)
					.unwrap_or_default();
				let votes = voters
					.into_iter()
					.map(|voter| (voter.who.clone(), voter.verdict()))
					.collect();
				(*segment, votes)
			})
			.collect();
		Some(VerificationReport {
			attestation: record.attestation,
			attested_at: record.attested_at,
			segments,
		})
	}

	fn seals(task: TaskId) -> Vec<(BlockNumber, u32)> {
		match SealClaims::<T>::get(task) {
			Some(claims) => claims
				.kept
				.iter()
				.map(|claim| (claim.block, claim.segment))
				.collect(),
			None => AcceptedSeals::<T>::get(task).into_inner(),
		}
	}

	fn on_lease_ended(task: TaskId) {
		SealClaims::<T>::remove(task);
	}

	fn on_forgotten(task: TaskId) {
		Self::forget(task);
		AcceptedSeals::<T>::remove(task);
	}
}
