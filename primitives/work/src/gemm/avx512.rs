// SPDX-License-Identifier: Apache-2.0

//! 12 × 32 tile with AVX-512 VNNI: `vpdpbusd` multiplies unsigned by signed bytes.
//!
//! A is packed as a + 128, B stays signed: a sum comes out as `Σ a b + 128 Σ b`. The second part is taken off by what
//! accumulators start from, the head of a row of B. All of it modulo 2^32, in which the wanted sum fits.
//!
//! Unsafe: vector loads and stores through pointers.

use super::{
	blocked::{check, panel_words, Engine},
	octets::{fetch, get, put, put_half, Octet},
};
use core::arch::x86_64::*;

pub(super) struct Vnni;

const ROWS: usize = 12;

impl Engine for Vnni {
	const MR: usize = ROWS;
	const LANES: usize = 16;
	const WORDS_A: usize = 4;
	const WORDS_B: usize = 4;
	const HEAD: usize = 1;

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_a(octet: Octet, last: bool, _: u8, to: &mut [u32]) {
		put_half(
			to,
			ROWS,
			octet.map(|x| _mm256_xor_si256(x, _mm256_set1_epi8(-128))),
			last,
		);
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put_b<const VECTORS: usize>(
		octet: Octet,
		_: u8,
		panels: &mut [u32],
		at: usize,
		(head, new): (usize, bool),
	) {
		let heads = &mut panels[head..];
		let mut sum = if new { _mm256_setzero_si256() } else { get(heads) };
		for x in octet {
			// 128 times a pair is at least −32,768, and fits.
			let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(-128), x);
			sum = _mm256_sub_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
		}
		put(heads, 0, [sum]);
		put(&mut panels[at..], VECTORS * Self::LANES, octet);
	}

	#[inline]
	#[target_feature(enable = "avx512f,avx512vnni")]
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

/// # Safety
/// `a` has 12 words and `b` `VECTORS` vectors for each of `words`, after one for the heads; `c` has twelve rows of
/// `VECTORS` vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn tile<const VECTORS: usize>(
	a: *const u32,
	b: *const __m512i,
	words: usize,
	(c, stride): (*mut i32, usize),
	fresh: bool,
) {
	let place = |row: usize, vector: usize| c.wrapping_add(row * stride + vector * 16).cast::<__m512i>();
	// SAFETY: given by the caller; unaligned loads and stores.
	unsafe {
		let load = |vector: usize| _mm512_loadu_si512(b.add(vector));
		let heads: [__m512i; VECTORS] = core::array::from_fn(load);
		let mut sums = [heads; ROWS];
		for word in 0..words {
			let right: [__m512i; VECTORS] =
				core::array::from_fn(|vector| load((1 + word) * VECTORS + vector));
			for (row, sums) in sums.iter_mut().enumerate() {
				let left = _mm512_set1_epi32(a.add(word * ROWS + row).read() as i32);
				for (sum, right) in sums.iter_mut().zip(right) {
					*sum = _mm512_dpbusd_epi32(*sum, left, right);
				}
			}
		}
		for (row, sums) in sums.iter().enumerate() {
			for (vector, sum) in sums.iter().enumerate() {
				let place = place(row, vector);
				let mut sum = *sum;
				if !fresh {
					sum = _mm512_add_epi32(sum, _mm512_loadu_si512(place));
				}
				_mm512_storeu_si512(place, sum);
			}
		}
	}
}
