// SPDX-License-Identifier: Apache-2.0

//! Results as a Markdown table, as JSON, and as a plot of the loss curves.

use super::{
	cases::{Case, Pair, Times},
	integer::Score,
	minilm,
};
use serde_json::{json, Value};
use std::fmt::Write as _;

/// Held-out accuracy may be this much lower.
pub const ACCURACY_BAR: f64 = 0.003;
/// Held-out loss may be this share higher.
pub const LOSS_BAR: f64 = 0.01;

/// Results of a case.
#[derive(Clone, Debug)]
pub struct Row {
	/// The case.
	pub case: Case,
	/// Number of weights.
	pub parameters: u64,
	/// Steps of a training.
	pub steps: u32,
	/// Results of every seed.
	pub pairs: Vec<Pair>,
	/// Times of a step, if they were measured.
	pub times: Option<Times>,
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
	let all: Vec<f64> = values.collect();
	all.iter().sum::<f64>() / all.len().max(1) as f64
}

impl Row {
	/// Mean score of the integer models and of their twins.
	pub fn means(&self) -> (f64, f64) {
		(
			mean(self.pairs.iter().map(|p| p.integer.score)),
			mean(self.pairs.iter().map(|p| p.float.score)),
		)
	}

	/// Whether the integers are as good as the bar asks for.
	pub fn good(&self) -> bool {
		let (integer, float) = self.means();
		match self.case.score {
			Score::Accuracy => integer >= float - ACCURACY_BAR,
			Score::Loss => integer <= float * (1.0 + LOSS_BAR),
		}
	}

	/// Whether a step of the integers takes no longer.
	pub fn fast(&self) -> Option<bool> {
		self.times.map(|t| t.integer <= t.float)
	}

	fn show(&self, score: f64) -> String {
		match self.case.score {
			Score::Accuracy => format!("{:.2} %", score * 100.0),
			Score::Loss => format!("{score:.4}"),
		}
	}

	fn markdown(&self) -> String {
		let (integer, float) = self.means();
		let each = |scores: Vec<f64>| {
			let all: Vec<String> = scores.into_iter().map(|s| self.show(s)).collect();
			all.join(" / ")
		};
		let (difference, bar) = match self.case.score {
			Score::Accuracy => (
				format!("{:+.2} points", (integer - float) * 100.0),
				format!("−{:.1} points", ACCURACY_BAR * 100.0),
			),
			Score::Loss => (
				format!("{:+.2} %", (integer / float - 1.0) * 100.0),
				format!("+{:.0} %", LOSS_BAR * 100.0),
			),
		};
		let rate = self
			.pairs
			.first()
			.map(|p| p.float.rate.to_string())
			.unwrap_or_default();
		let yes = |met: bool| if met { "yes" } else { "**no**" };
		let speed = match self.times {
			Some(t) => format!("{:.2} | {:.2} | {:.2}x", t.integer, t.float, t.float / t.integer),
			None => "– | – | –".into(),
		};
		format!(
			"| {} | {}k | {} | **{}** ({}) | **{}** ({}; rate {rate}) | {difference} | {bar} | {} | {speed} |",
			self.case.title,
			self.parameters / 1000,
			self.steps,
			self.show(integer),
			each(self.pairs.iter().map(|p| p.integer.score).collect()),
			self.show(float),
			each(self.pairs.iter().map(|p| p.float.score).collect()),
			yes(self.good()),
		)
	}

	fn json(&self) -> Value {
		let (integer, float) = self.means();
		json!({
			"case": self.case.name,
			"parameters": self.parameters,
			"steps": self.steps,
			"integer": integer,
			"float": float,
			"seeds": self.pairs.iter().map(|p| json!({
				"seed": p.seed,
				"integer": p.integer.score,
				"float": p.float.score,
				"float_rate": p.float.rate,
				"float_tried": p.float.tried,
			})).collect::<Vec<_>>(),
			"good": self.good(),
			"step_ms": self.times.map(|t| json!({"integer": t.integer, "float": t.float})),
		})
	}
}

/// The table of all cases.
pub fn markdown(rows: &[Row]) -> String {
	let mut text = String::from(
		"| case | weights | steps | integers | float32 (PyTorch AdamW) | difference | bar | met | ms a step, integers | float32 | speed |\n\
		|---|---|---|---|---|---|---|---|---|---|---|\n",
	);
	for row in rows {
		text.push_str(&row.markdown());
		text.push('\n');
	}
	text
}

/// All results.
pub fn json(rows: &[Row], encoder: Option<&minilm::Outcome>, machine: &str) -> Value {
	let cases = rows
		.iter()
		.map(Row::json)
		.chain(encoder.map(minilm::Outcome::json));
	json!({"machine": machine, "cases": cases.collect::<Vec<_>>()})
}

/// What the figures were measured on.
pub fn machine(threads: usize) -> String {
	let model = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
		let line = text.lines().find(|l| l.starts_with("model name"))?;
		Some(line.split_once(':')?.1.trim().to_string())
	});
	format!(
		"{threads} threads on {}, {}",
		model.unwrap_or_else(|| "an unnamed CPU".into()),
		std::env::consts::OS
	)
}

const PANEL: (f64, f64) = (420.0, 260.0);
const MARGIN: f64 = 45.0;

/// Loss curves of the first seed, one panel for each case.
pub fn plot(rows: &[Row]) -> String {
	let columns = 2;
	let lines = rows.len().div_ceil(columns);
	let (width, height) = (PANEL.0 * columns as f64, PANEL.1 * lines as f64);
	let mut svg = format!(
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
		<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
	);
	for (n, row) in rows.iter().enumerate() {
		let (x, y) = ((n % columns) as f64 * PANEL.0, (n / columns) as f64 * PANEL.1);
		let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">{}</g>", panel(row));
	}
	svg.push_str("</svg>\n");
	svg
}

fn panel(row: &Row) -> String {
	let Some(pair) = row.pairs.first() else {
		return String::new();
	};
	let curves = [
		("integers", "#c2410c", smooth(&pair.integer.losses)),
		("float32", "#1d4ed8", smooth(&pair.float.losses)),
	];
	let all = || curves.iter().flat_map(|c| c.2.iter().copied());
	let (low, high) = all().fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
	let range = (high - low).max(1e-9);
	let (width, height) = (PANEL.0 - 2.0 * MARGIN, PANEL.1 - 2.0 * MARGIN);
	let mut text = format!(
		"<text x=\"{MARGIN}\" y=\"20\" font-weight=\"bold\">{}</text>\
		<rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#999\"/>\
		<text x=\"{MARGIN}\" y=\"{:.0}\">step 0</text>\
		<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
		<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{high:.2}</text>\
		<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{low:.2}</text>",
		row.case.title,
		MARGIN + height + 14.0,
		MARGIN + width,
		MARGIN + height + 14.0,
		row.steps,
		MARGIN - 4.0,
		MARGIN + 8.0,
		MARGIN - 4.0,
		MARGIN + height,
	);
	for (n, (name, colour, values)) in curves.iter().enumerate() {
		let mut points = String::new();
		for (i, v) in values.iter().enumerate() {
			let px = MARGIN + width * i as f64 / values.len().saturating_sub(1).max(1) as f64;
			let py = MARGIN + height * (high - v) / range;
			let _ = write!(points, "{px:.1},{py:.1} ");
		}
		let _ = write!(
			text,
			"<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.2\"/>\
			<text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\" text-anchor=\"end\">{name}</text>",
			MARGIN + width - 6.0,
			MARGIN + 16.0 + 14.0 * n as f64,
		);
	}
	text
}

/// At most 120 points, each a mean of its neighbours.
fn smooth(losses: &[f64]) -> Vec<f64> {
	let window = losses.len().div_ceil(120).max(1);
	losses
		.chunks(window)
		.map(|part| part.iter().sum::<f64>() / part.len() as f64)
		.collect()
}
