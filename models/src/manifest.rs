// SPDX-License-Identifier: Apache-2.0

//! The task manifest: what a requester writes, in TOML, and the task that comes out of it.
//!
//! `task-manifest.schema.json` beside this crate's manifest describes the same fields for editors.

use crate::{
	architecture::Architecture,
	classifier,
	dataset::{read_csv, read_tensors, Encoding, Examples, HeldOut},
	error::{field, ModelError},
	idx,
	requests::InferenceSettings,
	text::{read_text, Corpus, TokenizerKind, Vocabulary},
	transformer,
};
use poaiw_program::{CheckedData, Tensor, Workload, WorkloadInfo};
use serde::{Deserialize, Serialize};
use std::{
	fs,
	path::{Path, PathBuf},
};

/// Longest manifest or architecture file.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Longest title.
const MAX_TITLE: usize = 128;
/// Longest artifact locator.
const MAX_LOCATOR: usize = 256;
/// Most classes of a data set.
const MAX_CLASSES: u32 = 65_535;

/// A task as a requester describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskManifest {
	/// Name of the task, for people.
	pub title: String,
	/// Kind of work.
	pub class: Class,
	/// File with the architecture, instead of `[architecture]`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub architecture_file: Option<PathBuf>,
	/// Model and training, instead of `architecture_file`.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub architecture: Option<Architecture>,
	/// The model that answers requests, instead of an architecture (inference).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub inference: Option<InferenceSettings>,
	/// The data.
	pub data: Data,
	/// What is paid.
	pub price: Price,
	/// How the result is checked.
	pub verification: Verification,
	/// When, and by whom.
	pub terms: Terms,
}

/// Kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
	/// Training of a model from a seed.
	Training,
	/// Outputs of a given model for given inputs.
	Inference,
}

/// Format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
	/// Comma-separated integers, the label in the last column; `.gz` is unpacked.
	Csv,
	/// Arrays of bytes in the format of MNIST, the labels in a second file; `.gz` is unpacked.
	Idx,
	/// A file of named tensors: `values` with the examples along its first dimension, and `labels`.
	Safetensors,
	/// Plain text in UTF-8 for a transformer or an encoder; `.gz` is unpacked. The last tenth is held out.
	Text,
	/// Plain text in UTF-8 with a request in every line (inference); `.gz` is unpacked.
	Lines,
}

/// The data of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
	/// The file; a relative path starts at the manifest's folder.
	pub file: PathBuf,
	/// Its format.
	pub format: Format,
	/// The file with the labels, for formats that have them apart (idx).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub labels: Option<PathBuf>,
	/// How a text becomes tokens: one for every character, if it is not given.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub tokenizer: Option<TokenizerKind>,
	/// Tokens of the vocabulary that is learnt from the text (bpe).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub vocabulary: Option<u32>,
	/// A `tokenizer.json` to use, instead of learning a vocabulary (bpe).
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub tokenizer_file: Option<PathBuf>,
	/// Number of classes; 0 for a text.
	#[serde(default, skip_serializing_if = "is_zero")]
	pub classes: u32,
	/// How values become int7 mantissas.
	#[serde(default = "Encoding::plain")]
	pub encoding: Encoding,
	/// Which examples are held out; not for a text.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub held_out: Option<HeldOut>,
	/// Expected commitment to all data sets (`0x` and 64 hex digits); checked when it is given.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub root: Option<String>,
}

/// What is paid, in the smallest unit of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
	/// Tip for the worker per 10^9 multiply-accumulates.
	pub tip_per_gmac: u64,
	/// Most that is paid in all, base fee included.
	pub max_total: u64,
}

/// How strongly the result is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
	/// Segments that are sampled at least.
	pub sampled: u32,
	/// Verifiers that re-execute each of them.
	pub verifiers: u32,
}

/// When, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
	/// Blocks from posting until the result must be attested.
	pub deadline_blocks: u32,
	/// Fewest consecutive valid results that a worker must have.
	#[serde(default)]
	pub min_reputation: u32,
	/// Where artifacts are to be found; empty for the worker's default store.
	#[serde(default)]
	pub locator: String,
}

/// A task that is ready to be posted.
#[derive(Clone, Debug)]
pub struct Task {
	/// The manifest.
	pub manifest: TaskManifest,
	/// What is computed.
	pub workload: Workload,
	/// Its validation: segments, MACs, memory.
	pub info: WorkloadInfo,
	/// Its data sets, checked.
	pub data: CheckedData,
}

impl Encoding {
	/// Values as they are.
	pub fn plain() -> Self {
		Self {
			offset: 0,
			shift: 0,
			exponent: 0,
		}
	}
}

fn read(path: &Path) -> Result<String, ModelError> {
	let fault = |error| ModelError::File {
		path: path.into(),
		error,
	};
	let size = fs::metadata(path).map_err(fault)?.len();
	if size > MAX_TEXT_BYTES {
		return Err(ModelError::Data {
			path: path.into(),
			row: 0,
			reason: format!("{size} bytes: a manifest or architecture has at most {MAX_TEXT_BYTES}"),
		});
	}
	fs::read_to_string(path).map_err(fault)
}

impl TaskManifest {
	/// From TOML, with every value checked.
	///
	/// # Errors
	/// If the text is not TOML, a field is unknown or missing, or a value is out of its bounds.
	pub fn from_toml(text: &str) -> Result<Self, ModelError> {
		let this: Self = toml::from_str(text).map_err(|e| ModelError::Toml(e.to_string()))?;
		this.check()?;
		Ok(this)
	}

	/// From a file.
	///
	/// # Errors
	/// If the file cannot be read, or as [`TaskManifest::from_toml`].
	pub fn from_file(path: &Path) -> Result<Self, ModelError> {
		Self::from_toml(&read(path)?).map_err(|e| match e {
			ModelError::Toml(text) => ModelError::Toml(format!("{}: {text}", path.display())),
			other => other,
		})
	}

	/// Checks every value.
	///
	/// # Errors
	/// The first field that is out of its bounds, with what to do about it.
	pub fn check(&self) -> Result<(), ModelError> {
		if self.title.trim().is_empty() || self.title.len() > MAX_TITLE {
			let remedy = format!("give a title of 1 to {MAX_TITLE} bytes");
			return Err(field("title", format!("{:?}", self.title), remedy));
		}
		match (&self.architecture, &self.architecture_file) {
			_ if self.class == Class::Inference => self.check_inference()?,
			(Some(architecture), None) => architecture.check()?,
			(None, Some(_)) => (),
			(both, _) => {
				let given = if both.is_some() { "given twice" } else { "missing" };
				let remedy = "give either an [architecture] table or an architecture_file".to_string();
				return Err(field("architecture", given, remedy));
			}
		}
		let inference = self.class == Class::Inference;
		if inference != (self.data.format == Format::Lines) || inference != self.inference.is_some() {
			let remedy =
				"an [inference] table and format = \"lines\" belong to class = \"inference\", and only to it";
			return Err(field(
				"class",
				format!("{:?}", self.class).to_lowercase(),
				remedy.into(),
			));
		}
		self.data.check_kind()?;
		let offset = self.data.encoding.offset;
		if !(-1_000_000..=1_000_000).contains(&offset) {
			let remedy = "give -1000000 to 1000000".to_string();
			return Err(field("data.encoding.offset", offset, remedy));
		}
		bounds("data.encoding.shift", self.data.encoding.shift.into(), 0, 63)?;
		match (self.data.format, &self.data.labels) {
			(Format::Idx, None) => {
				let remedy = "name the file with the labels: idx has them in a file of their own".into();
				return Err(field("data.labels", "missing", remedy));
			}
			(Format::Csv | Format::Safetensors | Format::Text | Format::Lines, Some(labels)) => {
				let remedy = "leave it out: this format has the labels in data.file".into();
				return Err(field("data.labels", labels.display(), remedy));
			}
			_ => (),
		}
		let exponent = self.data.encoding.exponent;
		if !(-64..=64).contains(&exponent) {
			return Err(field("data.encoding.exponent", exponent, "give -64 to 64".into()));
		}
		if let Some(root) = &self.data.root {
			parse_root(root)?;
		}
		bounds("price.max_total", self.price.max_total, 1, u64::MAX)?;
		bounds("verification.sampled", self.verification.sampled.into(), 1, 4096)?;
		bounds(
			"verification.verifiers",
			self.verification.verifiers.into(),
			1,
			64,
		)?;
		bounds(
			"terms.deadline_blocks",
			self.terms.deadline_blocks.into(),
			1,
			u32::MAX.into(),
		)?;
		if self.terms.locator.len() > MAX_LOCATOR {
			let remedy = format!("give a locator of at most {MAX_LOCATOR} bytes");
			return Err(field("terms.locator", &self.terms.locator, remedy));
		}
		Ok(())
	}

	/// Reads architecture and data, and compiles the task. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file cannot be read or has errors, the data is not the expected one, or the model does not compile.
	pub fn build(self, folder: &Path) -> Result<Task, ModelError> {
		let (workload, data) = self.compile(folder)?;
		if let Some(expected) = &self.data.root {
			let got = workload.input_root();
			if parse_root(expected)? != got {
				return Err(ModelError::Root {
					path: folder.join(&self.data.file),
					got: format!("0x{}", hex(&got)),
					expected: expected.clone(),
				});
			}
		}
		let info = workload.validate()?;
		Ok(Task {
			manifest: self,
			workload,
			info,
			data,
		})
	}

	/// Model and training: inline, or from the file that is named. Relative paths start at `folder`.
	///
	/// # Errors
	/// If there is none, or the file can't be read or has errors.
	pub fn architecture(&self, folder: &Path) -> Result<Architecture, ModelError> {
		match (&self.architecture, &self.architecture_file) {
			(Some(inline), _) => Ok(inline.clone()),
			(None, Some(file)) => Architecture::from_toml(&read(&folder.join(file))?),
			(None, None) => {
				let remedy = "give an [architecture] table or an architecture_file".to_string();
				Err(field("architecture", "missing", remedy))
			}
		}
	}

	/// Checks the fields of an inference.
	fn check_inference(&self) -> Result<(), ModelError> {
		if self.architecture.is_some() || self.architecture_file.is_some() {
			let remedy = "leave it out: class = \"inference\" runs the model of its [inference] table".into();
			return Err(field("architecture", "given", remedy));
		}
		self.inference.iter().try_for_each(InferenceSettings::check)
	}

	/// The workload and its data sets.
	fn compile(&self, folder: &Path) -> Result<(Workload, CheckedData), ModelError> {
		if let Some(settings) = &self.inference {
			let inference = settings.compile(&self.data.file, folder)?;
			return Ok((inference.workload, inference.data));
		}
		let architecture = self.architecture(folder)?;
		let (workload, tensors) = self.data.compile(&architecture, folder)?;
		let data = CheckedData::new(&workload, tensors).map_err(|e| {
			field(
				"data",
				"data set",
				format!("{e}: report this as a fault of the compiler"),
			)
		})?;
		Ok((workload, data))
	}
}

impl Data {
	/// Checks that the fields are those of the format.
	fn check_kind(&self) -> Result<(), ModelError> {
		let unused = |name: &str, given: bool, remedy: &str| match given {
			false => Ok(()),
			true => Err(field(name, "given", remedy.into())),
		};
		if !matches!(self.format, Format::Text | Format::Lines) {
			bounds("data.classes", self.classes.into(), 2, MAX_CLASSES.into())?;
			let remedy = "leave it out: it belongs to format = \"text\"";
			unused("data.tokenizer", self.tokenizer.is_some(), remedy)?;
			unused("data.vocabulary", self.vocabulary.is_some(), remedy)?;
			unused("data.tokenizer_file", self.tokenizer_file.is_some(), remedy)?;
			if self.held_out.is_none() {
				let remedy = "say which examples are held out: held_out = { every = 5, remainder = 0 }";
				return Err(field("data.held_out", "missing", remedy.into()));
			}
			return Ok(());
		}
		let remedy =
			"leave it out: the last tenth of a text is held out, and its vocabulary comes from its tokenizer";
		unused("data.classes", self.classes != 0, remedy)?;
		unused("data.held_out", self.held_out.is_some(), remedy)?;
		if self.format == Format::Lines {
			let remedy = "leave it out: the model of the [inference] table has its own tokenizer";
			unused("data.tokenizer", self.tokenizer.is_some(), remedy)?;
			unused("data.vocabulary", self.vocabulary.is_some(), remedy)?;
			return unused("data.tokenizer_file", self.tokenizer_file.is_some(), remedy);
		}
		let learnt = (self.vocabulary.is_some(), self.tokenizer_file.is_some());
		match (self.tokenizer.unwrap_or(TokenizerKind::Char), learnt) {
			(TokenizerKind::Char, (false, false)) | (TokenizerKind::Bpe, (true, false) | (false, true)) => {
				Ok(())
			}
			(TokenizerKind::Char, _) => {
				let remedy = "give tokenizer = \"bpe\", or leave out data.vocabulary and data.tokenizer_file";
				Err(field("data.tokenizer", "char", remedy.into()))
			}
			(TokenizerKind::Bpe, _) => {
				let remedy =
					"give either data.vocabulary, the number of tokens to learn, or data.tokenizer_file";
				Err(field("data.tokenizer", "bpe", remedy.into()))
			}
		}
	}

	/// The workload of an architecture on this data, and the data sets.
	fn compile(
		&self,
		architecture: &Architecture,
		folder: &Path,
	) -> Result<(Workload, Vec<Tensor>), ModelError> {
		if self.format == Format::Text {
			let corpus = self.read_corpus(folder)?;
			let workload = transformer::compile(architecture, &corpus)?;
			return Ok((workload, corpus.tensors(architecture)?));
		}
		let (examples, exponent) = self.read(folder)?;
		let Some(held_out) = &self.held_out else {
			return Err(field(
				"data.held_out",
				"missing",
				"say which examples are held out".into(),
			));
		};
		let split = examples.split(held_out, self.classes, exponent)?;
		let workload = classifier::compile(architecture, &split)?;
		Ok((workload, split.tensors.into()))
	}

	/// The text of a text model as tokens. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file can't be read, or the text does not fit the vocabulary.
	pub fn read_corpus(&self, folder: &Path) -> Result<Corpus, ModelError> {
		let text = read_text(&folder.join(&self.file))?;
		let vocabulary = match (self.tokenizer, &self.tokenizer_file, self.vocabulary) {
			(Some(TokenizerKind::Bpe), Some(file), _) => {
				Vocabulary::from_tokenizer_json(read_text(&folder.join(file))?)?
			}
			(Some(TokenizerKind::Bpe), None, size) => Vocabulary::train_bpe(&text, size.unwrap_or_default())?,
			_ => Vocabulary::of_characters(&text)?,
		};
		Corpus::from_text(&text, vocabulary)
	}

	/// The examples, and the exponent of the unit of their values. Relative paths start at `folder`.
	///
	/// # Errors
	/// If a file can't be read, or a value or label does not fit.
	pub fn read(&self, folder: &Path) -> Result<(Examples, i32), ModelError> {
		let file = folder.join(&self.file);
		let exponent = self.encoding.exponent;
		match self.format {
			Format::Csv => Ok((read_csv(&file, &self.encoding, self.classes)?, exponent)),
			Format::Idx => {
				let labels = folder.join(self.labels.as_deref().unwrap_or(Path::new("")));
				let examples = idx::read_labelled(&file, &labels, &self.encoding, self.classes)?;
				Ok((examples, exponent))
			}
			Format::Safetensors => read_tensors(&file, &self.encoding, self.classes),
			Format::Text | Format::Lines => {
				let remedy = "a text has no labelled examples: give csv, idx or safetensors";
				Err(field("data.format", "text", remedy.into()))
			}
		}
	}
}

impl Task {
	/// Reads a manifest file and everything that it names.
	///
	/// # Errors
	/// As [`TaskManifest::from_file`] and [`TaskManifest::build`].
	pub fn from_file(path: &Path) -> Result<Self, ModelError> {
		let folder = path.parent().unwrap_or(Path::new("."));
		TaskManifest::from_file(path)?.build(folder)
	}

	/// Device memory that the task needs, in MiB, rounded up.
	pub fn memory_mib(&self) -> u32 {
		u32::try_from(self.info.memory_bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
	}
}

fn is_zero(x: &u32) -> bool {
	*x == 0
}

fn bounds(name: &str, value: u64, least: u64, most: u64) -> Result<(), ModelError> {
	if (least..=most).contains(&value) {
		Ok(())
	} else {
		Err(field(name, value, format!("give {least} to {most}")))
	}
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn parse_root(text: &str) -> Result<[u8; 32], ModelError> {
	let fault = || {
		field(
			"data.root",
			text,
			"give 0x and 64 hex digits, or leave the field out".into(),
		)
	};
	let digits = text
		.strip_prefix("0x")
		.filter(|d| d.len() == 64 && d.is_ascii())
		.ok_or_else(fault)?;
	let mut root = [0; 32];
	for (to, pair) in root.iter_mut().zip(digits.as_bytes().chunks(2)) {
		let pair = std::str::from_utf8(pair).map_err(|_| fault())?;
		// `from_str_radix` would take a sign.
		if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
			return Err(fault());
		}
		*to = u8::from_str_radix(pair, 16).map_err(|_| fault())?;
	}
	Ok(root)
}
