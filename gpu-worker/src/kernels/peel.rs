// SPDX-License-Identifier: Apache-2.0

//! Taking the noise off a product through the rank-r factors: `C = C' − A'·Fᵀ − E·Bᵀ`.

use super::{
	noise::Factors,
	product::{Job, Variant},
	with_index, Matrix, Pool,
};
use crate::device::{gpu::Recorder, DeviceError, Gpu};
use poaiw_work::Dims;

/// Records `projected = X · Rᵀ` for the padded rows of X. R has only two entries in a column of a stripe, but a dense
/// product of bytes is faster than gathering single ones.
fn record_project(
	pool: &Pool,
	recorder: &mut Recorder<'_>,
	x: &Matrix,
	factors: &Factors,
) -> Result<Matrix, DeviceError> {
	let r = factors.rank.get() as u32;
	let fit = |error: poaiw_work::Error| DeviceError::Sizes(error.to_string());
	let dims = Dims::new(x.padded_rows(), r, x.stride() * 4).map_err(fit)?;
	let projected = pool.matrix(x.padded_rows(), r * 4)?;
	let gpu = pool.gpu();
	let job = Job {
		variant: Variant::choose(gpu, &dims),
		a: x.buffer(),
		b: &factors.right,
		c: Some(&projected),
		dims,
		rank: None,
	};
	let none = gpu.buffer("no transcripts", 4)?;
	job.record(gpu, recorder, &none, 0, x.padded_rows())?;
	Ok(projected)
}

/// Everything that peeling needs besides the product.
pub struct Peel<'a> {
	u: Matrix,
	v: Matrix,
	of_a: &'a Factors,
	of_b: &'a Factors,
	dims: Dims,
}

impl<'a> Peel<'a> {
	/// Records the projections of both operands. `noisy_a` is A with its noise, `b` is B without.
	///
	/// # Errors
	/// If a kernel can't be compiled or a buffer is too large.
	pub fn record(
		pool: &Pool,
		recorder: &mut Recorder<'_>,
		dims: &Dims,
		noisy_a: &Matrix,
		b: &Matrix,
		(of_a, of_b): (&'a Factors, &'a Factors),
	) -> Result<Self, DeviceError> {
		let u = record_project(pool, recorder, noisy_a, of_b)?;
		let v = record_project(pool, recorder, b, of_a)?;
		Ok(Self {
			u,
			v,
			of_a,
			of_b,
			dims: *dims,
		})
	}

	/// Records the peeling of rows `first..end` of `c` in place; `first` is a multiple of 4.
	///
	/// # Errors
	/// If the kernel can't be compiled.
	pub fn record_rows(
		&self,
		gpu: &Gpu,
		recorder: &mut Recorder<'_>,
		c: &Matrix,
		(first, end): (u32, u32),
	) -> Result<(), DeviceError> {
		let kernel = gpu.pipeline("peel", 5, 4, || with_index(include_str!("peel.wgsl")))?;
		let quarter = self.of_a.rank.get() as u32 / 4;
		let wide = self.u.stride() / 4;
		let params = [
			self.dims.m(),
			self.dims.n(),
			c.stride(),
			quarter,
			first,
			end,
			wide,
		];
		let groups = (self.dims.n().div_ceil(32), (end - first).div_ceil(32));
		let buffers = [
			self.u.buffer(),
			self.v.buffer(),
			&self.of_a.left,
			&self.of_b.left,
			c.buffer(),
		];
		recorder.dispatch(&kernel, &buffers, &params, groups);
		Ok(())
	}
}
