// SPDX-License-Identifier: Apache-2.0

//! Operations that move and add up elements: what they read, and the sums.

use super::{ArbiterError, Question, Reader};
use crate::{
	arith::{Checked, Word},
	movement::{runs, Run},
	op::{Op, Window},
	tensor::TensorDecl,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Calls `add` with rectangles of `x` that together are what a region of the output is copied from.
pub(super) fn sources(
	op: &Op,
	x: &TensorDecl,
	out: &TensorDecl,
	rows: &Range<u32>,
	cols: &Range<u32>,
	mut add: impl FnMut(Range<u32>, Range<u32>),
) {
	for row in rows.clone() {
		let sizes = ((x.rows, x.cols), (out.rows, out.cols));
		runs(op, sizes.0, sizes.1, row, cols.clone(), |run| {
			rectangles(run, x.cols, &mut add)
		});
	}
}

/// The elements of a run as rectangles of a tensor of `cols` columns.
fn rectangles(run: Run, cols: u32, add: &mut impl FnMut(Range<u32>, Range<u32>)) {
	let (Some(from), width) = (run.from, u64::from(cols).max(1)) else {
		return;
	};
	let (row, col) = ((from / width) as u32, (from % width) as u32);
	if run.step != 1 && run.step == cols {
		add(row..row.saturating_add(run.len), col..col.saturating_add(1));
		return;
	}
	let (mut row, mut col, mut left) = (row, col, run.len);
	while left > 0 {
		let len = left.min(cols.saturating_sub(col).max(1));
		add(row..row.saturating_add(1), col..col.saturating_add(len));
		(row, col, left) = (row.saturating_add(1), 0, left - len);
	}
}

/// Calls `add` with the parts of patches that a region of [`Op::PatchesGradient`] adds up.
pub(super) fn patches(
	window: &Window,
	out: &TensorDecl,
	rows: &Range<u32>,
	cols: &Range<u32>,
	mut add: impl FnMut(Range<u32>, Range<u32>),
) {
	for pixel in rows.clone() {
		window.readers(pixel, |patch, tap| {
			let first = tap.saturating_mul(out.cols);
			let part = first.saturating_add(cols.start)..first.saturating_add(cols.end);
			add(patch..patch.saturating_add(1), part);
		});
	}
}

/// A region of [`Op::PatchesGradient`] or [`Op::ScatterAddRows`]: rows of the input, added up.
pub(super) fn sums(
	q: &Question<'_>,
	rows: Range<u32>,
	cols: Range<u32>,
	x: &Reader<'_>,
) -> Result<Vec<i32>, ArbiterError> {
	let width = cols.len().max(1);
	let mut sums = vec![Checked::of(0); rows.len().saturating_mul(cols.len())];
	let mut add = |row: u32, from: u32, part: Range<u32>| -> Result<(), ArbiterError> {
		let start = (row.saturating_sub(rows.start) as usize).saturating_mul(width);
		let mut line = sums.iter_mut().skip(start);
		x.each(0, from, part, |value| {
			if let Some(sum) = line.next() {
				*sum = sum.plus(Checked::of(value));
			}
		})
	};
	match q.op {
		Op::PatchesGradient(window) => {
			for row in rows.clone() {
				let mut parts = Vec::new();
				let one = row..row.saturating_add(1);
				patches(window, q.out, &one, &cols, |patch, part| {
					parts.push((patch.start, part))
				});
				for (patch, part) in parts {
					add(row, patch, part)?;
				}
			}
		}
		_ => {
			for from in 0..x.decl(1)?.rows {
				let to = x.get(1, from, 0)?;
				if let Some(row) = u32::try_from(to).ok().filter(|row| rows.contains(row)) {
					add(row, from, cols.clone())?;
				}
			}
		}
	}
	let mut out = Vec::with_capacity(sums.len());
	for (at, sum) in sums.into_iter().enumerate() {
		out.push(sum.get().ok_or(ArbiterError::Overflow {
			op: q.op.kind(),
			row: rows.start.saturating_add((at / width) as u32),
			col: cols.start.saturating_add((at % width) as u32),
		})?);
	}
	Ok(out)
}
