// SPDX-License-Identifier: Apache-2.0

//! Tensors: declarations, values, their bytes, and the blocks that commitments and the arbiter work on.

use alloc::{vec, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use poaiw_commitment::{block_bytes_of, tensor_root, Hash32, BLOCK_BYTES};
pub use poaiw_commitment::{CHUNK_BYTES, MAX_ROWS, MAX_ROW_BYTES, TILE_ROWS};
use scale_info::TypeInfo;

/// Type of the elements of a tensor.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Element {
	/// Signed byte.
	#[codec(index = 0)]
	I8,
	/// Signed 32-bit word, little-endian.
	#[codec(index = 1)]
	I32,
}

impl Element {
	/// Bytes of one element.
	pub fn bytes(self) -> u32 {
		match self {
			Element::I8 => 1,
			Element::I32 => 4,
		}
	}

	/// Columns of one 512-byte block.
	pub fn block_cols(self) -> u32 {
		CHUNK_BYTES as u32 / self.bytes()
	}

	/// Smallest and largest value that the type can hold.
	pub fn limits(self) -> (i32, i32) {
		match self {
			Element::I8 => (i8::MIN.into(), i8::MAX.into()),
			Element::I32 => (i32::MIN, i32::MAX),
		}
	}
}

/// Sizes, type and proven value range of a tensor.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TensorDecl {
	/// Element type.
	pub element: Element,
	/// Rows, 1 to 2^20.
	pub rows: u32,
	/// Columns, 1 or more; a row has at most 2^22 bytes.
	pub cols: u32,
	/// Smallest value.
	pub lo: i32,
	/// Largest value.
	pub hi: i32,
}

impl TensorDecl {
	/// A declaration; nothing is checked here (see [`crate::validate()`]).
	pub fn new(element: Element, rows: u32, cols: u32, lo: i32, hi: i32) -> Self {
		Self {
			element,
			rows,
			cols,
			lo,
			hi,
		}
	}

	/// An `i32` scalar with a value range.
	pub fn scalar(lo: i32, hi: i32) -> Self {
		Self::new(Element::I32, 1, 1, lo, hi)
	}

	/// Number of elements.
	pub fn elements(&self) -> u64 {
		u64::from(self.rows) * u64::from(self.cols)
	}

	/// Number of bytes.
	pub fn size(&self) -> u64 {
		self.elements().saturating_mul(self.element.bytes().into())
	}

	/// Bytes of one row; meaningful for validated sizes (at most 2^22).
	pub fn row_bytes(&self) -> u32 {
		self.cols.saturating_mul(self.element.bytes())
	}

	/// Rows of blocks.
	pub fn block_rows(&self) -> u32 {
		self.rows.div_ceil(TILE_ROWS as u32)
	}

	/// Blocks in one row of blocks.
	pub fn block_cols(&self) -> u32 {
		self.cols.div_ceil(self.element.block_cols())
	}

	/// Blocks of the whole tensor.
	pub fn blocks(&self) -> u64 {
		u64::from(self.block_rows()) * u64::from(self.block_cols())
	}

	/// Whether element type, rows and columns are the same.
	pub fn same_layout(&self, other: &TensorDecl) -> bool {
		(self.element, self.rows, self.cols) == (other.element, other.rows, other.cols)
	}

	/// Whether every value that `other` may hold is allowed here.
	pub fn covers(&self, other: &TensorDecl) -> bool {
		self.lo <= other.lo && other.hi <= self.hi
	}
}

/// Why a value does not fit its declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorError {
	/// Rows, columns or element type differ.
	Layout {
		/// What the declaration asks for.
		expected: TensorDecl,
		/// Element type, rows and columns of the value.
		got: (Element, u32, u32),
	},
	/// The number of bytes or elements does not belong to the sizes.
	Length {
		/// Asked for.
		expected: u64,
		/// Given.
		got: u64,
	},
	/// An element lies outside of the declared range.
	Range {
		/// Row of the first such element.
		row: u32,
		/// Its column.
		col: u32,
		/// Its value.
		value: i32,
		/// Declared lower end.
		lo: i32,
		/// Declared upper end.
		hi: i32,
	},
	/// The sizes are out of bounds.
	Size(poaiw_commitment::Error),
}

impl fmt::Display for TensorError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Layout {
				expected: e,
				got: (element, rows, cols),
			} => write!(
				f,
				"a tensor of {element:?} [{rows}, {cols}] where {:?} [{}, {}] is declared",
				e.element, e.rows, e.cols
			),
			Self::Length { expected, got } => {
				write!(f, "{got} bytes or elements where the sizes ask for {expected}")
			}
			Self::Range {
				row,
				col,
				value,
				lo,
				hi,
			} => write!(
				f,
				"element [{row}, {col}] is {value}, outside of the declared range {lo} to {hi}: the data is not what the program was written for"
			),
			Self::Size(e) => write!(f, "{e}"),
		}
	}
}

impl core::error::Error for TensorError {}

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
	/// Bytes.
	I8(Vec<i8>),
	/// Words.
	I32(Vec<i32>),
}

/// A value: sizes and elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
	rows: u32,
	cols: u32,
	values: Values,
}

impl Tensor {
	/// A byte tensor.
	///
	/// # Errors
	/// If the number of values is not `rows * cols`.
	pub fn from_i8(rows: u32, cols: u32, values: Vec<i8>) -> Result<Self, TensorError> {
		Self::checked(rows, cols, values.len(), Values::I8(values))
	}

	/// A word tensor.
	///
	/// # Errors
	/// If the number of values is not `rows * cols`.
	pub fn from_i32(rows: u32, cols: u32, values: Vec<i32>) -> Result<Self, TensorError> {
		Self::checked(rows, cols, values.len(), Values::I32(values))
	}

	/// From little-endian bytes, checked against the declaration: length and value range.
	///
	/// # Errors
	/// [`TensorError::Length`] or [`TensorError::Range`].
	pub fn from_bytes(decl: &TensorDecl, bytes: &[u8]) -> Result<Self, TensorError> {
		if bytes.len() as u64 != decl.size() {
			return Err(TensorError::Length {
				expected: decl.size(),
				got: bytes.len() as u64,
			});
		}
		let values = match decl.element {
			Element::I8 => Values::I8(bytes.iter().map(|x| *x as i8).collect()),
			Element::I32 => {
				let words = bytes.as_chunks::<4>().0;
				Values::I32(words.iter().map(|x| i32::from_le_bytes(*x)).collect())
			}
		};
		let tensor = Self {
			rows: decl.rows,
			cols: decl.cols,
			values,
		};
		tensor.check(decl)?;
		Ok(tensor)
	}

	fn checked(rows: u32, cols: u32, len: usize, values: Values) -> Result<Self, TensorError> {
		let expected = u64::from(rows) * u64::from(cols);
		if len as u64 != expected {
			return Err(TensorError::Length {
				expected,
				got: len as u64,
			});
		}
		Ok(Self { rows, cols, values })
	}

	/// Checks layout and value range.
	///
	/// # Errors
	/// [`TensorError::Layout`], or [`TensorError::Range`] with the first element that is out of range.
	pub fn check(&self, decl: &TensorDecl) -> Result<(), TensorError> {
		let got = (self.element(), self.rows, self.cols);
		if got != (decl.element, decl.rows, decl.cols) {
			return Err(TensorError::Layout { expected: *decl, got });
		}
		let (lo, hi) = (decl.lo, decl.hi);
		let outside = match &self.values {
			Values::I8(v) => v.iter().position(|x| !(lo..=hi).contains(&i32::from(*x))),
			Values::I32(v) => v.iter().position(|x| !(lo..=hi).contains(x)),
		};
		match outside {
			None => Ok(()),
			Some(at) => Err(TensorError::Range {
				row: (at / self.cols.max(1) as usize) as u32,
				col: (at % self.cols.max(1) as usize) as u32,
				value: self.at(at).unwrap_or_default(),
				lo,
				hi,
			}),
		}
	}

	/// Element type.
	pub fn element(&self) -> Element {
		match self.values {
			Values::I8(_) => Element::I8,
			Values::I32(_) => Element::I32,
		}
	}

	/// Rows.
	pub fn rows(&self) -> u32 {
		self.rows
	}

	/// Columns.
	pub fn cols(&self) -> u32 {
		self.cols
	}

	/// Bytes of one row.
	pub fn row_bytes(&self) -> u32 {
		self.cols.saturating_mul(self.element().bytes())
	}

	/// The elements.
	pub fn values(&self) -> &Values {
		&self.values
	}

	/// The elements, without their sizes.
	pub fn into_values(self) -> Values {
		self.values
	}

	/// The elements of a byte tensor.
	pub fn i8s(&self) -> Option<&[i8]> {
		match &self.values {
			Values::I8(v) => Some(v),
			Values::I32(_) => None,
		}
	}

	/// The elements of a word tensor.
	pub fn i32s(&self) -> Option<&[i32]> {
		match &self.values {
			Values::I8(_) => None,
			Values::I32(v) => Some(v),
		}
	}

	/// Element number `at`, row-major.
	pub fn at(&self, at: usize) -> Option<i32> {
		match &self.values {
			Values::I8(v) => v.get(at).map(|x| i32::from(*x)),
			Values::I32(v) => v.get(at).copied(),
		}
	}

	/// The value of a scalar.
	pub fn scalar(&self) -> Option<i32> {
		if self.rows == 1 && self.cols == 1 {
			self.at(0)
		} else {
			None
		}
	}

	/// Little-endian bytes, row-major: what commitments cover.
	pub fn to_bytes(&self) -> Vec<u8> {
		match &self.values {
			Values::I8(v) => v.iter().map(|x| *x as u8).collect(),
			Values::I32(v) => {
				let mut out = vec![0; v.len().saturating_mul(4)];
				for (to, x) in out.as_chunks_mut::<4>().0.iter_mut().zip(v) {
					*to = x.to_le_bytes();
				}
				out
			}
		}
	}

	/// Commitment to the bytes.
	///
	/// # Errors
	/// If the sizes are out of the commitment's bounds.
	pub fn root(&self) -> Result<Hash32, TensorError> {
		tensor_root(&self.to_bytes(), self.rows, self.row_bytes()).map_err(TensorError::Size)
	}

	/// Padded bytes of one 16-row × 512-byte block.
	///
	/// # Errors
	/// If there is no such block.
	pub fn block(&self, block_row: u32, block_col: u32) -> Result<[u8; BLOCK_BYTES], TensorError> {
		block_bytes_of(
			&self.to_bytes(),
			self.rows,
			self.row_bytes(),
			block_row,
			block_col,
		)
		.map_err(TensorError::Size)
	}
}
