// SPDX-License-Identifier: Apache-2.0

//! Adam with an integer square root: the packed moving average of squares, and the update. Formulas over [`Word`].

use crate::{
	arith::{bit_length, descend, rsh, Word},
	normalise::isqrt,
};

/// Bits of a packed mantissa: 24 and one for `2^24` itself.
const MANTISSA_BITS: u32 = 25;
/// Largest mantissa of a square.
const MANTISSA_MAX: i32 = 1 << 24;
/// Exponents of a square.
const EXPONENTS: (i32, i32) = (-64, 63);
/// Smallest exponent that a floored average keeps.
const FLOOR_KEPT: i32 = -40;

/// Smallest packed square but zero, or with `floor` the smallest that is kept.
pub const fn least_square(floor: bool) -> i32 {
	let least = if floor { FLOOR_KEPT } else { EXPONENTS.0 };
	(least << MANTISSA_BITS) | (MANTISSA_MAX >> 1)
}

/// Largest packed square.
pub const fn most_square() -> i32 {
	(EXPONENTS.1 << MANTISSA_BITS) | MANTISSA_MAX
}

/// `(mantissa, exponent)` of a packed square. Any word is one.
#[inline(always)]
fn unpack(v: i32) -> (i32, i32) {
	let mantissa = (v & ((1 << MANTISSA_BITS) - 1)).min(MANTISSA_MAX);
	(mantissa, v >> MANTISSA_BITS)
}

/// [`crate::Op::AdamSquare`] of a gradient of at most `2^30`. Total: every intermediate is bounded by construction.
#[inline(always)]
pub fn adam_square(v: i32, gradient: i32, floor: bool) -> i32 {
	let (mantissa, exponent) = unpack(v);
	let size = gradient.wrapping_abs();
	let n = bit_length(size) - 15;
	// 15 bits.
	let a = if n >= 0 {
		size >> (n & 31)
	} else {
		size << (-n & 31)
	};
	let fresh = a.wrapping_mul(a) >> 7;
	let fresh_exponent = if gradient == 0 { -64 } else { 2 * n };
	// At most 2^30, of which 1/128 is lost.
	let old = mantissa << 6;
	let old = old - (old >> 7);
	let old_exponent = if mantissa == 0 { -64 } else { exponent - 6 };
	let larger = old_exponent.max(fresh_exponent);
	// At most 2^30 - 2^23 + 2^23.
	let sum = (old >> (larger - old_exponent).min(31)) + (fresh >> (larger - fresh_exponent).min(31));
	let n = bit_length(sum) - 24;
	let mantissa = if n >= 0 {
		rsh(sum, (n & 31) as u32)
	} else {
		sum << (-n & 31)
	};
	let exponent = (larger + n).clamp(EXPONENTS.0, EXPONENTS.1);
	if sum == 0 || (floor && exponent < FLOOR_KEPT) {
		0
	} else {
		(exponent << MANTISSA_BITS) | mantissa
	}
}

/// `trunc(x / divisor)` clamped to `-16384..=16384`, for `|x| <= 2^30` and `1 <= divisor < 2^16`: fifteen trial
/// subtractions, which compilers turn into SIMD, unlike a division.
#[inline(always)]
pub fn short_quotient(x: i32, divisor: i32) -> i32 {
	let (mut rest, mut quotient) = (x.wrapping_abs(), 0i32);
	let mut bit = 1i32 << 14;
	while bit != 0 {
		// Below 2^16 * 2^14.
		let taken = divisor.wrapping_mul(bit);
		let fits = rest >= taken;
		rest = if fits { rest.wrapping_sub(taken) } else { rest };
		quotient |= if fits { bit } else { 0 };
		bit >>= 1;
	}
	let quotient = quotient.min(16384);
	if x < 0 {
		-quotient
	} else {
		quotient
	}
}

/// Parameters of [`crate::Op::Adam`] that are the same for a whole tensor.
#[derive(Clone, Copy, Debug)]
pub struct Update<W> {
	/// Learning rate, in the unit of the weights.
	pub rate: W,
	/// Bias correction, unit `2^-14`.
	pub correction: W,
	/// Saturation of the weights.
	pub limit: i32,
	/// Weight decay times 256.
	pub decay: u32,
	/// Whether tiny squares and means are floored.
	pub floor: bool,
}

/// [`crate::Op::Adam`]: the new weight.
#[inline(always)]
pub fn adam<W: Word>(w: W, m: W, v: i32, by: &Update<W>) -> W {
	adam_with(w, m, v, by, |x, radicand| {
		let root = isqrt(radicand).max(1) as i32;
		x.map(|x| short_quotient(x, root))
	})
}

/// Whether [`adam_of_normal`] may be asked: the mantissa of a square has its leading one, or is zero.
#[inline(always)]
pub fn is_normal(v: i32) -> bool {
	let mantissa = unpack(v).0;
	mantissa == 0 || mantissa >= MANTISSA_MAX >> 1
}

/// [`adam`] of a square that [`is_normal`]: every square that [`adam_square`] gives is. The same bits in a third of the work.
#[inline(always)]
pub fn adam_of_normal(w: i32, m: i32, v: i32, by: &Update<i32>) -> i32 {
	adam_with(w, m, v, by, quotient_by_root)
}

/// Adam with a function for `clamp(x / max(floor(sqrt(radicand)), 1), -16384, 16384)`; what it gives for a radicand of
/// zero does not matter.
#[inline(always)]
fn adam_with<W: Word>(w: W, m: W, v: i32, by: &Update<W>, quotient: impl FnOnce(W, u32) -> W) -> W {
	let (mut mantissa, mut exponent) = unpack(v);
	let mut mean = m;
	if by.floor {
		let low = mantissa == 0 || exponent < -11;
		mantissa = if low { 1 << 23 } else { mantissa };
		exponent = if low { -11 } else { exponent };
		mean = mean.map(|m| if m > -8 && m < 8 { 0 } else { m });
	}
	let odd = exponent & 1;
	let e = (exponent - 6 - odd) >> 1;
	let up = (-e).clamp(0, 18) as u32;
	let limit = (1 << 18) >> up;
	let wide = mean.shr(e.clamp(0, 31) as u32).clip(-(1 << 18), 1 << 18);
	let scaled = if e >= 0 {
		wide
	} else {
		mean.clip(-limit, limit).shl(up)
	};
	// At most 2^31.
	let direction = quotient(scaled.shl(12), (mantissa as u32) << (6 + odd));
	let direction = direction.map(|u| if mantissa == 0 { 0 } else { u });
	descend(w, direction, by.rate, by.correction, by.limit, by.decay)
}

/// `trunc(x / floor(sqrt(radicand)))` clamped to `-16384..=16384`, for `|x| <= 2^30` and a radicand of `2^29..=2^31`.
///
/// A parabola and two steps of Newton's method give a guess of `1 / sqrt`, which makes guesses of the root and of the
/// quotient; both are then made exact by their remainders. Only products of 32 bits, so that compilers make SIMD of it.
#[inline(always)]
fn quotient_by_root(x: i32, radicand: u32) -> i32 {
	// Unit 2^-15: s of 0.5 to 2, and its inverse root y, within 3 % and after two steps within 2^-14.
	let s = radicand >> 15;
	let mut y =
		60719u32.wrapping_sub(s.wrapping_mul(35996u32.wrapping_sub(s.wrapping_mul(8709) >> 15)) >> 15);
	for _ in 0..2 {
		let square = s.wrapping_mul(y.wrapping_mul(y) >> 15) >> 15;
		y = y.wrapping_mul(98304u32.wrapping_sub(square)) >> 16;
	}
	let y = y as i32;
	// The root: a guess, the step of its remainder, and one more or less.
	let mut root = ((s.wrapping_mul(y as u32)) >> 15) as i32;
	let rest = |root: i32| radicand.wrapping_sub(root.wrapping_mul(root) as u32) as i32;
	root = root.wrapping_add((rest(root) >> 5).wrapping_mul(y) >> 26);
	let left = rest(root);
	root = root
		.wrapping_add(i32::from(left > 2 * root))
		.wrapping_sub(i32::from(left < 0));
	// The quotient, likewise.
	let size = x.wrapping_abs();
	let mut quotient = (((size >> 14).wrapping_mul(y) as u32) >> 16) as i32;
	let rest = |quotient: i32| size.wrapping_sub(quotient.wrapping_mul(root));
	quotient = quotient.wrapping_add((rest(quotient) >> 3).wrapping_mul(y) >> 27);
	let left = rest(quotient);
	quotient = quotient
		.wrapping_add(i32::from(left >= root))
		.wrapping_sub(i32::from(left < 0));
	let quotient = quotient.min(16384);
	if x < 0 {
		-quotient
	} else {
		quotient
	}
}

/// [`crate::Op::AdamCorrection`]; the ranges of both inputs are `0..=2^30`.
pub fn adam_correction<W: Word>(p1: W, p2: W) -> W {
	let one = W::of(1 << 30);
	let divisor = one.minus(p1).shr(15).value();
	let root = one.minus(p2).map(|x| isqrt(x as u32) as i32);
	// At most 2^15 << 14.
	root.shl(14).over(divisor.max(1)).clip(-65535, 65535)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::random::mix;
	use proptest::prelude::*;

	fn value(v: i32) -> f64 {
		let (mantissa, exponent) = unpack(v);
		f64::from(mantissa) * f64::from(exponent).exp2()
	}

	#[test]
	fn short_quotients_should_equal_clamped_divisions() {
		for divisor in (1..2000).chain([16383, 16384, 32767, 32768, 46340, 65535]) {
			for x in [
				0,
				1,
				divisor - 1,
				divisor,
				divisor + 1,
				16384 * divisor.min(65535),
				1 << 30,
				(1 << 30) - 1,
			] {
				let x = x.clamp(0, 1 << 30);
				for x in [x, -x] {
					assert_eq!(
						short_quotient(x, divisor),
						(x / divisor).clamp(-16384, 16384),
						"{x} / {divisor}"
					);
				}
			}
		}
	}

	#[test]
	fn quotients_by_roots_should_be_exact_for_every_normal_square() {
		for mantissa in 1u32 << 23..=1 << 24 {
			for radicand in [mantissa << 6, mantissa << 7] {
				let root = radicand.isqrt() as i32;
				let random = mix(radicand);
				// Any value, one beside a multiple of the root, and the largest.
				let multiple = root * (random % 17_000) as i32;
				let values = [
					(random >> 2) as i32,
					multiple.min(1 << 30),
					multiple.clamp(1, 1 << 30) - 1,
					1 << 30,
				];
				let x = values[(mantissa % 4) as usize];
				let x = if random.is_multiple_of(2) { x } else { -x };
				let expected = (x / root).clamp(-16384, 16384);
				assert_eq!(quotient_by_root(x, radicand), expected, "{x} {radicand}");
			}
		}
	}

	#[test]
	fn squares_of_gradients_should_be_normal() {
		for g in [0, 1, 2, 3, 1000, 1 << 20, 1 << 30] {
			let mut v = 0;
			for n in 0..400 {
				v = adam_square(v, if n % 50 < 25 { g } else { 0 }, n % 2 == 0);
				assert!(is_normal(v), "{g} {n} {v:#x}");
			}
		}
		assert!(!is_normal(1) && !is_normal((1 << 23) - 1) && is_normal(1 << 23) && is_normal(1 << 24));
	}

	#[test]
	fn a_constant_gradient_should_give_its_square() {
		for g in [1, 7, 1000, -123_456, 1 << 29, 1 << 30] {
			let v = (0..3000).fold(0, |v, _| adam_square(v, g, false));
			let real = f64::from(g).powi(2);
			assert!((value(v) / real - 1.0).abs() < 1e-3, "{g}: {} {real}", value(v));
		}
	}

	#[test]
	fn a_square_without_gradients_should_fade_to_the_floor() {
		let mut v = adam_square(0, 1 << 20, true);
		for _ in 0..20_000 {
			v = adam_square(v, 0, true);
		}
		assert_eq!(v, 0);
	}

	proptest! {
		#![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

		#[test]
		fn squares_should_follow_the_real_average_and_stay_in_their_range(
			v: i32, g in -(1i32 << 30)..=1 << 30, by in 0u32..31, floor: bool,
		) {
			let g = g >> by;
			let next = adam_square(v, g, floor);
			prop_assert!(next == 0 || (least_square(floor)..=most_square()).contains(&next));
			let real = value(v) * 127.0 / 128.0 + f64::from(g).powi(2) / 128.0;
			// Away from the ends of the exponents.
			if real > 1.0 && real < 2f64.powi(80) {
				prop_assert!((value(next) / real - 1.0).abs() < 3e-4, "{} {real}", value(next));
			}
		}

		#[test]
		fn roots_and_means_should_give_the_real_direction(m in -(1i32 << 29)..1 << 29, mantissa in 1i32 << 23..=1 << 24, exponent in -20i32..30) {
			let by = Update { rate: 1 << 12, correction: 1 << 14, limit: 1 << 28, decay: 0, floor: false };
			let got = -adam(0, m, (exponent << 25) | mantissa, &by);
			let real = f64::from(m) / (f64::from(mantissa) * f64::from(exponent).exp2()).sqrt();
			let real = (real * 4096.0).clamp(-16384.0, 16384.0);
			prop_assert!((f64::from(got) - real).abs() <= 2.0 + real.abs() * 2e-3, "{got} {real}");
		}
	}
}
