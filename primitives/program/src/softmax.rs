// SPDX-License-Identifier: Apache-2.0

//! Exponential and logarithm to the base two in 32-bit integers, and the two row operations built on them.
//!
//! Every function is total: its bounds hold for all arguments and are stated where they matter.

use crate::arith::{self, bit_length, Word};

/// Largest argument of [`exp2n`]: 2^-31 counts as zero anyway.
pub const LOG_MAX: u32 = 31 << 12;

/// `u * 2^e` nats in bits, unit 2^-12, saturated at [`LOG_MAX`]. `|e| <= 2^20`.
#[inline(always)]
pub fn tlog2(u: u32, e: i32) -> u32 {
	let n = (32 - u.leading_zeros() as i32 - 21).max(0);
	// 1477 = log2(e) * 2^10, and (2^21 - 1) * 1477 < 2^32.
	let p = (u >> n).wrapping_mul(1477);
	let s = 0i32.wrapping_sub(e.wrapping_add(n).wrapping_add(2));
	let t = if s > 0 {
		p >> s.min(31)
	} else {
		let left = s.max(-17).unsigned_abs();
		p.min((1 << 17) >> left) << left
	};
	t.min(LOG_MAX)
}

/// `2^-t` for `t` in units of 2^-12, unit 2^-15; `exp2n(0) = 32768`.
#[inline(always)]
pub fn exp2n(t: u32) -> u32 {
	let t = t.min(LOG_MAX);
	let whole = (t + 4095) >> 12;
	let f = (whole << 12) - t;
	// Horner; every r stays below 2^17 and f below 2^12.
	let r = 7411 + ((2556 * f) >> 12);
	let r = 22801 + ((r * f) >> 12);
	let r = 32768 + ((r * f) >> 12);
	if whole > 20 {
		0
	} else {
		r >> whole
	}
}

/// `log2(sum / 2^15)` in units of 2^-12, for `sum >= 2^15`: twelve squarings give twelve fraction bits.
pub fn log2q(sum: u32) -> u32 {
	let sum = sum.max(1 << 15);
	let b = 31 - sum.leading_zeros();
	let mut w = sum >> (b - 15);
	let mut fraction = 0;
	for _ in 0..12 {
		// w in [2^15, 2^16): the square fits u32.
		w = (w * w) >> 15;
		fraction *= 2;
		if w >= 1 << 16 {
			w >>= 1;
			fraction += 1;
		}
	}
	((b - 15) << 12) + fraction
}

/// Attention weight of a term relative to the row's largest, which weighs `top <= 127`.
#[inline(always)]
pub fn attention_weight(term: u32, top: u32) -> i32 {
	// term <= 2^15.
	arith::rsh((term * top.min(127)) as i32, 15)
}

/// `t` of [`crate::Op::SoftmaxBackward`]: the weighted mean of a row's gradient.
#[inline(always)]
pub fn attention_mean<W: Word>(row: impl Iterator<Item = (i32, i32)>, sum: i32, limit: i32) -> W {
	let dot = row.fold(W::of(0), |dot, (p, g)| dot.plus(W::of(p).times(W::of(g))));
	dot.over(sum).clip(-limit, limit)
}

/// [`crate::Op::SoftmaxBackward`]: one element of a row whose [`attention_mean`] is `t`.
#[inline(always)]
pub fn attention_gradient<W: Word>(p: W, g: W, t: W) -> W {
	p.times(g.minus(t))
}

/// Probability times 2^16, rounded down, of a term among a row's `sum` of [`exp2n`]s.
#[inline]
pub fn probability(term: u32, sum: u32) -> i32 {
	// term <= 2^15, hence at most 2^31 before and 2^16 after the division by sum >= term.
	((term << 16) / sum.max(1)) as i32
}

/// Cross-entropy in nats, unit 2^-12, from the row's sum and the label's [`tlog2`].
pub fn cross_entropy(sum: u32, label_log: u32) -> i32 {
	// At most (17 + 31) * 2^12 * 2839 < 2^30.
	(((log2q(sum) + label_log.min(LOG_MAX)) * 2839) >> 12) as i32
}

/// Largest value of [`cross_entropy`] for rows of `cols` logits.
pub fn cross_entropy_max(cols: u32) -> i32 {
	let sum_bits = bit_length(cols.min(65535) as i32) as u32;
	((((sum_bits << 12) + LOG_MAX) * 2839) >> 12) as i32
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn exp2n_should_be_within_three_thousandths_of_the_real_function() {
		for t in 0..(16 << 12) {
			let real = (-(t as f64) / 4096.0).exp2() * 32768.0;
			let got = exp2n(t) as f64;
			assert!((got - real).abs() <= 1.5 + real * 3e-3, "{t}: {got} {real}");
		}
		assert_eq!(exp2n(0), 32768);
		assert_eq!(exp2n(u32::MAX), 0);
	}

	#[test]
	fn tlog2_should_follow_the_real_function_and_saturate() {
		for u in [
			0u32,
			1,
			5,
			63,
			1000,
			123_456,
			(1 << 21) - 1,
			1 << 21,
			1 << 25,
			i32::MAX as u32,
			u32::MAX,
		] {
			for e in -40..20 {
				let real = (u as f64) * (e as f64).exp2() * core::f64::consts::LOG2_E * 4096.0;
				let got = tlog2(u, e) as f64;
				let expected = real.min(LOG_MAX as f64);
				assert!(
					(got - expected).abs() <= 2.0 + expected * 1e-3,
					"{u} {e}: {got} {expected}"
				);
			}
		}
		assert_eq!(tlog2(1, 1 << 20), LOG_MAX);
		assert!(tlog2(u32::MAX, -(1 << 20)) <= 1);
	}

	#[test]
	fn log2q_should_follow_the_real_function() {
		for sum in [
			32768u32,
			32769,
			40000,
			65535,
			65536,
			327_680,
			1 << 30,
			u32::MAX,
			65535 << 15,
		] {
			let real = (sum as f64 / 32768.0).log2() * 4096.0;
			assert!(
				(log2q(sum) as f64 - real).abs() <= 2.0,
				"{sum}: {} {real}",
				log2q(sum)
			);
		}
	}

	#[test]
	fn cross_entropy_should_stay_under_its_maximum() {
		for cols in [1u32, 2, 10, 65, 4096, 65535] {
			assert!(cross_entropy(cols << 15, u32::MAX) <= cross_entropy_max(cols));
		}
		// Two equal logits: ln 2.
		assert_eq!(cross_entropy(2 << 15, 0), 2839);
	}
}
