// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Answers of `work_*`.

use super::hex0x;
use crate::consensus::{mining::Template, rules::WorkParams};
use poaiw_primitives::{AccountId, Hash};
use poaiw_work::WorkProfile;
use serde::{Deserialize, Serialize};

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
