// SPDX-License-Identifier: Apache-2.0

//! What verification stores of an attestation and of each of its sampled segments.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_primitives::{
	task::{Attestation, Verdict},
	worker::SealClaim,
	AccountId, Balance, BlockNumber, Hash32, TaskId,
};
use polkadot_sdk::{sp_core::ConstU32, sp_runtime::BoundedVec};
use scale_info::TypeInfo;

/// Most segments that can ever be sampled of one attestation.
pub const SAMPLED_BOUND: u32 = 512;
/// Most verifiers that can ever be named for one segment.
pub const VOTERS_BOUND: u32 = 64;
/// Most claims that can ever be kept for one task.
pub const CLAIMS_BOUND: u32 = 1_024;

/// An attestation on its way to a verdict, or the last one of a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Record {
	/// The claim.
	pub attestation: Attestation,
	/// Who made it.
	pub worker: AccountId,
	/// Whose task it is.
	pub requester: AccountId,
	/// Height at which it was made.
	pub attested_at: BlockNumber,
	/// Part of the worker's bond that answers for it.
	pub exposure: Balance,
	/// Segments to sample, by the worker's reputation at the attestation.
	pub sample: u32,
	/// Verifiers to ask about each, by the level of the task.
	pub verifiers: u32,
	/// How far the verification is.
	pub stage: Stage,
	/// The sampled segments in ascending order; empty before the draw.
	pub segments: BoundedVec<u32, ConstU32<SAMPLED_BOUND>>,
}

/// How far a verification is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub enum Stage {
	/// Waits for the seals that draw the sample.
	Beacon {
		/// First block whose seal takes part.
		from: BlockNumber,
	},
	/// Verifiers are asked.
	Voting,
	/// Decided.
	Decided {
		/// How.
		outcome: Outcome,
		/// At which height.
		at: BlockNumber,
	},
}

/// One sampled segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Check {
	/// The verifiers that were asked, in the order in which they were named.
	pub voters: BoundedVec<Voter, ConstU32<VOTERS_BOUND>>,
	/// How often verifiers were named since the last redraw, after the first time.
	pub round: u32,
	/// How often the segment was given to an entirely new set, because nobody voted.
	pub redraws: u32,
	/// Height by which the outstanding votes must be on chain.
	pub due: BlockNumber,
	/// What came out, once it is clear.
	pub finding: Option<Finding>,
}

/// A verifier that was asked about a segment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Voter {
	/// The verifier.
	pub who: AccountId,
	/// Its vote.
	pub answer: Answer,
}

/// Where the vote of a verifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub enum Answer {
	/// Still due.
	Due,
	/// Did not come in time.
	Silent,
	/// Came.
	Given(Verdict),
}

impl Voter {
	/// The vote, if there is one.
	pub fn verdict(&self) -> Option<Verdict> {
		match self.answer {
			Answer::Given(verdict) => Some(verdict),
			_ => None,
		}
	}
}

/// What the votes on a segment say.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Finding {
	/// The segment is as attested.
	Accepted,
	/// It is not.
	Faulty,
	/// What is needed to check it could not be had.
	Withheld,
	/// The votes do not agree, or there are none.
	Inconclusive,
}

/// How a verification ended.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Outcome {
	/// All sampled segments were accepted.
	Accepted,
	/// A segment is not as attested: the bond is slashed.
	Faulty {
		/// The segment.
		segment: u32,
	},
	/// A segment could not be checked for want of artifacts: a small part of the bond is slashed.
	Withheld {
		/// The segment.
		segment: u32,
	},
	/// Nothing could be found out: the task goes back to the market, nobody is slashed for it.
	Inconclusive {
		/// The segment.
		segment: u32,
	},
}

/// Claims of seals on the current lease of a task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Claims {
	/// The lease.
	pub attempt: u32,
	/// Seals that named the task in this lease.
	pub seen: u32,
	/// The claims that are kept: all, or an even sample when there are more than fit.
	pub kept: BoundedVec<SealClaim, ConstU32<CLAIMS_BOUND>>,
}

/// An undecided attestation and the height at which to look at it next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Due {
	/// The task.
	pub task: TaskId,
	/// The height.
	pub at: BlockNumber,
}

/// Seed of a draw.
pub type Seed = Hash32;
