// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Answers of `worker_*`.

use super::hex0x;
use codec::Encode;
use poaiw_primitives::{
	task::Lease,
	worker::{Assignment, WorkerReport},
	AccountId, TaskId,
};
use serde::{Deserialize, Serialize};

/// What was stored for the off-chain worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredJson {
	/// Height at which it was stored.
	pub at: u32,
	/// Task that it is about, if that is known.
	pub task: Option<TaskId>,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseJson {
	/// The task.
	pub task: TaskId,
	/// Who holds it.
	pub worker: AccountId,
	/// Number of the lease.
	pub attempt: u32,
	/// Since which height.
	pub since: u32,
	/// Height of the last heartbeat on chain.
	pub heartbeat: u32,
	/// Seed of the run, hex; none before the block after the lease.
	pub seed: Option<String>,
	/// Whether an attestation is on chain.
	pub attested: bool,
}

impl LeaseJson {
	/// Of a lease.
	pub fn new(task: TaskId, lease: &Lease, attested: bool) -> Self {
		Self {
			task,
			worker: lease.worker.clone(),
			attempt: lease.attempt,
			since: lease.since,
			heartbeat: lease.heartbeat,
			seed: lease.seed.map(hex0x),
			attested,
		}
	}
}

/// A registered account as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerJson {
	/// The account.
	pub account: AccountId,
	/// Takes tasks.
	pub worker: bool,
	/// Verifies.
	pub verifier: bool,
	/// Key that signs its reports, hex.
	pub reporter: String,
	/// Whether this node can sign with that key.
	pub has_reporter_key: bool,
	/// Bond, decimal.
	pub bond: String,
	/// Part that is being withdrawn (decimal) and when it is free.
	pub unbonding: Option<(String, u32)>,
	/// Valid results, decayed.
	pub valid: u32,
	/// Faults and lost leases, decayed.
	pub invalid: u32,
	/// Valid results since the last fault.
	pub consecutive: u32,
	/// Device memory declared, in MiB.
	pub memory_mib: u32,
	/// Useful credit, decimal.
	pub useful_credit: String,
	/// Task it holds, if any.
	pub lease: Option<LeaseJson>,
	/// Best task that it may take now, if it holds none.
	pub next_task: Option<TaskId>,
	/// Segments that wait for its vote.
	pub assignments: Vec<AssignmentJson>,
}

impl WorkerJson {
	/// Of a report and what belongs to it.
	pub fn new(
		report: &WorkerReport,
		has_reporter_key: bool,
		lease: Option<LeaseJson>,
		next_task: Option<TaskId>,
		assignments: &[Assignment],
	) -> Self {
		Self {
			account: report.account.clone(),
			worker: report.roles.worker,
			verifier: report.roles.verifier,
			reporter: hex0x(report.reporter.encode()),
			has_reporter_key,
			bond: report.bond.to_string(),
			unbonding: report.unbonding.map(|(amount, at)| (amount.to_string(), at)),
			valid: report.reputation.valid,
			invalid: report.reputation.invalid,
			consecutive: report.reputation.consecutive,
			memory_mib: report.memory_mib,
			useful_credit: report.useful_credit.to_string(),
			lease,
			next_task,
			assignments: assignments.iter().map(AssignmentJson::new).collect(),
		}
	}
}

/// A segment that waits for a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentJson {
	/// The task.
	pub task: TaskId,
	/// The lease that is judged.
	pub attempt: u32,
	/// The segment.
	pub segment: u32,
	/// Height by which the vote must be on chain.
	pub due: u32,
}

impl AssignmentJson {
	/// Of an assignment.
	pub fn new(assignment: &Assignment) -> Self {
		Self {
			task: assignment.task,
			attempt: assignment.attempt,
			segment: assignment.segment,
			due: assignment.due,
		}
	}
}
