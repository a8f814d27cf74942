// SPDX-License-Identifier: Apache-2.0

//! The data of a manifest: files, format, encoding, and what is held out.

use super::bounds;
use crate::{
	architecture::Architecture,
	classifier,
	dataset::{read_csv, read_tensors, Encoding, Examples, HeldOut},
	error::{field, ModelError},
	idx,
	text::{read_text, Corpus, TokenizerKind, Vocabulary},
	transformer,
};
use poaiw_program::{Tensor, Workload};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most classes of a data set.
const MAX_CLASSES: u32 = 65_535;

/// Format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
	/// Comma-separated integers, the label in the last column; `.gz` is unpacked.
	Csv,
	/// Arrays of bytes in the format of MNIST, the labels in a second file; `.gz` is unpacked.
	Idx,
	/// A file of named tensors: `values` with the examples along its first dimension, and `labels`.
	Safetensors,
	/// Plain text in UTF-8 for a transformer or an encoder; `.gz` is unpacked. The last tenth is held out.
	Text,
	/// Plain text in UTF-8 with a request in every line (inference); `.gz` is unpacked.
	Lines,
}

/// The data of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
	/// The file; a relative path starts at the manifest's folder.
	pub file: PathBuf,
	/// Its format.
	pub format: Format,
	/// The file with the labels, for formats that have them apart (idx).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub labels: Option<PathBuf>,
	/// How a text becomes tokens: one for every character, if it is not given.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub tokenizer: Option<TokenizerKind>,
	/// Tokens of the vocabulary that is learnt from the text (bpe).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub vocabulary: Option<u32>,
	/// A `tokenizer.json` to use, instead of learning a vocabulary (bpe).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub tokenizer_file: Option<PathBuf>,
	/// Number of classes; 0 for a text.
	#[serde(default, skip_serializing_if = "is_zero")]
	pub classes: u32,
	/// How values become int7 mantissas.
	#[serde(default = "Encoding::plain")]
	pub encoding: Encoding,
	/// Which examples are held out; not for a text.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub held_out: Option<HeldOut>,
	/// Expected commitment to all data sets (`0x` and 64 hex digits); checked when it is given.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub root: Option<String>,
}

impl Encoding {
	/// Values as they are.
	pub fn plain() -> Self {
		Self {
			offset: 0,
			shift: 0,
			exponent: 0,
		}
	}
}

impl Data {
	/// Checks that the fields are those of the format.
	pub(super) fn check_kind(&self) -> Result<(), ModelError> {
		let unused = |name: &str, given: bool, remedy: &str| match given {
			false => Ok(()),
			true => Err(field(name, "given", remedy.into())),
		};
		if !matches!(self.format, Format::Text | Format::Lines) {
			bounds("data.classes", self.classes.into(), 2, MAX_CLASSES.into())?;
			let remedy = "leave it out: it belongs to format = \"text\"";
			unused("data.tokenizer", self.tokenizer.is_some(), remedy)?;
			unused("data.vocabulary", self.vocabulary.is_some(), remedy)?;
			unused("data.tokenizer_file", self.tokenizer_file.is_some(), remedy)?;
			if self.held_out.is_none() {
				let remedy = "say which examples are held out: held_out = { every = 5, remainder = 0 }";
				return Err(field("data.held_out", "missing", remedy.into()));
			}
			return Ok(());
		}
		let remedy =
			"leave it out: the last tenth of a text is held out, and its vocabulary comes from its tokenizer";
		unused("data.classes", self.classes != 0, remedy)?;
		unused("data.held_out", self.held_out.is_some(), remedy)?;
		if self.format == Format::Lines {
			let remedy = "leave it out: the model of the [inference] table has its own tokenizer";
			unused("data.tokenizer", self.tokenizer.is_some(), remedy)?;
			unused("data.vocabulary", self.vocabulary.is_some(), remedy)?;
			return unused("data.tokenizer_file", self.tokenizer_file.is_some(), remedy);
		}
		let learnt = (self.vocabulary.is_some(), self.tokenizer_file.is_some());
		match (self.tokenizer.unwrap_or(TokenizerKind::Char), learnt) {
			(TokenizerKind::Char, (false, false)) | (TokenizerKind::Bpe, (true, false) | (false, true)) => {
				Ok(())
			}
			(TokenizerKind::Char, _) => {
				let remedy = "give tokenizer = \"bpe\", or leave out data.vocabulary and data.tokenizer_file";
				Err(field("data.tokenizer", "char", remedy.into()))
			}
			(TokenizerKind::Bpe, _) => {
				let remedy =
					"give either data.vocabulary, the number of tokens to learn, or data.tokenizer_file";
				Err(field("data.tokenizer", "bpe", remedy.into()))
			}
		}
	}

	/// Checks the commitment to all data sets, if one is expected.
	pub(super) fn check_root(&self, got: &[u8; 32], folder: &Path) -> Result<(), ModelError> {
		match &self.root {
			Some(expected) if parse_root(expected)? != *got => Err(ModelError::Root {
				path: folder.join(&self.file),
				got: format!("0x{}", hex::encode(got)),
				expected: expected.clone(),
			}),
			_ => Ok(()),
		}
	}

	/// The workload of an architecture on this data, and the data sets.
	pub(super) fn compile(
		&self,
		architecture: &Architecture,
		folder: &Path,
	) -> Result<(Workload, Vec<Tensor>), ModelError> {
		if self.format == Format::Text {
			let corpus = self.read_corpus(folder)?;
			let workload = transformer::compile(architecture, &corpus)?;
			return Ok((workload, corpus.tensors(architecture)?));
		}
		let (examples, exponent) = self.read(folder)?;
		let Some(held_out) = &self.held_out else {
			return Err(field(
				"data.held_out",
				"missing",
				"say which examples are held out".into(),
			));
		};
		let split = examples.split(held_out, self.classes, exponent)?;
		let workload = classifier::compile(architecture, &split)?;
		Ok((workload, split.tensors.into()))
	}

	/// The text of a text model as tokens. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file can't be read, or the text does not fit the vocabulary.
	pub fn read_corpus(&self, folder: &Path) -> Result<Corpus, ModelError> {
		let text = read_text(&folder.join(&self.file))?;
		let vocabulary = match (self.tokenizer, &self.tokenizer_file, self.vocabulary) {
			(Some(TokenizerKind::Bpe), Some(file), _) => {
				Vocabulary::from_tokenizer_json(read_text(&folder.join(file))?)?
			}
			(Some(TokenizerKind::Bpe), None, size) => Vocabulary::train_bpe(&text, size.unwrap_or_default())?,
			_ => Vocabulary::of_characters(&text)?,
		};
		Corpus::from_text(&text, vocabulary)
	}

	/// The examples, and the exponent of the unit of their values. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file can't be read, or a value or label does not fit.
	pub fn read(&self, folder: &Path) -> Result<(Examples, i32), ModelError> {
		let file = folder.join(&self.file);
		let exponent = self.encoding.exponent;
		match self.format {
			Format::Csv => Ok((read_csv(&file, &self.encoding, self.classes)?, exponent)),
			Format::Idx => {
				let labels = folder.join(self.labels.as_deref().unwrap_or(Path::new("")));
				let examples = idx::read_labelled(&file, &labels, &self.encoding, self.classes)?;
				Ok((examples, exponent))
			}
			Format::Safetensors => read_tensors(&file, &self.encoding, self.classes),
			Format::Text | Format::Lines => {
				let remedy = "a text has no labelled examples: give csv, idx or safetensors";
				Err(field("data.format", "text", remedy.into()))
			}
		}
	}
}

fn is_zero(x: &u32) -> bool {
	*x == 0
}

pub(super) fn parse_root(text: &str) -> Result<[u8; 32], ModelError> {
	let fault = || {
		field(
			"data.root",
			text,
			"give 0x and 64 hex digits, or leave the field out".into(),
		)
	};
	let digits = text.strip_prefix("0x").ok_or_else(fault)?;
	let mut root = [0; 32];
	hex::decode_to_slice(digits, &mut root).map_err(|_| fault())?;
	Ok(root)
}
