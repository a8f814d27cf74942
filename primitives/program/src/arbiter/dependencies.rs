// SPDX-License-Identifier: Apache-2.0

//! Which input blocks a block of the output depends on: what a challenger has to bring, and how much that can be.

use super::{
	bounds, check,
	reader::Reader,
	rows::{group_rows, most_group_rows},
	ArbiterError, BlockId, BlockSource, Question,
};
use crate::{
	movement::{most_blocks, moves},
	op::Op,
	random::Context,
	tensor::{TensorDecl, TILE_ROWS},
};
use alloc::vec::Vec;
use core::ops::Range;
use poaiw_commitment::BLOCK_BYTES;

/// The input blocks that block (`block_row`, `block_col`) of the output depends on, each once.
///
/// [`Op::GatherRows`] and [`Op::GatherElements`] depend on their index: the blocks that it names are in the answer if
/// `known` has the blocks of the index, otherwise only those are.
///
/// # Errors
/// If the instruction is not valid or the block does not exist.
pub fn dependencies(
	question: &Question<'_>,
	block_row: u32,
	block_col: u32,
	known: &dyn BlockSource,
) -> Result<Vec<BlockId>, ArbiterError> {
	check(question).map_err(ArbiterError::Invalid)?;
	let (rows, cols) = bounds(question.out, block_row, block_col)?;
	let mut ids = Vec::new();
	for (input, decl) in question.inputs.iter().enumerate() {
		let mut add = |rows: Range<u32>, cols: Range<u32>| cover(input, decl, rows, cols, &mut ids);
		match question.op {
			Op::MaxAbsPartials | Op::SumPartials => {
				let per_row = decl.block_cols().max(1);
				ids.extend(rows.clone().map(|n| BlockId {
					input,
					row: n / per_row,
					col: n % per_row,
				}));
			}
			Op::GatherRows if input == 0 => {
				let reader = Reader::new(question.inputs, known);
				for i in rows.clone() {
					if let Some(row) = index(&reader, i, 0) {
						add(row..row.saturating_add(1), cols.clone());
					}
				}
			}
			Op::GatherElements if input == 0 => {
				let reader = Reader::new(question.inputs, known);
				for i in rows.clone() {
					for j in cols.clone() {
						if let Some(at) = index(&reader, i, j) {
							let (row, col) = (at / decl.cols.max(1), at % decl.cols.max(1));
							add(row..row.saturating_add(1), col..col.saturating_add(1));
						}
					}
				}
			}
			op if moves(op) => super::movement::sources(op, decl, question.out, &rows, &cols, add),
			Op::PatchesGradient(window) => {
				super::movement::patches(window, question.out, &rows, &cols, add);
			}
			_ => {
				let (rows, cols) = needed(question, input, &rows, &cols);
				add(rows, cols);
			}
		}
	}
	ids.sort_unstable();
	ids.dedup();
	Ok(ids)
}

/// The most input blocks that any block of the output depends on.
pub fn max_dependencies(op: &Op, inputs: &[&TensorDecl], out: &TensorDecl) -> u64 {
	let Ok((rows, cols)) = bounds(out, 0, 0) else {
		return 0;
	};
	let context = Context {
		seed: [0; 32],
		step: 0,
		instruction: 0,
	};
	let question = Question {
		op,
		context: &context,
		inputs,
		out,
	};
	let mut sum = 0u64;
	for (input, decl) in inputs.iter().enumerate() {
		let most = match op {
			Op::MaxAbsPartials | Op::SumPartials => u64::from(rows.end),
			Op::GatherElements if input == 0 => {
				// In the worst case every element lies in another block.
				decl.blocks()
					.min(u64::from(rows.end).saturating_mul(cols.end.into()))
			}
			Op::GroupProduct { groups } if input == 1 => {
				let rows = inputs
					.first()
					.map_or(0, |a| most_group_rows(*groups, a, decl, out));
				u64::from(rows).saturating_mul(decl.block_cols().into())
			}
			op if moves(op) || matches!(op, Op::PatchesGradient(_)) => most_blocks(op, decl, out),
			_ => {
				// The first block needs as much as any other: what it reads starts at the edge of a block everywhere.
				let (r, c) = needed(&question, input, &rows, &cols);
				let height = if matches!(op, Op::GatherRows) && input == 0 {
					// In the worst case every row lies in another block.
					u64::from(rows.end).min(decl.block_rows().into())
				} else {
					u64::from(r.end.div_ceil(TILE_ROWS as u32))
				};
				height.saturating_mul(c.end.div_ceil(decl.element.block_cols()).into())
			}
		};
		sum = sum.saturating_add(most);
	}
	sum
}

/// Adds the blocks of a rectangle of an input.
fn cover(input: usize, decl: &TensorDecl, rows: Range<u32>, cols: Range<u32>, ids: &mut Vec<BlockId>) {
	let width = decl.element.block_cols();
	for row in rows.start / TILE_ROWS as u32..rows.end.div_ceil(TILE_ROWS as u32) {
		for col in cols.start / width..cols.end.div_ceil(width) {
			let id = BlockId { input, row, col };
			// Neighbours lie in the same block most of the time.
			if ids.last() != Some(&id) {
				ids.push(id);
			}
		}
	}
}

/// An element of the index of a gather, if its block is there.
fn index(reader: &Reader<'_>, row: u32, col: u32) -> Option<u32> {
	reader.get(1, row, col).ok().and_then(|x| u32::try_from(x).ok())
}

/// Rows and columns of an input that a region of the output reads.
fn needed(
	question: &Question<'_>,
	input: usize,
	rows: &Range<u32>,
	cols: &Range<u32>,
) -> (Range<u32>, Range<u32>) {
	let Some(x) = question.inputs.get(input) else {
		return (0..0, 0..0);
	};
	match question.op {
		Op::Product if input == 0 => (rows.clone(), 0..x.cols),
		Op::Product => (cols.clone(), 0..x.cols),
		Op::Transpose => (cols.clone(), rows.clone()),
		Op::GatherRows if input == 0 => (0..0, cols.clone()),
		Op::ScatterAddRows if input == 0 => (0..x.rows, cols.clone()),
		Op::MaxReduce | Op::SumReduce | Op::ScatterAddRows => (0..x.rows, 0..x.cols),
		Op::GroupProduct { groups } if input == 1 => {
			let a = question.inputs.first().copied().unwrap_or(x);
			(group_rows(*groups, a, x, rows, cols), 0..x.cols)
		}
		Op::RowMaxAbs
		| Op::Argmax
		| Op::RowSum
		| Op::RowMax
		| Op::RowSumSquares
		| Op::GroupProduct { .. } => (rows.clone(), 0..x.cols),
		Op::RmsNorm | Op::RmsFactor | Op::RmsExponent | Op::Centre => (rows.clone(), 0..x.cols),
		Op::SoftmaxGradient | Op::CrossEntropy | Op::Softmax { .. } if input == 0 => {
			(rows.clone(), 0..x.cols)
		}
		Op::SoftmaxBackward { .. } | Op::RmsNormGradient { .. } if input < 2 => (rows.clone(), 0..x.cols),
		// The same region; a single row or column stands beside all of them: scalars, index, labels, shifts of rows.
		_ => (
			if x.rows == 1 { 0..1 } else { rows.clone() },
			if x.cols == 1 { 0..1 } else { cols.clone() },
		),
	}
}

/// Empty source: for [`dependencies`] of operations whose dependencies don't depend on data.
pub struct NoBlocks;

impl BlockSource for NoBlocks {
	fn block(&self, _: BlockId) -> Option<&[u8; BLOCK_BYTES]> {
		None
	}
}
