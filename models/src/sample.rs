// SPDX-License-Identifier: Apache-2.0

//! Using a trained language model: text generation, and the loss on a text. Logits are exact integers; only the choice
//! among them (temperature) and averages use floats.

use crate::{
	architecture::Objective,
	card::Card,
	error::{field, ModelError},
	text::Vocabulary,
	trained::{fault, Trained},
	transformer::{logits_program, LOGIT_UNIT, LOSS_ONE},
};
use poaiw_program::{
	execute_op,
	interpreter::{run_program, Given},
	random::RandomKey,
	validate, Context, Element, Op, Program, ProgramInfo, Tensor, TensorDecl,
};
use std::path::Path;

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

/// A trained language model: a decoder.
#[derive(Debug)]
pub struct LanguageModel {
	trained: Trained,
}

/// A program that is ready to run.
struct Compiled {
	program: Program,
	info: ProgramInfo,
	sequences: u32,
	length: u32,
}

impl LanguageModel {
	/// From a model card and the state after training.
	///
	/// # Errors
	/// If the card is not that of a decoder, or the state has other tensors than its model.
	pub fn new(card: Card, state: Vec<Tensor>) -> Result<Self, ModelError> {
		Self::of(Trained::new(card, state)?)
	}

	/// From the folder of a downloaded result: `index.json` and the files that it names, whose commitments are checked.
	///
	/// # Errors
	/// If a file is missing or altered, or the result is not a decoder.
	pub fn from_folder(folder: &Path) -> Result<Self, ModelError> {
		Self::of(Trained::from_folder(folder)?)
	}

	fn of(trained: Trained) -> Result<Self, ModelError> {
		match trained.model().objective() {
			Objective::NextToken => Ok(Self { trained }),
			Objective::MaskedToken { .. } => {
				let remedy = "an encoder continues no text: embed texts with it, `poaiw model embed`, or train kind = \"transformer\"";
				Err(field(
					"model.kind",
					trained.card().architecture.model.kind(),
					remedy.into(),
				))
			}
		}
	}

	/// The model card.
	pub fn card(&self) -> &Card {
		self.trained.card()
	}

	/// The vocabulary.
	pub fn vocabulary(&self) -> &Vocabulary {
		self.trained.vocabulary()
	}

	fn compile(&self, sequences: u32, length: u32) -> Result<Compiled, ModelError> {
		let (model, optimiser) = (self.trained.model(), &self.card().architecture.optimiser);
		let program = logits_program(model, self.vocabulary().size(), optimiser, sequences, length)?;
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
		let state = (0u16..)
			.zip(self.trained.state())
			.map(|(n, t)| Given::StateRef(n, t));
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
		let mut tokens = self.vocabulary().encode(prompt)?;
		if tokens.is_empty() {
			let remedy = "give a text of at least one token to continue".to_string();
			return Err(field("prompt", "empty", remedy));
		}
		let given = tokens.len();
		let mut seed = [0; 32];
		seed[..8].copy_from_slice(&sampling.seed.to_le_bytes());
		let mut compiled = None;
		for n in 0..length {
			let seen = tokens.len().min(self.trained.model().context as usize);
			// Programs are made for one length; from the model's context on it stays the same.
			let ready = match compiled {
				Some(c @ Compiled { length, .. }) if length as usize == seen => c,
				_ => self.compile(1, seen as u32)?,
			};
			let logits = self.run(&ready, &tokens[tokens.len() - seen..])?;
			compiled = Some(ready);
			let all = logits.i32s().unwrap_or_default();
			let last = &all[all.len().saturating_sub(self.vocabulary().size() as usize)..];
			let random = RandomKey::new(&seed, n as u32, 0).at(0);
			tokens.push(choose(last, temperature, random));
		}
		self.vocabulary().decode(&tokens[given..])
	}

	/// Loss of every token but the first, in nats: windows of the model's context, side by side, each predicting from what
	/// lies in it. Tokens after the last whole window are left out.
	///
	/// # Errors
	/// If the tokens don't fill a window, or one is not in the vocabulary.
	pub fn losses(&self, tokens: &[i32]) -> Result<Vec<f64>, ModelError> {
		const WINDOWS: usize = 16;
		let context = self.trained.model().context as usize;
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
		let last = self.vocabulary().size().saturating_sub(1) as i32;
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
