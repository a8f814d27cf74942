// SPDX-License-Identifier: Apache-2.0

//! Blocking and packing around a SIMD kernel.
//!
//! A block of B (512 rows × 1,024 columns packed, so that it stays in the second-level cache) is packed once and met
//! by every panel of A.
//!
//! Unsafe: the call of a kernel.

use super::Sizes;
use alloc::vec::Vec;

/// Columns of the operands in one block.
const BLOCK_K: usize = 1024;
/// Rows of B in one block.
const BLOCK_N: usize = 512;

/// A SIMD kernel for a panel of `MR` rows of A and `NR` rows of B.
pub(super) trait Panel<const MR: usize, const NR: usize> {
	/// Values in one word.
	const GROUP: usize;
	/// One word of A or B from at most `GROUP` values; missing ones are zero.
	fn word_a(values: &[i8]) -> u32;
	/// As [`Panel::word_a`], for B.
	fn word_b(values: &[i8]) -> u32;
	/// What one row of A adds to all its accumulators because of how words are made.
	fn offset(row: &[i8]) -> i32;
	/// Accumulators of `a · bᵀ`.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	unsafe fn run(a: &[[u32; MR]], b: &[[u32; NR]]) -> [[i32; NR]; MR];
}

/// The product by panels of kernel `P`. Lengths are checked; the processor has the kernel's instructions.
pub(super) fn multiply<P: Panel<MR, NR>, const MR: usize, const NR: usize>(
	a: &[i8],
	b: &[i8],
	(m, n, k): Sizes,
	c: &mut [i32],
) {
	c.fill(0);
	let mut packed_a = Vec::with_capacity(BLOCK_K / P::GROUP);
	let mut packed_b: Vec<[u32; NR]> = Vec::with_capacity(BLOCK_N / NR * BLOCK_K / P::GROUP);
	for from_n in (0..n).step_by(BLOCK_N) {
		let rows_n = BLOCK_N.min(n - from_n);
		for from_k in (0..k).step_by(BLOCK_K) {
			let depth = BLOCK_K.min(k - from_k);
			packed_b.clear();
			for first in (from_n..from_n + rows_n).step_by(NR) {
				let rows = rows_of::<NR>(b, (n, k), first, from_k, depth);
				pack(&rows, depth, P::GROUP, P::word_b, &mut packed_b);
			}
			for first in (0..m).step_by(MR) {
				let rows = rows_of::<MR>(a, (m, k), first, from_k, depth);
				packed_a.clear();
				pack(&rows, depth, P::GROUP, P::word_a, &mut packed_a);
				let offsets = rows.map(P::offset);
				for (panel, b) in packed_b.chunks_exact(packed_a.len()).enumerate() {
					// SAFETY: this type is only named for a kernel that exists, so the processor has it.
					let tile = unsafe { P::run(&packed_a, b) };
					let column = from_n + panel * NR;
					let width = NR.min(n - column);
					let places = c.chunks_exact_mut(n).skip(first);
					for ((place, sums), offset) in places.zip(&tile).zip(&offsets) {
						for (c, sum) in place[column..column + width].iter_mut().zip(sums) {
							*c = c.wrapping_add(sum.wrapping_sub(*offset));
						}
					}
				}
			}
		}
	}
}

/// `R` rows of a matrix, cut to some columns; empty where the matrix ends.
fn rows_of<const R: usize>(
	data: &[i8],
	(rows, cols): (usize, usize),
	first: usize,
	from: usize,
	depth: usize,
) -> [&[i8]; R] {
	core::array::from_fn(|i| match first + i < rows {
		true => &data[(first + i) * cols + from..][..depth],
		false => &[],
	})
}

/// `[group][row]`; rows that end early give zeros.
fn pack<const R: usize>(
	rows: &[&[i8]; R],
	depth: usize,
	group: usize,
	word: impl Fn(&[i8]) -> u32,
	out: &mut Vec<[u32; R]>,
) {
	let whole = depth / group;
	let full = rows.iter().all(|row| row.len() == depth);
	for g in 0..whole {
		out.push(match full {
			true => core::array::from_fn(|i| word(&rows[i][g * group..(g + 1) * group])),
			false => core::array::from_fn(|i| word(rows[i].get(g * group..(g + 1) * group).unwrap_or(&[]))),
		});
	}
	if whole * group < depth {
		out.push(core::array::from_fn(|i| {
			word(rows[i].get(whole * group..).unwrap_or(&[]))
		}));
	}
}
