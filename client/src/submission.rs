// SPDX-License-Identifier: Apache-2.0

//! From a manifest to a posted task: what is posted, and the artifacts that a worker needs for it.

use crate::error::{Error, Result};
use poaiw_artifacts::{ArtifactError, ArtifactStore, Kind};
use poaiw_models::{manifest::Class, ModelError, Task};
use poaiw_primitives::{
	task::{TaskClass, TaskSpec, VerificationLevel},
	BlockNumber,
};
use poaiw_program::WorkloadInfo;
use std::path::Path;

/// One artifact on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
	/// What it is, for people.
	pub what: String,
	/// Its bytes.
	pub bytes: u64,
	/// Whether the store had it already.
	pub present: bool,
}

/// Reads a manifest and all that it names, and compiles the task.
///
/// # Errors
/// [`Error::Manifest`] with field or file, value and remedy.
pub fn load(manifest: &Path) -> Result<Task> {
	Task::from_file(manifest).map_err(|error| manifest_error(manifest, &error))
}

fn manifest_error(manifest: &Path, error: &ModelError) -> Error {
	Error::Manifest(format!(
		"manifest {}: {error}\n  next: correct it and run this again with --dry-run; nothing was sent",
		manifest.display()
	))
}

/// What is posted for `task` when the chain is at height `head`.
///
/// # Errors
/// If the deadline or the locator can't be represented.
pub fn spec(task: &Task, head: BlockNumber) -> Result<TaskSpec> {
	let (manifest, info) = (&task.manifest, &task.info);
	let wrong = |field: &str, value: String, remedy: &str| {
		Error::Manifest(format!("manifest: `{field}` is {value}: {remedy}"))
	};
	let blocks = manifest.terms.deadline_blocks;
	let deadline = head.checked_add(blocks).ok_or_else(|| {
		wrong(
			"terms.deadline_blocks",
			blocks.to_string(),
			"no block has such a height: give fewer blocks",
		)
	})?;
	let locator = &manifest.terms.locator;
	Ok(TaskSpec {
		class: match manifest.class {
			Class::Training => TaskClass::Training,
			Class::Inference => TaskClass::Inference,
		},
		program_root: task.workload.hash(),
		input_root: task.workload.input_root(),
		held_out: None,
		macs: info.product_macs,
		segments: info.segments,
		memory_mib: task.memory_mib(),
		locator: locator.as_bytes().to_vec().try_into().map_err(|_| {
			wrong(
				"terms.locator",
				format!("{} bytes long", locator.len()),
				"give at most 256 bytes",
			)
		})?,
		tip_per_gmac: manifest.price.tip_per_gmac.into(),
		max_price: manifest.price.max_total.into(),
		deadline,
		min_reputation: manifest.terms.min_reputation,
		level: VerificationLevel {
			sampled: manifest.verification.sampled,
			verifiers: manifest.verification.verifiers,
		},
	})
}

/// Whether no segment of the workload has more product MACs than the network's bound. The chain, which does not see
/// workloads, can only look at the average.
///
/// # Errors
/// [`Error::SpecRefused`] with the larger of a training segment and the evaluation, and the bound.
pub fn check_segments(info: &WorkloadInfo, most: u64) -> Result<()> {
	let training = info
		.macs_per_segment
		.min(info.product_macs.saturating_sub(info.evaluation_macs));
	let (what, macs, remedy) = if training >= info.evaluation_macs {
		("a training segment", training, "use fewer steps per segment")
	} else {
		(
			"the evaluation",
			info.evaluation_macs,
			"evaluate on fewer examples",
		)
	};
	if macs <= most {
		return Ok(());
	}
	Err(Error::SpecRefused {
		reason: format!("{what} has {macs} MACs, more than the {most} that a segment may have: {remedy}"),
	})
}

/// Bytes of all artifacts of a task.
pub fn artifact_bytes(task: &Task) -> u64 {
	use codec::Encode as _;
	(task.workload.encoded_size() as u64).saturating_add(task.info.data_bytes)
}

/// Opens a store of artifacts.
///
/// # Errors
/// If the locator is no folder or URL that can be opened.
pub fn open_store(locator: &str) -> Result<ArtifactStore> {
	ArtifactStore::open(locator).map_err(artifact_error)
}

/// Puts workload and data sets into the store; what is there already is not sent again.
///
/// # Errors
/// If the store fails. Then nothing refers to what was stored, and it can be done again.
pub async fn upload(store: &ArtifactStore, task: &Task, mut done: impl FnMut(&Upload)) -> Result<()> {
	let root = task.workload.hash();
	let present = store.has(Kind::Workload, &root).await.map_err(artifact_error)?;
	if !present {
		store.put_workload(&task.workload).await.map_err(artifact_error)?;
	}
	let bytes = codec::Encode::encoded_size(&task.workload) as u64;
	done(&Upload {
		what: "workload".into(),
		bytes,
		present,
	});
	for (number, (decl, set)) in task.workload.data.iter().zip(task.data.sets()).enumerate() {
		let present = store
			.has(Kind::Tensor, &decl.root)
			.await
			.map_err(artifact_error)?;
		if !present {
			store.put_tensor(set).await.map_err(artifact_error)?;
		}
		done(&Upload {
			what: format!("data set {number}"),
			bytes: decl.tensor.size(),
			present,
		});
	}
	Ok(())
}

pub(crate) fn artifact_error(error: ArtifactError) -> Error {
	let (what, next) = match &error {
		ArtifactError::Open { .. } => ("store", "name a folder or URL with --artifacts"),
		ArtifactError::Missing { .. } => (
			"read",
			"name the store that the worker writes to with --artifacts; the worker may still be uploading",
		),
		ArtifactError::TooLong { .. } | ArtifactError::Corrupt { .. } => {
			("read", "don't use it; name another store with --artifacts")
		}
		ArtifactError::Refused { .. } => ("write", "this is a fault of the program: please report it"),
		ArtifactError::Store { .. } => ("store", "check that the store can be reached and written to"),
	};
	Error::Artifact {
		what: what.into(),
		reason: error.to_string(),
		next,
	}
}
