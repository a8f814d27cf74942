// SPDX-License-Identifier: Apache-2.0

//! The gradient of patches; patches themselves only move elements.

use super::OpKernels;
use crate::{
	device::{gpu::Recorder, DeviceError},
	kernels::Matrix,
};
use poaiw_program::Window;

impl OpKernels {
	pub(super) fn patches_gradient(
		&self,
		recorder: &mut Recorder<'_>,
		window: Window,
		x: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let source = include_str!("patches_gradient.wgsl");
		let kernel = self.kernel("patches_gradient", 1, &[], &[], source)?;
		let plane = self.plane(y.rows(), y.cols());
		let [log_width, row_step] = plane.params;
		let params = [
			y.rows(),
			y.cols(),
			x.stride(),
			y.stride(),
			window.height.max(1),
			window.width.max(1),
			window.kernel,
			window.stride.max(1),
			window.padding,
			window.out_height(),
			window.out_width(),
			log_width,
			row_step,
		];
		recorder.dispatch(&kernel, &[x.buffer(), y.buffer()], &params, plane.groups);
		Ok(())
	}
}
