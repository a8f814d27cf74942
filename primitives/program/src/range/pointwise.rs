// SPDX-License-Identifier: Apache-2.0

//! Bounds of operations that compute every element from the elements beside it.

use super::{negatable, shape, spread, word, Interval};
use crate::{
	arith,
	error::{bound, Reason},
	op::Op,
	tensor::TensorDecl as Decl,
};

pub(super) fn binary(op: &Op, a: &Decl, b: &Decl, out: &Decl) -> Result<Interval, Reason> {
	if matches!(op, Op::Equal | Op::Ema { .. }) {
		shape(
			word(a) && a.same_layout(b) && a.same_layout(out),
			"both inputs and the output are I32 of the same size",
			&[a, b, out],
		)?;
	} else {
		shape(
			word(a) && a.same_layout(out) && spread(b, out),
			"I32 [r, c] and I32 [1, 1], [r, 1], [1, c] or [r, c] give I32 [r, c]",
			&[a, b, out],
		)?;
	}
	let (x, y) = (Interval::of(a), Interval::of(b));
	match *op {
		Op::Add => x.plus(y).word("the sum"),
		Op::Sub => x.minus(y).word("the difference"),
		Op::Multiply { shift } => {
			bound("shift", shift, 0, 31)?;
			x.times(y).word("the product")?.rising(|x| arith::rsh(x, shift))
		}
		Op::Min => Ok(Interval::new(x.lo.min(y.lo), x.hi.min(y.hi))),
		Op::Max => Ok(Interval::new(x.lo.max(y.lo), x.hi.max(y.hi))),
		Op::Ema { shift } => {
			bound("shift", shift, 1, 30)?;
			y.minus(x).word("value - average")?;
			// a + rsh(v - a, s) with s >= 1 lies between a and v.
			Ok(x.hull(y))
		}
		_ => Ok(Interval::new(0, 1)),
	}
}

pub(super) fn unary(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out),
		"input and output are I32 of the same size",
		&[x, out],
	)?;
	let range = Interval::of(x);
	match *op {
		Op::Abs => {
			negatable("the input", x)?;
			let least = if range.lo <= 0 && range.hi >= 0 {
				0
			} else {
				range.lo.abs().min(range.hi.abs())
			};
			Ok(Interval::new(least, range.magnitude()))
		}
		Op::Clip { lo, hi } => {
			bound("lo", lo, i32::MIN, hi)?;
			Ok(range.clamp(lo, hi))
		}
		Op::Decay { shift } => {
			bound("shift", shift, 1, 31)?;
			bound("the input", x.lo, 0, i32::MAX)?;
			range.rising(|x| arith::decay(x, shift))
		}
		Op::ExcessBits { bits } => {
			bound("bits", bits, 0, 31)?;
			bound("the input", x.lo, 0, i32::MAX)?;
			range.rising(|x| arith::excess_bits(x, bits))
		}
		Op::RoundShift { shift } => {
			bound("shift", shift, 0, 31)?;
			range.rising(|x| arith::rsh(x, shift))
		}
		Op::LeakyRelu { shift } => {
			bound("shift", shift, 1, 31)?;
			range.rising(|x| arith::leaky(x, x, shift))
		}
		_ => range.rising(|x| x.max(0)),
	}
}

/// [`Op::ReluGrad`] and [`Op::LeakyReluGrad`].
pub(super) fn gate(op: &Op, g: &Decl, a: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(g) && g.same_layout(out) && (a.rows, a.cols) == (g.rows, g.cols),
		"an I32 gradient [r, c] and an activation [r, c] give I32 [r, c]",
		&[g, a, out],
	)?;
	let range = Interval::of(g);
	match *op {
		Op::LeakyReluGrad { shift } => {
			bound("shift", shift, 1, 31)?;
			Ok(range.hull(range.rising(|x| arith::leaky(x, 0, shift))?))
		}
		_ => Ok(range.hull(Interval::new(0, 0))),
	}
}

pub(super) fn select(condition: &Decl, a: &Decl, b: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(out) && [condition, a, b].iter().all(|d| d.same_layout(out)),
		"all inputs and the output are I32 of the same size",
		&[condition, a, b, out],
	)?;
	Ok(Interval::of(a).hull(Interval::of(b)))
}
