// SPDX-License-Identifier: Apache-2.0

//! The transcript in plain code: the reference of the SIMD paths, and what wasm runs.

use super::fold;
use crate::dims::{Rank, STRIPES, TILE};

/// Both blocks are 16 × 16 r.
pub(super) fn transcript(a: &[i8], b: &[i8], rank: Rank) -> [u32; STRIPES] {
	let (width, r) = (rank.window(), rank.get());
	let mut acc = [[0i32; TILE]; TILE];
	core::array::from_fn(|t| {
		let columns = t * r..(t + 1) * r;
		for (acc, a) in acc.iter_mut().zip(a.chunks_exact(width)) {
			let a = &a[columns.clone()];
			for (acc, b) in acc.iter_mut().zip(b.chunks_exact(width)) {
				let b = &b[columns.clone()];
				*acc += a
					.iter()
					.zip(b)
					.map(|(x, y)| i32::from(*x) * i32::from(*y))
					.sum::<i32>();
			}
		}
		fold(&acc)
	})
}
