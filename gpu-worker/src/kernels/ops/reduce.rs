// SPDX-License-Identifier: Apache-2.0

//! Reductions of blocks, rows and columns.

use super::OpKernels;
use crate::{
	device::{
		gpu::{grid, Recorder},
		DeviceError,
	},
	kernels::Matrix,
};
use poaiw_program::Element;

/// How elements are joined (numbers of `reduce.wgsl`).
#[derive(Clone, Copy)]
pub(super) enum Reduction {
	MaxAbs = 0,
	Sum = 1,
	Max = 2,
	Argmax = 3,
	SumSquares = 4,
}

/// Which elements belong together (numbers of `reduce.wgsl`).
#[derive(Clone, Copy)]
pub(super) enum Shape {
	Block = 0,
	Column = 1,
	Row = 2,
}

impl OpKernels {
	pub(super) fn reduce(
		&self,
		recorder: &mut Recorder<'_>,
		reduction: Reduction,
		shape: Shape,
		x: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let constants = [
			("KIND", reduction as u32),
			("SHAPE", shape as u32),
			("BYTES", (x.element() == Element::I8).into()),
		];
		let kernel = self.kernel("reduce", 1, &constants, &[], include_str!("reduce.wgsl"))?;
		let params = [
			y.rows(),
			x.rows(),
			x.cols(),
			x.stride(),
			y.stride(),
			x.cols().div_ceil(Element::I32.block_cols()),
		];
		let threads = u64::from(y.rows()) * 64;
		recorder.dispatch(&kernel, &[x.buffer(), y.buffer()], &params, grid(threads));
		Ok(())
	}
}
