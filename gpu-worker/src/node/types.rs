// SPDX-License-Identifier: Apache-2.0

//! What the node answers, as far as a worker reads it. Hex is `0x…`, accounts are SS58.

use crate::miner::Template;
use poaiw_primitives::{AccountId, BlockNumber, Hash32, TaskId};
use poaiw_work::{WorkProfile, U256};
use serde::Deserialize;

/// A value of an answer that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of the node's answer is {reason}")]
pub struct BadField {
	/// Name of the field.
	pub field: &'static str,
	/// What is wrong with it.
	pub reason: String,
}

/// 32 bytes from `0x…` hex.
///
/// # Errors
/// If it is not hex, or not of 32 bytes.
pub fn hash32(field: &'static str, text: &str) -> Result<Hash32, BadField> {
	let bytes = hex_bytes(field, text)?;
	let got = bytes.len();
	bytes.try_into().map_err(|_| BadField {
		field,
		reason: format!("{got} bytes long instead of 32"),
	})
}

/// Bytes from `0x…` hex.
///
/// # Errors
/// If it is not hex.
pub fn hex_bytes(field: &'static str, text: &str) -> Result<Vec<u8>, BadField> {
	hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| BadField {
		field,
		reason: format!("not hex: {error}"),
	})
}

/// A block template.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateView {
	/// Hash of the header without seal.
	pub pre_hash: String,
	/// Height of the block to be made.
	pub height: BlockNumber,
	/// Who makes it.
	pub author: AccountId,
	/// Work profile of the epoch.
	pub profile: WorkProfile,
	/// Seed of the epoch.
	pub epoch_seed: String,
	/// Chance of one MAC times 2^256, 32 bytes, big-endian.
	pub mac_target: String,
}

impl TemplateView {
	/// The template as miners take it.
	///
	/// # Errors
	/// If a field is malformed, the profile is not valid, or the template is another author's.
	pub fn check(self, author: &AccountId) -> Result<Template, BadField> {
		if self.author != *author {
			let reason = format!("{}, though {author} was asked for", self.author);
			return Err(BadField {
				field: "author",
				reason,
			});
		}
		let pre_hash = hash32("preHash", &self.pre_hash)?;
		let epoch_seed = hash32("epochSeed", &self.epoch_seed)?;
		let target = U256::from_big_endian(&hash32("macTarget", &self.mac_target)?);
		let bytes: &[u8; 32] = self.author.as_ref();
		Template::new(pre_hash, self.height, *bytes, self.profile, target, epoch_seed).map_err(|error| {
			BadField {
				field: "profile",
				reason: error.to_string(),
			}
		})
	}
}

/// What became of a seal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum SubmitView {
	/// It sealed a block.
	Accepted {
		/// Hash of the block.
		hash: String,
	},
	/// Its template is gone.
	Stale {
		/// Why, in words.
		message: String,
	},
	/// It was refused.
	Rejected {
		/// Fixed name of the reason.
		reason: String,
		/// Why, in words.
		message: String,
	},
}

/// The chain as the node sees it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsView {
	/// Height of the best block.
	pub best: BlockNumber,
	/// Height of the finalized block.
	pub finalized: BlockNumber,
	/// Why there are no templates, if there are none.
	pub paused: Option<String>,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
	/// The task.
	pub task: TaskId,
	/// Who holds it.
	pub worker: AccountId,
	/// Number of the lease.
	pub attempt: u32,
	/// Seed of the run; none before the block after the lease.
	pub seed: Option<String>,
	/// Whether an attestation is on chain.
	pub attested: bool,
}

/// A segment that waits for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct AssignmentView {
	/// The task.
	pub task: TaskId,
	/// The lease that is judged.
	pub attempt: u32,
	/// The segment.
	pub segment: u32,
	/// Height by which the vote must be on chain.
	pub due: BlockNumber,
}

/// A registered account as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
	/// The account.
	pub account: AccountId,
	/// Takes tasks.
	pub worker: bool,
	/// Verifies.
	pub verifier: bool,
	/// Key that signs its reports, hex.
	pub reporter: String,
	/// Whether the node can sign with that key.
	pub has_reporter_key: bool,
	/// Bond, decimal.
	pub bond: String,
	/// Task it holds, if any.
	pub lease: Option<LeaseView>,
	/// Best task that it may take now.
	pub next_task: Option<TaskId>,
}

/// A task.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
	/// Number of the task.
	pub id: TaskId,
	/// `open`, `leased`, `attested`, `settled`, `expired` or `cancelled`.
	pub state: String,
	/// The lease, if there is one.
	pub lease: Option<LeaseView>,
	/// Who was paid, if it is settled.
	pub settled_to: Option<AccountId>,
	/// Leases so far.
	pub attempts: u32,
	/// SCALE of the whole `TaskReport`, hex.
	pub scale: String,
}

#[cfg(test)]
mod tests {
	use super::*;

	fn template() -> serde_json::Value {
		serde_json::json!({
			"preHash": format!("0x{}", "11".repeat(32)),
			"parent": format!("0x{}", "00".repeat(32)),
			"height": 7,
			"author": AccountId::new([1; 32]),
			"payout": AccountId::new([2; 32]),
			"profile": WorkProfile::dev(),
			"epochSeed": format!("0x{}", "22".repeat(32)),
			"epoch": 0,
			"nextEpochAt": 100,
			"macTarget": format!("0x{}", "01".repeat(32)),
			"difficulty": "254",
		})
	}

	fn parsed(value: serde_json::Value) -> Result<Template, BadField> {
		let view: TemplateView = serde_json::from_value(value).unwrap();
		view.check(&AccountId::new([1; 32]))
	}

	#[test]
	fn a_template_should_be_taken_as_the_node_sends_it() {
		let template = parsed(template()).unwrap();
		assert_eq!(
			(template.height, template.author, template.pre_hash),
			(7, [1; 32], [0x11; 32])
		);
		assert_eq!(template.mac_target, U256::from_big_endian(&[1; 32]));
	}

	#[test]
	fn a_malformed_template_should_name_the_field() {
		let cases = [
			("preHash", serde_json::json!("0x12")),
			("epochSeed", serde_json::json!("zz")),
			("macTarget", serde_json::json!("")),
			("author", serde_json::json!(AccountId::new([3; 32]))),
		];
		for (field, value) in cases {
			let mut json = template();
			json[field] = value;
			assert_eq!(parsed(json).unwrap_err().field, field);
		}
		let mut json = template();
		json["profile"]["rank"] = 33.into();
		assert_eq!(parsed(json).unwrap_err().field, "profile");
	}

	#[test]
	fn every_answer_to_a_seal_should_be_understood() {
		let parse = |text: &str| serde_json::from_str::<SubmitView>(text).unwrap();
		assert!(matches!(
			parse(r#"{"status":"accepted","hash":"0x00"}"#),
			SubmitView::Accepted { .. }
		));
		assert!(matches!(
			parse(r#"{"status":"stale","message":"m"}"#),
			SubmitView::Stale { .. }
		));
		assert!(matches!(
			parse(r#"{"status":"rejected","reason":"r","message":"m"}"#),
			SubmitView::Rejected { .. }
		));
	}
}
