// SPDX-License-Identifier: Apache-2.0

//! Downloading a result: everything is checked against the attestation that the chain accepted.
//!
//! The chain holds roots; the store is not trusted. Checked are: the workload against the posted program root, the trace
//! against the attested trace root and as a gapless chain of segments, final state and output against their roots, loss
//! curve and metric against the trace, and the initial state as that of the seed that the chain drew.

use crate::{
	client::hex32,
	error::{Error, Result},
	submission::artifact_error,
	view,
};
use poaiw_artifacts::{ArtifactStore, Trace};
use poaiw_primitives::{
	task::{loss_curve, Attestation, TaskReport, TaskState},
	AccountId, Hash32,
};
use poaiw_program::{
	check_links, run::initial_state, state_root, task_metric, task_output_root, SegmentKind, Tensor,
	TensorDecl, Workload, WorkloadInfo,
};

/// A result that was checked.
#[derive(Clone, Debug)]
pub struct Verified {
	/// The task.
	pub report: TaskReport,
	/// Who did it.
	pub worker: AccountId,
	/// What was computed.
	pub workload: Workload,
	/// Its validation.
	pub info: WorkloadInfo,
	/// The claim that the chain accepted.
	pub attestation: Attestation,
	/// Records and losses of all segments.
	pub trace: Trace,
	/// Final state, weights among it.
	pub state: Vec<Tensor>,
	/// Outputs of every evaluation.
	pub outputs: Vec<Vec<Tensor>>,
	/// Seed of the run.
	pub seed: Hash32,
	/// What was checked, in words.
	pub checks: Vec<&'static str>,
}

/// Downloads and checks the result of a settled task, as the chain reports it now.
///
/// # Errors
/// If the task is not settled, an artifact is missing, or anything is not what the chain accepted.
pub async fn download(store: &ArtifactStore, report: TaskReport) -> Result<Verified> {
	let (worker, seed, attestation) = accepted(&report)?;
	let workload = store
		.get_workload(&report.spec.program_root)
		.await
		.map_err(artifact_error)?;
	let info = check_workload(&workload, &report)?;
	let mut checks = vec!["workload = program root on chain", "MACs and segments = posted"];
	let trace = store
		.get_trace(
			&attestation.trace_root,
			(report.id, worker.as_ref()),
			(info.segments, workload.steps),
		)
		.await
		.map_err(artifact_error)?;
	check_trace(&workload, &attestation, &trace)?;
	checks.push("trace = attested root, gapless from initial to final state");
	checks.push("loss curve and held-out metric = trace");
	let state = final_state(store, &info, &attestation).await?;
	checks.push("final state = attested root");
	let outputs = outputs(store, &workload, &trace).await?;
	if !outputs.is_empty() {
		checks.push("output = attested root");
	}
	check_seed(&workload, &info, &attestation, seed)?;
	checks.push("initial state = that of the seed drawn on chain");
	Ok(Verified {
		report,
		worker,
		workload,
		info,
		attestation,
		trace,
		state,
		outputs,
		seed,
		checks,
	})
}

/// Worker, seed and claim of a settled task.
fn accepted(report: &TaskReport) -> Result<(AccountId, Hash32, Attestation)> {
	let id = report.id;
	let state = view::state_name(&report.state).to_string();
	let TaskState::Settled { worker, seed, .. } = &report.state else {
		let (reason, next) = if view::has_ended(&report.state) {
			(
				"it has no result",
				"post it again: `poaiw task submit MANIFEST.toml`".to_string(),
			)
		} else {
			(
				"its result is not verified yet",
				format!("wait for it: `poaiw task watch {id}`"),
			)
		};
		return Err(Error::TaskState {
			id,
			state,
			reason: reason.into(),
			next,
		});
	};
	let claim = report.verification.as_ref().map(|x| x.attestation.clone());
	let claim = claim
		.filter(|claim| claim.task == id)
		.ok_or_else(|| Error::TaskState {
			id,
			state,
			reason: "the node's report has no attestation of it".into(),
			next: "use the `poaiw` that belongs to this network's node".into(),
		})?;
	Ok((worker.clone(), *seed, claim))
}

fn check_workload(workload: &Workload, report: &TaskReport) -> Result<WorkloadInfo> {
	let info = workload
		.validate()
		.map_err(|error| mismatch("workload", "a valid workload", error))?;
	let (posted, spec) = ((report.spec.macs, report.spec.segments), &report.spec);
	if (info.product_macs, info.segments) != posted || workload.input_root() != spec.input_root {
		return Err(mismatch(
			"workload",
			format!(
				"{} MACs in {} segments on {}",
				spec.macs,
				spec.segments,
				hex32(&spec.input_root)
			),
			format!(
				"{} MACs in {} segments on {}",
				info.product_macs,
				info.segments,
				hex32(&workload.input_root())
			),
		));
	}
	Ok(info)
}

fn check_trace(workload: &Workload, claim: &Attestation, trace: &Trace) -> Result<()> {
	check_links(workload, &claim.initial_state_root, &trace.records)
		.map_err(|error| mismatch("trace", "a chain from the attested initial state", error))?;
	let last = trace
		.records
		.last()
		.map(|record| record.state_after)
		.unwrap_or(claim.initial_state_root);
	if last != claim.final_state_root {
		return Err(mismatch(
			"end of the trace",
			hex32(&claim.final_state_root),
			hex32(&last),
		));
	}
	for (segment, losses) in (0u32..).zip(&trace.losses) {
		let steps = match workload.segment(segment) {
			Some(SegmentKind::Training { count, .. }) => count as usize,
			_ => 0,
		};
		if losses.len() != steps {
			return Err(mismatch("losses of a segment", steps, losses.len()));
		}
	}
	let curve = loss_curve(&trace.all_losses());
	if curve != claim.losses {
		return Err(mismatch(
			"loss curve",
			format!("{:?}", claim.losses.to_vec()),
			format!("{:?}", curve.to_vec()),
		));
	}
	let output = task_output_root(&trace.records);
	if output != claim.output_root {
		return Err(mismatch(
			"output in the trace",
			hex32(&claim.output_root),
			hex32(&output),
		));
	}
	let metric = task_metric(&trace.records);
	if metric != claim.metric {
		return Err(mismatch(
			"held-out metric",
			format!("{:?}", claim.metric),
			format!("{metric:?}"),
		));
	}
	Ok(())
}

fn check_seed(workload: &Workload, info: &WorkloadInfo, claim: &Attestation, seed: Hash32) -> Result<()> {
	let wrong = |got: String| mismatch("initial state", hex32(&claim.initial_state_root), got);
	let state = initial_state(workload, info, seed).map_err(|error| wrong(error.to_string()))?;
	let root = state_root(&state).map_err(|error| wrong(error.to_string()))?;
	if root == claim.initial_state_root {
		Ok(())
	} else {
		Err(wrong(hex32(&root)))
	}
}

/// The final state. Inference has none, and nothing is stored for it.
async fn final_state(store: &ArtifactStore, info: &WorkloadInfo, claim: &Attestation) -> Result<Vec<Tensor>> {
	if !info.state.is_empty() {
		let stored = store.get_state(&claim.final_state_root, &info.state).await;
		return stored.map_err(artifact_error);
	}
	let root = state_root(&[]).map_err(|error| mismatch("final state", "an empty state", error))?;
	if root == claim.final_state_root {
		Ok(Vec::new())
	} else {
		Err(mismatch(
			"final state",
			hex32(&claim.final_state_root),
			hex32(&root),
		))
	}
}

/// The outputs of every evaluation of a checked trace.
async fn outputs(store: &ArtifactStore, workload: &Workload, trace: &Trace) -> Result<Vec<Vec<Tensor>>> {
	let Some(decls) = output_decls(workload) else {
		return Ok(Vec::new());
	};
	let mut all = Vec::new();
	for evaluation in trace.records.iter().filter_map(|record| record.evaluation) {
		let stored = store.get_output(&evaluation.output_root, &decls).await;
		all.push(stored.map_err(artifact_error)?);
	}
	Ok(all)
}

/// Layout of the evaluation's outputs, if the workload has an evaluation.
pub(crate) fn output_decls(workload: &Workload) -> Option<Vec<TensorDecl>> {
	let program = workload.evaluate.as_ref()?;
	program
		.outputs
		.iter()
		.map(|id| program.tensor(*id).copied())
		.collect()
}

fn mismatch(what: &str, expected: impl ToString, got: impl ToString) -> Error {
	Error::Commitment {
		what: what.into(),
		expected: expected.to_string(),
		got: got.to_string(),
	}
}
