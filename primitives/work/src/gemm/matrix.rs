// SPDX-License-Identifier: Apache-2.0

//! Operands of a product: int8 matrices in either order, and how large their values are.

use super::MAX_DEPTH;
use crate::error::{check_len, Error};

/// How an int8 matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
	/// Value (row, l) at `data[row · depth + l]`.
	ByRow,
	/// The transpose is what is stored: value (row, l) at `data[l · rows + row]`.
	ByDepth,
}

/// A checked view of one operand: `rows` rows of `depth` values each, over which a product sums.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
	pub(super) data: &'a [i8],
	pub(super) rows: usize,
	pub(super) depth: usize,
	pub(super) layout: Layout,
}

impl<'a> Matrix<'a> {
	/// # Errors
	/// [`Error::Length`] if `data` has not `rows · depth` values, [`Error::Size`] if `depth` is above [`MAX_DEPTH`].
	pub fn new(data: &'a [i8], rows: usize, depth: usize, layout: Layout) -> Result<Self, Error> {
		if depth > MAX_DEPTH {
			return Err(Error::Size {
				name: "k",
				value: depth.try_into().unwrap_or(u32::MAX),
				max: MAX_DEPTH as u32,
			});
		}
		check_len("operand of a product", rows.saturating_mul(depth), data.len())?;
		Ok(Self {
			data,
			rows,
			depth,
			layout,
		})
	}

	/// The matrix whose rows lie one after the other.
	///
	/// # Errors
	/// As [`Matrix::new`].
	pub fn by_row(data: &'a [i8], rows: usize, depth: usize) -> Result<Self, Error> {
		Self::new(data, rows, depth, Layout::ByRow)
	}

	/// The matrix whose transpose, `depth` × `rows`, lies row after row.
	///
	/// # Errors
	/// As [`Matrix::new`].
	pub fn by_depth(data: &'a [i8], rows: usize, depth: usize) -> Result<Self, Error> {
		Self::new(data, rows, depth, Layout::ByDepth)
	}

	/// Number of rows.
	pub fn rows(&self) -> usize {
		self.rows
	}

	/// Number of values in a row.
	pub fn depth(&self) -> usize {
		self.depth
	}

	/// Its values in the order of memory.
	pub fn data(&self) -> &'a [i8] {
		self.data
	}
}

/// A left operand of more bits than a byte has: `scale · high + low`.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
	pub(super) high: Matrix<'a>,
	pub(super) low: Matrix<'a>,
	pub(super) scale: u8,
}

impl<'a> Parts<'a> {
	/// # Errors
	/// [`Error::Length`] if the parts have different sizes.
	pub fn new(high: Matrix<'a>, low: Matrix<'a>, scale: u8) -> Result<Self, Error> {
		check_len("rows of the low part", high.rows, low.rows)?;
		check_len("row of the low part", high.depth, low.depth)?;
		Ok(Self { high, low, scale })
	}
}

/// Largest magnitude, 0 to 128; of nothing, 0.
pub fn magnitude(x: &[i8]) -> u8 {
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	if let Some(most) = super::octets::magnitude(x) {
		return most;
	}
	plain_magnitude(x)
}

/// As [`magnitude`], with the instructions of whoever calls it.
#[inline(always)]
pub(super) fn plain_magnitude(x: &[i8]) -> u8 {
	x.iter().fold(0, |most, x| most.max(x.unsigned_abs()))
}
