// SPDX-License-Identifier: Apache-2.0

//! The epoch's dataset in device memory (`poaiw_work::memory`).

use super::with_hash;
use crate::device::{gpu::grid, DeviceError, Gpu};
use poaiw_work::LightCache;

/// Items in one dispatch: 33 hashes' worth of work each.
const BATCH: u32 = 1 << 18;

/// Computes all `items` items on the device.
///
/// # Errors
/// [`DeviceError::TooLarge`] if the device can't bind the dataset, or if it fails.
pub fn build(gpu: &Gpu, cache: &LightCache, items: u32) -> Result<wgpu::Buffer, DeviceError> {
	let kernel = gpu.pipeline("dataset", 2, 1, || with_hash(include_str!("dataset.wgsl")))?;
	let words: &[u32] = cache.items().as_flattened();
	let source = gpu.buffer_with("light cache", words)?;
	let dataset = gpu.buffer("dataset", u64::from(items) * 16)?;
	for first in (0..items).step_by(BATCH as usize) {
		let end = first.saturating_add(BATCH).min(items);
		let mut recorder = gpu.record();
		let params = [first, end, cache.items().len() as u32];
		recorder.dispatch(&kernel, &[&source, &dataset], &params, grid((end - first).into()));
		let index = recorder.submit();
		gpu.wait(index)?;
	}
	Ok(dataset)
}
