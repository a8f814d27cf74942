// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The accept predicate as `sc-consensus-pow` asks for it.

use super::{header::Refusal, rules::Rules};
use poaiw_primitives::{api::WorkApi, digest::decode_author, Block, Hash, U256};
use poaiw_work::Seal;
use polkadot_sdk::*;
use sc_consensus_pow::{Error, PowAlgorithm};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::{DifficultyApi, Seal as RawSeal};
use sp_runtime::generic::BlockId;
use std::sync::Arc;

/// Total work with the ticket of `poaiw-work`.
///
/// The weight of a block is the expected work at its target, never the value of its lucky ticket.
pub struct Algorithm<C> {
	rules: Arc<Rules<C>>,
}

impl<C> Algorithm<C> {
	/// The algorithm over shared rules.
	pub fn new(rules: Arc<Rules<C>>) -> Self {
		Self { rules }
	}
}

impl<C> Clone for Algorithm<C> {
	fn clone(&self) -> Self {
		Self {
			rules: self.rules.clone(),
		}
	}
}

impl<C> PowAlgorithm<Block> for Algorithm<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	type Difficulty = U256;

	fn difficulty(&self, parent: Hash) -> Result<U256, Error<Block>> {
		self.rules
			.params(parent)
			.map(|params| params.difficulty)
			.map_err(into_error)
	}

	/// Without the parent's state only the encoding can be judged: the rank is the profile's, and a synthetic tile
	/// needs the author. [`super::import::SealVerifier`] does the whole check where the parent is known.
	fn preliminary_verify(&self, pre_hash: &Hash, seal: &RawSeal) -> Result<Option<bool>, Error<Block>> {
		match Seal::from_bytes(seal) {
			Ok(_) => Ok(Some(true)),
			Err(error) => {
				log::debug!(target: crate::LOG_TARGET, "seal of {pre_hash:?}: {error}");
				Ok(Some(false))
			}
		}
	}

	/// Equal work: the lower ticket wins, so that withholding a block gains nothing on average. Unless both tickets
	/// are known for certain the block seen first stays.
	fn break_tie(&self, own: &RawSeal, new: &RawSeal) -> bool {
		match (self.rules.ticket(own), self.rules.ticket(new)) {
			// Compared as the numbers that the predicate compares: little-endian.
			(Some(own), Some(new)) => U256::from_little_endian(&new) < U256::from_little_endian(&own),
			_ => false,
		}
	}

	fn verify(
		&self,
		parent: &BlockId<Block>,
		pre_hash: &Hash,
		pre_digest: Option<&[u8]>,
		seal: &RawSeal,
		difficulty: U256,
	) -> Result<bool, Error<Block>> {
		let BlockId::Hash(parent) = parent else {
			return Err(Error::Other(format!(
				"the parent of {pre_hash:?} was named by number"
			)));
		};
		let Some(author) = pre_digest.and_then(decode_author) else {
			return Err(into_error(Refusal::Author {
				count: usize::from(pre_digest.is_some()),
			}));
		};
		let due = self.rules.params(*parent).map_err(into_error)?.difficulty;
		if due != difficulty {
			return Err(Error::Other(format!(
				"block {pre_hash:?} counts {difficulty} MACs of work, {due} are due"
			)));
		}
		match self.rules.check(*parent, pre_hash, &author, seal) {
			Ok(_) => Ok(true),
			Err(refusal) if refusal.is_seals_fault() => {
				log::info!(target: crate::LOG_TARGET, "refused the seal of {pre_hash:?}: {refusal}");
				self.rules.metrics().seal_rejected(refusal.name());
				Ok(false)
			}
			Err(refusal) => Err(into_error(refusal)),
		}
	}
}

/// A refusal as an error of the import.
pub(crate) fn into_error(refusal: Refusal) -> Error<Block> {
	Error::Other(refusal.to_string())
}
