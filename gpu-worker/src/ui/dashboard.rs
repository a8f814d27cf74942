// SPDX-License-Identifier: Apache-2.0

//! The dashboard in a terminal.

use super::{Board, Status};
use ratatui::{
	layout::{Constraint, Layout},
	style::{Color, Style},
	text::Line,
	widgets::{Block, Gauge, Paragraph, Sparkline, Wrap},
	Frame,
};
use std::{
	sync::{
		atomic::{AtomicBool, Ordering::Relaxed},
		Arc,
	},
	thread::JoinHandle,
	time::{Duration, Instant},
};
use tokio::sync::watch;

/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(500);
/// Losses that are kept for the curve.
const LOSSES: usize = 512;

/// A running dashboard.
pub struct Dashboard {
	over: Arc<AtomicBool>,
	thread: Option<JoinHandle<()>>,
}

impl Dashboard {
	/// Ends it and gives the terminal back.
	pub fn end(mut self) {
		self.over.store(true, Relaxed);
		if let Some(thread) = self.thread.take() {
			let _ = thread.join();
		}
	}
}

/// Draws until the worker is told to stop.
pub fn start(board: Board, stopped: watch::Receiver<bool>) -> Dashboard {
	let over = Arc::new(AtomicBool::new(false));
	let ended = over.clone();
	let thread = std::thread::Builder::new()
		.name("dashboard".into())
		.spawn(move || {
			let mut terminal = match ratatui::try_init() {
				Ok(terminal) => terminal,
				Err(error) => {
					tracing::warn!(%error, "no dashboard; use --plain for log lines");
					return;
				}
			};
			// Keys go to the terminal's line discipline, so that Ctrl-C stays a signal.
			let _ = ratatui::crossterm::terminal::disable_raw_mode();
			let mut losses = Vec::new();
			while !ended.load(Relaxed) && !*stopped.borrow() {
				let status = board.snapshot(Instant::now());
				remember(&mut losses, &status);
				if terminal.draw(|frame| draw(frame, &status, &losses)).is_err() {
					break;
				}
				std::thread::sleep(FRAME);
			}
			ratatui::restore();
		});
	Dashboard {
		over,
		thread: thread.ok(),
	}
}

fn remember(losses: &mut Vec<f64>, status: &Status) {
	let Some(task) = &status.task else {
		losses.clear();
		return;
	};
	if let Some(loss) = task.loss.filter(|loss| losses.last() != Some(loss)) {
		losses.push(loss);
	}
	if losses.len() > LOSSES {
		losses.remove(0);
	}
}

fn draw(frame: &mut Frame<'_>, status: &Status, losses: &[f64]) {
	let heights = [
		Constraint::Length(8),
		Constraint::Length(3),
		Constraint::Min(4),
		Constraint::Length(4),
	];
	let [facts, progress, curve, problems] = Layout::vertical(heights).areas(frame.area());
	let lines: Vec<Line<'_>> = fact_lines(status).into_iter().map(Line::from).collect();
	let title = format!(" PoAIW {} ", format!("{:?}", status.role).to_lowercase());
	frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), facts);
	let (ratio, label) = progress_of(status);
	let gauge = Gauge::default()
		.block(Block::bordered().title(" task "))
		.gauge_style(Color::Green);
	frame.render_widget(gauge.ratio(ratio).label(label), progress);
	let top = losses.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
	let bars: Vec<u64> = losses
		.iter()
		.map(|loss| (loss / top * 1000.0).max(0.0) as u64)
		.collect();
	let width = usize::from(curve.width.saturating_sub(2));
	let shown = &bars[bars.len().saturating_sub(width)..];
	frame.render_widget(
		Sparkline::default()
			.block(Block::bordered().title(" loss "))
			.data(shown),
		curve,
	);
	let problem = Paragraph::new(status.last_error.clone().unwrap_or_else(|| "none".into()))
		.wrap(Wrap { trim: true })
		.style(Style::new().fg(if status.last_error.is_some() {
			Color::Red
		} else {
			Color::DarkGray
		}))
		.block(Block::bordered().title(" last problem "));
	frame.render_widget(problem, problems);
}

fn fact_lines(status: &Status) -> Vec<String> {
	let height = |height: Option<u32>| height.map_or("-".into(), |height| height.to_string());
	vec![
		format!("device   {}  kernel {}", status.device, status.kernel),
		format!("account  {}", status.account),
		format!(
			"node     {} ({})  best {}  mining on {}",
			status.node,
			if status.connected {
				"connected"
			} else {
				"NOT connected"
			},
			height(status.best),
			height(status.template_height),
		),
		format!(
			"rate     {} 10 s   {} 60 s   {} 15 min   useful {:.0} %",
			rate(status.macs_per_s_10s),
			rate(status.macs_per_s_60s),
			rate(status.macs_per_s_15m),
			100.0 * status.useful_share,
		),
		format!(
			"seals    {} accepted, {} stale, {} rejected",
			status.seals_accepted, status.seals_stale, status.seals_rejected
		),
		format!(
			"results  {} settled, {} rejected   votes {}",
			status.tasks_settled, status.tasks_rejected, status.votes
		),
	]
}

fn progress_of(status: &Status) -> (f64, String) {
	let Some(task) = &status.task else {
		let waiting = status
			.waiting_for
			.as_ref()
			.map(|what| format!("waiting for {what}"));
		return (0.0, waiting.unwrap_or_else(|| "no task".into()));
	};
	let ratio = f64::from(task.step) / f64::from(task.steps.max(1));
	let loss = task
		.loss
		.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
	let label = format!(
		"task {} {}: segment {} of {}, step {} of {}{loss}",
		task.id, task.phase, task.segment, task.segments, task.step, task.steps
	);
	(ratio.clamp(0.0, 1.0), label)
}

/// MACs a second with the prefix that fits.
pub fn rate(macs: f64) -> String {
	let prefixes = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
	match prefixes.iter().find(|(size, _)| macs >= *size) {
		Some((size, name)) => format!("{:.2} {name}MAC/s", macs / size),
		None => format!("{macs:.0} MAC/s"),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::ui::TaskStatus;
	use ratatui::{backend::TestBackend, Terminal};

	fn drawn(status: &Status, losses: &[f64]) -> String {
		let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
		terminal.draw(|frame| draw(frame, status, losses)).unwrap();
		terminal.backend().to_string()
	}

	#[test]
	fn the_dashboard_should_show_task_rate_and_problem() {
		let status = Status {
			device: "Some GPU".into(),
			macs_per_s_10s: 2.5e12,
			seals_accepted: 3,
			last_error: Some("no connection".into()),
			task: Some(TaskStatus {
				id: 7,
				attempt: 1,
				phase: "running",
				segment: 2,
				segments: 5,
				step: 20,
				steps: 50,
				loss: Some(0.25),
				resumed_from: None,
			}),
			..Status::default()
		};
		let picture = drawn(&status, &[1.0, 0.5, 0.25]);
		for part in [
			"Some GPU",
			"2.50 TMAC/s",
			"3 accepted",
			"task 7 running",
			"loss 0.2500",
			"no connection",
		] {
			assert!(picture.contains(part), "{part}:\n{picture}");
		}
		// An empty status has to be drawn, too.
		assert!(drawn(&Status::default(), &[]).contains("no task"));
	}

	#[test]
	fn rates_should_have_the_prefix_that_fits() {
		assert_eq!(rate(0.0), "0 MAC/s");
		assert_eq!(rate(1500.0), "1.50 kMAC/s");
		assert_eq!(rate(3.2e15), "3.20 PMAC/s");
	}
}
