// SPDX-License-Identifier: Apache-2.0

//! The forward pass of a training step: one exponent for every tensor.

use super::{
	matrices::{place, Part, HEAD},
	Shape,
};
use crate::{
	architecture::ReluMask,
	attention::Attention,
	builder::{Builder, Scaled},
	layers::{Norm, Operand},
};
use poaiw_program::{Op, Reason, Rounding, TensorId};

/// What the backward pass needs of a block.
pub(super) struct Block {
	pub(super) first_norm: Norm,
	/// Input of the attention's projections.
	pub(super) a: Scaled,
	pub(super) attention: Attention,
	/// Input of the output projection.
	pub(super) o: Scaled,
	pub(super) second_norm: Norm,
	/// Input of the feed-forward network.
	pub(super) b: Scaled,
	/// Its hidden activation.
	pub(super) f: Scaled,
	/// Whether the gradient passes: above zero.
	pub(super) mask: TensorId,
}

/// What the backward pass needs.
pub(super) struct Forward {
	pub(super) blocks: Vec<Block>,
	pub(super) norm: Norm,
	/// Input of the head.
	pub(super) a: Scaled,
	pub(super) logits: Scaled,
}

/// Int7 weights for the products, from the head on; embeddings are read as they are.
pub(super) fn quantised(
	b: &mut Builder,
	shape: Shape<'_>,
	masters: &[TensorId],
) -> Result<Vec<Scaled>, Reason> {
	let exponent = b.constant(shape.weight_unit)?;
	let of_products = masters.iter().skip(HEAD).map(|&mantissa| {
		let master = Scaled { mantissa, exponent };
		b.quantise(master, Rounding::HalfUp, Operand::Narrow)
	});
	of_products.collect()
}

/// The quantised matrix of a block.
pub(super) fn weight(weights: &[Scaled], layer: u32, part: Part) -> Scaled {
	weights[place(layer, part) - HEAD]
}

pub(super) fn forward(
	b: &mut Builder,
	shape: Shape<'_>,
	mut stream: TensorId,
	weights: &[Scaled],
) -> Result<Forward, Reason> {
	let visible = shape.visible(b)?;
	let mut blocks = Vec::new();
	for layer in 0..shape.model.layers {
		let of_layer = |part| weight(weights, layer, part);
		let (block, next) = block(b, shape, stream, visible, of_layer)?;
		blocks.push(block);
		stream = next;
	}
	let norm = b.rms_norm_for_training(stream)?;
	let a = b.quantise(norm.y, Rounding::HalfUp, Operand::Narrow)?;
	let logits = b.product(a, weights[0])?;
	Ok(Forward {
		blocks,
		norm,
		a,
		logits,
	})
}

fn block(
	b: &mut Builder,
	shape: Shape<'_>,
	stream: TensorId,
	visible: TensorId,
	weights: impl Fn(Part) -> Scaled,
) -> Result<(Block, TensorId), Reason> {
	let (heads, half_up) = (shape.training_heads(), Rounding::HalfUp);
	let first_norm = b.rms_norm_for_training(stream)?;
	let a = b.quantise(first_norm.y, half_up, Operand::Narrow)?;
	let mut stacked = [a; 3];
	for (to, part) in stacked.iter_mut().zip([Part::Query, Part::Key, Part::Value]) {
		let z = b.product(a, weights(part))?;
		let whole = b.quantise(z, half_up, heads.operand)?;
		*to = Scaled {
			mantissa: b.split_heads(whole.mantissa, &heads)?,
			..whole
		};
	}
	let [q, k, v] = stacked;
	let (attention, sum) = b.attend(&heads, [q, k], visible)?;
	let mean = b.attention_output(&heads, (attention, sum), v)?;
	let merged = Scaled {
		mantissa: b.merge_heads(mean.mantissa, &heads)?,
		..mean
	};
	let o = b.quantise(merged, half_up, Operand::Narrow)?;
	let z = b.product(o, weights(Part::Output))?;
	let stream = b.add_to_stream(stream, z)?;

	let second_norm = b.rms_norm_for_training(stream)?;
	let input = b.quantise(second_norm.y, half_up, Operand::Narrow)?;
	let z = b.product(input, weights(Part::Up))?;
	let positive = Scaled {
		mantissa: b.map(Op::Relu, &[z.mantissa])?,
		..z
	};
	let f = b.quantise(positive, half_up, Operand::Narrow)?;
	let mask = match shape.model.mask {
		ReluMask::Activation => f.mantissa,
		ReluMask::Accumulator => z.mantissa,
	};
	let z = b.product(f, weights(Part::Down))?;
	let stream = b.add_to_stream(stream, z)?;
	let block = Block {
		first_norm,
		a,
		attention: Attention {
			q,
			k,
			v,
			weights: attention,
			sum,
		},
		o,
		second_norm,
		b: input,
		f,
		mask,
	};
	Ok((block, stream))
}
