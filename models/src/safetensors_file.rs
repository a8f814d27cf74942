// SPDX-License-Identifier: Apache-2.0

//! Files of named tensors in the safetensors format: opened with bounds, read tensor by tensor, and turned into integers.
//!
//! A file is not trusted: its length is bounded before it is loaded, every offset is checked before a tensor is touched,
//! and every error names file and tensor.

use crate::error::ModelError;
use safetensors::{tensor::TensorInfo, Dtype, SafeTensors};
use serde::Deserialize;
use std::{
	collections::HashMap,
	fs::File,
	io::Read,
	path::{Path, PathBuf},
};

/// Longest file.
pub const MAX_FILE_BYTES: u64 = 4 << 30;
/// Longest header: names, types, shapes and offsets of all tensors.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes of the header's length.
const LENGTH_BYTES: usize = 8;

/// A file of named tensors.
#[derive(Debug)]
pub struct TensorFile {
	path: PathBuf,
	bytes: Vec<u8>,
	/// Where the tensors' bytes start.
	start: usize,
	metadata: safetensors::tensor::Metadata,
}

/// The values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Floats {
	/// Sizes, outermost first.
	pub shape: Vec<usize>,
	/// Row-major values, none of them NaN or infinite.
	pub values: Vec<f32>,
}

/// The values of a tensor of an integer type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers {
	/// Sizes, outermost first.
	pub shape: Vec<usize>,
	/// Row-major values.
	pub values: Vec<i64>,
}

/// What of a header is looked at before the whole of it is believed.
#[derive(Deserialize)]
struct Offsets {
	data_offsets: Option<(u64, u64)>,
}

impl TensorFile {
	/// Opens a file.
	///
	/// # Errors
	/// If it can't be read, is too long, or its header does not describe exactly the bytes that follow it.
	pub fn open(path: &Path) -> Result<Self, ModelError> {
		let fault = |error| ModelError::File {
			path: path.into(),
			error,
		};
		let file = File::open(path).map_err(fault)?;
		let size = file.metadata().map_err(fault)?.len();
		if size > MAX_FILE_BYTES {
			return Err(whole(
				path,
				format!("{size} bytes, at most {MAX_FILE_BYTES} are read: split the file"),
			));
		}
		let mut bytes = Vec::new();
		// The length is what is read, whatever the file system said before.
		file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(fault)?;
		Self::from_bytes(path, bytes)
	}

	/// As [`TensorFile::open`], from the bytes of a file; `path` is for messages.
	///
	/// # Errors
	/// As [`TensorFile::open`].
	pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ModelError> {
		check_offsets(&bytes).map_err(|reason| whole(path, reason))?;
		let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| {
			whole(
				path,
				format!("not a sound safetensors file ({error}): export or fetch it again"),
			)
		})?;
		Ok(Self {
			path: path.into(),
			start: LENGTH_BYTES + header,
			bytes,
			metadata,
		})
	}

	/// Names of all tensors, in the order of their bytes.
	pub fn names(&self) -> Vec<String> {
		self.metadata.offset_keys()
	}

	/// Sizes of a tensor, outermost first.
	///
	/// # Errors
	/// If there is no such tensor.
	pub fn shape(&self, name: &str) -> Result<&[usize], ModelError> {
		Ok(&self.info(name)?.shape)
	}

	/// The values of a tensor of any number type, as `f32`.
	///
	/// # Errors
	/// If there is no such tensor, its type is none of F64, F32, F16, BF16 or an integer, or a value is NaN or infinite.
	pub fn floats(&self, name: &str) -> Result<Floats, ModelError> {
		let (info, data) = self.tensor(name)?;
		let values: Vec<f32> = match info.dtype {
			Dtype::F64 => each(data, |b| f64::from_le_bytes(b) as f32),
			Dtype::F32 => each(data, f32::from_le_bytes),
			Dtype::F16 => each(data, |b| half(u16::from_le_bytes(b))),
			Dtype::BF16 => each(data, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
			_ => self.integers(name)?.values.iter().map(|v| *v as f32).collect(),
		};
		if let Some(at) = values.iter().position(|v| !v.is_finite()) {
			let value = values.get(at).copied().unwrap_or(f32::NAN);
			return Err(self.fault(
				name,
				format!("value {at} is {value}: repair the tensor, only finite numbers have an integer form"),
			));
		}
		Ok(Floats {
			shape: info.shape.clone(),
			values,
		})
	}

	/// The values of a tensor of an integer type.
	///
	/// # Errors
	/// If there is no such tensor, its type is no integer, or a value exceeds 63 bits.
	pub fn integers(&self, name: &str) -> Result<Integers, ModelError> {
		let (info, data) = self.tensor(name)?;
		let values: Vec<i64> = match info.dtype {
			Dtype::I8 => each(data, |b| i8::from_le_bytes(b).into()),
			Dtype::U8 | Dtype::BOOL => each(data, |b| u8::from_le_bytes(b).into()),
			Dtype::I16 => each(data, |b| i16::from_le_bytes(b).into()),
			Dtype::U16 => each(data, |b| u16::from_le_bytes(b).into()),
			Dtype::I32 => each(data, |b| i32::from_le_bytes(b).into()),
			Dtype::U32 => each(data, |b| u32::from_le_bytes(b).into()),
			Dtype::I64 => each(data, i64::from_le_bytes),
			Dtype::U64 => {
				let words = each(data, u64::from_le_bytes);
				let small: Result<Vec<i64>, _> = words.into_iter().map(i64::try_from).collect();
				small.map_err(|_| self.fault(name, "a value exceeds 63 bits: scale the data".into()))?
			}
			other => {
				return Err(self.fault(
					name,
					format!("its type is {other:?}: give F64, F32, F16, BF16 or an integer type"),
				))
			}
		};
		Ok(Integers {
			shape: info.shape.clone(),
			values,
		})
	}

	/// Whether a tensor has an integer type.
	///
	/// # Errors
	/// If there is no such tensor.
	pub fn is_integer(&self, name: &str) -> Result<bool, ModelError> {
		Ok(matches!(
			self.info(name)?.dtype,
			Dtype::I8
				| Dtype::U8 | Dtype::BOOL
				| Dtype::I16 | Dtype::U16
				| Dtype::I32 | Dtype::U32
				| Dtype::I64 | Dtype::U64
		))
	}

	/// An error about a tensor of this file.
	pub fn fault(&self, tensor: &str, reason: String) -> ModelError {
		ModelError::Tensor {
			path: self.path.clone(),
			tensor: tensor.into(),
			reason,
		}
	}

	fn info(&self, name: &str) -> Result<&TensorInfo, ModelError> {
		self.metadata.info(name).ok_or_else(|| {
			let mut names = self.names();
			let more = names.len().saturating_sub(8);
			names.truncate(8);
			let rest = if more > 0 {
				format!(" and {more} more")
			} else {
				String::new()
			};
			self.fault(
				name,
				format!("there is no such tensor; the file has {}{rest}", names.join(", ")),
			)
		})
	}

	fn tensor(&self, name: &str) -> Result<(&TensorInfo, &[u8]), ModelError> {
		let info = self.info(name)?;
		let (from, to) = info.data_offsets;
		let data = self.bytes.get(self.start + from..self.start + to);
		Ok((
			info,
			data.ok_or_else(|| self.fault(name, "its bytes are cut off: fetch the file again".into()))?,
		))
	}
}

fn whole(path: &Path, reason: String) -> ModelError {
	ModelError::Data {
		path: path.into(),
		row: 0,
		reason,
	}
}

/// Every offset lies inside of the file: sums of offsets can't overflow after this.
fn check_offsets(bytes: &[u8]) -> Result<(), String> {
	let short = || "it ends before its header does: fetch it again".to_string();
	let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(short)?;
	let length = u64::from_le_bytes(*length);
	if length > MAX_HEADER_BYTES {
		return Err(format!(
			"its header has {length} bytes, at most {MAX_HEADER_BYTES} are read: this is no safetensors file"
		));
	}
	let header = rest.get(..length as usize).ok_or_else(short)?;
	let entries: HashMap<String, Offsets> =
		serde_json::from_slice(header).map_err(|error| format!("its header can't be read: {error}"))?;
	let data = (rest.len() - header.len()) as u64;
	for (name, entry) in &entries {
		let Some((from, to)) = entry.data_offsets else {
			continue;
		};
		if from > to || to > data {
			return Err(format!(
				"tensor `{name}` claims bytes {from} to {to} of {data}: the file is cut off or altered"
			));
		}
	}
	Ok(())
}

fn each<const N: usize, T>(data: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
	data.chunks_exact(N)
		.map(|chunk| {
			let mut bytes = [0; N];
			bytes.copy_from_slice(chunk);
			f(bytes)
		})
		.collect()
}

/// A number of IEEE 754 binary16.
fn half(bits: u16) -> f32 {
	let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
	let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
	sign * match exponent {
		0 => fraction * 2f32.powi(-24),
		31 if fraction == 0.0 => f32::INFINITY,
		31 => f32::NAN,
		_ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
	}
}

/// Mantissas of magnitude `most` or less and the power-of-two exponent that they share: value ≈ mantissa · 2^exponent.
///
/// The exponent is the least with which no mantissa has to be cut off.
pub fn to_mantissas(values: &[f32], most: i8) -> (Vec<i8>, i32) {
	let largest = values.iter().fold(0f32, |m, v| m.max(v.abs()));
	if largest == 0.0 {
		return (vec![0; values.len()], 0);
	}
	let fits = |e: i32| (f64::from(largest) * 2f64.powi(-e)).round() <= f64::from(most);
	// The magnitude of a finite number lies between 2^-149 and 2^128.
	let mut exponent = (f64::from(largest).log2().ceil() as i32) - 8;
	while !fits(exponent) {
		exponent += 1;
	}
	let scale = 2f64.powi(-exponent);
	let mantissas = values
		.iter()
		.map(|v| (f64::from(*v) * scale).round() as i8)
		.collect();
	(mantissas, exponent)
}
