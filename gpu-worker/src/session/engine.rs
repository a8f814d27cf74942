// SPDX-License-Identifier: Apache-2.0

//! What a session computes with.

use super::Job;
use crate::miner::{cpu::CpuMiner, Found, Stats, TemplateSlot};
use anyhow::Context;
use poaiw_program::{run::Evaluated, Interpreter, Observer, Product, ProductSite, StepBackend, Tensor};
use tokio::sync::mpsc::UnboundedSender;

/// What an engine is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
	/// The device.
	pub device: String,
	/// Its kernel for products.
	pub kernel: String,
}

/// A backend of any kind.
pub type AnyBackend<'a> = Box<dyn StepBackend<Error = anyhow::Error> + 'a>;

/// Executes jobs and mines, on one thread.
pub trait Engine {
	/// What it is.
	fn describe(&self) -> Description;

	/// Makes ready to execute a job, mining inside its products if mining is on. No state is loaded yet.
	///
	/// # Errors
	/// If the job does not fit the device, or the device fails.
	fn backend<'a>(&'a mut self, job: &'a Job) -> anyhow::Result<AnyBackend<'a>>;

	/// Searches one synthetic product; gives `false` if there is nothing to search (or mining is off).
	///
	/// # Errors
	/// If the device fails.
	fn synthetic(&mut self) -> anyhow::Result<bool>;
}

/// What miners need: where templates come from, where seals go, and the counters. Clones share them.
#[derive(Clone)]
pub struct MiningDesk {
	/// The newest template.
	pub slot: TemplateSlot,
	/// Counters.
	pub stats: Stats,
	/// Confirmed seals.
	pub found: UnboundedSender<Found>,
	/// Whether to mine at all.
	pub mining: bool,
}

impl MiningDesk {
	/// Where a miner puts its seals.
	pub fn sink(&self) -> Box<dyn Fn(Found) + Send> {
		let found = self.found.clone();
		// Nobody listens any more only while the process ends.
		Box::new(move |seal| drop(found.send(seal)))
	}
}

/// The CPU, by choice: the reference interpreter, and mining inside its products.
pub struct CpuEngine {
	desk: MiningDesk,
	miner: CpuMiner,
}

impl CpuEngine {
	/// An engine that mines from this desk.
	pub fn new(desk: MiningDesk) -> Self {
		let miner = CpuMiner::new(desk.slot.clone(), desk.stats.clone(), desk.sink());
		Self { desk, miner }
	}

	/// Mines synthetic products in so many percent of the time only.
	pub fn with_duty(mut self, percent: u8) -> Self {
		self.miner = self.miner.with_duty(percent);
		self
	}
}

impl Engine for CpuEngine {
	fn describe(&self) -> Description {
		Description {
			device: "CPU".into(),
			kernel: poaiw_work::kernel::Kernel::best().name().into(),
		}
	}

	fn backend<'a>(&'a mut self, job: &'a Job) -> anyhow::Result<AnyBackend<'a>> {
		self.miner.set_task(job.task);
		let tap = Tap {
			desk: &self.desk,
			miner: &mut self.miner,
		};
		let parts = &job.parts;
		let interpreter = Interpreter::new(&parts.workload, &parts.info, job.seed, &parts.data, tap)
			.context("the job's data is not its workload's")?;
		Ok(Box::new(Plain(interpreter)))
	}

	fn synthetic(&mut self) -> anyhow::Result<bool> {
		if !self.desk.mining {
			return Ok(false);
		}
		self.miner.synthetic().context("mining on the CPU failed")
	}
}

/// Shows every product to the miner, and counts those that are not mined.
struct Tap<'a> {
	desk: &'a MiningDesk,
	miner: &'a mut CpuMiner,
}

impl Observer for Tap<'_> {
	fn product(&mut self, site: ProductSite, product: Product<'_>) {
		let mined = self.desk.mining && self.desk.slot.get().is_some();
		if mined {
			self.miner.product(site, product);
		} else {
			let macs = u64::from(product.m) * u64::from(product.n) * u64::from(product.k);
			self.desk.stats.product(macs, 0, false);
		}
	}
}

/// Any backend with its errors boxed.
pub struct Plain<B>(pub B);

impl<B> StepBackend for Plain<B>
where
	B: StepBackend,
	B::Error: Into<anyhow::Error>,
{
	type Error = anyhow::Error;

	fn load_state(&mut self, state: Vec<Tensor>) -> anyhow::Result<()> {
		self.0.load_state(state).map_err(Into::into)
	}

	fn run_step(&mut self, segment: u32, step: u32) -> anyhow::Result<i32> {
		self.0.run_step(segment, step).map_err(Into::into)
	}

	fn state(&mut self) -> anyhow::Result<Vec<Tensor>> {
		self.0.state().map_err(Into::into)
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> anyhow::Result<Evaluated> {
		self.0.evaluate(segment, run).map_err(Into::into)
	}
}

/// A boxed backend as a backend.
pub struct Boxed<'a>(pub AnyBackend<'a>);

impl StepBackend for Boxed<'_> {
	type Error = anyhow::Error;

	fn load_state(&mut self, state: Vec<Tensor>) -> anyhow::Result<()> {
		self.0.load_state(state)
	}

	fn run_step(&mut self, segment: u32, step: u32) -> anyhow::Result<i32> {
		self.0.run_step(segment, step)
	}

	fn state(&mut self) -> anyhow::Result<Vec<Tensor>> {
		self.0.state()
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> anyhow::Result<Evaluated> {
		self.0.evaluate(segment, run)
	}
}
