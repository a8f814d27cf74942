// SPDX-License-Identifier: Apache-2.0

//! The `[inference]` table of a manifest: a published or trained encoder, and texts that are embedded by it.

use crate::{
	embed::TextEncoder,
	encoder::Inference,
	error::{field, ModelError},
	inference::{join, Packing, Request},
	text::read_text,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Most texts of a task.
const MAX_TEXTS: usize = 1 << 20;

/// Which model answers the requests of a task, and how they are packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceSettings {
	/// Folder of the model: a published one (`config.json`, `tokenizer.json`, `model.safetensors`), or the downloaded result
	/// of training an encoder. A relative path starts at the manifest's folder.
	pub model: PathBuf,
	/// Tokens to which every text is padded; a longer one is refused.
	pub length: u32,
	/// Texts of one batch, which is one segment.
	pub batch: u32,
}

impl InferenceSettings {
	/// Checks every value.
	///
	/// # Errors
	/// The first field that is out of its bounds.
	pub fn check(&self) -> Result<(), ModelError> {
		for (name, value, most) in [
			("inference.length", self.length, 8192),
			("inference.batch", self.batch, 65_535),
		] {
			if !(1..=most).contains(&value) {
				return Err(field(name, value, format!("give 1 to {most}")));
			}
		}
		if self.length.saturating_mul(self.batch) > 1 << 20 {
			let remedy = "give a smaller batch or length: at most 1048576 tokens in a batch".into();
			return Err(field("inference.batch", self.batch, remedy));
		}
		Ok(())
	}

	/// The task of embedding every line of a text file. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file can't be read or has a defect, or a line does not fit the model.
	pub fn compile(&self, file: &Path, folder: &Path) -> Result<Inference, ModelError> {
		let encoder = TextEncoder::open(&folder.join(&self.model))?;
		let path = folder.join(file);
		let fault = |row: usize, reason: String| ModelError::Data {
			path: path.clone(),
			row,
			reason,
		};
		let text = read_text(&path)?;
		let mut request = Request::default();
		for (n, line) in text.lines().enumerate() {
			let row = n + 1;
			if n >= MAX_TEXTS {
				return Err(fault(
					row,
					format!("more than {MAX_TEXTS} lines: post several tasks"),
				));
			}
			let sequence = encoder.encode(line).map_err(|e| fault(row, e.to_string()))?;
			if sequence.len() > self.length as usize {
				let got = sequence.len();
				let reason = format!(
					"{got} tokens, `inference.length` is {}: shorten the line or raise it",
					self.length
				);
				return Err(fault(row, reason));
			}
			request.sequences.push(sequence);
		}
		let packing = Packing {
			lengths: vec![self.length],
			tokens: self.length * self.batch,
		};
		let joined = join(&[request], &packing)?;
		let Some(bucket) = joined.buckets.first() else {
			return Err(fault(0, "no lines: give a text in every line".into()));
		};
		encoder.prepared().inference(bucket)
	}
}
