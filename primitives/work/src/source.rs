// SPDX-License-Identifier: Apache-2.0

//! Where the operands of a product come from.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_commitment::{hash, Hash32};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// The source of a product. It is part of the job key, so a ticket can't be moved to another source.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub enum WorkSource {
	/// Generated from header and author ([`crate::synthetic`]); earns the base reward only.
	#[codec(index = 0)]
	Synthetic,
	/// One product of a task of the market.
	#[codec(index = 1)]
	Task {
		/// Task of the market.
		id: u64,
		/// Segment of the task's run.
		segment: u32,
		/// Step inside the segment.
		step: u32,
		/// Instruction of the program.
		instruction: u32,
	},
}

impl WorkSource {
	/// `H(SCALE(self))`, what the job key binds.
	pub fn hash(&self) -> Hash32 {
		self.using_encoded(|bytes| hash(&[bytes]))
	}

	/// Whether the operands are generated.
	pub fn is_synthetic(&self) -> bool {
		matches!(self, Self::Synthetic)
	}
}
