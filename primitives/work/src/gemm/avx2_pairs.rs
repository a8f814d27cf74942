// SPDX-License-Identifier: Apache-2.0

//! 4 × 16 tile with AVX2 for any operands: int16 pairs and `vpmaddwd`, which is exact.
//!
//! A left operand in two parts is one of int16: its sum, at most 255 · 128 + 128 in magnitude and only that as −32,768,
//! is made when it is packed.
//!
//! Unsafe: vector loads and stores through pointers.

use super::{
	blocked::{check, fill, panel_words, Block, Engine, Operand, TooLarge},
	octets::{fetch, get_half, put_half, Octet, OCTET},
	Parts,
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
		put_pairs(pairs(octet, last), to, ROWS);
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
		put_pairs(pairs(octet, false), to, pitch);
		put_pairs(pairs(octet, true), &mut to[HALF..], pitch);
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

impl Operand<Pairs> for Parts<'_> {
	#[inline]
	fn depth(&self) -> usize {
		self.high.depth
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn write(&self, block: Block, most_a: u8, panels: &mut [u32]) -> Result<(), TooLarge> {
		let scale = _mm256_set1_epi16(self.scale.into());
		// SAFETY: given by the caller.
		unsafe {
			fill::<Pairs>(self.high, block.clone(), most_a, panels, |octet, last, to| {
				let scaled = pairs(octet, last).map(|x| _mm256_mullo_epi16(x, scale));
				put_pairs(scaled, to, ROWS);
			})?;
			fill::<Pairs>(self.low, block, most_a, panels, |octet, last, to| {
				let mut sum = pairs(octet, last);
				for (word, x) in sum.iter_mut().enumerate() {
					let at = 2 * word * ROWS;
					let before = _mm256_set_m128i(get_half(&to[at + ROWS..]), get_half(&to[at..]));
					*x = _mm256_add_epi16(*x, before);
				}
				put_pairs(sum, to, ROWS);
			})
		}
	}
}

/// Every word of four bytes, of four rows, as two of two int16: first those that come first, of all rows.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(octet: Octet, last: bool) -> Octet {
	let order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
	octet.map(|x| {
		let half = if last {
			_mm256_extracti128_si256(x, 1)
		} else {
			_mm256_castsi256_si128(x)
		};
		_mm256_permutevar8x32_epi32(_mm256_cvtepi8_epi16(half), order)
	})
}

/// Writes [`pairs`], words `pitch` apart.
#[inline]
#[target_feature(enable = "avx2")]
fn put_pairs(pairs: Octet, to: &mut [u32], pitch: usize) {
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
