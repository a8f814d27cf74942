// SPDX-License-Identifier: Apache-2.0

//! Programs: tensors, where the inputs come from, and a straight line of instructions that each write one tensor.

use crate::{op::Op, tensor::TensorDecl};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode};
use core::fmt;
use poaiw_commitment::{hash, Hash32};
use scale_info::TypeInfo;

/// Longest encoding of a program or workload that is decoded.
pub const MAX_ENCODED_BYTES: usize = 1 << 20;
/// Most tensors of a program.
pub const MAX_TENSORS: usize = 1 << 14;
/// Most instructions of a program.
pub const MAX_INSTRUCTIONS: usize = 1 << 14;
/// Most inputs, states, data sets or outputs of a program.
pub const MAX_INPUTS: usize = 1 << 10;

/// Index of a tensor in [`Program::tensors`].
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct TensorId(#[codec(compact)] pub u32);

/// Where an input tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Role {
	/// Tensor of this number in the state that the previous step (or the initial program) left.
	#[codec(index = 0)]
	State(u16),
	/// Data set of this number in the workload.
	#[codec(index = 1)]
	Data(u16),
}

/// An input: a tensor that no instruction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Input {
	/// Where it comes from.
	pub role: Role,
	/// The tensor.
	pub tensor: TensorId,
}

/// One operation on tensors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Instruction {
	/// What is computed.
	pub op: Op,
	/// Read, in the order that the operation states.
	pub inputs: Vec<TensorId>,
	/// Written; no other instruction writes it.
	pub output: TensorId,
}

/// A straight-line program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Program {
	/// All tensors.
	pub tensors: Vec<TensorDecl>,
	/// Tensors that are given.
	pub inputs: Vec<Input>,
	/// In the order of execution.
	pub instructions: Vec<Instruction>,
	/// The next state, tensor by tensor; empty for a program that changes nothing.
	pub state: Vec<TensorId>,
	/// Loss of the step, an `i32` scalar in units that the workload states.
	pub loss: Option<TensorId>,
	/// Held-out metric: number of hits, an `i32` scalar.
	pub metric: Option<TensorId>,
	/// What the requester gets, predictions for example.
	pub outputs: Vec<TensorId>,
}

/// Why bytes are not a program or workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
	/// More than [`MAX_ENCODED_BYTES`].
	TooLong {
		/// Bytes given.
		got: usize,
	},
	/// Not a SCALE encoding, or bytes are left over.
	Malformed,
}

impl fmt::Display for DecodeError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::TooLong { got } => write!(
				f,
				"the encoding has {got} bytes, at most {MAX_ENCODED_BYTES} are decoded: split the model into fewer instructions"
			),
			Self::Malformed => write!(
				f,
				"not a canonical SCALE encoding: it was cut off, altered, or made by another version"
			),
		}
	}
}

impl core::error::Error for DecodeError {}

/// Decodes a whole byte string, bounded before anything is allocated.
///
/// # Errors
/// [`DecodeError`] if it is too long, malformed, or has bytes left over.
pub fn decode_bounded<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
	if bytes.len() > MAX_ENCODED_BYTES {
		return Err(DecodeError::TooLong { got: bytes.len() });
	}
	T::decode_all(&mut &bytes[..]).map_err(|_| DecodeError::Malformed)
}

impl Program {
	/// The tensors that outlive a run: next state, outputs, loss and metric.
	pub fn results(&self) -> impl Iterator<Item = &TensorId> {
		let tensors = self.state.iter().chain(&self.outputs);
		tensors.chain(&self.loss).chain(&self.metric)
	}

	/// From a SCALE encoding. The result is not validated.
	///
	/// # Errors
	/// See [`decode_bounded`].
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
		decode_bounded(bytes)
	}

	/// Hash of the SCALE encoding.
	pub fn hash(&self) -> Hash32 {
		hash(&[&self.encode()])
	}

	/// The declaration of a tensor.
	pub fn tensor(&self, id: TensorId) -> Option<&TensorDecl> {
		self.tensors.get(id.0 as usize)
	}
}
