// SPDX-License-Identifier: Apache-2.0

//! What can be wrong with a manifest, an architecture, or data.

use poaiw_program::ValidateError;
use std::{fmt::Display, path::PathBuf};

/// Why a task could not be built. Every message names the field or file, its value, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
	/// Not TOML, or a field is unknown, missing or of another type.
	#[error("{0}")]
	Toml(String),
	/// A value is out of its bounds.
	#[error("`{field}` is {value}: {remedy}")]
	Field {
		/// The field, as a path.
		field: String,
		/// Its value.
		value: String,
		/// What to do.
		remedy: String,
	},
	/// A file could not be read.
	#[error("{}: {error}: check the path (relative paths start at the manifest's folder)", path.display())]
	File {
		/// The file.
		path: PathBuf,
		/// Why.
		error: std::io::Error,
	},
	/// A data file has an error.
	#[error("{}, row {row}: {reason}", path.display())]
	Data {
		/// The file.
		path: PathBuf,
		/// Row, from 1 (0: the file as a whole).
		row: usize,
		/// What is wrong and what to do.
		reason: String,
	},
	/// A tensor of a file can't be used.
	#[error("{}, tensor `{tensor}`: {reason}", path.display())]
	Tensor {
		/// The file.
		path: PathBuf,
		/// Name of the tensor (empty: the file as a whole).
		tensor: String,
		/// What is wrong and what to do.
		reason: String,
	},
	/// The data is not the expected one.
	#[error("{}: the data sets have root {got}, the manifest expects {expected}: fetch the original file, or correct `data.root`", path.display())]
	Root {
		/// The file.
		path: PathBuf,
		/// Root of the data that was read.
		got: String,
		/// Root in the manifest.
		expected: String,
	},
	/// The programs that came out are not valid.
	#[error("the model cannot be compiled: {0}")]
	Compile(#[from] ValidateError),
	/// An instruction could not be written.
	#[error("the model cannot be compiled: {place}: {reason}: use narrower layers or a smaller batch")]
	Emit {
		/// Part of the model.
		place: String,
		/// The bound that does not hold.
		reason: poaiw_program::Reason,
	},
}

/// A value that is out of its bounds.
pub(crate) fn field(field: &str, value: impl Display, remedy: String) -> ModelError {
	ModelError::Field {
		field: field.into(),
		value: value.to_string(),
		remedy,
	}
}
