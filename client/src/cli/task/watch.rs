// SPDX-License-Identifier: Apache-2.0

//! `poaiw task watch`: what happens to a task, as it happens.

use super::{live, percent};
use crate::cli::Out;
use poaiw::{
	format::{amount, braille, sparkline},
	view::{self, TaskView, VerificationView},
	Client, Result, TaskUpdate,
};
use poaiw_primitives::{
	task::{TaskReport, TaskState},
	BlockNumber, TaskId,
};
use serde_json::json;
use std::path::PathBuf;

/// Columns of the loss curve.
const WIDTH: usize = 56;
/// Lines of the loss curve.
const HEIGHT: usize = 8;
/// Exit codes for the ends of a task that are not its settlement.
const EXPIRED: u8 = 10;
const CANCELLED: u8 = 11;

/// Follows a task until it has ended. One JSON line for every change.
///
/// `status`: status file of a worker on this machine, for the progress under a lease.
pub async fn watch(client: Client, out: Out, id: TaskId, status: Option<PathBuf>) -> Result<u8> {
	let prefix = client.info().ss58_prefix;
	let mut watch = client.watch(id).await?;
	let spinner = out.spinner("task");
	let line = live::Line::new(spinner.clone());
	let _live = status
		.filter(|_| !out.json)
		.map(|file| live::follow(file, id, line.clone()));
	let mut last: Option<TaskReport> = None;
	while let Some(TaskUpdate { head, report }) = watch.next().await? {
		let view = view::task(&report, prefix);
		if last.as_ref() != Some(&report) {
			out.value(&json!({ "head": head, "task": view }));
			for news in news(last.as_ref(), &report, &view) {
				// Above the line that is drawn anew.
				spinner.suspend(|| out.text(format!("block {head:>7}  {news}")));
			}
		}
		line.set_chain(now(head, &report, &view));
		last = Some(report);
	}
	spinner.finish_and_clear();
	let Some(report) = last else { return Ok(0) };
	let view = view::task(&report, prefix);
	if let Some(verification) = &view.verification {
		out.text(curve(verification));
	}
	out.text(ending(&report));
	Ok(match report.state {
		TaskState::Expired { .. } => EXPIRED,
		TaskState::Cancelled { .. } => CANCELLED,
		_ => 0,
	})
}

/// What is new since the last look, in words.
fn news(before: Option<&TaskReport>, now: &TaskReport, view: &TaskView) -> Vec<String> {
	let mut news = Vec::new();
	let changed =
		before.is_none_or(|x| view::state_name(&x.state) != view.state || x.attempts != now.attempts);
	let worker = view.worker.as_deref().unwrap_or("nobody");
	if changed {
		news.push(match &now.state {
			TaskState::Open if now.attempts == 0 => format!("open: {} held, waits for a worker", view.held),
			TaskState::Open => format!(
				"open again after attempt {}: waits for another worker",
				now.attempts
			),
			TaskState::Leased(lease) => format!("leased by {worker} (attempt {})", lease.attempt),
			TaskState::Attested(_) => format!("attested by {worker}: {}", claim(view)),
			_ => format!("{}: {}", view.state, claim(view)),
		});
	}
	let seed = |report: &TaskReport| view::seed_of(&report.state);
	if let (Some(text), true) = (&view.seed, before.and_then(seed) != seed(now)) {
		news.push(format!("seed drawn from the chain: {text}"));
	}
	// Seals of an earlier attempt are forgotten with it.
	let known = before.map_or(0, |x| x.seals.len()).min(now.seals.len());
	for (height, segment) in now.seals.iter().skip(known) {
		news.push(format!(
			"block {height} was sealed by a product of segment {segment}"
		));
	}
	let votes = |report: &TaskReport| report.verification.as_ref().map(|x| x.segments.clone());
	if let (Some(verification), true) = (&view.verification, before.and_then(votes) != votes(now)) {
		news.push(verification.summary());
	}
	news
}

fn claim(view: &TaskView) -> String {
	let Some(verification) = &view.verification else {
		return "no result".into();
	};
	let metric = verification
		.metric
		.map(|(correct, total)| format!("{} held-out, ", percent(correct, total)));
	format!(
		"{}loss {}",
		metric.unwrap_or_default(),
		sparkline(&verification.losses, 24)
	)
}

/// The line that is drawn anew.
fn now(head: BlockNumber, report: &TaskReport, view: &TaskView) -> String {
	let left = match report.spec.deadline.checked_sub(head) {
		Some(blocks) => format!("{blocks} blocks to the deadline"),
		None => "past the deadline".into(),
	};
	let more = match (&report.state, &view.verification) {
		(TaskState::Leased(lease), _) => {
			format!(
				"last sign of life {} blocks ago, {left}",
				head.saturating_sub(lease.heartbeat)
			)
		}
		(TaskState::Attested(_), Some(verification)) => verification.summary(),
		_ => left,
	};
	format!("{} {}, block {head}: {more}", report.id, view.state)
}

/// The loss curve, drawn.
fn curve(verification: &VerificationView) -> String {
	let lines = braille(&verification.losses, WIDTH, HEIGHT);
	if lines.is_empty() {
		return String::new();
	}
	format!(
		"loss (units of the workload), first to last step:\n{}",
		lines.join("\n")
	)
}

/// How it ended and what to do now.
fn ending(report: &TaskReport) -> String {
	let id = report.id;
	match &report.state {
		TaskState::Settled { paid, burned, at, .. } => {
			let verification = report.verification.as_ref();
			let metric = verification.and_then(|x| x.attestation.metric);
			let metric = metric.map(|(correct, total)| {
				format!("Held-out accuracy {} ({correct} of {total}). ", percent(correct, total))
			});
			format!(
				"{}Settled in block {at}: {} paid to the worker, {} burned, the rest of {} is free again.\n  next: poaiw task result {id} -o result-{id}",
				metric.unwrap_or_default(),
				amount(*paid),
				amount(*burned),
				amount(report.spec.max_price),
			)
		},
		TaskState::Expired { at } => format!(
			"Expired in block {at} after {} attempts; nothing was charged, everything held is free again.\n  next: post it again with a later deadline or a higher tip",
			report.attempts
		),
		TaskState::Cancelled { at } => format!("Cancelled in block {at}; what was held is free again."),
		_ => String::new(),
	}
}
