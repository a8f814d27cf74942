// SPDX-License-Identifier: Apache-2.0

//! C = A · Bᵀ with the transcripts of its tiles, in variants that give the same bits.

use super::Matrix;
use crate::device::{
	gpu::{Pipeline, Recorder},
	DeviceError, DotPath, Gpu,
};
use poaiw_work::{Dims, Rank};
use std::sync::Arc;

/// How a product is laid out on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
	/// 4 × 4 elements in a thread, no workgroup memory: software devices and small products.
	Direct4x4,
	/// 64 × 64 elements in a workgroup through workgroup memory: GPUs.
	Tiled64,
}

impl Variant {
	/// All variants.
	pub const ALL: [Self; 2] = [Self::Direct4x4, Self::Tiled64];

	/// The better one for a device and product.
	pub fn choose(gpu: &Gpu, dims: &Dims) -> Self {
		Self::for_sizes(gpu, dims.m(), dims.n())
	}

	fn for_sizes(gpu: &Gpu, m: u32, n: u32) -> Self {
		let small = m < 64 || n < 64;
		if gpu.is_software() || small {
			Self::Direct4x4
		} else {
			Self::Tiled64
		}
	}

	fn name(self) -> &'static str {
		match self {
			Self::Direct4x4 => "product_direct4x4",
			Self::Tiled64 => "product_tiled64",
		}
	}

	/// Rows and columns of the result that one workgroup makes.
	fn side(self) -> u32 {
		match self {
			Self::Direct4x4 => 32,
			Self::Tiled64 => 64,
		}
	}

	fn pipeline(self, gpu: &Gpu) -> Result<Arc<Pipeline>, DeviceError> {
		gpu.pipeline(self.name(), 4, 2, || self.source(gpu.dot()))
	}

	fn source(self, dot: DotPath) -> String {
		let dot = match dot {
			DotPath::Packed => include_str!("dot_packed.wgsl"),
			DotPath::Shifts => include_str!("dot_shifts.wgsl"),
		};
		let kernel = match self {
			Self::Direct4x4 => include_str!("product_direct4x4.wgsl"),
			Self::Tiled64 => include_str!("product_tiled64.wgsl"),
		};
		[dot, kernel].concat()
	}
}

/// One product: operands (with or without noise) as padded buffers, and where it goes.
pub struct Job<'a> {
	/// Which kernel.
	pub variant: Variant,
	/// Left operand, m × k, padded.
	pub a: &'a wgpu::Buffer,
	/// Right operand, n × k, padded.
	pub b: &'a wgpu::Buffer,
	/// Result, m × n words; `None` if only the transcripts are wanted.
	pub c: Option<&'a Matrix>,
	/// Sizes.
	pub dims: Dims,
	/// Rank, if transcripts are wanted.
	pub rank: Option<Rank>,
}

impl Job<'_> {
	/// Windows that get transcripts.
	pub fn windows(&self) -> u32 {
		self.rank.map_or(0, |rank| self.dims.windows(rank))
	}

	/// Words of the transcripts of one row of tiles.
	pub fn transcript_words(&self) -> u64 {
		u64::from(self.dims.tile_cols()) * u64::from(self.windows()) * 16
	}

	/// Rows in one dispatch: about `macs` of work, transcripts that fit `max_bytes`, whole rows of workgroups.
	pub fn slice_rows(&self, macs: u64, max_bytes: u64) -> u32 {
		let padded_n = u64::from(self.dims.tile_cols()) * 16;
		let per_row = padded_n * u64::from(self.dims.padded_k());
		let by_work = macs / per_row.max(1);
		let by_memory = (max_bytes / 4 / self.transcript_words().max(1)).saturating_mul(16);
		let rows = by_work.min(by_memory).clamp(64, 1 << 20) / 64 * 64;
		(rows as u32).min(self.dims.m().next_multiple_of(64))
	}

	/// Records rows `first..first + rows` of the product. `transcripts` must be zero and is numbered from `first`.
	///
	/// # Errors
	/// If the kernel can't be compiled.
	pub fn record(
		&self,
		gpu: &Gpu,
		recorder: &mut Recorder<'_>,
		transcripts: &wgpu::Buffer,
		first: u32,
		rows: u32,
	) -> Result<(), DeviceError> {
		let variant = self.variant;
		let kernel = variant.pipeline(gpu)?;
		// Without a result no row of it is written; something must be bound all the same.
		let (m, c_stride, c) = match self.c {
			Some(c) => (self.dims.m(), c.stride(), c.buffer().clone()),
			None => (0, 0, gpu.buffer("no result", 4)?),
		};
		let (rows_a, rows_b) = (self.dims.tile_rows() * 16, self.dims.tile_cols() * 16);
		let end_row = (first + rows).min(rows_a);
		let stripe = self.rank.map_or(2, |rank| rank.get() as u32 / 16);
		let stride = self.dims.padded_k() / 16;
		let end = (self.windows() * stripe * 16).max(self.dims.k().div_ceil(32) * 2);
		let n = self.dims.n();
		let windows = self.windows();
		let side = variant.side();
		let groups = (rows_b.div_ceil(side), (end_row - first).div_ceil(side));
		let params = [
			rows_a, rows_b, m, n, first, end_row, stride, stripe, windows, c_stride, end, groups.1, 0,
		];
		recorder.dispatch(&kernel, &[self.a, self.b, &c, transcripts], &params, groups);
		Ok(())
	}
}

/// Products of stacked pairs of matrices, without transcripts: the rows of each operand are those of all its matrices.
pub struct Stack<'a> {
	/// Left operands.
	pub a: &'a Matrix,
	/// Right operands.
	pub b: &'a Matrix,
	/// Results.
	pub c: &'a Matrix,
	/// Pairs.
	pub products: u32,
}

/// Workgroups next to each other in one dimension of a dispatch.
const MAX_GROUPS: u32 = 65535;

impl Stack<'_> {
	/// Records all products with the better variant. `unused` is bound where transcripts would go.
	///
	/// # Errors
	/// If the kernel can't be compiled, or the sizes don't belong together (excluded by validation).
	pub fn record(
		&self,
		gpu: &Gpu,
		recorder: &mut Recorder<'_>,
		unused: &wgpu::Buffer,
	) -> Result<(), DeviceError> {
		let products = self.products.max(1);
		let variant = Variant::for_sizes(gpu, self.a.rows() / products, self.b.rows() / products);
		self.record_as(variant, gpu, recorder, unused)
	}

	/// Records all products with a variant.
	///
	/// # Errors
	/// As [`Stack::record`].
	pub fn record_as(
		&self,
		variant: Variant,
		gpu: &Gpu,
		recorder: &mut Recorder<'_>,
		unused: &wgpu::Buffer,
	) -> Result<(), DeviceError> {
		let (a, b, c, products) = (self.a, self.b, self.c, self.products.max(1));
		let (m, n, k) = (a.rows() / products, b.rows() / products, a.row_bytes());
		let fits = (m * products, n * products) == (a.rows(), b.rows())
			&& (c.rows(), c.cols()) == (a.rows(), n)
			&& b.row_bytes() == k;
		if !fits {
			return Err(DeviceError::Sizes(format!(
				"{products} stacked products of {} x {k} and {} x {}: validate the program",
				a.rows(),
				b.rows(),
				b.row_bytes()
			)));
		}
		let kernel = variant.pipeline(gpu)?;
		let side = variant.side();
		let end = k.div_ceil(32) * 2;
		// Whole products in a dispatch, or some rows of a large one.
		let per_row = u64::from(n.max(1)) * u64::from(k);
		let by_work = (gpu.slice_macs() / per_row).clamp(64, 1 << 20) as u32 / 64 * 64;
		let rows = by_work.min(m.next_multiple_of(side));
		let blocks = rows.div_ceil(side);
		let together = (by_work / rows).clamp(1, MAX_GROUPS / blocks);
		for product in (0..products).step_by(together as usize) {
			let count = together.min(products - product);
			for first in (0..m).step_by(rows as usize) {
				let end_row = (first + rows).min(m);
				let params = [
					m,
					n,
					m,
					n,
					first,
					end_row,
					a.stride() / 4,
					2,
					0,
					c.stride(),
					end,
					blocks,
					product,
				];
				let groups = (n.div_ceil(side), blocks * count);
				recorder.dispatch(
					&kernel,
					&[a.buffer(), b.buffer(), c.buffer(), unused],
					&params,
					groups,
				);
			}
		}
		Ok(())
	}
}
