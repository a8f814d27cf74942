// SPDX-License-Identifier: Apache-2.0

//! `config.json` of a model, and of its pooling: read with bounds, and refused where it asks for something else.

use super::whole;
use crate::error::ModelError;
use serde::Deserialize;
use std::path::Path;

/// Longest configuration.
pub const MAX_BYTES: u64 = 1 << 20;

/// What decides the shapes of a model of the BERT family. Fields that don't change the result are not looked at.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BertConfig {
	/// Family; only `bert` is supported.
	pub model_type: String,
	/// Activation between the two linear layers.
	pub hidden_act: String,
	/// Width of the residual stream.
	pub hidden_size: u32,
	/// Width between the two linear layers.
	pub intermediate_size: u32,
	/// Longest sequence.
	pub max_position_embeddings: u32,
	/// Heads of an attention.
	pub num_attention_heads: u32,
	/// Layers.
	pub num_hidden_layers: u32,
	/// Types of tokens; the first is used.
	pub type_vocab_size: u32,
	/// Tokens.
	pub vocab_size: u32,
	/// Added to the variance by a layer normalisation.
	#[serde(default)]
	pub layer_norm_eps: f64,
	/// How positions are told apart; only `absolute` is supported.
	#[serde(default = "absolute")]
	pub position_embedding_type: String,
	/// Whether tokens see only those before them.
	#[serde(default)]
	pub is_decoder: bool,
}

fn absolute() -> String {
	"absolute".into()
}

/// How the embeddings of tokens become one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Pooling {
	#[serde(default)]
	pooling_mode_mean_tokens: bool,
	#[serde(default)]
	pooling_mode_cls_token: bool,
	#[serde(default)]
	pooling_mode_max_tokens: bool,
	#[serde(default)]
	pooling_mode_mean_sqrt_len_tokens: bool,
	#[serde(default)]
	pooling_mode_weightedmean_tokens: bool,
	#[serde(default)]
	pooling_mode_lasttoken: bool,
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, json: &'a [u8]) -> Result<T, ModelError> {
	serde_json::from_slice(json).map_err(|error| whole(path, format!("{error}: fetch the file again")))
}

impl BertConfig {
	/// From JSON, with every value checked; `path` is for messages.
	///
	/// # Errors
	/// The first field that is missing, out of its bounds, or asks for something that is not supported.
	pub fn from_json(path: &Path, json: &[u8]) -> Result<Self, ModelError> {
		let this: Self = parse(path, json)?;
		this.check().map_err(|reason| whole(path, reason))?;
		Ok(this)
	}

	fn check(&self) -> Result<(), String> {
		let unsupported = |field: &str, value: &str, known: &str| {
			Err(format!("`{field}` is `{value}`: only {known} can be executed"))
		};
		if self.model_type != "bert" {
			return unsupported("model_type", &self.model_type, "`bert`");
		}
		// All three run as the tanh form in integers.
		if !["gelu", "gelu_new", "gelu_pytorch_tanh"].contains(&self.hidden_act.as_str()) {
			return unsupported("hidden_act", &self.hidden_act, "`gelu` and its tanh form");
		}
		if self.position_embedding_type != "absolute" {
			return unsupported(
				"position_embedding_type",
				&self.position_embedding_type,
				"`absolute`",
			);
		}
		if self.is_decoder {
			return unsupported("is_decoder", "true", "a bidirectional attention");
		}
		// Rows are divided by their root mean square: an addend must be negligible beside it.
		if !(0.0..=1e-5).contains(&self.layer_norm_eps) {
			return unsupported("layer_norm_eps", &self.layer_norm_eps.to_string(), "0 to 1e-5");
		}
		let bounds = [
			("hidden_size", self.hidden_size, 8192),
			("intermediate_size", self.intermediate_size, 65_535),
			("max_position_embeddings", self.max_position_embeddings, 8192),
			("num_attention_heads", self.num_attention_heads, self.hidden_size),
			("num_hidden_layers", self.num_hidden_layers, 48),
			("type_vocab_size", self.type_vocab_size, 1024),
			("vocab_size", self.vocab_size, 1 << 20),
		];
		for (field, value, most) in bounds {
			if !(1..=most).contains(&value) {
				return Err(format!("`{field}` is {value}: 1 to {most} can be executed"));
			}
		}
		if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
			return Err(format!(
				"`num_attention_heads` is {}, which does not divide `hidden_size` {}: the configuration is damaged",
				self.num_attention_heads, self.hidden_size
			));
		}
		Ok(())
	}
}

impl Pooling {
	/// Checks that a pooling is the mean over tokens; `path` is for messages.
	///
	/// # Errors
	/// The mode that is not supported.
	pub fn check_json(path: &Path, json: &[u8]) -> Result<(), ModelError> {
		let this: Self = parse(path, json)?;
		let others = [
			("pooling_mode_cls_token", this.pooling_mode_cls_token),
			("pooling_mode_max_tokens", this.pooling_mode_max_tokens),
			(
				"pooling_mode_mean_sqrt_len_tokens",
				this.pooling_mode_mean_sqrt_len_tokens,
			),
			(
				"pooling_mode_weightedmean_tokens",
				this.pooling_mode_weightedmean_tokens,
			),
			("pooling_mode_lasttoken", this.pooling_mode_lasttoken),
		];
		if let Some((mode, _)) = others.iter().find(|(_, on)| *on) {
			return Err(whole(
				path,
				format!("`{mode}` is on: only `pooling_mode_mean_tokens` can be executed"),
			));
		}
		if !this.pooling_mode_mean_tokens {
			return Err(whole(
				path,
				"`pooling_mode_mean_tokens` is off: only this mode can be executed".into(),
			));
		}
		Ok(())
	}
}
