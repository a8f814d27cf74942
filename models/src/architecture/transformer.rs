// SPDX-License-Identifier: Apache-2.0

//! Description of a transformer, decoder or encoder, as it stands in TOML.

use super::{number, MAX_BLOCKS, MAX_WIDTH};
use crate::error::{field, ModelError};
use serde::{Deserialize, Deserializer, Serialize};

/// Share of hidden tokens of an encoder whose description gives none.
const DEFAULT_MASKED_SHARE: f64 = 0.15;
/// Least and largest share of hidden tokens.
const MASKED_SHARES: std::ops::RangeInclusive<f64> = 0.01..=0.9;

/// Sizes of a transformer: token and position embeddings, pre-norm blocks of attention and feed-forward network (ReLU)
/// without biases, untied head. A decoder and an encoder differ in [`Transformer::objective`] only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
	/// Blocks.
	pub layers: u32,
	/// Width of the residual stream.
	pub width: u32,
	/// Heads of the attention; they divide the width.
	pub heads: u32,
	/// Width inside of the feed-forward network, 4 times the width if it is not given.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub feed_forward: Option<u32>,
	/// Tokens that the model sees at once.
	pub context: u32,
	/// Where the gradient passes the ReLU.
	#[serde(default)]
	pub mask: ReluMask,
	/// Share of the tokens that a training step hides and asks for, 0.01 to 0.9. An encoder has it (0.15 if it is not
	/// given), a decoder has not.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub masked_share: Option<f64>,
	/// Bits of the operands inside of the attention, sign included: 7 or 8 (8 if it is not given). No ticket is drawn from
	/// these products, so they may be wider than the others; the loss is about half a percent lower.
	#[serde(default = "default_attention_bits")]
	pub attention_bits: u32,
	/// Bits of the gradients in the products of the backward pass, sign included: 7 or 13 (7 if it is not given; inside of
	/// the attention `attention_bits` or 13). Thirteen bits are two int7 operands, so the pass has twice the products; those
	/// outside of the attention draw tickets. A step takes about 1.4 times as long, the loss is a quarter to half a percent
	/// lower, in windows of 256 tokens more: one operand has too few bits for gradients that differ by rows as they do there.
	#[serde(default = "default_gradient_bits")]
	pub gradient_bits: u32,
	/// Windows of the held-out text that the evaluation measures, at most.
	#[serde(default = "default_held_out_windows")]
	pub held_out_windows: u32,
}

/// Which value decides whether the gradient passes a ReLU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReluMask {
	/// The requantised activation is above zero.
	#[default]
	Activation,
	/// The accumulator of the product is above zero.
	Accumulator,
}

/// What a transformer learns to predict, and so which tokens it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
	/// The token behind every token, from those up to it: a decoder.
	NextToken,
	/// Tokens that are hidden from it, from the whole window: an encoder.
	MaskedToken {
		/// How many of 65,536 tokens a training step hides.
		share: u32,
	},
}

fn default_attention_bits() -> u32 {
	8
}

fn default_gradient_bits() -> u32 {
	7
}

fn default_held_out_windows() -> u32 {
	64
}

/// Reads the description of an encoder; its share of hidden tokens has a default value.
pub(super) fn encoder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Transformer, D::Error> {
	let mut model = Transformer::deserialize(deserializer)?;
	model.masked_share.get_or_insert(DEFAULT_MASKED_SHARE);
	Ok(model)
}

impl Transformer {
	/// Width inside of the feed-forward network.
	pub fn feed_forward(&self) -> u32 {
		self.feed_forward.unwrap_or(self.width.saturating_mul(4))
	}

	/// Width of a head.
	pub fn head_width(&self) -> u32 {
		self.width / self.heads.max(1)
	}

	/// Whether the products inside of the attention take 8-bit operands.
	pub fn wide_attention(&self) -> bool {
		self.attention_bits == 8
	}

	/// Whether gradients enter products as two operands.
	pub fn split_gradients(&self) -> bool {
		self.gradient_bits == 13
	}

	/// What the model learns to predict.
	pub fn objective(&self) -> Objective {
		match self.masked_share {
			None => Objective::NextToken,
			Some(share) => Objective::MaskedToken {
				share: (share * 65_536.0).round() as u32,
			},
		}
	}

	pub(super) fn check_decoder(&self) -> Result<(), ModelError> {
		if let Some(share) = self.masked_share {
			let remedy = "leave it out: it belongs to kind = \"encoder\"".into();
			return Err(field("model.masked_share", share, remedy));
		}
		self.check()
	}

	pub(super) fn check_encoder(&self) -> Result<(), ModelError> {
		let remedy = || "give a share of 0.01 to 0.9 (0.15 is usual)".to_string();
		match self.masked_share {
			None => Err(field("model.masked_share", "missing", remedy())),
			Some(share) if !MASKED_SHARES.contains(&share) => {
				Err(field("model.masked_share", share, remedy()))
			}
			Some(_) => self.check(),
		}
	}

	fn check(&self) -> Result<(), ModelError> {
		let bounded = [
			("model.layers", self.layers, 1, MAX_BLOCKS),
			("model.width", self.width, 8, 8192),
			("model.heads", self.heads, 1, 256),
			("model.feed_forward", self.feed_forward(), 8, MAX_WIDTH),
			("model.context", self.context, 2, 4096),
			("model.attention_bits", self.attention_bits, 7, 8),
			("model.held_out_windows", self.held_out_windows, 1, 1 << 16),
		];
		for (name, value, least, most) in bounded {
			number(name, value, least, most)?;
		}
		if !matches!(self.gradient_bits, 7 | 13) {
			let remedy = "give 7 or 13".to_string();
			return Err(field("model.gradient_bits", self.gradient_bits, remedy));
		}
		if !self.width.is_multiple_of(self.heads) {
			return Err(field(
				"model.heads",
				self.heads,
				format!("make it a divisor of model.width, {}", self.width),
			));
		}
		Ok(())
	}
}
