// SPDX-License-Identifier: Apache-2.0

//! A trained text model, decoder or encoder: its card and its state, checked against each other, from memory or from the
//! folder of a downloaded result.

use crate::{
	architecture::{Objective, Transformer},
	card::Card,
	error::{field, ModelError},
	optimiser::WEIGHT_LIMIT,
	parameters::{Matrix, Parameters},
	text::Vocabulary,
	transformer::matrices,
};
use poaiw_program::{Element, Tensor, TensorDecl};
use serde::Deserialize;
use std::{fs, path::Path};

/// Largest index of a result's folder.
const MAX_INDEX_BYTES: u64 = 1 << 24;
/// Name of the index.
pub(crate) const INDEX: &str = "index.json";

/// A trained text model.
pub struct Trained {
	card: Card,
	model: Transformer,
	vocabulary: Vocabulary,
	/// The matrices of the model; each is the first of `per_matrix` tensors of the state.
	matrices: Vec<Matrix>,
	per_matrix: usize,
	state: Vec<Tensor>,
}

impl std::fmt::Debug for Trained {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		write!(f, "Trained({:?})", self.card.architecture.model)
	}
}

pub(crate) fn fault(what: &str, reason: impl std::fmt::Display) -> ModelError {
	field(what, "not usable", reason.to_string())
}

impl Trained {
	/// From a model card and the state after training.
	///
	/// # Errors
	/// If the card is not that of a text model, or the state has other tensors than its model.
	pub fn new(card: Card, state: Vec<Tensor>) -> Result<Self, ModelError> {
		let Some(model) = card.architecture.model.transformer() else {
			let remedy =
				"text comes from kind = \"transformer\", embeddings from kind = \"encoder\"".to_string();
			return Err(field("model.kind", card.architecture.model.kind(), remedy));
		};
		let (model, vocabulary) = (model.clone(), card.vocabulary()?);
		let matrices = matrices(&model, vocabulary.size());
		let parameters = Parameters {
			matrices: &matrices,
			optimiser: &card.architecture.optimiser,
		};
		let per_matrix = parameters.tensors_per_matrix();
		check(&matrices, per_matrix, &state)?;
		Ok(Self {
			card,
			model,
			vocabulary,
			matrices,
			per_matrix,
			state,
		})
	}

	/// From the folder of a downloaded result: `index.json` and the files that it names, whose commitments are checked.
	///
	/// # Errors
	/// If a file is missing or altered, or the result is not a text model.
	pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
		let index = read_index(folder)?;
		for entry in index.outputs.iter().rev() {
			if let Some(card) = Card::from_tensor(&entry.read(folder)?)? {
				let state: Result<Vec<Tensor>, ModelError> =
					index.state.iter().map(|entry| entry.read(folder)).collect();
				return Self::new(card, state?);
			}
		}
		let remedy = "there is no model card: this is not the result of training a transformer or an encoder on a text";
		Err(fault(&folder.display().to_string(), remedy))
	}

	/// The model card.
	pub fn card(&self) -> &Card {
		&self.card
	}

	/// Sizes and objective of the model.
	pub fn model(&self) -> &Transformer {
		&self.model
	}

	/// The model, if it is an encoder.
	///
	/// # Errors
	/// If it is a decoder.
	pub fn encoder(&self) -> Result<&Transformer, ModelError> {
		match self.model.objective() {
			Objective::MaskedToken { .. } => Ok(&self.model),
			Objective::NextToken => {
				let remedy = "a decoder embeds no text: continue texts with it, `poaiw model sample`, or train kind = \"encoder\"";
				Err(field(
					"model.kind",
					self.card.architecture.model.kind(),
					remedy.into(),
				))
			}
		}
	}

	/// Exponent of the unit of the weights.
	pub fn weight_unit(&self) -> i32 {
		self.card.architecture.optimiser.weight_unit()
	}

	/// The vocabulary.
	pub fn vocabulary(&self) -> &Vocabulary {
		&self.vocabulary
	}

	/// The whole state: matrices and tensors of the optimiser.
	pub fn state(&self) -> &[Tensor] {
		&self.state
	}

	/// The matrices with their names, in the order of the state.
	pub fn named_weights(&self) -> impl Iterator<Item = (&Matrix, &Tensor)> {
		self.matrices
			.iter()
			.zip(self.state.iter().step_by(self.per_matrix))
	}
}

/// Checks number and sizes of the matrices in a state.
fn check(matrices: &[Matrix], per_matrix: usize, state: &[Tensor]) -> Result<(), ModelError> {
	if state.len() < matrices.len() * per_matrix {
		return Err(fault(
			"the state",
			format!(
				"it has {} tensors where the model has {}: fetch the whole result",
				state.len(),
				matrices.len() * per_matrix
			),
		));
	}
	for (matrix, tensor) in matrices.iter().zip(state.iter().step_by(per_matrix)) {
		let decl = TensorDecl::new(
			Element::I32,
			matrix.rows,
			matrix.cols,
			-WEIGHT_LIMIT,
			WEIGHT_LIMIT,
		);
		let what = format!("the matrix `{}`", matrix.name);
		tensor
			.check(&decl)
			.map_err(|e| fault(&what, format!("{e}: model and weights don't belong together")))?;
	}
	Ok(())
}

/// What the folder of a result says about its tensors.
#[derive(Deserialize)]
pub(crate) struct Index {
	/// Commitment to the task's workload.
	pub(crate) program_root: Option<String>,
	pub(crate) state: Vec<Entry>,
	pub(crate) outputs: Vec<Entry>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
	file: String,
	element: String,
	rows: u32,
	cols: u32,
	lo: i32,
	hi: i32,
	root: String,
}

pub(crate) fn read_index(folder: &Path) -> Result<Index, ModelError> {
	let path = folder.join(INDEX);
	let fail = |error| ModelError::File {
		path: path.clone(),
		error,
	};
	let size = fs::metadata(&path).map_err(fail)?.len();
	if size > MAX_INDEX_BYTES {
		let reason = format!("{size} bytes: an index has at most {MAX_INDEX_BYTES}");
		return Err(fault(&path.display().to_string(), reason));
	}
	let text = fs::read_to_string(&path).map_err(fail)?;
	serde_json::from_str(&text).map_err(|e| {
		fault(
			&path.display().to_string(),
			format!("{e}: download the result again"),
		)
	})
}

impl Entry {
	pub(crate) fn read(&self, folder: &Path) -> Result<Tensor, ModelError> {
		let path = folder.join(&self.file);
		let refuse = |reason: String| fault(&path.display().to_string(), reason);
		// The index names files of its own folder, nothing else.
		if self.file.contains(['/', '\\']) || self.file.starts_with('.') {
			return Err(refuse(
				"not a file of this folder: download the result again".into(),
			));
		}
		let element = match self.element.as_str() {
			"i8" => Element::I8,
			"i32" => Element::I32,
			other => return Err(refuse(format!("element type `{other}`: i8 and i32 are known"))),
		};
		let decl = TensorDecl::new(element, self.rows, self.cols, self.lo, self.hi);
		let fail = |error| ModelError::File {
			path: path.clone(),
			error,
		};
		let size = fs::metadata(&path).map_err(fail)?.len();
		if size != decl.size() {
			return Err(refuse(format!(
				"{size} bytes where the index says {}: download the result again",
				decl.size()
			)));
		}
		let bytes = fs::read(&path).map_err(fail)?;
		let tensor = Tensor::from_bytes(&decl, &bytes).map_err(|e| refuse(e.to_string()))?;
		let root = tensor.root().map_err(|e| refuse(e.to_string()))?;
		let got = hex::encode(root);
		if self.root.trim_start_matches("0x") != got {
			return Err(refuse(format!(
				"its commitment is 0x{got}, the index says {}: download the result again",
				self.root
			)));
		}
		Ok(tensor)
	}
}
