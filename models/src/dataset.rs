// SPDX-License-Identifier: Apache-2.0

//! Data sets: readers, the split into training and held-out part, and the tensors that programs read.

use crate::{
	error::{field, ModelError},
	safetensors_file::{to_mantissas, TensorFile},
};
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
/// Tensors of a data set in a file of named tensors.
const VALUES: &str = "values";
const LABELS: &str = "labels";

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
	/// Bits that fall off after that, rounding down.
	#[serde(default)]
	pub shift: u32,
	/// value = mantissa · 2^exponent.
	#[serde(default)]
	pub exponent: i32,
}

impl Encoding {
	/// The int7 mantissa of a value of a file.
	///
	/// # Errors
	/// If it does not fit, with what to do.
	pub fn mantissa(&self, value: i64) -> Result<i8, String> {
		let shifted = value.saturating_sub(self.offset.into()) >> self.shift.min(63);
		if !(-VALUE_MAX..=VALUE_MAX).contains(&shifted) {
			let by = match self.shift {
				0 => String::new(),
				bits => format!(", shifted right by {bits},"),
			};
			return Err(format!(
				"{value} - offset {}{by} is {shifted}, outside of -63 to 63: change the offset or scale the data",
				self.offset
			));
		}
		Ok(shifted as i8)
	}
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

pub(crate) fn open(path: &Path) -> Result<Take<Box<dyn Read>>, ModelError> {
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
				let mantissa = encoding.mantissa(value);
				values
					.push(mantissa.map_err(|reason| fault(row, format!("column {}: {reason}", column + 1)))?);
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

/// Reads a file of named tensors: `values` `[n, …]` of numbers, `labels` `[n]` of integers. Gives the examples and the
/// exponent of the unit of their values: that of the encoding for integers; for floats the least with which they fit int7.
///
/// # Errors
/// If the file is not sound, sizes don't fit each other, a value is not finite or does not fit, or a label is no class.
pub fn read_tensors(path: &Path, encoding: &Encoding, classes: u32) -> Result<(Examples, i32), ModelError> {
	let file = TensorFile::open(path)?;
	let shape = file.shape(VALUES)?;
	let (rows, features) = match shape.split_first() {
		Some((rows, rest)) if !rest.is_empty() && !shape.contains(&0) => {
			(*rows, rest.iter().fold(1usize, |n, size| n.saturating_mul(*size)))
		}
		_ => {
			let reason = format!("its sizes are {shape:?}: give [examples, values]");
			return Err(file.fault(VALUES, reason));
		}
	};
	if features > MAX_FEATURES {
		let reason = format!("{features} values in an example: at most {MAX_FEATURES} are read");
		return Err(file.fault(VALUES, reason));
	}
	let (values, exponent) = if file.is_integer(VALUES)? {
		let all = file.integers(VALUES)?.values;
		let values: Result<Vec<i8>, String> = all.into_iter().map(|v| encoding.mantissa(v)).collect();
		(
			values.map_err(|reason| file.fault(VALUES, reason))?,
			encoding.exponent,
		)
	} else {
		if *encoding != Encoding::plain() {
			let remedy = "leave it out: floats get the exponent with which they fit";
			return Err(field("data.encoding", "given", remedy.into()));
		}
		to_mantissas(&file.floats(VALUES)?.values, VALUE_MAX as i8)
	};
	let labels = file.integers(LABELS)?;
	if labels.shape != [rows] {
		let reason = format!(
			"its sizes are {:?}: give one label for each of {rows} examples",
			labels.shape
		);
		return Err(file.fault(LABELS, reason));
	}
	let class = |label: &i64| {
		let found = i32::try_from(*label).ok();
		found
			.filter(|l| (0..i64::from(classes)).contains(&i64::from(*l)))
			.ok_or_else(|| {
				let most = classes.saturating_sub(1);
				file.fault(
					LABELS,
					format!("label {label}: it must be a class from 0 to {most}"),
				)
			})
	};
	let labels = labels.values.iter().map(class).collect::<Result<_, _>>()?;
	let examples = Examples {
		features: features as u32,
		values,
		labels,
	};
	Ok((examples, exponent))
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
