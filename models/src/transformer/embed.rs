// SPDX-License-Identifier: Apache-2.0

//! Embeddings of sequences by a trained encoder: the program of one batch. As in the evaluation, every row and every
//! sequence has exponents of its own, and padding is erased: a sequence's bits depend on nothing beside it.

use super::{
	evaluate::{block, Seen},
	forward::quantised,
	matrices::{place, Part, FIRST_BLOCK, HEAD, POSITIONS, TOKENS},
	Shape,
};
use crate::{
	architecture::Transformer,
	builder::{emit, Builder},
	error::ModelError,
	inference::Bucket,
	layers::Operand,
	sequences::{Inputs, Sequences, REQUESTS},
};
use poaiw_program::{Program, Reason, TensorDecl, TensorId};

/// Bits of a row before the rows of a sequence are added: 65,535 of them are what one instruction adds.
const POOLED_BITS: u32 = 14;

/// Whether the program reads matrix number `place` of the state: embeddings need no head.
pub(crate) fn reads(place: usize) -> bool {
	place != HEAD
}

/// The program of one batch of a bucket: an output `[sequences, width]`, unit 2^-10, every row the direction of the mean of
/// a sequence's final normalised rows. The unit of the weights is `2^weight_unit`; `decls` are the declarations of all data sets: tokens, lengths, and the matrices
/// that it [`reads`].
///
/// # Errors
/// If a matrix is missing, or a size is out of bounds.
pub(crate) fn embedding_program(
	(model, weight_unit): (&Transformer, i32),
	bucket: &Bucket,
	decls: &[TensorDecl],
) -> Result<Program, ModelError> {
	emit("the encoder", program((model, weight_unit), bucket, decls))
}

fn program(
	(model, weight_unit): (&Transformer, i32),
	bucket: &Bucket,
	decls: &[TensorDecl],
) -> Result<Program, Reason> {
	let mut b = Builder::new();
	let mut inputs = Inputs::new(decls);
	let shape = Shape {
		model,
		sequences: bucket.sequences,
		length: bucket.length,
		weight_unit,
	};
	let heads = shape.heads(Operand::Wide);
	let sequences = Sequences::read(&mut b, &mut inputs, bucket, &heads)?;
	let count = decls.len().saturating_sub(REQUESTS.into());
	let expected = place(model.layers, Part::Query) - 1;
	if count != expected {
		return Err(Reason::Shape {
			rule: "an encoder has two embeddings and six matrices for every layer",
			got: format!("{count} matrices, {expected} expected"),
		});
	}
	let masters: Vec<TensorId> = (0..count)
		.map(|_| inputs.take(&mut b))
		.collect::<Result<_, _>>()?;
	// The head is left out: the blocks' matrices stand at its place.
	let weights = quantised(&mut b, shape, &masters)?;
	let embeddings = [masters[TOKENS], masters[POSITIONS]];
	let mut stream = shape.embed(&mut b, embeddings, [sequences.tokens, sequences.positions])?;
	let kept = sequences.kept(&mut b)?;
	let seen = Seen {
		visible: sequences.visible(&mut b)?,
		kept: Some(kept),
	};
	for layer in 0..model.layers {
		let of_layer = |part| weights[place(layer, part) - FIRST_BLOCK];
		stream = block(&mut b, shape, stream, seen, of_layer)?;
	}
	let y = b.rms_norm(stream)?;
	// The sum over the largest batch fits, by a shift that depends on the width alone and not on the batch.
	let mut shift = 0;
	while b.magnitude(y.mantissa) >> shift >= 1 << POOLED_BITS {
		shift += 1;
	}
	let output = sequences.pool(&mut b, y.mantissa, kept, shift)?;
	let mut program = b.finish();
	program.outputs = vec![output];
	Ok(program)
}
