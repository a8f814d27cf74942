// SPDX-License-Identifier: Apache-2.0

//! Model and data-set builders: from a manifest in TOML to the workload that a task commits to.

pub mod architecture;
pub mod attention;
pub mod builder;
pub mod card;
pub mod classifier;
pub mod conv;
pub mod dataset;
pub mod embed;
pub mod encoder;
pub mod error;
pub mod export;
pub mod idx;
pub mod import;
pub mod inference;
pub mod layers;
pub mod manifest;
pub mod mlp;
pub mod optimiser;
pub mod parameters;
pub mod requests;
pub mod safetensors_file;
pub mod sample;
pub(crate) mod sequences;
pub mod text;
pub mod trained;
pub mod transformer;

pub use architecture::Architecture;
pub use error::ModelError;
pub use manifest::{Task, TaskManifest};
