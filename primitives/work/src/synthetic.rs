// SPDX-License-Identifier: Apache-2.0

//! Operands of a miner without a task: generated from header and author, so that a seal need not carry them.

use crate::{
	dims::{Rank, TILE},
	stream,
};
use alloc::{vec, vec::Vec};
use poaiw_commitment::{hash, Hash32};

/// The seeds of both generated operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntheticSeeds {
	/// `H("PoAIW/synthetic/A" ‖ pre_hash ‖ author)`.
	pub a: Hash32,
	/// `H("PoAIW/synthetic/B" ‖ pre_hash ‖ author)`.
	pub b: Hash32,
}

impl SyntheticSeeds {
	/// The seeds for a header (without seal) of an author.
	pub fn new(pre_hash: &Hash32, author: &Hash32) -> Self {
		Self {
			a: hash(&[b"PoAIW/synthetic/A", pre_hash, author]),
			b: hash(&[b"PoAIW/synthetic/B", pre_hash, author]),
		}
	}
}

fn to_int7(byte: u8) -> i8 {
	(byte % 127) as i8 - 63
}

/// Fills `out` with the first columns of row `row`.
pub fn fill_row(seed: &Hash32, row: u32, out: &mut [i8]) {
	fill_columns(seed, row, 0, out)
}

/// Fills `out` with columns from `32 · first_hash` on.
fn fill_columns(seed: &Hash32, row: u32, first_hash: u32, out: &mut [i8]) {
	let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
	stream::fill(seed, b'S', row, first_hash, bytes);
	for byte in bytes {
		*byte = to_int7(*byte) as u8;
	}
}

/// `rows` rows from `first_row` on, row-major, `cols` columns each.
pub fn rows(seed: &Hash32, first_row: u32, rows: u32, cols: u32) -> Vec<i8> {
	let mut out = vec![0; rows as usize * cols as usize];
	if cols > 0 {
		for (row, values) in (first_row..).zip(out.chunks_exact_mut(cols as usize)) {
			fill_row(seed, row, values);
		}
	}
	out
}

/// The window block of one tile, 16 × 16 r.
pub fn window_block(seed: &Hash32, tile: u32, window: u32, rank: Rank) -> Vec<i8> {
	let width = rank.window();
	let mut out = vec![0; rank.block()];
	let first_hash = window.wrapping_mul(width as u32 / 32);
	for (row, values) in (tile.wrapping_mul(TILE as u32)..).zip(out.chunks_exact_mut(width)) {
		fill_columns(seed, row, first_hash, values);
	}
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_window_block_should_be_a_part_of_the_rows() {
		let seeds = SyntheticSeeds::new(&[1; 32], &[2; 32]);
		assert_ne!(seeds.a, seeds.b);
		for rank in Rank::ALL {
			let cols = 3 * rank.window();
			let all = rows(&seeds.a, 16, 16, cols as u32);
			let block = window_block(&seeds.a, 1, 2, rank);
			for (row, part) in all.chunks_exact(cols).zip(block.chunks_exact(rank.window())) {
				assert_eq!(&row[2 * rank.window()..], part);
			}
			assert!(all.iter().all(|x| (-63..=63).contains(x)));
			assert!(all.contains(&-63) && all.contains(&63));
		}
	}
}
