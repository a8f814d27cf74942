// SPDX-License-Identifier: Apache-2.0

//! What the pallet does in a block, what others ask it, and its invariants.

use crate::*;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use frame_support::{
	pallet_prelude::*,
	traits::{Get, OnTimestampSet},
};
use poaiw_primitives::{
	traits::{OnParentSeal, WorkTarget},
	AccountId, BlockNumber, Hash32, Moment, U256,
};
use poaiw_work::{
	profile::WorkProfile,
	retarget::{next_target, work},
	summary::SealSummary,
};

impl<T: Config> Pallet<T> {
	/// Chance of one multiply-accumulate times 2^256: of the block in execution; asked of a state, of its child.
	pub fn mac_target() -> U256 {
		Target::<T>::get()
	}

	/// Expected multiply-accumulates of a block at [`Self::mac_target`]: the difficulty that fork choice adds up.
	/// Verification of a seal needs the target, not this.
	pub fn block_work() -> U256 {
		work(Self::mac_target())
	}

	/// Work profile of the epoch.
	pub fn profile() -> WorkProfile {
		Profile::<T>::get()
	}

	/// Seed of the epoch's dataset.
	pub fn epoch_seed() -> Hash32 {
		CurrentEpoch::<T>::get().seed
	}

	/// Number of the epoch and height at which the next one begins.
	pub fn epoch() -> (u32, BlockNumber) {
		let epoch = CurrentEpoch::<T>::get();
		(
			epoch.index,
			epoch
				.starts_at
				.saturating_add(CurrentSchedule::<T>::get().epoch_blocks),
		)
	}

	/// The earliest time that the next block may state, in ms: one above the median of the last eleven.
	/// 0 when there is no block to compare with.
	pub fn earliest_timestamp() -> Moment {
		median(&RecentTimes::<T>::get()).map_or(0, |median| median.saturating_add(1))
	}

	/// Target of the next block, from the time of this one.
	pub(crate) fn retarget(height: BlockNumber) {
		// `pallet-timestamp` refuses blocks without a time; before the first one there is nothing to compute from.
		let Some(now) = RecentTimes::<T>::get().last().copied() else {
			return;
		};
		let Schedule {
			block_ms,
			half_life_ms,
			..
		} = CurrentSchedule::<T>::get();
		let mut anchor = CurrentAnchor::<T>::get();
		let parent_time = match anchor.parent_time {
			Some(time) => time,
			None => {
				let time = now.saturating_sub(block_ms);
				anchor.parent_time = Some(time);
				CurrentAnchor::<T>::put(anchor);
				time
			}
		};
		// Genesis refuses a half-life of zero.
		let half_life = NonZeroU64::new(half_life_ms).unwrap_or(NonZeroU64::MIN);
		Target::<T>::put(next_target(
			anchor.target,
			now.saturating_sub(parent_time),
			u64::from(height.saturating_sub(anchor.height)),
			block_ms,
			half_life,
		));
	}

	/// Begin the next epoch if this block is the last of the current one.
	pub(crate) fn end_block_of_epoch(height: BlockNumber) {
		let (index, next) = Self::epoch();
		if height.saturating_add(1) >= next {
			Self::begin_epoch(index.saturating_add(1), height.saturating_add(1));
		}
	}

	/// Draw seed and profile of the epoch that begins at `starts_at`.
	fn begin_epoch(index: u32, starts_at: BlockNumber) {
		let seed = TicketMix::<T>::get();
		CurrentEpoch::<T>::put(Epoch {
			index,
			starts_at,
			seed,
		});
		// The profile stays: there is one. A governed list of profiles is drawn from here, with `seed`.
		Self::deposit_event(Event::EpochStarted {
			index,
			starts_at,
			seed,
		});
	}

	/// Anchor the schedule so that the block after `height` has `target`.
	pub(crate) fn move_anchor(height: BlockNumber, target: U256) -> DispatchResult {
		let now = RecentTimes::<T>::get()
			.last()
			.copied()
			.ok_or(Error::<T>::NoTimestamp)?;
		let parent_time = Some(now.saturating_sub(CurrentSchedule::<T>::get().block_ms));
		CurrentAnchor::<T>::put(Anchor {
			target,
			height,
			parent_time,
		});
		Self::deposit_event(Event::AnchorMoved {
			from: Target::<T>::get(),
			to: target,
		});
		Ok(())
	}

	/// Check the invariants of the state.
	#[cfg(any(feature = "try-runtime", test))]
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		Self::try_state_target()?;
		Self::try_state_epoch()
	}

	/// Target and anchor are inside the bounds, and the schedule can be computed with.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_target() -> Result<(), sp_runtime::TryRuntimeError> {
		use poaiw_work::retarget::{TARGET_MAX, TARGET_MIN};
		let bounds = TARGET_MIN..=TARGET_MAX;
		ensure!(bounds.contains(&Target::<T>::get()), "target out of bounds");
		ensure!(
			bounds.contains(&CurrentAnchor::<T>::get().target),
			"anchor's target out of bounds"
		);
		let schedule = CurrentSchedule::<T>::get();
		ensure!(
			schedule.block_ms > 0 && schedule.half_life_ms > 0,
			"schedule without time"
		);
		ensure!(
			Profile::<T>::get().validate().is_ok(),
			"work profile is not valid"
		);
		Ok(())
	}

	/// The block belongs to the epoch. After a block is finalized, the epoch is that of the next one.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_epoch() -> Result<(), sp_runtime::TryRuntimeError> {
		use sp_runtime::traits::SaturatedConversion;
		let height: BlockNumber = frame_system::Pallet::<T>::block_number().saturated_into();
		let starts_at = CurrentEpoch::<T>::get().starts_at;
		let (_, next) = Self::epoch();
		ensure!(
			starts_at <= height.saturating_add(1),
			"epoch begins after the next block"
		);
		ensure!(height < next, "epoch is over");
		Ok(())
	}
}

/// Median of the times; of an even number, the later of the two in the middle.
fn median(times: &[Moment]) -> Option<Moment> {
	let mut sorted: Vec<Moment> = times.to_vec();
	sorted.sort_unstable();
	sorted.get(sorted.len() / 2).copied()
}

impl<T: Config> OnTimestampSet<Moment> for Pallet<T> {
	/// # Panics
	/// If the time is not strictly above the median of the last eleven blocks: the block is invalid.
	fn on_timestamp_set(now: Moment) {
		let times = RecentTimes::<T>::get();
		if let Some(median) = median(&times) {
			assert!(
				now > median,
				"Timestamp {now} must be above {median}, the median of the last blocks; use earliest_timestamp()"
			);
		}
		let span = <MedianSpan as Get<u32>>::get() as usize;
		let outdated = times.len().saturating_add(1).saturating_sub(span);
		let recent = times
			.into_iter()
			.skip(outdated)
			.chain(core::iter::once(now))
			.collect();
		RecentTimes::<T>::put(BoundedVec::truncate_from(recent));
	}
}

impl<T: Config> OnParentSeal for Pallet<T> {
	fn on_parent_seal(_: BlockNumber, _: &AccountId, summary: &SealSummary) {
		TicketMix::<T>::mutate(|mix| {
			*mix = sp_io::hashing::blake2_256(&(b"PoAIW/epoch/1", *mix, summary.ticket).encode());
		});
	}
}

impl<T: Config> WorkTarget for Pallet<T> {
	fn expected_macs() -> u128 {
		u128::try_from(Self::block_work()).unwrap_or(u128::MAX)
	}

	fn epoch() -> u32 {
		CurrentEpoch::<T>::get().index
	}
}
