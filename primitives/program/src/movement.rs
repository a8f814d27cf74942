// SPDX-License-Identifier: Apache-2.0

//! Where the elements of an output come from, for the operations that only move elements.
//!
//! One map for everybody: the executor copies its runs, the arbiter asks it for single elements, and the blocks that a
//! block depends on are the blocks that its runs touch.

use crate::{
	op::{Op, Window},
	tensor::{TensorDecl, TILE_ROWS},
};
use core::ops::Range;

/// Rows and columns of a tensor.
pub(crate) type Size = (u32, u32);

/// Neighbours in a row of the output that come from equally spaced elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
	/// How many.
	pub len: u32,
	/// Row-major position of the first one's source; `None` where the output is zero.
	pub from: Option<u64>,
	/// Distance of the sources of neighbours.
	pub step: u32,
}

/// Whether an operation only moves elements of its first input, by [`runs`].
pub(crate) fn moves(op: &Op) -> bool {
	matches!(
		op,
		Op::Roll { .. }
			| Op::Reshape
			| Op::SplitColumns { .. }
			| Op::MergeColumns { .. }
			| Op::GroupTranspose { .. }
			| Op::Patches(_)
	)
}

/// The runs of columns `cols` of one row of the output, from left to right.
pub(crate) fn runs(op: &Op, x: Size, out: Size, row: u32, cols: Range<u32>, mut f: impl FnMut(Run)) {
	let (x_rows, x_cols) = (u64::from(x.0).max(1), u64::from(x.1).max(1));
	let (row, first) = (u64::from(row), u64::from(cols.start));
	let whole = cols.end.saturating_sub(cols.start);
	let line = |from| Run {
		len: whole,
		from: Some(from),
		step: 1,
	};
	match *op {
		Op::Roll { down, right } => {
			let from = (row + x_rows - u64::from(down) % x_rows) % x_rows * x_cols;
			let shift = x_cols - u64::from(right) % x_cols;
			pieces(
				cols,
				x.1,
				|col| (u64::from(col) + shift) % x_cols,
				|at, len| {
					f(Run {
						len,
						from: Some(from + at),
						step: 1,
					})
				},
			);
		}
		Op::SplitColumns { rows, parts } => {
			let (rows, parts) = (u64::from(rows).max(1), u64::from(parts).max(1));
			let (n, h, t) = (row / rows / parts, row / rows % parts, row % rows);
			f(line((n * rows + t) * x_cols + h * u64::from(out.1) + first));
		}
		Op::MergeColumns { rows, parts } => {
			let (rows, parts) = (u64::from(rows).max(1), u64::from(parts).max(1));
			let (n, t) = (row / rows, row % rows);
			let mut h = first / x_cols;
			pieces(
				cols,
				x.1,
				|col| u64::from(col) % x_cols,
				|at, len| {
					let from = ((n * parts + h) * rows + t) * x_cols + at;
					h += 1;
					f(Run {
						len,
						from: Some(from),
						step: 1,
					})
				},
			);
		}
		Op::GroupTranspose { .. } => {
			let (n, j) = (row / x_cols, row % x_cols);
			f(Run {
				step: x.1,
				..line((n * u64::from(out.1) + first) * x_cols + j)
			});
		}
		Op::Patches(window) => window.runs(x.1, row, cols, f),
		// A reshape leaves every element at its position.
		_ => f(line(row * u64::from(out.1) + first)),
	}
}

/// Cuts columns into pieces that don't cross the end of a line of `width`; `place` is a column's place in its line.
fn pieces(cols: Range<u32>, width: u32, place: impl Fn(u32) -> u64, mut f: impl FnMut(u64, u32)) {
	let mut col = cols.start;
	while col < cols.end {
		let at = place(col);
		let len = u64::from(width).saturating_sub(at).max(1);
		let len = len.min((cols.end - col).into()) as u32;
		f(at, len);
		col += len;
	}
}

/// Row and column of the source of one element; `None` where the output is zero.
pub(crate) fn origin(op: &Op, x: &TensorDecl, out: &TensorDecl, row: u32, col: u32) -> Option<(u32, u32)> {
	let mut from = None;
	let (x, out) = ((x.rows, x.cols), (out.rows, out.cols));
	runs(op, x, out, row, col..col.saturating_add(1), |run| from = run.from);
	let cols = u64::from(x.1).max(1);
	from.map(|p| ((p / cols) as u32, (p % cols) as u32))
}

impl Window {
	/// Rows of windows of one image.
	pub fn out_height(&self) -> u32 {
		self.places(self.height)
	}

	/// Columns of windows of one image.
	pub fn out_width(&self) -> u32 {
		self.places(self.width)
	}

	fn places(&self, size: u32) -> u32 {
		let padded = size.saturating_add(self.padding.saturating_mul(2));
		(padded.saturating_sub(self.kernel) / self.stride.max(1)).saturating_add(1)
	}

	/// The runs of a row of patches over an image of `channels` columns: one for the part of each kernel row that lies in
	/// the image, because neighbours in an image line are neighbours in memory.
	fn runs(&self, channels: u32, row: u64, cols: Range<u32>, mut f: impl FnMut(Run)) {
		let (ow, oh) = (u64::from(self.out_width()), u64::from(self.out_height()));
		let (n, v, u) = (row / ow / oh, row / ow % oh, row % ow);
		let channels = u64::from(channels).max(1);
		let (height, width) = (u64::from(self.height), u64::from(self.width));
		let (padding, stride, kernel) = (
			u64::from(self.padding),
			u64::from(self.stride),
			u64::from(self.kernel).max(1),
		);
		// Kernel columns `inside` lie in the image; `left` is the image column of kernel column 0, plus the padding.
		let left = u * stride;
		let inside = (
			padding.saturating_sub(left).min(kernel) * channels,
			(width + padding).saturating_sub(left).min(kernel) * channels,
		);
		let line = kernel * channels;
		let (mut at, end) = (u64::from(cols.start), u64::from(cols.end));
		while at < end {
			let ky = at / line;
			let (start, stop) = (at - ky * line, (end - ky * line).min(line));
			let y = v * stride + ky;
			let in_image = y >= padding && y < height + padding;
			let (lo, hi) = if in_image {
				(inside.0.clamp(start, stop), inside.1.clamp(start, stop))
			} else {
				(stop, stop)
			};
			let from = (hi > lo).then(|| {
				let line = (n * height + y - padding) * width;
				(line + left) * channels + lo - padding * channels
			});
			for (len, from) in [(lo - start, None), (hi - lo, from), (stop - hi, None)] {
				if len > 0 {
					f(Run {
						len: len as u32,
						from,
						step: 1,
					});
				}
			}
			at = ky * line + stop;
		}
	}

	/// Calls `f(patch, tap)` for all patches that copy a pixel, with the kernel element `ky * kernel + kx` that it has there.
	pub(crate) fn readers(&self, pixel: u32, mut f: impl FnMut(u32, u32)) {
		let area = u64::from(self.height).max(1) * u64::from(self.width).max(1);
		let (ow, oh) = (u64::from(self.out_width()), u64::from(self.out_height()));
		let (n, place) = (u64::from(pixel) / area, u64::from(pixel) % area);
		let width = u64::from(self.width).max(1);
		let (y, x) = (
			place / width + u64::from(self.padding),
			place % width + u64::from(self.padding),
		);
		let stride = u64::from(self.stride).max(1);
		for ky in 0..u64::from(self.kernel) {
			if y < ky || (y - ky) % stride != 0 || (y - ky) / stride >= oh {
				continue;
			}
			for kx in 0..u64::from(self.kernel) {
				if x < kx || (x - kx) % stride != 0 || (x - kx) / stride >= ow {
					continue;
				}
				let patch = (n * oh + (y - ky) / stride) * ow + (x - kx) / stride;
				f(patch as u32, (ky * u64::from(self.kernel) + kx) as u32);
			}
		}
	}
}

/// Upper bound of the blocks of `x` that any one block of `out` depends on.
pub(crate) fn most_blocks(op: &Op, x: &TensorDecl, out: &TensorDecl) -> u64 {
	let width = u64::from(x.element.block_cols());
	let height = u64::from(out.rows).min(TILE_ROWS as u64);
	let cols = u64::from(out.cols.min(out.element.block_cols()));
	let x_cols = u64::from(x.cols).max(1);
	// Blocks of 16 rows, blocks of columns that `n` neighbours touch at most, wherever they start.
	let down = |n: u64| spans(n, TILE_ROWS as u64).min(x.block_rows().into());
	let across = |n: u64| spans(n, width).min(x.block_cols().into());
	// Blocks that `n` elements touch that follow one another through the rows.
	let along = |n: u64| {
		if n <= x_cols {
			// At most one end of a row in between.
			spans(n, width).min(x.block_cols().into()) + 1
		} else {
			down(spans(n, x_cols)).saturating_mul(x.block_cols().into())
		}
	};
	let most = match *op {
		// The part before the wrap touches two blocks at most, the part after it one.
		Op::Roll { .. } => u64::from(x.block_rows().min(3)) * u64::from(x.block_cols().min(3)),
		Op::SplitColumns { rows, .. } => {
			let groups = spans(height, rows.into()).min(height);
			groups * down(height.min(rows.into())) * across(cols)
		}
		Op::MergeColumns { rows, .. } => {
			let groups = spans(height, rows.into()).min(height) * spans(cols, x_cols).min(cols);
			groups * down(height.min(rows.into())) * across(cols.min(x_cols))
		}
		Op::GroupTranspose { .. } => {
			let groups = spans(height, x_cols).min(height);
			groups * down(cols) * across(height.min(x_cols))
		}
		Op::Patches(window) => {
			let line = u64::from(window.kernel).max(1) * x_cols;
			height * spans(cols, line).min(window.kernel.into()) * along(cols.min(line))
		}
		Op::PatchesGradient(window) => {
			let kernel = u64::from(window.kernel);
			let reach = kernel.div_ceil(u64::from(window.stride).max(1));
			let alone = height * reach * reach * across(cols);
			// Pixels of one image line share their patches, which follow one another.
			let lines = spans(height, window.width.into()).min(height);
			let patches = height / u64::from(window.stride).max(1) + 1 + reach;
			alone.min(lines * reach * down(patches) * u64::from(x.block_cols()))
		}
		_ => (height * along(cols)).min(if out.cols <= out.element.block_cols() {
			along(height * cols)
		} else {
			u64::MAX
		}),
	};
	most.min(x.blocks())
}

/// How many lines of `size` a stretch of `n` touches at most, wherever it starts.
fn spans(n: u64, size: u64) -> u64 {
	if n == 0 {
		return 0;
	}
	let size = size.max(1);
	(n + size - 2) / size + 1
}
