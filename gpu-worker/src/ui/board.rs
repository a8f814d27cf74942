// SPDX-License-Identifier: Apache-2.0

//! The one place where all parts of the worker write down what they do, and the JSON status file made of it.

use super::Meter;
use crate::miner::Stats;
use anyhow::Context;
use serde::Serialize;
use std::{
	io::Write,
	path::Path,
	sync::{Arc, Mutex, MutexGuard},
	time::{Duration, Instant},
};

/// What the process does for its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
	/// Executes tasks and mines.
	#[default]
	Worker,
	/// Re-executes segments and votes.
	Verifier,
}

/// The task in work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskStatus {
	/// Its number.
	pub id: u64,
	/// Number of the lease.
	pub attempt: u32,
	/// What is being done: `running`, `attesting`, `verifying`.
	pub phase: &'static str,
	/// Segment in work.
	pub segment: u32,
	/// Segments of the run.
	pub segments: u32,
	/// Steps done.
	pub step: u32,
	/// Steps of the run.
	pub steps: u32,
	/// Last loss in its natural unit.
	pub loss: Option<f64>,
	/// Segment at which it went on after a restart.
	pub resumed_from: Option<u32>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
	/// Device that computes.
	pub device: String,
	/// Kernel for products.
	pub kernel: String,
	/// What the process does.
	pub role: Role,
	/// The account, SS58.
	pub account: String,
	/// The node.
	pub node: String,
	/// Whether the node answers.
	pub connected: bool,
	/// Height of the block that is mined on.
	pub template_height: Option<u32>,
	/// Height of the best block when it was last asked for.
	pub best: Option<u32>,
	/// What the worker waits for, in words.
	pub waiting_for: Option<String>,
	/// Product MACs a second, over 10 seconds.
	pub macs_per_s_10s: f64,
	/// Over 60 seconds.
	pub macs_per_s_60s: f64,
	/// Over 15 minutes.
	pub macs_per_s_15m: f64,
	/// Part of all product MACs that were a task's.
	pub useful_share: f64,
	/// Seals that the node took.
	pub seals_accepted: u64,
	/// Winning tickets that came too late.
	pub seals_stale: u64,
	/// Seals that the node refused.
	pub seals_rejected: u64,
	/// Tasks that were settled in favour of this worker since its start.
	pub tasks_settled: u32,
	/// Results of this worker that were rejected since its start.
	pub tasks_rejected: u32,
	/// Votes handed to the node since the start.
	pub votes: u32,
	/// The task in work.
	pub task: Option<TaskStatus>,
	/// The last thing that went wrong.
	pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
	status: Status,
	meter: Meter,
}

/// Shared by all parts of a worker. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board {
	inner: Arc<Mutex<Inner>>,
	stats: Stats,
}

impl Board {
	/// A board over the counters of a miner.
	pub fn new(stats: Stats) -> Self {
		Self {
			inner: Arc::default(),
			stats,
		}
	}

	fn lock(&self) -> MutexGuard<'_, Inner> {
		self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
	}

	/// Changes the status.
	pub fn update(&self, change: impl FnOnce(&mut Status)) {
		change(&mut self.lock().status);
	}

	/// Something went wrong.
	pub fn problem(&self, what: String) {
		self.update(|status| status.last_error = Some(what));
	}

	/// A template arrived.
	pub fn template(&self, height: u32) {
		self.update(|status| status.template_height = Some(height));
	}

	/// Changes the task in work, if there is one.
	pub fn task(&self, change: impl FnOnce(&mut TaskStatus)) {
		if let Some(task) = &mut self.lock().status.task {
			change(task);
		}
	}

	/// The status with counters and rates of this moment.
	pub fn snapshot(&self, now: Instant) -> Status {
		let counts = self.stats.counts();
		let mut inner = self.lock();
		let total = counts.task_macs.saturating_add(counts.synthetic_macs);
		inner.meter.sample(now, total);
		let rate = |seconds| inner.meter.rate(Duration::from_secs(seconds));
		let rates = (rate(10), rate(60), rate(900));
		let status = &mut inner.status;
		(
			status.macs_per_s_10s,
			status.macs_per_s_60s,
			status.macs_per_s_15m,
		) = rates;
		status.useful_share = if total > 0 {
			counts.task_macs as f64 / total as f64
		} else {
			0.0
		};
		status.seals_accepted = counts.accepted;
		status.seals_stale = counts.stale;
		status.seals_rejected = counts.rejected;
		status.clone()
	}
}

/// Replaces a file as a whole: a reader sees the old or the new content, never half of one.
///
/// # Errors
/// If the folder can't be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> anyhow::Result<()> {
	let folder = path
		.parent()
		.filter(|folder| !folder.as_os_str().is_empty())
		.unwrap_or(Path::new("."));
	let explain = || {
		format!(
			"{} can't be written: check that its folder exists and is writable",
			path.display()
		)
	};
	std::fs::create_dir_all(folder).with_context(explain)?;
	let mut file = tempfile::NamedTempFile::new_in(folder).with_context(explain)?;
	file.write_all(content).with_context(explain)?;
	file.as_file().sync_data().with_context(explain)?;
	file.persist(path).with_context(explain)?;
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_snapshot_should_carry_the_counters() {
		let stats = Stats::default();
		let board = Board::new(stats.clone());
		stats.product(300, 3, false);
		stats.product(100, 1, true);
		stats.accepted();
		stats.rejected();
		let status = board.snapshot(Instant::now());
		assert_eq!(status.useful_share, 0.75);
		assert_eq!(
			(status.seals_accepted, status.seals_stale, status.seals_rejected),
			(1, 0, 1)
		);
	}

	#[test]
	fn the_status_should_have_the_fields_that_readers_rely_on() {
		let board = Board::default();
		board.update(|status| {
			status.task = Some(TaskStatus {
				id: 3,
				attempt: 1,
				phase: "running",
				segment: 1,
				segments: 2,
				step: 3,
				steps: 4,
				loss: Some(0.5),
				resumed_from: None,
			})
		});
		let json = serde_json::to_value(board.snapshot(Instant::now())).unwrap();
		let fields = [
			"device",
			"kernel",
			"role",
			"account",
			"connected",
			"template_height",
			"macs_per_s_10s",
			"macs_per_s_60s",
			"macs_per_s_15m",
			"useful_share",
			"seals_accepted",
			"seals_stale",
			"seals_rejected",
			"task",
			"last_error",
		];
		for field in fields {
			assert!(json.get(field).is_some(), "{field}");
		}
		for field in [
			"id",
			"attempt",
			"segment",
			"segments",
			"step",
			"steps",
			"loss",
			"resumed_from",
		] {
			assert!(json["task"].get(field).is_some(), "{field}");
		}
	}

	#[test]
	fn a_file_should_be_replaced_as_a_whole_and_leave_nothing_behind() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("below/status.json");
		write_atomically(&path, b"one").unwrap();
		write_atomically(&path, b"two").unwrap();
		assert_eq!(std::fs::read(&path).unwrap(), b"two");
		assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
		let error = write_atomically(&path.join("no"), b"").unwrap_err();
		assert!(error.to_string().contains("status.json"), "{error:#}");
	}
}
