// SPDX-License-Identifier: Apache-2.0

//! Noise and synthetic operands on the device (`poaiw_work::noise`, `poaiw_work::synthetic`).

use super::{with_hash, with_index, words_of, Matrix, Pool};
use crate::device::{
	gpu::{grid, Recorder},
	DeviceError, Gpu,
};
use poaiw_commitment::Hash32;
use poaiw_work::{dims::STRIPES, Rank};

/// Both factors of the noise of one operand, on the device.
pub struct Factors {
	/// Dense factor: r bytes for each padded row.
	pub left: wgpu::Buffer,
	/// Sparse factor by columns of the operand.
	pub columns: wgpu::Buffer,
	/// Sparse factor as a matrix: r rows, padded to 16, with the stride of the operand.
	pub right: wgpu::Buffer,
	/// Stripes that carry noise.
	pub stripes: u32,
	/// The rank.
	pub rank: Rank,
}

fn stream_params(seed: &Hash32, label: u8, kind: u32, rows: u32, per_row: u32, stride: u32) -> Vec<u32> {
	let mut params = words_of(seed).to_vec();
	params.extend([u32::from(label), kind, rows, per_row, stride]);
	params
}

/// Records the making of both factors for `rows` padded rows and `windows` windows of an operand whose rows have `stride` words.
///
/// # Errors
/// If a kernel can't be compiled or a buffer is too large.
pub fn record_factors(
	gpu: &Gpu,
	recorder: &mut Recorder<'_>,
	seed: &Hash32,
	rows: u32,
	(windows, stride): (u32, u32),
	rank: Rank,
) -> Result<Factors, DeviceError> {
	let stream = gpu.pipeline("stream", 1, 0, || with_hash(include_str!("stream.wgsl")))?;
	let right = gpu.pipeline("noise_right", 2, 0, || {
		with_hash(include_str!("noise_right.wgsl"))
	})?;
	let r = rank.get() as u32;
	let stripes = windows * STRIPES as u32;
	let left = gpu.buffer("left factor", u64::from(rows) * u64::from(r / 4))?;
	let columns = gpu.buffer("columns", u64::from(stripes) * u64::from(r))?;
	let matrix = gpu.buffer("right factor", u64::from(r) * u64::from(stride))?;
	let params = stream_params(seed, b'L', 0, rows, r / 32, r / 4);
	recorder.dispatch(
		&stream,
		&[&left],
		&params,
		grid(u64::from(rows) * u64::from(r / 32)),
	);
	let mut params = words_of(seed).to_vec();
	params.extend([stripes, r, stride]);
	recorder.dispatch(&right, &[&columns, &matrix], &params, grid(stripes.into()));
	Ok(Factors {
		left,
		columns,
		right: matrix,
		stripes,
		rank,
	})
}

/// Records `operand + noise` into `noisy`, a matrix of the same sizes (its padding rows get noise too).
///
/// # Errors
/// If the kernel can't be compiled.
pub fn record_noisy(
	gpu: &Gpu,
	recorder: &mut Recorder<'_>,
	operand: &Matrix,
	factors: &Factors,
	noisy: &wgpu::Buffer,
) -> Result<(), DeviceError> {
	let add = gpu.pipeline("noise_add", 4, 3, || with_index(include_str!("noise_add.wgsl")))?;
	let r = factors.rank.get() as u32;
	let params = [
		operand.padded_rows(),
		operand.stride() / 4,
		factors.stripes * r / 16,
		r,
	];
	let threads = u64::from(operand.padded_rows()) * u64::from(operand.stride() / 4);
	recorder.dispatch(
		&add,
		&[operand.buffer(), &factors.left, &factors.columns, noisy],
		&params,
		grid(threads),
	);
	Ok(())
}

/// A synthetic operand of `rows` × `cols`, both whole tiles and windows.
///
/// # Errors
/// If it does not fit the device.
pub fn synthetic(
	pool: &Pool,
	recorder: &mut Recorder<'_>,
	seed: &Hash32,
	rows: u32,
	cols: u32,
) -> Result<Matrix, DeviceError> {
	let stream = pool
		.gpu()
		.pipeline("stream", 1, 0, || with_hash(include_str!("stream.wgsl")))?;
	let matrix = pool.matrix(rows, cols)?;
	let params = stream_params(seed, b'S', 1, rows, cols / 32, matrix.stride());
	recorder.dispatch(
		&stream,
		&[matrix.buffer()],
		&params,
		grid(u64::from(rows) * u64::from(cols / 32)),
	);
	Ok(matrix)
}
