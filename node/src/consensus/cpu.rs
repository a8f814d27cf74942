// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The built-in CPU miner: synthetic tickets on plain threads, so that a development chain advances with no worker.
//!
//! The sizes of a product are part of its job key, so products of different sizes under one template are different
//! lotteries: every thread takes sizes of its own. Profiles with memory accesses are mined from the light cache, which
//! is slow; public chains are mined by `poaiw-worker`.

use super::mining::{Template, TemplateKeeper};
use codec::Encode;
use poaiw_primitives::{api::WorkApi, digest::Author, Block, U256};
use poaiw_work::{
	builder::synthetic_seal,
	cpu_miner::{Event, Miner, Search, Win},
	duty::Duty,
	memory::{Items, LightDataset},
	Dims, WorkProfile,
};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::DifficultyApi;
use std::{
	ops::ControlFlow,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
	thread,
	time::Duration,
};

/// Most rows and columns of a product: small enough that a new template is picked up at once.
const MAX_SIDE: u32 = 512;
/// How long a thread waits for a template before it looks whether it shall end.
const WAIT: Duration = Duration::from_millis(100);

/// How the miner works.
#[derive(Clone, Copy, Debug)]
pub struct CpuParams {
	/// Threads; none for no mining.
	pub threads: u16,
	/// Share of the time in which they work, in percent.
	pub duty: u8,
}

/// The running miner; its threads end when it is dropped.
pub struct CpuMiner {
	stop: Arc<AtomicBool>,
}

impl Drop for CpuMiner {
	fn drop(&mut self) {
		self.stop.store(true, Ordering::Relaxed);
	}
}

impl CpuMiner {
	/// Starts the threads.
	///
	/// # Errors
	/// If the system gives no thread.
	pub fn start<C>(keeper: &TemplateKeeper<C>, author: &Author, params: CpuParams) -> std::io::Result<Self>
	where
		C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
		C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	{
		let miner = Self {
			stop: Arc::new(AtomicBool::new(false)),
		};
		for number in 0..u32::from(params.threads) {
			let thread = Thread {
				keeper: keeper.clone(),
				author: author.clone(),
				params,
				number,
				stop: miner.stop.clone(),
				duty: Duty::new(params.duty),
			};
			thread::Builder::new()
				.name(format!("cpu-miner-{number}"))
				.spawn(move || thread.run())?;
		}
		Ok(miner)
	}
}

struct Thread<C> {
	keeper: TemplateKeeper<C>,
	author: Author,
	params: CpuParams,
	number: u32,
	stop: Arc<AtomicBool>,
	duty: Duty,
}

impl<C> Thread<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	fn run(mut self) {
		let mut attempt = self.number;
		let mut current = None;
		while !self.stop.load(Ordering::Relaxed) {
			let Some(template) = self.keeper.latest(&self.author) else {
				thread::sleep(WAIT);
				self.duty.begin();
				continue;
			};
			if current != Some(template.pre_hash) {
				current = Some(template.pre_hash);
				attempt = self.number;
			}
			let Some(dims) = product_dims(&template.params.profile, attempt) else {
				// All sizes were tried: another template has other tickets.
				self.keeper.refresh();
				thread::sleep(WAIT);
				self.duty.begin();
				continue;
			};
			attempt = attempt.saturating_add(u32::from(self.params.threads));
			match self.search(&template, &dims) {
				Ok(Some(win)) => self.submit(&template, &dims, win),
				Ok(None) => (),
				Err(error) => {
					log::error!(target: crate::LOG_TARGET, "the CPU miner stops: {error}");
					return;
				}
			}
		}
	}

	/// Looks at all tickets of one product, until one wins or another template is there.
	fn search(&mut self, template: &Template, dims: &Dims) -> Result<Option<Win>, String> {
		let params = &template.params;
		let cache = self
			.keeper
			.rules()
			.light_cache(params)
			.map_err(|e| e.to_string())?;
		let light = cache.as_deref().map(|cache| LightDataset {
			cache,
			items: params.profile.dataset_items(),
		});
		let search = Search {
			pre_hash: template.pre_hash.as_fixed_bytes(),
			profile: &params.profile,
			mac_target: params.mac_target,
			items: light.as_ref().map(|light| light as &(dyn Items + Sync)),
		};
		let miner = Miner::synthetic(search, self.author.author.as_ref(), dims).map_err(|e| e.to_string())?;
		let work = miner.rank().work();
		let mut won = None;
		let Self {
			keeper,
			author,
			stop,
			duty,
			..
		} = self;
		let mut report = |event| match event {
			Event::Win(win) => {
				won = Some(win);
				ControlFlow::Break(())
			}
			Event::Tickets(count) => {
				keeper.rules().metrics().cpu_product(count.saturating_mul(work));
				duty.pause();
				let same = keeper
					.latest(author)
					.is_some_and(|latest| latest.parent == template.parent);
				if same && !stop.load(Ordering::Relaxed) {
					ControlFlow::Continue(())
				} else {
					ControlFlow::Break(())
				}
			}
		};
		let _ = miner
			.mine(0..dims.tile_rows(), &mut report)
			.map_err(|e| e.to_string())?;
		Ok(won)
	}

	fn submit(&self, template: &Template, dims: &Dims, win: Win) {
		let rank = match template.params.profile.validate() {
			Ok(rank) => rank,
			Err(error) => {
				return log::error!(target: crate::LOG_TARGET, "the chain's work profile is bad: {error}")
			}
		};
		match synthetic_seal(dims, win.position, rank) {
			Ok(seal) => {
				let submitted = self.keeper.submit(template.pre_hash, seal.encode());
				if let Err(error) = futures::executor::block_on(submitted) {
					log::debug!(target: crate::LOG_TARGET, "a seal of the CPU miner was not taken: {error}");
				}
			}
			Err(error) => {
				log::error!(target: crate::LOG_TARGET, "the CPU miner made an impossible seal: {error}")
			}
		}
	}
}

/// Sizes of the attempt of this number: ever fewer rows of B, then of A. `None` when there are no more.
fn product_dims(profile: &WorkProfile, attempt: u32) -> Option<Dims> {
	let tiles = |most: u32| most.min(MAX_SIDE) / 16;
	let (rows, cols) = (tiles(profile.synthetic_m), tiles(profile.synthetic_n));
	// The smallest products are not worth their preparation.
	let (rows_used, cols_used) = (rows.div_ceil(2), cols.div_ceil(2));
	let row = rows.checked_sub(attempt.checked_div(cols_used)?)?;
	let col = cols.checked_sub(attempt.checked_rem(cols_used)?)?;
	if row < rows.saturating_sub(rows_used).max(1) || col == 0 {
		return None;
	}
	profile
		.synthetic_dims(row.checked_mul(16)?, col.checked_mul(16)?, profile.synthetic_k)
		.ok()
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::collections::BTreeSet;

	#[test]
	fn attempts_should_differ_in_sizes_and_end() {
		for profile in [WorkProfile::dev(), WorkProfile::standard()] {
			let all: Vec<Dims> = (0..)
				.map_while(|attempt| product_dims(&profile, attempt))
				.collect();
			let different: BTreeSet<_> = all.iter().map(|dims| (dims.m(), dims.n(), dims.k())).collect();
			assert_eq!(all.len(), different.len());
			assert!(all.len() >= 200, "{}", all.len());
		}
	}

	#[test]
	fn smallest_profile_should_still_give_a_product() {
		let profile = WorkProfile {
			synthetic_m: 16,
			synthetic_n: 16,
			..WorkProfile::dev()
		};
		assert!(product_dims(&profile, 0).is_some());
	}
}
