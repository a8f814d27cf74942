// SPDX-License-Identifier: Apache-2.0

//! One open device: buffers, pipelines, recording of dispatches, reading back.

pub(crate) use super::recorder::grid;
pub use super::recorder::{Pipeline, Recorder};

use super::DeviceError;
use std::{
	collections::HashMap,
	future::Future,
	pin::pin,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, Mutex,
	},
	task::{Context, Poll, Waker},
	time::Duration,
};

/// Bytes of immediate data (push constants) that every kernel may use: what Vulkan guarantees.
pub const IMMEDIATE_BYTES: u32 = 128;
/// How long one batch may run before the device counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// How kernels multiply four packed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DotPath {
	/// The packed dot product of the driver.
	Packed,
	/// Sign-extending shifts and multiplications: for drivers whose packed dot product is wrong.
	Shifts,
}

/// An open device.
pub struct Gpu {
	pub(crate) device: wgpu::Device,
	pub(crate) queue: wgpu::Queue,
	info: wgpu::AdapterInfo,
	limits: wgpu::Limits,
	dot: DotPath,
	slice_macs: AtomicU64,
	fault: Arc<Mutex<Option<Fault>>>,
	pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
}

#[derive(Clone, Debug)]
enum Fault {
	Lost(String),
	Call(String),
}

/// The futures of the native backend are ready when they are polled.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
	let mut future = pin!(future);
	let mut context = Context::from_waker(Waker::noop());
	loop {
		if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
			return value;
		}
		std::thread::yield_now();
	}
}

impl Gpu {
	/// Opens an adapter; `dot` says how its kernels multiply packed bytes.
	pub(crate) fn open(adapter: &wgpu::Adapter, dot: DotPath) -> Result<Self, DeviceError> {
		let info = adapter.get_info();
		let name = info.name.clone();
		let limits = adapter.limits();
		if !adapter.features().contains(wgpu::Features::IMMEDIATES)
			|| limits.max_immediate_size < IMMEDIATE_BYTES
		{
			return Err(DeviceError::Missing {
				name,
				what: format!("{IMMEDIATE_BYTES} bytes of push constants"),
			});
		}
		if limits.max_storage_buffers_per_shader_stage < 8 {
			return Err(DeviceError::Missing {
				name,
				what: "8 storage buffers in one kernel".into(),
			});
		}
		let (device, queue) = ready(adapter.request_device(&wgpu::DeviceDescriptor {
			label: Some("poaiw"),
			required_features: wgpu::Features::IMMEDIATES,
			required_limits: limits.clone(),
			experimental_features: wgpu::ExperimentalFeatures::disabled(),
			memory_hints: wgpu::MemoryHints::MemoryUsage,
			trace: wgpu::Trace::Off,
		}))
		.map_err(|error| DeviceError::Open {
			name,
			reason: error.to_string(),
		})?;
		let fault = Arc::new(Mutex::new(None));
		let lost = fault.clone();
		device.set_device_lost_callback(move |reason, message| {
			// Dropping a device reports itself as `Destroyed`; that is no fault.
			if reason != wgpu::DeviceLostReason::Destroyed {
				set_fault(&lost, Fault::Lost(format!("{reason:?}: {message}")));
			}
		});
		let refused = fault.clone();
		// Without a handler of ours, an error would end the process.
		device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
			set_fault(&refused, Fault::Call(error.to_string()))
		}));
		let slice_macs = AtomicU64::new(1 << 27);
		Ok(Self {
			device,
			queue,
			info,
			limits,
			dot,
			slice_macs,
			fault,
			pipelines: Mutex::default(),
		})
	}

	/// Name of the adapter.
	pub fn name(&self) -> &str {
		&self.info.name
	}

	/// Driver and its version.
	pub fn driver(&self) -> String {
		format!("{} {}", self.info.driver, self.info.driver_info)
			.trim()
			.to_string()
	}

	/// Whether the kernels run on the CPU.
	pub fn is_software(&self) -> bool {
		self.info.device_type == wgpu::DeviceType::Cpu
	}

	/// MACs of one dispatch, so that it takes 10 to 30 ms (drivers end dispatches that take seconds).
	pub fn slice_macs(&self) -> u64 {
		self.slice_macs.load(Ordering::Relaxed)
	}

	/// Sets the MACs of one dispatch from a measured rate.
	pub fn set_rate(&self, macs_per_second: f64) {
		let wanted = (macs_per_second * 0.02) as u64;
		self.slice_macs
			.store(wanted.clamp(1 << 24, 1 << 40), Ordering::Relaxed);
	}

	/// How packed bytes are multiplied.
	pub fn dot(&self) -> DotPath {
		self.dot
	}

	/// Bytes of the largest buffer that a kernel can bind.
	pub fn max_binding(&self) -> u64 {
		self.limits
			.max_storage_buffer_binding_size
			.min(self.limits.max_buffer_size)
	}

	/// Reports a fault that happened since the last call.
	///
	/// # Errors
	/// [`DeviceError::Lost`] or [`DeviceError::Call`].
	pub fn check(&self) -> Result<(), DeviceError> {
		let mut slot = self.fault.lock().unwrap_or_else(|e| e.into_inner());
		match slot.clone() {
			None => Ok(()),
			Some(Fault::Lost(why)) => Err(DeviceError::Lost(why)),
			Some(Fault::Call(why)) => {
				*slot = None;
				Err(DeviceError::Call(why))
			}
		}
	}

	/// A zeroed buffer of `words` words that kernels can bind.
	///
	/// # Errors
	/// [`DeviceError::TooLarge`] if it can't be bound.
	pub fn buffer(&self, label: &str, words: u64) -> Result<wgpu::Buffer, DeviceError> {
		let size = words.max(4).saturating_mul(4);
		if size > self.max_binding() {
			return Err(DeviceError::TooLarge {
				bytes: size,
				most: self.max_binding(),
			});
		}
		Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
			label: Some(label),
			size,
			usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
			mapped_at_creation: false,
		}))
	}

	/// A buffer with content.
	///
	/// # Errors
	/// [`DeviceError::TooLarge`] if it can't be bound.
	pub fn buffer_with(&self, label: &str, words: &[u32]) -> Result<wgpu::Buffer, DeviceError> {
		let buffer = self.buffer(label, words.len() as u64)?;
		self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
		Ok(buffer)
	}

	/// The compiled kernel `name`. `source` is called once; the last of `bindings` buffers (or all from `written` on)
	/// can be written.
	///
	/// # Errors
	/// [`DeviceError::Call`] with the compiler's message.
	pub(crate) fn pipeline(
		&self,
		name: &str,
		bindings: usize,
		written: usize,
		source: impl FnOnce() -> String,
	) -> Result<Arc<Pipeline>, DeviceError> {
		let mut known = self.pipelines.lock().unwrap_or_else(|e| e.into_inner());
		if let Some(pipeline) = known.get(name) {
			return Ok(pipeline.clone());
		}
		let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
		let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
			label: Some(name),
			source: wgpu::ShaderSource::Wgsl(source().into()),
		});
		let layout = self.bind_group_layout(name, bindings, written);
		let pipeline_layout = self
			.device
			.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
				label: Some(name),
				bind_group_layouts: &[Some(&layout)],
				immediate_size: IMMEDIATE_BYTES,
			});
		let inner = self
			.device
			.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
				label: Some(name),
				layout: Some(&pipeline_layout),
				module: &module,
				entry_point: Some("main"),
				compilation_options: Default::default(),
				cache: None,
			});
		if let Some(error) = ready(scope.pop()) {
			return Err(DeviceError::Call(format!("kernel {name}: {error}")));
		}
		let pipeline = Arc::new(Pipeline {
			inner,
			layout,
			bindings,
		});
		known.insert(name.to_string(), pipeline.clone());
		Ok(pipeline)
	}

	fn bind_group_layout(&self, name: &str, bindings: usize, written: usize) -> wgpu::BindGroupLayout {
		let entries: Vec<_> = (0..bindings)
			.map(|i| wgpu::BindGroupLayoutEntry {
				binding: i as u32,
				visibility: wgpu::ShaderStages::COMPUTE,
				ty: wgpu::BindingType::Buffer {
					ty: wgpu::BufferBindingType::Storage {
						read_only: i < written,
					},
					has_dynamic_offset: false,
					min_binding_size: None,
				},
				count: None,
			})
			.collect();
		self.device
			.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
				label: Some(name),
				entries: &entries,
			})
	}

	/// Begins a batch of dispatches.
	pub fn record(&self) -> Recorder<'_> {
		Recorder {
			gpu: self,
			encoder: self.device.create_command_encoder(&Default::default()),
			pass: None,
		}
	}

	/// Reads the first `words` words of a buffer; waits for all that was submitted before.
	///
	/// # Errors
	/// If the device fails or does not answer in time.
	pub fn read(&self, buffer: &wgpu::Buffer, words: u64) -> Result<Vec<u32>, DeviceError> {
		let mut all = self.read_many(&[(buffer, words)])?;
		Ok(all.pop().unwrap_or_default())
	}

	/// Reads the beginnings of several buffers with one wait.
	///
	/// # Errors
	/// If the device fails or does not answer in time.
	pub fn read_many(&self, wanted: &[(&wgpu::Buffer, u64)]) -> Result<Vec<Vec<u32>>, DeviceError> {
		let total: u64 = wanted.iter().map(|(_, words)| words * 4).sum();
		let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
			label: Some("read back"),
			size: total.max(4),
			usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
			mapped_at_creation: false,
		});
		let mut encoder = self.device.create_command_encoder(&Default::default());
		let mut at = 0;
		for (buffer, words) in wanted.iter().filter(|x| x.1 > 0) {
			encoder.copy_buffer_to_buffer(buffer, 0, &staging, at, words * 4);
			at += words * 4;
		}
		let index = self.queue.submit([encoder.finish()]);
		let (sender, receiver) = std::sync::mpsc::channel();
		staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
			let _ = sender.send(result);
		});
		self.wait(index)?;
		// Another thread's wait may be the one that runs the callback.
		receiver
			.recv_timeout(PATIENCE)
			.map_err(|_| DeviceError::Lost("the driver did not map a buffer".into()))?
			.map_err(|error| DeviceError::Lost(error.to_string()))?;
		let view = staging
			.get_mapped_range(..)
			.map_err(|error| DeviceError::Call(error.to_string()))?;
		let mut words = view
			.chunks_exact(4)
			.map(|x| u32::from_le_bytes([x[0], x[1], x[2], x[3]]));
		Ok(wanted
			.iter()
			.map(|(_, count)| words.by_ref().take(*count as usize).collect())
			.collect())
	}

	/// Waits for a submission.
	///
	/// # Errors
	/// If the device fails or does not answer within a minute.
	pub fn wait(&self, index: wgpu::SubmissionIndex) -> Result<(), DeviceError> {
		self.check()?;
		self.device
			.poll(wgpu::PollType::Wait {
				submission_index: Some(index),
				timeout: Some(PATIENCE),
			})
			.map_err(|error| {
				DeviceError::Lost(format!("no answer within {} s: {error}", PATIENCE.as_secs()))
			})?;
		self.check()
	}
}

fn set_fault(slot: &Mutex<Option<Fault>>, fault: Fault) {
	let mut slot = slot.lock().unwrap_or_else(|e| e.into_inner());
	// A lost device explains every error after it.
	if !matches!(*slot, Some(Fault::Lost(_))) {
		*slot = Some(fault);
	}
}
