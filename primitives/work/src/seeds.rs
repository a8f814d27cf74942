// SPDX-License-Identifier: Apache-2.0

//! Seeds: from header, source and operand commitments to the noise of both operands.

use crate::dims::{Dims, Rank};
use poaiw_commitment::{hash, Hash32};

/// The noise seeds of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
	/// Seed of A's noise; also the key of the ticket hash. Binds everything.
	pub a: Hash32,
	/// Seed of B's noise. Does not depend on A, so that a fixed B keeps its noise.
	pub b: Hash32,
}

/// `H("PoAIW/job/1" ‖ pre_hash ‖ source hash ‖ le32(r, accesses, m, n, k))`.
pub fn job_key(pre_hash: &Hash32, source_hash: &Hash32, rank: Rank, accesses: u32, dims: &Dims) -> Hash32 {
	let numbers = [rank.get() as u32, accesses, dims.m(), dims.n(), dims.k()].map(u32::to_le_bytes);
	hash(&[b"PoAIW/job/1", pre_hash, source_hash, numbers.as_flattened()])
}

impl Seeds {
	/// `s_B = H("PoAIW/B" ‖ job key ‖ root_B)`, `s_A = H("PoAIW/A" ‖ s_B ‖ root_A)`.
	pub fn new(job_key: &Hash32, root_a: &Hash32, root_b: &Hash32) -> Self {
		let b = hash(&[b"PoAIW/B", job_key, root_b]);
		let a = hash(&[b"PoAIW/A", &b, root_a]);
		Self { a, b }
	}
}
