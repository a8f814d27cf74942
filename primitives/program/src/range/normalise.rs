// SPDX-License-Identifier: Apache-2.0

//! Bounds of attention weights, normalisation of rows, and the Gaussian error linear unit.

use super::{is, scalar, shape, within, word, Interval, MAX_EXPONENT, MAX_ROW};
use crate::{
	arith::{self, bit_length},
	error::{bound, Reason},
	gelu::GELU_MIN,
	normalise::{Width, MAX_INPUT, MAX_WIDTH},
	op::Op,
	tensor::{Element, TensorDecl as Decl},
};

/// `Softmax`.
pub(super) fn attention(
	top: u32,
	z: &Decl,
	visible: &Decl,
	e: &Decl,
	out: &Decl,
) -> Result<Interval, Reason> {
	shape(
		word(z)
			&& is(visible, Element::I32, z.rows, 1)
			&& (scalar(e) || is(e, Element::I32, z.rows, 1))
			&& is(out, Element::I8, z.rows, z.cols),
		"I32 scores [r, c], I32 visible [r, 1] and an I32 exponent [1, 1] or [r, 1] give I8 [r, c]",
		&[z, visible, e, out],
	)?;
	bound("top", top, 1, 127)?;
	bound("columns of a softmax", z.cols, 1, MAX_ROW)?;
	within("the visible columns", visible, 1, z.cols as i32)?;
	let range = Interval::of(z);
	bound("max z - min z", range.hi - range.lo, 0, i32::MAX)?;
	within("the exponent", e, -MAX_EXPONENT, MAX_EXPONENT)?;
	Ok(Interval::new(0, top))
}

/// `SoftmaxBackward`.
pub(super) fn attention_backward(
	limit: i32,
	p: &Decl,
	g: &Decl,
	sum: &Decl,
	out: &Decl,
) -> Result<Interval, Reason> {
	shape(
		p.element == Element::I8
			&& word(g)
			&& (p.rows, p.cols) == (g.rows, g.cols)
			&& is(sum, Element::I32, g.rows, 1)
			&& g.same_layout(out),
		"I8 weights [r, c], an I32 gradient [r, c] and an I32 sum [r, 1] give I32 [r, c]",
		&[p, g, sum, out],
	)?;
	bound("columns of a softmax", g.cols, 1, MAX_ROW)?;
	bound("the weights", p.lo, 0, i32::MAX)?;
	bound("the sum", sum.lo, 1, i32::MAX)?;
	bound("limit", limit, 0, i32::MAX)?;
	within("the gradient", g, -limit, limit)?;
	let (weights, gradient) = (Interval::of(p), Interval::of(g));
	let (most, cols, wide) = (weights.hi, i128::from(g.cols), i128::from(limit));
	bound("c * max p * limit", cols * most * wide, 0, i32::MAX)?;
	bound("max p * 2 * limit", most * 2 * wide, 0, i32::MAX)?;
	let dot = weights.times(gradient).times(Interval::new(cols, cols));
	// Divided by one or more.
	let mean = dot.hull(Interval::new(0, 0)).clamp(-limit, limit);
	Ok(weights.times(gradient.minus(mean)))
}

/// `RmsNorm`, `RmsFactor`, `RmsExponent`.
pub(super) fn rms(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let cols = if matches!(op, Op::RmsNorm) { x.cols } else { 1 };
	shape(
		word(x) && is(out, Element::I32, x.rows, cols),
		"I32 [r, c] gives I32 [r, c] (norm) or [r, 1] (factor, exponent)",
		&[x, out],
	)?;
	row(x)?;
	let (width, range) = (Width::of(x.cols), Interval::of(x));
	let root = i128::from(width.root);
	Ok(match op {
		Op::RmsNorm => {
			let most = width.most();
			Interval::new(if x.lo < 0 { -most } else { 0 }, if x.hi > 0 { most } else { 0 })
		}
		// R is between 2^15 and 2^16 - 1.
		Op::RmsFactor => Interval::new((root << 17) / 65535, root << 2),
		_ => {
			// The largest sum of squares leaves the least room; the largest element is shifted the most.
			let sum = x.cols.clamp(1, MAX_WIDTH) << (2 * width.bits);
			let least = (sum.leading_zeros() / 2) as i32;
			let shift = bit_length(range.magnitude() as i32) - width.bits;
			let others = 21 + width.growth;
			// The most is a row of zeros: k/2 = 15 and s = -n.
			Interval::new(least - shift + others, 15 + width.bits + others)
		}
	})
}

/// `RmsNormGradient`.
pub(super) fn rms_gradient(bits: u32, inputs: [&Decl; 5], out: &Decl) -> Result<Interval, Reason> {
	let [g, y, factor, exponent, largest] = inputs;
	shape(
		word(g)
			&& g.same_layout(y)
			&& g.same_layout(out)
			&& is(factor, Element::I32, g.rows, 1)
			&& is(exponent, Element::I32, g.rows, 1)
			&& scalar(largest),
		"I32 gradient and y [r, c], factor and exponent [r, 1] and an I32 scalar give I32 [r, c]",
		&[g, y, factor, exponent, largest, out],
	)?;
	bound("bits", bits, 0, 16)?;
	bound("columns of a normalised row", g.cols, 1, MAX_WIDTH)?;
	within("the gradient", g, -(1 << bits), 1 << bits)?;
	let cols = i128::from(g.cols);
	let gradient = Interval::of(g);
	let v = Interval::of(y).rising(|y| arith::rsh(y, 3))?;
	let product = gradient.times(v).word("gradient * y/8")?;
	// Partial sums in any order, and half of the columns.
	Interval::new(
		product.lo.min(product.lo * cols),
		product.hi.max(product.hi * cols).max(0) + cols / 2,
	)
	.word("the sum of gradient * y/8 over a row")?;
	// A mean of whole numbers, rounded, stays between the least and the largest of them.
	let limit = 1 << (bits + 8);
	let t = product.clamp(-limit, limit);
	let shrunk = t.times(v).word("t * y/8")?.rising(|x| arith::rsh(x, 14))?;
	let h = gradient.minus(shrunk).word("h")?;
	let mantissa = Interval::of(factor).rising(|f| arith::rsh(f, 3))?;
	let z = h.times(mantissa).word("h * factor/8")?;
	Interval::of(largest)
		.minus(Interval::of(exponent))
		.word("largest - exponent")?;
	// Rounding right shifts move towards zero.
	Ok(z.hull(Interval::new(0, 0)))
}

/// `Centre`.
pub(super) fn centre(x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out),
		"input and output are I32 of the same size",
		&[x, out],
	)?;
	row(x)?;
	let (range, cols) = (Interval::of(x), i128::from(x.cols));
	let others = (cols - 1) * (range.hi - range.lo);
	// An element counts in its own mean, so it lies at most (c-1)/c of the span away from it; then the mean is rounded.
	Interval::new(
		-((others + cols / 2) / cols),
		(others + cols - 1 - cols / 2) / cols,
	)
	.word("x - mean")
}

/// `Gelu`.
pub(super) fn gelu(x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out),
		"input and output are I32 of the same size",
		&[x, out],
	)?;
	within("the input", x, -MAX_INPUT, MAX_INPUT)?;
	Ok(Interval::new(x.lo.clamp(GELU_MIN, 0), x.hi.max(0)))
}

fn row(x: &Decl) -> Result<(), Reason> {
	bound("columns of a normalised row", x.cols, 1, MAX_WIDTH)?;
	within("the input", x, -MAX_INPUT, MAX_INPUT)
}
