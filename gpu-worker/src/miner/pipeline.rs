// SPDX-License-Identifier: Apache-2.0

//! One mined product on a device: noise, product with transcripts slice by slice, tickets, peel.

use super::memory::EpochMemory;
use crate::{
	device::{DeviceError, Gpu},
	kernels::{
		noise::{self, Factors},
		peel::Peel,
		product::{Job, Variant},
		ticket, Matrix, Pool,
	},
};
use poaiw_work::{seeds::Seeds, Dims, Rank, U256};
use std::ops::ControlFlow;

/// What one product is drawn with.
#[derive(Clone, Copy)]
pub struct Draw<'a> {
	/// Sizes.
	pub dims: Dims,
	/// Rank of the profile.
	pub rank: Rank,
	/// Noise seeds.
	pub seeds: Seeds,
	/// What a ticket must reach.
	pub limit: U256,
	/// Dataset and number of accesses, if the profile has any.
	pub memory: Option<(&'a EpochMemory, u32)>,
}

/// Factors and noisy operands of a product in the making.
pub struct Noisy {
	of_a: Factors,
	of_b: Factors,
	a: Matrix,
	b: Matrix,
}

/// The steps of a mined product on one device.
#[derive(Clone)]
pub struct Pipeline {
	pool: Pool,
	/// Kernel for products; `None` chooses by device and size.
	pub variant: Option<Variant>,
	/// MACs of one dispatch: enough for 10 to 30 ms.
	pub slice_macs: u64,
}

impl Pipeline {
	/// On the device of a pool.
	pub fn new(pool: Pool) -> Self {
		let slice_macs = pool.gpu().slice_macs();
		Self {
			pool,
			variant: None,
			slice_macs,
		}
	}

	/// The pool.
	pub fn pool(&self) -> &Pool {
		&self.pool
	}

	/// The device.
	pub fn gpu(&self) -> &Gpu {
		self.pool.gpu()
	}

	/// Makes the noise of both operands and adds it.
	///
	/// # Errors
	/// If the device fails.
	pub fn noisy(&self, draw: &Draw<'_>, a: &Matrix, b: &Matrix) -> Result<Noisy, DeviceError> {
		let gpu = self.gpu();
		let windows = draw.dims.windows(draw.rank);
		let mut recorder = gpu.record();
		let of_a = noise::record_factors(
			gpu,
			&mut recorder,
			&draw.seeds.a,
			a.padded_rows(),
			(windows, a.stride()),
			draw.rank,
		)?;
		let of_b = noise::record_factors(
			gpu,
			&mut recorder,
			&draw.seeds.b,
			b.padded_rows(),
			(windows, b.stride()),
			draw.rank,
		)?;
		// Padded sizes: the noise fills the padding, which a pooled matrix of the real sizes must keep zero.
		let noisy_a = self.pool.matrix(a.padded_rows(), a.stride() * 4)?;
		let noisy_b = self.pool.matrix(b.padded_rows(), b.stride() * 4)?;
		noise::record_noisy(gpu, &mut recorder, a, &of_a, noisy_a.buffer())?;
		noise::record_noisy(gpu, &mut recorder, b, &of_b, noisy_b.buffer())?;
		recorder.submit();
		Ok(Noisy {
			of_a,
			of_b,
			a: noisy_a,
			b: noisy_b,
		})
	}

	/// Computes `c = A'·B'ᵀ` slice by slice (`None`: only the tickets) and appends winners to `hits`. `between` is asked after
	/// each slice whether to go on.
	///
	/// # Errors
	/// If the device fails.
	pub fn draw(
		&self,
		draw: &Draw<'_>,
		noisy: &Noisy,
		c: Option<&Matrix>,
		hits: &wgpu::Buffer,
		mut between: impl FnMut() -> Result<ControlFlow<()>, DeviceError>,
	) -> Result<(), DeviceError> {
		let gpu = self.gpu();
		let dims = draw.dims;
		let job = Job {
			variant: self.variant.unwrap_or_else(|| Variant::choose(gpu, &dims)),
			a: noisy.a.buffer(),
			b: noisy.b.buffer(),
			c,
			dims,
			rank: Some(draw.rank),
		};
		let slice = job.slice_rows(self.slice_macs, gpu.max_binding());
		let transcripts = gpu.buffer(
			"transcripts",
			job.transcript_words() * u64::from(slice.div_ceil(16)),
		)?;
		let rules = ticket::Rules {
			seed_a: draw.seeds.a,
			limit: draw.limit,
			rank: draw.rank,
			memory: draw.memory.and_then(|(memory, accesses)| {
				memory
					.dataset()
					.map(|dataset| (dataset, memory.items(), accesses))
			}),
		};
		let rows = dims.tile_rows() * 16;
		let mut last = None;
		for first in (0..rows).step_by(slice as usize) {
			let count = slice.min(rows - first);
			let mut recorder = gpu.record();
			recorder.clear(&transcripts);
			job.record(gpu, &mut recorder, &transcripts, first, count)?;
			let tiles = (first / 16, count / 16);
			ticket::record_tickets(gpu, &mut recorder, &rules, &dims, &transcripts, tiles, hits)?;
			// One slice runs while the next is recorded; more would only grow the queue.
			if let Some(index) = last.replace(recorder.submit()) {
				gpu.wait(index)?;
			}
			if between()?.is_break() {
				break;
			}
		}
		Ok(())
	}

	/// Takes the noise off `c` in place; `b` is the right operand without noise.
	///
	/// # Errors
	/// If the device fails.
	pub fn peel(&self, dims: &Dims, noisy: &Noisy, b: &Matrix, c: &Matrix) -> Result<(), DeviceError> {
		let gpu = self.gpu();
		let mut recorder = gpu.record();
		let factors = (&noisy.of_a, &noisy.of_b);
		let peel = Peel::record(&self.pool, &mut recorder, dims, &noisy.a, b, factors)?;
		recorder.submit();
		// A word multiplication costs about four times a byte's.
		let per_row = u64::from(dims.n()) * noisy.of_a.rank.get() as u64 * 8;
		let slice = (self.slice_macs / per_row.max(1)).clamp(64, 1 << 20) as u32;
		for first in (0..dims.m()).step_by(slice as usize) {
			let mut recorder = gpu.record();
			peel.record_rows(gpu, &mut recorder, c, (first, (first + slice).min(dims.m())))?;
			recorder.submit();
		}
		Ok(())
	}
}
