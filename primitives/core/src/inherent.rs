// SPDX-License-Identifier: Apache-2.0

//! The parent-seal inherent: every block repeats what the seal of its parent was, because a runtime can't see it.
//!
//! The node derives the summary from the parent header with `poaiw_work`; importing nodes do the same and refuse a block
//! whose inherent says anything else.

#[cfg(feature = "std")]
use codec::Decode;
use codec::Encode;
pub use poaiw_work::summary::SealSummary;
use polkadot_sdk::sp_inherents::{InherentIdentifier, IsFatalError};

/// Identifier of the inherent data; the data is `Option<SealSummary>`, `None` only in block 1 (genesis has no seal).
pub const INHERENT_IDENTIFIER: InherentIdentifier = *b"poaiseal";

/// Why a parent-seal inherent was refused.
#[derive(Encode, Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(Decode))]
pub enum InherentError {
	/// The block says something else about its parent's seal than the parent's header does.
	Mismatch,
	/// The block has no parent-seal inherent, though its parent carries a seal.
	Missing,
}

impl IsFatalError for InherentError {
	fn is_fatal_error(&self) -> bool {
		true
	}
}
