// SPDX-License-Identifier: Apache-2.0

//! Operations that read whole rows, and products of stacked matrices.

use super::{elements::product, ArbiterError, Question, Reader};
use crate::{
	arith::{Checked, Word},
	normalise::{alignment, mean, projection, rms_norm_gradient, Rms, Width},
	op::Op,
	rows,
	softmax::{attention_gradient, attention_mean, attention_weight, exp2n, tlog2},
	tensor::{TensorDecl, TILE_ROWS},
};
use alloc::vec::Vec;
use core::ops::Range;

type Result<T> = core::result::Result<T, ArbiterError>;

/// Columns `cols` of a row of the output, for operations that read whole rows; `None` for others.
pub(super) fn by_row(
	q: &Question<'_>,
	row: u32,
	cols: Range<u32>,
	x: &Reader<'_>,
) -> Option<Result<Vec<Checked>>> {
	Some(match *q.op {
		Op::RowSum | Op::RowMax | Op::RowSumSquares => {
			x.row(0, row).map(|values| alloc::vec![reduced(q.op, &values)])
		}
		Op::Softmax { top } => softmax(top, row, cols, x),
		Op::SoftmaxBackward { limit } => softmax_backward(limit, row, cols, x),
		Op::RmsNorm | Op::RmsFactor | Op::RmsExponent => rms(q.op, row, cols, x),
		Op::RmsNormGradient { bits } => rms_gradient(bits, row, cols, x),
		Op::Centre => x.row(0, row).map(|values| {
			let mean = Checked::of(mean(values.iter().copied(), values.len() as u32));
			let part = part(&values, cols).iter();
			part.map(|x| Checked::of(*x).minus(mean)).collect()
		}),
		_ => return None,
	})
}

/// Columns of a row that was read whole.
fn part(row: &[i32], cols: Range<u32>) -> &[i32] {
	row.get(cols.start as usize..cols.end as usize)
		.unwrap_or_default()
}

fn reduced(op: &Op, row: &[i32]) -> Checked {
	let values = row.iter().copied();
	match op {
		Op::RowSum => rows::sum(values),
		Op::RowSumSquares => rows::sum_squares(values),
		_ => Checked::of(rows::max(values)),
	}
}

fn softmax(top: u32, row: u32, cols: Range<u32>, x: &Reader<'_>) -> Result<Vec<Checked>> {
	let z = x.row(0, row)?;
	let visible = x.get(1, row, 0)?.max(0) as usize;
	let e = x.spread(2, row, 0)?;
	let max = rows::max(z.iter().copied().take(visible));
	let weight = |col: u32| {
		let z = z.get(col as usize).filter(|_| (col as usize) < visible)?;
		// The difference of two words always fits an unsigned word.
		Some(attention_weight(exp2n(tlog2(max.abs_diff(*z), e)), top))
	};
	Ok(cols
		.map(|col| Checked::of(weight(col).unwrap_or_default()))
		.collect())
}

fn softmax_backward(limit: i32, row: u32, cols: Range<u32>, x: &Reader<'_>) -> Result<Vec<Checked>> {
	let (p, g) = (x.row(0, row)?, x.row(1, row)?);
	let pairs = p.iter().copied().zip(g.iter().copied());
	let t: Checked = attention_mean(pairs, x.get(2, row, 0)?, limit);
	let (p, g) = (part(&p, cols.clone()), part(&g, cols));
	let each = p.iter().zip(g);
	Ok(each
		.map(|(p, g)| attention_gradient(Checked::of(*p), Checked::of(*g), t))
		.collect())
}

fn rms(op: &Op, row: u32, cols: Range<u32>, x: &Reader<'_>) -> Result<Vec<Checked>> {
	let values = x.row(0, row)?;
	let largest = rows::largest(values.iter().copied());
	let of_row = Rms::of(&Width::of(values.len() as u32), largest, values.iter().copied());
	Ok(match op {
		Op::RmsFactor => alloc::vec![Checked::of(of_row.factor)],
		Op::RmsExponent => alloc::vec![Checked::of(of_row.exponent())],
		_ => part(&values, cols)
			.iter()
			.map(|x| of_row.normalised(Checked::of(*x)))
			.collect(),
	})
}

fn rms_gradient(bits: u32, row: u32, cols: Range<u32>, x: &Reader<'_>) -> Result<Vec<Checked>> {
	let (g, y) = (x.row(0, row)?, x.row(1, row)?);
	let factor = Checked::of(x.get(2, row, 0)?);
	let by = alignment(x.get(4, 0, 0)?, x.get(3, row, 0)?);
	let pairs = g.iter().copied().zip(y.iter().copied());
	let t: Checked = projection(pairs, g.len() as u32, bits);
	let (g, y) = (part(&g, cols.clone()), part(&y, cols));
	let each = g.iter().zip(y);
	Ok(each
		.map(|(g, y)| rms_norm_gradient(Checked::of(*g), Checked::of(*y), t, factor, by))
		.collect())
}

/// Rows of one matrix of a stack.
fn height(groups: u32, stacked: &TensorDecl) -> u32 {
	(stacked.rows / groups.max(1)).max(1)
}

/// A region of a product of stacked matrices: one product for each group that it touches.
pub(super) fn group_product(
	q: &Question<'_>,
	groups: u32,
	rows: Range<u32>,
	cols: Range<u32>,
	x: &Reader<'_>,
) -> Result<Vec<i32>> {
	let (m, n) = (height(groups, x.decl(0)?), height(groups, x.decl(1)?));
	let mut out = Vec::with_capacity(rows.len().saturating_mul(cols.len()));
	let mut top = rows.start;
	while top < rows.end {
		let group = top / m;
		let bottom = rows.end.min(group.saturating_add(1).saturating_mul(m));
		let first = group.saturating_mul(n);
		let right = first.saturating_add(cols.start)..first.saturating_add(cols.end);
		out.extend(product(q, top..bottom, right, x)?);
		top = bottom;
	}
	Ok(out)
}

/// The rows of the second operand that a region of a product of stacked matrices needs.
pub(super) fn group_rows(
	groups: u32,
	a: &TensorDecl,
	b: &TensorDecl,
	rows: &Range<u32>,
	cols: &Range<u32>,
) -> Range<u32> {
	let (m, n) = (height(groups, a), height(groups, b));
	let (first, last) = (rows.start / m, rows.end.saturating_sub(1) / m);
	first.saturating_mul(n).saturating_add(cols.start)..last.saturating_mul(n).saturating_add(cols.end)
}

/// The most rows of blocks of the second operand that any block of a product of stacked matrices needs.
pub(super) fn most_group_rows(groups: u32, a: &TensorDecl, b: &TensorDecl, out: &TensorDecl) -> u32 {
	let tile = TILE_ROWS as u32;
	let (m, n) = (height(groups, a), height(groups, b));
	// Sixteen rows that start anywhere touch this many groups.
	let touched = if m.is_multiple_of(tile) {
		1
	} else {
		((tile - 2) / m + 2).min(groups)
	};
	let span = (touched - 1)
		.saturating_mul(n)
		.saturating_add(n.min(out.element.block_cols()));
	let blocks = if n.is_multiple_of(tile) {
		span.div_ceil(tile)
	} else {
		(span.saturating_add(tile - 2) / tile).saturating_add(1)
	};
	blocks.min(b.block_rows())
}
