// SPDX-License-Identifier: Apache-2.0

//! Operations that only move elements.

use alloc::{vec, vec::Vec};

/// Edge of the squares that a transposition moves at once, so that reads and writes both stay in the cache.
const SQUARE: usize = 32;

/// `[rows, cols]` to `[cols, rows]`.
pub fn transpose<T: Copy + Default>(x: &[T], rows: u32, cols: u32) -> Vec<T> {
	let (rows, cols) = (rows as usize, cols as usize);
	let mut out = vec![T::default(); x.len()];
	for top in (0..rows).step_by(SQUARE) {
		for left in (0..cols).step_by(SQUARE) {
			let right = (left + SQUARE).min(cols);
			for row in top..(top + SQUARE).min(rows) {
				let Some(part) = x.get(row * cols + left..row * cols + right) else {
					continue;
				};
				for (col, value) in (left..right).zip(part) {
					if let Some(to) = out.get_mut(col * rows + row) {
						*to = *value;
					}
				}
			}
		}
	}
	out
}

/// The rows of `x` that `index` names; `None` if one does not exist.
pub fn gather<T: Copy>(x: &[T], cols: u32, index: &[i32]) -> Option<Vec<T>> {
	let cols = cols as usize;
	let mut out = Vec::with_capacity(index.len().checked_mul(cols)?);
	for i in index {
		let start = usize::try_from(*i).ok()?.checked_mul(cols)?;
		out.extend_from_slice(x.get(start..start.checked_add(cols)?)?);
	}
	Some(out)
}
