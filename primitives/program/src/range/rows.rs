// SPDX-License-Identifier: Apache-2.0

//! Bounds of reductions and divisions of rows, and of stacked products.

use super::{is, shape, within, word, Interval, MAX_DEPTH, MAX_ROW};
use crate::{
	error::{bound, Reason},
	op::{Op, WIDE_MAX},
	tensor::{Element, TensorDecl as Decl},
};

/// `RowSum`, `RowMax`, `RowSumSquares`.
pub(super) fn row_reduction(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let bytes_too = !matches!(op, Op::RowMax);
	shape(
		(bytes_too || word(x)) && is(out, Element::I32, x.rows, 1),
		"[r, c] (I32 for a maximum) gives I32 [r, 1]",
		&[x, out],
	)?;
	bound("columns of a row reduction", x.cols, 1, MAX_ROW)?;
	let (range, count) = (Interval::of(x), i128::from(x.cols));
	match op {
		Op::RowMax => Ok(range),
		Op::RowSum => {
			// Partial sums too, in any order.
			Interval::new(range.lo.min(range.lo * count), range.hi.max(range.hi * count))
				.word("the sum of a row")?;
			Ok(Interval::new(range.lo * count, range.hi * count))
		}
		_ => {
			let least = if range.lo <= 0 && range.hi >= 0 {
				0
			} else {
				range.lo.abs().min(range.hi.abs())
			};
			let most = range.magnitude();
			Interval::new(least * least * count, most * most * count).word("the sum of squares of a row")
		}
	}
}

/// `RowDivide`.
pub(super) fn row_divide(shift: u32, x: &Decl, divisor: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out) && is(divisor, Element::I32, x.rows, 1),
		"I32 [r, c] and an I32 divisor [r, 1] give I32 [r, c]",
		&[x, divisor, out],
	)?;
	bound("shift", shift, 0, 16)?;
	bound("the divisor", divisor.lo, 1, i32::MAX)?;
	let range = Interval::of(x);
	let wide = Interval::new(range.lo << shift, range.hi << shift).word("x << shift")?;
	let (least, most) = (i128::from(divisor.lo), i128::from(divisor.hi));
	// Towards zero: the smaller divisor gives the larger magnitude.
	let low = if wide.lo < 0 {
		wide.lo / least
	} else {
		wide.lo / most
	};
	let high = if wide.hi > 0 {
		wide.hi / least
	} else {
		wide.hi / most
	};
	Ok(Interval::new(low, high))
}

/// `GroupProduct`.
pub(super) fn group_product(groups: u32, a: &Decl, b: &Decl, out: &Decl) -> Result<Interval, Reason> {
	bound("groups", groups, 1, a.rows.min(b.rows))?;
	let divides = a.rows.is_multiple_of(groups) && b.rows.is_multiple_of(groups);
	shape(
		divides
			&& a.element == Element::I8
			&& b.element == Element::I8
			&& a.cols == b.cols
			&& is(out, Element::I32, a.rows, b.rows / groups.max(1)),
		"I8 [g * m, k] and I8 [g * n, k] give I32 [g * m, n]",
		&[a, b, out],
	)?;
	within("an operand of a stacked product", a, -WIDE_MAX, WIDE_MAX)?;
	within("an operand of a stacked product", b, -WIDE_MAX, WIDE_MAX)?;
	bound("k", a.cols, 1, MAX_DEPTH)?;
	let (left, right, k) = (Interval::of(a), Interval::of(b), i128::from(a.cols));
	// Any order of additions stays within this, not only the whole sum.
	bound(
		"k * max|a| * max|b|",
		k * left.magnitude() * right.magnitude(),
		0,
		i32::MAX,
	)?;
	Ok(left.times(right).times(Interval::new(k, k)))
}
