// SPDX-License-Identifier: Apache-2.0

//! From a task on chain to a job whose workload and data were fetched and checked.

use poaiw_artifacts::{ArtifactError, ArtifactStore};
use poaiw_primitives::{task::TaskSpec, AccountId, Hash32, TaskId};
use poaiw_program::{CheckedData, Workload, WorkloadInfo};
use std::sync::Arc;

/// Workload and data of a task, checked against what the chain says about them.
#[derive(Debug)]
pub struct Parts {
	/// The workload.
	pub workload: Workload,
	/// Its validation.
	pub info: WorkloadInfo,
	/// Its data sets.
	pub data: CheckedData,
}

/// One lease's run.
#[derive(Clone, Debug)]
pub struct Job {
	/// The task.
	pub task: TaskId,
	/// Number of the lease.
	pub attempt: u32,
	/// Who runs it.
	pub worker: AccountId,
	/// Seed of the lease.
	pub seed: Hash32,
	/// Workload and data.
	pub parts: Arc<Parts>,
}

impl Job {
	/// The worker as traces bind it.
	pub fn worker_bytes(&self) -> &[u8; 32] {
		self.worker.as_ref()
	}
}

/// Why a task can't be run.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
	/// An artifact could not be had (now).
	#[error(transparent)]
	Artifact(#[from] ArtifactError),
	/// The workload is not valid.
	#[error("the workload of the task is not valid: {0}. Nobody can run it")]
	Invalid(String),
	/// The task states something else than its workload says.
	#[error(
		"the task states {what} = {stated}, its workload says {found}: its result could never be accepted"
	)]
	Differs {
		/// Which figure.
		what: &'static str,
		/// On chain.
		stated: String,
		/// In the workload.
		found: String,
	},
	/// It needs more memory than this machine gives.
	#[error(
		"the task needs {needed} MiB of memory, at most {most} are given to tasks here (--max-memory-mib)"
	)]
	TooLarge {
		/// MiB that it needs.
		needed: u64,
		/// MiB that are given.
		most: u64,
	},
	/// The data does not fit the workload.
	#[error("the data of the task does not fit its workload: {0}")]
	Data(String),
}

impl PartsError {
	/// Whether another try, later, may help.
	pub fn is_passing(&self) -> bool {
		matches!(
			self,
			Self::Artifact(ArtifactError::Missing { .. } | ArtifactError::Store { .. })
		)
	}
}

/// Checks a workload against what the task states about it.
///
/// # Errors
/// [`PartsError::Invalid`] or [`PartsError::Differs`] with the first figure that differs.
pub fn check_workload(spec: &TaskSpec, workload: &Workload) -> Result<WorkloadInfo, PartsError> {
	let differs = |what: &'static str, stated: String, found: String| {
		if stated == found {
			Ok(())
		} else {
			Err(PartsError::Differs { what, stated, found })
		}
	};
	differs(
		"program root",
		hex::encode(spec.program_root),
		hex::encode(workload.hash()),
	)?;
	differs(
		"input root",
		hex::encode(spec.input_root),
		hex::encode(workload.input_root()),
	)?;
	let info = workload
		.validate()
		.map_err(|error| PartsError::Invalid(error.to_string()))?;
	differs("segments", spec.segments.to_string(), info.segments.to_string())?;
	differs(
		"product MACs",
		spec.macs.to_string(),
		info.product_macs.to_string(),
	)?;
	Ok(info)
}

/// Fetches and checks workload and data of a task. Nothing large is fetched before it is known to fit `most_memory_mib`.
///
/// # Errors
/// [`PartsError`].
pub async fn fetch_parts(
	store: &ArtifactStore,
	spec: &TaskSpec,
	most_memory_mib: u64,
) -> Result<Parts, PartsError> {
	let workload = store.get_workload(&spec.program_root).await?;
	let info = check_workload(spec, &workload)?;
	let needed = info.memory_bytes.div_ceil(1 << 20);
	if needed > most_memory_mib {
		return Err(PartsError::TooLarge {
			needed,
			most: most_memory_mib,
		});
	}
	let data = fetch_data(store, &workload).await?;
	Ok(Parts { workload, info, data })
}

/// Fetches the data sets of a validated workload.
///
/// # Errors
/// [`PartsError::Artifact`] or [`PartsError::Data`].
pub async fn fetch_data(store: &ArtifactStore, workload: &Workload) -> Result<CheckedData, PartsError> {
	let mut sets = Vec::with_capacity(workload.data.len());
	for decl in &workload.data {
		sets.push(store.get_tensor(&decl.root, &decl.tensor).await?);
	}
	CheckedData::new(workload, sets).map_err(|error| PartsError::Data(error.to_string()))
}
