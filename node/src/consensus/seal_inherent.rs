// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Inherent data: what the seal of the parent was.
//!
//! A runtime can't see the seal of a block before the next one. Every block repeats a summary of its parent's seal, and
//! every node derives the same summary from the parent's header, so there is nothing to trust.

use super::rules::Rules;
use codec::Decode;
use poaiw_primitives::{
	api::WorkApi,
	inherent::{InherentError, SealSummary, INHERENT_IDENTIFIER},
	Block, Hash, U256,
};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::DifficultyApi;
use sp_inherents::{InherentData, InherentIdentifier};
use sp_runtime::traits::Header as _;

/// The summary of the parent's seal; none in block 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentSeal(pub Option<SealSummary>);

impl ParentSeal {
	/// Derives it from the header of `parent`.
	///
	/// # Errors
	/// If the header is unknown or (which an imported block rules out) its seal is not valid.
	pub fn of<C>(rules: &Rules<C>, parent: Hash) -> Result<Self, String>
	where
		C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
		C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	{
		let header = rules
			.client()
			.header(parent)
			.map_err(|e| format!("can't read the header of {parent:?}: {e}"))?
			.ok_or_else(|| format!("the header of {parent:?} is unknown"))?;
		if *header.number() == 0 {
			return Ok(Self(None));
		}
		let summary = rules
			.check_header(header)
			.map_err(|e| format!("seal of parent {parent:?}: {e}"))?;
		Ok(Self(Some(summary)))
	}
}

#[async_trait::async_trait]
impl sp_inherents::InherentDataProvider for ParentSeal {
	async fn provide_inherent_data(&self, data: &mut InherentData) -> Result<(), sp_inherents::Error> {
		data.put_data(INHERENT_IDENTIFIER, &self.0)
	}

	async fn try_handle_error(
		&self,
		identifier: &InherentIdentifier,
		mut error: &[u8],
	) -> Option<Result<(), sp_inherents::Error>> {
		if *identifier != INHERENT_IDENTIFIER {
			return None;
		}
		let message = match InherentError::decode(&mut error) {
			Ok(InherentError::Mismatch) => {
				"it says something else about its parent's seal than the parent's header"
			}
			Ok(InherentError::Missing) => "it does not say what its parent's seal was",
			Err(_) => "its parent-seal inherent was refused for a reason that this node does not know",
		};
		Some(Err(sp_inherents::Error::Application(Box::from(message))))
	}
}
