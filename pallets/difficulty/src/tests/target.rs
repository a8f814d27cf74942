// SPDX-License-Identifier: Apache-2.0

//! The target follows the one rule, recovers from changes of the work rate, and stays inside its bounds.

use crate::{mock::*, *};
use core::num::NonZeroU64;
use frame_support::{assert_noop, assert_ok};
use poaiw_primitives::{traits::WorkTarget, U256};
use poaiw_work::retarget::{next_target, work, TARGET_MAX};
use proptest::prelude::*;
use sp_runtime::DispatchError;

#[test]
fn target_should_stay_when_blocks_are_on_time() {
	ExtBuilder::default().build_and_execute(|| {
		let first = Difficulty::mac_target();
		blocks(200);
		assert_eq!(Difficulty::mac_target(), first);
	})
}

#[test]
fn target_should_double_when_late_by_a_half_life() {
	ExtBuilder::default().build_and_execute(|| {
		let first = Difficulty::mac_target();
		block(START + BLOCK_MS + 30 * BLOCK_MS);
		assert_eq!(Difficulty::mac_target(), first * 2);
		assert_eq!(Difficulty::block_work(), work(first * 2));
		assert_eq!(U256::from(Difficulty::expected_macs()), work(first * 2));
	})
}

#[test]
fn expected_macs_should_saturate_when_work_exceeds_128_bits() {
	ExtBuilder::with(|g| g.initial_target = U256::from(7)).build_and_execute(|| {
		assert_eq!(Difficulty::block_work(), U256::one() << 253);
		assert_eq!(Difficulty::expected_macs(), u128::MAX);
	})
}

#[test]
fn anchor_should_be_the_first_block_when_genesis_states_no_time() {
	ExtBuilder::with(|g| g.genesis_time = 0).build_and_execute(|| {
		let first = Difficulty::mac_target();
		// Years after the epoch of Unix: neither early nor late.
		block(START + 77);
		assert_eq!(Difficulty::mac_target(), first);
		assert_eq!(
			CurrentAnchor::<Test>::get().parent_time,
			Some(START + 77 - BLOCK_MS)
		);
		block(START + 77 + BLOCK_MS);
		assert_eq!(Difficulty::mac_target(), first);
		// Late by a half-life from there.
		block(START + 77 + 32 * BLOCK_MS);
		assert_eq!(Difficulty::mac_target(), first * 2);
	})
}

#[test]
fn set_anchor_should_forget_a_standstill() {
	ExtBuilder::default().build_and_execute(|| {
		blocks(5);
		block(START + 100_000 * BLOCK_MS);
		assert_eq!(Difficulty::mac_target(), TARGET_MAX);
		let wanted = U256::one() << 219;
		assert_ok!(Difficulty::set_anchor(RuntimeOrigin::root(), wanted));
		System::assert_last_event(
			Event::AnchorMoved {
				from: TARGET_MAX,
				to: wanted,
			}
			.into(),
		);
		// In force from the end of this block on, and steady when blocks are on time again.
		Difficulty::retarget(System::block_number());
		assert_eq!(Difficulty::mac_target(), wanted);
		blocks(40);
		assert_eq!(Difficulty::mac_target(), wanted);
	})
}

#[test]
fn set_anchor_should_refuse_bad_origin_and_targets() {
	ExtBuilder::with(|g| g.genesis_time = 0).build_and_execute(|| {
		let set = Difficulty::set_anchor;
		assert_noop!(
			set(RuntimeOrigin::signed(1), U256::one()),
			DispatchError::BadOrigin
		);
		assert_noop!(
			set(RuntimeOrigin::root(), U256::zero()),
			Error::<Test>::TargetOutOfRange
		);
		assert_noop!(
			set(RuntimeOrigin::root(), TARGET_MAX + U256::one()),
			Error::<Test>::TargetOutOfRange
		);
		assert_noop!(
			set(RuntimeOrigin::root(), U256::one()),
			Error::<Test>::NoTimestamp
		);
	})
}

/// Mines deterministically: a block takes the expected number of multiply-accumulates at `rate` per ms.
fn mine(count: u32, rate: u128) -> u64 {
	let begin = Timestamp::get();
	for _ in 0..count {
		let took = (Difficulty::expected_macs() / rate).max(1);
		block(Timestamp::get() + u64::try_from(took).unwrap());
	}
	(Timestamp::get() - begin) / u64::from(count)
}

#[test]
fn block_time_should_recover_when_the_work_rate_drops_or_rises_tenfold() {
	ExtBuilder::default().build_and_execute(|| {
		let rate = Difficulty::expected_macs() / u128::from(BLOCK_MS);
		block(START + BLOCK_MS);
		for rate in [rate, rate / 10, rate * 10, rate] {
			// The worst jump is a hundredfold rise: log2(100) half-lives of 30 blocks pass by, then what is missing is
			// divided by e every 30 / ln 2 blocks. 600 blocks bring it under a percent.
			mine(600, rate);
			let mean = mine(50, rate);
			assert!(
				mean.abs_diff(BLOCK_MS) * 100 <= BLOCK_MS,
				"mean block time {mean} ms at rate {rate}"
			);
		}
	})
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

	/// The pallet adds nothing to the rule but anchor and times.
	#[test]
	fn target_should_be_what_the_rule_says_for_any_times(
		anchor_bits in 0usize..237,
		steps in proptest::collection::vec(1u64..200_000, 1..40),
	) {
		let anchor = U256::one() << anchor_bits;
		ExtBuilder::with(|g| g.initial_target = anchor).build_and_execute(|| {
			let mut now = START;
			for (height, step) in (1u64..).zip(&steps) {
				now += step;
				block(now);
				let half_life = NonZeroU64::new(30 * BLOCK_MS).unwrap();
				let expected = next_target(anchor, now - START, height - 1, BLOCK_MS, half_life);
				assert_eq!(Difficulty::mac_target(), expected);
				assert!(!expected.is_zero() && expected <= TARGET_MAX);
			}
		})
	}

	/// Jumps of any size, up to the largest time there is, leave the target inside its bounds.
	#[test]
	fn target_should_stay_in_bounds_for_any_jumps(
		anchor_bits in 0usize..237,
		jumps in proptest::collection::vec(any::<u64>(), 1..12),
	) {
		ExtBuilder::with(|g| g.initial_target = U256::one() << anchor_bits).build_and_execute(|| {
			for jump in jumps {
				let Some(time) = Timestamp::get().max(START).checked_add(jump).filter(|t| *t < u64::MAX) else { break };
				if time < Difficulty::earliest_timestamp() { break }
				// `block` checks the invariants, bounds included.
				block(time);
			}
		})
	}
}
