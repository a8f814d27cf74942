// SPDX-License-Identifier: Apache-2.0

//! 4 × 16 tile with AVX2 for any operands: int16 pairs and `vpmaddwd`, which is exact.
//!
//! Unsafe: vector loads and stores through pointers.

use super::{
	blocked::{check, panel_words, Engine},
	octets::{fetch, put_half, Octet, OCTET},
};
use core::arch::x86_64::*;

pub(super) struct Pairs;

const ROWS: usize = 4;
const HALF: usize = OCTET / 2;

impl Engine for Pairs {
	const MR: usize = ROWS;
	const LANES: usize = 8;
	const WORDS_A: usize = 8;
	const WORDS_B: usize = 8;
	const HEAD: usize = 0;

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_a(octet: Octet, last: bool, _: u8, to: &mut [u32]) {
		put_pairs(octet, last, to, ROWS);
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_b<const VECTORS: usize>(
		octet: Octet,
		_: u8,
		panels: &mut [u32],
		at: usize,
		_: (usize, bool),
	) {
		let pitch = VECTORS * Self::LANES;
		let to = &mut panels[at..][..(Self::WORDS_B - 1) * pitch + Self::LANES];
		put_pairs(octet, false, to, pitch);
		put_pairs(octet, true, &mut to[HALF..], pitch);
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn column<const VECTORS: usize>(
		(a, b, chunks): (&[u32], &[u32], usize),
		(c, stride): (&mut [i32], usize),
		fresh: bool,
	) {
		let words = chunks * Self::WORDS_A;
		check::<Self>((a, b, chunks), (c, stride), VECTORS);
		for (panel, a) in a.chunks_exact(panel_words::<Self>(chunks)).enumerate() {
			// SAFETY: the lengths are checked.
			unsafe {
				let c = c.as_mut_ptr().add(panel * ROWS * stride);
				fetch::<ROWS>(c, stride);
				tile::<VECTORS>(a.as_ptr(), b.as_ptr().cast(), words, (c, stride), fresh);
			}
		}
	}
}

/// Every word of four bytes of four rows becomes two of two int16.
#[inline]
#[target_feature(enable = "avx2")]
fn put_pairs(octet: Octet, last: bool, to: &mut [u32], pitch: usize) {
	// First the pairs that come first, of all rows.
	let order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
	let pairs = octet.map(|x| {
		let half = if last {
			_mm256_extracti128_si256(x, 1)
		} else {
			_mm256_castsi256_si128(x)
		};
		_mm256_permutevar8x32_epi32(_mm256_cvtepi8_epi16(half), order)
	});
	put_half(to, 2 * pitch, pairs, false);
	put_half(&mut to[pitch..], 2 * pitch, pairs, true);
}

/// # Safety
/// `a` has 4 words and `b` `VECTORS` vectors for each of `words`, `c` four rows of `VECTORS` vectors.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const VECTORS: usize>(
	a: *const u32,
	b: *const __m256i,
	words: usize,
	(c, stride): (*mut i32, usize),
	fresh: bool,
) {
	let place = |row: usize, vector: usize| c.wrapping_add(row * stride + vector * 8).cast::<__m256i>();
	let mut sums = [[_mm256_setzero_si256(); VECTORS]; ROWS];
	// SAFETY: given by the caller; unaligned loads and stores.
	unsafe {
		if !fresh {
			for (row, sums) in sums.iter_mut().enumerate() {
				*sums = core::array::from_fn(|vector| _mm256_loadu_si256(place(row, vector)));
			}
		}
		for word in 0..words {
			let right: [__m256i; VECTORS] =
				core::array::from_fn(|vector| _mm256_loadu_si256(b.add(word * VECTORS + vector)));
			for (row, sums) in sums.iter_mut().enumerate() {
				let left = _mm256_set1_epi32(a.add(word * ROWS + row).read() as i32);
				for (sum, right) in sums.iter_mut().zip(right) {
					*sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(left, right));
				}
			}
		}
		for (row, sums) in sums.iter().enumerate() {
			for (vector, sum) in sums.iter().enumerate() {
				_mm256_storeu_si256(place(row, vector), *sum);
			}
		}
	}
}
