// SPDX-License-Identifier: Apache-2.0

//! 6 × 16 panel with AVX2: int16 pairs and `vpmaddwd`, which is exact (`vpmaddubsw` saturates).
//!
//! Unsafe: vector loads and stores through pointers.

use super::blocked::Panel;
use core::arch::x86_64::*;

pub(super) struct Avx2;

impl Panel<6, 16> for Avx2 {
	const GROUP: usize = 2;

	#[inline]
	fn word_a(values: &[i8]) -> u32 {
		let half = |x: i8| u32::from(x as i16 as u16);
		match values {
			[x, y] => half(*x) | half(*y) << 16,
			[x] => half(*x),
			_ => 0,
		}
	}

	#[inline]
	fn word_b(values: &[i8]) -> u32 {
		Self::word_a(values)
	}

	#[inline]
	fn offset(_: &[i8]) -> i32 {
		0
	}

	#[inline]
	unsafe fn run(a: &[[u32; 6]], b: &[[u32; 16]]) -> [[i32; 16]; 6] {
		// SAFETY: the caller vouches for AVX2.
		unsafe { run(a, b) }
	}
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn run(a: &[[u32; 6]], b: &[[u32; 16]]) -> [[i32; 16]; 6] {
	let mut acc = [[_mm256_setzero_si256(); 2]; 6];
	for (a, b) in a.iter().zip(b) {
		// SAFETY: b is 64 bytes, read as two halves; unaligned loads.
		let (low, high) = unsafe {
			let pointer = b.as_ptr().cast::<__m256i>();
			(_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1)))
		};
		for (acc, a) in acc.iter_mut().zip(a) {
			let a = _mm256_set1_epi32(*a as i32);
			acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(a, low));
			acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(a, high));
		}
	}
	let mut out = [[0; 16]; 6];
	for (out, acc) in out.iter_mut().zip(&acc) {
		// SAFETY: 64 bytes into an array of 64 bytes, in two halves, unaligned.
		unsafe {
			let pointer = out.as_mut_ptr().cast::<__m256i>();
			_mm256_storeu_si256(pointer, acc[0]);
			_mm256_storeu_si256(pointer.add(1), acc[1]);
		}
	}
	out
}
