// SPDX-License-Identifier: Apache-2.0

//! Attention weights and their gradient; the products around them are stacked products.

use super::{filled_words, row_step, Inputs, OpKernels, ARITH, EXPONENTIAL, ROWS};
use crate::{
	device::{
		gpu::{grid, Recorder},
		DeviceError,
	},
	kernels::Matrix,
};

impl OpKernels {
	pub(super) fn attention(
		&self,
		recorder: &mut Recorder<'_>,
		top: u32,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let (scores, visible, exponent) = (x.words(0)?, x.words(1)?, x.words(2)?);
		let parts = [ARITH, EXPONENTIAL, ROWS];
		let kernel = self.kernel("attention", 3, &[], &parts, include_str!("attention.wgsl"))?;
		let params = [
			y.rows(),
			y.cols(),
			scores.stride(),
			filled_words(y),
			y.stride(),
			visible.stride(),
			row_step(exponent),
			top,
		];
		let buffers = [scores.buffer(), visible.buffer(), exponent.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, grid(u64::from(y.rows()) * 64));
		Ok(())
	}

	pub(super) fn attention_gradient(
		&self,
		recorder: &mut Recorder<'_>,
		limit: i32,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let (weights, gradient, sum) = (x.bytes(0)?, x.words(1)?, x.words(2)?);
		let source = include_str!("attention_gradient.wgsl");
		let kernel = self.kernel("attention_gradient", 3, &[], &[ROWS], source)?;
		let params = [
			y.rows(),
			y.cols(),
			weights.stride(),
			gradient.stride(),
			sum.stride(),
			y.stride(),
			limit as u32,
		];
		let buffers = [weights.buffer(), gradient.buffer(), sum.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, grid(u64::from(y.rows()) * 64));
		Ok(())
	}
}
