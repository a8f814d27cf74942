// SPDX-License-Identifier: Apache-2.0

//! Real models, read from the folders in which they are published: configuration, tokenizer and weights.
//!
//! Nothing in such a folder is trusted. Files are bounded before they are loaded, shapes before anything is allocated for
//! them, and every defect is an error that names the file and the tensor or field.

mod bert;
mod config;
mod quantise;
mod tokens;

pub use bert::BERT_PREFIX;
pub use config::{BertConfig, Pooling};
pub use quantise::{fixed, gain, linear};
pub(crate) use tokens::parse_tokenizer;
pub use tokens::Tokens;

use crate::{encoder::Encoder, error::ModelError, safetensors_file::TensorFile};
use std::{fs::File, io::Read, path::Path};

/// Name of the file with the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// Name of the file with the configuration.
pub const CONFIG: &str = "config.json";
/// Name of the file with the tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// Name of the file that says how embeddings of tokens become one; it need not be there.
pub const POOLING: &str = "1_Pooling/config.json";

/// A sentence encoder in integers, with its tokenizer.
#[derive(Debug)]
pub struct SentenceEncoder {
	/// The model.
	pub encoder: Encoder,
	/// From text to tokens.
	pub tokens: Tokens,
}

impl SentenceEncoder {
	/// Reads a folder as `sentence-transformers` publishes it: a model of the BERT family with mean pooling.
	///
	/// # Errors
	/// The first file, field or tensor that is missing, damaged, of another size, or asks for something that is not
	/// supported.
	pub fn open(folder: &Path) -> Result<Self, ModelError> {
		let path = folder.join(CONFIG);
		let config = BertConfig::from_json(&path, &read(&path, config::MAX_BYTES)?)?;
		let path = folder.join(POOLING);
		if path.exists() {
			Pooling::check_json(&path, &read(&path, config::MAX_BYTES)?)?;
		}
		let path = folder.join(TOKENIZER);
		let tokens = Tokens::from_json(&path, &read(&path, tokens::MAX_BYTES)?, config.vocab_size)?;
		let file = TensorFile::open(&folder.join(WEIGHTS))?;
		Ok(Self {
			encoder: bert::encoder(&config, &file)?,
			tokens,
		})
	}
}

impl Encoder {
	/// An encoder from a configuration and an opened file of weights with the names of the BERT family.
	///
	/// # Errors
	/// The first tensor that is missing, of another shape, or has a value without an integer form.
	pub fn from_bert(config: &BertConfig, file: &TensorFile) -> Result<Self, ModelError> {
		bert::encoder(config, file)
	}
}

/// A file of at most so many bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, ModelError> {
	let fault = |error| ModelError::File {
		path: path.into(),
		error,
	};
	let mut bytes = Vec::new();
	let file = File::open(path).map_err(fault)?;
	file.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
	if bytes.len() as u64 > most {
		return Err(whole(
			path,
			format!("more than {most} bytes: this is not such a file"),
		));
	}
	Ok(bytes)
}

/// A file that is wrong as a whole.
fn whole(path: &Path, reason: String) -> ModelError {
	ModelError::Data {
		path: path.into(),
		row: 0,
		reason,
	}
}
