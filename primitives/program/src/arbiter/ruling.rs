// SPDX-License-Identifier: Apache-2.0

//! A question to the arbiter with everything that it needs, as one message: what a runtime decodes and rules on.

use super::{block, ArbiterError, BlockId, BlockSource, Question};
use crate::{op::Op, random::Context, tensor::TensorDecl, validate::MAX_BLOCK_DEPENDENCIES};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode};
use core::fmt;
use poaiw_commitment::BLOCK_BYTES;
use scale_info::TypeInfo;

/// An input block that somebody brought.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Opened {
	/// Which input of the instruction.
	pub input: u32,
	/// Row of blocks.
	pub row: u32,
	/// Column of blocks.
	pub col: u32,
	/// The padded bytes.
	pub bytes: Vec<u8>,
}

/// Which block of which instruction's output, and the input blocks that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Case {
	/// The operation.
	pub op: Op,
	/// Seed, step and index of the instruction.
	pub context: Context,
	/// Declarations of the inputs.
	pub inputs: Vec<TensorDecl>,
	/// Declaration of the output.
	pub out: TensorDecl,
	/// Row of blocks of the output.
	pub row: u32,
	/// Column of blocks of the output.
	pub col: u32,
	/// The input blocks, in any order.
	pub blocks: Vec<Opened>,
}

/// Why a case gets no ruling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseError {
	/// More input blocks than any instruction of a valid program depends on.
	TooManyBlocks {
		/// Blocks given.
		got: usize,
	},
	/// A block of another length.
	BlockLength {
		/// Its bytes.
		got: usize,
	},
	/// A block that was given twice: one of the two would have to be believed.
	Repeated(BlockId),
	/// The arbiter refuses.
	Arbiter(ArbiterError),
}

impl fmt::Display for CaseError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::TooManyBlocks { got } => write!(
				f,
				"{got} input blocks, at most {MAX_BLOCK_DEPENDENCIES} are read: bring those that the block depends on"
			),
			Self::BlockLength { got } => write!(
				f,
				"an input block has {got} bytes: bring blocks padded to {BLOCK_BYTES}"
			),
			Self::Repeated(id) => write!(
				f,
				"block [{}, {}] of input {} is given twice: bring it once",
				id.row, id.col, id.input
			),
			Self::Arbiter(e) => write!(f, "{e}"),
		}
	}
}

impl core::error::Error for CaseError {}

struct Brought<'a>(BTreeMap<BlockId, &'a [u8; BLOCK_BYTES]>);

impl BlockSource for Brought<'_> {
	fn block(&self, id: BlockId) -> Option<&[u8; BLOCK_BYTES]> {
		self.0.get(&id).copied()
	}
}

impl Case {
	/// The padded bytes of the block.
	///
	/// # Errors
	/// If the blocks are too many, malformed or repeated, or as [`block`].
	pub fn rule(&self) -> Result<[u8; BLOCK_BYTES], CaseError> {
		let got = self.blocks.len();
		if got as u64 > MAX_BLOCK_DEPENDENCIES {
			return Err(CaseError::TooManyBlocks { got });
		}
		let mut brought = BTreeMap::new();
		for opened in &self.blocks {
			let got = opened.bytes.len();
			let bytes = opened
				.bytes
				.as_slice()
				.try_into()
				.map_err(|_| CaseError::BlockLength { got })?;
			let id = BlockId {
				input: opened.input as usize,
				row: opened.row,
				col: opened.col,
			};
			if brought.insert(id, bytes).is_some() {
				return Err(CaseError::Repeated(id));
			}
		}
		let inputs: Vec<&TensorDecl> = self.inputs.iter().collect();
		let question = Question {
			op: &self.op,
			context: &self.context,
			inputs: &inputs,
			out: &self.out,
		};
		block(&question, self.row, self.col, &Brought(brought)).map_err(CaseError::Arbiter)
	}
}
