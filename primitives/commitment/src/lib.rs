// SPDX-License-Identifier: Apache-2.0

//! Merkle commitments: to byte matrices ([`TensorTree`]) and to plain lists of hashes ([`merkle`]).
//!
//! Everything is BLAKE2s-256 and every integer is little-endian. The commitment to a matrix covers its
//! *unpadded* sizes, the commitment to a list its length, so nothing can be confused with its own padding.
//! All sizes are checked before they are used: no function here panics or overflows on foreign input.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod error;
mod hash;
pub mod merkle;
mod tensor;
mod tree;

pub use error::Error;
pub use hash::{hash, hash_many, keyed_hash, keyed_hash_many, Hash32, ZERO_HASH};
pub use tensor::{
	block_bytes_of, leaf, root_from_path, tensor_root, wrap_root, Shape, TensorTree, BLOCK_BYTES,
	CHUNK_BYTES, MAX_ROWS, MAX_ROW_BYTES, TILE_ROWS,
};
