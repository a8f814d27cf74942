// SPDX-License-Identifier: Apache-2.0

//! The transcript with AVX2: int16 pairs and `vpmaddwd`, which is exact (`vpmaddubsw` saturates).
//!
//! Unsafe: vector loads through pointers, and a call only after the processor was asked for AVX2.

use crate::dims::{Rank, STRIPES, TILE};
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// Rows of A at a time: 4 × 2 accumulators of 8 lanes fit the 16 registers.
const ROWS: usize = 4;

/// `[column pair][row]`, each word two sign-extended values.
pub(super) fn pack(block: &[i8], rank: Rank) -> Vec<[u32; TILE]> {
	let width = rank.window();
	let word = |x: i8, y: i8| u32::from(x as i16 as u16) | u32::from(y as i16 as u16) << 16;
	(0..width / 2)
		.map(|pair| {
			core::array::from_fn(|row| word(block[row * width + 2 * pair], block[row * width + 2 * pair + 1]))
		})
		.collect()
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transcript(a: &[[u32; TILE]], b: &[[u32; TILE]], rank: Rank) -> [u32; STRIPES] {
	let mut words = [0u32; STRIPES];
	for first in (0..TILE).step_by(ROWS) {
		let mut acc = [[_mm256_setzero_si256(); 2]; ROWS];
		let stripes = a.chunks_exact(rank.get() / 2).zip(b.chunks_exact(rank.get() / 2));
		for (word, (a, b)) in words.iter_mut().zip(stripes) {
			for (a, b) in a.iter().zip(b) {
				// SAFETY: b is 64 bytes, read as two halves; unaligned loads.
				let (low, high) = unsafe {
					let pointer = b.as_ptr().cast::<__m256i>();
					(_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1)))
				};
				for (i, acc) in acc.iter_mut().enumerate() {
					let x = _mm256_set1_epi32(a[first + i] as i32);
					acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(x, low));
					acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(x, high));
				}
			}
			*word ^= fold(&acc, first);
		}
	}
	words
}

/// XOR of all lanes, row i rotated by 2 (first + i).
#[target_feature(enable = "avx2")]
fn fold(acc: &[[__m256i; 2]; ROWS], first: usize) -> u32 {
	let mut all = _mm256_setzero_si256();
	for (i, row) in acc.iter().enumerate() {
		let row = _mm256_xor_si256(row[0], row[1]);
		let places = 2 * (first + i) as i32 % 32;
		// A shift by 32 gives zero, so no rotation needs no case of its own.
		let up = _mm256_sllv_epi32(row, _mm256_set1_epi32(places));
		let down = _mm256_srlv_epi32(row, _mm256_set1_epi32(32 - places));
		all = _mm256_xor_si256(all, _mm256_or_si256(up, down));
	}
	let mut lanes = [0u32; 8];
	// SAFETY: 32 bytes into an array of 32 bytes, unaligned.
	unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), all) };
	lanes.iter().fold(0, |x, lane| x ^ lane)
}
