// SPDX-License-Identifier: Apache-2.0

//! Weights of the BERT family, by their published names.

use super::{config::BertConfig, quantise};
use crate::{
	encoder::{Encoder, Layer, Linear, Norm, GELU_UNIT, STREAM_UNIT, TABLE_UNIT},
	error::ModelError,
	safetensors_file::TensorFile,
};

/// Stands before every name in files of models with a head; its tensors are read all the same.
pub const BERT_PREFIX: &str = "bert.";

/// The tensors of a file, checked against the shapes that a configuration asks for.
struct Reader<'a> {
	file: &'a TensorFile,
	prefix: &'static str,
}

/// Reads an encoder.
///
/// Folded in exactly, in floats: `1 / sqrt(head width)` into the queries, the bias of the values into that of the layer
/// behind the attention (weights of a mean add up to one), the only token type into the positions. The bias of the keys
/// adds the same to all scores of a query and changes nothing.
pub(super) fn encoder(config: &BertConfig, file: &TensorFile) -> Result<Encoder, ModelError> {
	let words = "embeddings.word_embeddings.weight";
	let prefixed = format!("{BERT_PREFIX}{words}");
	let prefix = if file.names().contains(&prefixed) {
		BERT_PREFIX
	} else {
		""
	};
	let reader = Reader { file, prefix };
	let (width, positions) = (
		config.hidden_size as usize,
		config.max_position_embeddings as usize,
	);
	let table = |name: &str, rows: usize| reader.get(name, &[rows, width]);
	let types = table(
		"embeddings.token_type_embeddings.weight",
		config.type_vocab_size as usize,
	)?;
	let name = "embeddings.position_embeddings.weight";
	let mut places = table(name, positions)?;
	for row in places.chunks_exact_mut(width) {
		for (place, of_type) in row.iter_mut().zip(&types) {
			*place += of_type;
		}
	}
	let places = reader.in_unit(name, &places, TABLE_UNIT)?;
	let words_of = table(words, config.vocab_size as usize)?;
	Ok(Encoder {
		width: config.hidden_size,
		inner: config.intermediate_size,
		heads: config.num_attention_heads,
		vocabulary: config.vocab_size,
		positions: config.max_position_embeddings,
		words: reader.in_unit(words, &words_of, TABLE_UNIT)?,
		places,
		embedding_norm: reader.norm("embeddings.LayerNorm", width)?,
		layers: (0..config.num_hidden_layers)
			.map(|n| reader.layer(config, n))
			.collect::<Result<_, _>>()?,
	})
}

impl Reader<'_> {
	fn name(&self, name: &str) -> String {
		format!("{}{name}", self.prefix)
	}

	fn fault(&self, name: &str, reason: String) -> ModelError {
		self.file.fault(&self.name(name), reason)
	}

	/// The values of a tensor of a given shape.
	fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
		let full = self.name(name);
		let got = self.file.shape(&full)?;
		if got != shape {
			return Err(self.fault(
				name,
				format!("its shape is {got:?}, the configuration asks for {shape:?}: give the model's own config.json"),
			));
		}
		Ok(self.file.floats(&full)?.values)
	}

	fn in_unit(&self, name: &str, values: &[f32], unit: i32) -> Result<Vec<i32>, ModelError> {
		quantise::fixed(values, unit).map_err(|reason| self.fault(name, reason))
	}

	fn norm(&self, name: &str, width: usize) -> Result<Norm, ModelError> {
		let gain = self.get(&format!("{name}.weight"), &[width])?;
		let bias = self.get(&format!("{name}.bias"), &[width])?;
		quantise::gain(&gain, &bias).map_err(|reason| self.fault(name, reason))
	}

	/// Weights and bias of a linear layer in floats.
	fn floats(&self, name: &str, rows: usize, cols: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
		let weights = self.get(&format!("{name}.weight"), &[rows, cols])?;
		let bias = self.get(&format!("{name}.bias"), &[rows])?;
		Ok((weights, bias))
	}

	fn linear(
		&self,
		name: &str,
		weights: &[f32],
		rows: usize,
		bias: Option<(&[f32], i32)>,
	) -> Result<Linear, ModelError> {
		quantise::linear(weights, rows, bias).map_err(|reason| self.fault(&format!("{name}.weight"), reason))
	}

	fn layer(&self, config: &BertConfig, number: u32) -> Result<Layer, ModelError> {
		let (width, inner) = (config.hidden_size as usize, config.intermediate_size as usize);
		let at = |name: &str| format!("encoder.layer.{number}.{name}");

		let name = at("attention.self.query");
		let (mut weights, mut bias) = self.floats(&name, width, width)?;
		let scale = 1.0 / f64::from(config.hidden_size / config.num_attention_heads).sqrt();
		for value in weights.iter_mut().chain(&mut bias) {
			*value = (f64::from(*value) * scale) as f32;
		}
		let query = self.linear(&name, &weights, width, Some((&bias, STREAM_UNIT)))?;

		let name = at("attention.self.key");
		let (weights, _) = self.floats(&name, width, width)?;
		let key = self.linear(&name, &weights, width, None)?;

		let name = at("attention.self.value");
		let (weights, of_values) = self.floats(&name, width, width)?;
		let value = self.linear(&name, &weights, width, None)?;

		let name = at("attention.output.dense");
		let (weights, mut bias) = self.floats(&name, width, width)?;
		for (row, bias) in weights.chunks_exact(width).zip(&mut bias) {
			let products = row
				.iter()
				.zip(&of_values)
				.map(|(w, v)| f64::from(*w) * f64::from(*v));
			*bias = (f64::from(*bias) + products.sum::<f64>()) as f32;
		}
		let output = self.linear(&name, &weights, width, Some((&bias, STREAM_UNIT)))?;

		let name = at("intermediate.dense");
		let (weights, bias) = self.floats(&name, inner, width)?;
		let up = self.linear(&name, &weights, inner, Some((&bias, GELU_UNIT)))?;
		let name = at("output.dense");
		let (weights, bias) = self.floats(&name, width, inner)?;
		let down = self.linear(&name, &weights, width, Some((&bias, STREAM_UNIT)))?;
		Ok(Layer {
			query,
			key,
			value,
			output,
			attention_norm: self.norm(&at("attention.output.LayerNorm"), width)?,
			up,
			down,
			output_norm: self.norm(&at("output.LayerNorm"), width)?,
		})
	}
}
