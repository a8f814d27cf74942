// SPDX-License-Identifier: Apache-2.0

//! Root-mean-square normalisation of rows, its gradient, and the centring of rows: formulas over [`Word`].

use crate::arith::{bit_length, rsh, sh, Word};

/// Most columns of a row that is normalised.
pub const MAX_WIDTH: u32 = 8192;
/// Largest magnitude of an element of such a row.
pub const MAX_INPUT: i32 = 1 << 30;

/// `floor(sqrt(x))`, digit by digit: sixteen trial subtractions, which compilers turn into SIMD.
#[inline(always)]
pub fn isqrt(x: u32) -> u32 {
	let (mut rest, mut root) = (x, 0u32);
	let mut bit = 1u32 << 30;
	while bit != 0 {
		// `root` is the root so far times `2 * sqrt(bit)`, so that this is what one more digit takes from the square.
		let taken = root | bit;
		let fits = rest >= taken;
		rest = if fits { rest.wrapping_sub(taken) } else { rest };
		root = (root >> 1) | if fits { bit } else { 0 };
		bit >>= 2;
	}
	root
}

/// What depends on the length of a row alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
	/// Columns, 1 to [`MAX_WIDTH`].
	pub cols: u32,
	/// Bits of the mantissas: the sum of `cols` squares of `bits` bits is at most `2^31`.
	pub bits: i32,
	/// `g` of the documented formula.
	pub growth: i32,
	/// `sqrt(cols) * 2^(10 - growth)`.
	pub root: u32,
}

impl Width {
	/// The constants of rows of `cols` columns.
	pub fn of(cols: u32) -> Self {
		let cols = cols.clamp(1, MAX_WIDTH);
		let bits = (31 - bit_length((cols - 1) as i32)) / 2;
		let growth = match cols {
			0..=1023 => 0,
			1024..=4095 => 1,
			_ => 2,
		};
		Self {
			cols,
			bits,
			growth,
			root: isqrt(cols << (20 - 2 * growth)),
		}
	}

	/// Largest magnitude of [`Rms::normalised`].
	///
	/// A mantissa `q` has `|q| * 2^(k/2) <= R`, because `q^2` is one of the summands of `S`; so
	/// `|q * F| <= C * 2^17 / 2^(k/2)`, and the shift leaves at most `C * 2^g`, which is whole.
	pub fn most(&self) -> i32 {
		(self.root << self.growth) as i32
	}
}

/// A row's inverse root mean square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rms {
	/// `s`: shift from elements to mantissas.
	pub shift: i32,
	/// `F`: mantissa of the inverse.
	pub factor: i32,
	/// `k/2`.
	pub half: i32,
	/// `g`.
	pub growth: i32,
}

impl Rms {
	/// From the row's largest magnitude and its elements. Total: no step can overflow for any elements of that magnitude.
	#[inline(always)]
	pub fn of(width: &Width, largest: u32, row: impl Iterator<Item = i32>) -> Self {
		let shift = 32 - largest.leading_zeros() as i32 - width.bits;
		// |q| <= 2^bits, so that the sum of squares is at most 2^31.
		let sum = row.fold(0u32, |sum, x| {
			let q = sh::<i32>(x, shift);
			sum.wrapping_add(q.wrapping_mul(q) as u32)
		});
		let k = (sum.leading_zeros() & !1).min(30);
		// 2^30 <= sum << k unless all elements are zero.
		let root = isqrt(sum << k).max(1 << 15);
		Self {
			shift,
			// root of the width < 2^15.
			factor: ((width.root << 17) / root) as i32,
			half: (k / 2) as i32,
			growth: width.growth,
		}
	}

	/// [`crate::Op::RmsExponent`].
	#[inline(always)]
	pub fn exponent(&self) -> i32 {
		self.half - self.shift - 11 + self.growth + 32
	}

	/// [`crate::Op::RmsNorm`]: one element of the row.
	#[inline(always)]
	pub fn normalised<W: Word>(&self, x: W) -> W {
		let by = (17 - self.growth - self.half).clamp(0, 31) as u32;
		rsh(sh(x, self.shift).times(W::of(self.factor)), by)
	}
}

/// `floor((sum + cols/2) / cols)`: the mean, rounded.
#[inline(always)]
fn rounded_mean<W: Word>(sum: W, cols: u32) -> W {
	let cols = cols.max(1) as i32;
	sum.plus(W::of(cols / 2)).map(|x| x.div_euclid(cols))
}

/// `t` of [`crate::Op::RmsNormGradient`]: the mean of gradient times output over a row.
#[inline(always)]
pub fn projection<W: Word>(row: impl Iterator<Item = (i32, i32)>, cols: u32, bits: u32) -> W {
	let sum = row.fold(W::of(0), |sum, (g, y)| sum.plus(W::of(g).times(rsh(W::of(y), 3))));
	let limit = 1 << (bits + 8).min(30);
	rounded_mean(sum, cols).clip(-limit, limit)
}

/// How far a row of [`crate::Op::RmsNormGradient`] is shifted to the unit of all rows.
#[inline(always)]
pub fn alignment(largest: i32, exponent: i32) -> u32 {
	largest.saturating_sub(exponent).clamp(0, 31) as u32
}

/// [`crate::Op::RmsNormGradient`]: one element of a row whose [`projection`] is `t` and whose [`alignment`] is `by`.
#[inline(always)]
pub fn rms_norm_gradient<W: Word>(g: W, y: W, t: W, factor: W, by: u32) -> W {
	let h = g.minus(rsh(t.times(rsh(y, 3)), 14));
	rsh(h.times(rsh(factor, 3)), by)
}

/// The rounded mean of a row for [`crate::Op::Centre`]. The sum is exact: 2^13 elements of 31 bits.
#[inline(always)]
pub fn mean(row: impl Iterator<Item = i32>, cols: u32) -> i32 {
	let cols = i64::from(cols.max(1));
	let sum = row.fold(0i64, |sum, x| sum.wrapping_add(x.into()));
	// A mean lies among the elements.
	(sum.wrapping_add(cols / 2)).div_euclid(cols) as i32
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::{vec, vec::Vec};
	use proptest::prelude::*;

	fn rms(row: &[i32]) -> (Width, Rms) {
		let width = Width::of(row.len() as u32);
		let largest = row.iter().map(|x| x.unsigned_abs()).max().unwrap();
		(width, Rms::of(&width, largest, row.iter().copied()))
	}

	#[test]
	fn isqrt_should_be_the_floor_of_the_root() {
		for x in (0..70_000).chain((0..=65535u32).flat_map(|r| [r * r, (r * r).wrapping_sub(1), r * r + r])) {
			let root = u64::from(isqrt(x));
			assert!(
				root * root <= x.into() && (root + 1) * (root + 1) > x.into(),
				"{x}"
			);
		}
		assert_eq!(isqrt(u32::MAX), 65535);
	}

	#[test]
	fn widths_should_have_the_constants_of_the_formula() {
		for cols in 1..=MAX_WIDTH {
			let w = Width::of(cols);
			assert!(u64::from(cols) << (2 * w.bits) <= 1 << 31, "{cols}");
			assert!(cols < 1 << (10 + 2 * w.growth) && w.root < 1 << 15);
			assert!(w.growth == 0 || cols >= 1 << (8 + 2 * w.growth));
			let ideal = f64::from(cols).sqrt() * 1024.0;
			assert!((f64::from(w.most()) - ideal).abs() <= 4.0);
		}
		assert_eq!(
			Width::of(128),
			Width {
				cols: 128,
				bits: 12,
				growth: 0,
				root: 11585
			}
		);
	}

	#[test]
	fn rows_of_zeros_should_stay_zeros() {
		for cols in [1, 2, 128, 1024, 8192] {
			let (_, r) = rms(&vec![0; cols]);
			assert_eq!(r.normalised(0), 0);
			assert!(r.exponent() >= 0);
		}
	}

	proptest! {
		#![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

		#[test]
		fn normalised_rows_should_follow_the_real_function(seed: u32, cols in 1usize..700, bits in 14u32..31) {
			let limit = 1i64 << bits;
			let row: Vec<i32> = (0..cols as u32)
				.map(|i| (i64::from(crate::random::mix(seed.wrapping_add(i))) % (2 * limit + 1) - limit) as i32)
				.collect();
			let (width, r) = rms(&row);
			let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / cols as f64;
			for x in &row {
				let real = f64::from(*x) / square.sqrt() * 1024.0;
				let got = r.normalised(*x);
				prop_assert!((f64::from(got) - real).abs() <= 6.0 + real.abs() * 2e-3, "{got} {real}");
				prop_assert!(got.abs() <= width.most());
			}
			// 1 / rms, for a unit of 2^-16.
			let inverse = f64::from(r.factor) * f64::from(r.exponent() - 32).exp2();
			let real = 65536.0 / square.sqrt();
			prop_assert!((inverse / real - 1.0).abs() < 5e-3, "{inverse} {real}");
		}

		#[test]
		fn centred_rows_should_have_nearly_no_mean(row in proptest::collection::vec(-MAX_INPUT..=MAX_INPUT, 1..300)) {
			let cols = row.len() as i64;
			let mean = i64::from(mean(row.iter().copied(), cols as u32));
			let sum: i64 = row.iter().map(|x| i64::from(*x) - mean).sum();
			prop_assert!(2 * sum.abs() <= cols);
		}
	}
}
