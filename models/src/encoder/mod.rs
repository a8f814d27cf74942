// SPDX-License-Identifier: Apache-2.0

//! Encoders as inference programs: token numbers in, one embedding for every sequence out. The model is one of the BERT
//! family, described here, or one that a task has trained (its instructions are in [`crate::transformer`]).
//!
//! The integer form of the BERT family: matrices are int7 mantissas with a power-of-two exponent for every output;
//! activations are split into a high and a low int7 part with an exponent for every token where one int7 part would cost
//! too much accuracy, so that the products of both are tickets; attention works on int8 operands with an exponent for
//! every query and for the keys and values of a sequence and head. Nothing depends on other sequences or on the padding.

mod program;
mod run;
mod session;

pub use run::{embedding, Inference, Prepared};
pub use session::Session;

/// Exponent of the unit of the residual stream, and of every bias that is added to it.
pub const STREAM_UNIT: i32 = -16;
/// Exponent of the unit of the input of the Gaussian error linear unit.
pub const GELU_UNIT: i32 = -10;
/// Exponent of the unit of the embedding tables.
pub const TABLE_UNIT: i32 = -20;
/// Exponent of the unit of an output: a row of root mean square 1.
pub const OUTPUT_UNIT: i32 = -10;

/// A matrix `[out, in]` with an exponent for every output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
	/// Int7 mantissas, row-major.
	pub mantissas: Vec<i8>,
	/// Exponent of every row.
	pub exponents: Vec<i32>,
	/// Bias of every row in the unit of the output, if there is one.
	pub bias: Option<Vec<i32>>,
}

/// Gain and bias of a layer normalisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
	/// Gain of every column, unit `2^gain_unit`.
	pub gain: Vec<i32>,
	/// Exponent of the unit of the gain.
	pub gain_unit: i32,
	/// Bias of every column, unit [`STREAM_UNIT`].
	pub bias: Vec<i32>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
	/// Queries, divided by the root of the width of a head.
	pub query: Linear,
	/// Keys. A bias would add the same to all scores of a query: there is none.
	pub key: Linear,
	/// Values. A bias would add to every mean of values: it is in that of `output`.
	pub value: Linear,
	/// Behind the attention.
	pub output: Linear,
	/// Behind the attention's residual.
	pub attention_norm: Norm,
	/// Before the Gaussian error linear unit; its bias has [`GELU_UNIT`].
	pub up: Linear,
	/// Behind it.
	pub down: Linear,
	/// Behind its residual.
	pub output_norm: Norm,
}

/// A whole encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
	/// Width of the residual stream.
	pub width: u32,
	/// Width between `up` and `down`.
	pub inner: u32,
	/// Heads of an attention.
	pub heads: u32,
	/// Tokens that there are.
	pub vocabulary: u32,
	/// Longest sequence.
	pub positions: u32,
	/// Embedding of every token, unit [`TABLE_UNIT`].
	pub words: Vec<i32>,
	/// Embedding of every position, with that of the only token type, unit [`TABLE_UNIT`].
	pub places: Vec<i32>,
	/// Behind the embeddings.
	pub embedding_norm: Norm,
	/// The layers.
	pub layers: Vec<Layer>,
}
