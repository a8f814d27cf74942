// SPDX-License-Identifier: Apache-2.0

//! Reads elements out of padded input blocks.

use super::{ArbiterError, BlockId};
use crate::tensor::{Element, Tensor, TensorDecl, TensorError, CHUNK_BYTES, TILE_ROWS};
use alloc::vec::Vec;
use core::ops::Range;
use poaiw_commitment::BLOCK_BYTES;

/// Where input blocks come from: a dispute's openings, or whole tensors.
pub trait BlockSource {
	/// The padded bytes of a block, or `None` if it is not there.
	fn block(&self, id: BlockId) -> Option<&[u8; BLOCK_BYTES]>;
}

/// All blocks of some tensors.
pub struct TensorBlocks {
	tensors: Vec<(u32, Vec<[u8; BLOCK_BYTES]>)>,
}

impl TensorBlocks {
	/// Cuts tensors into blocks.
	///
	/// # Errors
	/// If a tensor's sizes are out of the commitment's bounds.
	pub fn new(tensors: &[&Tensor]) -> Result<Self, TensorError> {
		let mut all = Vec::new();
		for t in tensors {
			let (bytes, row_bytes) = (t.to_bytes(), t.row_bytes());
			let (block_rows, block_cols) = (
				t.rows().div_ceil(TILE_ROWS as u32),
				row_bytes.div_ceil(CHUNK_BYTES as u32),
			);
			let mut blocks = Vec::new();
			for row in 0..block_rows {
				for col in 0..block_cols {
					let block = poaiw_commitment::block_bytes_of(&bytes, t.rows(), row_bytes, row, col);
					blocks.push(block.map_err(TensorError::Size)?);
				}
			}
			all.push((block_cols, blocks));
		}
		Ok(Self { tensors: all })
	}
}

impl BlockSource for TensorBlocks {
	fn block(&self, id: BlockId) -> Option<&[u8; BLOCK_BYTES]> {
		let (cols, blocks) = self.tensors.get(id.input)?;
		if id.col >= *cols {
			return None;
		}
		blocks.get(
			(id.row as usize)
				.checked_mul(*cols as usize)?
				.checked_add(id.col as usize)?,
		)
	}
}

/// Elements of the inputs of one instruction.
pub(super) struct Reader<'a> {
	decls: &'a [&'a TensorDecl],
	source: &'a dyn BlockSource,
}

impl<'a> Reader<'a> {
	pub fn new(decls: &'a [&'a TensorDecl], source: &'a dyn BlockSource) -> Self {
		Self { decls, source }
	}

	pub fn decl(&self, input: usize) -> Result<&'a TensorDecl, ArbiterError> {
		let none = ArbiterError::Missing(BlockId {
			input,
			row: 0,
			col: 0,
		});
		self.decls.get(input).copied().ok_or(none)
	}

	/// Element [row, col] of an input, checked against the declared range.
	pub fn get(&self, input: usize, row: u32, col: u32) -> Result<i32, ArbiterError> {
		let mut value = 0;
		self.each(input, row, col..col.saturating_add(1), |x| value = x)?;
		Ok(value)
	}

	/// Element beside [row, col]: an input of one row (column) has the same one beside every row (column).
	pub fn spread(&self, input: usize, row: u32, col: u32) -> Result<i32, ArbiterError> {
		let decl = self.decl(input)?;
		let row = if decl.rows == 1 { 0 } else { row };
		self.get(input, row, if decl.cols == 1 { 0 } else { col })
	}

	/// Elements `cols` of a row of an input, in order, checked against the declared range.
	pub fn each(
		&self,
		input: usize,
		row: u32,
		cols: Range<u32>,
		mut f: impl FnMut(i32),
	) -> Result<(), ArbiterError> {
		let decl = self.decl(input)?;
		let width = decl.element.block_cols();
		let mut col = cols.start;
		while col < cols.end {
			let id = BlockId {
				input,
				row: row / TILE_ROWS as u32,
				col: col / width,
			};
			let line = (row as usize % TILE_ROWS) * CHUNK_BYTES;
			let block = self.source.block(id).ok_or(ArbiterError::Missing(id))?;
			let line = block
				.get(line..line + CHUNK_BYTES)
				.ok_or(ArbiterError::Missing(id))?;
			let end = cols.end.min((id.col + 1).saturating_mul(width));
			for at in col..end {
				let value = element(decl.element, line, (at % width) as usize);
				let value = value.ok_or(ArbiterError::Missing(id))?;
				if !(decl.lo..=decl.hi).contains(&value) {
					return Err(ArbiterError::Range {
						input,
						row,
						col: at,
						value,
					});
				}
				f(value);
			}
			col = end;
		}
		Ok(())
	}

	/// A whole row of an input.
	pub fn row(&self, input: usize, row: u32) -> Result<Vec<i32>, ArbiterError> {
		let cols = self.decl(input)?.cols;
		let mut out = Vec::with_capacity(cols as usize);
		self.each(input, row, 0..cols, |x| out.push(x))?;
		Ok(out)
	}
}

fn element(kind: Element, line: &[u8], at: usize) -> Option<i32> {
	match kind {
		Element::I8 => line.get(at).map(|x| i32::from(*x as i8)),
		Element::I32 => line.as_chunks::<4>().0.get(at).map(|x| i32::from_le_bytes(*x)),
	}
}
