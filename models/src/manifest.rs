// SPDX-License-Identifier: Apache-2.0

//! The task manifest: what a requester writes, in TOML, and the task that comes out of it.
//!
//! `task-manifest.schema.json` beside this crate's manifest describes the same fields for editors.

use crate::{
	architecture::Architecture,
	dataset::{read_csv, Encoding, HeldOut},
	error::{field, ModelError},
	mlp,
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
}

/// Format of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
	/// Comma-separated integers, the label in the last column; `.gz` is unpacked.
	Csv,
}

/// The data of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
	/// The file; a relative path starts at the manifest's folder.
	pub file: PathBuf,
	/// Its format.
	pub format: Format,
	/// Number of classes.
	pub classes: u32,
	/// How values become int7 mantissas.
	#[serde(default = "Encoding::plain")]
	pub encoding: Encoding,
	/// Which examples are held out.
	pub held_out: HeldOut,
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
			(Some(architecture), None) => architecture.check()?,
			(None, Some(_)) => (),
			(both, _) => {
				let given = if both.is_some() { "given twice" } else { "missing" };
				let remedy = "give either an [architecture] table or an architecture_file".to_string();
				return Err(field("architecture", given, remedy));
			}
		}
		bounds("data.classes", self.data.classes.into(), 2, MAX_CLASSES.into())?;
		let offset = self.data.encoding.offset;
		if !(-1_000_000..=1_000_000).contains(&offset) {
			let remedy = "give -1000000 to 1000000".to_string();
			return Err(field("data.encoding.offset", offset, remedy));
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
		let architecture = match (&self.architecture, &self.architecture_file) {
			(Some(inline), _) => inline.clone(),
			(None, Some(file)) => Architecture::from_toml(&read(&folder.join(file))?)?,
			(None, None) => {
				let remedy = "give an [architecture] table or an architecture_file".to_string();
				return Err(field("architecture", "missing", remedy));
			}
		};
		let file = folder.join(&self.data.file);
		let examples = match self.data.format {
			Format::Csv => read_csv(&file, &self.data.encoding, self.data.classes)?,
		};
		let exponent = self.data.encoding.exponent;
		let split = examples.split(&self.data.held_out, self.data.classes, exponent)?;
		let workload = mlp::compile(&architecture, &split)?;
		if let Some(expected) = &self.data.root {
			let got = workload.input_root();
			if parse_root(expected)? != got {
				return Err(ModelError::Root {
					path: file,
					got: format!("0x{}", hex(&got)),
					expected: expected.clone(),
				});
			}
		}
		let info = workload.validate()?;
		let tensors: Vec<Tensor> = split.tensors.into();
		let data = CheckedData::new(&workload, tensors).map_err(|e| {
			field(
				"data",
				"data set",
				format!("{e}: report this as a fault of the compiler"),
			)
		})?;
		Ok(Task {
			manifest: self,
			workload,
			info,
			data,
		})
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
