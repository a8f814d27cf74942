// SPDX-License-Identifier: Apache-2.0

//! Words to the bytes of operands.

use super::{filled_words, row_step, Inputs, OpKernels, ARITH, NO_KEY};
use crate::{
	device::{gpu::Recorder, DeviceError},
	kernels::Matrix,
};
use poaiw_program::{Context, Rounding};

impl OpKernels {
	pub(super) fn requantise(
		&self,
		recorder: &mut Recorder<'_>,
		rounding: Rounding,
		limit: i32,
		context: &Context,
		inputs: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let (x, shift) = (inputs.words(0)?, inputs.words(1)?);
		let (keyed, key) = match rounding {
			Rounding::HalfUp => (0, NO_KEY),
			Rounding::Keyed => (1, context.key()),
		};
		let source = include_str!("requantise.wgsl");
		let kernel = self.kernel("requantise", 2, &[("KEYED", keyed)], &[ARITH], source)?;
		let words = filled_words(y);
		let plane = self.plane(y.rows(), words);
		let [log_width, step] = plane.params;
		let params = [
			y.rows(),
			y.cols(),
			x.stride(),
			words,
			y.stride(),
			row_step(shift),
			log_width,
			step,
			limit as u32,
			key.k0,
			key.k1,
		];
		let buffers = [x.buffer(), shift.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}
}
