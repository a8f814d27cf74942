// SPDX-License-Identifier: Apache-2.0

//! Target, timestamps, epochs and work profiles.
//!
//! ## Overview
//!
//! - **Target.** The chance of one multiply-accumulate, times 2^256, follows ASERT from an anchor
//!   ([`poaiw_work::retarget`], the only copy of the rule). While block N executes, [`Pallet::mac_target`] is the target
//!   that block N itself had to meet; in the state after block N it is the target of block N + 1. Fork choice adds up
//!   [`Pallet::block_work`], the expected multiply-accumulates of a block at that target.
//! - **Timestamps.** A block's time must be strictly above the median of the eleven blocks before it. The inherent of
//!   `pallet-timestamp` cannot return an error from [`OnTimestampSet`], so a violation panics: that makes the block
//!   invalid for every node, the usual way for inherents, and it cannot be reached by a transaction because the
//!   timestamp call is an inherent. A miner asks [`Pallet::earliest_timestamp`] and never builds such a block. How far a
//!   clock may run ahead is `pallet-timestamp`'s rule. (With a `MinimumPeriod` of a millisecond or more that pallet
//!   also demands rising times, which implies the median rule; this pallet does not rely on it.)
//! - **Epochs.** Epoch 0 begins at block 1; each has `epoch_blocks` blocks. Its seed mixes the tickets of all seals
//!   noted in the epoch before. The seal of an epoch's last block is only known to the block after it, hence it enters
//!   the seed of the epoch after next: nobody has to know a seal that the state doesn't have.
//! - **Work profile.** One profile, from genesis. The list of profiles and the draw at the start of an epoch belong into
//!   [`Pallet::begin_epoch`].
//!
//! ## The anchor
//!
//! The anchor is block 1 with the target of genesis. If the chain specification states a genesis time, that is the time
//! of the anchor's parent. Otherwise the first block's own time minus one block time is: then the first miner chooses
//! where the schedule begins, which suits development chains only. Root can move the anchor
//! ([`Pallet::set_anchor`]), for example after the chain stood still for a long time: ASERT otherwise makes up for all
//! missed blocks.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

extern crate alloc;

#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
mod functions;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Anchor, Epoch, MedianSpan, Schedule};
pub use weights::WeightInfo;

use polkadot_sdk::*;

// FRAME's macros expand to `expect()`; code of this project does not.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::*;
	use poaiw_primitives::{Hash, Hash32, Moment, U256};
	use poaiw_work::{
		profile::WorkProfile,
		retarget::{TARGET_MAX, TARGET_MIN},
	};
	use sp_runtime::traits::SaturatedConversion;

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Configuration.
	#[pallet::config]
	pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Weights of calls and hooks.
		type WeightInfo: WeightInfo;
	}

	/// Block time, half-life and epoch length. Set at genesis.
	#[pallet::storage]
	pub type CurrentSchedule<T: Config> = StorageValue<_, Schedule, ValueQuery>;

	/// From where the target is computed.
	#[pallet::storage]
	pub type CurrentAnchor<T: Config> = StorageValue<_, Anchor, ValueQuery>;

	/// Target of the block in execution; after it, of the next one.
	#[pallet::storage]
	pub type Target<T: Config> = StorageValue<_, U256, ValueQuery>;

	/// Times of the last blocks, oldest first.
	#[pallet::storage]
	pub type RecentTimes<T: Config> = StorageValue<_, BoundedVec<Moment, MedianSpan>, ValueQuery>;

	/// Epoch of the block in execution; after it, of the next one.
	#[pallet::storage]
	pub type CurrentEpoch<T: Config> = StorageValue<_, Epoch, ValueQuery>;

	/// Hash chain over all tickets so far; an epoch's seed is its value when the epoch begins.
	#[pallet::storage]
	pub type TicketMix<T: Config> = StorageValue<_, Hash32, ValueQuery>;

	/// Work profile of the current epoch.
	#[pallet::storage]
	pub type Profile<T: Config> = StorageValue<_, WorkProfile, ValueQuery>;

	/// Events.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// The next block begins an epoch: datasets must be rebuilt from this seed.
		EpochStarted {
			/// Number of the epoch.
			index: u32,
			/// Its first block.
			starts_at: u32,
			/// Seed of its dataset.
			seed: Hash32,
		},
		/// Root moved the anchor; the next block has this target.
		AnchorMoved {
			/// Target before.
			from: U256,
			/// Target of the next block.
			to: U256,
		},
	}

	/// Errors.
	#[pallet::error]
	pub enum Error<T> {
		/// The target is 0 or above 2^237 − 1: nothing, or tickets without work, would win. Give a target in
		/// 1..=2^237 − 1.
		TargetOutOfRange,
		/// The block has no timestamp yet, so there is no time to anchor to. Call it in a block after genesis.
		NoTimestamp,
	}

	/// Parameters of a new chain.
	#[pallet::genesis_config]
	pub struct GenesisConfig<T: Config> {
		/// Target of block 1: chance of one multiply-accumulate times 2^256, in 1..=2^237 − 1.
		pub initial_target: U256,
		/// Planned time between blocks, in ms.
		pub block_ms: u64,
		/// Being late by this much doubles the target, in ms.
		pub half_life_ms: u64,
		/// Blocks of an epoch.
		pub epoch_blocks: u32,
		/// Seed of epoch 0.
		pub epoch_seed: Hash,
		/// The work profile.
		pub profile: WorkProfile,
		/// Time at which the schedule begins, in ms since the Unix epoch; 0 for "with the first block", which leaves the
		/// choice to the first miner (see the anchor, above).
		pub genesis_time: Moment,
		/// Phantom.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			let Schedule {
				block_ms,
				half_life_ms,
				epoch_blocks,
			} = Schedule::default();
			Self {
				// 2^34 multiply-accumulates: one second of a small GPU.
				initial_target: U256([0, 0, 0, 1 << 30]),
				block_ms,
				half_life_ms,
				epoch_blocks,
				epoch_seed: Hash::zero(),
				profile: WorkProfile::default(),
				genesis_time: 0,
				_config: Default::default(),
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			let target = self.initial_target;
			assert!(
				(TARGET_MIN..=TARGET_MAX).contains(&target),
				"difficulty.initialTarget = {target}: use 1 to 2^237 - 1"
			);
			assert!(self.block_ms > 0, "difficulty.blockMs = 0: use at least 1");
			assert!(self.half_life_ms > 0, "difficulty.halfLifeMs = 0: use at least 1");
			assert!(
				self.epoch_blocks > 0,
				"difficulty.epochBlocks = 0: use at least 1"
			);
			if let Err(error) = self.profile.validate() {
				panic!("difficulty.profile: {error}");
			}
			CurrentSchedule::<T>::put(Schedule {
				block_ms: self.block_ms,
				half_life_ms: self.half_life_ms,
				epoch_blocks: self.epoch_blocks,
			});
			let parent_time = (self.genesis_time > 0).then_some(self.genesis_time);
			CurrentAnchor::<T>::put(Anchor {
				target,
				height: 1,
				parent_time,
			});
			Target::<T>::put(target);
			RecentTimes::<T>::put(BoundedVec::truncate_from(parent_time.into_iter().collect()));
			CurrentEpoch::<T>::put(Epoch {
				index: 0,
				starts_at: 1,
				seed: self.epoch_seed.0,
			});
			TicketMix::<T>::put(self.epoch_seed.0);
			Profile::<T>::put(&self.profile);
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_: BlockNumberFor<T>) -> Weight {
			// What `on_finalize` will need.
			T::WeightInfo::on_finalize()
		}

		fn on_finalize(n: BlockNumberFor<T>) {
			let height = n.saturated_into();
			Self::retarget(height);
			Self::end_block_of_epoch(height);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Anchor the schedule at this block: the next block has the given target.
		///
		/// ## Dispatch Origin
		/// Root.
		///
		/// ## Details
		/// For a change of rules, or after a standstill for which nobody wants to mine all missed blocks. Takes effect in
		/// the next block; the schedule starts anew, so a later block is neither early nor late because of the past.
		///
		/// ## Errors
		/// [`Error::TargetOutOfRange`], [`Error::NoTimestamp`].
		///
		/// ## Events
		/// [`Event::AnchorMoved`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::set_anchor())]
		pub fn set_anchor(origin: OriginFor<T>, target: U256) -> DispatchResult {
			ensure_root(origin)?;
			ensure!(
				(TARGET_MIN..=TARGET_MAX).contains(&target),
				Error::<T>::TargetOutOfRange
			);
			Self::move_anchor(frame_system::Pallet::<T>::block_number().saturated_into(), target)
		}
	}
}
