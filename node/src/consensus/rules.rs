// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The accept predicate of `poaiw-work`, fed with what the parent's state says: profile, epoch seed and target.
//!
//! The rule itself is not here. This module reads the parameters, keeps the light caches of epochs, and remembers
//! results, because a block is judged three times: by the verifier (before its inherents are executed), by the import,
//! and as parent of the next block.

use super::{
	header::{unseal, Refusal, Unsealed},
	recent::Recent,
};
use crate::metrics::Metrics;
use parking_lot::Mutex;
use poaiw_primitives::{api::WorkApi, digest::Author, Block, Hash, Hash32, Header, U256};
use poaiw_work::{accept, Epoch, LightCache, Seal, SealSummary, WorkProfile};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::DifficultyApi;
use std::{sync::Arc, time::Instant};

/// Parents whose parameters are remembered.
const PARAMS: usize = 64;
/// Accepted seals that are remembered.
const ACCEPTED: usize = 512;
/// Light caches that are kept: the epochs at both sides of a change, and one for a fork.
const CACHES: usize = 3;

/// Parameters of the seal of a block, read from the state of its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkParams {
	/// Work profile of the epoch.
	pub profile: WorkProfile,
	/// Seed of the epoch.
	pub epoch_seed: Hash32,
	/// Chance of one MAC, times 2^256.
	pub mac_target: U256,
	/// Expected MACs of the block: its weight in fork choice.
	pub difficulty: U256,
	/// Number of the epoch and height at which the next one begins.
	pub epoch: (u32, u32),
}

/// What identifies a verified seal: header and seal bytes.
type SealKey = (Hash, [u8; 32]);

/// The rules with their caches. Shared by import, template keeper, RPC and inherents.
pub struct Rules<C> {
	client: Arc<C>,
	params: Mutex<Recent<Hash, Arc<WorkParams>>>,
	caches: Mutex<Recent<(Hash32, u32), Arc<LightCache>>>,
	accepted: Mutex<Recent<SealKey, SealSummary>>,
	metrics: Metrics,
}

impl<C> Rules<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	/// Rules over the states of `client`.
	pub fn new(client: Arc<C>, metrics: Metrics) -> Self {
		Self {
			client,
			params: Mutex::new(Recent::new(PARAMS)),
			caches: Mutex::new(Recent::new(CACHES)),
			accepted: Mutex::new(Recent::new(ACCEPTED)),
			metrics,
		}
	}

	/// The client whose states are read.
	pub fn client(&self) -> &Arc<C> {
		&self.client
	}

	/// Metrics of the node.
	pub fn metrics(&self) -> &Metrics {
		&self.metrics
	}

	/// Parameters of the children of `parent`.
	///
	/// # Errors
	/// [`Refusal::State`] if the state is not there or the runtime can't answer.
	pub fn params(&self, parent: Hash) -> Result<Arc<WorkParams>, Refusal> {
		if let Some(params) = self.params.lock().get(&parent) {
			return Ok(params);
		}
		let api = self.client.runtime_api();
		let read = || -> Result<WorkParams, sp_api::ApiError> {
			Ok(WorkParams {
				profile: api.profile(parent)?,
				epoch_seed: api.epoch_seed(parent)?,
				mac_target: api.mac_target(parent)?,
				difficulty: api.difficulty(parent)?,
				epoch: api.epoch(parent)?,
			})
		};
		let params = Arc::new(read().map_err(|e| Refusal::State {
			parent,
			reason: e.to_string(),
		})?);
		self.params.lock().insert(parent, params.clone());
		Ok(params)
	}

	/// The light cache of an epoch, if its profile needs one; built once.
	///
	/// # Errors
	/// [`Refusal::Cache`] if the profile's size is impossible.
	pub fn light_cache(&self, params: &WorkParams) -> Result<Option<Arc<LightCache>>, Refusal> {
		if params.profile.accesses == 0 {
			return Ok(None);
		}
		let key = (params.epoch_seed, params.profile.cache_items());
		// Held while building: whoever needs the same cache waits for it instead of building a second one.
		let mut caches = self.caches.lock();
		if let Some(cache) = caches.get(&key) {
			return Ok(Some(cache));
		}
		let begun = Instant::now();
		let cache = Arc::new(LightCache::build(&key.0, key.1).map_err(|e| Refusal::Cache(e.to_string()))?);
		log::info!(target: crate::LOG_TARGET, "built the light cache of an epoch ({} items) in {:?}", key.1, begun.elapsed());
		caches.insert(key, cache.clone());
		Ok(Some(cache))
	}

	/// Judges a seal for a child of `parent`, and remembers it when it is good.
	///
	/// # Errors
	/// The first thing that is wrong with it.
	pub fn check(
		&self,
		parent: Hash,
		pre_hash: &Hash,
		author: &Author,
		seal_bytes: &[u8],
	) -> Result<SealSummary, Refusal> {
		let key = (*pre_hash, sp_io::hashing::blake2_256(seal_bytes));
		// The pre-hash covers parent and author, so it is enough as a key.
		if let Some(summary) = self.accepted.lock().get(&key) {
			return Ok(summary);
		}
		let begun = Instant::now();
		let seal = Seal::from_bytes(seal_bytes).map_err(Refusal::Encoding)?;
		let params = self.params(parent)?;
		let cache = self.light_cache(&params)?;
		let epoch = cache.as_deref().map(|cache| Epoch {
			seed: &params.epoch_seed,
			cache,
		});
		let author: &[u8; 32] = author.author.as_ref();
		let accepted = accept(
			pre_hash.as_fixed_bytes(),
			author,
			&seal,
			&params.profile,
			epoch,
			params.mac_target,
		)
		.map_err(Refusal::Rule)?;
		let summary = SealSummary::new(&seal, &accepted);
		self.metrics.observe_verification(begun.elapsed());
		self.accepted.lock().insert(key, summary.clone());
		Ok(summary)
	}

	/// Judges the seal of a whole header.
	///
	/// # Errors
	/// As [`unseal`] and [`Self::check`].
	pub fn check_header(&self, header: Header) -> Result<SealSummary, Refusal> {
		let parent = header.parent_hash;
		let Unsealed {
			pre_hash,
			author,
			seal,
		} = unseal(header)?;
		self.check(parent, &pre_hash, &author, &seal)
	}

	/// The ticket of a remembered seal, if these bytes belong to one block only: the bytes of a synthetic seal are
	/// little more than a position, so two blocks may share them.
	pub fn ticket(&self, seal_bytes: &[u8]) -> Option<Hash32> {
		let hash = sp_io::hashing::blake2_256(seal_bytes);
		let accepted = self.accepted.lock();
		let mut found = accepted
			.iter()
			.filter(|((_, h), _)| *h == hash)
			.map(|(_, summary)| summary.ticket);
		match (found.next(), found.next()) {
			(Some(ticket), None) => Some(ticket),
			_ => None,
		}
	}
}
