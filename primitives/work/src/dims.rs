// SPDX-License-Identifier: Apache-2.0

//! Sizes: the noise rank, and the product with its tiles and windows.

use crate::error::Error;
use poaiw_commitment::{CHUNK_BYTES, TILE_ROWS};

/// Rows of A (and of the transposed B) in one tile.
pub const TILE: usize = TILE_ROWS;
/// Stripes of `rank` columns in one window: each gives one word of the transcript.
pub const STRIPES: usize = 16;
/// Operands are int7: from `-DATA_MAX` to `DATA_MAX`.
pub const DATA_MAX: i8 = 63;
/// The most rows of an operand.
pub const MAX_ROWS: u32 = 1 << 20;
/// The most columns of an operand.
pub const MAX_K: u32 = 1 << 16;
/// The largest noise rank.
pub const MAX_RANK: usize = 128;

/// A noise rank that the protocol knows: 32, 64 or 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8);

impl Rank {
	/// All ranks.
	pub const ALL: [Self; 3] = [Self(32), Self(64), Self(128)];

	/// # Errors
	/// [`Error::Rank`] if the protocol does not know `rank`.
	pub fn new(rank: u32) -> Result<Self, Error> {
		match rank {
			32 => Ok(Self(32)),
			64 => Ok(Self(64)),
			128 => Ok(Self(128)),
			_ => Err(Error::Rank(rank)),
		}
	}

	/// The rank as a length.
	pub fn get(self) -> usize {
		self.0 as usize
	}

	/// Columns of one window, `16 r`.
	pub fn window(self) -> usize {
		STRIPES * self.get()
	}

	/// Leaves of the commitment that one window block covers, `r / 32`.
	pub fn leaves(self) -> usize {
		self.window() / CHUNK_BYTES
	}

	/// Bytes of one window block, 16 × 16 r.
	pub fn block(self) -> usize {
		TILE * self.window()
	}

	/// Multiply-accumulates that one ticket stands for, `16 · 16 · 16 r`.
	pub fn work(self) -> u64 {
		(TILE * TILE * STRIPES * self.get()) as u64
	}
}

/// Checked sizes of a product: A is m × k, B is stored transposed, n × k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
	m: u32,
	n: u32,
	k: u32,
}

impl Dims {
	/// # Errors
	/// [`Error::Size`] if m or n is not in 1..=2^20 or k not in 1..=65,536.
	pub fn new(m: u32, n: u32, k: u32) -> Result<Self, Error> {
		for (name, value, max) in [("m", m, MAX_ROWS), ("n", n, MAX_ROWS), ("k", k, MAX_K)] {
			if value == 0 || value > max {
				return Err(Error::Size { name, value, max });
			}
		}
		Ok(Self { m, n, k })
	}

	/// Rows of A.
	pub fn m(&self) -> u32 {
		self.m
	}

	/// Rows of the transposed B.
	pub fn n(&self) -> u32 {
		self.n
	}

	/// Columns of both operands.
	pub fn k(&self) -> u32 {
		self.k
	}

	/// Columns padded to whole blocks of the commitment.
	pub fn padded_k(&self) -> u32 {
		self.k.next_multiple_of(CHUNK_BYTES as u32)
	}

	/// Tiles that hold at least one row of A.
	pub fn tile_rows(&self) -> u32 {
		self.m.div_ceil(TILE as u32)
	}

	/// Tiles that hold at least one row of the transposed B.
	pub fn tile_cols(&self) -> u32 {
		self.n.div_ceil(TILE as u32)
	}

	/// Whole windows in the padded columns. Columns after the last one give no ticket and carry no noise.
	/// Zero if the product is too narrow for this rank.
	pub fn windows(&self, rank: Rank) -> u32 {
		self.padded_k() / rank.window() as u32
	}

	/// Tickets in the product.
	pub fn tickets(&self, rank: Rank) -> u64 {
		u64::from(self.tile_rows()) * u64::from(self.tile_cols()) * u64::from(self.windows(rank))
	}
}
