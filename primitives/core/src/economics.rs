// SPDX-License-Identifier: Apache-2.0

//! The supply of the token, told apart by cause.

use crate::Balance;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Why tokens were destroyed.
#[derive(
	Clone,
	Copy,
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
#[serde(rename_all = "kebab-case")]
pub enum BurnCause {
	/// Base fee of settled tasks.
	BaseFee,
	/// Useful share that was not released (synthetic seal, or no verified work behind it in time).
	UsefulShare,
	/// Part of a slash.
	Slash,
	/// Transaction fees and anything else that is destroyed.
	TransactionFee,
}

/// Where the supply comes from and went. `genesis + minted − burned = issuance` always.
#[derive(
	Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Supply {
	/// Issuance at genesis.
	pub genesis: Balance,
	/// Minted since.
	pub minted: Balance,
	/// Burned base fees.
	pub burned_base_fees: Balance,
	/// Burned useful shares.
	pub burned_useful: Balance,
	/// Burned slashes.
	pub burned_slashes: Balance,
	/// Burned transaction fees and dust.
	pub burned_fees: Balance,
	/// Total issuance as the balances pallet has it.
	pub issuance: Balance,
	/// Useful shares held for tasks that are not settled yet (part of issuance).
	pub useful_held: Balance,
	/// Useful shares released so far.
	pub useful_released: Balance,
	/// Blocks sealed by a product of a task.
	pub task_sealed_blocks: u64,
	/// Blocks sealed by a synthetic product.
	pub synthetic_sealed_blocks: u64,
}

impl Supply {
	/// All that was burned; `None` on overflow (which the cap on issuance rules out).
	pub fn burned(&self) -> Option<Balance> {
		self.burned_base_fees
			.checked_add(self.burned_useful)?
			.checked_add(self.burned_slashes)?
			.checked_add(self.burned_fees)
	}

	/// Whether `genesis + minted − burned = issuance`.
	pub fn is_balanced(&self) -> bool {
		let (Some(burned), Some(made)) = (self.burned(), self.genesis.checked_add(self.minted)) else {
			return false;
		};
		made.checked_sub(burned) == Some(self.issuance)
	}
}
