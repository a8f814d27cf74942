// SPDX-License-Identifier: Apache-2.0

//! Using a trained language model: text generation, and the loss on a text. Logits are exact integers; only the choice
//! among them (temperature) and averages use floats.

use crate::{
	architecture::{Model, Transformer},
	card::Card,
	error::{field, ModelError},
	optimiser::WEIGHT_LIMIT,
	parameters::Parameters,
	text::Vocabulary,
	transformer::{logits_program, matrices, LOGIT_UNIT, LOSS_ONE},
};
use poaiw_program::{
	execute_op,
	interpreter::{run_program, Given},
	random::RandomKey,
	validate, Context, Element, Op, Program, ProgramInfo, Tensor, TensorDecl,
};
use serde::Deserialize;
use std::{fs, path::Path};

/// Largest index of a result's folder.
const MAX_INDEX_BYTES: u64 = 1 << 24;
/// Longest text that is generated.
pub const MAX_LENGTH: usize = 1 << 20;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
	/// 0: always the best token; 1: as likely as the model says; higher: more even.
	pub temperature: f64,
	/// Decides the choices.
	pub seed: u64,
}

/// A trained language model.
pub struct LanguageModel {
	model: Transformer,
	vocabulary: Vocabulary,
	/// State tensors of which the programs read the weights.
	state: Vec<Tensor>,
	card: Card,
}

impl std::fmt::Debug for LanguageModel {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		write!(f, "LanguageModel({:?})", self.model)
	}
}

/// A program that is ready to run.
struct Compiled {
	program: Program,
	info: ProgramInfo,
	sequences: u32,
	length: u32,
}

fn fault(what: &str, reason: impl std::fmt::Display) -> ModelError {
	field(what, "not usable", reason.to_string())
}

impl LanguageModel {
	/// From a model card and the state after training.
	///
	/// # Errors
	/// If the card is not that of a language model, or the state has other tensors than its model.
	pub fn new(card: Card, state: Vec<Tensor>) -> Result<Self, ModelError> {
		let Model::Transformer(model) = &card.architecture.model else {
			let remedy = "text comes from kind = \"transformer\"".to_string();
			return Err(field("model.kind", card.architecture.model.kind(), remedy));
		};
		let (model, vocabulary) = (model.clone(), card.vocabulary()?);
		let all = matrices(&model, vocabulary.size());
		let parameters = Parameters {
			matrices: &all,
			optimiser: &card.architecture.optimiser,
		};
		let per_matrix = parameters.tensors_per_matrix();
		if state.len() < all.len() * per_matrix {
			return Err(fault(
				"the state",
				format!(
					"it has {} tensors where the model has {}: fetch the whole result",
					state.len(),
					all.len() * per_matrix
				),
			));
		}
		for (matrix, tensors) in all.iter().zip(state.chunks(per_matrix)) {
			let decl = TensorDecl::new(
				Element::I32,
				matrix.rows,
				matrix.cols,
				-WEIGHT_LIMIT,
				WEIGHT_LIMIT,
			);
			for tensor in tensors.iter().take(1) {
				let what = format!("the matrix `{}`", matrix.name);
				tensor
					.check(&decl)
					.map_err(|e| fault(&what, format!("{e}: model and weights don't belong together")))?;
			}
		}
		Ok(Self {
			model,
			vocabulary,
			state,
			card,
		})
	}

	/// From the folder of a downloaded result: `index.json` and the files that it names, whose commitments are checked.
	///
	/// # Errors
	/// If a file is missing or altered, or the result is not a language model.
	pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
		let index = read_index(folder)?;
		for entry in index.outputs.iter().rev() {
			if let Some(card) = Card::from_tensor(&entry.read(folder)?)? {
				let state: Result<Vec<Tensor>, ModelError> =
					index.state.iter().map(|entry| entry.read(folder)).collect();
				return Self::new(card, state?);
			}
		}
		let remedy = "there is no model card: this is not the result of training a transformer on a text";
		Err(fault(&folder.display().to_string(), remedy))
	}

	/// The model card.
	pub fn card(&self) -> &Card {
		&self.card
	}

	/// The vocabulary.
	pub fn vocabulary(&self) -> &Vocabulary {
		&self.vocabulary
	}

	fn compile(&self, sequences: u32, length: u32) -> Result<Compiled, ModelError> {
		let optimiser = &self.card.architecture.optimiser;
		let program = logits_program(&self.model, self.vocabulary.size(), optimiser, sequences, length)?;
		let info = validate(&program)?;
		Ok(Compiled {
			program,
			info,
			sequences,
			length,
		})
	}

	/// Logits of every position, unit 2^-16.
	fn run(&self, compiled: &Compiled, tokens: &[i32]) -> Result<Tensor, ModelError> {
		let rows = compiled.sequences.saturating_mul(compiled.length);
		let tokens = Tensor::from_i32(rows, 1, tokens.to_vec()).map_err(|e| fault("the tokens", e))?;
		let state = (0u16..).zip(&self.state).map(|(n, t)| Given::StateRef(n, t));
		let given = state.chain([Given::Data(0, &tokens)]).collect();
		let done = run_program(&compiled.program, &compiled.info, no_context(), given, |_, _| ())
			.map_err(|e| fault("the model", e))?;
		let logits = done.outputs.into_iter().next();
		logits.ok_or_else(|| fault("the model", "the program has no output"))
	}

	/// Continues a text by `length` tokens; gives the new part.
	///
	/// # Errors
	/// If the prompt is empty or does not fit the vocabulary, or the length or temperature is out of bounds.
	pub fn sample(&self, prompt: &str, length: usize, sampling: Sampling) -> Result<String, ModelError> {
		if length > MAX_LENGTH {
			return Err(field(
				"length",
				length,
				format!("give at most {MAX_LENGTH} tokens"),
			));
		}
		let temperature = sampling.temperature;
		if !(0.0..=100.0).contains(&temperature) {
			let remedy = "give 0 (always the best) to 100".to_string();
			return Err(field("temperature", temperature, remedy));
		}
		let mut tokens = self.vocabulary.encode(prompt)?;
		if tokens.is_empty() {
			let remedy = "give a text of at least one token to continue".to_string();
			return Err(field("prompt", "empty", remedy));
		}
		let given = tokens.len();
		let mut seed = [0; 32];
		seed[..8].copy_from_slice(&sampling.seed.to_le_bytes());
		let mut compiled = None;
		for n in 0..length {
			let seen = tokens.len().min(self.model.context as usize);
			// Programs are made for one length; from the model's context on it stays the same.
			let ready = match compiled {
				Some(c @ Compiled { length, .. }) if length as usize == seen => c,
				_ => self.compile(1, seen as u32)?,
			};
			let logits = self.run(&ready, &tokens[tokens.len() - seen..])?;
			compiled = Some(ready);
			let all = logits.i32s().unwrap_or_default();
			let last = &all[all.len().saturating_sub(self.vocabulary.size() as usize)..];
			let random = RandomKey::new(&seed, n as u32, 0).at(0);
			tokens.push(choose(last, temperature, random));
		}
		self.vocabulary.decode(&tokens[given..])
	}

	/// Loss of every token but the first, in nats: windows of the model's context, side by side, each predicting from what
	/// lies in it. Tokens after the last whole window are left out.
	///
	/// # Errors
	/// If the tokens don't fill a window, or one is not in the vocabulary.
	pub fn losses(&self, tokens: &[i32]) -> Result<Vec<f64>, ModelError> {
		const WINDOWS: usize = 16;
		let context = self.model.context as usize;
		let windows = tokens.len().saturating_sub(1) / context;
		if windows == 0 {
			let remedy = format!("a window needs {} tokens: give a longer text", context + 1);
			return Err(field("text", format!("{} tokens", tokens.len()), remedy));
		}
		let mut losses = Vec::with_capacity(windows * context);
		let mut compiled = None;
		for first in (0..windows).step_by(WINDOWS) {
			let count = WINDOWS.min(windows - first);
			let ready = match compiled {
				Some(c @ Compiled { sequences, .. }) if sequences as usize == count => c,
				_ => self.compile(count as u32, context as u32)?,
			};
			let (start, rows) = (first * context, count * context);
			let logits = self.run(&ready, &tokens[start..start + rows])?;
			compiled = Some(ready);
			losses.extend(self.cross_entropy(&logits, &tokens[start + 1..start + rows + 1])?);
		}
		Ok(losses)
	}

	fn cross_entropy(&self, logits: &Tensor, labels: &[i32]) -> Result<Vec<f64>, ModelError> {
		let fail = |e: poaiw_program::TensorError| fault("the labels", e);
		let labels = Tensor::from_i32(logits.rows(), 1, labels.to_vec()).map_err(fail)?;
		let last = self.vocabulary.size().saturating_sub(1) as i32;
		labels
			.check(&TensorDecl::new(Element::I32, logits.rows(), 1, 0, last))
			.map_err(fail)?;
		let exponent = Tensor::from_i32(1, 1, vec![LOGIT_UNIT]).map_err(fail)?;
		let out = TensorDecl::new(Element::I32, logits.rows(), 1, 0, i32::MAX);
		let inputs = [logits, &labels, &exponent];
		let losses =
			execute_op(&Op::CrossEntropy, &no_context(), &inputs, &out).map_err(|e| fault("the model", e))?;
		let words = losses.i32s().unwrap_or_default();
		Ok(words
			.iter()
			.map(|x| f64::from(*x) / f64::from(LOSS_ONE))
			.collect())
	}
}

/// Logits need no random bits.
fn no_context() -> Context {
	Context {
		seed: [0; 32],
		step: 0,
		instruction: 0,
	}
}

/// The place of the chosen logit.
fn choose(logits: &[i32], temperature: f64, random: u32) -> i32 {
	let best = logits.iter().copied().max().unwrap_or_default();
	let first_best = logits.iter().position(|z| *z == best).unwrap_or_default() as i32;
	if temperature == 0.0 {
		return first_best;
	}
	let unit = f64::from(LOGIT_UNIT).exp2();
	let weight = |z: &i32| ((f64::from(*z) - f64::from(best)) * unit / temperature).exp();
	let total: f64 = logits.iter().map(weight).sum();
	let mut left = f64::from(random) / 4_294_967_296.0 * total;
	for (n, z) in logits.iter().enumerate() {
		left -= weight(z);
		if left < 0.0 {
			return n as i32;
		}
	}
	first_best
}

/// What the folder of a result says about its tensors.
#[derive(Deserialize)]
pub(crate) struct Index {
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
	let path = folder.join("index.json");
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
		let got: String = root.iter().map(|b| format!("{b:02x}")).collect();
		if self.root.trim_start_matches("0x") != got {
			return Err(refuse(format!(
				"its commitment is 0x{got}, the index says {}: download the result again",
				self.root
			)));
		}
		Ok(tensor)
	}
}
