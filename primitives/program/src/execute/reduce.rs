// SPDX-License-Identifier: Apache-2.0

//! Reductions by blocks and by rows.

use super::{
	buffers::Item,
	lanes::{Fold, Job, Out},
	view::{Slice, View},
};
use crate::{op::Op, rows, tensor::TILE_ROWS};

/// Columns of a block of words.
const BLOCK_COLS: usize = 128;

/// One number for every 16 × 128 block, folded from zero; blocks in row-major order. The unit is a row of blocks.
struct Partials<'a, F> {
	x: &'a [i32],
	cols: usize,
	f: F,
}

impl<F: Fn(i32, i32) -> i32 + Sync> Job for Partials<'_, F> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.cols.max(1);
		let per_strip = cols.div_ceil(BLOCK_COLS);
		let start = (first / per_strip).saturating_mul(cols * TILE_ROWS);
		let strips = self.x.get(start..).unwrap_or_default().chunks(cols * TILE_ROWS);
		for (out, strip) in out.chunks_mut(per_strip).zip(strips) {
			out.fill(0);
			for row in strip.chunks(cols) {
				for (part, acc) in row.chunks(BLOCK_COLS).zip(&mut *out) {
					let mut sum = *acc;
					for x in part {
						sum = (self.f)(sum, *x);
					}
					*acc = sum;
				}
			}
		}
	}
}

fn partials(to: &mut Out<'_, i32>, x: View<'_>, f: impl Fn(i32, i32) -> i32 + Sync) -> Option<()> {
	let cols = x.cols() as usize;
	let per_strip = cols.div_ceil(BLOCK_COLS).max(1);
	let blocks = (x.rows() as usize).div_ceil(TILE_ROWS).checked_mul(per_strip)?;
	let weight = BLOCK_COLS.min(cols) * TILE_ROWS;
	let x = x.i32s()?;
	to.fill(blocks, per_strip, weight, &Partials { x, cols, f })
}

/// One number for every row.
fn folded<A: Item>(
	to: &mut Out<'_, i32>,
	x: &[A],
	sizes: View<'_>,
	f: impl Fn(&[A]) -> i32 + Sync,
) -> Option<()> {
	let (rows, cols) = (sizes.rows() as usize, sizes.cols() as usize);
	to.fill(rows, 1, cols, &Fold { x, cols, f })
}

/// Reductions; `None` if the inputs don't fit, or it is none.
pub fn words(op: &Op, x: View<'_>, to: &mut Out<'_, i32>) -> Option<()> {
	match (op, x.values()) {
		(Op::MaxAbsPartials, _) => partials(to, x, |a, x| a.max(x.wrapping_abs())),
		(Op::SumPartials, _) => partials(to, x, i32::wrapping_add),
		(Op::MaxReduce, Slice::I32(v)) => one(to, v.iter().copied().max()?),
		(Op::SumReduce, Slice::I32(v)) => one(to, rows::sum(v.iter().copied())),
		(Op::RowMaxAbs, Slice::I32(v)) => folded(to, v, x, |row| rows::largest(row.iter().copied()) as i32),
		(Op::RowMax, Slice::I32(v)) => folded(to, v, x, |row| rows::max(row.iter().copied())),
		(Op::Argmax, Slice::I32(v)) => folded(to, v, x, argmax),
		(Op::RowSum, Slice::I32(v)) => folded(to, v, x, |row| rows::sum(row.iter().copied())),
		(Op::RowSum, Slice::I8(v)) => folded(to, v, x, |row| rows::sum(row.iter().map(|x| i32::from(*x)))),
		(Op::RowSumSquares, Slice::I32(v)) => folded(to, v, x, |row| rows::sum_squares(row.iter().copied())),
		(Op::RowSumSquares, Slice::I8(v)) => folded(to, v, x, |row| {
			rows::sum_squares(row.iter().map(|x| i32::from(*x)))
		}),
		_ => None,
	}
}

/// A single number.
fn one(to: &mut Out<'_, i32>, value: i32) -> Option<()> {
	match &mut *to.values {
		[only] => *only = value,
		_ => return None,
	}
	Some(())
}

/// The first place of the largest element.
fn argmax(row: &[i32]) -> i32 {
	let mut best = (0, i32::MIN);
	for (j, x) in (0..).zip(row) {
		if *x > best.1 {
			best = (j, *x);
		}
	}
	best.0
}
