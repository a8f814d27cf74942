// SPDX-License-Identifier: Apache-2.0

//! A checked view of one operand.

use crate::{
	dims::{Rank, DATA_MAX, MAX_K, MAX_ROWS, TILE},
	error::{check_len, Error},
};
use alloc::{vec, vec::Vec};
use poaiw_commitment::CHUNK_BYTES;

/// An int7 matrix, row-major, unpadded: A as m × k, or the transposed B as n × k.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
	data: &'a [i8],
	rows: u32,
	cols: u32,
}

impl<'a> Operand<'a> {
	/// # Errors
	/// If a size is out of bounds, the length does not belong to the sizes, or a value is not int7.
	pub fn new(data: &'a [i8], rows: u32, cols: u32) -> Result<Self, Error> {
		for (name, value, max) in [("rows", rows, MAX_ROWS), ("columns", cols, MAX_K)] {
			if value == 0 || value > max {
				return Err(Error::Size { name, value, max });
			}
		}
		check_len("operand", rows as usize * cols as usize, data.len())?;
		match first_out_of_range(data) {
			Some((index, value)) => Err(Error::OperandRange {
				index: index as u64,
				value,
			}),
			None => Ok(Self { data, rows, cols }),
		}
	}

	/// The elements, row-major.
	pub fn data(&self) -> &'a [i8] {
		self.data
	}

	/// The elements as the bytes that the commitment covers.
	pub fn bytes(&self) -> &'a [u8] {
		bytemuck::cast_slice(self.data)
	}

	/// Number of rows.
	pub fn rows(&self) -> u32 {
		self.rows
	}

	/// Number of columns.
	pub fn cols(&self) -> u32 {
		self.cols
	}

	/// Columns padded to whole blocks of the commitment.
	pub fn padded_cols(&self) -> usize {
		(self.cols as usize).next_multiple_of(CHUNK_BYTES)
	}

	/// Rows padded to whole tiles.
	pub fn padded_rows(&self) -> usize {
		(self.rows as usize).next_multiple_of(TILE)
	}

	/// The padded matrix, row-major.
	pub fn padded(&self) -> Vec<i8> {
		let width = self.padded_cols();
		let mut out = vec![0i8; self.padded_rows() * width];
		for (to, row) in out
			.chunks_exact_mut(width)
			.zip(self.data.chunks_exact(self.cols as usize))
		{
			to[..row.len()].copy_from_slice(row);
		}
		out
	}

	/// The window block of one tile: 16 × 16 r, zero where the operand has no element.
	pub fn window_block(&self, tile: u32, window: u32, rank: Rank) -> Vec<i8> {
		let width = rank.window();
		let mut out = vec![0i8; rank.block()];
		let start = window as usize * width;
		let rows = self
			.data
			.chunks_exact(self.cols as usize)
			.skip(tile as usize * TILE);
		for (to, row) in out.chunks_exact_mut(width).zip(rows) {
			let part = row.get(start..).unwrap_or(&[]);
			let part = &part[..part.len().min(width)];
			to[..part.len()].copy_from_slice(part);
		}
		out
	}
}

/// The first element that is not int7.
pub(crate) fn first_out_of_range(data: &[i8]) -> Option<(usize, i8)> {
	// Checking whole chunks first lets the compiler vectorise the common case, where all is well.
	let bad = |x: &i8| !(-DATA_MAX..=DATA_MAX).contains(x);
	let mut offset = 0;
	for chunk in data.chunks(4096) {
		if chunk.iter().fold(false, |any, x| any | bad(x)) {
			return chunk.iter().position(bad).map(|i| (offset + i, chunk[i]));
		}
		offset += chunk.len();
	}
	None
}
