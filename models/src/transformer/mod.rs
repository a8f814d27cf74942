// SPDX-License-Identifier: Apache-2.0

//! The decoder-only transformer: matrices, one training step, evaluation and logits, as programs.

mod backward;
mod evaluate;
mod forward;

pub use evaluate::{logits_program, LOGIT_UNIT};

use crate::{
	architecture::{Architecture, Model, Transformer},
	attention::Heads,
	builder::{emit, Builder, Scaled},
	error::{field, ModelError},
	layers::Operand,
	optimiser::{begin, update},
	parameters::{limit_of, Matrix, Parameters},
	text::{window_starts, Corpus},
};
use poaiw_program::{DataDecl, Element, LossUnit, Op, Program, Reason, Role, TensorDecl, TensorId, Workload};

/// Data sets of a language model, by their number in the workload.
const TRAIN: u16 = 0;
const HELD_OUT: u16 = 1;
const CARD: u16 = 2;

/// Unit of the cross-entropy: 2^-12 nats.
pub const LOSS_ONE: u32 = 1 << 12;
/// Most tokens of one step: the sum of their losses fits a word.
const MAX_STEP_TOKENS: u32 = 1 << 14;

/// Places of the matrices in the state.
const TOKENS: usize = 0;
const POSITIONS: usize = 1;
const HEAD: usize = 2;
const FIRST_BLOCK: usize = 3;

/// Matrices of a block, in the order of the state.
#[derive(Clone, Copy)]
enum Part {
	Query,
	Key,
	Value,
	Output,
	Up,
	Down,
}

const PARTS: [(Part, &str); 6] = [
	(Part::Query, "q"),
	(Part::Key, "k"),
	(Part::Value, "v"),
	(Part::Output, "o"),
	(Part::Up, "u"),
	(Part::Down, "d"),
];

/// Place of a matrix of a block.
fn place(layer: u32, part: Part) -> usize {
	FIRST_BLOCK + layer as usize * PARTS.len() + part as usize
}

/// The matrices of a model with a vocabulary of this size, in the order of the state, all stored `[out, in]`.
pub fn matrices(model: &Transformer, vocabulary: u32) -> Vec<Matrix> {
	let (width, inner) = (model.width, model.feed_forward());
	let matrix = |name: String, rows, cols, limit, decays| Matrix {
		name,
		rows,
		cols,
		limit,
		decays,
	};
	let mut all = vec![
		matrix("tok".into(), vocabulary, width, 1 << 22, false),
		matrix("pos".into(), model.context, width, 1 << 21, false),
		// The head starts smaller: a small first loss, no saturated softmax.
		matrix("head".into(), vocabulary, width, limit_of(width.into()) / 2, true),
	];
	for layer in 0..model.layers {
		for (part, name) in PARTS {
			let (rows, cols) = match part {
				Part::Up => (inner, width),
				Part::Down => (width, inner),
				_ => (width, width),
			};
			// What is added to the residual stream starts smaller in deeper models.
			let depth = match part {
				Part::Output | Part::Down => 2 * u64::from(model.layers),
				_ => 1,
			};
			let limit = limit_of(u64::from(cols) * depth);
			all.push(matrix(format!("{name}{layer}"), rows, cols, limit, true));
		}
	}
	all
}

/// Sizes of one pass through the model.
#[derive(Clone, Copy)]
struct Shape<'a> {
	model: &'a Transformer,
	/// Sequences.
	sequences: u32,
	/// Tokens of a sequence, at most the model's context.
	length: u32,
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
		b.map(Op::RoundShift { shift: 8 }, &[sum])
	}

	/// For every row the number of tokens that it sees.
	fn visible(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		let rows = self.rows() * self.model.heads;
		b.iota(rows, 1, self.length, 1)
	}
}

/// Inputs and labels of consecutive tokens, starting at `start` (rows) of a text.
fn windows(b: &mut Builder, text: TensorId, start: TensorId) -> Result<[TensorId; 2], Reason> {
	let rows = b.decl(start).rows;
	let next = b.raise(start, 1)?;
	let tokens = b.emit(Op::GatherElements, &[text, start], Element::I32, rows, 1)?;
	let labels = b.emit(Op::GatherElements, &[text, next], Element::I32, rows, 1)?;
	Ok([tokens, labels])
}

/// A language model and its training on a corpus.
struct Decoder<'a> {
	architecture: &'a Architecture,
	model: &'a Transformer,
	matrices: Vec<Matrix>,
	data: Vec<DataDecl>,
	/// Places where a training window may start.
	starts: u32,
	/// Windows of the evaluation.
	held_out_windows: u32,
	steps: u32,
}

/// Compiles a transformer for a corpus.
///
/// # Errors
/// If the corpus is too short for the context, or a program breaks a bound.
pub fn compile(architecture: &Architecture, corpus: &Corpus) -> Result<Workload, ModelError> {
	architecture.check()?;
	let Model::Transformer(model) = &architecture.model else {
		let remedy = "a text needs kind = \"transformer\"".to_string();
		return Err(field("model.kind", architecture.model.kind(), remedy));
	};
	let data = corpus.declarations(architecture)?;
	let decoder = Decoder::new(architecture, model, corpus, data)?;
	let (step, loss) = decoder.step()?;
	let evaluate = emit("the evaluation", decoder.evaluate())?;
	let workload = Workload {
		init: emit("the initial state", decoder.parameters().initial())?,
		step,
		evaluate: Some(evaluate),
		steps: decoder.steps,
		steps_per_segment: architecture.training.steps_per_segment.min(decoder.steps),
		evaluations: 1,
		loss: LossUnit {
			divisor: decoder.step_shape().rows().saturating_mul(LOSS_ONE),
			lo: loss.lo,
			hi: loss.hi,
		},
		metric_total: decoder.held_out_windows * model.context,
		data: decoder.data,
	};
	workload.validate()?;
	Ok(workload)
}

impl<'a> Decoder<'a> {
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
		Ok(Self {
			architecture,
			model,
			matrices: matrices(model, corpus.vocabulary().size()),
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
		}
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
		let [tokens, labels] = self.batch(b, shape, text)?;
		let positions = shape.positions(b)?;
		let masters: Vec<TensorId> = inputs.iter().map(|i| i[0]).collect();
		let weights = forward::quantised(b, &masters)?;
		let embeddings = [masters[TOKENS], masters[POSITIONS]];
		let stream = shape.embed(b, embeddings, [tokens, positions])?;
		let forward = forward::forward(b, shape, stream, &weights)?;
		let of_softmax = [forward.logits.mantissa, labels, forward.logits.exponent];
		let losses = b.emit(Op::CrossEntropy, &of_softmax, Element::I32, shape.rows(), 1)?;
		let loss = b.sum(losses)?;

		let gradients = backward::backward(b, shape, &forward, &weights, of_softmax)?;
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

	/// Tokens and labels of the windows that this step draws.
	fn batch(&self, b: &mut Builder, shape: Shape<'_>, text: TensorId) -> Result<[TensorId; 2], Reason> {
		let op = Op::BatchIndices {
			population: self.starts,
		};
		let starts = b.emit(op, &[], Element::I32, shape.sequences, 1)?;
		let sequence = b.iota(shape.rows(), shape.length, shape.sequences, 0)?;
		let start = b.gather(starts, sequence)?;
		let offset = shape.positions(b)?;
		let start = b.map(Op::Add, &[start, offset])?;
		windows(b, text, start)
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
