// SPDX-License-Identifier: Apache-2.0

//! Workers and verifiers as the chain knows them.

use crate::{app::ReporterId, AccountId, Balance, BlockNumber, Hash32, TaskId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// What an account registers for; one account may do both.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct Roles {
	/// Takes tasks.
	pub worker: bool,
	/// Re-executes sampled segments and votes; takes part in finality.
	pub verifier: bool,
}

/// Record of results: consecutive and decayed counts.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct Reputation {
	/// Valid results (decays by epochs).
	pub valid: u32,
	/// Faults and lost leases (decays by epochs).
	pub invalid: u32,
	/// Valid results since the last fault.
	pub consecutive: u32,
}

/// A registered account in one answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct WorkerReport {
	/// The account.
	pub account: AccountId,
	/// Registered roles.
	pub roles: Roles,
	/// Key that signs its reports.
	pub reporter: ReporterId,
	/// Bond held.
	pub bond: Balance,
	/// Part of the bond that is being withdrawn, and when it is free.
	pub unbonding: Option<(Balance, BlockNumber)>,
	/// Record of results.
	pub reputation: Reputation,
	/// Device memory declared, in MiB.
	pub memory_mib: u32,
	/// Task it holds a lease on.
	pub lease: Option<TaskId>,
	/// Useful credit it may still draw on.
	pub useful_credit: Balance,
}

/// A segment that a verifier must re-execute.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Assignment {
	/// The task.
	pub task: TaskId,
	/// The lease whose attestation is judged.
	pub attempt: u32,
	/// The segment.
	pub segment: u32,
	/// Height by which the vote must be on chain.
	pub due: BlockNumber,
}

/// Operands that a seal claims for one instruction of a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SealClaim {
	/// Height of the sealed block.
	pub block: BlockNumber,
	/// Segment, step and instruction named by the seal.
	pub segment: u32,
	/// Global step number.
	pub step: u32,
	/// Index of the instruction in the program of that segment.
	pub instruction: u32,
	/// `tensor_root` of operand A.
	pub root_a: Hash32,
	/// `tensor_root` of operand B (stored transposed).
	pub root_b: Hash32,
}

/// Everything a verifier needs to know of a task, besides its artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct VerificationBrief {
	/// The task as posted.
	pub spec: crate::task::TaskSpec,
	/// The lease that is judged, with its seed.
	pub lease: crate::task::Lease,
	/// The claim.
	pub attestation: crate::task::Attestation,
	/// Operands that seals claim, for all segments of the task.
	pub claims: alloc::vec::Vec<SealClaim>,
}

/// Valid results in a row before a worker is trusted at all.
pub const TRUST_AFTER: u32 = 10;
/// Segments that are sampled of any result: an early one, a late one and the last (the evaluation).
pub const ALWAYS_SAMPLED: u32 = 3;

/// Segments of a result that are re-executed: all without trust, then falling as one over the valid results,
/// `⌈segments · TRUST_AFTER / valid⌉`; never fewer than the level asks for or [`ALWAYS_SAMPLED`], never more than there
/// are, and never more than `max`, the bound of the runtime.
pub fn sampled_segments(
	reputation: &Reputation,
	segments: u32,
	level: &crate::task::VerificationLevel,
	max: u32,
) -> u32 {
	let trusted = reputation.consecutive >= TRUST_AFTER && reputation.valid > TRUST_AFTER;
	let wanted = if trusted {
		let scaled = u64::from(segments)
			.saturating_mul(u64::from(TRUST_AFTER))
			.div_ceil(u64::from(reputation.valid));
		u32::try_from(scaled).unwrap_or(segments)
	} else {
		segments
	};
	wanted
		.max(level.sampled)
		.max(ALWAYS_SAMPLED)
		.min(segments)
		.min(max)
}

/// What a worker must stand to lose so that cheating does not pay: `reward · (1 − p) / p · margin`, rounded up, where
/// `p = sampled / segments` is the chance that one wrong segment is found; at least `least`.
/// Nothing sampled means nothing is found: then no bond is enough (`Balance::MAX`).
pub fn required_bond(reward: Balance, segments: u32, sampled: u32, margin: u32, least: Balance) -> Balance {
	if sampled == 0 {
		return Balance::MAX;
	}
	reward
		.saturating_mul(Balance::from(segments.saturating_sub(sampled)))
		.saturating_mul(Balance::from(margin))
		.div_ceil(Balance::from(sampled))
		.max(least)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::task::VerificationLevel;

	const LEVEL: VerificationLevel = VerificationLevel {
		sampled: 1,
		verifiers: 1,
	};

	fn record(valid: u32, consecutive: u32) -> Reputation {
		Reputation {
			valid,
			invalid: 0,
			consecutive,
		}
	}

	#[test]
	fn sampling_should_take_all_segments_when_there_is_no_trust() {
		assert_eq!(sampled_segments(&record(0, 0), 100, &LEVEL, 1000), 100);
		assert_eq!(sampled_segments(&record(500, 9), 100, &LEVEL, 1000), 100);
		assert_eq!(sampled_segments(&record(0, 0), 100, &LEVEL, 64), 64);
	}

	#[test]
	fn sampling_should_fall_with_valid_results_down_to_a_floor() {
		assert_eq!(sampled_segments(&record(20, 20), 100, &LEVEL, 1000), 50);
		assert_eq!(
			sampled_segments(&record(1_000_000, 20), 100, &LEVEL, 1000),
			ALWAYS_SAMPLED
		);
		assert_eq!(sampled_segments(&record(1_000_000, 20), 2, &LEVEL, 1000), 2);
		let strict = VerificationLevel {
			sampled: 40,
			verifiers: 1,
		};
		assert_eq!(sampled_segments(&record(1_000_000, 20), 100, &strict, 1000), 40);
	}

	#[test]
	fn bond_should_outweigh_the_gain_of_cheating() {
		assert_eq!(required_bond(100, 10, 10, 2, 7), 7);
		assert_eq!(required_bond(100, 10, 5, 1, 7), 100);
		assert_eq!(required_bond(100, 10, 1, 2, 7), 1800);
		assert_eq!(required_bond(1, 10, 0, 2, 7), Balance::MAX);
	}
}
