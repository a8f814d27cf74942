// SPDX-License-Identifier: Apache-2.0

//! The GPU as an engine.

use super::{
	engine::{AnyBackend, Description, Engine, MiningDesk, Plain},
	Job,
};
use crate::{
	device::{self, DeviceChoice},
	executor::GpuBackend,
	kernels::Pool,
	miner::{GpuMiner, TemplateSlot},
};
use anyhow::Context;

/// One device.
pub struct GpuEngine {
	pool: Pool,
	miner: GpuMiner,
	mining: bool,
}

impl GpuEngine {
	/// Opens the chosen device, which has to pass the known-answer test.
	///
	/// # Errors
	/// If there is no such device, or it computes something else than the CPU.
	pub fn open(choice: &DeviceChoice, desk: &MiningDesk) -> anyhow::Result<Self> {
		let gpu = device::open(choice)?;
		let pool = Pool::new(gpu);
		// Without mining the miner only sees a slot that stays empty: it computes products without noise.
		let slot = if desk.mining {
			desk.slot.clone()
		} else {
			TemplateSlot::default()
		};
		let miner = GpuMiner::new(pool.clone(), slot, desk.stats.clone(), desk.sink());
		Ok(Self {
			pool,
			miner,
			mining: desk.mining,
		})
	}
}

impl Engine for GpuEngine {
	fn describe(&self) -> Description {
		let gpu = self.pool.gpu();
		let kernel = if gpu.is_software() { "direct4x4" } else { "tiled64" };
		Description {
			device: format!("{} ({})", gpu.name(), gpu.driver()),
			kernel: kernel.into(),
		}
	}

	fn backend<'a>(&'a mut self, job: &'a Job) -> anyhow::Result<AnyBackend<'a>> {
		self.miner.set_task(job.task);
		let parts = &job.parts;
		let backend = GpuBackend::new(
			self.pool.clone(),
			&parts.workload,
			&parts.info,
			job.seed,
			&parts.data,
			&mut self.miner,
		)
		.context("the task does not fit this device")?;
		Ok(Box::new(Plain(backend)))
	}

	fn synthetic(&mut self) -> anyhow::Result<bool> {
		if !self.mining {
			return Ok(false);
		}
		self.miner.synthetic().context("mining failed")
	}
}
