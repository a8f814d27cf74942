// SPDX-License-Identifier: Apache-2.0

//! The model card that travels with the weights of a text model, as a data set of its task and an output of its
//! evaluation.

use crate::{
	architecture::Architecture,
	error::{field, ModelError},
	text::{vocabulary_fault, Vocabulary, TOKEN_COLUMNS},
};
use poaiw_program::Tensor;
use serde::{Deserialize, Serialize};

/// First line of a model card. The rest is TOML and not JSON: `serde_json` reads no float inside of a tagged enum when another
/// crate of the build asks it for arbitrary precision.
const HEADER: &str = "# PoAIW model card\n";
/// Largest model card.
const MAX_CARD_BYTES: usize = 1 << 26;

/// What stands beside the weights of a text model: everything that is needed to use them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
	#[serde(default, skip_serializing_if = "Option::is_none")]
	characters: Option<String>,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	tokenizer: Option<String>,
	/// Model and training.
	pub architecture: Architecture,
}

impl Card {
	/// The card of a model.
	pub fn new(architecture: Architecture, vocabulary: &Vocabulary) -> Self {
		let (characters, tokenizer) = match vocabulary {
			Vocabulary::Characters(all) => (Some(all.iter().collect()), None),
			Vocabulary::Tokenizer { json, .. } => (None, Some(json.clone())),
		};
		Self {
			architecture,
			characters,
			tokenizer,
		}
	}

	/// The vocabulary.
	///
	/// # Errors
	/// If there is none, or two, or it is not valid.
	pub fn vocabulary(&self) -> Result<Vocabulary, ModelError> {
		match (&self.characters, &self.tokenizer) {
			(Some(characters), None) => Vocabulary::from_characters(characters.chars().collect()),
			(None, Some(json)) => Vocabulary::from_tokenizer_json(json.clone()),
			_ => Err(vocabulary_fault(
				"not given once in the model card",
				"fetch the result again",
			)),
		}
	}

	/// As a data set: TOML, filled up with empty lines.
	///
	/// # Errors
	/// If it is too large.
	pub fn to_tensor(&self) -> Result<Tensor, ModelError> {
		let fault = |e: String| field("model card", "not a tensor", e);
		let text = toml::to_string(self).map_err(|e| fault(e.to_string()))?;
		let mut bytes = [HEADER, &text].concat().into_bytes();
		if bytes.len() > MAX_CARD_BYTES {
			let remedy = format!("use a tokenizer whose file has less than {MAX_CARD_BYTES} bytes");
			return Err(field("model card", format!("{} bytes", bytes.len()), remedy));
		}
		bytes.resize(bytes.len().next_multiple_of(TOKEN_COLUMNS), b'\n');
		let rows = (bytes.len() / TOKEN_COLUMNS) as u32;
		let values = bytes.into_iter().map(|byte| byte as i8).collect();
		Tensor::from_i8(rows, TOKEN_COLUMNS as u32, values).map_err(|e| fault(e.to_string()))
	}

	/// From a tensor that [`Card::to_tensor`] made; `None` if it is no card at all.
	///
	/// # Errors
	/// If it looks like a card and is none.
	pub fn from_tensor(tensor: &Tensor) -> Result<Option<Self>, ModelError> {
		let Some(values) = tensor.i8s() else {
			return Ok(None);
		};
		let bytes: Vec<u8> = values.iter().map(|x| *x as u8).collect();
		if !bytes.starts_with(HEADER.as_bytes()) {
			return Ok(None);
		}
		let fault = |e: String| {
			field(
				"model card",
				"not readable",
				format!("{e}: fetch the result again"),
			)
		};
		let text = std::str::from_utf8(&bytes).map_err(|e| fault(e.to_string()))?;
		let card: Self = toml::from_str(text).map_err(|e| fault(e.to_string()))?;
		card.architecture.check()?;
		Ok(Some(card))
	}
}
