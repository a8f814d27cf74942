// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What the RPC methods answer.

use crate::consensus::{mining::Template, rules::WorkParams};
use codec::Encode;
use poaiw_primitives::{
	task::{Lease, TaskReport, TaskState},
	worker::{Assignment, WorkerReport},
	AccountId, Hash, TaskId,
};
use poaiw_work::WorkProfile;
use serde::{Deserialize, Serialize};

/// `0x` and the hex of bytes.
pub fn hex0x(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// Parameters of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileJson {
	/// Work profile of the epoch.
	pub profile: WorkProfile,
	/// Seed of the epoch, hex.
	pub epoch_seed: String,
	/// Number of the epoch.
	pub epoch: u32,
	/// Height at which the next one begins.
	pub next_epoch_at: u32,
	/// Chance of one MAC times 2^256, as 32 bytes of big-endian hex.
	pub mac_target: String,
	/// Expected MACs of the block, decimal.
	pub difficulty: String,
}

impl ProfileJson {
	/// Of the parameters of a block.
	pub fn new(params: &WorkParams) -> Self {
		Self {
			profile: params.profile.clone(),
			epoch_seed: hex0x(params.epoch_seed),
			epoch: params.epoch.0,
			next_epoch_at: params.epoch.1,
			mac_target: hex0x(params.mac_target.to_big_endian()),
			difficulty: params.difficulty.to_string(),
		}
	}
}

/// A block template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateJson {
	/// Hash of the header without seal.
	pub pre_hash: Hash,
	/// Block to build on.
	pub parent: Hash,
	/// Height of the block to be made.
	pub height: u32,
	/// Who makes it.
	pub author: AccountId,
	/// Who is paid.
	pub payout: AccountId,
	/// Rules for the seal.
	#[serde(flatten)]
	pub work: ProfileJson,
}

impl TemplateJson {
	/// Of a template.
	pub fn new(template: &Template) -> Self {
		Self {
			pre_hash: template.pre_hash,
			parent: template.parent,
			height: template.height,
			author: template.author.author.clone(),
			payout: template.author.payout.clone(),
			work: ProfileJson::new(&template.params),
		}
	}
}

/// What became of a seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum SubmitJson {
	/// It sealed a block.
	Accepted {
		/// Hash of the block.
		hash: Hash,
	},
	/// Its template is gone; go on with the newest one.
	Stale {
		/// Why, in words.
		message: String,
	},
	/// It was refused.
	Rejected {
		/// Fixed name of the reason.
		reason: String,
		/// Why, in words and with the values.
		message: String,
	},
}

/// State of the mining side of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsJson {
	/// Height of the best block.
	pub best: u32,
	/// Hash of the best block.
	pub best_hash: Hash,
	/// Height of the finalized block.
	pub finalized: u32,
	/// log2 of the target of the next block (for people).
	pub target_log2: f64,
	/// Expected MACs of the next block, decimal.
	pub difficulty: String,
	/// Why there are no templates, if there are none.
	pub paused: Option<String>,
	/// Authors for whom templates are built.
	pub authors: Vec<AccountId>,
	/// Counters since the start of the node.
	#[serde(flatten)]
	pub counts: crate::metrics::Snapshot,
}

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

/// A task in short, with the whole report in SCALE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskJson {
	/// Number of the task.
	pub id: TaskId,
	/// Who posted it.
	pub requester: AccountId,
	/// Height at which it was posted.
	pub posted_at: u32,
	/// `open`, `leased`, `attested`, `settled`, `expired` or `cancelled`.
	pub state: String,
	/// The lease, if there is one.
	pub lease: Option<LeaseJson>,
	/// Who was paid, if it is settled.
	pub settled_to: Option<AccountId>,
	/// Height at which it ended, if it did.
	pub ended_at: Option<u32>,
	/// Leases so far.
	pub attempts: u32,
	/// Product MACs, decimal.
	pub macs: String,
	/// Segments of the run.
	pub segments: u32,
	/// Tip per GMAC, decimal.
	pub tip_per_gmac: String,
	/// Most that is paid, decimal.
	pub max_price: String,
	/// Still held from the requester, decimal.
	pub held: String,
	/// Height by which it must be attested.
	pub deadline: u32,
	/// Sampled segments so far and votes on them: (segment, accepting votes, refusing votes, votes to come).
	pub votes: Vec<(u32, u32, u32, u32)>,
	/// Blocks sealed by it: (height, segment).
	pub seals: Vec<(u32, u32)>,
	/// Held-out metric of the last attestation: (correct, total).
	pub metric: Option<(u32, u32)>,
	/// Loss curve of the last attestation, in units of the workload.
	pub losses: Vec<i32>,
	/// SCALE of the whole `TaskReport`, hex.
	pub scale: String,
}

impl TaskJson {
	/// Of a report.
	pub fn new(report: &TaskReport) -> Self {
		let (state, lease, settled_to, ended_at) = match &report.state {
			TaskState::Open => ("open", None, None, None),
			TaskState::Leased(lease) => (
				"leased",
				Some(LeaseJson::new(report.id, lease, false)),
				None,
				None,
			),
			TaskState::Attested(lease) => (
				"attested",
				Some(LeaseJson::new(report.id, lease, true)),
				None,
				None,
			),
			TaskState::Settled { worker, at, .. } => ("settled", None, Some(worker.clone()), Some(*at)),
			TaskState::Expired { at } => ("expired", None, None, Some(*at)),
			TaskState::Cancelled { at } => ("cancelled", None, None, Some(*at)),
		};
		Self {
			id: report.id,
			requester: report.requester.clone(),
			posted_at: report.posted_at,
			state: state.into(),
			lease,
			settled_to,
			ended_at,
			attempts: report.attempts,
			macs: report.spec.macs.to_string(),
			segments: report.spec.segments,
			tip_per_gmac: report.spec.tip_per_gmac.to_string(),
			max_price: report.spec.max_price.to_string(),
			held: report.held.to_string(),
			deadline: report.spec.deadline,
			votes: report
				.verification
				.iter()
				.flat_map(|verification| &verification.segments)
				.map(count_votes)
				.collect(),
			seals: report.seals.clone(),
			metric: report
				.verification
				.as_ref()
				.and_then(|verification| verification.attestation.metric),
			losses: report
				.verification
				.as_ref()
				.map(|verification| verification.attestation.losses.to_vec())
				.unwrap_or_default(),
			scale: hex0x(report.encode()),
		}
	}
}

fn count_votes(
	(segment, votes): &(u32, Vec<(AccountId, Option<poaiw_primitives::task::Verdict>)>),
) -> (u32, u32, u32, u32) {
	votes.iter().fold(
		(*segment, 0, 0, 0),
		|(segment, yes, no, open), (_, vote)| match vote {
			Some(vote) if vote.accepts() => (segment, yes + 1, no, open),
			Some(_) => (segment, yes, no + 1, open),
			None => (segment, yes, no, open + 1),
		},
	)
}

/// Price of a task before it is posted. Amounts are decimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuoteJson {
	/// Started GMACs that are charged.
	pub gmacs: u64,
	/// Base fee per GMAC now.
	pub base_fee_per_gmac: String,
	/// Tip per GMAC as asked.
	pub tip_per_gmac: String,
	/// Price at today's base fee.
	pub price: String,
	/// A sensible `max_price`.
	pub suggested_max_price: String,
	/// Open tasks that are served before it.
	pub tasks_ahead: u32,
	/// Blocks until a worker takes it; none when no worker is registered.
	pub expected_wait: Option<u32>,
}

/// The supply. Amounts are decimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyJson {
	/// Issuance at genesis.
	pub genesis: String,
	/// Minted since.
	pub minted: String,
	/// Burned base fees.
	pub burned_base_fees: String,
	/// Burned useful shares.
	pub burned_useful: String,
	/// Burned slashes.
	pub burned_slashes: String,
	/// Burned transaction fees and dust.
	pub burned_fees: String,
	/// Total issuance.
	pub issuance: String,
	/// Useful shares held for tasks that are not settled yet.
	pub useful_held: String,
	/// Useful shares released so far.
	pub useful_released: String,
	/// Blocks sealed by a product of a task.
	pub task_sealed_blocks: u64,
	/// Blocks sealed by a synthetic product.
	pub synthetic_sealed_blocks: u64,
	/// Whether genesis + minted − burned = issuance.
	pub balanced: bool,
	/// Reward of the next block.
	pub block_reward: String,
}
