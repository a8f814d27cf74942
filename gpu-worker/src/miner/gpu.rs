// SPDX-License-Identifier: Apache-2.0

//! Mining on a GPU.
//!
//! The list of winners of one product is read together with the leaves of the next one, so a product costs one wait.

use super::{
	memory::EpochMemory,
	pipeline::{Draw, Pipeline},
	Found, MineError, Stats, Template, TemplateSlot,
};
use crate::{
	device::{known_answer, DeviceError, Gpu},
	executor::{plain_product, ProductSink},
	kernels::{
		commit, noise,
		ticket::{self, HIT_WORDS},
		Matrix, Pool,
	},
};
use poaiw_commitment::{Hash32, TensorTree, ZERO_HASH};
use poaiw_program::ProductSite;
use poaiw_work::{
	accept,
	builder::{synthetic_seal, Product},
	cpu_miner::attempt_dims,
	seeds::{job_key, Seeds},
	synthetic::SyntheticSeeds,
	ticket::Position,
	Dims, Operand, Seal, WorkSource,
};
use std::{
	ops::ControlFlow,
	sync::Arc,
	time::{Duration, Instant},
};

/// Where confirmed seals go.
pub type SealSink = Box<dyn Fn(Found) + Send>;

/// Time between two known-answer tests.
const TEST_EVERY: Duration = Duration::from_secs(600);

/// How long a miner waits for the template after the one that it sealed.
const NEXT_TEMPLATE: Duration = Duration::from_secs(2);

/// Draws tickets on one device.
pub struct GpuMiner {
	pipeline: Pipeline,
	slot: TemplateSlot,
	stats: Stats,
	sink: SealSink,
	memory: Option<EpochMemory>,
	/// Task whose products are mined.
	task: u64,
	pending: Option<Pending>,
	/// For one header: how many synthetic products were searched.
	attempt: (Hash32, u32),
	/// When the device last passed the known-answer test.
	tested: Instant,
}

/// A product whose winners were not read yet. Holds on to the operands for its seal.
struct Pending {
	template: Arc<Template>,
	source: WorkSource,
	a: Matrix,
	b: Matrix,
	trees: [TensorTree; 2],
	hits: wgpu::Buffer,
}

impl GpuMiner {
	/// A miner for the device of `pool`.
	pub fn new(pool: Pool, slot: TemplateSlot, stats: Stats, sink: SealSink) -> Self {
		Self {
			pipeline: Pipeline::new(pool),
			slot,
			stats,
			sink,
			memory: None,
			task: 0,
			pending: None,
			attempt: (ZERO_HASH, 0),
			tested: Instant::now(),
		}
	}

	/// Names the task whose products come next.
	pub fn set_task(&mut self, task: u64) {
		self.task = task;
	}

	/// How products are computed.
	pub fn pipeline(&mut self) -> &mut Pipeline {
		&mut self.pipeline
	}

	fn gpu(&self) -> &Gpu {
		self.pipeline.gpu()
	}

	/// The template for the next product, with its memory ready; `None` if nothing can be mined.
	/// From time to time the device has to show first that it still computes right: heat and age break chips.
	fn template(&mut self) -> Result<Option<Arc<Template>>, MineError> {
		if self.tested.elapsed() >= TEST_EVERY {
			known_answer(self.pipeline.pool().gpu())?;
			self.tested = Instant::now();
		}
		let Some(template) = self.slot.get() else {
			return Ok(None);
		};
		let gpu = self.pipeline.pool().gpu().clone();
		self.memory = EpochMemory::ready(self.memory.take(), &template, Some(&gpu))?;
		Ok(Some(template))
	}

	fn drawing(&self, template: &Template, dims: Dims, seeds: Seeds) -> Draw<'_> {
		Draw {
			dims,
			rank: template.rank,
			seeds,
			limit: template.limit(),
			memory: self
				.memory
				.as_ref()
				.map(|memory| (memory, template.profile.accesses)),
		}
	}

	fn mined(
		&mut self,
		template: Arc<Template>,
		site: ProductSite,
		(a, b, c): (&Matrix, &Matrix, &Matrix),
		dims: Dims,
	) -> Result<(), MineError> {
		let gpu = self.pipeline.pool().gpu().clone();
		let waiting = self.pending.take();
		let extra: Vec<_> = waiting.iter().map(|pending| (&pending.hits, HIT_WORDS)).collect();
		let (trees, lists) = commit::trees(&gpu, &[a, b], &extra)?;
		if let (Some(pending), Some(words)) = (&waiting, lists.first()) {
			self.settle(pending, words)?;
		}
		let trees = <[TensorTree; 2]>::try_from(trees)
			.map_err(|_| DeviceError::Sizes("two operands give two trees".into()))?;
		let source = WorkSource::Task {
			id: self.task,
			segment: site.segment,
			step: site.step,
			instruction: site.instruction,
		};
		let key = job_key(
			&template.pre_hash,
			&source.hash(),
			template.rank,
			template.profile.accesses,
			&dims,
		);
		let draw = self.drawing(
			&template,
			dims,
			Seeds::new(&key, &trees[0].root(), &trees[1].root()),
		);
		let hits = gpu.buffer("hits", HIT_WORDS)?;
		let noisy = self.pipeline.noisy(&draw, a, b)?;
		self.pipeline
			.draw(&draw, &noisy, Some(c), &hits, || Ok(ControlFlow::Continue(())))?;
		self.pipeline.peel(&dims, &noisy, b, c)?;
		self.stats
			.product(padded_macs(&dims), dims.tickets(template.rank), false);
		self.pending = Some(Pending {
			template,
			source,
			a: a.clone(),
			b: b.clone(),
			trees,
			hits,
		});
		Ok(())
	}

	/// Reads the winners of the last product.
	///
	/// # Errors
	/// If the device fails, or reports winners that do not win.
	pub fn finish(&mut self) -> Result<(), MineError> {
		let Some(pending) = self.pending.take() else {
			return Ok(());
		};
		let words = self.gpu().read(&pending.hits, HIT_WORDS)?;
		self.settle(&pending, &words)
	}

	fn settle(&self, pending: &Pending, words: &[u32]) -> Result<(), MineError> {
		let (positions, dropped) = ticket::hits(words);
		if dropped > 0 {
			tracing::warn!(
				dropped,
				"more winning tickets than are kept: the target is very easy"
			);
		}
		// One template takes one seal.
		let Some(first) = positions.first() else {
			return Ok(());
		};
		if !self.slot.is_current(&pending.template) {
			self.stats.stale();
			return Ok(());
		}
		let seal = self.task_seal(pending, *first)?;
		self.confirm(&pending.template, seal)
	}

	fn task_seal(&self, pending: &Pending, position: Position) -> Result<Seal, MineError> {
		let mut bytes = self.pipeline.pool().download(&[&pending.a, &pending.b])?;
		let (b, a) = (bytes.pop().unwrap_or_default(), bytes.pop().unwrap_or_default());
		let a = Operand::new(bytemuck::cast_slice(&a), pending.a.rows(), pending.a.row_bytes())?;
		let b = Operand::new(bytemuck::cast_slice(&b), pending.b.rows(), pending.b.row_bytes())?;
		let product = Product::new(a, b, &pending.trees[0], &pending.trees[1])?;
		Ok(product.seal(pending.source, position, pending.template.rank)?)
	}

	/// Re-computes a winning ticket on the CPU and hands it on. A ticket that does not win there convicts the device.
	fn confirm(&self, template: &Template, seal: Seal) -> Result<(), MineError> {
		let epoch = self.memory.as_ref().map(EpochMemory::epoch);
		let (hash, author) = (&template.pre_hash, &template.author);
		match accept(hash, author, &seal, &template.profile, epoch, template.mac_target) {
			Ok(_) => {
				self.stats.found();
				(self.sink)(Found {
					pre_hash: template.pre_hash,
					seal,
				});
				Ok(())
			}
			Err(reject) => Err(MineError::Device(DeviceError::WrongAnswer {
				name: self.gpu().name().into(),
				driver: self.gpu().driver(),
				what: format!("a ticket that the device reports as winning is refused by the CPU: {reject}"),
			})),
		}
	}

	/// Searches one synthetic product of the newest template (or what is left of it when a newer one comes).
	/// Gives `false` if there is nothing to search: no template, or all sizes used up.
	///
	/// # Errors
	/// If the device fails, or reports winners that do not win.
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
		if let Some(position) = self.search_synthetic(&template, dims)? {
			self.confirm(&template, synthetic_seal(&dims, position, template.rank)?)?;
			// The template is used up; searching on would only find what the node calls stale.
			self.slot.wait_for_other(Some(&template.pre_hash), NEXT_TEMPLATE);
		}
		Ok(true)
	}

	fn search_synthetic(&self, template: &Template, dims: Dims) -> Result<Option<Position>, MineError> {
		let source = WorkSource::Synthetic.hash();
		let key = job_key(
			&template.pre_hash,
			&source,
			template.rank,
			template.profile.accesses,
			&dims,
		);
		let draw = self.drawing(template, dims, Seeds::new(&key, &ZERO_HASH, &ZERO_HASH));
		let generated = SyntheticSeeds::new(&template.pre_hash, &template.author);
		let (pool, gpu) = (self.pipeline.pool(), self.gpu());
		let mut recorder = gpu.record();
		let a = noise::synthetic(pool, &mut recorder, &generated.a, dims.m(), dims.k())?;
		let b = noise::synthetic(pool, &mut recorder, &generated.b, dims.n(), dims.k())?;
		recorder.submit();
		let noisy = self.pipeline.noisy(&draw, &a, &b)?;
		let hits = gpu.buffer("hits", HIT_WORDS)?;
		let mut won = None;
		self.pipeline.draw(&draw, &noisy, None, &hits, || {
			let (positions, _) = ticket::hits(&gpu.read(&hits, HIT_WORDS)?);
			won = positions.first().copied();
			let go_on = won.is_none() && self.slot.is_current(template);
			Ok(if go_on {
				ControlFlow::Continue(())
			} else {
				ControlFlow::Break(())
			})
		})?;
		self.stats
			.product(padded_macs(&dims), dims.tickets(template.rank), true);
		Ok(won)
	}
}

impl ProductSink for GpuMiner {
	type Error = MineError;

	fn product(
		&mut self,
		site: ProductSite,
		operands: (&Matrix, &Matrix),
		c: &Matrix,
		dims: Dims,
	) -> Result<(), MineError> {
		match self
			.template()?
			.filter(|template| dims.windows(template.rank) > 0)
		{
			Some(template) => self.mined(template, site, (operands.0, operands.1, c), dims),
			None => {
				plain_product(self.pipeline.pool(), operands, c, dims)?;
				self.stats.product(padded_macs(&dims), 0, false);
				Ok(())
			}
		}
	}

	fn step_done(&mut self) -> Result<(), MineError> {
		self.finish()
	}
}

/// MACs that the device does for a product.
fn padded_macs(dims: &Dims) -> u64 {
	u64::from(dims.tile_rows()) * 16 * u64::from(dims.tile_cols()) * 16 * u64::from(dims.padded_k())
}
