// SPDX-License-Identifier: Apache-2.0

//! What a node answers, in the form in which the client hands it on.

use super::node::answer;
use crate::error::Result;
use poaiw_primitives::{Balance, BlockNumber, Hash};
use serde::{Deserialize, Serialize};

/// What a chain says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainInfo {
	/// Name of the chain specification.
	pub chain: String,
	/// Symbol of the token.
	pub symbol: String,
	/// Prefix of addresses.
	pub ss58_prefix: u16,
	/// Name of the runtime.
	pub spec_name: String,
	/// Version of the runtime's rules.
	pub spec_version: u32,
	/// Version of the transaction format.
	pub transaction_version: u32,
}

/// Height and hash of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BlockRef {
	/// Height.
	pub number: BlockNumber,
	/// Hash.
	pub hash: Hash,
}

/// Balances of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccountBalance {
	/// Owned and not held.
	pub free: Balance,
	/// Held for tasks, bonds and the like.
	pub held: Balance,
	/// Part of `free` that can't be transferred.
	pub frozen: Balance,
}

impl AccountBalance {
	/// What can be spent or held without closing the account, given the least balance of an account.
	pub fn available(&self, existential_deposit: Balance) -> Balance {
		self.free
			.saturating_sub(self.frozen.saturating_sub(self.held).max(existential_deposit))
	}
}

/// The fields of a header that are used here.
#[derive(Clone, Debug, Deserialize)]
pub struct HeaderJson {
	number: String,
}

impl HeaderJson {
	/// Height.
	///
	/// # Errors
	/// If the node sent no number.
	pub fn height(&self) -> Result<BlockNumber> {
		BlockNumber::from_str_radix(self.number.trim_start_matches("0x"), 16)
			.map_err(|error| answer("chain_getHeader", format!("height `{}`: {error}", self.number)))
	}
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeVersionJson {
	pub(super) spec_name: String,
	pub(super) spec_version: u32,
	pub(super) transaction_version: u32,
}
