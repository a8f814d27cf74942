// SPDX-License-Identifier: Apache-2.0

//! Where output goes: tables for people, JSON lines for scripts, progress on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use poaiw::{format::table, Error};
use serde_json::{json, Value};
use std::{io::Write, time::Duration};

/// Output of a command.
#[derive(Clone, Copy, Debug)]
pub struct Out {
	/// JSON lines instead of text.
	pub json: bool,
}

impl Out {
	/// Text for people; nothing in JSON mode.
	pub fn text(&self, text: impl AsRef<str>) {
		if !self.json {
			line(text.as_ref());
		}
	}

	/// A table for people; nothing in JSON mode.
	pub fn table(&self, rows: &[(&str, String)]) {
		self.text(table(rows).trim_end_matches('\n'));
	}

	/// A value for scripts; nothing otherwise.
	pub fn value(&self, value: &Value) {
		if self.json {
			line(&value.to_string());
		}
	}

	/// An error: text on standard error, or one JSON line.
	pub fn error(&self, error: &Error) {
		if self.json {
			line(&json!({ "error": { "kind": error.kind(), "message": error.to_string() } }).to_string());
		} else {
			eprintln!("error: {error}");
		}
	}

	/// A bar for `length` bytes; invisible in JSON mode.
	pub fn bytes_bar(&self, length: u64, what: &'static str) -> ProgressBar {
		let style = "{prefix:>12} [{bar:32}] {bytes}/{total_bytes} {msg}";
		self.bar(ProgressBar::new(length), style, what)
	}

	/// A line that is drawn anew while something is waited for.
	pub fn spinner(&self, what: &'static str) -> ProgressBar {
		let bar = self.bar(
			ProgressBar::new_spinner(),
			"{prefix:>12} {spinner} {msg} ({elapsed})",
			what,
		);
		if !self.json {
			bar.enable_steady_tick(Duration::from_millis(200));
		}
		bar
	}

	fn bar(&self, bar: ProgressBar, style: &str, what: &'static str) -> ProgressBar {
		if self.json {
			bar.set_draw_target(ProgressDrawTarget::hidden());
		}
		bar.set_prefix(what);
		match ProgressStyle::with_template(style) {
			Ok(style) => bar.with_style(style),
			Err(_) => bar,
		}
	}
}

/// One line on standard output. A reader that went away (`| head`) is no error.
fn line(text: &str) {
	let _ = writeln!(std::io::stdout(), "{text}");
}
