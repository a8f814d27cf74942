// SPDX-License-Identifier: Apache-2.0

//! What is mined on, and what is found.

use poaiw_commitment::Hash32;
use poaiw_work::{ticket, Rank, Seal, WorkProfile, U256};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A block template as a miner needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
	/// Hash of the header without seal.
	pub pre_hash: Hash32,
	/// Height of the block to be made.
	pub height: u32,
	/// Account that mines.
	pub author: Hash32,
	/// Rules of the ticket.
	pub profile: WorkProfile,
	/// Rank of the profile.
	pub rank: Rank,
	/// Chance of one MAC, times 2^256.
	pub mac_target: U256,
	/// Seed of the epoch's dataset.
	pub epoch_seed: Hash32,
}

impl Template {
	/// A template under a profile.
	///
	/// # Errors
	/// [`poaiw_work::Error::Profile`] if the profile is not valid.
	pub fn new(
		pre_hash: Hash32,
		height: u32,
		author: Hash32,
		profile: WorkProfile,
		mac_target: U256,
		epoch_seed: Hash32,
	) -> Result<Self, poaiw_work::Error> {
		let rank = profile.validate()?;
		Ok(Self {
			pre_hash,
			height,
			author,
			profile,
			rank,
			mac_target,
			epoch_seed,
		})
	}

	/// What a ticket must reach.
	pub fn limit(&self) -> U256 {
		ticket::limit(self.mac_target, self.rank)
	}
}

/// A seal that was accepted by the CPU and can be submitted.
#[derive(Clone, Debug)]
pub struct Found {
	/// Template that it seals.
	pub pre_hash: Hash32,
	/// The seal.
	pub seal: Seal,
}

/// The newest template, shared between the connection to the node and the miners.
#[derive(Clone, Default)]
pub struct TemplateSlot {
	inner: Arc<(Mutex<Option<Arc<Template>>>, Condvar)>,
}

impl TemplateSlot {
	/// Replaces the template; `None` stops mining.
	pub fn set(&self, template: Option<Template>) {
		*self.inner.0.lock().unwrap_or_else(|e| e.into_inner()) = template.map(Arc::new);
		self.inner.1.notify_all();
	}

	/// The newest template.
	pub fn get(&self) -> Option<Arc<Template>> {
		self.inner.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
	}

	/// Whether this template is the newest.
	pub fn is_current(&self, template: &Template) -> bool {
		self.get()
			.is_some_and(|newest| newest.pre_hash == template.pre_hash)
	}

	/// Waits until there is another template than `known`, or the time is over.
	pub fn wait_for_other(&self, known: Option<&Hash32>, at_most: Duration) {
		let guard = self.inner.0.lock().unwrap_or_else(|e| e.into_inner());
		let same = |slot: &mut Option<Arc<Template>>| slot.as_ref().map(|t| &t.pre_hash) == known;
		let _ = self.inner.1.wait_timeout_while(guard, at_most, same);
	}
}
