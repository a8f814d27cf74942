// SPDX-License-Identifier: Apache-2.0

//! Rows divided by their root mean square, the gradient of that, and rows less their mean.

use super::{Inputs, OpKernels, ARITH, ROWS};
use crate::{
	device::{
		gpu::{grid, Recorder},
		DeviceError,
	},
	kernels::Matrix,
};
use poaiw_program::{normalise::Width, Op};

impl OpKernels {
	pub(super) fn normalise(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		x: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let kind = match op {
			Op::RmsNorm => 0,
			Op::RmsFactor => 1,
			Op::RmsExponent => 2,
			Op::Centre => 3,
			_ => {
				let name = op.kind().name();
				return Err(DeviceError::Sizes(format!("{name} does not normalise rows")));
			}
		};
		let source = include_str!("normalise.wgsl");
		let kernel = self.kernel("normalise", 1, &[("KIND", kind)], &[ARITH, ROWS], source)?;
		let width = Width::of(x.cols());
		let params = [
			x.rows(),
			x.cols(),
			x.stride(),
			y.stride(),
			width.bits as u32,
			width.growth as u32,
			width.root,
		];
		let threads = u64::from(x.rows()) * 64;
		recorder.dispatch(&kernel, &[x.buffer(), y.buffer()], &params, grid(threads));
		Ok(())
	}

	pub(super) fn normalise_gradient(
		&self,
		recorder: &mut Recorder<'_>,
		bits: u32,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let (gradient, normalised) = (x.words(0)?, x.words(1)?);
		let (factor, exponent, largest) = (x.words(2)?, x.words(3)?, x.words(4)?);
		let source = include_str!("normalise_gradient.wgsl");
		let kernel = self.kernel("normalise_gradient", 5, &[], &[ARITH, ROWS], source)?;
		let params = [
			y.rows(),
			y.cols(),
			gradient.stride(),
			normalised.stride(),
			y.stride(),
			factor.stride(),
			exponent.stride(),
			bits,
		];
		let buffers = [
			gradient.buffer(),
			normalised.buffer(),
			factor.buffer(),
			exponent.buffer(),
			largest.buffer(),
			y.buffer(),
		];
		recorder.dispatch(&kernel, &buffers, &params, grid(u64::from(y.rows()) * 64));
		Ok(())
	}
}
