// SPDX-License-Identifier: Apache-2.0

//! Borrowed tensors: a whole tensor, or some of its rows.

use crate::tensor::{Tensor, Values};

/// The elements of a [`View`], row-major.
#[derive(Clone, Copy)]
pub enum Slice<'a> {
	/// Bytes.
	I8(&'a [i8]),
	/// Words.
	I32(&'a [i32]),
}

/// Rows of a tensor.
#[derive(Clone, Copy)]
pub struct View<'a> {
	rows: u32,
	cols: u32,
	values: Slice<'a>,
}

impl<'a> View<'a> {
	/// Rows of so many columns; there are as many as the elements fill.
	pub fn new(cols: u32, values: Slice<'a>) -> Self {
		let len = match values {
			Slice::I8(x) => x.len(),
			Slice::I32(x) => x.len(),
		};
		Self {
			rows: (len / cols.max(1) as usize) as u32,
			cols,
			values,
		}
	}

	/// All of a tensor.
	pub fn of(tensor: &'a Tensor) -> Self {
		Self {
			rows: tensor.rows(),
			cols: tensor.cols(),
			values: match tensor.values() {
				Values::I8(x) => Slice::I8(x),
				Values::I32(x) => Slice::I32(x),
			},
		}
	}

	/// Some of the elements, whole rows.
	pub fn part(&self, range: core::ops::Range<usize>) -> Option<View<'a>> {
		let values = match self.values {
			Slice::I8(x) => Slice::I8(x.get(range)?),
			Slice::I32(x) => Slice::I32(x.get(range)?),
		};
		Some(View::new(self.cols, values))
	}

	/// Rows.
	pub fn rows(&self) -> u32 {
		self.rows
	}

	/// Columns.
	pub fn cols(&self) -> u32 {
		self.cols
	}

	/// Rows and columns.
	pub fn size(&self) -> (u32, u32) {
		(self.rows, self.cols)
	}

	/// The elements.
	pub fn values(&self) -> Slice<'a> {
		self.values
	}

	/// The elements of rows of bytes.
	pub fn i8s(&self) -> Option<&'a [i8]> {
		match self.values {
			Slice::I8(x) => Some(x),
			Slice::I32(_) => None,
		}
	}

	/// The elements of rows of words.
	pub fn i32s(&self) -> Option<&'a [i32]> {
		match self.values {
			Slice::I8(_) => None,
			Slice::I32(x) => Some(x),
		}
	}

	/// The value of a scalar.
	pub fn scalar(&self) -> Option<i32> {
		if self.size() != (1, 1) {
			return None;
		}
		match self.values {
			Slice::I8(x) => x.first().map(|x| i32::from(*x)),
			Slice::I32(x) => x.first().copied(),
		}
	}
}
