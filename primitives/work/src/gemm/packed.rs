// SPDX-License-Identifier: Apache-2.0

//! The right operand packed once, and strips of the left one multiplied with it.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use super::{blocked::Line, simd::Format};
use super::{magnitude, scalar, Layout, Matrix, Parts};
use crate::{
	error::{check_len, Error},
	kernel::Kernel,
};
use alloc::{borrow::Cow, vec::Vec};
use core::ops::Range;

/// The right operand of products, in the order in which a kernel reads it; its memory is used again by packing again.
///
/// The default has no rows. Many threads can multiply with one of them.
#[derive(Clone, Debug, Default)]
pub struct Packed {
	rows: usize,
	depth: usize,
	most_a: u8,
	/// For the scalar kernel.
	pairs: Vec<i64>,
	/// The format of `lines`; none for the scalar kernel.
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	format: Option<Format>,
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	lines: Vec<Line>,
}

impl Packed {
	/// Packs `b`, whose rows are the columns of products, for left operands whose values have magnitude `most_a` (0 to
	/// 128) at most.
	///
	/// What this costs pays from about eight rows of the left operand on. With AVX2 products are fastest if the largest
	/// magnitudes of both operands have a product of at most 4,095 (int7: 63 · 63 = 3,969), and fast up to 8,191
	/// (63 · 128 = 8,064).
	///
	/// # Errors
	/// None at present.
	pub fn pack(&mut self, kernel: Kernel, b: Matrix<'_>, most_a: u8) -> Result<(), Error> {
		self.fill(kernel, b, most_a, false);
		Ok(())
	}

	/// As [`Packed::pack`], in the order that is best for left operands in two [`Parts`], each of magnitude `most_a` at
	/// most. Both [`multiply_parts`] and [`multiply_rows`] work with either order.
	///
	/// # Errors
	/// As [`Packed::pack`].
	pub fn pack_for_parts(&mut self, kernel: Kernel, b: Matrix<'_>, most_a: u8) -> Result<(), Error> {
		self.fill(kernel, b, most_a, true);
		Ok(())
	}

	fn fill(&mut self, kernel: Kernel, b: Matrix<'_>, most_a: u8, for_parts: bool) {
		(self.rows, self.depth, self.most_a) = (b.rows, b.depth, most_a.min(128));
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		{
			self.format = match for_parts {
				true => Format::of_parts(kernel),
				false => Format::new(kernel, self.most_a, b.data),
			};
			if let Some(format) = self.format {
				format.pack(b, self.most_a, &mut self.lines);
				return;
			}
		}
		#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
		let _ = (kernel, for_parts);
		scalar::pack(b, &mut self.pairs);
	}

	/// Rows of the packed matrix: columns of products.
	pub fn rows(&self) -> usize {
		self.rows
	}

	/// Bytes of its memory.
	pub fn bytes(&self) -> usize {
		let pairs = self.pairs.capacity() * size_of::<i64>();
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		return pairs + self.lines.capacity() * size_of::<Line>();
		#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
		pairs
	}

	/// Values in one of its rows.
	pub fn depth(&self) -> usize {
		self.depth
	}
}

/// Memory for packed strips of the left operand: one for every thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	lines: Vec<Line>,
	/// Sums of low parts.
	words: Vec<i32>,
}

/// Rows of `a · bᵀ` from `first` on, as many as fill `c` (row-major, `b.rows()` columns), written over what `c` held.
///
/// # Errors
/// [`Error::Length`] if the depths differ or `c` is no whole number of rows, [`Error::OutOfRange`] if `a` has fewer
/// rows, [`Error::Magnitude`] if one of these rows has a larger value than `b` was packed for, whatever the kernel. `c`
/// then holds anything.
pub fn multiply_rows(
	b: &Packed,
	a: Matrix<'_>,
	first: usize,
	scratch: &mut Scratch,
	c: &mut [i32],
) -> Result<(), Error> {
	let rows = strip(b, a, first, c.len())?;
	if a.depth == 0 || c.is_empty() {
		c.fill(0);
		return Ok(());
	}
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	if let Some(format) = b.format {
		let right = (&b.lines[..], b.rows, b.most_a);
		let done = format.multiply(right, a, rows.clone(), &mut scratch.lines, c);
		return done.map_err(|_| Error::Magnitude {
			most: b.most_a,
			got: magnitude(&row_major(a, rows)),
		});
	}
	#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
	let _ = scratch;
	let a = row_major(a, rows);
	let got = magnitude(&a);
	if got > b.most_a {
		return Err(Error::Magnitude { most: b.most_a, got });
	}
	scalar::multiply(&a, &b.pairs, (b.rows, b.depth), c);
	Ok(())
}

/// Rows of `scale · (high · bᵀ) + low · bᵀ`, modulo 2^32, as [`multiply_rows`] gives them. `b` is packed for the magnitude
/// of both parts, best by [`Packed::pack_for_parts`].
///
/// # Errors
/// As [`multiply_rows`].
pub fn multiply_parts(
	b: &Packed,
	a: &Parts<'_>,
	first: usize,
	scratch: &mut Scratch,
	c: &mut [i32],
) -> Result<(), Error> {
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	if let Some(format) = b.format {
		let rows = strip(b, a.high, first, c.len())?;
		if a.high.depth == 0 || c.is_empty() {
			c.fill(0);
			return Ok(());
		}
		let right = (&b.lines[..], b.rows, b.most_a);
		if let Some(done) = format.multiply_parts(right, a, rows.clone(), &mut scratch.lines, c) {
			return done.map_err(|_| {
				let of = |part| magnitude(&row_major(part, rows.clone()));
				Error::Magnitude {
					most: b.most_a,
					got: of(a.high).max(of(a.low)),
				}
			});
		}
	}
	multiply_rows(b, a.high, first, scratch, c)?;
	let mut low = core::mem::take(&mut scratch.words);
	low.resize(c.len(), 0);
	let done = multiply_rows(b, a.low, first, scratch, &mut low);
	for (c, low) in c.iter_mut().zip(&low) {
		*c = c.wrapping_mul(a.scale.into()).wrapping_add(*low);
	}
	scratch.words = low;
	done
}

/// The rows of `a` that `len` values of a product with `b` come from.
fn strip(b: &Packed, a: Matrix<'_>, first: usize, len: usize) -> Result<Range<usize>, Error> {
	check_len("row of the left operand", b.depth, a.depth)?;
	let count = len.checked_div(b.rows).unwrap_or(0);
	check_len("rows of a product", count * b.rows, len)?;
	if first > a.rows || count > a.rows - first {
		return Err(Error::OutOfRange {
			what: "row of the left operand",
			value: first.saturating_add(count).try_into().unwrap_or(u32::MAX),
			count: a.rows.try_into().unwrap_or(u32::MAX),
		});
	}
	Ok(first..first + count)
}

/// Some rows, one after the other.
fn row_major(m: Matrix<'_>, rows: Range<usize>) -> Cow<'_, [i8]> {
	match m.layout {
		Layout::ByRow => Cow::Borrowed(&m.data[rows.start * m.depth..rows.end * m.depth]),
		Layout::ByDepth => rows
			.flat_map(|row| (0..m.depth).map(move |l| m.data[l * m.rows + row]))
			.collect(),
	}
}
