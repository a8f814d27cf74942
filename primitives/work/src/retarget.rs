// SPDX-License-Identifier: Apache-2.0

//! The retarget rule: ASERT in integers, and what a block at a target weighs.
//!
//! `target = anchor · 2^((elapsed − block time · (height delta + 1)) / half-life)`, the power of two by the cubic of
//! aserti3-2d in 16 fractional bits.

use core::num::NonZeroU64;
use primitive_types::{U256, U512};

/// The easiest target, 2^237 − 1: times the most work in one ticket it still fits 256 bits.
pub const TARGET_MAX: U256 = U256([u64::MAX, u64::MAX, u64::MAX, (1 << 45) - 1]);
/// The hardest target.
pub const TARGET_MIN: U256 = U256([1, 0, 0, 0]);

const RADIX_BITS: usize = 16;

/// The target of the next block.
///
/// - `elapsed_ms`: time of the parent minus the time of the anchor's parent;
/// - `height_delta`: parent's height minus the anchor's height;
/// - `block_ms`, `half_life_ms`: the schedule.
///
/// Always in [`TARGET_MIN`]..=[`TARGET_MAX`]; defined for all arguments.
pub fn next_target(
	anchor_target: U256,
	elapsed_ms: u64,
	height_delta: u64,
	block_ms: u64,
	half_life_ms: NonZeroU64,
) -> U256 {
	let expected = u128::from(block_ms) * (u128::from(height_delta) + 1);
	let elapsed = u128::from(elapsed_ms);
	// Truncates toward zero: the magnitude is divided, then gets its sign back.
	let magnitude = (U256::from(elapsed.abs_diff(expected)) << RADIX_BITS) / U256::from(half_life_ms.get());
	let (whole, fraction) = ((magnitude >> RADIX_BITS), (magnitude.low_u64() & 0xFFFF));
	// More halvings or doublings than this reach the bounds from any target.
	let whole = if whole > U256::from(600) {
		600
	} else {
		whole.low_u32() as usize
	};
	if elapsed >= expected {
		scale(anchor_target, factor(fraction), Shift::Left(whole))
	} else if fraction == 0 {
		scale(anchor_target, factor(0), Shift::Right(whole))
	} else {
		// −(whole + fraction) = −(whole + 1) + (1 − fraction): the power of two stays in [1, 2).
		scale(
			anchor_target,
			factor((1 << RADIX_BITS) - fraction),
			Shift::Right(whole + 1),
		)
	}
}

enum Shift {
	Left(usize),
	Right(usize),
}

/// `2^(f / 2^16) · 2^16` for f < 2^16.
fn factor(f: u64) -> u64 {
	let f = u128::from(f);
	let cubic = 195_766_423_245_049 * f + 971_821_376 * f * f + 5_127 * f * f * f + (1 << 47);
	(cubic >> 48) as u64 + (1 << RADIX_BITS)
}

fn scale(anchor: U256, factor: u64, shift: Shift) -> U256 {
	// Below 2^(256 + 17), so it can move 237 places to the left inside 512 bits; at 237 any target but zero, which
	// stays zero, is already beyond the easiest one.
	let product = U512::from(anchor) * U512::from(factor);
	let shifted = match shift {
		Shift::Left(places) => product << places.min(237),
		Shift::Right(places) => product >> places,
	};
	let target = U256::try_from(shifted >> RADIX_BITS).unwrap_or(TARGET_MAX);
	target.clamp(TARGET_MIN, TARGET_MAX)
}

/// Expected multiply-accumulates for a block at `target`, `2^256 / (target + 1)`: what fork choice adds up.
/// For target 0, which is never in force, the largest number instead of 2^256.
pub fn work(target: U256) -> U256 {
	match target.checked_add(U256::one()) {
		// 2^256 / x = (2^256 − x) / x + 1, and 2^256 − x is the complement of x − 1.
		Some(divisor) => (!target / divisor).saturating_add(U256::one()),
		None => U256::one(),
	}
}
