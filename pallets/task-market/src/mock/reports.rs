// SPDX-License-Identifier: Apache-2.0

//! Tasks and feeless reports, as requesters, workers and verifiers send them.

use super::{chain::*, pallet_proof_verification, pallet_task_market, runtime::*};
use codec::Encode;
use poaiw_primitives::{
	app::ReporterSignature,
	outbox::{Report, SignedReport},
	task::{Attestation, TaskClass, TaskSpec, TaskState, Verdict, VerificationLevel, Vote},
	traits::Market,
	TaskId, GMAC, UNIT,
};
use polkadot_sdk::{
	frame_support::{assert_ok, dispatch::RawOrigin, traits::Authorize},
	sp_core::Pair,
	sp_runtime::{
		traits::Dispatchable,
		transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
		DispatchResult,
	},
};

/// A task of 10 GMACs in 6 segments at 2 tokens of tip per GMAC.
pub fn spec() -> TaskSpec {
	TaskSpec {
		class: TaskClass::Training,
		program_root: [1; 32],
		input_root: [2; 32],
		held_out: None,
		macs: 10 * GMAC,
		segments: 6,
		memory_mib: 512,
		locator: Default::default(),
		tip_per_gmac: 2 * UNIT,
		max_price: 50 * UNIT,
		deadline: now() + 100,
		min_reputation: 0,
		level: VerificationLevel {
			sampled: 2,
			verifiers: 2,
		},
	}
}

pub fn post_spec(spec: TaskSpec) -> TaskId {
	let id = pallet_task_market::NextTask::<Test>::get();
	assert_ok!(TaskMarket::post(signed(REQUESTER), spec));
	id
}

pub fn post() -> TaskId {
	post_spec(spec())
}

pub fn report(n: u8, report: Report) -> SignedReport {
	SignedReport {
		account: account(n),
		at: now(),
		report,
	}
}

pub fn sign(n: u8, report: &SignedReport) -> ReporterSignature {
	key(n).sign(&report.payload(&System::block_hash(0)))
}

/// The call that carries a report.
pub fn call_of(report: SignedReport, signature: ReporterSignature) -> RuntimeCall {
	match report.report {
		Report::Lease { .. } => pallet_task_market::Call::lease { report, signature }.into(),
		Report::Heartbeat { .. } => pallet_task_market::Call::heartbeat { report, signature }.into(),
		Report::Attest(_) => pallet_proof_verification::Call::attest { report, signature }.into(),
		Report::Vote(_) => pallet_proof_verification::Call::vote { report, signature }.into(),
	}
}

/// Admits and executes a feeless call, as a block does. `Err` means that it does not get into a block.
pub fn apply(call: RuntimeCall) -> Result<DispatchResult, TransactionValidityError> {
	call.authorize(TransactionSource::External)
		.expect("call is not authorizable")?;
	Ok(call
		.dispatch(RawOrigin::Authorized.into())
		.map(|_| ())
		.map_err(|error| error.error))
}

pub fn send_report(n: u8, report: SignedReport) -> Result<DispatchResult, TransactionValidityError> {
	let signature = sign(n, &report);
	apply(call_of(report, signature))
}

pub fn send(n: u8, what: Report) -> Result<DispatchResult, TransactionValidityError> {
	send_report(n, report(n, what))
}

/// What admission says when a check fails.
pub fn refused(error: impl Encode) -> Result<DispatchResult, TransactionValidityError> {
	Err(InvalidTransaction::Custom(error.encode()[0]).into())
}

pub fn lease(n: u8, task: TaskId) {
	assert_eq!(send(n, Report::Lease { task }), Ok(Ok(())));
}

/// Leases and waits for the seed.
pub fn lease_seeded(n: u8, task: TaskId) {
	lease(n, task);
	next_block();
}

pub fn attestation(task: TaskId) -> Attestation {
	let leased = TaskMarket::leased(task).expect("not leased");
	Attestation {
		task,
		attempt: leased.lease.attempt,
		trace_root: [3; 32],
		segments: leased.spec.segments,
		macs: leased.spec.macs,
		initial_state_root: [4; 32],
		final_state_root: [5; 32],
		output_root: [6; 32],
		losses: Default::default(),
		metric: Some((9, 10)),
	}
}

pub fn attest(n: u8, task: TaskId) {
	assert_eq!(send(n, Report::Attest(attestation(task))), Ok(Ok(())));
}

/// Leases, attests, and runs to the block of the draw.
pub fn attested(n: u8) -> TaskId {
	let task = post();
	lease_seeded(n, task);
	attest(n, task);
	run_blocks(TO_DRAW);
	task
}

/// All votes that are due on a task now: (verifier, segment).
pub fn due_votes(task: TaskId) -> Vec<(u8, u32)> {
	(1..=40u8)
		.flat_map(|n| {
			Verification::assignments(&account(n))
				.into_iter()
				.map(move |a| (n, a))
		})
		.filter(|(_, assignment)| assignment.task == task)
		.map(|(n, assignment)| (n, assignment.segment))
		.collect()
}

pub fn vote_of(task: TaskId, segment: u32, verdict: Verdict) -> Report {
	let attempt = pallet_proof_verification::Records::<Test>::get(task)
		.expect("no record")
		.attestation
		.attempt;
	Report::Vote(Vote {
		task,
		attempt,
		segment,
		verdict,
	})
}

pub fn vote(n: u8, task: TaskId, segment: u32, verdict: Verdict) {
	assert_eq!(send(n, vote_of(task, segment, verdict)), Ok(Ok(())));
}

/// Casts all votes that are due, including those of rounds that follow, until there are none.
pub fn vote_all(task: TaskId, verdict: impl Fn(u8, u32) -> Verdict) {
	while let Some((n, segment)) = due_votes(task).first().copied() {
		vote(n, task, segment, verdict(n, segment));
	}
}

pub fn state(task: TaskId) -> TaskState {
	pallet_task_market::Tasks::<Test>::get(task)
		.expect("no such task")
		.state
}
