// SPDX-License-Identifier: Apache-2.0

//! The transcript with AVX-512 VNNI: `vpdpbusd` multiplies unsigned by signed bytes.
//!
//! B is stored as b + 128 (unsigned), A stays signed and is broadcast, so an accumulator holds
//! `Σ a b + 128 Σ a`; the running row sums of A, times 128, are taken off before each fold. All of it modulo 2^32.
//!
//! Unsafe: vector loads through pointers, and a call only after the processor was asked for the instructions.

use crate::dims::{Rank, STRIPES, TILE};
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// `[column quad][row]`, each word four values, XORed with `flip`.
pub(super) fn pack(block: &[i8], rank: Rank, flip: u32) -> Vec<[u32; TILE]> {
	let width = rank.window();
	(0..width / 4)
		.map(|quad| {
			core::array::from_fn(|row| {
				let at = row * width + 4 * quad;
				let bytes = [block[at], block[at + 1], block[at + 2], block[at + 3]].map(|x| x as u8);
				u32::from_le_bytes(bytes) ^ flip
			})
		})
		.collect()
}

/// For each stripe and row: 128 times the sum of the row up to the end of the stripe.
pub(super) fn offsets(block: &[i8], rank: Rank) -> Vec<[i32; TILE]> {
	let mut out = Vec::with_capacity(STRIPES);
	let mut running = [0i32; TILE];
	for t in 0..STRIPES {
		for (sum, row) in running.iter_mut().zip(block.chunks_exact(rank.window())) {
			let stripe = &row[t * rank.get()..(t + 1) * rank.get()];
			*sum += 128 * stripe.iter().map(|x| i32::from(*x)).sum::<i32>();
		}
		out.push(running);
	}
	out
}

/// # Safety
/// The processor must have AVX-512F and AVX-512 VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn transcript(
	a: &[[u32; TILE]],
	offsets: &[[i32; TILE]],
	b: &[[u32; TILE]],
	rank: Rank,
) -> [u32; STRIPES] {
	let mut words = [0u32; STRIPES];
	let mut acc = [_mm512_setzero_si512(); TILE];
	let quads = rank.get() / 4;
	let stripes = a.chunks_exact(quads).zip(b.chunks_exact(quads)).zip(offsets);
	for (word, ((a, b), offsets)) in words.iter_mut().zip(stripes) {
		for (a, b) in a.iter().zip(b) {
			// SAFETY: b is 64 bytes; unaligned load.
			let b = unsafe { _mm512_loadu_si512(b.as_ptr().cast()) };
			for (acc, a) in acc.iter_mut().zip(a) {
				*acc = _mm512_dpbusd_epi32(*acc, b, _mm512_set1_epi32(*a as i32));
			}
		}
		*word = fold(&acc, offsets);
	}
	words
}

/// XOR of all lanes after the offsets are taken off, row i rotated by 2 i.
#[target_feature(enable = "avx512f")]
fn fold(acc: &[__m512i; TILE], offsets: &[i32; TILE]) -> u32 {
	let mut all = _mm512_setzero_si512();
	for (i, (row, offset)) in acc.iter().zip(offsets).enumerate() {
		let row = _mm512_sub_epi32(*row, _mm512_set1_epi32(*offset));
		all = _mm512_xor_si512(all, _mm512_rolv_epi32(row, _mm512_set1_epi32(2 * i as i32 % 32)));
	}
	let mut lanes = [0u32; TILE];
	// SAFETY: 64 bytes into an array of 64 bytes, unaligned.
	unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), all) };
	lanes.iter().fold(0, |x, lane| x ^ lane)
}
