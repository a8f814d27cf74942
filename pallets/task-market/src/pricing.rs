// SPDX-License-Identifier: Apache-2.0

//! The price rule: pure integer functions.
//!
//! The base fee per GMAC follows the utilisation of the workers, as the base fee of EIP-1559 follows the fullness of
//! blocks, with two changes that long tasks need: the utilisation is smoothed (a lease fills a worker for many blocks),
//! and the step of one block is a parameter of at most 12.5 %.

use poaiw_primitives::Balance;
use polkadot_sdk::sp_runtime::{traits::Saturating, Permill, Perquintill};

/// Largest step that the rule allows in one block: 12.5 %.
pub const MAX_STEP: Permill = Permill::from_parts(125_000);

fn widen(part: Permill) -> Perquintill {
	Perquintill::from_parts(u64::from(part.deconstruct()).saturating_mul(1_000_000_000_000))
}

/// Smoothed utilisation after one more block: moves by `1 / window` of the distance to `sample`.
pub fn smooth(average: Permill, sample: Permill, window: u32) -> Permill {
	let window = window.max(1);
	let step = |distance: Permill| Permill::from_parts(distance.deconstruct().div_ceil(window));
	if sample >= average {
		average.saturating_add(step(sample.saturating_sub(average)))
	} else {
		average.saturating_sub(step(average.saturating_sub(sample)))
	}
}

/// Base fee of the next block: unchanged at `target`, `step` higher at full use, `step` lower (down to `least`) at none,
/// linear between. Above the target it rises by at least one unit, so that it can't be stuck.
pub fn next_base_fee(
	fee: Balance,
	utilisation: Permill,
	target: Permill,
	step: Permill,
	least: Balance,
) -> Balance {
	let (distance, span) = if utilisation > target {
		(
			utilisation.saturating_sub(target),
			Permill::one().saturating_sub(target),
		)
	} else {
		(target.saturating_sub(utilisation), target)
	};
	let part = Perquintill::from_rational(
		u64::from(distance.deconstruct()),
		u64::from(span.deconstruct().max(1)),
	);
	let change = widen(step.min(MAX_STEP)).saturating_mul(part).mul_floor(fee);
	if utilisation > target {
		fee.saturating_add(change.max(1))
	} else {
		fee.saturating_sub(change)
	}
	.max(least)
}

/// Part of `amount` that is due after `elapsed` of `expected` blocks of work, rounded down; all of it from there on.
pub fn work_done(amount: Balance, elapsed: u32, expected: u32) -> Balance {
	let expected = expected.max(1);
	Perquintill::from_rational(u64::from(elapsed.min(expected)), u64::from(expected)).mul_floor(amount)
}

/// Bucket of a tip: `⌊log2(tip + 1)⌋`, 0 to 127.
pub fn bucket_of(tip_per_gmac: Balance) -> u8 {
	u8::try_from(tip_per_gmac.saturating_add(1).checked_ilog2().unwrap_or(0)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	const HALF: Permill = Permill::from_percent(50);

	#[test]
	fn base_fee_should_move_by_an_eighth_at_the_ends_and_rest_at_the_target() {
		assert_eq!(next_base_fee(8_000, Permill::one(), HALF, MAX_STEP, 1), 9_000);
		assert_eq!(next_base_fee(8_000, Permill::zero(), HALF, MAX_STEP, 1), 7_000);
		assert_eq!(next_base_fee(8_000, HALF, HALF, MAX_STEP, 1), 8_000);
		assert_eq!(
			next_base_fee(8_000, Permill::from_percent(75), HALF, MAX_STEP, 1),
			8_500
		);
	}

	#[test]
	fn base_fee_should_never_be_stuck_or_fall_below_the_least() {
		assert_eq!(next_base_fee(1, Permill::from_percent(51), HALF, MAX_STEP, 1), 2);
		assert_eq!(next_base_fee(100, Permill::zero(), HALF, MAX_STEP, 99), 99);
		assert_eq!(next_base_fee(0, Permill::zero(), HALF, MAX_STEP, 7), 7);
	}

	#[test]
	fn bucket_should_be_the_logarithm_of_the_tip() {
		assert_eq!([0, 1, 2, 3, 7, u128::MAX].map(bucket_of), [0, 1, 1, 2, 3, 127]);
	}

	#[test]
	fn smoothing_should_reach_the_sample() {
		let (mut up, mut down) = (Permill::zero(), Permill::one());
		for _ in 0..1_000 {
			up = smooth(up, Permill::one(), 32);
			down = smooth(down, Permill::zero(), 32);
		}
		assert_eq!((up, down), (Permill::one(), Permill::zero()));
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(512))]

		#[test]
		fn base_fee_should_change_by_an_eighth_at_most(
			fee in 1u128.., u in 0u32..=1_000_000, target in 1u32..1_000_000, step in 0u32..=1_000_000,
		) {
			let (u, target, step) = [u, target, step].map(Permill::from_parts).into();
			let next = next_base_fee(fee, u, target, step, 1);
			prop_assert!(next >= 1);
			prop_assert!(next.abs_diff(fee) <= (fee / 8).max(1));
			let moved = if u > target { next >= fee } else { next <= fee };
			prop_assert!(moved, "from {} to {}", fee, next);
		}

		#[test]
		fn base_fee_should_rise_with_utilisation(fee in 1u128.., a in 0u32..=1_000_000, b in 0u32..=1_000_000) {
			let (low, high) = (Permill::from_parts(a.min(b)), Permill::from_parts(a.max(b)));
			prop_assert!(
				next_base_fee(fee, low, HALF, MAX_STEP, 1) <= next_base_fee(fee, high, HALF, MAX_STEP, 1)
			);
		}

		#[test]
		fn smoothing_should_stay_between(average in 0u32..=1_000_000, sample in 0u32..=1_000_000, window in 0u32..1_000) {
			let (a, s) = (Permill::from_parts(average), Permill::from_parts(sample));
			let next = smooth(a, s, window);
			prop_assert!(next >= a.min(s) && next <= a.max(s));
		}

		#[test]
		fn work_done_should_grow_up_to_the_amount(amount: u128, a: u32, b: u32, expected: u32) {
			let (x, y) = (work_done(amount, a.min(b), expected), work_done(amount, a.max(b), expected));
			prop_assert!(x <= y && y <= amount);
			prop_assert_eq!(work_done(amount, 0, expected), 0);
			prop_assert_eq!(work_done(amount, u32::MAX, expected), amount);
		}
	}
}
