// SPDX-License-Identifier: Apache-2.0

//! The light cache of an epoch (for the CPU's check) and its dataset on the device.

use super::{MineError, Template};
use crate::{device::Gpu, kernels::dataset};
use poaiw_commitment::Hash32;
use poaiw_work::{Epoch, LightCache};

/// What a profile with memory accesses needs; made when the first template of an epoch asks for it.
pub struct EpochMemory {
	seed: Hash32,
	items: u32,
	cache: LightCache,
	dataset: Option<wgpu::Buffer>,
}

impl EpochMemory {
	/// The memory for a template: `kept` if it fits, a new one otherwise, none if the profile has no accesses.
	/// The dataset is computed on the device, if there is one.
	///
	/// # Errors
	/// If the device can't hold the dataset, or fails.
	pub fn ready(
		kept: Option<Self>,
		template: &Template,
		gpu: Option<&Gpu>,
	) -> Result<Option<Self>, MineError> {
		let profile = &template.profile;
		if profile.accesses == 0 {
			return Ok(None);
		}
		let items = profile.dataset_items();
		let fits = |memory: &Self| {
			memory.seed == template.epoch_seed
				&& memory.items == items
				&& memory.cache.items().len() == profile.cache_items() as usize
				&& (memory.dataset.is_some() || gpu.is_none())
		};
		if let Some(memory) = kept.filter(fits) {
			return Ok(Some(memory));
		}
		tracing::info!(items, "building the dataset of the epoch");
		let cache = LightCache::build(&template.epoch_seed, profile.cache_items())?;
		let dataset = gpu.map(|gpu| dataset::build(gpu, &cache, items)).transpose()?;
		Ok(Some(Self {
			seed: template.epoch_seed,
			items,
			cache,
			dataset,
		}))
	}

	/// For the accept predicate.
	pub fn epoch(&self) -> Epoch<'_> {
		Epoch {
			seed: &self.seed,
			cache: &self.cache,
		}
	}

	/// The light cache.
	pub fn cache(&self) -> &LightCache {
		&self.cache
	}

	/// Number of items of the dataset.
	pub fn items(&self) -> u32 {
		self.items
	}

	/// The dataset on the device.
	pub fn dataset(&self) -> Option<&wgpu::Buffer> {
		self.dataset.as_ref()
	}
}
