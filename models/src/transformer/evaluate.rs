// SPDX-License-Identifier: Apache-2.0

//! The evaluation, and logits for given tokens. Every row, and inside of an attention every sequence and head, has exponents of its own: what
//! comes out for a sequence never depends on the sequences beside it.

use super::{
	forward::{quantised, weight},
	masking,
	matrices::{matrices, Part, POSITIONS, TOKENS},
	read, windows, Shape, TextModel, CARD, HELD_OUT,
};
use crate::{
	architecture::{Objective, Optimiser, Transformer},
	builder::{emit, Builder, Scaled},
	error::{field, ModelError},
	layers::Operand,
	parameters::Parameters,
};
use poaiw_program::{Element, Op, Program, Reason, Role, TensorDecl, TensorId};

/// Exponent of the unit that projections are brought to before they are cut into heads.
const PROJECTION_UNIT: i32 = -16;
/// Saturation of a projection: values up to 2^14.
const PROJECTION_LIMIT: i32 = 1 << 30;
/// Exponent of the unit of logits.
pub const LOGIT_UNIT: i32 = -16;
/// Saturation of logits: values up to 2^12.
const LOGIT_LIMIT: i32 = 1 << 28;

/// Rows that take part in attentions.
#[derive(Clone, Copy)]
pub(super) struct Seen {
	/// For every row of a head the number of tokens that it sees.
	pub(super) visible: TensorId,
	/// 1 for every row of a sequence, 0 for its padding; all rows are tokens if there is none.
	pub(super) kept: Option<TensorId>,
}

/// Tokens of the held-out windows.
struct HeldOut {
	/// What the model sees.
	tokens: TensorId,
	/// What it is asked for.
	labels: TensorId,
	/// The rows that are asked for; all of them if there is none.
	rows: Option<TensorId>,
}

impl TextModel<'_> {
	fn held_out_shape(&self) -> Shape<'_> {
		Shape {
			model: self.model,
			sequences: self.held_out_windows,
			length: self.model.context,
			weight_unit: self.architecture.optimiser.weight_unit(),
		}
	}

	/// Tokens that the evaluation asks for.
	pub(super) fn measured(&self) -> u32 {
		let rows = self.held_out_shape().rows();
		match self.model.objective() {
			Objective::NextToken => rows,
			Objective::MaskedToken { .. } => masking::measured(rows),
		}
	}

	/// The loss of every held-out token that is asked for, the number of those that are predicted best, and the model card.
	pub(super) fn evaluate(&self) -> Result<Program, Reason> {
		let mut b = Builder::new();
		let shape = self.held_out_shape();
		let masters = self.parameters().weights(&mut b);
		let text = self.data(&mut b, HELD_OUT);
		let card = self.data(&mut b, CARD);
		let HeldOut { tokens, labels, rows } = self.held_out(&mut b, shape, text)?;
		let z = logits(&mut b, shape, &masters, (tokens, rows))?;
		let exponent = b.constant(LOGIT_UNIT)?;
		let rows = b.decl(z).rows;
		let losses = b.emit(Op::CrossEntropy, &[z, labels, exponent], Element::I32, rows, 1)?;
		let best = b.emit(Op::Argmax, &[z], Element::I32, rows, 1)?;
		let hits = b.map(Op::Equal, &[best, labels])?;
		let count = b.sum(hits)?;
		let op = Op::Clip {
			lo: 0,
			hi: rows as i32,
		};
		let metric = b.map(op, &[count])?;
		let d = b.decl(card);
		// The card travels with the result, so that the weights can be used without the manifest.
		let card = b.emit(Op::Reshape, &[card], d.element, d.rows, d.cols)?;
		let mut program = b.finish();
		program.outputs = vec![losses, card];
		program.metric = Some(metric);
		Ok(program)
	}

	/// The held-out windows, side by side.
	fn held_out(&self, b: &mut Builder, shape: Shape<'_>, text: TensorId) -> Result<HeldOut, Reason> {
		let start = b.iota(shape.rows(), 1, shape.rows(), 0)?;
		match self.model.objective() {
			Objective::NextToken => {
				let [tokens, labels] = windows(b, text, start)?;
				Ok(HeldOut {
					tokens,
					labels,
					rows: None,
				})
			}
			Objective::MaskedToken { .. } => {
				let all = read(b, text, start)?;
				let [tokens, rows] = masking::hide_measured(b, all, self.mask())?;
				Ok(HeldOut {
					tokens,
					labels: b.gather(all, rows)?,
					rows: Some(rows),
				})
			}
		}
	}
}

/// The program that gives logits, unit 2^-16, `[sequences * length, vocabulary]`, for the tokens of data set 0,
/// `[sequences * length, 1]`: of a decoder those of every next token, of an encoder those of every token itself, of which
/// token number `vocabulary` hides one. It reads the weights of a training state that `optimiser` made.
///
/// # Errors
/// If the length is not within the model's context, or a size is out of bounds.
pub fn logits_program(
	model: &Transformer,
	vocabulary: u32,
	optimiser: &Optimiser,
	sequences: u32,
	length: u32,
) -> Result<Program, ModelError> {
	if !(1..=model.context).contains(&length) {
		let remedy = format!("give 1 to {} tokens, the model's context", model.context);
		return Err(field("length", length, remedy));
	}
	let shape = Shape {
		model,
		sequences,
		length,
		weight_unit: optimiser.weight_unit(),
	};
	let matrices = matrices(model, vocabulary);
	let parameters = Parameters {
		matrices: &matrices,
		optimiser,
	};
	let mut b = Builder::new();
	let masters = parameters.weights(&mut b);
	let last = matrices[TOKENS].rows.saturating_sub(1) as i32;
	let decl = TensorDecl::new(Element::I32, sequences.saturating_mul(length), 1, 0, last);
	let tokens = b.input(Role::Data(0), decl);
	let z = emit("the logits", logits(&mut b, shape, &masters, (tokens, None)))?;
	let mut program = b.finish();
	program.outputs = vec![z];
	Ok(program)
}

/// Logits of the named rows, or of all of them.
fn logits(
	b: &mut Builder,
	shape: Shape<'_>,
	masters: &[TensorId],
	(tokens, rows): (TensorId, Option<TensorId>),
) -> Result<TensorId, Reason> {
	let positions = shape.positions(b)?;
	let weights = quantised(b, shape, masters)?;
	let embeddings = [masters[TOKENS], masters[POSITIONS]];
	let mut stream = shape.embed(b, embeddings, [tokens, positions])?;
	let seen = Seen {
		visible: shape.visible(b)?,
		kept: None,
	};
	for layer in 0..shape.model.layers {
		let of_layer = |part| weight(&weights, layer, part);
		stream = block(b, shape, stream, seen, of_layer)?;
	}
	if let Some(rows) = rows {
		stream = b.gather(stream, rows)?;
	}
	let y = b.rms_norm(stream)?;
	let a = b.quantise_rows(y, Operand::Narrow)?;
	let z = b.product(a, weights[0])?;
	b.rescale(z, LOGIT_UNIT, LOGIT_LIMIT)
}

/// One block. Rows of padding neither add to an attention nor move the exponents of a sequence's keys and values.
pub(super) fn block(
	b: &mut Builder,
	shape: Shape<'_>,
	stream: TensorId,
	seen: Seen,
	weights: impl Fn(Part) -> Scaled,
) -> Result<TensorId, Reason> {
	// No ticket is drawn from the products inside of an attention: int8 operands cost nothing.
	let heads = shape.heads(Operand::Wide);
	let unit = b.constant(PROJECTION_UNIT)?;
	let y = b.rms_norm(stream)?;
	let a = b.quantise_rows(y, Operand::Narrow)?;
	let mut stacked = [a; 3];
	for (to, part) in stacked.iter_mut().zip([Part::Query, Part::Key, Part::Value]) {
		let z = b.product(a, weights(part))?;
		let mut fixed = b.rescale(z, PROJECTION_UNIT, PROJECTION_LIMIT)?;
		if let (Some(kept), Part::Key | Part::Value) = (seen.kept, part) {
			fixed = b.map(Op::Multiply { shift: 0 }, &[fixed, kept])?;
		}
		let cut = Scaled {
			mantissa: b.split_heads(fixed, &heads)?,
			exponent: unit,
		};
		*to = match part {
			Part::Query => b.quantise_rows(cut, heads.operand)?,
			_ => b.quantise_groups(cut, shape.length, heads.operand)?,
		};
	}
	let [q, k, v] = stacked;
	let attention = b.attend(&heads, [q, k], seen.visible)?;
	let mean = b.attention_output(&heads, attention, v)?;
	let fixed = b.rescale(mean, PROJECTION_UNIT, PROJECTION_LIMIT)?;
	let merged = Scaled {
		mantissa: b.merge_heads(fixed, &heads)?,
		exponent: unit,
	};
	let o = b.quantise_rows(merged, Operand::Narrow)?;
	let z = b.product(o, weights(Part::Output))?;
	let stream = b.add_to_stream(stream, z)?;

	let y = b.rms_norm(stream)?;
	let a = b.quantise_rows(y, Operand::Narrow)?;
	let z = b.product(a, weights(Part::Up))?;
	let positive = Scaled {
		mantissa: b.map(Op::Relu, &[z.mantissa])?,
		..z
	};
	let f = b.quantise_rows(positive, Operand::Narrow)?;
	let z = b.product(f, weights(Part::Down))?;
	b.add_to_stream(stream, z)
}
