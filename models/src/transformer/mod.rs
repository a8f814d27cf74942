// SPDX-License-Identifier: Apache-2.0

//! Transformers that read text: matrices, one training step, evaluation, logits and embeddings, as programs. A decoder
//! predicts the next token; an encoder, whose rows see the whole window, predicts tokens that are hidden from it.

mod backward;
mod embed;
mod evaluate;
mod forward;
mod masking;
mod matrices;

pub(crate) use embed::{embedding_program, reads as embedding_reads};
pub use evaluate::{logits_program, LOGIT_UNIT};
pub use matrices::matrices;

use crate::{
	architecture::{Architecture, Objective, Transformer},
	attention::Heads,
	builder::{emit, Builder, Scaled},
	error::{field, ModelError},
	layers::{Operand, STREAM_UNIT},
	optimiser::{begin, update},
	parameters::{Matrix, Parameters},
	text::{window_starts, Corpus},
};
use matrices::{HEAD, POSITIONS, TOKENS};
use poaiw_program::{DataDecl, Element, LossUnit, Op, Program, Reason, Role, TensorDecl, TensorId, Workload};

/// Data sets of a language model, by their number in the workload.
const TRAIN: u16 = 0;
const HELD_OUT: u16 = 1;
const CARD: u16 = 2;

/// Unit of the cross-entropy: 2^-12 nats.
pub const LOSS_ONE: u32 = 1 << 12;
/// Most tokens of one step: the sum of their losses fits a word.
const MAX_STEP_TOKENS: u32 = 1 << 14;

/// Sizes of one pass through the model.
#[derive(Clone, Copy)]
struct Shape<'a> {
	model: &'a Transformer,
	/// Sequences.
	sequences: u32,
	/// Tokens of a sequence, at most the model's context.
	length: u32,
	/// Exponent of the unit of master weights.
	weight_unit: i32,
}

impl Shape<'_> {
	fn rows(&self) -> u32 {
		self.sequences * self.length
	}

	/// Heads with the operands of a training step.
	fn training_heads(&self) -> Heads {
		self.heads(match self.model.wide_attention() {
			true => Operand::Wide,
			false => Operand::Narrow,
		})
	}

	fn heads(&self, operand: Operand) -> Heads {
		Heads {
			sequences: self.sequences,
			length: self.length,
			heads: self.model.heads,
			width: self.model.head_width(),
			operand,
		}
	}

	/// Rows of the position embedding.
	fn positions(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		b.iota(self.rows(), 1, self.length, 0)
	}

	/// Sum of both embeddings in the unit of the residual stream.
	fn embed(
		&self,
		b: &mut Builder,
		embeddings: [TensorId; 2],
		[tokens, positions]: [TensorId; 2],
	) -> Result<TensorId, Reason> {
		let of_tokens = b.gather(embeddings[0], tokens)?;
		let of_positions = b.gather(embeddings[1], positions)?;
		let sum = b.map(Op::Add, &[of_tokens, of_positions])?;
		// From the unit of the weights, which is at most this one, to that of the stream.
		let shift = (STREAM_UNIT - self.weight_unit).unsigned_abs();
		b.map(Op::RoundShift { shift }, &[sum])
	}

	/// For every row the number of tokens that it sees.
	fn visible(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		let rows = self.rows() * self.model.heads;
		match self.model.objective() {
			Objective::NextToken => b.iota(rows, 1, self.length, 1),
			Objective::MaskedToken { .. } => {
				let value = self.length as i32;
				b.emit(Op::Constant { value }, &[], Element::I32, rows, 1)
			}
		}
	}

	/// Rows whose losses and gradients count in a training step; in an encoder's, their number on average.
	fn asked(&self) -> u32 {
		match self.model.objective() {
			Objective::NextToken => self.rows(),
			Objective::MaskedToken { share } => masking::expected(self.rows(), share),
		}
	}
}

/// The tokens of a text at `start` (rows).
fn read(b: &mut Builder, text: TensorId, start: TensorId) -> Result<TensorId, Reason> {
	let rows = b.decl(start).rows;
	b.emit(Op::GatherElements, &[text, start], Element::I32, rows, 1)
}

/// Inputs and labels of consecutive tokens, starting at `start` (rows) of a text.
fn windows(b: &mut Builder, text: TensorId, start: TensorId) -> Result<[TensorId; 2], Reason> {
	let next = b.raise(start, 1)?;
	Ok([read(b, text, start)?, read(b, text, next)?])
}

/// Tokens of a training step.
struct Batch {
	/// What the model sees.
	tokens: TensorId,
	/// What it is asked for.
	labels: TensorId,
	/// 1 for every row whose loss counts, 0 for the others; every row counts if there is none.
	asked: Option<TensorId>,
}

/// A text model and its training on a corpus.
struct TextModel<'a> {
	architecture: &'a Architecture,
	model: &'a Transformer,
	vocabulary: u32,
	matrices: Vec<Matrix>,
	data: Vec<DataDecl>,
	/// Places where a training window may start.
	starts: u32,
	/// Windows of the evaluation.
	held_out_windows: u32,
	steps: u32,
}

/// Compiles a transformer, decoder or encoder, for a corpus.
///
/// # Errors
/// If the corpus is too short for the context, or a program breaks a bound.
pub fn compile(architecture: &Architecture, corpus: &Corpus) -> Result<Workload, ModelError> {
	architecture.check()?;
	let Some(model) = architecture.model.transformer() else {
		let remedy = "a text needs kind = \"transformer\" or \"encoder\"".to_string();
		return Err(field("model.kind", architecture.model.kind(), remedy));
	};
	let data = corpus.declarations(architecture)?;
	let text = TextModel::new(architecture, model, corpus, data)?;
	let (step, loss) = text.step()?;
	let evaluate = emit("the evaluation", text.evaluate())?;
	let tokens = match model.objective() {
		Objective::NextToken => text.step_shape().rows(),
		// The step divides by their number itself: it varies.
		Objective::MaskedToken { .. } => 1,
	};
	let workload = Workload {
		init: emit("the initial state", text.parameters().initial())?,
		step,
		evaluate: Some(evaluate),
		steps: text.steps,
		steps_per_segment: architecture.training.steps_per_segment.min(text.steps),
		evaluations: 1,
		loss: LossUnit {
			divisor: tokens.saturating_mul(LOSS_ONE),
			lo: loss.lo,
			hi: loss.hi,
		},
		metric_total: text.measured(),
		data: text.data,
	};
	workload.validate()?;
	Ok(workload)
}

impl<'a> TextModel<'a> {
	fn new(
		architecture: &'a Architecture,
		model: &'a Transformer,
		corpus: &Corpus,
		data: Vec<DataDecl>,
	) -> Result<Self, ModelError> {
		let batch = architecture.training.batch;
		if batch.saturating_mul(model.context) > MAX_STEP_TOKENS {
			return Err(field(
				"training.batch",
				batch,
				format!(
					"a step has at most {MAX_STEP_TOKENS} tokens: with a context of {} give a batch of at most {}",
					model.context,
					MAX_STEP_TOKENS / model.context
				),
			));
		}
		let starts = window_starts(corpus.train(), model.context, "training")?;
		let held_out = window_starts(corpus.held_out(), model.context, "held-out")?;
		let vocabulary = corpus.vocabulary().size();
		Ok(Self {
			architecture,
			model,
			vocabulary,
			matrices: matrices(model, vocabulary),
			data,
			starts,
			held_out_windows: (held_out.div_ceil(model.context)).min(model.held_out_windows),
			steps: architecture.total_steps(starts)?,
		})
	}

	fn parameters(&self) -> Parameters<'_> {
		Parameters {
			matrices: &self.matrices,
			optimiser: &self.architecture.optimiser,
		}
	}

	fn step_shape(&self) -> Shape<'a> {
		Shape {
			model: self.model,
			sequences: self.architecture.training.batch,
			length: self.model.context,
			weight_unit: self.architecture.optimiser.weight_unit(),
		}
	}

	/// Number of the mask token of an encoder: behind those of the vocabulary.
	fn mask(&self) -> i32 {
		self.vocabulary as i32
	}

	fn data(&self, b: &mut Builder, number: u16) -> TensorId {
		b.input(Role::Data(number), self.data[usize::from(number)].tensor)
	}

	fn step(&self) -> Result<(Program, TensorDecl), ModelError> {
		let mut b = Builder::new();
		let (state, loss) = emit("the training step", self.write_step(&mut b))?;
		let decl = b.decl(loss);
		let mut program = b.finish();
		program.state = state;
		program.loss = Some(loss);
		Ok((program, decl))
	}

	fn write_step(&self, b: &mut Builder) -> Result<(Vec<TensorId>, TensorId), Reason> {
		let (shape, parameters) = (self.step_shape(), self.parameters());
		let optimiser = &self.architecture.optimiser;
		let inputs = parameters.inputs(b);
		let shared = begin(
			b,
			optimiser,
			&self.architecture.schedule,
			self.steps,
			parameters.first_scalar(),
		)?;

		let text = self.data(b, TRAIN);
		let Batch {
			tokens,
			labels,
			asked,
		} = self.batch(b, shape, text)?;
		let positions = shape.positions(b)?;
		let masters: Vec<TensorId> = inputs.iter().map(|i| i[0]).collect();
		let weights = forward::quantised(b, shape, &masters)?;
		let embeddings = [masters[TOKENS], masters[POSITIONS]];
		let stream = shape.embed(b, embeddings, [tokens, positions])?;
		let forward = forward::forward(b, shape, stream, &weights)?;
		let of_softmax = [forward.logits.mantissa, labels, forward.logits.exponent];
		let losses = b.emit(Op::CrossEntropy, &of_softmax, Element::I32, shape.rows(), 1)?;
		let loss = match asked {
			None => b.sum(losses)?,
			Some(asked) => masking::mean_loss(b, losses, asked)?,
		};

		let gradients = backward::backward(b, shape, &forward, &weights, (of_softmax, asked))?;
		let of_embeddings = self.embedding_gradients(b, gradients.stream, [tokens, positions])?;
		let mut state = Vec::new();
		for (n, (matrix, ids)) in self.matrices.iter().zip(&inputs).enumerate() {
			let gradient = match n {
				TOKENS => of_embeddings[0],
				POSITIONS => of_embeddings[1],
				_ => gradients.weights[n - HEAD],
			};
			let next = update(b, optimiser, &shared, ids[0], &ids[1..], gradient, matrix.decays)?;
			state.extend(next);
		}
		state.extend(&shared.scalars);
		Ok((state, loss))
	}

	/// The windows that this step draws.
	fn batch(&self, b: &mut Builder, shape: Shape<'_>, text: TensorId) -> Result<Batch, Reason> {
		let op = Op::BatchIndices {
			population: self.starts,
		};
		let starts = b.emit(op, &[], Element::I32, shape.sequences, 1)?;
		let sequence = b.iota(shape.rows(), shape.length, shape.sequences, 0)?;
		let start = b.gather(starts, sequence)?;
		let offset = shape.positions(b)?;
		let start = b.map(Op::Add, &[start, offset])?;
		match self.model.objective() {
			Objective::NextToken => {
				let [tokens, labels] = windows(b, text, start)?;
				Ok(Batch {
					tokens,
					labels,
					asked: None,
				})
			}
			Objective::MaskedToken { share } => {
				let labels = read(b, text, start)?;
				let hidden = masking::hide(b, labels, self.mask(), share)?;
				Ok(Batch {
					tokens: hidden.inputs,
					labels,
					asked: Some(hidden.asked),
				})
			}
		}
	}

	fn embedding_gradients(
		&self,
		b: &mut Builder,
		gradient: Scaled,
		[tokens, positions]: [TensorId; 2],
	) -> Result<[Scaled; 2], Reason> {
		let mut bits = backward::EMBEDDING_BITS;
		let rows = u64::from(b.decl(tokens).rows);
		while bits > 1 && rows << bits > i32::MAX as u64 {
			bits -= 1;
		}
		let d = b.fill(gradient, bits)?;
		let mut sums = [d; 2];
		for (to, (place, index)) in sums.iter_mut().zip([(TOKENS, tokens), (POSITIONS, positions)]) {
			let (rows, cols) = (self.matrices[place].rows, self.matrices[place].cols);
			let inputs = [d.mantissa, index];
			to.mantissa = b.emit(Op::ScatterAddRows, &inputs, Element::I32, rows, cols)?;
		}
		Ok(sums)
	}
}
