// SPDX-License-Identifier: Apache-2.0

//! Mining: tickets drawn from the products of a task, or from synthetic products when there is no task.
//!
//! A product that is mined is computed with noise and peeled afterwards, so the task gets the same bits as without
//! mining. A new template takes effect with the next product; nothing of the task is thrown away.

pub mod cpu;
pub mod gpu;
pub mod memory;
pub mod pipeline;
pub mod stats;
pub mod template;

pub use cpu::CpuMiner;
pub use gpu::GpuMiner;
pub use stats::{Counts, Stats};
pub use template::{Found, Template, TemplateSlot};

/// Why mining stopped.
#[derive(Debug, thiserror::Error)]
pub enum MineError {
	/// The device failed.
	#[error(transparent)]
	Device(#[from] crate::device::DeviceError),
	/// Inputs of the work functions don't fit together: the node's profile, or a fault of this program.
	#[error("mining: {0}")]
	Work(#[from] poaiw_work::Error),
}
