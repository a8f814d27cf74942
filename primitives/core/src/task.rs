// SPDX-License-Identifier: Apache-2.0

//! Tasks as the chain knows them: what a requester posts, what a worker attests, what verifiers vote, what anyone can read.

use crate::{AccountId, Balance, BlockNumber, Hash32, TaskId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use polkadot_sdk::{sp_core::ConstU32, sp_runtime::BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Longest artifact locator, in bytes.
pub type MaxLocator = ConstU32<256>;
/// Most points of a sampled loss curve.
pub type MaxLossPoints = ConstU32<64>;
/// Most segments of one task (bounds the trace that verifiers read).
pub const MAX_SEGMENTS: u32 = 4096;

/// What kind of work a task is; work profiles may feature a class.
#[derive(
	Clone,
	Copy,
	Debug,
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
#[serde(rename_all = "kebab-case")]
pub enum TaskClass {
	/// Training of a model from a seed.
	Training,
	/// Outputs of a given model for given inputs.
	Inference,
	/// Stencils, simulations and other numeric work.
	Scientific,
}

/// How strongly a result is checked.
#[derive(
	Clone,
	Copy,
	Debug,
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
pub struct VerificationLevel {
	/// Segments sampled at least, whatever the worker's reputation (a worker without record has all segments sampled,
	/// up to the bound of the runtime).
	pub sampled: u32,
	/// Verifiers that re-execute each sampled segment.
	pub verifiers: u32,
}

/// What a requester posts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct TaskSpec {
	/// Kind of work.
	pub class: TaskClass,
	/// Hash of the SCALE-encoded `poaiw_program` workload.
	pub program_root: Hash32,
	/// Commitment to all data sets of the workload (`Workload::input_root`).
	pub input_root: Hash32,
	/// Commitment to a held-out set that is not part of the workload, if there is one.
	pub held_out: Option<Hash32>,
	/// Product MACs of the whole run, unpadded: `WorkloadInfo::product_macs`. Verifiers refuse any other figure.
	pub macs: u64,
	/// Segments of the run, evaluation included: `WorkloadInfo::segments`.
	pub segments: u32,
	/// Device memory the run needs, in MiB.
	pub memory_mib: u32,
	/// Where artifacts are to be found, for the worker (URL or empty for the default store).
	pub locator: BoundedVec<u8, MaxLocator>,
	/// Tip for the worker per started GMAC.
	pub tip_per_gmac: Balance,
	/// Most that is paid in all; held from the requester while the task lives.
	pub max_price: Balance,
	/// Height by which the task must have been attested.
	pub deadline: BlockNumber,
	/// Fewest consecutive valid results a worker must have.
	pub min_reputation: u32,
	/// How strongly the result is checked.
	pub level: VerificationLevel,
}

/// The loss curve that an attestation states: all losses if there are at most 64, otherwise point `i` of 64 is the loss of
/// step `i * (steps - 1) / 63`. Workers state it, verifiers compare it.
pub fn loss_curve(losses: &[i32]) -> BoundedVec<i32, MaxLossPoints> {
	const POINTS: u64 = 64;
	let count = losses.len() as u64;
	let points = count.min(POINTS);
	let at = |i: u64| {
		if count <= POINTS {
			i
		} else {
			i.saturating_mul(count.saturating_sub(1)) / (POINTS - 1)
		}
	};
	let values = (0..points).filter_map(|i| losses.get(usize::try_from(at(i)).ok()?).copied());
	BoundedVec::truncate_from(values.collect())
}

/// What a worker claims when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Attestation {
	/// The task.
	pub task: TaskId,
	/// Which lease of the task this is for (see [`Lease::attempt`]).
	pub attempt: u32,
	/// Merkle root over the leaves of all segment records.
	pub trace_root: Hash32,
	/// Segments in the trace.
	pub segments: u32,
	/// Product MACs of the workload that was run.
	pub macs: u64,
	/// State before the first segment (derived from the task seed).
	pub initial_state_root: Hash32,
	/// State after the last segment.
	pub final_state_root: Hash32,
	/// Output of the evaluation segment, or zeroes when the workload has none.
	pub output_root: Hash32,
	/// Loss curve: at most 64 points, evenly spaced over the steps, in units of the workload.
	pub losses: BoundedVec<i32, MaxLossPoints>,
	/// Held-out metric: (correct, total), when the workload has an evaluation.
	pub metric: Option<(u32, u32)>,
}

/// What one verifier says about one segment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Vote {
	/// The task.
	pub task: TaskId,
	/// The lease whose attestation is judged.
	pub attempt: u32,
	/// The segment that was re-executed.
	pub segment: u32,
	/// The finding.
	pub verdict: Verdict,
}

/// Finding of a verifier.
#[derive(
	Clone,
	Copy,
	Debug,
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
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
	/// Record, links and every operand that seals name were re-computed and agree.
	Accept,
	/// The state or output after the segment is a different one.
	WrongResult,
	/// The records don't chain, or don't start from the task seed, or don't match the trace root.
	BrokenTrace,
	/// A seal names operands that the instruction does not have.
	WrongOperands,
	/// Workload, cost or segment count differ from what the task states.
	WrongWorkload,
	/// Loss curve or held-out metric differ from the re-executed ones.
	WrongMetric,
	/// The artifacts that are needed to check could not be had.
	Unavailable,
}

impl Verdict {
	/// Whether the vote is in favour of the attestation.
	pub fn accepts(self) -> bool {
		self == Verdict::Accept
	}
}

/// A worker's hold on a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Lease {
	/// The worker.
	pub worker: AccountId,
	/// Counts the leases of this task, from 1.
	pub attempt: u32,
	/// Height at which the lease began.
	pub since: BlockNumber,
	/// Height of the last heartbeat (or of the lease).
	pub heartbeat: BlockNumber,
	/// Seed of initial state, data order and rounding. Drawn from the seal of the block that carries the lease, hence
	/// unknown until the next block: nobody can choose it.
	pub seed: Option<Hash32>,
	/// Base fee per GMAC at the time of the lease.
	pub base_fee_per_gmac: Balance,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum TaskState {
	/// Waits for a worker.
	Open,
	/// A worker executes it.
	Leased(Lease),
	/// A result waits for its verification.
	Attested(Lease),
	/// The result was accepted and paid.
	Settled {
		/// Who was paid.
		worker: AccountId,
		/// Seed of the lease whose result was accepted: with it anybody can run the task again.
		seed: Hash32,
		/// At which height.
		at: BlockNumber,
		/// Tip paid to the worker.
		paid: Balance,
		/// Base fee burned.
		burned: Balance,
	},
	/// The deadline passed without an accepted result; everything was released.
	Expired {
		/// At which height.
		at: BlockNumber,
	},
	/// The requester withdrew it.
	Cancelled {
		/// At which height.
		at: BlockNumber,
	},
}

/// Who was asked about a segment, and what they said so far.
pub type SegmentVotes = alloc::vec::Vec<(AccountId, Option<Verdict>)>;

/// The verification of an attestation as far as it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct VerificationReport {
	/// The claim.
	pub attestation: Attestation,
	/// Height at which it was made.
	pub attested_at: BlockNumber,
	/// Segments sampled by the beacon, with (verifier, vote) pairs; empty until the beacon is complete.
	pub segments: alloc::vec::Vec<(u32, SegmentVotes)>,
}

/// The whole life of a task in one answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct TaskReport {
	/// Number of the task.
	pub id: TaskId,
	/// Who posted it.
	pub requester: AccountId,
	/// Height at which it was posted.
	pub posted_at: BlockNumber,
	/// What was posted.
	pub spec: TaskSpec,
	/// Where it stands.
	pub state: TaskState,
	/// Amount still held from the requester.
	pub held: Balance,
	/// Leases so far.
	pub attempts: u32,
	/// Verification of the current or last attestation.
	pub verification: Option<VerificationReport>,
	/// Seals that named this task in the current attempt, or in the one that was accepted: (height of the sealed block,
	/// segment).
	pub seals: alloc::vec::Vec<(BlockNumber, u32)>,
}

/// Price of a task before it is posted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Quote {
	/// Started GMACs that are charged.
	pub gmacs: u64,
	/// Base fee per GMAC now; burned.
	pub base_fee_per_gmac: Balance,
	/// Tip per GMAC as asked; the worker's.
	pub tip_per_gmac: Balance,
	/// Price at today's base fee.
	pub price: Balance,
	/// Most that may be needed if the base fee rises for `horizon` full blocks; a sensible `max_price`.
	pub suggested_max_price: Balance,
	/// Open tasks that are served before it.
	pub tasks_ahead: u32,
	/// Blocks until a worker takes it, by the current number of idle workers; `None` when no worker is registered.
	pub expected_wait: Option<BlockNumber>,
}

/// Started GMACs of a task: what its price is counted in. At least one for any work.
pub fn gmacs(macs: u64) -> u64 {
	macs.div_ceil(crate::GMAC)
}

/// Price of a task, `started GMACs · (base fee + tip)`, as (part that is burned, part of the worker).
/// `None` when an amount does not fit.
pub fn price(macs: u64, base_fee_per_gmac: Balance, tip_per_gmac: Balance) -> Option<(Balance, Balance)> {
	let gmacs = Balance::from(gmacs(macs));
	let burned = gmacs.checked_mul(base_fee_per_gmac)?;
	let tip = gmacs.checked_mul(tip_per_gmac)?;
	burned.checked_add(tip).map(|_| (burned, tip))
}

/// Seed of a lease: `H("PoAIW/task-seed/1" ‖ ticket ‖ le64(task) ‖ worker ‖ le32(attempt))`, where `ticket` is the one of
/// the seal of the block that carries the lease.
pub fn task_seed(ticket: &Hash32, task: TaskId, worker: &AccountId, attempt: u32) -> Hash32 {
	poaiw_commitment::hash(&[
		b"PoAIW/task-seed/1",
		ticket,
		&task.to_le_bytes(),
		AsRef::<[u8]>::as_ref(worker),
		&attempt.to_le_bytes(),
	])
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn gmacs_should_count_started_ones() {
		assert_eq!([0, 1, crate::GMAC, crate::GMAC + 1].map(gmacs), [0, 1, 1, 2]);
		assert_eq!(gmacs(u64::MAX), u64::MAX / crate::GMAC + 1);
	}

	#[test]
	fn price_should_be_none_when_an_amount_does_not_fit() {
		assert_eq!(price(2 * crate::GMAC, 3, 5), Some((6, 10)));
		assert_eq!(price(2 * crate::GMAC, Balance::MAX, 0), None);
		assert_eq!(price(2 * crate::GMAC, 0, Balance::MAX), None);
		assert_eq!(price(crate::GMAC, Balance::MAX, 1), None);
	}

	#[test]
	fn task_seed_should_depend_on_every_input() {
		let (a, b) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
		let seed = task_seed(&[3; 32], 4, &a, 5);
		for other in [
			task_seed(&[4; 32], 4, &a, 5),
			task_seed(&[3; 32], 5, &a, 5),
			task_seed(&[3; 32], 4, &b, 5),
			task_seed(&[3; 32], 4, &a, 6),
		] {
			assert_ne!(seed, other);
		}
	}
}
