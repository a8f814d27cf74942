// SPDX-License-Identifier: Apache-2.0

//! Kernels: each `.wgsl` file has its host code beside it. All of them give the bits of the CPU functions in
//! `poaiw-commitment`, `poaiw-work` and `poaiw-program`; tests and the known-answer test compare them.

pub mod commit;
pub mod dataset;
pub mod matrix;
pub mod noise;
pub mod ops;
pub mod peel;
pub mod product;
pub mod ticket;

pub use matrix::{Matrix, Pool};

/// Source of a kernel with the shared parts that it uses.
pub(crate) fn with_index(kernel: &str) -> String {
	[include_str!("index.wgsl"), kernel].concat()
}

/// Source of a kernel that hashes.
pub(crate) fn with_hash(kernel: &str) -> String {
	[include_str!("index.wgsl"), include_str!("blake2s.wgsl"), kernel].concat()
}

/// The words of a hash or key.
pub(crate) fn words_of(hash: &[u8; 32]) -> [u32; 8] {
	core::array::from_fn(|i| {
		u32::from_le_bytes([hash[4 * i], hash[4 * i + 1], hash[4 * i + 2], hash[4 * i + 3]])
	})
}
