// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What stands around the verifier and the block import of `sc-consensus-pow`.

use super::{
	algorithm::Algorithm,
	header::{unseal, Refusal, Unsealed},
	rules::Rules,
};
use futures::lock::Mutex;
use poaiw_primitives::{api::WorkApi, Block, U256};
use polkadot_sdk::*;
use sc_client_api::HeaderBackend;
use sc_consensus::{BlockCheckParams, BlockImport, BlockImportParams, ImportResult, Verifier};
use sc_consensus_pow::PowVerifier;
use sp_api::ProvideRuntimeApi;
use sp_consensus_pow::DifficultyApi;
use sp_runtime::traits::Header as _;
use std::{sync::Arc, time::Instant};

/// Judges the whole seal before upstream's import runs the inherents of the block.
///
/// Upstream executes `check_inherents` first and looks at the seal after it, so blocks without work would cost every
/// node a call into the runtime. Here a block without valid seal ends before that. The result is remembered by
/// [`Rules`], so nothing is computed twice.
pub struct SealVerifier<C> {
	rules: Arc<Rules<C>>,
	inner: PowVerifier<Block, Algorithm<C>>,
}

impl<C> SealVerifier<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	/// A verifier over shared rules.
	pub fn new(rules: Arc<Rules<C>>) -> Self {
		Self {
			inner: PowVerifier::new(Algorithm::new(rules.clone())),
			rules,
		}
	}
}

#[async_trait::async_trait]
impl<C> Verifier<Block> for SealVerifier<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	async fn verify(&self, block: BlockImportParams<Block>) -> Result<BlockImportParams<Block>, String> {
		let parent = *block.header.parent_hash();
		let refuse = |refusal: Refusal| {
			if refusal.is_seals_fault() {
				self.rules.metrics().seal_rejected(refusal.name());
			}
			format!("block {:?}: {refusal}", block.header.hash())
		};
		let Unsealed {
			pre_hash,
			author,
			seal,
		} = unseal(block.header.clone()).map_err(refuse)?;
		// An unknown parent is the import's business: it asks the network for it.
		if matches!(
			self.rules.client().status(parent),
			Ok(sp_blockchain::BlockStatus::InChain)
		) {
			self.rules
				.check(parent, &pre_hash, &author, &seal)
				.map_err(refuse)?;
		}
		self.inner.verify(block).await
	}
}

/// Lets one block at a time through to the inner import.
///
/// Upstream reads the work of the best block and decides on the fork choice before it imports; a block mined here and
/// one from the network must not do so at the same time.
#[derive(Clone)]
pub struct SerialImport<I> {
	inner: I,
	turn: Arc<Mutex<()>>,
	metrics: crate::metrics::Metrics,
}

impl<I> SerialImport<I> {
	/// Wraps an import. Clones share the lock.
	pub fn new(inner: I, metrics: crate::metrics::Metrics) -> Self {
		Self {
			inner,
			turn: Arc::new(Mutex::new(())),
			metrics,
		}
	}
}

#[async_trait::async_trait]
impl<I: BlockImport<Block> + Send + Sync> BlockImport<Block> for SerialImport<I> {
	type Error = I::Error;

	async fn check_block(&self, block: BlockCheckParams<Block>) -> Result<ImportResult, Self::Error> {
		self.inner.check_block(block).await
	}

	async fn import_block(&self, block: BlockImportParams<Block>) -> Result<ImportResult, Self::Error> {
		let _turn = self.turn.lock().await;
		let begun = Instant::now();
		let result = self.inner.import_block(block).await;
		self.metrics.observe_import(begun.elapsed());
		result
	}
}
