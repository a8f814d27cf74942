// SPDX-License-Identifier: Apache-2.0

//! Mining on the CPU, for `--executor cpu`: the same tickets through `poaiw_work::cpu_miner`.

use super::{gpu::SealSink, memory::EpochMemory, Found, MineError, Stats, Template, TemplateSlot};
use poaiw_commitment::TensorTree;
use poaiw_program::{Control, Observer, Product as Operands, ProductSite};
use poaiw_work::{
	accept,
	builder::{synthetic_seal, Product},
	cpu_miner::{attempt_dims, mine_product, Event, Miner, Search, Win},
	duty::Duty,
	memory::LightDataset,
	Dims, Operand, Seal, WorkSource,
};
use std::{ops::ControlFlow, sync::Arc};

/// Draws tickets on the CPU.
pub struct CpuMiner {
	slot: TemplateSlot,
	stats: Stats,
	sink: SealSink,
	memory: Option<EpochMemory>,
	task: u64,
	/// For one header: how many synthetic products were searched.
	attempt: ([u8; 32], u32),
	/// Share of the time in which synthetic products are searched.
	duty: Duty,
	failed: Option<MineError>,
}

impl CpuMiner {
	/// A miner on this thread.
	pub fn new(slot: TemplateSlot, stats: Stats, sink: SealSink) -> Self {
		Self {
			slot,
			stats,
			sink,
			memory: None,
			task: 0,
			attempt: ([0; 32], 0),
			duty: Duty::new(100),
			failed: None,
		}
	}

	/// Searches synthetic products in so many percent of the time only. Products of tasks are not slowed down.
	pub fn with_duty(mut self, percent: u8) -> Self {
		self.duty = Duty::new(percent);
		self
	}

	/// Names the task whose products come next.
	pub fn set_task(&mut self, task: u64) {
		self.task = task;
	}

	/// The first error since the last call; mining errors do not stop a task.
	pub fn take_error(&mut self) -> Option<MineError> {
		self.failed.take()
	}

	fn template(&mut self) -> Result<Option<Arc<Template>>, MineError> {
		let Some(template) = self.slot.get() else {
			return Ok(None);
		};
		self.memory = EpochMemory::ready(self.memory.take(), &template, None)?;
		Ok(Some(template))
	}

	fn mine(&mut self, site: ProductSite, operands: Operands<'_>) -> Result<(), MineError> {
		let Some(template) = self.template()? else {
			return Ok(());
		};
		let dims = Dims::new(operands.m, operands.n, operands.k)?;
		if dims.windows(template.rank) == 0 {
			return Ok(());
		}
		let a = Operand::new(operands.a, operands.m, operands.k)?;
		let b = Operand::new(operands.b, operands.n, operands.k)?;
		let tree_a = TensorTree::build(a.bytes(), a.rows(), a.cols()).map_err(poaiw_work::Error::from)?;
		let tree_b = TensorTree::build(b.bytes(), b.rows(), b.cols()).map_err(poaiw_work::Error::from)?;
		let product = Product::new(a, b, &tree_a, &tree_b)?;
		let source = WorkSource::Task {
			id: self.task,
			segment: site.segment,
			step: site.step,
			instruction: site.instruction,
		};
		let dataset = self.memory.as_ref().map(|m| LightDataset {
			cache: m.cache(),
			items: m.items(),
		});
		let wins = mine_product(search(&template, dataset.as_ref()), &source, product)?;
		let macs = u64::from(dims.m()) * u64::from(dims.n()) * u64::from(dims.k());
		self.stats.product(macs, dims.tickets(template.rank), false);
		if let Some(win) = wins.first() {
			if !self.slot.is_current(&template) {
				self.stats.stale();
				return Ok(());
			}
			self.confirm(&template, product.seal(source, win.position, template.rank)?)?;
		}
		Ok(())
	}

	fn confirm(&self, template: &Template, seal: Seal) -> Result<(), MineError> {
		let epoch = self.memory.as_ref().map(EpochMemory::epoch);
		let (hash, author) = (&template.pre_hash, &template.author);
		if let Err(reject) = accept(hash, author, &seal, &template.profile, epoch, template.mac_target) {
			tracing::error!(%reject, "a ticket of the CPU miner is refused by the accept predicate");
			return Ok(());
		}
		self.stats.found();
		(self.sink)(Found {
			pre_hash: template.pre_hash,
			seal,
		});
		Ok(())
	}

	/// Searches one synthetic product of the newest template (or what is left of it when a newer one comes).
	/// Gives `false` if there is nothing to search.
	///
	/// # Errors
	/// If the profile is not valid.
	pub fn synthetic(&mut self) -> Result<bool, MineError> {
		let Some(template) = self.template()? else {
			return Ok(false);
		};
		if self.attempt.0 != template.pre_hash {
			self.attempt = (template.pre_hash, 0);
		}
		let profile = &template.profile;
		let largest = Dims::new(profile.synthetic_m, profile.synthetic_n, profile.synthetic_k)?;
		let Some(dims) = attempt_dims(&largest, self.attempt.1) else {
			return Ok(false);
		};
		self.attempt.1 += 1;
		let dataset = self.memory.as_ref().map(|m| LightDataset {
			cache: m.cache(),
			items: m.items(),
		});
		let miner = Miner::synthetic(search(&template, dataset.as_ref()), &template.author, &dims)?;
		let won = Self::search_all((&self.stats, &self.slot, &mut self.duty), &miner, &template)?;
		if let Some(win) = won {
			self.confirm(&template, synthetic_seal(&dims, win.position, template.rank)?)?;
			self.slot
				.wait_for_other(Some(&template.pre_hash), std::time::Duration::from_secs(2));
			self.duty.begin();
		}
		Ok(true)
	}

	fn search_all(
		(stats, slot, duty): (&Stats, &TemplateSlot, &mut Duty),
		miner: &Miner<'_>,
		template: &Template,
	) -> Result<Option<Win>, MineError> {
		let mut won = None;
		let _ = miner.mine(0..miner.dims().tile_rows(), &mut |event| match event {
			Event::Win(win) => {
				won = Some(win);
				ControlFlow::Break(())
			}
			Event::Tickets(count) => {
				stats.product(count * template.rank.work(), count, true);
				duty.pause();
				if slot.is_current(template) {
					ControlFlow::Continue(())
				} else {
					ControlFlow::Break(())
				}
			}
		})?;
		Ok(won)
	}
}

fn search<'a>(template: &'a Template, dataset: Option<&'a LightDataset<'a>>) -> Search<'a> {
	Search {
		pre_hash: &template.pre_hash,
		profile: &template.profile,
		mac_target: template.mac_target,
		items: dataset.map(|d| d as &(dyn poaiw_work::memory::Items + Sync)),
	}
}

impl Observer for &mut CpuMiner {
	fn product(&mut self, site: ProductSite, operands: Operands<'_>) {
		// What a task computes is no work of a synthetic search.
		self.duty.begin();
		if let Err(error) = self.mine(site, operands) {
			tracing::error!(%error, "mining on the CPU failed");
			self.failed.get_or_insert(error);
		}
	}

	fn step_done(&mut self, _: u32, _: i32) -> Control {
		Control::Continue
	}
}
