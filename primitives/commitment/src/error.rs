// SPDX-License-Identifier: Apache-2.0

//! What can be wrong with sizes, indices and paths.

use core::fmt;

/// Why a commitment could not be made or an opening could not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
	/// The number of rows is zero or above [`crate::MAX_ROWS`].
	Rows {
		/// Rows asked for.
		rows: u32,
	},
	/// The number of bytes in a row is zero or above [`crate::MAX_ROW_BYTES`].
	RowBytes {
		/// Bytes in a row asked for.
		row_bytes: u32,
	},
	/// The data has another length than its sizes say.
	Length {
		/// Bytes that the sizes ask for.
		expected: u64,
		/// Bytes given.
		got: u64,
	},
	/// The number of leaves does not belong to the sizes (or is too large for a list).
	LeafCount {
		/// Leaves that the sizes ask for (for a list: the most allowed).
		expected: u64,
		/// Leaves given.
		got: u64,
	},
	/// The index names no leaf.
	Index {
		/// Index asked for.
		index: u32,
		/// Leaves that exist.
		count: u32,
	},
	/// The path has another length than the depth of the tree.
	PathLength {
		/// Depth of the tree.
		expected: u32,
		/// Hashes given.
		got: u64,
	},
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Rows { rows } => {
				write!(
					f,
					"{rows} rows: a committed matrix has 1 to {} rows",
					crate::MAX_ROWS
				)
			}
			Self::RowBytes { row_bytes } => {
				write!(
					f,
					"{row_bytes} bytes in a row: a committed matrix has 1 to {} bytes in a row",
					crate::MAX_ROW_BYTES
				)
			}
			Self::Length { expected, got } => {
				write!(
					f,
					"got {got} bytes where the sizes say {expected}: give the whole unpadded matrix or block"
				)
			}
			Self::LeafCount { expected, got } => {
				write!(f, "got {got} leaves where {expected} are expected or allowed")
			}
			Self::Index { index, count } => {
				write!(
					f,
					"leaf {index} does not exist: the tree has {count} leaves, counted from 0"
				)
			}
			Self::PathLength { expected, got } => {
				write!(
					f,
					"the path has {got} hashes, the tree is {expected} deep: give one sibling for each level"
				)
			}
		}
	}
}

impl core::error::Error for Error {}
