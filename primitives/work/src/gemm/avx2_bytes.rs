// SPDX-License-Identifier: Apache-2.0

//! 4 × 16 tile with AVX2 for narrow operands: `vpmaddubsw` multiplies unsigned by signed bytes and adds pairs in int16.
//!
//! A is packed as u = a + z, with z the largest magnitude that A may have; B stays signed. Then `Σ a b = Σ u b − z Σ b`,
//! and the second part, the correction, is packed with B for every `WORDS` words of a row. Corrections and pairs are
//! added modulo 2^16 as long as the true sum fits int16; then `vpmaddwd` with ones widens it to int32.
//!
//! Why this is exact, with most_b the largest magnitude of B ([`fits`]):
//! - a pair is at most 2 · 2 z · most_b, so `vpmaddubsw` does not saturate if z · most_b ≤ 8,191;
//! - the true sum of `WORDS` words has 2 `WORDS` products, at most 2 `WORDS` · z · most_b, and fits int16 if
//!   `WORDS` · z · most_b ≤ 16,383.
//!
//! Twice as many words are added before widening in panels of B in which that is exact too because the magnitudes of
//! the values that meet in a lane have a small sum ([`small`]); the head of the panel says so.
//!
//! Unsafe: vector loads and stores through pointers, empty assembly.

use super::{
	blocked::{check, panel_words, Engine},
	octets::{fetch, put, put_half, Octet},
};
use core::{
	arch::{asm, x86_64::*},
	sync::atomic::{compiler_fence, Ordering},
};

const ROWS: usize = 4;

/// Sums of `WORDS` words, 2 or 4, before they are widened.
pub(super) struct Bytes<const WORDS: usize>;

/// Whether operands of these magnitudes can be multiplied this way.
pub(super) fn fits<const WORDS: u32>(most_a: u8, most_b: u8) -> bool {
	let product = u32::from(most_a) * u32::from(most_b);
	product <= 8_191 && WORDS * product <= 16_383
}

impl<const WORDS: usize> Engine for Bytes<WORDS> {
	const MR: usize = ROWS;
	const LANES: usize = 8;
	const WORDS_A: usize = 4;
	const WORDS_B: usize = 4 + 4 / WORDS;
	const HEAD: usize = 1;

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_a(octet: Octet, last: bool, most_a: u8, to: &mut [u32]) {
		let z = _mm256_set1_epi8(most_a as i8);
		put_half(to, ROWS, octet.map(|x| _mm256_add_epi8(x, z)), last);
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_b<const VECTORS: usize>(
		octet: Octet,
		most_a: u8,
		panels: &mut [u32],
		at: usize,
		_: (usize, bool),
	) {
		let pitch = VECTORS * Self::LANES;
		let to = &mut panels[at..][..(Self::WORDS_B - 1) * pitch + Self::LANES];
		let z = _mm256_set1_epi8(most_a as i8);
		let pairs = octet.map(|x| _mm256_maddubs_epi16(z, x));
		for (part, pairs) in pairs.chunks_exact(WORDS).enumerate() {
			let sum = pairs
				.iter()
				.fold(_mm256_setzero_si256(), |sum, x| _mm256_sub_epi16(sum, *x));
			put(&mut to[part * (WORDS + 1) * pitch..], 0, [sum]);
			let words: [__m256i; WORDS] = core::array::from_fn(|word| octet[part * WORDS + word]);
			put(&mut to[(part * (WORDS + 1) + 1) * pitch..], pitch, words);
		}
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn finish<const VECTORS: usize>(panel: &mut [u32], most_a: u8) {
		let (head, chunks) = panel.split_at_mut(VECTORS * Self::LANES);
		head[0] = u32::from(WORDS == 4 && small::<VECTORS>(chunks, most_a));
	}

	#[inline(never)]
	#[target_feature(enable = "avx2")]
	unsafe fn column<const VECTORS: usize>(
		(a, b, chunks): (&[u32], &[u32], usize),
		(c, stride): (&mut [i32], usize),
		fresh: bool,
	) {
		check::<Self>((a, b, chunks), (c, stride), VECTORS);
		let mut memory = Sums([0; ROWS * 16]);
		let memory = hide(memory.0.as_mut_ptr());
		let (head, b) = b.split_at(VECTORS * Self::LANES);
		for (panel, a) in a.chunks_exact(panel_words::<Self>(chunks)).enumerate() {
			let c = c[panel * ROWS * stride..].as_mut_ptr();
			fetch::<ROWS>(c, stride);
			let mut tile = Tile {
				a: a.as_ptr(),
				b: b.as_ptr().cast(),
				from: if fresh {
					(ZEROS.0.as_ptr(), 0)
				} else {
					(c.cast_const(), stride)
				},
				memory,
				to: (c, stride),
			};
			// SAFETY: the lengths are checked.
			unsafe {
				if WORDS == 4 && head[0] != 0 {
					tile.add_small::<VECTORS>(chunks);
				} else {
					let parts = chunks * 4 / WORDS;
					for part in 0..parts {
						tile.add::<WORDS, WORDS, VECTORS>(part + 1 == parts);
					}
				}
			}
		}
	}
}

/// Sums, aligned so that no vector of them lies in two cache lines.
#[repr(align(64))]
struct Sums<const N: usize>([i32; N]);

/// What sums start from.
static ZEROS: Sums<16> = Sums([0; 16]);

/// Whether sums of eight words fit int16: those of the magnitudes, times the largest of the other side.
#[target_feature(enable = "avx2")]
fn small<const VECTORS: usize>(chunks: &[u32], most_a: u8) -> bool {
	let mut largest = _mm256_setzero_si256();
	// An odd chunk goes alone, before the others.
	let chunk = 5 * VECTORS * 8;
	let twos = &chunks[chunks.len() / chunk % 2 * chunk..];
	for two in twos.chunks_exact(2 * chunk) {
		for vector in 0..VECTORS {
			let mut sum = _mm256_setzero_si256();
			for chunk in two.chunks_exact(chunk) {
				for word in chunk[VECTORS * 8..].chunks_exact(VECTORS * 8) {
					let word = &word[vector * 8..][..8];
					// SAFETY: eight words, 32 bytes; unaligned.
					let x = unsafe { _mm256_loadu_si256(word.as_ptr().cast()) };
					// At most 256 for a pair, and eight of them.
					let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_set1_epi8(1));
					sum = _mm256_add_epi16(sum, pairs);
				}
			}
			largest = _mm256_max_epi16(largest, sum);
		}
	}
	let most = i16::MAX / i16::from(most_a.max(1));
	_mm256_movemask_epi8(_mm256_cmpgt_epi16(largest, _mm256_set1_epi16(most))) == 0
}

/// A tile on its way through the depth.
struct Tile {
	a: *const u32,
	b: *const __m256i,
	/// What to add to, and the distance of rows.
	from: (*const i32, usize),
	/// Sums in int32, which would take the registers that those in int16 need.
	memory: *mut i32,
	/// Where the last sums go, and the distance of rows.
	to: (*mut i32, usize),
}

impl Tile {
	/// Adds all chunks, where sums of eight words fit int16.
	///
	/// # Safety
	/// As [`Tile::add`].
	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn add_small<const VECTORS: usize>(&mut self, chunks: usize) {
		// SAFETY: given by the caller.
		unsafe {
			if chunks % 2 == 1 {
				self.add::<4, 4, VECTORS>(chunks == 1);
			}
			for chunk in (chunks % 2..chunks).step_by(2) {
				self.add::<8, 4, VECTORS>(chunk + 2 == chunks);
			}
		}
	}

	/// Adds `WORDS` words of each row, of which every `PART` have a correction before them.
	///
	/// # Safety
	/// There must be so many words for four rows in `a` and for `VECTORS` vectors in `b`, with their corrections, and
	/// four rows of `VECTORS` vectors in `from`, `memory` and `to`.
	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn add<const WORDS: usize, const PART: usize, const VECTORS: usize>(&mut self, last: bool) {
		// The sums in memory are not to be kept in registers.
		compiler_fence(Ordering::SeqCst);
		let between = (self.memory, VECTORS * 8);
		let to = if last { self.to } else { between };
		// SAFETY: given by the caller; unaligned loads and stores.
		unsafe {
			let sums = sums::<WORDS, PART, VECTORS>(self.a, self.b);
			for (row, sums) in sums.iter().enumerate() {
				for (vector, sum) in sums.iter().enumerate() {
					let from = self.from.0.add(row * self.from.1).cast::<__m256i>().add(vector);
					let to = to.0.add(row * to.1).cast::<__m256i>().add(vector);
					let wide = _mm256_madd_epi16(*sum, _mm256_set1_epi16(1));
					_mm256_storeu_si256(to, _mm256_add_epi32(wide, _mm256_loadu_si256(from)));
				}
			}
			self.a = self.a.add(WORDS * ROWS);
			self.b = self.b.add((WORDS + WORDS / PART) * VECTORS);
			self.from = (between.0.cast_const(), between.1);
		}
	}
}

/// Sums in int16, with their corrections.
///
/// # Safety
/// `a` has four times `WORDS` words, `b` `VECTORS` times `WORDS` vectors and a correction before every `PART`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums<const WORDS: usize, const PART: usize, const VECTORS: usize>(
	a: *const u32,
	b: *const __m256i,
) -> [[__m256i; VECTORS]; ROWS] {
	// SAFETY: given by the caller; unaligned loads.
	let load = |at: usize, vector: usize| unsafe { _mm256_loadu_si256(b.add(at * VECTORS + vector)) };
	let mut sums = [[_mm256_setzero_si256(); VECTORS]; ROWS];
	let start: [__m256i; VECTORS] = core::array::from_fn(|vector| {
		let first = load(0, vector);
		(1..WORDS / PART).fold(first, |sum, part| {
			_mm256_add_epi16(sum, load(part * (PART + 1), vector))
		})
	});
	for word in 0..WORDS {
		let right: [__m256i; VECTORS] = core::array::from_fn(|vector| load(1 + word + word / PART, vector));
		for (row, sums) in sums.iter_mut().enumerate() {
			// SAFETY: given by the caller.
			let left = unsafe { _mm256_set1_epi32(a.add(word * ROWS + row).read() as i32) };
			for (vector, sum) in sums.iter_mut().enumerate() {
				let before = if word == 0 { start[vector] } else { *sum };
				*sum = keep(_mm256_add_epi16(
					before,
					_mm256_maddubs_epi16(left, right[vector]),
				));
			}
		}
	}
	sums
}

/// Keeps the compiler from adding in another order, for which the registers would not do.
#[inline]
#[target_feature(enable = "avx2")]
fn keep(mut x: __m256i) -> __m256i {
	// SAFETY: no instruction at all.
	unsafe { asm!("/* {0} */", inout(ymm_reg) x, options(pure, nomem, nostack, preserves_flags)) };
	x
}

/// Keeps the compiler from holding in registers what belongs into memory.
#[inline]
fn hide(mut pointer: *mut i32) -> *mut i32 {
	// SAFETY: no instruction at all.
	unsafe { asm!("/* {0} */", inout(reg) pointer, options(nostack, preserves_flags)) };
	pointer
}
