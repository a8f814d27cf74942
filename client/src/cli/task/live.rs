// SPDX-License-Identifier: Apache-2.0

//! Progress of a task under lease, which the chain does not have: from the status file of a worker on this machine.

use indicatif::ProgressBar;
use poaiw::format::sparkline;
use serde::Deserialize;
use std::{
	io::Read,
	path::{Path, PathBuf},
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};

/// Most bytes of a status file that are read.
const MAX_STATUS: u64 = 1 << 20;
/// Losses that are kept for the curve.
const KEPT: usize = 4096;

/// What is used of a worker's status.
#[derive(Debug, Default, Deserialize)]
struct Status {
	task: Option<TaskStatus>,
	#[serde(default)]
	macs_per_s_10s: f64,
}

/// The task that a worker computes.
#[derive(Debug, Default, Deserialize)]
struct TaskStatus {
	id: u64,
	#[serde(default)]
	attempt: u32,
	#[serde(default)]
	step: u32,
	#[serde(default)]
	steps: u32,
	loss: Option<f64>,
}

/// A line of which one part comes from the chain and one from a worker's status file.
#[derive(Clone, Debug)]
pub struct Line {
	bar: ProgressBar,
	chain: Arc<Mutex<String>>,
}

impl Line {
	/// A line without content.
	pub fn new(bar: ProgressBar) -> Self {
		Self {
			bar,
			chain: Arc::default(),
		}
	}

	/// Sets the part from the chain.
	pub fn set_chain(&self, text: String) {
		*self.chain.lock().unwrap_or_else(PoisonError::into_inner) = text.clone();
		self.bar.set_message(text);
	}

	fn set_live(&self, text: &str) {
		let chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
		self.bar.set_message(format!("{chain} | {text}"));
	}
}

/// Shows the progress of `task` from `file`, once a second, until the returned guard is dropped.
pub fn follow(file: PathBuf, task: u64, line: Line) -> Guard {
	Guard(tokio::spawn(async move {
		let mut curve = Curve::default();
		let mut tick = tokio::time::interval(Duration::from_secs(1));
		loop {
			tick.tick().await;
			// A file that is missing, or is being written, is read again at the next tick.
			if let Some(text) = read(&file).and_then(|status| curve.describe(&status, task)) {
				line.set_live(&text);
			}
		}
	}))
}

/// Ends [`follow`] when it is dropped.
#[derive(Debug)]
pub struct Guard(tokio::task::JoinHandle<()>);

impl Drop for Guard {
	fn drop(&mut self) {
		self.0.abort();
	}
}

fn read(file: &Path) -> Option<Status> {
	let mut text = String::new();
	std::fs::File::open(file)
		.ok()?
		.take(MAX_STATUS)
		.read_to_string(&mut text)
		.ok()?;
	serde_json::from_str(&text).ok()
}

/// Losses seen so far, in thousandths.
#[derive(Debug, Default)]
struct Curve {
	attempt: u32,
	step: u32,
	losses: Vec<i32>,
}

impl Curve {
	/// The progress in words; `None` if the worker does something else.
	fn describe(&mut self, status: &Status, id: u64) -> Option<String> {
		let task = status.task.as_ref().filter(|task| task.id == id)?;
		if task.attempt != self.attempt || task.step < self.step {
			*self = Self {
				attempt: task.attempt,
				..Self::default()
			};
		}
		if let Some(loss) = task
			.loss
			.filter(|_| task.step > self.step || self.losses.is_empty())
		{
			self.losses.push((loss * 1000.0) as i32);
			if self.losses.len() > KEPT {
				self.losses.remove(0);
			}
		}
		self.step = task.step;
		let loss = task
			.loss
			.map_or_else(String::new, |loss| format!(", loss {loss:.3}"));
		let rate = poaiw::format::macs(status.macs_per_s_10s.round());
		Some(format!(
			"step {}/{}{loss} {}, {rate}/s",
			task.step,
			task.steps,
			sparkline(&self.losses, 24)
		))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn status(json: serde_json::Value) -> Status {
		serde_json::from_value(json).unwrap()
	}

	#[test]
	fn describe_should_follow_one_task_and_start_anew_with_an_attempt() {
		let mut curve = Curve::default();
		let at = |attempt: u32, step: u32, loss: f64| {
			status(serde_json::json!({
				"task": { "id": 3, "attempt": attempt, "step": step, "steps": 9, "loss": loss },
				"macs_per_s_10s": 2.5e9,
			}))
		};
		assert_eq!(
			curve.describe(&at(1, 1, 2.0), 3).unwrap(),
			"step 1/9, loss 2.000 ▁, 2.50 GMAC/s"
		);
		assert_eq!(
			curve.describe(&at(1, 2, 1.0), 3).unwrap(),
			"step 2/9, loss 1.000 █▁, 2.50 GMAC/s"
		);
		assert_eq!(
			curve.describe(&at(2, 1, 2.0), 3).unwrap(),
			"step 1/9, loss 2.000 ▁, 2.50 GMAC/s"
		);
		assert_eq!(curve.describe(&at(1, 1, 2.0), 4), None);
		assert_eq!(
			curve.describe(&status(serde_json::json!({ "task": null })), 3),
			None
		);
	}

	#[test]
	fn read_should_ignore_files_that_are_missing_or_half_written() {
		let dir = tempfile::tempdir().unwrap();
		let file = dir.path().join("status.json");
		assert!(read(&file).is_none());
		std::fs::write(&file, "{\"task\": {\"id\"").unwrap();
		assert!(read(&file).is_none());
		std::fs::write(&file, "{\"task\": {\"id\": 1}, \"device\": \"x\"}").unwrap();
		assert_eq!(read(&file).unwrap().task.unwrap().id, 1);
	}
}
