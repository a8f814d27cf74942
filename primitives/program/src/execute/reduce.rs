// SPDX-License-Identifier: Apache-2.0

//! Reductions by blocks and by rows.

use crate::tensor::TILE_ROWS;
use alloc::vec::Vec;

/// Columns of a block of words.
const BLOCK_COLS: usize = 128;

/// Folds every 16 × 128 block from zero, blocks in row-major order.
pub fn partials(x: &[i32], cols: u32, f: impl Fn(i32, i32) -> i32 + Copy) -> Vec<i32> {
	let cols = (cols as usize).max(1);
	let mut out = Vec::with_capacity(x.len() / (TILE_ROWS * BLOCK_COLS) + 1);
	let mut accumulators = Vec::new();
	for strip in x.chunks(cols * TILE_ROWS) {
		accumulators.clear();
		accumulators.resize(cols.div_ceil(BLOCK_COLS), 0);
		for row in strip.chunks(cols) {
			for (part, acc) in row.chunks(BLOCK_COLS).zip(&mut accumulators) {
				*acc = part.iter().fold(*acc, |a, x| f(a, *x));
			}
		}
		out.extend_from_slice(&accumulators);
	}
	out
}

/// One number for every row.
pub fn rows(x: &[i32], cols: u32, f: impl Fn(&[i32]) -> i32) -> Vec<i32> {
	x.chunks((cols as usize).max(1)).map(f).collect()
}

/// The first place of the largest element.
pub fn argmax(row: &[i32]) -> i32 {
	let mut best = (0, i32::MIN);
	for (j, x) in (0..).zip(row) {
		if *x > best.1 {
			best = (j, *x);
		}
	}
	best.0
}
