// SPDX-License-Identifier: Apache-2.0

//! Types in this pallet's storage, genesis and events.

use crate::*;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::{ConstU32, Get},
	BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use poaiw_primitives::{AccountId, Balance, BlockNumber, TaskId, UNIT};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::{FixedU128, Perbill, Permill};

/// Most lots of credit of one worker: lots expire at multiples of a sixteenth of the release window.
pub type MaxCreditLots = ConstU32<33>;

/// How the reward of a block is split. The parts are exactly 100 % together.
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
	/// To the author at once.
	pub base: Permill,
	/// To the author when the work proves useful.
	pub useful: Permill,
	/// To verifiers by their votes.
	pub verifiers: Permill,
	/// To public-good tasks.
	pub public_good: Permill,
}

impl Split {
	/// Whether the parts are 100 % together.
	pub fn is_whole(&self) -> bool {
		let parts = [self.base, self.useful, self.verifiers, self.public_good];
		parts
			.iter()
			.fold(0u64, |sum, part| sum.saturating_add(part.deconstruct().into()))
			== 1_000_000
	}
}

/// Parameters of the token.
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameters {
	/// Most tokens there can be, in smallest units.
	pub cap: Balance,
	/// Part of `cap − issuance` that a year mints, in parts of 10^9.
	pub yearly_rate: Perbill,
	/// Blocks in a year at the planned block time.
	pub blocks_per_year: u32,
	/// How a reward is split.
	pub split: Split,
	/// Most credit for one burned unit of base fee. At 1 or less, paying for one's own tasks never earns anything. Above
	/// it does, until the use this causes has raised the base fee to the useful share of the same work: emission then
	/// subsidises tasks, and what it pays for fake ones is bounded by this factor.
	pub useful_cap: FixedU128,
}

impl Default for Parameters {
	/// 2.1 billion tokens, 13.14 % of the remainder in a year of 12-second blocks, split 20 / 60 / 10 / 10.
	fn default() -> Self {
		Self {
			cap: UNIT.saturating_mul(2_100_000_000),
			yearly_rate: Perbill::from_parts(131_400_000),
			blocks_per_year: 2_629_800,
			split: Split {
				base: Permill::from_percent(20),
				useful: Permill::from_percent(60),
				verifiers: Permill::from_percent(10),
				public_good: Permill::from_percent(10),
			},
			// Whoever pays for their own task burns at least what it releases: faking demand never pays.
			useful_cap: FixedU128::from_u32(1),
		}
	}
}

/// Sums since genesis.
#[derive(
	Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Totals {
	/// Minted, with what was burned at the same moment.
	pub minted: Balance,
	/// Burned base fees.
	pub burned_base_fees: Balance,
	/// Burned useful shares.
	pub burned_useful: Balance,
	/// Burned slashes.
	pub burned_slashes: Balance,
	/// Burned transaction fees and dust.
	pub burned_fees: Balance,
	/// Useful shares held now.
	pub useful_held: Balance,
	/// Useful shares released.
	pub useful_released: Balance,
	/// Blocks whose seal lies in a task that their author had on lease.
	pub task_sealed_blocks: u64,
	/// Blocks whose seal is synthetic.
	pub synthetic_sealed_blocks: u64,
}

/// The held useful share of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Share {
	/// The task that the seal names.
	pub task: TaskId,
	/// Who mined the block, and has the task on lease.
	pub worker: AccountId,
	/// Account on which the share is held.
	pub account: AccountId,
	/// What is still held.
	pub amount: Balance,
}

/// Shares of a task that is not settled.
#[derive(
	CloneNoBound, DebugNoBound, PartialEqNoBound, EqNoBound, Encode, Decode, MaxEncodedLen, TypeInfo,
)]
#[scale_info(skip_type_params(Max))]
pub struct TaskShare<Max: Get<u32>> {
	/// The lease under which the blocks were sealed.
	pub attempt: u32,
	/// Heights of the sealed blocks, ascending.
	pub blocks: BoundedVec<BlockNumber, Max>,
}

/// Credit that expires at one time.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct CreditLot {
	/// From this height on it is void.
	pub expires_at: BlockNumber,
	/// What is left.
	pub amount: Balance,
}

/// What became of the useful share of a block. All but [`ShareOutcome::Held`] burn it.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ShareOutcome {
	/// Held until the task is settled.
	Held {
		/// The task.
		task: TaskId,
	},
	/// The operands were generated. Take a task to earn the share.
	Synthetic,
	/// Nobody has the task on lease (any more).
	NotLeased,
	/// Somebody else has the task on lease.
	NotTheWorker,
	/// The block was sealed before the lease had a seed.
	BeforeLease,
	/// The result is attested already; nobody would check these operands.
	AlreadyAttested,
	/// The task has no such segment.
	NoSuchSegment,
	/// All tokens that there may be exist: blocks have no reward.
	NoReward,
	/// The task has as many held shares as it may.
	TooManyShares,
	/// The payout account can't hold funds (it does not exist, and the base share is below the existential deposit, or
	/// it has too many references). Use an existing account.
	NotHoldable,
}
