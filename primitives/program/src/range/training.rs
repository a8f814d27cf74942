// SPDX-License-Identifier: Apache-2.0

//! Bounds of quantisation, loss and optimisers.

use super::{
	is, negatable, scalar, shape, spread, within, word, Interval, MAX_EXPONENT, MAX_ROW, MAX_WEIGHT,
};
use crate::{
	adam::{least_square, most_square},
	error::{bound, Reason},
	op::{Op, Rounding},
	softmax::cross_entropy_max,
	tensor::{Element, TensorDecl as Decl},
};

pub(super) fn requantise(
	rounding: Rounding,
	limit: i32,
	x: &Decl,
	s: &Decl,
	out: &Decl,
) -> Result<Interval, Reason> {
	shape(
		word(x) && is(out, Element::I8, x.rows, x.cols) && (scalar(s) || is(s, Element::I32, x.rows, 1)),
		"I32 [r, c] and an I32 shift [1, 1] or [r, 1] give I8 [r, c]",
		&[x, s, out],
	)?;
	let range = Interval::of(x);
	match rounding {
		Rounding::HalfUp => within("the shift", s, 0, 31)?,
		Rounding::Keyed => {
			within("the shift", s, 0, 30)?;
			bound("max|x|", range.magnitude(), 0, 1 << 30)?;
		}
	}
	// Right shifts move values towards zero or to -1, rounding may move them up by one: no value leaves this hull.
	let least = if x.lo < 0 { -1 } else { 0 };
	let most = if x.hi > 0 { 1 } else { 0 };
	Ok(range.hull(Interval::new(least, most)).clamp(-limit, limit))
}

pub(super) fn rescale(unit: i32, limit: i32, x: &Decl, e: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out) && spread(e, out),
		"I32 [r, c] and an I32 exponent [1, 1], [r, 1], [1, c] or [r, c] give I32 [r, c]",
		&[x, e, out],
	)?;
	bound("limit", limit, 1, 1 << 30)?;
	bound("unit", unit, -MAX_EXPONENT, MAX_EXPONENT)?;
	within("the exponent", e, -MAX_EXPONENT, MAX_EXPONENT)?;
	negatable("the input", x)?;
	Ok(Interval::new(-limit, limit))
}

pub(super) fn softmax(op: &Op, z: &Decl, labels: &Decl, e: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let gradient = matches!(op, Op::SoftmaxGradient);
	let cols = if gradient { z.cols } else { 1 };
	shape(
		word(z) && is(labels, Element::I32, z.rows, 1) && scalar(e) && is(out, Element::I32, z.rows, cols),
		"I32 logits [r, c], I32 labels [r, 1] and an I32 scalar give I32 [r, c] (gradient) or [r, 1] (loss)",
		&[z, labels, e, out],
	)?;
	bound("classes", z.cols, 1, MAX_ROW)?;
	let range = Interval::of(z);
	bound("max z - min z", range.hi - range.lo, 0, i32::MAX)?;
	within("a label", labels, 0, z.cols.saturating_sub(1) as i32)?;
	within("the exponent", e, -MAX_EXPONENT, MAX_EXPONENT)?;
	Ok(if gradient {
		Interval::new(-65536, 65536)
	} else {
		Interval::new(0, cross_entropy_max(z.cols))
	})
}

pub(super) fn optimiser(op: &Op, inputs: &[&Decl], out: &Decl) -> Result<Interval, Reason> {
	let same = |d: &Decl| word(d) && d.same_layout(out);
	let limit = match (op, inputs) {
		(&Op::L1Adam { limit, decay } | &Op::Adam { limit, decay, .. }, &[w, m, v, rate, correction]) => {
			shape(
				[w, m, v].into_iter().all(same) && scalar(rate) && scalar(correction),
				"w, m, v I32 [r, c] and two I32 scalars give I32 [r, c]",
				&[w, m, v, rate, correction, out],
			)?;
			negatable("m", m)?;
			if matches!(op, Op::L1Adam { .. }) {
				within("v", v, 0, i32::MAX)?;
			}
			within("the bias correction", correction, 0, 65535)?;
			bound("decay", decay, 0, 255)?;
			limit
		}
		(&Op::Sgd { shift, limit }, &[w, m, rate]) => {
			shape(
				[w, m].into_iter().all(same) && scalar(rate),
				"w, m I32 [r, c] and an I32 scalar give I32 [r, c]",
				&[w, m, rate, out],
			)?;
			bound("shift", shift, 4, 31)?;
			limit
		}
		_ => {
			return Err(Reason::Bound {
				what: "the number of inputs",
				got: inputs.len() as i64,
				least: op.kind().inputs() as i64,
				most: op.kind().inputs() as i64,
			})
		}
	};
	bound("limit", limit, 1, MAX_WEIGHT)?;
	if let Some(w) = inputs.first() {
		within("w", w, -MAX_WEIGHT, MAX_WEIGHT)?;
	}
	let rate = if matches!(op, Op::Sgd { .. }) { 2 } else { 3 };
	if let Some(rate) = inputs.get(rate) {
		within("the rate", rate, 0, 65536)?;
	}
	Ok(Interval::new(-limit, limit))
}

/// `AdamSquare`.
pub(super) fn adam_square(floor: bool, v: &Decl, g: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(v) && v.same_layout(g) && v.same_layout(out),
		"both inputs and the output are I32 of the same size",
		&[v, g, out],
	)?;
	within("the gradient", g, -(1 << 30), 1 << 30)?;
	// The packed exponent is signed: a small square is a negative word, and zero is zero.
	Ok(Interval::new(least_square(floor), most_square()))
}
