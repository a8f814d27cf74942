// SPDX-License-Identifier: Apache-2.0

//! Cross-entropy of rows of logits, and its gradient.

use super::{Inputs, OpKernels, EXPONENTIAL, ROWS};
use crate::{
	device::{
		gpu::{grid, Recorder},
		DeviceError,
	},
	kernels::Matrix,
};

impl OpKernels {
	/// The loss of every row if `loss`, else the gradient.
	pub(super) fn softmax_loss(
		&self,
		recorder: &mut Recorder<'_>,
		loss: bool,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let (logits, labels, exponent) = (x.words(0)?, x.words(1)?, x.words(2)?);
		let kernel = self.kernel(
			"softmax",
			3,
			&[("KIND", loss.into())],
			&[EXPONENTIAL, ROWS],
			include_str!("softmax.wgsl"),
		)?;
		let params = [
			logits.rows(),
			logits.cols(),
			logits.stride(),
			labels.stride(),
			y.stride(),
		];
		let buffers = [logits.buffer(), labels.buffer(), exponent.buffer(), y.buffer()];
		let threads = u64::from(logits.rows()) * 64;
		recorder.dispatch(&kernel, &buffers, &params, grid(threads));
		Ok(())
	}
}
