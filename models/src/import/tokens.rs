// SPDX-License-Identifier: Apache-2.0

//! The tokenizer of a model: text to the token numbers that its embedding table has.

use super::whole;
use crate::error::{field, ModelError};
use std::{fmt, panic::catch_unwind, path::Path};

/// Longest tokenizer file.
pub const MAX_BYTES: u64 = 64 << 20;
/// Longest text of one sequence.
const MAX_TEXT: usize = 1 << 20;

/// A tokenizer of the `tokenizers` library whose vocabulary is that of a model.
pub struct Tokens {
	tokenizer: Box<tokenizers::Tokenizer>,
	vocabulary: u32,
}

impl fmt::Debug for Tokens {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "Tokens of a vocabulary of {}", self.vocabulary)
	}
}

/// A tokenizer from the bytes of a `tokenizer.json`.
///
/// The library unwraps errors inside of its reader: what is no JSON never gets there, and a panic in it is an error here.
///
/// # Errors
/// In words, if it is none.
pub(crate) fn parse_tokenizer(json: &[u8]) -> Result<tokenizers::Tokenizer, String> {
	let remedy = "give a tokenizer.json of the `tokenizers` library";
	serde_json::from_slice::<serde_json::Value>(json).map_err(|e| format!("{e}: {remedy}"))?;
	catch_unwind(|| tokenizers::Tokenizer::from_bytes(json))
		.map_err(|_| format!("its parts don't fit together: {remedy}"))?
		.map_err(|e| format!("{e}: {remedy}"))
}

impl Tokens {
	/// From the bytes of a `tokenizer.json`; `path` is for messages.
	///
	/// # Errors
	/// If it is not one, or its vocabulary is not of the size that the model has.
	pub fn from_json(path: &Path, json: &[u8], vocabulary: u32) -> Result<Self, ModelError> {
		let mut tokenizer = parse_tokenizer(json).map_err(|reason| whole(path, reason))?;
		let got = tokenizer.get_vocab_size(true);
		let highest = tokenizer.get_vocab(true).into_values().max().unwrap_or_default();
		if got as u64 != u64::from(vocabulary) || highest >= vocabulary {
			return Err(whole(
				path,
				format!(
					"a vocabulary of {got} tokens, numbers up to {highest}, for a model of {vocabulary}: give the model's own tokenizer"
				),
			));
		}
		// Batches are padded where they are formed, and a text that is too long is an error and not cut off.
		tokenizer.with_padding(None);
		tokenizer
			.with_truncation(None)
			.map_err(|e| whole(path, e.to_string()))?;
		Ok(Self {
			tokenizer: Box::new(tokenizer),
			vocabulary,
		})
	}

	/// The tokens of a text, with those that mark its ends.
	///
	/// # Errors
	/// If the text is too long, or what the tokenizer says.
	pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
		if text.len() > MAX_TEXT {
			let remedy = format!("give at most {MAX_TEXT} bytes");
			return Err(field("text", format!("{} bytes long", text.len()), remedy));
		}
		let encoded = self
			.tokenizer
			.encode(text, true)
			.map_err(|e| field("text", e, "give plain text".into()))?;
		Ok(encoded.get_ids().to_vec())
	}
}
