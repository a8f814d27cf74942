// SPDX-License-Identifier: Apache-2.0

//! The live view: a few lines that are drawn over themselves in a terminal, or one line now and then where there is none.

use crate::report::{accuracy, amount, Report};
use serde_json::Value;
use std::{
	io::{IsTerminal, Write},
	time::{Duration, Instant},
};

/// Smallest units in one token.
const UNIT: f64 = 1e12;
/// How often a line is written when standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Draws reports on standard error, so that standard output stays free for JSON.
pub struct View {
	began: Instant,
	terminal: bool,
	drawn: usize,
	last_line: Option<Instant>,
	losses: Vec<f64>,
}

impl Default for View {
	fn default() -> Self {
		Self {
			began: Instant::now(),
			terminal: std::io::stderr().is_terminal(),
			drawn: 0,
			last_line: None,
			losses: Vec::new(),
		}
	}
}

impl View {
	/// Show a report, and what the workers say of themselves (name, status).
	pub fn show(&mut self, report: &Report, workers: &[(String, Value)]) {
		for (_, status) in workers {
			if let Some(loss) = status["task"]["loss"].as_f64() {
				if self.losses.last() != Some(&loss) {
					self.losses.push(loss);
				}
			}
		}
		let lines = self.lines(report, workers);
		if self.terminal {
			self.redraw(&lines);
		} else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
			self.last_line = Some(Instant::now());
			eprintln!("{}", lines.join(" | "));
		}
	}

	fn lines(&self, report: &Report, workers: &[(String, Value)]) -> Vec<String> {
		let sealed = report.task_sealed_blocks + report.synthetic_sealed_blocks;
		let share = if sealed > 0 {
			100.0 * report.task_sealed_blocks as f64 / sealed as f64
		} else {
			0.0
		};
		let mut lines = vec![
			format!(
				"{:>4} s  block {} (finalized {})  target 2^{:.1}  useful seals {} of {} ({share:.0} %)",
				self.began.elapsed().as_secs(),
				report.blocks,
				report.finalized,
				report.stats["targetLog2"].as_f64().unwrap_or_default(),
				report.task_sealed_blocks,
				sealed,
			),
			format!(
				"supply: minted {:.2}, burned {:.2}, useful held {:.2}, released {:.2}, balanced {}",
				tokens(&report.supply, "minted"),
				report.burned as f64 / UNIT,
				tokens(&report.supply, "usefulHeld"),
				tokens(&report.supply, "usefulReleased"),
				if report.issuance_checked { "yes" } else { "NO" },
			),
		];
		lines.extend(workers.iter().map(|(name, status)| worker_line(name, status)));
		lines.extend(report.tasks.iter().take(4).map(task_line));
		if self.losses.len() > 1 {
			lines.push(format!(
				"loss  {}  {:.4}",
				sparkline(&self.losses, 60),
				self.losses.last().copied().unwrap_or_default()
			));
		}
		lines
	}

	fn redraw(&mut self, lines: &[String]) {
		let mut text = String::new();
		if self.drawn > 0 {
			text += &format!("\x1b[{}A", self.drawn);
		}
		for line in lines {
			let cut: String = line.chars().take(150).collect();
			text += &format!("\x1b[2K{cut}\n");
		}
		text += "\x1b[J";
		self.drawn = lines.len();
		let mut out = std::io::stderr();
		let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
	}
}

fn tokens(supply: &Value, name: &str) -> f64 {
	amount(supply, name)
		.map(|amount| amount as f64 / UNIT)
		.unwrap_or_default()
}

fn worker_line(name: &str, status: &Value) -> String {
	let rate = status["macs_per_s_10s"].as_f64().unwrap_or_default();
	let mut line = format!(
		"{name}: {} {}  useful {:.0} %  seals {} accepted, {} stale, {} rejected",
		status["device"].as_str().unwrap_or("starting"),
		giga(rate),
		100.0 * status["useful_share"].as_f64().unwrap_or_default(),
		status["seals_accepted"],
		status["seals_stale"],
		status["seals_rejected"],
	);
	if let Some(id) = status["task"]["id"].as_u64() {
		line += &format!(
			"  task {id}: segment {}/{}, step {}/{}",
			status["task"]["segment"],
			status["task"]["segments"],
			status["task"]["step"],
			status["task"]["steps"]
		);
	}
	if let Some(error) = status["last_error"].as_str() {
		line += &format!("  ! {error}");
	}
	line
}

fn giga(macs_per_second: f64) -> String {
	format!("{:.2} GMAC/s", macs_per_second / 1e9)
}

fn task_line(task: &Value) -> String {
	let votes = task["votes"].as_array().map(Vec::as_slice).unwrap_or_default();
	let count = |at: usize| -> u64 { votes.iter().filter_map(|vote| vote[at].as_u64()).sum() };
	let mut line = format!("task {}: {}", task["id"], task["state"].as_str().unwrap_or("?"));
	if !votes.is_empty() {
		line += &format!(
			", votes {} for, {} against, {} to come",
			count(1),
			count(2),
			count(3)
		);
	}
	if let Some(accuracy) = accuracy(task) {
		line += &format!(", held-out accuracy {:.2} %", 100.0 * accuracy);
	}
	line
}

/// The values as a row of bars, the last `width` points of an evenly thinned curve.
fn sparkline(values: &[f64], width: usize) -> String {
	const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
	let stride = values.len().div_ceil(width).max(1);
	let points: Vec<f64> = values.iter().copied().step_by(stride).collect();
	let low = points.iter().copied().fold(f64::INFINITY, f64::min);
	let high = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
	let span = (high - low).max(f64::MIN_POSITIVE);
	points
		.iter()
		.map(|point| BARS[(((point - low) / span * 7.0).round() as usize).min(7)])
		.collect()
}

#[cfg(test)]
mod tests {
	use super::sparkline;

	#[test]
	fn sparkline_should_span_all_bars_when_values_fall() {
		assert_eq!(sparkline(&[3.0, 2.0, 1.0], 60), "█▅▁");
	}

	#[test]
	fn sparkline_should_be_flat_when_values_are_equal() {
		assert_eq!(sparkline(&[1.0, 1.0], 60), "▁▁");
	}

	#[test]
	fn sparkline_should_be_thinned_when_there_are_more_values_than_columns() {
		assert_eq!(sparkline(&vec![1.0; 200], 60).chars().count(), 50);
	}
}
