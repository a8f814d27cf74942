// SPDX-License-Identifier: Apache-2.0

//! Reductions of rows. Formulas over [`Word`].

use crate::arith::Word;

/// [`crate::Op::RowSum`].
#[inline(always)]
pub fn sum<W: Word>(row: impl Iterator<Item = i32>) -> W {
	row.fold(W::of(0), |sum, x| sum.plus(W::of(x)))
}

/// [`crate::Op::RowSumSquares`].
#[inline(always)]
pub fn sum_squares<W: Word>(row: impl Iterator<Item = i32>) -> W {
	row.fold(W::of(0), |sum, x| sum.plus(W::of(x).times(W::of(x))))
}

/// [`crate::Op::RowMax`]: the largest element; the smallest word if there is none.
#[inline(always)]
pub fn max(row: impl Iterator<Item = i32>) -> i32 {
	row.fold(i32::MIN, i32::max)
}

/// The largest magnitude.
#[inline(always)]
pub fn largest(row: impl Iterator<Item = i32>) -> u32 {
	row.fold(0, |most, x| most.max(x.unsigned_abs()))
}

/// [`crate::Op::RowDivide`]: `(x << shift) / divisor`.
#[inline(always)]
pub fn divide<W: Word>(x: W, shift: u32, divisor: i32) -> W {
	x.shl(shift).over(divisor)
}

/// A divisor of a whole row: division by a multiplication (Granlund and Montgomery, 1994), which compilers turn into SIMD.
#[derive(Clone, Copy, Debug)]
pub struct Divisor {
	factor: u32,
	shift: u32,
}

impl Divisor {
	/// A divisor of at least 1; anything less counts as 1.
	#[inline(always)]
	pub fn new(divisor: i32) -> Self {
		let divisor = divisor.max(1) as u64;
		// 2^bits >= divisor > 2^(bits - 1), so that the factor fits 32 bits. It is too large by less than divisor / 2^bits
		// of its last digit, which no size of at most 2^31 carries into the next quotient.
		let bits = 64 - (divisor - 1).leading_zeros();
		Self {
			factor: (1u64 << (31 + bits)).div_ceil(divisor) as u32,
			shift: 31 + bits,
		}
	}

	/// `size / divisor` for a size of at most 2^31.
	#[inline(always)]
	pub fn of(&self, size: u32) -> u32 {
		((u64::from(size) * u64::from(self.factor)) >> self.shift) as u32
	}

	/// `x / divisor`, truncated.
	#[inline(always)]
	pub fn quotient(&self, x: i32) -> i32 {
		let quotient = self.of(x.unsigned_abs()) as i32;
		if x < 0 {
			quotient.wrapping_neg()
		} else {
			quotient
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::random::mix;

	#[test]
	fn quotients_of_divisors_should_be_those_of_divisions() {
		let ends = [
			1,
			2,
			3,
			5,
			7,
			63,
			64,
			65,
			127,
			4032,
			65535,
			65536,
			65537,
			1 << 30,
			i32::MAX - 1,
			i32::MAX,
		];
		let random = (0..4000u32).map(|n| (mix(n) >> (1 + n % 31)) as i32 | 1);
		for divisor in ends.into_iter().chain(random) {
			let by = Divisor::new(divisor);
			let near = (0..40u32).flat_map(|n| {
				let multiple = i64::from(divisor) * i64::from(mix(n ^ divisor as u32) >> (n % 32));
				[multiple - 1, multiple, multiple + 1]
			});
			let near = near.filter_map(|x| i32::try_from(x).ok());
			for x in near.chain([0, 1, i32::MAX, i32::MAX - 1]) {
				assert_eq!(by.quotient(x), x / divisor, "{x} / {divisor}");
				assert_eq!(by.quotient(-x), -x / divisor, "-{x} / {divisor}");
			}
			assert_eq!(
				by.quotient(i32::MIN),
				i32::MIN / divisor,
				"smallest word / {divisor}"
			);
			assert_eq!(by.of(1 << 31), (1 << 31) / divisor as u32);
		}
	}
}
