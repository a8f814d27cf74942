// SPDX-License-Identifier: Apache-2.0

//! Texts to embeddings, with any encoder in a folder: one that was published, or one that a task has trained.

use crate::{
	encoder::{embedding, Prepared},
	error::{field, ModelError},
	import::{SentenceEncoder, Tokens},
	inference::{join, Packing, Request},
	text::Vocabulary,
	trained::{Trained, INDEX},
};
use std::{collections::BTreeSet, path::Path};

/// Tokens of a batch of a local run: its tensors stay in the caches.
const BATCH_TOKENS: u32 = 1024;

/// An encoder that takes texts.
#[derive(Debug)]
pub struct TextEncoder {
	prepared: Prepared,
	words: Words,
}

/// From text to tokens.
#[derive(Debug)]
enum Words {
	Published(Tokens),
	Trained(Vocabulary),
}

impl TextEncoder {
	/// Opens a folder: a downloaded result (with an `index.json`) of training an encoder, or a published model as
	/// [`SentenceEncoder::open`] takes it.
	///
	/// # Errors
	/// If a file is missing or damaged, or the model is no encoder.
	pub fn open(folder: &Path) -> Result<Self, ModelError> {
		if folder.join(INDEX).exists() {
			return Self::trained(&Trained::from_folder(folder)?);
		}
		let SentenceEncoder { encoder, tokens } = SentenceEncoder::open(folder)?;
		Ok(Self {
			prepared: encoder.prepare()?,
			words: Words::Published(tokens),
		})
	}

	/// An encoder that a task has trained.
	///
	/// # Errors
	/// If the model is no encoder.
	pub fn trained(trained: &Trained) -> Result<Self, ModelError> {
		Ok(Self {
			prepared: Prepared::trained(trained)?,
			words: Words::Trained(trained.vocabulary().clone()),
		})
	}

	/// The model.
	pub fn prepared(&self) -> &Prepared {
		&self.prepared
	}

	/// The tokens of a text.
	///
	/// # Errors
	/// If it has none, is too long for the tokenizer, or does not fit the vocabulary.
	pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
		let tokens = match &self.words {
			Words::Published(tokens) => tokens.encode(text)?,
			Words::Trained(vocabulary) => {
				let tokens = vocabulary.encode(text)?;
				tokens.into_iter().map(i32::unsigned_abs).collect()
			}
		};
		if tokens.is_empty() {
			return Err(field("text", "empty", "give a text of at least one token".into()));
		}
		Ok(tokens)
	}

	/// Embeds texts on this machine: a vector of length 1 for every text, the same whatever texts stand beside it.
	///
	/// # Errors
	/// If there are none, or as [`TextEncoder::encode`], or if a text has more tokens than the model takes.
	pub fn embed(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<f32>>, ModelError> {
		if texts.is_empty() {
			return Err(field("texts", "none", "give at least one".into()));
		}
		let sequences: Vec<Vec<u32>> = texts
			.iter()
			.map(|text| self.encode(text.as_ref()))
			.collect::<Result<_, _>>()?;
		let lengths: BTreeSet<u32> = sequences.iter().map(|sequence| sequence.len() as u32).collect();
		let packing = Packing {
			lengths: lengths.into_iter().collect(),
			tokens: BATCH_TOKENS,
		};
		let rows = self.prepared.run(&join(&[Request { sequences }], &packing)?)?;
		Ok(rows.iter().flatten().map(|row| embedding(row)).collect())
	}
}
