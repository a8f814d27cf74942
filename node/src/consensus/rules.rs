// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The accept predicate of `poaiw-work`, fed with what the parent's state says: profile, epoch seed and target.
//!
//! The rule itself is not here. This module reads the parameters, keeps the light caches of epochs, and remembers
//! results, because a block is judged three times: by the verifier (before its inherents are executed), by the import,
//! and as parent of the next block.

use super::recent::Recent;
use crate::metrics::Metrics;
use parking_lot::Mutex;
use poaiw_primitives::{
	api::WorkApi,
	digest::{decode_author, Author, ENGINE_ID},
	Block, Hash, Hash32, Header, U256,
};
use poaiw_work::{
	accept, Epoch, LightCache, Reject, Seal, SealError, SealSummary, WorkProfile, MAX_SEAL_BYTES,
};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::DifficultyApi;
use sp_runtime::{traits::Header as _, DigestItem};
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

/// Why a seal was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
	/// The header has no seal of this engine as its last digest item.
	#[error("the header's last digest item is not a seal of engine pow_")]
	Unsealed,
	/// There is not exactly one well-formed author digest.
	#[error(
		"the header has {count} pre-runtime items of engine pow_ (one that decodes as an author is needed)"
	)]
	Author {
		/// How many there are.
		count: usize,
	},
	/// The bytes are not a seal.
	#[error("{0}")]
	Encoding(SealError),
	/// The predicate refused it.
	#[error("{0}")]
	Rule(Reject),
	/// The parameters could not be read.
	#[error("can't read the work parameters of block {parent}: {reason}")]
	State {
		/// The parent.
		parent: Hash,
		/// Why.
		reason: String,
	},
	/// The light cache could not be built.
	#[error("can't build the light cache of the epoch: {0}")]
	Cache(String),
}

impl Refusal {
	/// A short fixed name, for metrics and RPC.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Unsealed => "unsealed",
			Self::Author { .. } => "author",
			Self::Encoding(_) => "encoding",
			Self::Rule(reject) => reject.name(),
			Self::State { .. } => "state",
			Self::Cache(_) => "cache",
		}
	}

	/// Whether the fault is the seal's (and not this node's).
	pub fn is_seals_fault(&self) -> bool {
		!matches!(
			self,
			Self::State { .. }
				| Self::Cache(_)
				| Self::Rule(
					Reject::Profile(_)
						| Reject::Target(_)
						| Reject::EpochMissing
						| Reject::EpochMismatch { .. }
				)
		)
	}
}

/// A header without its seal, and the seal.
pub struct Unsealed {
	/// Hash of the header without the seal.
	pub pre_hash: Hash,
	/// Who made the block.
	pub author: Author,
	/// The seal's bytes.
	pub seal: Vec<u8>,
}

/// Takes a sealed header apart.
///
/// # Errors
/// [`Refusal::Unsealed`], [`Refusal::Author`], or [`Refusal::Encoding`] if the seal is too long to be one.
pub fn unseal(mut header: Header) -> Result<Unsealed, Refusal> {
	let seal = match header.digest_mut().pop() {
		Some(DigestItem::Seal(ENGINE_ID, seal)) => seal,
		_ => return Err(Refusal::Unsealed),
	};
	if seal.len() > MAX_SEAL_BYTES {
		return Err(Refusal::Encoding(SealError::TooLong(seal.len())));
	}
	let author = author_of(&header)?;
	Ok(Unsealed {
		pre_hash: header.hash(),
		author,
		seal,
	})
}

/// The author that a header states: exactly one pre-runtime item of our engine, and it decodes.
pub fn author_of(header: &Header) -> Result<Author, Refusal> {
	let mut items = header.digest().logs().iter().filter_map(|item| match item {
		DigestItem::PreRuntime(ENGINE_ID, data) => Some(data),
		_ => None,
	});
	match (items.next().map(|data| decode_author(data)), items.count()) {
		(Some(Some(author)), 0) => Ok(author),
		(Some(_), more) => Err(Refusal::Author {
			count: more.saturating_add(1),
		}),
		(None, _) => Err(Refusal::Author { count: 0 }),
	}
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
		let parent = *header.parent_hash();
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

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use poaiw_primitives::AccountId;
	use sp_runtime::Digest;

	fn author(n: u8) -> Author {
		Author {
			author: AccountId::new([n; 32]),
			payout: AccountId::new([n; 32]),
		}
	}

	fn header(logs: Vec<DigestItem>) -> Header {
		Header::new(
			7,
			Default::default(),
			Default::default(),
			Hash::repeat_byte(1),
			Digest { logs },
		)
	}

	fn pre(n: u8) -> DigestItem {
		DigestItem::PreRuntime(ENGINE_ID, author(n).encode())
	}

	#[test]
	fn unseal_should_give_pre_hash_author_and_seal() {
		let sealed = header(vec![pre(3), DigestItem::Seal(ENGINE_ID, vec![1, 2])]);
		let parts = unseal(sealed).unwrap();
		assert_eq!(
			(parts.pre_hash, parts.author, parts.seal),
			(header(vec![pre(3)]).hash(), author(3), vec![1, 2])
		);
	}

	#[test]
	fn unseal_should_find_the_author_wherever_it_stands() {
		let other = DigestItem::Consensus(*b"FRNK", vec![9]);
		let sealed = header(vec![
			other.clone(),
			pre(3),
			other,
			DigestItem::Seal(ENGINE_ID, vec![]),
		]);
		assert_eq!(unseal(sealed).unwrap().author, author(3));
	}

	#[test]
	fn unseal_should_refuse_when_the_last_item_is_no_seal_of_this_engine() {
		for last in [
			vec![],
			vec![DigestItem::Seal(*b"aura", vec![])],
			vec![DigestItem::Other(vec![])],
		] {
			let logs = core::iter::once(pre(3)).chain(last).collect();
			assert!(matches!(unseal(header(logs)), Err(Refusal::Unsealed)));
		}
	}

	#[test]
	fn unseal_should_refuse_when_the_seal_is_longer_than_any() {
		let seal = DigestItem::Seal(ENGINE_ID, vec![0; MAX_SEAL_BYTES + 1]);
		assert!(matches!(
			unseal(header(vec![pre(3), seal])),
			Err(Refusal::Encoding(SealError::TooLong(_)))
		));
	}

	#[test]
	fn unseal_should_refuse_when_there_is_not_exactly_one_good_author() {
		let seal = || DigestItem::Seal(ENGINE_ID, vec![]);
		let mut trailing = author(3).encode();
		trailing.push(0);
		let bad = [
			(vec![seal()], 0),
			(vec![pre(3), pre(4), seal()], 2),
			(vec![DigestItem::PreRuntime(ENGINE_ID, trailing), seal()], 1),
			(vec![DigestItem::PreRuntime(ENGINE_ID, vec![1, 2, 3]), seal()], 1),
			(
				vec![DigestItem::PreRuntime(*b"aura", author(3).encode()), seal()],
				0,
			),
		];
		for (logs, expected) in bad {
			assert!(matches!(unseal(header(logs)), Err(Refusal::Author { count }) if count == expected));
		}
	}
}
