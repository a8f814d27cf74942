// SPDX-License-Identifier: Apache-2.0

//! Data sets: readers, the split into training and held-out part, and the tensors that programs read.

use crate::error::{field, ModelError};
use poaiw_program::{DataDecl, Element, Tensor, TensorDecl, TensorError};
use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::{Read, Take},
	path::Path,
};

/// Most bytes that are read out of a (compressed) data file.
pub const MAX_DATA_BYTES: u64 = 1 << 30;
/// Most values of an example.
pub const MAX_FEATURES: usize = 1 << 20;
/// Largest magnitude of a value after the offset: an int7 operand.
const VALUE_MAX: i64 = 63;

/// A classification data set in memory: integer features and a label for every example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
	/// Values of an example.
	pub features: u32,
	/// Row-major values, the offset already taken off.
	pub values: Vec<i8>,
	/// A class number for every example.
	pub labels: Vec<i32>,
}

/// How values of a file become int7 mantissas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
	/// Taken off every value.
	#[serde(default)]
	pub offset: i32,
	/// value = mantissa · 2^exponent.
	#[serde(default)]
	pub exponent: i32,
}

/// Which examples are held out: those whose index leaves `remainder` when divided by `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
	/// Divisor, 2 or more.
	pub every: u32,
	/// Remainder, below the divisor.
	#[serde(default)]
	pub remainder: u32,
}

/// A data set cut into the four tensors of a classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
	/// Values of an example.
	pub features: u32,
	/// Number of classes.
	pub classes: u32,
	/// Exponent of the unit of the values.
	pub exponent: i32,
	/// Training values, training labels, held-out values, held-out labels.
	pub tensors: [Tensor; 4],
}

fn open(path: &Path) -> Result<Take<Box<dyn Read>>, ModelError> {
	let file = File::open(path).map_err(|error| ModelError::File {
		path: path.into(),
		error,
	})?;
	let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
		Box::new(flate2::read::GzDecoder::new(file))
	} else {
		Box::new(file)
	};
	// One byte more than allowed, so that a longer file is noticed and not cut off.
	Ok(reader.take(MAX_DATA_BYTES + 1))
}

/// Reads a CSV file (`.csv` or `.csv.gz`) without a header: integer values, the label in the last column.
///
/// # Errors
/// The row and value that is not an integer, does not fit int7 after the offset, or is no class.
pub fn read_csv(path: &Path, encoding: &Encoding, classes: u32) -> Result<Examples, ModelError> {
	let fault = |row: usize, reason: String| ModelError::Data {
		path: path.into(),
		row,
		reason,
	};
	let mut reader = csv::ReaderBuilder::new()
		.has_headers(false)
		.from_reader(open(path)?);
	let (mut values, mut labels, mut features) = (Vec::new(), Vec::new(), 0);
	for (n, record) in reader.records().enumerate() {
		let row = n + 1;
		let record =
			record.map_err(|e| fault(row, format!("{e}: give a CSV file with rows of one length")))?;
		if record.len() < 2 || record.len() > MAX_FEATURES {
			let reason = format!(
				"{} columns: give values and a label in the last column",
				record.len()
			);
			return Err(fault(row, reason));
		}
		features = record.len() - 1;
		for (column, text) in record.iter().enumerate() {
			let value: i64 = text.trim().parse().map_err(|_| {
				fault(
					row,
					format!(
						"column {}: `{text}` is not an integer: scale the data to integers",
						column + 1
					),
				)
			})?;
			if column < features {
				let shifted = value.saturating_sub(encoding.offset.into());
				if !(-VALUE_MAX..=VALUE_MAX).contains(&shifted) {
					let reason = format!(
						"column {}: {value} - offset {} is {shifted}, outside of -63 to 63: change the offset or scale the data",
						column + 1,
						encoding.offset
					);
					return Err(fault(row, reason));
				}
				values.push(shifted as i8);
			} else {
				let label = i32::try_from(value)
					.ok()
					.filter(|l| *l >= 0 && i64::from(*l) < classes.into());
				labels.push(label.ok_or_else(|| {
					fault(
						row,
						format!(
							"label {value}: it must be a class from 0 to {}",
							classes.saturating_sub(1)
						),
					)
				})?);
			}
		}
	}
	if reader.position().byte() > MAX_DATA_BYTES {
		return Err(fault(
			0,
			format!("more than {MAX_DATA_BYTES} bytes: use a smaller data set"),
		));
	}
	if labels.is_empty() {
		return Err(fault(0, "no rows: give a CSV file with examples".into()));
	}
	Ok(Examples {
		features: features as u32,
		values,
		labels,
	})
}

impl Examples {
	/// Cuts the examples into a training and a held-out part.
	///
	/// # Errors
	/// If the rule is not a division with remainder, or a part is empty.
	pub fn split(&self, rule: &HeldOut, classes: u32, exponent: i32) -> Result<Split, ModelError> {
		if rule.every < 2 {
			return Err(field("data.held_out.every", rule.every, "give 2 or more".into()));
		}
		if rule.remainder >= rule.every {
			return Err(field(
				"data.held_out.remainder",
				rule.remainder,
				format!("give 0 to {}", rule.every - 1),
			));
		}
		let width = self.features as usize;
		let mut parts = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
		for (n, (row, label)) in self
			.values
			.chunks_exact(width.max(1))
			.zip(&self.labels)
			.enumerate()
		{
			let held_out = n as u64 % u64::from(rule.every) == u64::from(rule.remainder);
			let part = &mut parts[usize::from(held_out)];
			part.0.extend_from_slice(row);
			part.1.push(*label);
		}
		let [(train, train_labels), (test, test_labels)] = parts;
		if train_labels.is_empty() || test_labels.is_empty() {
			return Err(field(
				"data.held_out.every",
				rule.every,
				format!(
					"the file has {} examples: one part would be empty",
					self.labels.len()
				),
			));
		}
		let (train_rows, test_rows) = (train_labels.len() as u32, test_labels.len() as u32);
		let tensors = (|| -> Result<_, TensorError> {
			Ok([
				Tensor::from_i8(train_rows, self.features, train)?,
				Tensor::from_i32(train_rows, 1, train_labels)?,
				Tensor::from_i8(test_rows, self.features, test)?,
				Tensor::from_i32(test_rows, 1, test_labels)?,
			])
		})()
		.map_err(|e| field("data", "split", e.to_string()))?;
		Ok(Split {
			features: self.features,
			classes,
			exponent,
			tensors,
		})
	}
}

impl Split {
	/// Declarations of the four tensors: sizes, ranges and commitments. Both value tensors share one range.
	///
	/// # Errors
	/// If a tensor is too large for a commitment.
	pub fn declarations(&self) -> Result<Vec<DataDecl>, ModelError> {
		let all = self
			.tensors
			.iter()
			.filter_map(Tensor::i8s)
			.flatten()
			.map(|x| i32::from(*x));
		let (lo, hi) = all.fold((0, 0), |(lo, hi), x| (lo.min(x), hi.max(x)));
		self.tensors
			.iter()
			.map(|t| {
				let (lo, hi) = match t.element() {
					Element::I8 => (lo, hi),
					Element::I32 => (0, self.classes.saturating_sub(1) as i32),
				};
				Ok(DataDecl {
					tensor: TensorDecl::new(t.element(), t.rows(), t.cols(), lo, hi),
					root: t.root().map_err(|e| field("data", "data set", e.to_string()))?,
				})
			})
			.collect()
	}
}
