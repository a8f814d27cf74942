// SPDX-License-Identifier: Apache-2.0

//! Plain text as data: vocabularies, the split into training and held-out part, and the tensors that programs read.

use crate::{
	architecture::Architecture,
	card::Card,
	dataset::{open, MAX_DATA_BYTES},
	error::{field, ModelError},
	import::parse_tokenizer,
};
use poaiw_program::{DataDecl, Tensor, TensorDecl};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io::Read, path::Path};
use tokenizers::{
	models::bpe::{BpeTrainer, BPE},
	pre_tokenizers::byte_level::ByteLevel,
	NormalizerWrapper, TokenizerBuilder,
};

/// Columns of a tensor of tokens.
pub(crate) const TOKEN_COLUMNS: usize = 512;
/// Most tokens of a text.
const MAX_TOKENS: usize = 1 << 28;
/// Largest vocabulary.
pub const MAX_VOCABULARY: u32 = 65_535;
/// Bytes that a byte-level vocabulary starts with.
const BYTES: u32 = 256;

/// How a text becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
	/// Every character is a token.
	Char,
	/// Byte pairs, merged by frequency.
	Bpe,
}

/// The tokens that a model knows.
#[derive(Clone, Debug)]
pub enum Vocabulary {
	/// Characters in the order of their code points.
	Characters(Vec<char>),
	/// A tokenizer of the `tokenizers` library, with its `tokenizer.json`.
	Tokenizer {
		/// Encodes and decodes.
		tokenizer: Box<tokenizers::Tokenizer>,
		/// Its file.
		json: String,
	},
}

pub(crate) fn vocabulary_fault(value: impl std::fmt::Display, remedy: impl Into<String>) -> ModelError {
	field("vocabulary", value, remedy.into())
}

impl Vocabulary {
	/// The characters that occur in a text.
	///
	/// # Errors
	/// If the text is empty, or has too many of them.
	pub fn of_characters(text: &str) -> Result<Self, ModelError> {
		let all: BTreeSet<char> = text.chars().collect();
		Self::from_characters(all.into_iter().collect())
	}

	/// Given characters.
	///
	/// # Errors
	/// If there are none or too many, or they are not in rising order.
	pub fn from_characters(characters: Vec<char>) -> Result<Self, ModelError> {
		if characters.is_empty() || characters.len() > MAX_VOCABULARY as usize {
			let got = format!("{} characters", characters.len());
			let remedy = format!("give a text with 1 to {MAX_VOCABULARY} different characters");
			return Err(vocabulary_fault(got, remedy));
		}
		if characters.windows(2).any(|pair| pair[0] >= pair[1]) {
			let remedy = "give every character once, by rising code point";
			return Err(vocabulary_fault("not in order", remedy));
		}
		Ok(Self::Characters(characters))
	}

	/// Learns byte pairs from a text until there are `size` tokens (fewer if the text has no more pairs).
	///
	/// # Errors
	/// If the size is out of bounds.
	pub fn train_bpe(text: &str, size: u32) -> Result<Self, ModelError> {
		if !(BYTES + 1..=MAX_VOCABULARY).contains(&size) {
			let remedy = format!("give {} to {MAX_VOCABULARY}", BYTES + 1);
			return Err(field("data.vocabulary", size, remedy));
		}
		let fault = |e: tokenizers::Error| vocabulary_fault(e, "check that the text is plain text");
		let bytes = ByteLevel::new(false, true, true);
		let mut learner = TokenizerBuilder::<BPE, NormalizerWrapper, ByteLevel, ByteLevel, ByteLevel>::new()
			.with_model(BPE::default())
			.with_pre_tokenizer(Some(bytes))
			.with_decoder(Some(bytes))
			.build()
			.map_err(fault)?;
		let mut trainer = BpeTrainer::builder()
			.vocab_size(size as usize)
			.show_progress(false)
			.initial_alphabet(ByteLevel::alphabet().into_iter().collect())
			.build();
		learner
			.train(&mut trainer, text.split_inclusive('\n'))
			.map_err(fault)?;
		Self::from_tokenizer_json(learner.to_string(false).map_err(fault)?)
	}

	/// From the text of a `tokenizer.json`.
	///
	/// # Errors
	/// If it is not one, or its vocabulary is empty or too large.
	pub fn from_tokenizer_json(json: String) -> Result<Self, ModelError> {
		let tokenizer = parse_tokenizer(json.as_bytes())
			.map_err(|e| vocabulary_fault(e, "give a tokenizer.json of the `tokenizers` library"))?;
		let this = Self::Tokenizer {
			tokenizer: Box::new(tokenizer),
			json,
		};
		match this.size() {
			1..=MAX_VOCABULARY => Ok(this),
			size => {
				let remedy = format!("give a tokenizer with 1 to {MAX_VOCABULARY} tokens");
				Err(vocabulary_fault(format!("{size} tokens"), remedy))
			}
		}
	}

	/// Number of tokens.
	pub fn size(&self) -> u32 {
		let size = match self {
			Self::Characters(all) => all.len(),
			Self::Tokenizer { tokenizer, .. } => tokenizer.get_vocab_size(true),
		};
		u32::try_from(size).unwrap_or(u32::MAX)
	}

	/// Text to tokens.
	///
	/// # Errors
	/// The character that the vocabulary does not have, or what the tokenizer says.
	pub fn encode(&self, text: &str) -> Result<Vec<i32>, ModelError> {
		match self {
			Self::Characters(all) => {
				let place = |(n, c): (usize, char)| {
					all.binary_search(&c).map(|at| at as i32).map_err(|_| {
						let got = format!("without {c:?}, character {} of the text", n + 1);
						vocabulary_fault(got, "leave the character out, or use the vocabulary of this text")
					})
				};
				text.chars().enumerate().map(place).collect()
			}
			Self::Tokenizer { tokenizer, .. } => {
				let mut tokens = Vec::new();
				// By lines: the same tokens whatever is read at once.
				for line in text.split_inclusive('\n') {
					let encoded = tokenizer.encode(line, false).map_err(|e| {
						vocabulary_fault(e, "use the tokenizer that the model was trained with")
					})?;
					tokens.extend(encoded.get_ids().iter().map(|id| *id as i32));
				}
				check_tokens(&tokens, self.size())?;
				Ok(tokens)
			}
		}
	}

	/// Tokens to text.
	///
	/// # Errors
	/// If a token is not in the vocabulary.
	pub fn decode(&self, tokens: &[i32]) -> Result<String, ModelError> {
		check_tokens(tokens, self.size())?;
		match self {
			Self::Characters(all) => Ok(tokens
				.iter()
				.filter_map(|t| usize::try_from(*t).ok().and_then(|t| all.get(t)))
				.collect()),
			Self::Tokenizer { tokenizer, .. } => {
				let ids: Vec<u32> = tokens.iter().map(|t| t.unsigned_abs()).collect();
				tokenizer
					.decode(&ids, false)
					.map_err(|e| vocabulary_fault(e, "use the tokenizer that the model was trained with"))
			}
		}
	}
}

fn check_tokens(tokens: &[i32], size: u32) -> Result<(), ModelError> {
	match tokens
		.iter()
		.find(|t| u32::try_from(**t).map_or(true, |t| t >= size))
	{
		None => Ok(()),
		Some(token) => {
			let remedy = format!("it has {size} tokens, from 0: use the vocabulary of these tokens");
			Err(vocabulary_fault(format!("without token {token}"), remedy))
		}
	}
}

/// A text as tokens, cut into a training and a held-out part.
#[derive(Clone, Debug)]
pub struct Corpus {
	vocabulary: Vocabulary,
	train: Vec<i32>,
	held_out: Vec<i32>,
}

/// Reads a text file (`.gz` is unpacked).
///
/// # Errors
/// If it cannot be read, is empty or too long, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ModelError> {
	let fault = |reason: String| ModelError::Data {
		path: path.into(),
		row: 0,
		reason,
	};
	let mut bytes = Vec::new();
	open(path)?
		.read_to_end(&mut bytes)
		.map_err(|error| ModelError::File {
			path: path.into(),
			error,
		})?;
	if bytes.len() as u64 > MAX_DATA_BYTES {
		return Err(fault(format!(
			"more than {MAX_DATA_BYTES} bytes: use a shorter text"
		)));
	}
	let text = String::from_utf8(bytes).map_err(|e| {
		let at = e.utf8_error().valid_up_to();
		fault(format!("byte {at} is not UTF-8: convert the text to UTF-8"))
	})?;
	if text.is_empty() {
		return Err(fault("an empty text: give one with at least two windows".into()));
	}
	Ok(text)
}

impl Corpus {
	/// From tokens.
	///
	/// # Errors
	/// If there are too many, or one is not in the vocabulary.
	pub fn new(vocabulary: Vocabulary, train: Vec<i32>, held_out: Vec<i32>) -> Result<Self, ModelError> {
		for tokens in [&train, &held_out] {
			check_tokens(tokens, vocabulary.size())?;
			if tokens.len() > MAX_TOKENS {
				let remedy = format!("use a text of at most {MAX_TOKENS} tokens");
				return Err(field("data.file", format!("{} tokens", tokens.len()), remedy));
			}
		}
		Ok(Self {
			vocabulary,
			train,
			held_out,
		})
	}

	/// A text whose last tenth is held out.
	///
	/// # Errors
	/// If the text does not fit the vocabulary, or is too long.
	pub fn from_text(text: &str, vocabulary: Vocabulary) -> Result<Self, ModelError> {
		let mut train = vocabulary.encode(text)?;
		let held_out = train.split_off((train.len() as u64 * 9 / 10) as usize);
		Self::new(vocabulary, train, held_out)
	}

	/// The vocabulary.
	pub fn vocabulary(&self) -> &Vocabulary {
		&self.vocabulary
	}

	/// Tokens to train on.
	pub fn train(&self) -> &[i32] {
		&self.train
	}

	/// Tokens that are never trained on.
	pub fn held_out(&self) -> &[i32] {
		&self.held_out
	}

	/// The data sets of a language model: training tokens, held-out tokens, model card.
	///
	/// # Errors
	/// If a part is too long for a tensor.
	pub fn tensors(&self, architecture: &Architecture) -> Result<Vec<Tensor>, ModelError> {
		let card = Card::new(architecture.clone(), &self.vocabulary).to_tensor()?;
		Ok(vec![
			self.tokens(&self.train)?,
			self.tokens(&self.held_out)?,
			card,
		])
	}

	/// Rows of 512 tokens, the last one filled up with token 0, which no program reads.
	fn tokens(&self, tokens: &[i32]) -> Result<Tensor, ModelError> {
		let mut padded = tokens.to_vec();
		padded.resize(padded.len().next_multiple_of(TOKEN_COLUMNS).max(TOKEN_COLUMNS), 0);
		let (rows, cols) = ((padded.len() / TOKEN_COLUMNS) as u32, TOKEN_COLUMNS as u32);
		if self.vocabulary.size() > 128 {
			Tensor::from_i32(rows, cols, padded)
		} else {
			Tensor::from_i8(rows, cols, padded.into_iter().map(|t| t as i8).collect())
		}
		.map_err(|e| field("data", "text", e.to_string()))
	}

	/// Declarations of the data sets: sizes, ranges and commitments.
	///
	/// # Errors
	/// As [`Corpus::tensors`].
	pub(crate) fn declarations(&self, architecture: &Architecture) -> Result<Vec<DataDecl>, ModelError> {
		let last = self.vocabulary.size().saturating_sub(1) as i32;
		let card = (i8::MIN.into(), i8::MAX.into());
		let ranges = [(0, last), (0, last), card];
		let tensors = self.tensors(architecture)?;
		let declare = |(t, (lo, hi)): (&Tensor, (i32, i32))| {
			Ok(DataDecl {
				tensor: TensorDecl::new(t.element(), t.rows(), t.cols(), lo, hi),
				root: t.root().map_err(|e| field("data", "text", e.to_string()))?,
			})
		};
		tensors.iter().zip(ranges).map(declare).collect()
	}
}

/// Number of places where a window of `context` tokens and one more may start.
///
/// # Errors
/// If there is none.
pub(crate) fn window_starts(tokens: &[i32], context: u32, part: &str) -> Result<u32, ModelError> {
	match tokens.len().checked_sub(context as usize) {
		None | Some(0) => Err(field(
			"model.context",
			context,
			format!(
				"the {part} part has {} tokens: a window needs {}; use a shorter context or a longer text",
				tokens.len(),
				u64::from(context) + 1
			),
		)),
		Some(starts) => Ok(starts as u32),
	}
}
