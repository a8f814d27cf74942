// SPDX-License-Identifier: Apache-2.0

//! How the kinds of artifacts are encoded, and what they must hash to.

use codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use poaiw_commitment::Hash32;
use poaiw_program::{
	trace::{loss_hash, output_root, state_root, trace_root},
	SegmentRecord, Tensor, TensorDecl,
};

/// The trace of a run as it is stored: what the trace root commits to, and the losses behind each record's loss hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Trace {
	/// One record for each segment, in order.
	pub records: Vec<SegmentRecord>,
	/// Raw losses of the steps of each segment, in order.
	pub losses: Vec<Vec<i32>>,
}

impl Trace {
	/// Encodes a trace.
	pub fn to_bytes(&self) -> Vec<u8> {
		self.encode()
	}

	/// The losses of all steps in order.
	pub fn all_losses(&self) -> Vec<i32> {
		self.losses.concat()
	}

	/// Bytes of the largest trace of so many segments and steps.
	pub fn max_bytes(segments: u32, steps: u32) -> u64 {
		let record = SegmentRecord::max_encoded_len() as u64;
		16 + u64::from(segments) * (record + 8) + u64::from(steps) * 4
	}

	/// Decodes a trace and checks it against `root`, as the trace of `worker` for `task`.
	///
	/// # Errors
	/// What is wrong with it, in words.
	pub fn checked(bytes: &[u8], root: &Hash32, task: u64, worker: &[u8; 32]) -> Result<Self, String> {
		let trace =
			Self::decode_all(&mut &bytes[..]).map_err(|_| "it is not an encoded trace".to_string())?;
		let got = trace_root(task, worker, &trace.records).map_err(|error| error.to_string())?;
		if got != *root {
			return Err(format!("its root is {}", hex::encode(got)));
		}
		if trace.losses.len() != trace.records.len() {
			return Err(format!(
				"{} loss vectors for {} records",
				trace.losses.len(),
				trace.records.len()
			));
		}
		for (record, losses) in trace.records.iter().zip(&trace.losses) {
			if loss_hash(losses) != record.loss_hash {
				return Err(format!(
					"the losses of segment {} are not those of its record",
					record.index
				));
			}
		}
		Ok(trace)
	}
}

/// The bytes of a list of tensors, one after the other: sizes come from the program.
pub(crate) fn tensors_to_bytes(tensors: &[Tensor]) -> Vec<u8> {
	tensors.iter().flat_map(Tensor::to_bytes).collect()
}

/// Splits bytes into tensors of the given declarations, checking lengths and value ranges.
pub(crate) fn tensors_from_bytes(decls: &[TensorDecl], mut bytes: &[u8]) -> Result<Vec<Tensor>, String> {
	let mut tensors = Vec::with_capacity(decls.len());
	for (number, decl) in decls.iter().enumerate() {
		let size = usize::try_from(decl.size()).map_err(|_| "a tensor is too large".to_string())?;
		let Some((head, tail)) = bytes.split_at_checked(size) else {
			return Err(format!("it ends inside tensor {number}"));
		};
		tensors.push(Tensor::from_bytes(decl, head).map_err(|error| format!("tensor {number}: {error}"))?);
		bytes = tail;
	}
	if bytes.is_empty() {
		Ok(tensors)
	} else {
		Err(format!("{} bytes are left over", bytes.len()))
	}
}

/// Bytes of all tensors of a list.
pub(crate) fn tensors_size(decls: &[TensorDecl]) -> u64 {
	decls.iter().map(TensorDecl::size).fold(0, u64::saturating_add)
}

pub(crate) fn checked_state(
	bytes: &[u8],
	root: &Hash32,
	decls: &[TensorDecl],
) -> Result<Vec<Tensor>, String> {
	let tensors = tensors_from_bytes(decls, bytes)?;
	let got = state_root(&tensors).map_err(|error| error.to_string())?;
	same(root, &got)?;
	Ok(tensors)
}

pub(crate) fn checked_output(
	bytes: &[u8],
	root: &Hash32,
	decls: &[TensorDecl],
) -> Result<Vec<Tensor>, String> {
	let tensors = tensors_from_bytes(decls, bytes)?;
	let got = output_root(&tensors).map_err(|error| error.to_string())?;
	same(root, &got)?;
	Ok(tensors)
}

pub(crate) fn same(root: &Hash32, got: &Hash32) -> Result<(), String> {
	if root == got {
		Ok(())
	} else {
		Err(format!("its root is {}", hex::encode(got)))
	}
}
