// SPDX-License-Identifier: Apache-2.0

//! The seal of a block: which ticket won, and for task work the two operand blocks that it was made of.
//!
//! The encoding is canonical: one value, one byte string. Every length is checked before anything is allocated for
//! it, whoever wrote the bytes.

use crate::{
	dims::{Dims, Rank, MAX_RANK, TILE},
	source::WorkSource,
	ticket::Position,
};
use alloc::vec::Vec;
use codec::{Compact, Decode, Encode, Error, Input, MaxEncodedLen};
use core::fmt;
use poaiw_commitment::Hash32;
use scale_info::TypeInfo;

/// The version that this code makes and accepts.
pub const SEAL_VERSION: u8 = 1;
/// Bytes of the largest window block, 16 × 16 · 128.
pub const MAX_BLOCK: usize = TILE * TILE * MAX_RANK;
/// Leaves of the largest window block.
pub const MAX_LEAVES: usize = MAX_RANK / 32;
/// The deepest tree: 2^16 rows of blocks, 2^7 blocks in each.
pub const MAX_DEPTH: usize = 23;

/// Longest encoding of one opening: block, number of paths, paths (each with its length).
const MAX_OPENING: usize = 4 + MAX_BLOCK + 1 + MAX_LEAVES * (1 + 32 * MAX_DEPTH);
/// Longest encoding of what precedes the openings.
const MAX_HEAD: usize = 1 + 21 + 6 * 4 + 2 * 32 + 1;
/// Longest encoding of a seal (about 72 KiB).
pub const MAX_SEAL_BYTES: usize = MAX_HEAD + 2 * MAX_OPENING;

/// One operand's window block with the paths of its leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Opening {
	/// 16 rows × 16 r columns without noise, row-major, zero where the operand has no element.
	pub block: Vec<u8>,
	/// One path for each of the r / 32 leaves, from left to right.
	pub paths: Vec<Vec<Hash32>>,
}

/// Proof that a ticket was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Encode, TypeInfo)]
pub struct Seal {
	/// [`SEAL_VERSION`].
	pub version: u8,
	/// Where the operands come from.
	pub source: WorkSource,
	/// Rows of A.
	pub m: u32,
	/// Rows of the transposed B.
	pub n: u32,
	/// Columns of both.
	pub k: u32,
	/// Which 16 rows of A.
	pub tile_row: u32,
	/// Which 16 rows of the transposed B.
	pub tile_col: u32,
	/// Which 16 r columns.
	pub window: u32,
	/// Commitment to A; 32 zero bytes for synthetic work.
	pub root_a: Hash32,
	/// Commitment to the transposed B; 32 zero bytes for synthetic work.
	pub root_b: Hash32,
	/// Openings of A and B for task work; none for synthetic work.
	pub openings: Option<(Opening, Opening)>,
}

impl Seal {
	/// Decodes a whole byte string.
	///
	/// # Errors
	/// [`SealError`] if it is too long, malformed, or goes on after the seal.
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
		if bytes.len() > MAX_SEAL_BYTES {
			return Err(SealError::TooLong(bytes.len()));
		}
		let mut input = bytes;
		let seal = Self::decode(&mut input).map_err(SealError::Malformed)?;
		if input.is_empty() {
			Ok(seal)
		} else {
			Err(SealError::Trailing(input.len()))
		}
	}

	/// Position of the ticket.
	pub fn position(&self) -> Position {
		Position {
			tile_row: self.tile_row,
			tile_col: self.tile_col,
			window: self.window,
		}
	}

	/// The sizes, checked against the bounds of the protocol.
	///
	/// # Errors
	/// [`crate::error::Error::Size`] naming the size that is out of bounds.
	pub fn dims(&self) -> Result<Dims, crate::error::Error> {
		Dims::new(self.m, self.n, self.k)
	}
}

/// Why a byte string is not a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealError {
	/// Longer than any seal.
	TooLong(usize),
	/// Not the encoding of a seal.
	Malformed(Error),
	/// Bytes left after the seal.
	Trailing(usize),
}

impl fmt::Display for SealError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::TooLong(len) => write!(f, "{len} bytes: no seal is longer than {MAX_SEAL_BYTES}"),
			Self::Malformed(error) => write!(f, "not a seal: {error}"),
			Self::Trailing(len) => write!(f, "{len} bytes after the end of the seal"),
		}
	}
}

impl core::error::Error for SealError {}

impl Decode for Seal {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let version = u8::decode(input)?;
		// Another version may have another layout, so nothing after it can be read.
		if version != SEAL_VERSION {
			return Err(Error::from("unknown version of the seal"));
		}
		let source = WorkSource::decode(input)?;
		let [m, n, k, tile_row, tile_col, window] = <[u32; 6]>::decode(input)?;
		let (root_a, root_b) = <(Hash32, Hash32)>::decode(input)?;
		let openings = match (u8::decode(input)?, source.is_synthetic()) {
			(0, true) => None,
			(1, false) => Some((Opening::decode(input)?, Opening::decode(input)?)),
			_ => {
				return Err(Error::from(
					"a seal of task work has openings, one of synthetic work has none",
				))
			}
		};
		Ok(Self {
			version,
			source,
			m,
			n,
			k,
			tile_row,
			tile_col,
			window,
			root_a,
			root_b,
			openings,
		})
	}
}

impl Decode for Opening {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let len = bounded(input, MAX_BLOCK, "window block is too long")?;
		if !Rank::ALL.iter().any(|rank| rank.block() == len) {
			return Err(Error::from("window block of no known rank"));
		}
		let mut block = alloc::vec![0; len];
		input.read(&mut block)?;
		let count = bounded(input, MAX_LEAVES, "too many paths")?;
		let mut paths = Vec::with_capacity(count);
		for _ in 0..count {
			let depth = bounded(input, MAX_DEPTH, "path is too long")?;
			let mut path = Vec::with_capacity(depth);
			for _ in 0..depth {
				path.push(Hash32::decode(input)?);
			}
			paths.push(path);
		}
		Ok(Self { block, paths })
	}
}

fn bounded<I: Input>(input: &mut I, max: usize, message: &'static str) -> Result<usize, Error> {
	let Compact(len) = Compact::<u32>::decode(input)?;
	usize::try_from(len)
		.ok()
		.filter(|len| *len <= max)
		.ok_or_else(|| Error::from(message))
}

impl codec::DecodeWithMemTracking for Seal {}
impl codec::DecodeWithMemTracking for Opening {}

impl MaxEncodedLen for Seal {
	fn max_encoded_len() -> usize {
		MAX_SEAL_BYTES
	}
}
