// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Answers of `market_*`.

use super::{hex0x, LeaseJson};
use codec::Encode;
use poaiw_primitives::{
	task::{TaskReport, TaskState, Verdict},
	AccountId, TaskId,
};
use serde::{Deserialize, Serialize};

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

fn count_votes((segment, votes): &(u32, Vec<(AccountId, Option<Verdict>)>)) -> (u32, u32, u32, u32) {
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
