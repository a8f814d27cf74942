// SPDX-License-Identifier: Apache-2.0

//! Batches of dispatches.

use super::gpu::{Gpu, IMMEDIATE_BYTES};

/// A compiled kernel.
pub struct Pipeline {
	pub(super) inner: wgpu::ComputePipeline,
	pub(super) layout: wgpu::BindGroupLayout,
	pub(super) bindings: usize,
}

/// A batch of dispatches that are submitted together.
pub struct Recorder<'a> {
	pub(super) gpu: &'a Gpu,
	pub(super) encoder: wgpu::CommandEncoder,
	pub(super) pass: Option<wgpu::ComputePass<'static>>,
}

impl Recorder<'_> {
	/// Dispatches `groups` (x, y) workgroups of a kernel. `params` become its immediates.
	pub(crate) fn dispatch(
		&mut self,
		pipeline: &Pipeline,
		buffers: &[&wgpu::Buffer],
		params: &[u32],
		groups: (u32, u32),
	) {
		debug_assert_eq!(buffers.len(), pipeline.bindings);
		debug_assert!(params.len() * 4 <= IMMEDIATE_BYTES as usize);
		if groups.0 == 0 || groups.1 == 0 {
			return;
		}
		let entries: Vec<_> = buffers
			.iter()
			.enumerate()
			.map(|(i, buffer)| wgpu::BindGroupEntry {
				binding: i as u32,
				resource: buffer.as_entire_binding(),
			})
			.collect();
		let group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
			label: None,
			layout: &pipeline.layout,
			entries: &entries,
		});
		let mut words = [0u32; IMMEDIATE_BYTES as usize / 4];
		words[..params.len()].copy_from_slice(params);
		let encoder = &mut self.encoder;
		let pass = self
			.pass
			.get_or_insert_with(|| encoder.begin_compute_pass(&Default::default()).forget_lifetime());
		pass.set_pipeline(&pipeline.inner);
		pass.set_bind_group(0, &group, &[]);
		pass.set_immediates(0, bytemuck::cast_slice(&words));
		pass.dispatch_workgroups(groups.0, groups.1, 1);
	}

	/// Zeroes a buffer.
	pub fn clear(&mut self, buffer: &wgpu::Buffer) {
		self.pass = None;
		self.encoder.clear_buffer(buffer, 0, None);
	}

	/// Copies the first `words` words.
	pub fn copy(&mut self, from: &wgpu::Buffer, to: &wgpu::Buffer, words: u64) {
		self.pass = None;
		self.encoder.copy_buffer_to_buffer(from, 0, to, 0, words * 4);
	}

	/// Submits the batch.
	pub fn submit(mut self) -> wgpu::SubmissionIndex {
		self.pass = None;
		self.gpu.queue.submit([self.encoder.finish()])
	}
}

/// Grid of at least `threads` threads in workgroups of 64, within the limits of a dispatch.
pub(crate) fn grid(threads: u64) -> (u32, u32) {
	let groups = threads.div_ceil(64);
	let x = groups.min(32768);
	(x as u32, groups.div_ceil(x.max(1)) as u32)
}
