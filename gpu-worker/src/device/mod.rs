// SPDX-License-Identifier: Apache-2.0

//! Devices: which adapters there are, which one is used, and what it must prove before it is used.

pub mod bench;
pub mod gpu;
pub mod known_answer;
mod known_operations;
mod recorder;
pub mod select;

pub use gpu::{DotPath, Gpu};
pub use known_answer::{known_answer, KnownAnswer};
pub use select::{list, open, AdapterLine, DeviceChoice};

/// Why a device can't be used, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
	/// The Vulkan loader found no adapter.
	#[error("no Vulkan device found: install the graphics driver and the Vulkan loader (libvulkan1), then run `poaiw-worker devices`")]
	NoAdapter,
	/// The selection matches no adapter.
	#[error("no device matches `{wanted}`; there are: {known}. Choose one of them with --device (index or part of the name)")]
	NoMatch {
		/// What was asked for.
		wanted: String,
		/// What there is.
		known: String,
	},
	/// Only a software device matches, and that was not allowed.
	#[error("`{name}` is a software device (its kernels run on the CPU). Nothing falls back to the CPU silently: pass --allow-cpu-adapter to use it, or --executor cpu for the faster CPU executor")]
	CpuAdapter {
		/// Name of the adapter.
		name: String,
	},
	/// The adapter lacks something that the kernels need.
	#[error("`{name}` lacks {what}: update its driver or choose another device")]
	Missing {
		/// Name of the adapter.
		name: String,
		/// What is missing.
		what: String,
	},
	/// The driver refused to open the device.
	#[error("`{name}` can't be opened: {reason}")]
	Open {
		/// Name of the adapter.
		name: String,
		/// What the driver said.
		reason: String,
	},
	/// The device computes something else than the CPU.
	#[error("`{name}` (driver {driver}) failed the known-answer test: {what}. It is not used, because its results would be slashed; update or change the driver")]
	WrongAnswer {
		/// Name of the adapter.
		name: String,
		/// Driver and version.
		driver: String,
		/// Which test and how it differed.
		what: String,
	},
	/// The device stopped.
	#[error("device lost: {0}. It must be opened again; the task goes on from its last checkpoint")]
	Lost(String),
	/// A call failed validation or ran out of memory.
	#[error("the device refused a call: {0}")]
	Call(String),
	/// A buffer does not fit.
	#[error("a tensor of {bytes} bytes does not fit a buffer of this device (at most {most}): the task needs a larger device")]
	TooLarge {
		/// Bytes that were needed.
		bytes: u64,
		/// Bytes of the largest binding.
		most: u64,
	},
	/// A caller's sizes do not fit together: a fault of this program.
	#[error("sizes do not fit: {0}")]
	Sizes(String),
}
