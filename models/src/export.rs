// SPDX-License-Identifier: Apache-2.0

//! Trained models as safetensors in float32, for use outside of this network.

use crate::{
	architecture::Architecture,
	card::Card,
	error::{field, ModelError},
	manifest::Task,
	optimiser::scalar_state,
	parameters::Parameters,
	trained::{read_index, Entry, Index, Trained},
};
use poaiw_program::Tensor;
use safetensors::{serialize, tensor::TensorView, Dtype};
use std::{collections::HashMap, path::Path};

/// Key of the architecture, as JSON, in the metadata of an exported classifier.
pub const ARCHITECTURE: &str = "poaiw.architecture";
/// Key of the model card, as JSON, in the metadata of an exported text model: architecture and vocabulary.
pub const CARD: &str = "poaiw.card";

/// The weights of a downloaded result as a safetensors file: `value = integer · 2^unit` with the unit of the optimiser's
/// weights (-24 up to a rate of 0.0039), rounded to float32.
///
/// A text model carries its own description. For other models the task's manifest is needed, with the files that it
/// names: the state does not say its unit, so the manifest is compiled and has to give the program of the result.
/// Matrices are named `layer.0.weight`, `layer.1.weight`, ….
///
/// # Errors
/// If a file is missing or altered, or the manifest is that of another task.
pub fn from_folder(folder: &Path, manifest: Option<&Path>) -> Result<Vec<u8>, ModelError> {
	let index = read_index(folder)?;
	let read = |entries: &[Entry]| -> Result<Vec<Tensor>, ModelError> {
		entries.iter().map(|entry| entry.read(folder)).collect()
	};
	let state = read(&index.state)?;
	for output in read(&index.outputs)?.iter().rev() {
		if let Some(card) = Card::from_tensor(output)? {
			return language_model(card, state);
		}
	}
	match manifest {
		Some(manifest) => classifier(&architecture_of(manifest, &index)?, &state),
		None => {
			let remedy = "name the task's manifest: only text models carry their own description";
			Err(field("architecture", "missing", remedy.into()))
		}
	}
}

/// The architecture in a manifest, whose program is that of the result.
fn architecture_of(manifest: &Path, index: &Index) -> Result<Architecture, ModelError> {
	let folder = manifest.parent().unwrap_or(Path::new("."));
	let task = Task::from_file(manifest)?;
	let got = format!("0x{}", hex::encode(task.workload.hash()));
	match &index.program_root {
		Some(expected) if *expected == got => task.manifest.architecture(folder),
		Some(expected) => {
			let remedy = format!(
				"the result is of the program {expected}: give the manifest and the data of that task"
			);
			Err(field("the manifest's program", got, remedy))
		}
		None => {
			let remedy = "download the result again: `poaiw task result`".to_string();
			Err(field("program_root of index.json", "missing", remedy))
		}
	}
}

/// [`from_folder`] for a text model, decoder or encoder: its matrices have their own names.
///
/// # Errors
/// If the state is not that of the card's model.
pub fn language_model(card: Card, state: Vec<Tensor>) -> Result<Vec<u8>, ModelError> {
	let fault = |e: serde_json::Error| field("model card", "not JSON", e.to_string());
	let metadata = (CARD, serde_json::to_string(&card).map_err(fault)?);
	let trained = Trained::new(card, state)?;
	let (names, weights): (Vec<String>, Vec<&Tensor>) = trained
		.named_weights()
		.map(|(matrix, tensor)| (matrix.name.clone(), tensor))
		.unzip();
	write(names, (weights.into_iter(), trained.weight_unit()), metadata)
}

/// [`from_folder`] for a classifier.
///
/// # Errors
/// If the state has no whole number of matrices.
pub fn classifier(architecture: &Architecture, state: &[Tensor]) -> Result<Vec<u8>, ModelError> {
	let per_matrix = per_matrix(architecture);
	let scalars = scalar_state(&architecture.optimiser).len();
	let count = state.len().saturating_sub(scalars);
	if count == 0 || !count.is_multiple_of(per_matrix) {
		let remedy = format!(
			"{per_matrix} for every matrix and {scalars} scalars were expected: give the manifest of this very task"
		);
		return Err(field("state", format!("{} tensors", state.len()), remedy));
	}
	let fault = |e: serde_json::Error| field("architecture", "not JSON", e.to_string());
	let metadata = (ARCHITECTURE, serde_json::to_string(architecture).map_err(fault)?);
	let names = (0..count / per_matrix).map(|n| format!("layer.{n}.weight"));
	write(
		names.collect(),
		(
			state[..count].iter().step_by(per_matrix),
			architecture.optimiser.weight_unit(),
		),
		metadata,
	)
}

fn per_matrix(architecture: &Architecture) -> usize {
	let parameters = Parameters {
		matrices: &[],
		optimiser: &architecture.optimiser,
	};
	parameters.tensors_per_matrix()
}

/// Every tensor under its name.
fn write<'a>(
	names: Vec<String>,
	(tensors, unit): (impl Iterator<Item = &'a Tensor>, i32),
	(key, metadata): (&str, String),
) -> Result<Vec<u8>, ModelError> {
	let unit = f64::from(unit).exp2();
	let mut all = Vec::with_capacity(names.len());
	for (name, tensor) in names.into_iter().zip(tensors) {
		let Some(words) = tensor.i32s() else {
			let remedy = "weights are 32-bit integers: give the manifest of this very task";
			return Err(field("state", format!("no words in `{name}`"), remedy.into()));
		};
		let values = words.iter().map(|x| (f64::from(*x) * unit) as f32);
		let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
		all.push((name, [tensor.rows() as usize, tensor.cols() as usize], bytes));
	}
	let fault = |e: safetensors::SafeTensorError| field("state", "not writable", e.to_string());
	let views = all
		.iter()
		.map(|(name, shape, bytes)| {
			let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes)?;
			Ok((name.as_str(), view))
		})
		.collect::<Result<Vec<_>, _>>()
		.map_err(fault)?;
	// One entry only: a map has no order, and equal models give equal files.
	let header = HashMap::from([(key.to_string(), metadata)]);
	serialize(views, Some(header)).map_err(fault)
}
