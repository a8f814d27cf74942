// SPDX-License-Identifier: Apache-2.0

//! The IDX format, in which image sets such as MNIST come: a header of sizes, then bytes.
//!
//! `00 00 08 d` for unsigned bytes in `d` dimensions, `d` big-endian 32-bit sizes, the bytes.

use crate::{
	dataset::{open, Encoding, Examples, MAX_DATA_BYTES, MAX_FEATURES},
	error::ModelError,
};
use std::{
	io::{ErrorKind, Read},
	path::Path,
};

/// Most dimensions of an array.
const MAX_DIMENSIONS: usize = 8;
/// The number type that is read: unsigned bytes.
const UNSIGNED_BYTE: u8 = 8;

/// An array of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
	/// Sizes, outermost first.
	pub sizes: Vec<usize>,
	/// Row-major bytes.
	pub bytes: Vec<u8>,
}

/// Reads an IDX file (unpacked if its name ends in `.gz`).
///
/// # Errors
/// If the header is not one of an array of unsigned bytes, claims more than can be read, or does not fit the bytes.
pub fn read_idx(path: &Path) -> Result<Idx, ModelError> {
	let mut reader = open(path)?;
	let fault = |reason: String| ModelError::Data {
		path: path.into(),
		row: 0,
		reason,
	};
	let cut = |error: std::io::Error, what: &str| {
		if error.kind() == ErrorKind::UnexpectedEof {
			fault(format!("it ends inside of its {what}: fetch the file again"))
		} else {
			ModelError::File {
				path: path.into(),
				error,
			}
		}
	};
	let mut magic = [0u8; 4];
	reader.read_exact(&mut magic).map_err(|e| cut(e, "header"))?;
	let [0, 0, UNSIGNED_BYTE, dimensions] = magic else {
		return Err(fault(format!(
			"it starts with {magic:02x?}, an IDX file of unsigned bytes with 00 00 08: give such a file"
		)));
	};
	let dimensions = usize::from(dimensions);
	if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
		return Err(fault(format!(
			"{dimensions} dimensions: 1 to {MAX_DIMENSIONS} are read"
		)));
	}
	let mut sizes = Vec::with_capacity(dimensions);
	let mut count = 1u64;
	for _ in 0..dimensions {
		let mut size = [0u8; 4];
		reader.read_exact(&mut size).map_err(|e| cut(e, "header"))?;
		let size = u32::from_be_bytes(size);
		count = count.saturating_mul(size.into());
		sizes.push(size as usize);
	}
	if count == 0 || count > MAX_DATA_BYTES {
		return Err(fault(format!(
			"its header claims {sizes:?} values: 1 to {MAX_DATA_BYTES} are read"
		)));
	}
	// What the header claims is not allocated: the buffer grows with the bytes that are there.
	let mut bytes = Vec::new();
	reader
		.take(count + 1)
		.read_to_end(&mut bytes)
		.map_err(|e| cut(e, "values"))?;
	if bytes.len() as u64 != count {
		let more = if bytes.len() as u64 > count {
			"more"
		} else {
			"fewer"
		};
		return Err(fault(format!(
			"its header claims {sizes:?} = {count} values and there are {more}: fetch the file again"
		)));
	}
	Ok(Idx { sizes, bytes })
}

/// Reads a file of images (or any arrays) and a file of their labels.
///
/// # Errors
/// As [`read_idx`]; if the files don't have the same number of examples, a value does not fit int7 after the encoding,
/// or a label is no class.
pub fn read_labelled(
	images: &Path,
	labels: &Path,
	encoding: &Encoding,
	classes: u32,
) -> Result<Examples, ModelError> {
	let (x, y) = (read_idx(images)?, read_idx(labels)?);
	let fault = |path: &Path, row: usize, reason: String| ModelError::Data {
		path: path.into(),
		row,
		reason,
	};
	let (rows, features) = match x.sizes.split_first() {
		Some((rows, rest)) if !rest.is_empty() => (*rows, rest.iter().product::<usize>()),
		_ => {
			let reason = "one dimension: the first file has the examples, the second their labels".into();
			return Err(fault(images, 0, reason));
		}
	};
	if y.sizes != [rows] {
		let reason = format!(
			"sizes {:?}: it must have one label for each of the {rows} examples",
			y.sizes
		);
		return Err(fault(labels, 0, reason));
	}
	if features > MAX_FEATURES {
		let reason = format!("{features} values in an example: at most {MAX_FEATURES} are read");
		return Err(fault(images, 0, reason));
	}
	let mut values = Vec::with_capacity(x.bytes.len());
	for (n, byte) in x.bytes.iter().enumerate() {
		let value = encoding
			.mantissa((*byte).into())
			.map_err(|reason| fault(images, n / features.max(1) + 1, reason))?;
		values.push(value);
	}
	let mut classed = Vec::with_capacity(rows);
	for (n, label) in y.bytes.iter().enumerate() {
		if u32::from(*label) >= classes {
			let most = classes.saturating_sub(1);
			let reason = format!("label {label}: it must be a class from 0 to {most}");
			return Err(fault(labels, n + 1, reason));
		}
		classed.push((*label).into());
	}
	Ok(Examples {
		features: features as u32,
		values,
		labels: classed,
	})
}
