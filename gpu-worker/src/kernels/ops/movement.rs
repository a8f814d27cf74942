// SPDX-License-Identifier: Apache-2.0

//! Operations that only move elements: every place of the output names its place of the input.

use super::{filled_words, OpKernels};
use crate::{
	device::{gpu::Recorder, DeviceError},
	kernels::Matrix,
};
use poaiw_program::{Element, Op};

/// Kinds of `movement.wgsl`.
mod kind {
	pub const TRANSPOSE: u32 = 0;
	pub const ROLL: u32 = 1;
	pub const RESHAPE: u32 = 2;
	pub const SPLIT: u32 = 3;
	pub const MERGE: u32 = 4;
	pub const PATCHES: u32 = 5;
}

/// A movement on elements: its kind and parameters, and whether neighbours in a row of the output are neighbours in a
/// row of the input, four by four, so that bytes can be moved as words.
struct Move {
	kind: u32,
	params: [u32; 7],
	whole_words: bool,
}

fn parameters(op: &Op, x: &Matrix, y: &Matrix) -> Option<Move> {
	let fours = |sizes: &[u32]| sizes.iter().all(|size| size % 4 == 0);
	let (kind, params, whole_words) = match *op {
		Op::Transpose | Op::GroupTranspose { .. } => (kind::TRANSPOSE, [0; 7], false),
		Op::Roll { down, right } => (
			kind::ROLL,
			[down, right, 0, 0, 0, 0, 0],
			fours(&[right, x.cols()]),
		),
		Op::Reshape => (kind::RESHAPE, [0; 7], fours(&[x.cols(), y.cols()])),
		Op::SplitColumns { rows, parts } => (
			kind::SPLIT,
			[rows.max(1), parts.max(1), 0, 0, 0, 0, 0],
			fours(&[y.cols()]),
		),
		Op::MergeColumns { rows, parts } => (
			kind::MERGE,
			[rows.max(1), parts.max(1), 0, 0, 0, 0, 0],
			fours(&[x.cols()]),
		),
		Op::Patches(window) => (
			kind::PATCHES,
			[
				window.height,
				window.width,
				window.kernel.max(1),
				window.stride,
				window.padding,
				window.out_height(),
				window.out_width(),
			],
			fours(&[x.cols()]),
		),
		_ => return None,
	};
	Some(Move {
		kind,
		params,
		whole_words,
	})
}

impl OpKernels {
	pub(super) fn movement(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		x: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let name = op.kind().name();
		let found = parameters(op, x, y)
			.ok_or_else(|| DeviceError::Sizes(format!("{name} does not only move elements")))?;
		if x.element() != y.element() {
			return Err(DeviceError::Sizes(format!(
				"{name} from {:?} to {:?}: it keeps the element type",
				x.element(),
				y.element()
			)));
		}
		let Move { kind, mut params, .. } = found;
		let mut bytes = y.element() == Element::I8;
		let (mut cols, mut in_cols) = (y.cols(), x.cols());
		if bytes && found.whole_words {
			bytes = false;
			cols /= 4;
			in_cols /= 4;
			if let (kind::ROLL, [_, right, ..]) = (kind, &mut params) {
				*right /= 4;
			}
		}
		let constants = [("KIND", kind), ("BYTES", bytes.into())];
		let kernel = self.kernel("movement", 1, &constants, &[], include_str!("movement.wgsl"))?;
		let words = filled_words(y);
		let plane = self.plane(y.rows(), words);
		let sizes = [y.rows(), cols, words, y.stride(), x.rows(), in_cols, x.stride()];
		let all = [sizes.as_slice(), &plane.params, &params].concat();
		recorder.dispatch(&kernel, &[x.buffer(), y.buffer()], &all, plane.groups);
		Ok(())
	}

	pub(super) fn gather_rows(
		&self,
		recorder: &mut Recorder<'_>,
		x: &Matrix,
		index: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let kernel = self.kernel("gather", 2, &[], &[], include_str!("gather.wgsl"))?;
		let words = filled_words(y);
		let plane = self.plane(y.rows(), words);
		let [log_width, row_step] = plane.params;
		let params = [
			y.rows(),
			words,
			y.stride(),
			index.stride(),
			x.rows(),
			log_width,
			row_step,
		];
		let buffers = [x.buffer(), index.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}

	pub(super) fn gather_elements(
		&self,
		recorder: &mut Recorder<'_>,
		x: &Matrix,
		index: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let bytes = (x.element() == Element::I8).into();
		let source = include_str!("gather_elements.wgsl");
		let kernel = self.kernel("gather_elements", 2, &[("BYTES", bytes)], &[], source)?;
		let plane = self.plane(y.rows(), y.cols());
		let [log_width, row_step] = plane.params;
		let params = [
			y.rows(),
			y.cols(),
			index.stride(),
			y.stride(),
			x.rows(),
			x.cols(),
			x.stride(),
			log_width,
			row_step,
		];
		let buffers = [x.buffer(), index.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}

	pub(super) fn scatter_rows(
		&self,
		recorder: &mut Recorder<'_>,
		x: &Matrix,
		index: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let kernel = self.kernel("scatter", 2, &[], &[], include_str!("scatter.wgsl"))?;
		let plane = self.plane(x.rows(), x.cols());
		let [log_width, row_step] = plane.params;
		recorder.clear(y.buffer());
		let params = [
			x.rows(),
			x.cols(),
			x.stride(),
			index.stride(),
			y.stride(),
			y.rows(),
			log_width,
			row_step,
		];
		let buffers = [x.buffer(), index.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}
}
