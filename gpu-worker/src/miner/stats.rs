// SPDX-License-Identifier: Apache-2.0

//! Counters of a miner, shared with the dashboard.

use std::sync::{
	atomic::{AtomicU64, Ordering::Relaxed},
	Arc,
};

/// Counters since the start. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats {
	inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
	task_macs: AtomicU64,
	synthetic_macs: AtomicU64,
	tickets: AtomicU64,
	found: AtomicU64,
	stale: AtomicU64,
	accepted: AtomicU64,
	rejected: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
	/// Product MACs of tasks, padding included.
	pub task_macs: u64,
	/// Product MACs of synthetic products.
	pub synthetic_macs: u64,
	/// Tickets drawn.
	pub tickets: u64,
	/// Winning tickets that the CPU confirmed.
	pub found: u64,
	/// Winning tickets for a template that was no longer the newest, here or at the node.
	pub stale: u64,
	/// Seals that the node accepted.
	pub accepted: u64,
	/// Seals that the node rejected.
	pub rejected: u64,
}

impl Stats {
	/// A product was computed.
	pub fn product(&self, macs: u64, tickets: u64, synthetic: bool) {
		let counter = if synthetic {
			&self.inner.synthetic_macs
		} else {
			&self.inner.task_macs
		};
		counter.fetch_add(macs, Relaxed);
		self.inner.tickets.fetch_add(tickets, Relaxed);
	}

	/// A winning ticket was confirmed.
	pub fn found(&self) {
		self.inner.found.fetch_add(1, Relaxed);
	}

	/// A winning ticket came too late.
	pub fn stale(&self) {
		self.inner.stale.fetch_add(1, Relaxed);
	}

	/// The node took a seal.
	pub fn accepted(&self) {
		self.inner.accepted.fetch_add(1, Relaxed);
	}

	/// The node refused a seal.
	pub fn rejected(&self) {
		self.inner.rejected.fetch_add(1, Relaxed);
	}

	/// The counters now.
	pub fn counts(&self) -> Counts {
		Counts {
			task_macs: self.inner.task_macs.load(Relaxed),
			synthetic_macs: self.inner.synthetic_macs.load(Relaxed),
			tickets: self.inner.tickets.load(Relaxed),
			found: self.inner.found.load(Relaxed),
			stale: self.inner.stale.load(Relaxed),
			accepted: self.inner.accepted.load(Relaxed),
			rejected: self.inner.rejected.load(Relaxed),
		}
	}
}
