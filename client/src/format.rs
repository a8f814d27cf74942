// SPDX-License-Identifier: Apache-2.0

//! How amounts, sizes and curves are shown and read.

use poaiw_primitives::{Balance, UNIT};

/// Digits after the point of one token.
const DECIMALS: usize = UNIT.ilog10() as usize;

/// An amount in tokens without needless zeroes: `1.5`, `0.000000000001`. Exact.
pub fn amount(value: Balance) -> String {
	let (whole, part) = (value / UNIT, value % UNIT);
	if part == 0 {
		return whole.to_string();
	}
	format!("{whole}.{part:0DECIMALS$}")
		.trim_end_matches('0')
		.to_string()
}

/// Reads an amount in tokens, such as `12`, `0.5` or `1_000.25`.
///
/// # Errors
/// If it is not a decimal number, has more digits after the point than the token, or is too large; the text says which.
pub fn parse_amount(text: &str) -> Result<Balance, String> {
	let wrong = || {
		format!("`{text}` is not an amount: write tokens as digits with an optional point, such as 12 or 0.5")
	};
	let clean = text.trim().replace('_', "");
	let (whole, part) = clean.split_once('.').unwrap_or((&clean, ""));
	let digits = |x: &str| x.bytes().all(|b| b.is_ascii_digit());
	if (whole.is_empty() && part.is_empty()) || !digits(whole) || !digits(part) {
		return Err(wrong());
	}
	if part.len() > DECIMALS {
		return Err(format!(
			"`{text}` has {} digits after the point: a token has {DECIMALS}",
			part.len()
		));
	}
	let large = || format!("`{text}` is more than any account can hold");
	let whole: Balance = if whole.is_empty() {
		0
	} else {
		whole.parse().map_err(|_| large())?
	};
	let part: Balance = format!("{part:0<DECIMALS$}").parse().map_err(|_| wrong())?;
	whole
		.checked_mul(UNIT)
		.and_then(|x| x.checked_add(part))
		.ok_or_else(large)
}

/// A byte count with a binary prefix: `1.5 MiB`.
pub fn bytes(count: u64) -> String {
	scaled(count as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A count of multiply-accumulates: `2.31 GMAC`.
pub fn macs(count: f64) -> String {
	scaled(
		count,
		1000.0,
		&["MAC", "kMAC", "MMAC", "GMAC", "TMAC", "PMAC", "EMAC"],
	)
}

fn scaled(mut value: f64, step: f64, names: &[&str]) -> String {
	let mut names = names.iter();
	let mut name = names.next().copied().unwrap_or("");
	for next in names {
		if value < step {
			break;
		}
		value /= step;
		name = next;
	}
	if value.fract() == 0.0 || value >= 100.0 {
		format!("{value:.0} {name}")
	} else {
		format!("{value:.2} {name}")
	}
}

/// A hash, shortened for tables: `0x1a2b3c4d…9f8e`.
pub fn short_hash(hash: &[u8]) -> String {
	let text = hex::encode(hash);
	match (text.get(..8), text.get(text.len().saturating_sub(4)..)) {
		(Some(head), Some(tail)) if text.len() > 16 => format!("0x{head}…{tail}"),
		_ => format!("0x{text}"),
	}
}

/// Rows of (name, value) with aligned values.
pub fn table(rows: &[(&str, String)]) -> String {
	let width = rows
		.iter()
		.map(|(name, _)| name.chars().count())
		.max()
		.unwrap_or(0);
	rows.iter()
		.map(|(name, value)| format!("  {name:<width$}  {value}\n"))
		.collect()
}

/// A curve in one line of block characters, scaled to its own range; at most `width` points, averaged.
pub fn sparkline(values: &[i32], width: usize) -> String {
	const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
	let points = resample(values, width);
	let (low, high) = range(&points);
	points
		.iter()
		.map(|x| {
			let level = if high > low {
				(x - low) / (high - low) * 7.0
			} else {
				0.0
			};
			BARS.get(level.round() as usize).copied().unwrap_or('█')
		})
		.collect()
}

/// A curve as `height` lines of braille characters, two points a column and four dots a line, with its range at the left.
/// Empty when there are no values.
pub fn braille(values: &[i32], width: usize, height: usize) -> Vec<String> {
	let points = resample(values, width.saturating_mul(2));
	if points.is_empty() || height == 0 {
		return Vec::new();
	}
	let (low, high) = range(&points);
	let dots = height * 4;
	let mut cells = vec![vec![0u8; points.len().div_ceil(2)]; height];
	let row_of = |x: f64| {
		let level = if high > low { (x - low) / (high - low) } else { 0.0 };
		dots - 1 - (level * (dots - 1) as f64).round() as usize
	};
	let mut last = None;
	for (i, x) in points.iter().enumerate() {
		let to = row_of(*x);
		// Dots between neighbours are set too, so that steep parts stay connected.
		let from = last.unwrap_or(to);
		for row in from.min(to)..=from.max(to) {
			if let Some(cell) = cells.get_mut(row / 4).and_then(|line| line.get_mut(i / 2)) {
				*cell |= dot(i % 2, row % 4);
			}
		}
		last = Some(to);
	}
	let label = |line: usize| match line {
		0 => format!("{high:.0}"),
		x if x + 1 == height => format!("{low:.0}"),
		_ => String::new(),
	};
	let labels = label(0).len().max(label(height - 1).len());
	cells
		.iter()
		.enumerate()
		.map(|(line, cells)| {
			let text: String = cells
				.iter()
				.filter_map(|bits| char::from_u32(0x2800 + u32::from(*bits)))
				.collect();
			format!("{:>labels$} ┤{text}", label(line))
		})
		.collect()
}

/// Bit of the dot in a braille character: column 0 or 1, row 0 (top) to 3.
fn dot(column: usize, row: usize) -> u8 {
	match (column, row) {
		(0, 3) => 0x40,
		(1, 3) => 0x80,
		(0, row) => 1 << row,
		(_, row) => 8 << row,
	}
}

/// At most `width` averages of neighbouring values; the values themselves when there are fewer.
fn resample(values: &[i32], width: usize) -> Vec<f64> {
	let buckets = values.len().min(width);
	(0..buckets)
		.filter_map(|i| {
			let part = values.get(i * values.len() / buckets..(i + 1) * values.len() / buckets)?;
			Some(part.iter().map(|x| f64::from(*x)).sum::<f64>() / part.len().max(1) as f64)
		})
		.collect()
}

fn range(points: &[f64]) -> (f64, f64) {
	points
		.iter()
		.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
			(low.min(*x), high.max(*x))
		})
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn amount_should_be_exact_and_short() {
		assert_eq!(amount(0), "0");
		assert_eq!(amount(UNIT), "1");
		assert_eq!(amount(3 * UNIT / 2), "1.5");
		assert_eq!(amount(1), "0.000000000001");
	}

	#[test]
	fn parse_amount_should_refuse_what_is_no_amount() {
		for text in ["", ".", "-1", "1e3", "1.2.3", "0x10", "1,5"] {
			assert!(
				parse_amount(text).unwrap_err().contains("is not an amount"),
				"{text}"
			);
		}
		assert!(parse_amount("0.0000000000001").unwrap_err().contains("13 digits"));
		assert!(parse_amount("999999999999999999999999999999999999999")
			.unwrap_err()
			.contains("more than"));
	}

	#[test]
	fn sparkline_should_follow_the_curve() {
		assert_eq!(sparkline(&[8, 4, 1], 10), "█▄▁");
		assert_eq!(sparkline(&[5, 5], 10), "▁▁");
		assert_eq!(sparkline(&[], 10), "");
		assert_eq!(sparkline(&(0..1000).collect::<Vec<_>>(), 64).chars().count(), 64);
	}

	#[test]
	fn braille_should_put_the_maximum_on_top_and_the_minimum_at_the_bottom() {
		let lines = braille(&[100, 0], 10, 2);
		// Left dots from the top down, right column joined to it.
		assert_eq!(lines.len(), 2);
		assert!(lines[0].starts_with("100 ┤"), "{lines:?}");
		assert!(lines[1].starts_with("  0 ┤"), "{lines:?}");
		assert!(braille(&[], 10, 4).is_empty());
		assert!(
			braille(&[7], 10, 1)[0].ends_with('⡀'),
			"{:?}",
			braille(&[7], 10, 1)
		);
	}

	#[test]
	fn counts_should_carry_their_unit() {
		assert_eq!(bytes(512), "512 B");
		assert_eq!(bytes(1536), "1.50 KiB");
		assert_eq!(macs(2_310_000_000.0), "2.31 GMAC");
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(256))]

		#[test]
		fn parse_amount_should_undo_amount(value in any::<Balance>()) {
			prop_assert_eq!(parse_amount(&amount(value)).unwrap(), value);
		}

		#[test]
		fn curves_of_any_values_should_have_the_asked_size(
			values in proptest::collection::vec(any::<i32>(), 0..300), width in 1usize..80, height in 1usize..9,
		) {
			let lines = braille(&values, width, height);
			prop_assert_eq!(lines.len(), if values.is_empty() { 0 } else { height });
			prop_assert!(sparkline(&values, width).chars().count() <= width);
		}
	}
}
