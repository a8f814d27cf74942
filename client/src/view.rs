// SPDX-License-Identifier: Apache-2.0

//! Tasks and quotes as people and scripts read them. Amounts are exact decimal strings in tokens, hashes `0x…`.

use crate::{format::amount, signer::address};
use poaiw_primitives::{
	task::{Lease, Quote, TaskReport, TaskState, Verdict, VerificationReport},
	BlockNumber, Hash32, TaskId,
};
use serde::Serialize;

/// A task's whole life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskView {
	/// Number of the task.
	pub id: TaskId,
	/// `open`, `leased`, `attested`, `settled`, `expired` or `cancelled`.
	pub state: &'static str,
	/// Who posted it.
	pub requester: String,
	/// Height at which it was posted.
	pub posted_at: BlockNumber,
	/// Height by which it must be attested.
	pub deadline: BlockNumber,
	/// Height at which it ended.
	pub ended_at: Option<BlockNumber>,
	/// Kind of work.
	pub class: poaiw_primitives::task::TaskClass,
	/// Product MACs.
	pub macs: u64,
	/// Segments of the run.
	pub segments: u32,
	/// Device memory it needs, in MiB.
	pub memory_mib: u32,
	/// Hash of the workload.
	pub program_root: String,
	/// Commitment to the data.
	pub input_root: String,
	/// Tip per GMAC.
	pub tip_per_gmac: String,
	/// Most that is paid.
	pub max_price: String,
	/// Held from the requester now.
	pub held: String,
	/// Leases so far.
	pub attempts: u32,
	/// Worker of the present lease, or who was paid.
	pub worker: Option<String>,
	/// Seed of the present lease, or of the one whose result was accepted.
	pub seed: Option<String>,
	/// Height of the last sign of life.
	pub heartbeat: Option<BlockNumber>,
	/// Verification of the present or last attestation.
	pub verification: Option<VerificationView>,
	/// Blocks that were sealed by its products: (height, segment).
	pub seals: Vec<(BlockNumber, u32)>,
	/// Tip that was paid to the worker.
	pub paid: Option<String>,
	/// Base fee that was burned.
	pub burned: Option<String>,
}

/// A claim and what verifiers say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerificationView {
	/// Height of the attestation.
	pub attested_at: BlockNumber,
	/// Root of the trace.
	pub trace_root: String,
	/// State at the start.
	pub initial_state_root: String,
	/// State at the end.
	pub final_state_root: String,
	/// Output of the evaluation.
	pub output_root: String,
	/// Sampled losses, in units of the workload.
	pub losses: Vec<i32>,
	/// Held-out metric: (correct, total).
	pub metric: Option<(u32, u32)>,
	/// Verdicts of each sampled segment; empty until the beacon is complete.
	pub votes: Vec<SegmentVotes>,
}

/// Verdicts on one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentVotes {
	/// The segment.
	pub segment: u32,
	/// Verifiers and what they said; `None` while they have not.
	pub votes: Vec<(String, Option<Verdict>)>,
}

/// How the votes stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
	/// In favour.
	pub accept: u32,
	/// Against.
	pub against: u32,
	/// Not cast yet.
	pub pending: u32,
}

impl VerificationView {
	/// How the votes stand.
	pub fn tally(&self) -> Tally {
		let mut tally = Tally::default();
		for (_, verdict) in self.votes.iter().flat_map(|x| &x.votes) {
			let count = match verdict {
				Some(verdict) if verdict.accepts() => &mut tally.accept,
				Some(_) => &mut tally.against,
				None => &mut tally.pending,
			};
			*count += 1;
		}
		tally
	}

	/// `17/18 votes accept, 1 pending`, or that the sample is still to be drawn.
	pub fn summary(&self) -> String {
		let Tally {
			accept,
			against,
			pending,
		} = self.tally();
		match (self.votes.len(), accept + against + pending) {
			(0, _) => "waits for the beacon that draws its segments".into(),
			(segments, votes) => format!(
				"{accept}/{votes} votes accept, {against} against, {pending} pending, on {segments} segments"
			),
		}
	}
}

fn hex_of(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// Name of a state.
pub fn state_name(state: &TaskState) -> &'static str {
	match state {
		TaskState::Open => "open",
		TaskState::Leased(_) => "leased",
		TaskState::Attested(_) => "attested",
		TaskState::Settled { .. } => "settled",
		TaskState::Expired { .. } => "expired",
		TaskState::Cancelled { .. } => "cancelled",
	}
}

/// Whether a task has come to its end.
pub fn has_ended(state: &TaskState) -> bool {
	matches!(
		state,
		TaskState::Settled { .. } | TaskState::Expired { .. } | TaskState::Cancelled { .. }
	)
}

/// The lease of a task that has one.
pub fn lease_of(state: &TaskState) -> Option<&Lease> {
	match state {
		TaskState::Leased(lease) | TaskState::Attested(lease) => Some(lease),
		_ => None,
	}
}

/// Seed of the present lease, or of the one whose result was accepted.
pub fn seed_of(state: &TaskState) -> Option<Hash32> {
	match state {
		TaskState::Settled { seed, .. } => Some(*seed),
		state => lease_of(state)?.seed,
	}
}

/// A report for people and scripts; `prefix` is the network's address prefix.
pub fn task(report: &TaskReport, prefix: u16) -> TaskView {
	let lease = lease_of(&report.state);
	let (ended_at, payee, paid, burned) = match &report.state {
		TaskState::Settled {
			worker,
			at,
			paid,
			burned,
			..
		} => (Some(*at), Some(worker), Some(*paid), Some(*burned)),
		TaskState::Expired { at } | TaskState::Cancelled { at } => (Some(*at), None, None, None),
		_ => (None, None, None, None),
	};
	let spec = &report.spec;
	TaskView {
		id: report.id,
		state: state_name(&report.state),
		requester: address(&report.requester, prefix),
		posted_at: report.posted_at,
		deadline: spec.deadline,
		ended_at,
		class: spec.class,
		macs: spec.macs,
		segments: spec.segments,
		memory_mib: spec.memory_mib,
		program_root: hex_of(&spec.program_root),
		input_root: hex_of(&spec.input_root),
		tip_per_gmac: amount(spec.tip_per_gmac),
		max_price: amount(spec.max_price),
		held: amount(report.held),
		attempts: report.attempts,
		worker: lease
			.map(|lease| &lease.worker)
			.or(payee)
			.map(|worker| address(worker, prefix)),
		seed: seed_of(&report.state).map(|seed| hex_of(&seed)),
		heartbeat: lease.map(|lease| lease.heartbeat),
		verification: report.verification.as_ref().map(|x| verification(x, prefix)),
		seals: report.seals.clone(),
		paid: paid.map(amount),
		burned: burned.map(amount),
	}
}

fn verification(report: &VerificationReport, prefix: u16) -> VerificationView {
	let claim = &report.attestation;
	VerificationView {
		attested_at: report.attested_at,
		trace_root: hex_of(&claim.trace_root),
		initial_state_root: hex_of(&claim.initial_state_root),
		final_state_root: hex_of(&claim.final_state_root),
		output_root: hex_of(&claim.output_root),
		losses: claim.losses.to_vec(),
		metric: claim.metric,
		votes: report
			.segments
			.iter()
			.map(|(segment, votes)| SegmentVotes {
				segment: *segment,
				votes: votes
					.iter()
					.map(|(who, verdict)| (address(who, prefix), *verdict))
					.collect(),
			})
			.collect(),
	}
}

/// A quote for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuoteView {
	/// Started GMACs that are charged.
	pub gmacs: u64,
	/// Base fee per GMAC; burned.
	pub base_fee_per_gmac: String,
	/// Tip per GMAC; the worker's.
	pub tip_per_gmac: String,
	/// Price at today's base fee.
	pub price: String,
	/// Limit that covers a rising base fee.
	pub suggested_max_price: String,
	/// Tasks that are served before.
	pub tasks_ahead: u32,
	/// Blocks until a worker takes it; `None` when no worker is registered.
	pub expected_wait_blocks: Option<BlockNumber>,
}

/// A quote for people and scripts.
pub fn quote(quote: &Quote) -> QuoteView {
	QuoteView {
		gmacs: quote.gmacs,
		base_fee_per_gmac: amount(quote.base_fee_per_gmac),
		tip_per_gmac: amount(quote.tip_per_gmac),
		price: amount(quote.price),
		suggested_max_price: amount(quote.suggested_max_price),
		tasks_ahead: quote.tasks_ahead,
		expected_wait_blocks: quote.expected_wait,
	}
}
