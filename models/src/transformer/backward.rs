// SPDX-License-Identifier: Apache-2.0

//! The backward pass of a training step: gradients are rounded with keyed random bits wherever they become operands.

use super::{
	forward::{weight, Block, Forward},
	matrices::{place, Part, HEAD},
	Shape,
};
use crate::{
	builder::{Builder, Scaled},
	layers::{Halves, Operand},
};
use poaiw_program::{Op, Reason, TensorId};

/// Exponent of the unit of the softmax gradient.
const LOGIT_GRADIENT_UNIT: i32 = -16;
/// Bits of the residual stream's gradient where it starts.
const STREAM_GRADIENT_BITS: u32 = 20;
/// Most bits of the gradient that is summed into embeddings.
pub(super) const EMBEDDING_BITS: u32 = 18;

/// Gradients of a step.
pub(super) struct Gradients {
	/// Of the matrices from the head on.
	pub(super) weights: Vec<Scaled>,
	/// Of the sum of both embeddings.
	pub(super) stream: Scaled,
}

/// A gradient that reached the output of a product.
struct Arrived {
	/// As it stands.
	rows: Halves,
	/// Transposed, for the gradient of the weights.
	columns: Halves,
}

fn transposed(b: &mut Builder, x: Scaled) -> Result<Scaled, Reason> {
	Ok(Scaled {
		mantissa: b.transpose(x.mantissa)?,
		..x
	})
}

fn arrive(b: &mut Builder, shape: Shape<'_>, gradient: Scaled) -> Result<Arrived, Reason> {
	let rows = b.quantise_gradient(gradient, Operand::Narrow, shape.model.split_gradients())?;
	let columns = rows.map(|half| transposed(b, half))?;
	Ok(Arrived { rows, columns })
}

impl Arrived {
	/// Gradient of the product's input.
	fn input(&self, b: &mut Builder, weights: Scaled) -> Result<Scaled, Reason> {
		let weights = transposed(b, weights)?;
		b.product_of_halves(self.rows, |b, half| b.product(half, weights))
	}

	/// Gradient of the product's weights.
	fn weights(&self, b: &mut Builder, input: Scaled) -> Result<Scaled, Reason> {
		b.product_of_halves(self.columns, |b, half| b.product(half, input))
	}
}

pub(super) fn backward(
	b: &mut Builder,
	shape: Shape<'_>,
	forward: &Forward,
	weights: &[Scaled],
	(of_softmax, asked): ([TensorId; 3], Option<TensorId>),
) -> Result<Gradients, Reason> {
	// The mean over the tokens is in the exponent.
	let unit = LOGIT_GRADIENT_UNIT - shape.asked().next_power_of_two().ilog2() as i32;
	let mut mantissa = b.map(Op::SoftmaxGradient, &of_softmax)?;
	if let Some(asked) = asked {
		mantissa = b.map(Op::Multiply { shift: 0 }, &[mantissa, asked])?;
	}
	let of_logits = Scaled {
		mantissa,
		exponent: b.constant(unit)?,
	};
	let mut gradients = weights.to_vec();
	let arrived = arrive(b, shape, of_logits)?;
	let input = transposed(b, forward.a)?;
	gradients[0] = arrived.weights(b, input)?;
	let of_norm = arrived.input(b, weights[0])?;
	let of_stream = b.rms_norm_gradient(of_norm, &forward.norm)?;
	let mut stream = b.fill(of_stream, STREAM_GRADIENT_BITS)?;
	for (layer, block) in (0..shape.model.layers).zip(&forward.blocks).rev() {
		let of_layer = |part| weight(weights, layer, part);
		let mut set = |part, gradient| gradients[place(layer, part) - HEAD] = gradient;
		stream = feed_forward(b, shape, block, stream, of_layer, &mut set)?;
		stream = attention(b, shape, block, stream, of_layer, &mut set)?;
	}
	Ok(Gradients {
		weights: gradients,
		stream,
	})
}

fn feed_forward(
	b: &mut Builder,
	shape: Shape<'_>,
	block: &Block,
	stream: Scaled,
	weights: impl Fn(Part) -> Scaled,
	set: &mut impl FnMut(Part, Scaled),
) -> Result<Scaled, Reason> {
	let arrived = arrive(b, shape, stream)?;
	let hidden = transposed(b, block.f)?;
	set(Part::Down, arrived.weights(b, hidden)?);
	let of_hidden = arrived.input(b, weights(Part::Down))?;
	let passed = Scaled {
		mantissa: b.map(Op::ReluGrad, &[of_hidden.mantissa, block.mask])?,
		..of_hidden
	};
	let arrived = arrive(b, shape, passed)?;
	let input = transposed(b, block.b)?;
	set(Part::Up, arrived.weights(b, input)?);
	let of_norm = arrived.input(b, weights(Part::Up))?;
	let of_stream = b.rms_norm_gradient(of_norm, &block.second_norm)?;
	b.add_to_gradient(stream, of_stream)
}

fn attention(
	b: &mut Builder,
	shape: Shape<'_>,
	block: &Block,
	stream: Scaled,
	weights: impl Fn(Part) -> Scaled,
	set: &mut impl FnMut(Part, Scaled),
) -> Result<Scaled, Reason> {
	let heads = shape.training_heads();
	let arrived = arrive(b, shape, stream)?;
	let input = transposed(b, block.o)?;
	set(Part::Output, arrived.weights(b, input)?);
	let of_output = arrived.input(b, weights(Part::Output))?;
	let of_projections =
		b.attention_gradient(&heads, &block.attention, of_output, shape.model.split_gradients())?;

	let input = transposed(b, block.a)?;
	let mut sum: Option<Scaled> = None;
	for (part, gradient) in [Part::Query, Part::Key, Part::Value]
		.into_iter()
		.zip(of_projections)
	{
		let arrived = arrive(b, shape, gradient)?;
		set(part, arrived.weights(b, input)?);
		let of_input = arrived.input(b, weights(part))?;
		sum = Some(match sum {
			None => of_input,
			Some(sum) => b.add_aligned(sum, of_input)?,
		});
	}
	let Some(of_norm) = sum else { return Ok(stream) };
	let of_stream = b.rms_norm_gradient(of_norm, &block.first_norm)?;
	b.add_to_gradient(stream, of_stream)
}
