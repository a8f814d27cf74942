// SPDX-License-Identifier: Apache-2.0

//! The arbiter: re-computes one block of one instruction's output from the input blocks that it depends on.
//!
//! This is the definition of every operation, element by element and in checked arithmetic; the executors give the same
//! bits for whole tensors. A dispute ends here: a challenger brings the input blocks with their paths, and the chain
//! computes the block and compares.

mod dependencies;
mod elements;
mod movement;
mod reader;
mod rows;
mod ruling;

use crate::{
	error::Reason,
	op::{Op, OpKind},
	random::Context,
	range::prove,
	tensor::{Element, TensorDecl, TILE_ROWS},
	validate::check_decl,
};
use alloc::{vec, vec::Vec};
use core::{fmt, ops::Range};
pub use dependencies::{dependencies, max_dependencies, NoBlocks};
use poaiw_commitment::{BLOCK_BYTES, CHUNK_BYTES};
use reader::Reader;
pub use reader::{BlockSource, TensorBlocks};
pub use ruling::{Case, CaseError, Opened};

/// One instruction of a program, with the declarations of its tensors.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
	/// The operation.
	pub op: &'a Op,
	/// Seed, step and index of the instruction.
	pub context: &'a Context,
	/// Declarations of the inputs.
	pub inputs: &'a [&'a TensorDecl],
	/// Declaration of the output.
	pub out: &'a TensorDecl,
}

/// Names a block of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId {
	/// Which input of the instruction.
	pub input: usize,
	/// Row of blocks.
	pub row: u32,
	/// Column of blocks.
	pub col: u32,
}

/// Why a block could not be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArbiterError {
	/// The instruction is not valid: no block of it means anything.
	Invalid(Reason),
	/// The output has no such block or region.
	NoBlock {
		/// Row of blocks.
		row: u32,
		/// Column of blocks.
		col: u32,
	},
	/// An input block is needed that was not given.
	Missing(BlockId),
	/// A value of an input block is outside of its declared range: the block does not belong to a valid run.
	Range {
		/// Which input of the instruction.
		input: usize,
		/// Row of the element.
		row: u32,
		/// Its column.
		col: u32,
		/// Its value.
		value: i32,
	},
	/// A step left 32 bits, which validation excludes.
	Overflow {
		/// The operation.
		op: OpKind,
		/// Row of the output element.
		row: u32,
		/// Column of the output element.
		col: u32,
	},
}

impl fmt::Display for ArbiterError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Invalid(reason) => write!(f, "the instruction is refused: {reason}"),
			Self::NoBlock { row, col } => write!(f, "the output has no block [{row}, {col}]"),
			Self::Missing(id) => write!(
				f,
				"block [{}, {}] of input {} is needed and was not given",
				id.row, id.col, id.input
			),
			Self::Range {
				input,
				row,
				col,
				value,
			} => write!(
				f,
				"element [{row}, {col}] of input {input} is {value}, outside of its declared range"
			),
			Self::Overflow { op, row, col } => {
				write!(f, "{} [{row}, {col}]: a step left 32 bits", op.name())
			}
		}
	}
}

impl core::error::Error for ArbiterError {}

/// The padded bytes of block (`block_row`, `block_col`) of the output.
///
/// # Errors
/// If the instruction is not valid, the block does not exist, an input block is missing, or a value broke its range.
pub fn block(
	question: &Question<'_>,
	block_row: u32,
	block_col: u32,
	source: &dyn BlockSource,
) -> Result<[u8; BLOCK_BYTES], ArbiterError> {
	let (rows, cols) = bounds(question.out, block_row, block_col)?;
	let values = region(question, rows.clone(), cols.clone(), source)?;
	let width = cols.len().max(1);
	let mut out = [0; BLOCK_BYTES];
	for (to, row) in out.chunks_exact_mut(CHUNK_BYTES).zip(values.chunks(width)) {
		match question.out.element {
			Element::I8 => {
				for (to, x) in to.iter_mut().zip(row) {
					*to = *x as u8;
				}
			}
			Element::I32 => {
				for (to, x) in to.as_chunks_mut::<4>().0.iter_mut().zip(row) {
					*to = x.to_le_bytes();
				}
			}
		}
	}
	Ok(out)
}

/// The elements of a rectangle inside one block of the output, row-major. A dispute about a product asks for one
/// 16 × 16 tile and needs an eighth of the input blocks of `b`.
///
/// # Errors
/// As [`block`]; [`ArbiterError::NoBlock`] also if the rectangle is empty, crosses a block's edge or leaves the tensor.
pub fn region(
	question: &Question<'_>,
	rows: Range<u32>,
	cols: Range<u32>,
	source: &dyn BlockSource,
) -> Result<Vec<i32>, ArbiterError> {
	check(question).map_err(ArbiterError::Invalid)?;
	let (row, col) = (
		rows.start / TILE_ROWS as u32,
		cols.start / question.out.element.block_cols(),
	);
	let (all_rows, all_cols) = bounds(question.out, row, col)?;
	if rows.is_empty() || cols.is_empty() || rows.end > all_rows.end || cols.end > all_cols.end {
		return Err(ArbiterError::NoBlock { row, col });
	}
	let reader = Reader::new(question.inputs, source);
	elements::compute(question, rows, cols, &reader)
}

/// The instruction by itself is valid: declarations, shapes, parameters, and the range of the output.
fn check(question: &Question<'_>) -> Result<(), Reason> {
	for decl in question.inputs.iter().copied().chain([question.out]) {
		check_decl(decl)?;
	}
	prove(question.op, question.inputs, question.out)
}

/// Rows and columns of a block that lie inside the tensor.
fn bounds(out: &TensorDecl, row: u32, col: u32) -> Result<(Range<u32>, Range<u32>), ArbiterError> {
	if row >= out.block_rows() || col >= out.block_cols() {
		return Err(ArbiterError::NoBlock { row, col });
	}
	let (height, width) = (TILE_ROWS as u32, out.element.block_cols());
	let (top, left) = (row.saturating_mul(height), col.saturating_mul(width));
	Ok((
		top..top.saturating_add(height).min(out.rows),
		left..left.saturating_add(width).min(out.cols),
	))
}

/// All blocks of the output, put together: the definition of the whole-tensor result.
///
/// # Errors
/// As [`block`].
pub fn all_blocks(question: &Question<'_>, source: &dyn BlockSource) -> Result<Vec<u8>, ArbiterError> {
	let out = question.out;
	let row_bytes = out.row_bytes() as usize;
	let mut bytes = vec![0; usize::try_from(out.size()).unwrap_or_default()];
	for row in 0..out.block_rows() {
		for col in 0..out.block_cols() {
			let block = block(question, row, col, source)?;
			let start = col as usize * CHUNK_BYTES;
			let lines = bytes.chunks_exact_mut(row_bytes).skip(row as usize * TILE_ROWS);
			for (to, from) in lines.zip(block.chunks_exact(CHUNK_BYTES)) {
				let end = row_bytes.min(start + CHUNK_BYTES);
				if let (Some(to), Some(from)) = (to.get_mut(start..end), from.get(..end - start)) {
					to.copy_from_slice(from);
				}
			}
		}
	}
	Ok(bytes)
}
