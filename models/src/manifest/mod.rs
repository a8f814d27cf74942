// SPDX-License-Identifier: Apache-2.0

//! The task manifest: what a requester writes, in TOML, and the task that comes out of it.
//!
//! `task-manifest.schema.json` beside this crate's manifest describes the same fields for editors.

mod data;

use data::parse_root;
pub use data::{Data, Format};

use crate::{
	architecture::Architecture,
	error::{field, ModelError},
	requests::InferenceSettings,
};
use poaiw_program::{CheckedData, Workload, WorkloadInfo};
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
		self.data.check_root(&workload.input_root(), folder)?;
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
