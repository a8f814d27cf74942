// SPDX-License-Identifier: Apache-2.0

//! The program of an encoder: instructions for one batch of sequences.

use super::{Encoder, Layer, Linear, Norm, GELU_UNIT, STREAM_UNIT, TABLE_UNIT};
use crate::{
	attention::Heads,
	builder::{emit, Builder, Scaled},
	error::ModelError,
	inference::Bucket,
	layers::Operand,
	sequences::{Inputs, Sequences},
};
use poaiw_program::{Element, Op, Program, Reason, Rounding, TensorDecl, TensorId};

/// Saturation of what is added to the residual stream: values of ±4096.
const STREAM_LIMIT: i32 = 1 << 28;
/// Saturation of the input of the Gaussian error linear unit: values of ±1024.
const GELU_LIMIT: i32 = 1 << 20;
/// Bits of a magnitude that is split into two int7 parts.
const SPLIT_BITS: u32 = 12;
/// Bits of the low part.
const LOW_BITS: u32 = 6;
/// Shift of a row of padding: every word becomes zero.
const ERASE: i32 = 31;
/// Exponent of the unit of a normalised row.
const NORM_UNIT: i32 = -10;
/// Guard bits before the exponents of the columns are applied.
const GUARD_BITS: i32 = 3;
/// Bits that a row loses before the rows of a sequence are added.
const POOL_SHIFT: u32 = 6;

/// Int7 operands of a linear layer: `(high · 2^6 + low) · 2^exponent`, or only a high part.
#[derive(Clone, Copy)]
struct Operands {
	high: TensorId,
	low: Option<TensorId>,
	exponent: TensorId,
}

/// What all layers of a program share.
struct Writer<'a> {
	b: Builder,
	inputs: Inputs<'a>,
	heads: Heads,
	/// [`ERASE`] for every row of padding, 0 for the others.
	erase: TensorId,
	/// Tokens that a row of a head sees.
	visible: TensorId,
}

/// The program of one batch of a bucket; `decls` are the declarations of all data sets.
pub(super) fn write(encoder: &Encoder, bucket: &Bucket, decls: &[TensorDecl]) -> Result<Program, ModelError> {
	emit("the encoder", program(encoder, bucket, decls))
}

fn program(encoder: &Encoder, bucket: &Bucket, decls: &[TensorDecl]) -> Result<Program, Reason> {
	let mut b = Builder::new();
	let mut inputs = Inputs::new(decls);
	let heads = Heads {
		sequences: bucket.sequences,
		length: bucket.length,
		heads: encoder.heads,
		width: encoder.width / encoder.heads.max(1),
		operand: Operand::Wide,
	};
	let sequences = Sequences::read(&mut b, &mut inputs, bucket, &heads)?;
	let erase = b.constant(ERASE)?;
	let mut writer = Writer {
		erase: b.map(Op::Multiply { shift: 0 }, &[sequences.padding, erase])?,
		visible: sequences.visible(&mut b)?,
		b,
		inputs,
		heads,
	};
	let mut x = writer.embed(encoder, sequences.tokens, sequences.positions)?;
	for layer in &encoder.layers {
		x = writer.layer(layer, x)?;
	}
	let kept = sequences.kept(&mut writer.b)?;
	let output = sequences.pool(&mut writer.b, x, kept, POOL_SHIFT)?;
	let mut program = writer.b.finish();
	program.outputs = vec![output];
	Ok(program)
}

impl Writer<'_> {
	fn embed(&mut self, encoder: &Encoder, tokens: TensorId, position: TensorId) -> Result<TensorId, Reason> {
		let (words, places) = (self.inputs.take(&mut self.b)?, self.inputs.take(&mut self.b)?);
		let word = self.b.gather(words, tokens)?;
		let place = self.b.gather(places, position)?;
		let sum = self.b.map(Op::Add, &[word, place])?;
		// A normalised row does not depend on the unit, but the mean is taken in it: TABLE_UNIT is fine enough.
		const { assert!(TABLE_UNIT < STREAM_UNIT) };
		self.norm(&encoder.embedding_norm, sum)
	}

	/// Layer normalisation, from any unit to that of the stream.
	fn norm(&mut self, norm: &Norm, x: TensorId) -> Result<TensorId, Reason> {
		let (gain, bias) = (self.inputs.take(&mut self.b)?, self.inputs.take(&mut self.b)?);
		let centred = self.b.map(Op::Centre, &[x])?;
		let y = self.b.map(Op::RmsNorm, &[centred])?;
		let shift = STREAM_UNIT - NORM_UNIT - norm.gain_unit;
		let shift = u32::try_from(shift).map_err(|_| Reason::Bound {
			what: "the exponent of a gain's unit",
			got: norm.gain_unit.into(),
			least: i32::MIN.into(),
			most: (STREAM_UNIT - NORM_UNIT).into(),
		})?;
		let scaled = self.b.map(Op::Multiply { shift }, &[y, gain])?;
		self.b.map(Op::Add, &[scaled, bias])
	}

	fn layer(&mut self, layer: &Layer, x: TensorId) -> Result<TensorId, Reason> {
		let input = self.split(x, STREAM_UNIT, true)?;
		let mut parts = Vec::with_capacity(3);
		for linear in [&layer.query, &layer.key, &layer.value] {
			let y = self.linear(linear, input, STREAM_UNIT, STREAM_LIMIT)?;
			parts.push(self.b.split_heads(y, &self.heads)?);
		}
		let context = self.attention(&parts)?;
		let y = self.linear(&layer.output, context, STREAM_UNIT, STREAM_LIMIT)?;
		let sum = self.b.map(Op::Add, &[x, y])?;
		let x = self.norm(&layer.attention_norm, sum)?;

		let input = self.split(x, STREAM_UNIT, false)?;
		let y = self.linear(&layer.up, input, GELU_UNIT, GELU_LIMIT)?;
		let y = self.b.map(Op::Gelu, &[y])?;
		let input = self.split(y, GELU_UNIT, false)?;
		let y = self.linear(&layer.down, input, STREAM_UNIT, STREAM_LIMIT)?;
		let sum = self.b.map(Op::Add, &[x, y])?;
		self.norm(&layer.output_norm, sum)
	}

	/// Means of values by attention weights, as the int7 operand of the layer behind it. Keys and values of padding are
	/// zero, so that they don't take part in the largest magnitude of a sequence and head.
	fn attention(&mut self, parts: &[TensorId]) -> Result<Operands, Reason> {
		let [q, k, v] = parts else {
			return Err(Reason::Shape {
				rule: "an attention has queries, keys and values",
				got: format!("{} matrices", parts.len()),
			});
		};
		let (b, heads) = (&mut self.b, &self.heads);
		let exponent = b.constant(STREAM_UNIT)?;
		let scaled = |mantissa: TensorId| Scaled { mantissa, exponent };
		let q = b.quantise_rows(scaled(*q), Operand::Wide)?;
		let k = b.quantise_groups(scaled(*k), heads.length, Operand::Wide)?;
		let v = b.quantise_groups(scaled(*v), heads.length, Operand::Wide)?;
		// The queries carry the exact factor of the scores: the power of two of `attend` is taken back.
		let q = Scaled {
			exponent: b.raise(q.exponent, -heads.scale())?,
			..q
		};
		let weights = b.attend(heads, [q, k], self.visible)?;
		let mean = b.attention_output(heads, weights, v)?;
		let mean = b.rescale(mean, STREAM_UNIT, STREAM_LIMIT)?;
		let mean = b.merge_heads(mean, heads)?;
		let context = b.quantise_rows(scaled(mean), Operand::Narrow)?;
		Ok(Operands {
			high: context.mantissa,
			low: None,
			exponent: context.exponent,
		})
	}

	/// Splits every word into two int7 parts, with an exponent for every row; erases the rows of padding if asked.
	fn split(&mut self, x: TensorId, unit: i32, erase: bool) -> Result<Operands, Reason> {
		let (decl, b) = (self.b.decl(x), &mut self.b);
		let max = b.emit(Op::RowMaxAbs, &[x], Element::I32, decl.rows, 1)?;
		let mut shift = b.map(Op::ExcessBits { bits: SPLIT_BITS }, &[max])?;
		let exponent = b.raise(shift, unit)?;
		if erase {
			shift = b.map(Op::Max, &[shift, self.erase])?;
		}
		let most = b.constant(ERASE)?;
		let above = b.raise(shift, LOW_BITS as i32)?;
		let above = b.map(Op::Min, &[above, most])?;
		let minus = b.constant(-1)?;
		let right = b.map(Op::Multiply { shift: 0 }, &[above, minus])?;
		// High part: rounded and within int7. Low part: what is left of it, never more than int7.
		let limit = (1 << LOW_BITS) - 1;
		let high = b.map(Op::Rescale { unit: 0, limit }, &[x, right])?;
		let limit = 1 << 30;
		let of_high = b.map(Op::Rescale { unit: 0, limit }, &[high, above])?;
		let rest = b.map(Op::Sub, &[x, of_high])?;
		let op = Op::Requantise {
			rounding: Rounding::HalfUp,
		};
		let mut narrow = |x, shift| b.emit(op, &[x, shift], Element::I8, decl.rows, decl.cols);
		Ok(Operands {
			high: narrow(x, above)?,
			low: Some(narrow(rest, shift)?),
			exponent,
		})
	}

	/// `x · Wᵀ + bias` in a fixed unit.
	fn linear(&mut self, linear: &Linear, x: Operands, unit: i32, limit: i32) -> Result<TensorId, Reason> {
		let (weights, exponents) = (self.inputs.take(&mut self.b)?, self.inputs.take(&mut self.b)?);
		let b = &mut self.b;
		let (rows, cols) = (b.decl(x.high).rows, b.decl(weights).rows);
		let mut y = b.emit(Op::Product, &[x.high, weights], Element::I32, rows, cols)?;
		if let Some(low) = x.low {
			let one = b.constant(1 << LOW_BITS)?;
			let high = b.map(Op::Multiply { shift: 0 }, &[y, one])?;
			let low = b.emit(Op::Product, &[low, weights], Element::I32, rows, cols)?;
			y = b.map(Op::Add, &[high, low])?;
		}
		// First the exponents of the rows, into a unit below that of every column; then those of the columns.
		let between = unit - b.decl(exponents).hi - GUARD_BITS;
		let wide = Op::Rescale {
			unit: between,
			limit: 1 << 30,
		};
		let y = b.map(wide, &[y, x.exponent])?;
		let of_columns = b.raise(exponents, between)?;
		let y = b.map(Op::Rescale { unit, limit }, &[y, of_columns])?;
		match linear.bias {
			None => Ok(y),
			Some(_) => {
				let bias = self.inputs.take(&mut self.b)?;
				self.b.map(Op::Add, &[y, bias])
			}
		}
	}
}
