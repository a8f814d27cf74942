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
