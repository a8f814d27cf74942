// SPDX-License-Identifier: Apache-2.0

//! 12 × 32 panel with AVX-512 VNNI: `vpdpbusd` multiplies unsigned by signed bytes.
//!
//! B is packed as b + 128, A stays signed: a sum comes out as `Σ a b + 128 Σ a`, and the second part, the row's
//! offset, is taken off at the end. All of it modulo 2^32, in which the wanted sum fits.
//!
//! Unsafe: vector loads and stores through pointers.

use super::blocked::Panel;
use core::arch::x86_64::*;

pub(super) struct Vnni;

impl Panel<12, 32> for Vnni {
	const GROUP: usize = 4;

	#[inline]
	fn word_a(values: &[i8]) -> u32 {
		match values {
			[x, y, z, w] => u32::from_le_bytes([*x as u8, *y as u8, *z as u8, *w as u8]),
			_ => values
				.iter()
				.rev()
				.fold(0, |word, x| word << 8 | u32::from(*x as u8)),
		}
	}

	#[inline]
	fn word_b(values: &[i8]) -> u32 {
		Self::word_a(values) ^ 0x8080_8080
	}

	fn offset(row: &[i8]) -> i32 {
		row.iter().map(|x| i32::from(*x)).sum::<i32>() * 128
	}

	#[inline]
	unsafe fn run(a: &[[u32; 12]], b: &[[u32; 32]]) -> [[i32; 32]; 12] {
		// SAFETY: the caller vouches for AVX-512 VNNI.
		unsafe { run(a, b) }
	}
}

/// # Safety
/// The processor must have AVX-512F and AVX-512 VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn run(a: &[[u32; 12]], b: &[[u32; 32]]) -> [[i32; 32]; 12] {
	let mut acc = [[_mm512_setzero_si512(); 2]; 12];
	for (a, b) in a.iter().zip(b) {
		// SAFETY: b is 128 bytes, read as two halves; unaligned loads.
		let (low, high) = unsafe {
			let pointer = b.as_ptr().cast::<__m512i>();
			(_mm512_loadu_si512(pointer), _mm512_loadu_si512(pointer.add(1)))
		};
		for (acc, a) in acc.iter_mut().zip(a) {
			let a = _mm512_set1_epi32(*a as i32);
			acc[0] = _mm512_dpbusd_epi32(acc[0], low, a);
			acc[1] = _mm512_dpbusd_epi32(acc[1], high, a);
		}
	}
	let mut out = [[0; 32]; 12];
	for (out, acc) in out.iter_mut().zip(&acc) {
		// SAFETY: 128 bytes into an array of 128 bytes, in two halves, unaligned.
		unsafe {
			let pointer = out.as_mut_ptr().cast::<__m512i>();
			_mm512_storeu_si512(pointer, acc[0]);
			_mm512_storeu_si512(pointer.add(1), acc[1]);
		}
	}
	out
}
