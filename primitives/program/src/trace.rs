// SPDX-License-Identifier: Apache-2.0

//! The trace of a run: one record for each segment, chained by state roots, and the root over their leaves.

use crate::{
	tensor::{Tensor, TensorError},
	workload::{SegmentKind, Workload},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use poaiw_commitment::{hash, merkle, Hash32, ZERO_HASH};
use scale_info::TypeInfo;

/// What an evaluation segment gives.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct EvaluationRecord {
	/// [`output_root`] of the evaluation's outputs.
	pub output_root: Hash32,
	/// Hits of the held-out metric (0 without a metric).
	pub hits: u32,
	/// Examples of the held-out metric (0 without a metric).
	pub total: u32,
}

/// What a worker commits to for one segment.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct SegmentRecord {
	/// Number of the segment.
	pub index: u32,
	/// [`state_root`] before the segment.
	pub state_before: Hash32,
	/// [`Workload::input_root`] of the data that was used.
	pub inputs_root: Hash32,
	/// [`loss_hash`] of the losses of the segment's steps.
	pub loss_hash: Hash32,
	/// [`state_root`] after the segment.
	pub state_after: Hash32,
	/// Only in an evaluation segment.
	pub evaluation: Option<EvaluationRecord>,
}

/// Commitment to the tensors of a state: `H("PoAIW/state/1" ‖ list root of the tensor roots)`.
///
/// # Errors
/// If a tensor's sizes are out of the commitment's bounds.
pub fn state_root(state: &[Tensor]) -> Result<Hash32, TensorError> {
	list_root(b"PoAIW/state/1", state)
}

/// Commitment to the outputs of an evaluation: `H("PoAIW/output/1" ‖ list root of the tensor roots)`.
///
/// # Errors
/// If a tensor's sizes are out of the commitment's bounds.
pub fn output_root(outputs: &[Tensor]) -> Result<Hash32, TensorError> {
	list_root(b"PoAIW/output/1", outputs)
}

/// Commitment to the outputs of all evaluations of a run, in their order:
/// `H("PoAIW/outputs/1" ‖ le32(evaluations) ‖ output root of each)`; zeroes for a run without evaluations.
pub fn task_output_root(records: &[SegmentRecord]) -> Hash32 {
	let roots: Vec<Hash32> = evaluations(records).map(|e| e.output_root).collect();
	if roots.is_empty() {
		return ZERO_HASH;
	}
	let count = (roots.len() as u32).to_le_bytes();
	hash(&[b"PoAIW/outputs/1", &count, &roots.concat()])
}

/// Hits and examples of the held-out metric over all evaluations of a run; `None` if there is no metric.
pub fn task_metric(records: &[SegmentRecord]) -> Option<(u32, u32)> {
	let sum = |(hits, total): (u32, u32), e: EvaluationRecord| {
		(hits.saturating_add(e.hits), total.saturating_add(e.total))
	};
	let metric = evaluations(records).fold((0, 0), sum);
	(metric.1 > 0).then_some(metric)
}

/// What the evaluations of a run gave.
fn evaluations(records: &[SegmentRecord]) -> impl Iterator<Item = EvaluationRecord> + '_ {
	records.iter().filter_map(|record| record.evaluation)
}

fn list_root(label: &[u8], tensors: &[Tensor]) -> Result<Hash32, TensorError> {
	let roots = tensors.iter().map(Tensor::root).collect::<Result<Vec<_>, _>>()?;
	let list = merkle::root(&roots).map_err(TensorError::Size)?;
	Ok(hash(&[label, &list]))
}

/// The same commitment as [`state_root`], from tensor roots that were computed elsewhere.
///
/// # Errors
/// If there are too many roots for a list.
pub fn state_root_of(roots: &[Hash32]) -> Result<Hash32, TensorError> {
	let list = merkle::root(roots).map_err(TensorError::Size)?;
	Ok(hash(&[b"PoAIW/state/1", &list]))
}

/// Hash of the losses of a segment's steps: `H("PoAIW/losses/1" ‖ le32(count) ‖ losses)`.
pub fn loss_hash(losses: &[i32]) -> Hash32 {
	let bytes: Vec<u8> = losses.iter().flat_map(|x| x.to_le_bytes()).collect();
	hash(&[b"PoAIW/losses/1", &(losses.len() as u32).to_le_bytes(), &bytes])
}

/// Leaf of a segment: bound to the task and the worker, so that nobody can hand in another's trace.
pub fn leaf(task: u64, worker: &[u8; 32], record: &SegmentRecord) -> Hash32 {
	hash(&[b"PoAIW/segment/1", &task.to_le_bytes(), worker, &record.encode()])
}

/// Merkle root over the leaves of all segments, in their order.
///
/// # Errors
/// If there are more records than a list may have.
pub fn trace_root(
	task: u64,
	worker: &[u8; 32],
	records: &[SegmentRecord],
) -> Result<Hash32, poaiw_commitment::Error> {
	let leaves: Vec<Hash32> = records.iter().map(|r| leaf(task, worker, r)).collect();
	merkle::root(&leaves)
}

/// Why a list of records is not the trace of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
	/// The number of records is not the number of segments.
	Count {
		/// Segments of the workload.
		expected: u32,
		/// Records given.
		got: u64,
	},
	/// The record at this place has another index.
	Index {
		/// Its place.
		at: u32,
		/// Its index.
		got: u32,
	},
	/// The state before this segment is not the one that the segment before it left (for the first: not the initial one).
	State {
		/// The segment.
		at: u32,
	},
	/// The segment used other data.
	Inputs {
		/// The segment.
		at: u32,
	},
	/// A training segment with an evaluation, or an evaluation segment without.
	Evaluation {
		/// The segment.
		at: u32,
	},
	/// The evaluation changed the state, has losses, or counts more hits than examples.
	EvaluationContent {
		/// The segment.
		at: u32,
	},
}

impl fmt::Display for LinkError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Count { expected, got } => {
				write!(
					f,
					"the trace has {got} records, the workload has {expected} segments"
				)
			}
			Self::Index { at, got } => write!(f, "record {at} says that it is segment {got}"),
			Self::State { at } => {
				write!(f, "segment {at} does not start from the state before it")
			}
			Self::Inputs { at } => write!(f, "segment {at} used other data than the task's"),
			Self::Evaluation { at } => {
				write!(
					f,
					"segment {at}: exactly the segments after the training have an evaluation"
				)
			}
			Self::EvaluationContent { at } => write!(
				f,
				"segment {at}: an evaluation leaves the state, has no losses, and counts the workload's examples"
			),
		}
	}
}

impl core::error::Error for LinkError {}

/// Checks that records are a complete chain from the initial state to the end of a workload.
///
/// # Errors
/// The first link that does not hold.
pub fn check_links(
	workload: &Workload,
	initial_state: &Hash32,
	records: &[SegmentRecord],
) -> Result<(), LinkError> {
	let expected = workload.segments();
	if records.len() as u64 != u64::from(expected) {
		let got = records.len() as u64;
		return Err(LinkError::Count { expected, got });
	}
	let inputs = workload.input_root();
	let mut state = initial_state;
	for (at, record) in (0u32..).zip(records) {
		if record.index != at {
			return Err(LinkError::Index {
				at,
				got: record.index,
			});
		}
		if record.state_before != *state {
			return Err(LinkError::State { at });
		}
		if record.inputs_root != inputs {
			return Err(LinkError::Inputs { at });
		}
		match (workload.segment(at), &record.evaluation) {
			(Some(SegmentKind::Training { .. }), None) => (),
			(Some(SegmentKind::Evaluation { .. }), Some(e)) => {
				let same = record.state_after == record.state_before && record.loss_hash == loss_hash(&[]);
				if !same || e.total != workload.metric_total || e.hits > e.total {
					return Err(LinkError::EvaluationContent { at });
				}
			}
			_ => return Err(LinkError::Evaluation { at }),
		}
		state = &record.state_after;
	}
	Ok(())
}
