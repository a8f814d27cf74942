// SPDX-License-Identifier: Apache-2.0

//! Checks files of test vectors, of tickets and of the retarget rule, as the reference programs write them.
//!
//! A case is computed again from its inputs into an object of the same form, and *every* field of the two is
//! compared; a field that is unknown or absent fails the case.

use serde_json::{Map, Value};
use std::{fmt, string::String, vec::Vec};

mod asert;
mod tile;

/// Outcome of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
	/// Cases in which every field agrees.
	pub passed: usize,
	/// Names of the other cases, with what is wrong.
	pub failed: Vec<(String, String)>,
}

impl fmt::Display for Report {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{} passed, {} failed", self.passed, self.failed.len())
	}
}

/// Why a file can't be checked at all.
#[derive(Debug)]
pub enum Error {
	/// Not JSON.
	Json(serde_json::Error),
	/// JSON, but not a list of vectors.
	Format(&'static str),
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Json(error) => write!(f, "not a JSON file: {error}"),
			Self::Format(text) => write!(f, "not a file of vectors: {text}"),
		}
	}
}

impl std::error::Error for Error {}

/// Checks the text of one file; the form of each entry says whether it is a ticket or a retarget.
///
/// # Errors
/// If the text is not a non-empty JSON list of objects of one of the known forms.
pub fn check_file(text: &str) -> Result<Report, Error> {
	let cases: Vec<Map<String, Value>> = match serde_json::from_str(text).map_err(Error::Json)? {
		Value::Array(list) if !list.is_empty() => list
			.into_iter()
			.map(|entry| match entry {
				Value::Object(object) => Ok(object),
				_ => Err(Error::Format("an entry is not an object")),
			})
			.collect::<Result<_, _>>()?,
		_ => return Err(Error::Format("expected a list with at least one entry")),
	};
	let mut report = Report::default();
	for (number, case) in cases.iter().enumerate() {
		let (name, computed) = if case.contains_key("anchor_target") {
			(format!("asert {number}"), asert::compute(case))
		} else if let Some(name) = case.get("name").and_then(Value::as_str) {
			(name.to_string(), tile::compute(name, case))
		} else {
			return Err(Error::Format(
				"an entry has neither \"anchor_target\" nor \"name\"",
			));
		};
		match computed.and_then(|computed| compare(case, &computed)) {
			Ok(()) => report.passed += 1,
			Err(text) => report.failed.push((name, text)),
		}
	}
	Ok(report)
}

fn compare(given: &Map<String, Value>, computed: &Map<String, Value>) -> Result<(), String> {
	for (key, value) in given {
		match computed.get(key) {
			Some(expected) if expected == value => {}
			Some(expected) => return Err(format!("{key}: the file says {value}, computed {expected}")),
			None => return Err(format!("{key}: this field is not known")),
		}
	}
	match computed.keys().find(|key| !given.contains_key(*key)) {
		Some(key) => Err(format!("{key}: this field is missing")),
		None => Ok(()),
	}
}

fn text<'a>(case: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
	case.get(key)
		.and_then(Value::as_str)
		.ok_or_else(|| format!("{key}: expected a string"))
}

fn number(case: &Map<String, Value>, key: &str) -> Result<u64, String> {
	case.get(key)
		.and_then(Value::as_u64)
		.ok_or_else(|| format!("{key}: expected a whole number"))
}

fn number32(case: &Map<String, Value>, key: &str) -> Result<u32, String> {
	u32::try_from(number(case, key)?).map_err(|_| format!("{key}: does not fit 32 bits"))
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(case: &Map<String, Value>, key: &str) -> Result<[u8; 32], String> {
	let text = text(case, key)?;
	let wrong = || format!("{key}: expected 64 hexadecimal digits");
	if text.len() != 64 || !text.is_ascii() {
		return Err(wrong());
	}
	let mut out = [0; 32];
	for (i, byte) in out.iter_mut().enumerate() {
		*byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
	}
	Ok(out)
}

#[cfg(test)]
mod tests {
	use super::*;

	const TICKETS: &str = include_str!("../../vectors/work_ticket.json");
	/// Cases of the same shapes over other data.
	const MORE: &str = include_str!("../../vectors/work_ticket_more.json");
	const ASERT: &str = include_str!("../../vectors/asert.json");

	#[test]
	fn all_given_vectors_should_pass() {
		for (text, count) in [(TICKETS, 8), (MORE, 8), (ASERT, 132)] {
			let report = check_file(text).unwrap();
			assert_eq!(report.failed, []);
			assert_eq!(report.passed, count);
		}
	}

	/// Changes a value so that it stays of its kind.
	fn corrupt(value: &mut Value) {
		match value {
			Value::Bool(flag) => *flag = !*flag,
			// A millisecond more may give the same target, so large numbers change by much.
			Value::Number(number) => {
				let number = number.as_i64().unwrap_or(0);
				*value = if number > 1000 { number / 2 } else { number ^ 1 }.into();
			}
			Value::String(text) => {
				let last = if text.ends_with('0') { '1' } else { '0' };
				text.pop();
				text.push(last);
			}
			Value::Array(list) if list.is_empty() => list.push(0.into()),
			Value::Array(list) => corrupt(list.last_mut().unwrap()),
			_ => *value = 1.into(),
		}
	}

	#[test]
	fn every_field_should_be_compared() {
		for file in [TICKETS, ASERT] {
			let cases: Vec<Map<String, Value>> = serde_json::from_str(file).unwrap();
			let cases = if file == ASERT { &cases[..3] } else { &cases[..] };
			for case in cases {
				for key in case.keys() {
					let mut wrong = case.clone();
					corrupt(&mut wrong[key]);
					let text = serde_json::to_string(&[&wrong]).unwrap();
					let report = check_file(&text).unwrap();
					assert_eq!(report.failed.len(), 1, "{key} of {:?}", case.get("name"));
					let mut absent = case.clone();
					absent.remove(key);
					let text = serde_json::to_string(&[&absent]).unwrap();
					assert!(
						check_file(&text).map_or(true, |report| report.failed.len() == 1),
						"{key}"
					);
				}
				let mut more = case.clone();
				more.insert("surprise".into(), 1.into());
				let report = check_file(&serde_json::to_string(&[&more]).unwrap()).unwrap();
				assert_eq!(report.failed[0].1, "surprise: this field is not known");
			}
		}
	}

	#[test]
	fn other_files_should_be_refused_with_a_reason() {
		for text in ["", "{}", "[]", "[1]", "[{}]", "[{\"name\":1}]"] {
			assert!(check_file(text).is_err(), "{text}");
		}
	}

	#[test]
	fn hostile_sizes_should_fail_without_being_allocated() {
		for (key, value) in [
			("m", u64::MAX),
			("m", 1 << 20),
			("k", 1 << 40),
			("rank", 0),
			("rank", 33),
			("tile_a", 1 << 30),
			("window", u64::from(u32::MAX)),
			("accesses", u64::from(u32::MAX)),
			("cache_items", u64::from(u32::MAX)),
			("dataset_items", 0),
		] {
			let mut cases: Vec<Map<String, Value>> = serde_json::from_str(TICKETS).unwrap();
			let case = &mut cases[5];
			case.insert("k".into(), (1 << 16).into());
			case.insert(key.into(), value.into());
			let report = check_file(&serde_json::to_string(&[&*case]).unwrap()).unwrap();
			assert_eq!(report.passed, 0, "{key}");
		}
	}
}
