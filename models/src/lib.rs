// SPDX-License-Identifier: Apache-2.0

//! Model and data-set builders: from a manifest in TOML to the workload that a task commits to.

pub mod architecture;
pub mod builder;
pub mod dataset;
pub mod error;
pub mod manifest;
pub mod mlp;
pub mod optimiser;

pub use architecture::Architecture;
pub use error::ModelError;
pub use manifest::{Task, TaskManifest};
