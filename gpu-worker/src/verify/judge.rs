// SPDX-License-Identifier: Apache-2.0

//! From evidence to a verdict.
//!
//! Everything that a worker handed in is compared with what the chain says and with what is computed here:
//! the workload with the task, the initial state with the lease's seed, the records with each other and with the
//! attestation, and the sampled segment with its re-execution, the operands that seals name included.

use crate::session::job::check_workload;
use poaiw_artifacts::Trace;
use poaiw_commitment::Hash32;
use poaiw_primitives::{
	task::{loss_curve, Verdict},
	worker::{SealClaim, VerificationBrief},
};
use poaiw_program::{
	check_links, initial_state, run_segment, state_root, task_metric, task_output_root, CheckedData,
	OperandProbe, RunError, SegmentKind, SegmentRecord, Tensor, Workload, WorkloadInfo,
};

/// A verdict with its reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
	/// What is voted.
	pub verdict: Verdict,
	/// Why.
	pub reason: String,
}

impl Finding {
	/// A finding.
	pub fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
		Self {
			verdict,
			reason: reason.into(),
		}
	}
}

/// A result whose records are sound as far as they can be without re-execution.
#[derive(Debug)]
pub struct Case {
	/// What the chain says.
	pub brief: VerificationBrief,
	/// The workload of the task.
	pub workload: Workload,
	/// Its validation.
	pub info: WorkloadInfo,
	/// The worker's trace.
	pub trace: Trace,
	/// State before the first segment, derived from the seed.
	pub initial: Vec<Tensor>,
	seed: Hash32,
}

/// Checks the workload against the task and the attestation.
///
/// # Errors
/// [`Verdict::WrongWorkload`].
pub fn judge_workload(brief: &VerificationBrief, workload: &Workload) -> Result<WorkloadInfo, Finding> {
	let wrong = |reason: String| Finding::new(Verdict::WrongWorkload, reason);
	let info = check_workload(&brief.spec, workload).map_err(|error| wrong(error.to_string()))?;
	let claim = &brief.attestation;
	if (claim.segments, claim.macs) != (info.segments, info.product_macs) {
		return Err(wrong(format!(
			"{} segments and {} MACs are attested, the workload has {} and {}",
			claim.segments, claim.macs, info.segments, info.product_macs
		)));
	}
	Ok(info)
}

impl Case {
	/// Opens a case: checks everything that needs no re-execution.
	///
	/// # Errors
	/// The verdict, if something is wrong.
	pub fn open(
		brief: VerificationBrief,
		workload: Workload,
		info: WorkloadInfo,
		trace: Trace,
	) -> Result<Self, Finding> {
		let broken = |reason: String| Finding::new(Verdict::BrokenTrace, reason);
		let seed = brief
			.lease
			.seed
			.ok_or_else(|| broken("the lease has no seed, so nothing can follow from it".into()))?;
		let initial = initial_state(&workload, &info, seed).map_err(|error| broken(error.to_string()))?;
		let root = state_root(&initial).map_err(|error| broken(error.to_string()))?;
		let claim = &brief.attestation;
		if claim.initial_state_root != root {
			return Err(broken(
				"the attested initial state is not the one of the lease's seed".into(),
			));
		}
		check_links(&workload, &root, &trace.records).map_err(|error| broken(error.to_string()))?;
		let case = Self {
			brief,
			workload,
			info,
			trace,
			initial,
			seed,
		};
		case.check_ends()?;
		case.check_curve()?;
		Ok(case)
	}

	/// The attested roots are those of the records.
	fn check_ends(&self) -> Result<(), Finding> {
		let claim = &self.brief.attestation;
		let last = self.trace.records.last();
		let end = last.map_or(claim.initial_state_root, |record| record.state_after);
		if claim.final_state_root != end {
			return Err(Finding::new(
				Verdict::BrokenTrace,
				"the attested final state is not that of the trace",
			));
		}
		if claim.output_root != task_output_root(&self.trace.records) {
			return Err(Finding::new(
				Verdict::BrokenTrace,
				"the attested output is not that of the trace",
			));
		}
		Ok(())
	}

	/// The attested losses and metric are those of the records (whose losses are bound by their hashes).
	fn check_curve(&self) -> Result<(), Finding> {
		let wrong = |reason: String| Err(Finding::new(Verdict::WrongMetric, reason));
		let claim = &self.brief.attestation;
		for (record, losses) in self.trace.records.iter().zip(&self.trace.losses) {
			let expected = match self.workload.segment(record.index) {
				Some(SegmentKind::Training { count, .. }) => count as usize,
				_ => 0,
			};
			if losses.len() != expected {
				return wrong(format!(
					"segment {} has {} losses for {expected} steps",
					record.index,
					losses.len()
				));
			}
		}
		if claim.losses != loss_curve(&self.trace.all_losses()) {
			return wrong("the attested loss curve is not that of the trace".into());
		}
		let metric = task_metric(&self.trace.records);
		if claim.metric != metric {
			return wrong(format!(
				"the metric {:?} is attested, the trace has {metric:?}",
				claim.metric
			));
		}
		Ok(())
	}

	/// Root of the state that a segment starts from, if there is such a segment.
	pub fn state_before(&self, segment: u32) -> Option<Hash32> {
		self.record(segment).map(|record| record.state_before)
	}

	fn record(&self, segment: u32) -> Option<&SegmentRecord> {
		self.trace.records.get(segment as usize)
	}

	/// Seed of the lease.
	pub fn seed(&self) -> Hash32 {
		self.seed
	}

	/// Seals that name a product of this segment.
	fn claims(&self, segment: u32) -> impl Iterator<Item = &SealClaim> {
		self.brief
			.claims
			.iter()
			.filter(move |claim| claim.segment == segment)
	}

	/// (step, instruction) of the products of a segment that seals name.
	pub fn claimed_sites(&self, segment: u32) -> Vec<(u32, u32)> {
		self.claims(segment)
			.map(|claim| (claim.step, claim.instruction))
			.collect()
	}

	/// The finding on a segment that the trace does not have.
	pub fn no_record(&self, segment: u32) -> Finding {
		Finding::new(
			Verdict::BrokenTrace,
			format!("there is no record of segment {segment}"),
		)
	}

	/// Weighs a re-executed record, and the commitments to the operands of (step, instruction) found on the way, against
	/// what the worker attested and what seals name.
	pub fn weigh(
		&self,
		segment: u32,
		own: &SegmentRecord,
		operands: impl Fn(u32, u32) -> Option<(Hash32, Hash32)>,
	) -> Finding {
		let Some(attested) = self.record(segment) else {
			return self.no_record(segment);
		};
		compare(attested, own)
			.or_else(|| refuted(self.claims(segment), operands))
			.unwrap_or_else(|| Finding::new(Verdict::Accept, "everything agrees"))
	}

	/// Re-executes one segment on the CPU from the state before it and judges it. `state` has the root
	/// [`Self::state_before`].
	///
	/// # Errors
	/// In words, if this verifier could not execute it; then there is no verdict.
	pub fn judge_segment(
		&self,
		segment: u32,
		state: Vec<Tensor>,
		data: &CheckedData,
	) -> Result<Finding, String> {
		if self.record(segment).is_none() {
			return Ok(self.no_record(segment));
		}
		let mut probe = OperandProbe::new(self.claimed_sites(segment));
		match run_segment(&self.workload, self.seed, state, data, segment, &mut probe) {
			Ok(output) => Ok(self.weigh(segment, &output.record, |step, instruction| {
				probe
					.at(step, instruction)
					.map(|operands| (operands.root_a, operands.root_b))
			})),
			// Validation proves ranges, so a state that leaves them was not made by this workload.
			Err(error @ (RunError::Loss { .. } | RunError::Metric { .. } | RunError::Tensor(_))) => {
				Ok(Finding::new(Verdict::WrongResult, error.to_string()))
			}
			Err(error) => Err(format!("segment {segment} could not be re-executed: {error}")),
		}
	}
}

/// How an attested record differs from the re-executed one.
fn compare(attested: &SegmentRecord, own: &SegmentRecord) -> Option<Finding> {
	let finding = |verdict, what: &str| Some(Finding::new(verdict, format!("segment {}: {what}", own.index)));
	if attested == own {
		return None;
	}
	if attested.state_after != own.state_after {
		return finding(Verdict::WrongResult, "another state comes out");
	}
	let output = |record: &SegmentRecord| record.evaluation.map(|evaluation| evaluation.output_root);
	if output(attested) != output(own) {
		return finding(Verdict::WrongResult, "another output comes out");
	}
	if attested.evaluation != own.evaluation {
		return finding(Verdict::WrongMetric, "another metric comes out");
	}
	if attested.loss_hash != own.loss_hash {
		return finding(Verdict::WrongMetric, "other losses come out");
	}
	finding(
		Verdict::BrokenTrace,
		"the record names another state or other data",
	)
}

/// The first claim that names operands which the re-executed segment does not have. A claim about an instruction that is
/// no product, or a step of another segment, is never borne out.
fn refuted<'c>(
	mut claims: impl Iterator<Item = &'c SealClaim>,
	operands: impl Fn(u32, u32) -> Option<(Hash32, Hash32)>,
) -> Option<Finding> {
	let wrong =
		|claim: &&SealClaim| operands(claim.step, claim.instruction) != Some((claim.root_a, claim.root_b));
	let claim = claims.find(wrong)?;
	let reason = format!(
		"the seal of block {} names operands that instruction {} of step {} does not have",
		claim.block, claim.instruction, claim.step
	);
	Some(Finding::new(Verdict::WrongOperands, reason))
}
