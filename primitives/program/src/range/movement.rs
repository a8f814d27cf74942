// SPDX-License-Identifier: Apache-2.0

//! Bounds of operations that move elements, add up moved elements, or number them.

use super::{is, shape, within, word, Interval};
use crate::{
	error::{bound, Reason},
	op::{Op, Window},
	tensor::{Element, TensorDecl as Decl},
};

/// Largest magnitude of the parameters of [`Op::Iota`].
const MAX_COUNT: i32 = 1 << 30;
/// Largest kernel and stride of a window.
const MAX_KERNEL: u32 = 15;
/// Most rows that [`Op::ScatterAddRows`] adds up.
const MAX_SCATTERED: u32 = 65535;

/// Operations of one input whose output holds its elements in other places.
pub(super) fn moved(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let same = |rows: u64, cols: u64| {
		x.element == out.element && (u64::from(out.rows), u64::from(out.cols)) == (rows, cols)
	};
	let (rows, cols) = (u64::from(x.rows), u64::from(x.cols));
	match *op {
		Op::Roll { down, right } => {
			shape(
				same(rows, cols),
				"the output has the input's type and size",
				&[x, out],
			)?;
			bound("down", down, 0, x.rows.saturating_sub(1))?;
			bound("right", right, 0, x.cols.saturating_sub(1))?;
		}
		Op::SplitColumns { rows: group, parts } => {
			divides(
				"rows of a group",
				group,
				x.rows,
				"a group's rows divide the rows of the input",
				x,
			)?;
			divides(
				"parts",
				parts,
				x.cols,
				"the parts divide the columns of the input",
				x,
			)?;
			shape(
				same(rows * u64::from(parts), cols / u64::from(parts)),
				"[g * rows, parts * w] gives [g * parts * rows, w] of the same type",
				&[x, out],
			)?;
		}
		Op::MergeColumns { rows: group, parts } => {
			bound("rows of a group", group, 1, x.rows)?;
			bound("parts", parts, 1, x.rows)?;
			shape(
				rows.is_multiple_of(u64::from(group) * u64::from(parts)),
				"a group's rows times the parts divide the rows of the input",
				&[x],
			)?;
			shape(
				same(rows / u64::from(parts), cols * u64::from(parts)),
				"[g * parts * rows, w] gives [g * rows, parts * w] of the same type",
				&[x, out],
			)?;
		}
		Op::GroupTranspose { groups } => {
			divides(
				"groups",
				groups,
				x.rows,
				"the groups divide the rows of the input",
				x,
			)?;
			shape(
				same(u64::from(groups) * cols, rows / u64::from(groups)),
				"[g * r, c] gives [g * c, r] of the same type",
				&[x, out],
			)?;
		}
		_ => shape(
			x.element == out.element && x.elements() == out.elements(),
			"the output has the input's type and number of elements",
			&[x, out],
		)?,
	}
	Ok(Interval::of(x))
}

fn divides(what: &'static str, part: u32, whole: u32, rule: &'static str, x: &Decl) -> Result<(), Reason> {
	bound(what, part, 1, whole)?;
	shape(whole.is_multiple_of(part), rule, &[x])
}

/// [`Op::GatherRows`], [`Op::GatherElements`] and [`Op::ScatterAddRows`].
pub(super) fn indexed(op: &Op, x: &Decl, index: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let range = Interval::of(x);
	match op {
		Op::GatherElements => {
			shape(
				index.same_layout(out) && word(out),
				"x [n, m] and I32 index [r, c] give I32 [r, c]",
				&[x, index, out],
			)?;
			let last = i32::try_from(x.elements().saturating_sub(1)).unwrap_or(i32::MAX);
			within("an index of elements", index, 0, last)?;
			Ok(range)
		}
		Op::ScatterAddRows => {
			shape(
				word(x) && is(index, Element::I32, x.rows, 1) && is(out, Element::I32, out.rows, x.cols),
				"I32 x [n, c] and I32 index [n, 1] give I32 [r, c]",
				&[x, index, out],
			)?;
			bound("rows that are added up", x.rows, 1, MAX_SCATTERED)?;
			within("an index of rows", index, 0, out.rows.saturating_sub(1) as i32)?;
			any_sum("n * max|x|", range, x.rows.into())
		}
		_ => {
			shape(
				is(index, Element::I32, out.rows, 1) && is(out, x.element, out.rows, x.cols),
				"x [n, c] and I32 index [r, 1] give [r, c] of the type of x",
				&[x, index, out],
			)?;
			within("an index of rows", index, 0, x.rows.saturating_sub(1) as i32)?;
			Ok(range)
		}
	}
}

/// Sums of none to `count` elements, in any order.
fn any_sum(what: &'static str, x: Interval, count: u64) -> Result<Interval, Reason> {
	let count = i128::from(count);
	bound(what, x.magnitude() * count, 0, i32::MAX)?;
	let zero = Interval::new(0, 0);
	Ok(zero.hull(Interval::new(x.lo * count, x.hi * count)))
}

/// [`Op::Patches`], where `images` is the input, and [`Op::PatchesGradient`], where it is the output.
pub(super) fn windows(op: &Op, window: &Window, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	let gradient = matches!(op, Op::PatchesGradient(_));
	let (images, patches) = if gradient { (out, x) } else { (x, out) };
	let Window {
		height,
		width,
		kernel,
		stride,
		padding,
	} = *window;
	bound("kernel", kernel, 1, MAX_KERNEL)?;
	bound("stride", stride, 1, MAX_KERNEL)?;
	bound("padding", padding, 0, kernel - 1)?;
	bound("height", height, 1, images.rows)?;
	bound("width", width, 1, images.rows)?;
	bound("kernel", kernel, 1, height + 2 * padding)?;
	bound("kernel", kernel, 1, width + 2 * padding)?;
	let area = u64::from(height) * u64::from(width);
	shape(
		u64::from(images.rows).is_multiple_of(area),
		"height * width divides the rows of the images",
		&[images],
	)?;
	let places = u64::from(window.out_height()) * u64::from(window.out_width());
	let rows = u64::from(images.rows) / area * places;
	let cols = u64::from(kernel * kernel) * u64::from(images.cols);
	shape(
		x.element == out.element && (u64::from(patches.rows), u64::from(patches.cols)) == (rows, cols),
		"images [n * height * width, c] and patches [n * oh * ow, kernel^2 * c] have the same type",
		&[images, patches],
	)?;
	let range = Interval::of(x);
	if gradient {
		shape(word(x), "a gradient is I32", &[x])?;
		return any_sum("kernel^2 * max|x|", range, u64::from(kernel * kernel));
	}
	Ok(if padding > 0 {
		range.hull(Interval::new(0, 0))
	} else {
		range
	})
}

/// [`Op::Iota`] and [`Op::StepIndices`].
pub(super) fn counts(op: &Op, out: &Decl) -> Result<Interval, Reason> {
	shape(word(out), "the output is I32", &[out])?;
	match *op {
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => {
			bound("divisor", divisor, 1, u32::MAX)?;
			bound("modulus", modulus, 1, MAX_COUNT)?;
			bound("offset", offset, -MAX_COUNT, MAX_COUNT)?;
			let last = out.elements().saturating_sub(1) / u64::from(divisor);
			let most = last.min(u64::from(modulus - 1));
			Ok(Interval::new(offset, i128::from(offset) + i128::from(most)))
		}
		Op::StepIndices { population } | Op::BatchIndices { population } => {
			shape(out.cols == 1, "the output is I32 [batch, 1]", &[out])?;
			bound("population", population, 1, MAX_COUNT)?;
			bound("the batch (rows of the output)", out.rows, 1, population)?;
			Ok(Interval::new(0, population - 1))
		}
		_ => shape(false, "not a count", &[out]).map(|()| Interval::new(0, 0)),
	}
}
