// SPDX-License-Identifier: Apache-2.0

//! The Gaussian error linear unit in 32-bit integers, unit `2^-10`.

use crate::{
	arith::{rsh, Word},
	softmax::exp2n,
};

/// The smallest output, at about -0.75.
pub const GELU_MIN: i32 = -174;
/// Magnitudes above it count as it: the unit is linear (or zero) there.
const MOST: i32 = 8191;

/// [`crate::Op::Gelu`]: `x / (1 + exp(-2z))` with `z = sqrt(2/pi) * (x + 0.044715 x^3)`.
#[inline(always)]
pub fn gelu<W: Word>(x: W) -> W {
	let a = x.map(|x| x.clamp(-MOST, MOST).abs());
	let q = a.times(a).shr(10);
	// Below 2^16 * 2^13, and 2^20 * 2^8.
	let z = a.plus(q.times(a).shr(10).times(W::of(183)).shr(12));
	// 2357 = 2 * sqrt(2/pi) * log2(e) * 2^10; z < 2^15.
	let t = z.times(W::of(2357)).shr(8);
	let s = t.map(|t| inverse(32768 + exp2n(t as u32) as i32));
	let w = rsh(a.times(s), 15);
	if x.value() >= 0 {
		w.plus(x.minus(a))
	} else {
		w.minus(a)
	}
}

/// `2^30 / d` for `2^15 <= d <= 2^16`: two steps of Newton from a line, and the remainder for the last digit, which
/// compilers turn into SIMD, unlike a division.
#[inline(always)]
fn inverse(d: i32) -> i32 {
	// 48/17 - 32/17 x is within a seventeenth of 1/x for x from 1/2 to 1. No product reaches 2^31.
	let mut r = 46300 - (d.wrapping_mul(30840) >> 16);
	for _ in 0..2 {
		let product = d.wrapping_mul(r) >> 15;
		r = r.wrapping_mul(65536 - product) >> 15;
	}
	let rest = (1i32 << 30).wrapping_sub(r.wrapping_mul(d));
	r + i32::from(rest >= d) - i32::from(rest < 0)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn inverses_should_be_quotients() {
		for d in 1 << 15..=1 << 16 {
			assert_eq!(inverse(d), (1 << 30) / d, "{d}");
		}
	}

	#[test]
	fn gelu_should_follow_the_real_function() {
		let mut least = 0;
		for x in -20_000..20_000 {
			let v = f64::from(x) / 1024.0;
			let inner = (2.0 / core::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3));
			let real = 0.5 * v * (1.0 + inner.tanh()) * 1024.0;
			let got: i32 = gelu(x);
			assert!(
				(f64::from(got) - real).abs() <= 4.0 + real.abs() * 2e-3,
				"{x}: {got} {real}"
			);
			assert!(got <= x.max(0) && got >= x.min(0), "{x}: {got}");
			least = least.min(got);
		}
		assert_eq!(least, GELU_MIN);
		assert_eq!(gelu(i32::MAX), i32::MAX);
		assert_eq!(gelu(i32::MIN), 0);
	}
}
