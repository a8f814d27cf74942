// SPDX-License-Identifier: Apache-2.0

//! The claim that is made of a finished run.

use super::Job;
use anyhow::bail;
use poaiw_artifacts::Trace;
use poaiw_primitives::{
	task::{loss_curve, Attestation},
	Hash32,
};
use poaiw_program::{task_metric, task_output_root};

/// The attestation of a complete trace that is stored under `trace_root`.
///
/// # Errors
/// If the trace is not complete.
pub fn attestation(job: &Job, trace: &Trace, trace_root: Hash32) -> anyhow::Result<Attestation> {
	let info = &job.parts.info;
	let (Some(first), Some(last)) = (trace.records.first(), trace.records.last()) else {
		bail!("the trace of task {} is empty", job.task);
	};
	if trace.records.len() as u64 != u64::from(info.segments) {
		bail!(
			"the trace has {} records, the workload {} segments",
			trace.records.len(),
			info.segments
		);
	}
	Ok(Attestation {
		task: job.task,
		attempt: job.attempt,
		trace_root,
		segments: info.segments,
		macs: info.product_macs,
		initial_state_root: first.state_before,
		final_state_root: last.state_after,
		output_root: task_output_root(&trace.records),
		losses: loss_curve(&trace.all_losses()),
		metric: task_metric(&trace.records),
	})
}
