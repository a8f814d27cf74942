// SPDX-License-Identifier: Apache-2.0

//! What the next block records about a seal: small, of fixed size, without operand data.

use crate::{accept::Accepted, seal::Seal, source::WorkSource};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_commitment::Hash32;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// An accepted seal in short.
#[derive(
	Clone,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct SealSummary {
	/// Where the operands came from.
	pub source: WorkSource,
	/// The winning ticket.
	pub ticket: Hash32,
	/// Commitment to A (zero for synthetic work).
	pub root_a: Hash32,
	/// Commitment to the transposed B (zero for synthetic work).
	pub root_b: Hash32,
	/// Multiply-accumulates that the ticket stands for.
	pub work: u64,
	/// Rows of A.
	pub m: u32,
	/// Rows of the transposed B.
	pub n: u32,
	/// Columns of both.
	pub k: u32,
}

impl SealSummary {
	/// The summary of a seal that [`crate::accept::accept`] took.
	pub fn new(seal: &Seal, accepted: &Accepted) -> Self {
		Self {
			source: accepted.source,
			ticket: accepted.ticket,
			root_a: accepted.root_a,
			root_b: accepted.root_b,
			work: accepted.work,
			m: seal.m,
			n: seal.n,
			k: seal.k,
		}
	}
}
