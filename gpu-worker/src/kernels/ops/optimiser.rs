// SPDX-License-Identifier: Apache-2.0

//! Optimisers: a step of the weights, the average of squares, bias corrections.

use super::{Inputs, OpKernels, ARITH};
use crate::{
	device::{gpu::Recorder, DeviceError},
	kernels::Matrix,
};
use poaiw_program::Op;

/// Kinds of `optimiser.wgsl`.
mod kind {
	pub const BIAS_CORRECTION: u32 = 0;
	pub const ADAM_CORRECTION: u32 = 1;
	pub const L1_ADAM: u32 = 2;
	pub const SGD: u32 = 3;
	pub const ADAM_SQUARE: u32 = 4;
	pub const ADAM: u32 = 5;
}

/// Kind, limit, decay or shift, and whether tiny squares are raised.
fn parameters(op: &Op) -> Option<[u32; 4]> {
	Some(match *op {
		Op::BiasCorrection => [kind::BIAS_CORRECTION, 0, 0, 0],
		Op::AdamCorrection => [kind::ADAM_CORRECTION, 0, 0, 0],
		Op::L1Adam { limit, decay } => [kind::L1_ADAM, limit as u32, decay, 0],
		Op::Sgd { shift, limit } => [kind::SGD, limit as u32, shift & 31, 0],
		Op::AdamSquare { floor } => [kind::ADAM_SQUARE, 0, 0, floor.into()],
		Op::Adam { limit, decay, floor } => [kind::ADAM, limit as u32, decay, floor.into()],
		_ => return None,
	})
}

impl OpKernels {
	pub(super) fn optimiser(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let name = op.kind().name();
		let [kind, limit, decay, raised] = parameters(op)
			.ok_or_else(|| DeviceError::Sizes(format!("{name} is not an operation of an optimiser")))?;
		let mut buffers = vec![&self.nothing; 5];
		for (n, place) in buffers.iter_mut().enumerate().take(op.kind().inputs()) {
			*place = x.words(n)?.buffer();
		}
		buffers.push(y.buffer());
		let source = include_str!("optimiser.wgsl");
		let kernel = self.kernel("optimiser", 5, &[("KIND", kind)], &[ARITH], source)?;
		let plane = self.plane(y.rows(), y.cols());
		let [log_width, row_step] = plane.params;
		let params = [
			y.rows(),
			y.cols(),
			log_width,
			row_step,
			y.stride(),
			limit,
			decay,
			raised,
		];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}
}
