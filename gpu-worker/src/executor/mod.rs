// SPDX-License-Identifier: Apache-2.0

//! Executing programs: the GPU backend of `poaiw_program`'s segment driver, checkpoints, and whole runs with resume.

pub mod backend;
pub mod checkpoint;
pub mod run;

pub use backend::{GpuBackend, GpuError};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointFile, Identity};
pub use run::{run_task, RunFailure, RunOutcome, TaskRun, Watcher};

use crate::{
	device::DeviceError,
	kernels::{
		product::{Job, Variant},
		Matrix, Pool,
	},
};
use poaiw_program::ProductSite;
use poaiw_work::Dims;

/// Computes the products of a run on the device, and may do something with their operands: mine, or compare roots.
pub trait ProductSink {
	/// Why it could not.
	type Error: From<DeviceError>;

	/// Leaves `a · bᵀ` in `c` (m × n words). All commands before it have been submitted.
	///
	/// # Errors
	/// If the device fails.
	fn product(
		&mut self,
		site: ProductSite,
		operands: (&Matrix, &Matrix),
		c: &Matrix,
		dims: Dims,
	) -> Result<(), Self::Error>;

	/// A step or evaluation is done.
	///
	/// # Errors
	/// If the device fails.
	fn step_done(&mut self) -> Result<(), Self::Error> {
		Ok(())
	}
}

impl<S: ProductSink> ProductSink for &mut S {
	type Error = S::Error;

	fn product(
		&mut self,
		site: ProductSite,
		operands: (&Matrix, &Matrix),
		c: &Matrix,
		dims: Dims,
	) -> Result<(), S::Error> {
		(**self).product(site, operands, c, dims)
	}

	fn step_done(&mut self) -> Result<(), S::Error> {
		(**self).step_done()
	}
}

/// Computes a product without noise.
///
/// # Errors
/// If the device fails.
pub fn plain_product(
	pool: &Pool,
	(a, b): (&Matrix, &Matrix),
	c: &Matrix,
	dims: Dims,
) -> Result<(), DeviceError> {
	let gpu = pool.gpu();
	let variant = Variant::choose(gpu, &dims);
	let job = Job {
		variant,
		a: a.buffer(),
		b: b.buffer(),
		c: Some(c),
		dims,
		rank: None,
	};
	let none = gpu.buffer("no transcripts", 4)?;
	let rows = dims.tile_rows() * 16;
	let slice = job.slice_rows(gpu.slice_macs(), gpu.max_binding());
	for first in (0..rows).step_by(slice as usize) {
		let mut recorder = gpu.record();
		job.record(gpu, &mut recorder, &none, first, slice.min(rows - first))?;
		recorder.submit();
	}
	Ok(())
}

/// Only computes the products.
pub struct Plain {
	pool: Pool,
}

impl Plain {
	/// Products on the pool's device.
	pub fn new(pool: Pool) -> Self {
		Self { pool }
	}
}

impl ProductSink for Plain {
	type Error = DeviceError;

	fn product(
		&mut self,
		_: ProductSite,
		operands: (&Matrix, &Matrix),
		c: &Matrix,
		dims: Dims,
	) -> Result<(), DeviceError> {
		plain_product(&self.pool, operands, c, dims)
	}
}
