// SPDX-License-Identifier: Apache-2.0

//! Types in this pallet's storage.

use crate::*;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::ConstU32;
use poaiw_primitives::{BlockNumber, Hash32, Moment, U256};
use poaiw_work::retarget::TARGET_MAX;
use scale_info::TypeInfo;

/// Blocks over which the median time is taken.
pub type MedianSpan = ConstU32<11>;

/// The schedule of the chain.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Schedule {
	/// Planned time between blocks, in ms.
	pub block_ms: u64,
	/// Being late by this much doubles the target, in ms.
	pub half_life_ms: u64,
	/// Blocks of an epoch.
	pub epoch_blocks: BlockNumber,
}

impl Default for Schedule {
	/// A public chain: 12 s, 288 blocks of half-life, 2,016 blocks of an epoch.
	fn default() -> Self {
		Self {
			block_ms: 12_000,
			half_life_ms: 288 * 12_000,
			epoch_blocks: 2_016,
		}
	}
}

/// Where the schedule begins: a height, its target, and the time of the block before it.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Anchor {
	/// Target at the anchor.
	pub target: U256,
	/// Height of the anchor.
	pub height: BlockNumber,
	/// Time of the anchor's parent; `None` until the first block when genesis states none.
	pub parent_time: Option<Moment>,
}

impl Default for Anchor {
	fn default() -> Self {
		Self {
			target: TARGET_MAX,
			height: 1,
			parent_time: None,
		}
	}
}

/// An epoch.
#[derive(
	Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Epoch {
	/// Number, from 0.
	pub index: u32,
	/// First block.
	pub starts_at: BlockNumber,
	/// Seed of the dataset.
	pub seed: Hash32,
}
