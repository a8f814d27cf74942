// SPDX-License-Identifier: Apache-2.0

//! What a run of a network came to: one JSON line for scripts, and the numbers that the live view shows.

use crate::rpc::Rpc;
use anyhow::{Context, Result};
use serde_json::{json, Value};

/// The chain as it stands.
#[derive(Clone, Debug, Default)]
pub struct Report {
	/// Height of the best block.
	pub blocks: u64,
	/// Height of the finalized block.
	pub finalized: u64,
	/// Blocks sealed by a product of a task.
	pub task_sealed_blocks: u64,
	/// Blocks sealed by a generated product.
	pub synthetic_sealed_blocks: u64,
	/// Tasks that were paid.
	pub tasks_settled: u64,
	/// Held-out accuracy of the last settled task.
	pub held_out_accuracy: Option<f64>,
	/// Useful shares released, in the smallest unit.
	pub useful_released: u128,
	/// Everything burned, in the smallest unit.
	pub burned: u128,
	/// Whether genesis + minted − burned = issuance.
	pub issuance_checked: bool,
	/// Tasks as the node tells them, newest first.
	pub tasks: Vec<Value>,
	/// `work_stats` of the node.
	pub stats: Value,
	/// `market_supply` of the node.
	pub supply: Value,
}

impl Report {
	/// Ask the node.
	pub fn read(rpc: &Rpc) -> Result<Self> {
		let supply = rpc.call("market_supply", json!([]))?;
		let stats = rpc.call("work_stats", json!([]))?;
		let tasks = rpc.call("market_tasks", json!([100]))?;
		let tasks = tasks.as_array().cloned().context("market_tasks gives no list")?;
		let settled: Vec<&Value> = tasks.iter().filter(|task| task["state"] == "settled").collect();
		let burns = ["burnedBaseFees", "burnedUseful", "burnedSlashes", "burnedFees"];
		let burned = burns
			.iter()
			.map(|cause| amount(&supply, cause))
			.sum::<Result<u128>>()?;
		let made = amount(&supply, "genesis")? + amount(&supply, "minted")?;
		Ok(Self {
			blocks: stats["best"].as_u64().context("work_stats has no best")?,
			finalized: stats["finalized"]
				.as_u64()
				.context("work_stats has no finalized")?,
			task_sealed_blocks: supply["taskSealedBlocks"]
				.as_u64()
				.context("market_supply has no taskSealedBlocks")?,
			synthetic_sealed_blocks: supply["syntheticSealedBlocks"]
				.as_u64()
				.context("market_supply has no syntheticSealedBlocks")?,
			tasks_settled: settled.len() as u64,
			held_out_accuracy: settled.first().and_then(|task| accuracy(task)),
			useful_released: amount(&supply, "usefulReleased")?,
			burned,
			issuance_checked: made.checked_sub(burned) == Some(amount(&supply, "issuance")?),
			tasks,
			stats,
			supply,
		})
	}

	/// The line that scripts read.
	pub fn json(&self, worker_device: &str, seconds: u64) -> Value {
		json!({
			"blocks": self.blocks,
			"finalized": self.finalized,
			"task_sealed_blocks": self.task_sealed_blocks,
			"synthetic_sealed_blocks": self.synthetic_sealed_blocks,
			"tasks_settled": self.tasks_settled,
			"held_out_accuracy": self.held_out_accuracy,
			"useful_released": self.useful_released.to_string(),
			"burned": self.burned.to_string(),
			"issuance_checked": self.issuance_checked,
			"worker_device": worker_device,
			"seconds": seconds,
		})
	}
}

/// An amount of the supply; amounts travel as decimal strings.
pub fn amount(supply: &Value, name: &str) -> Result<u128> {
	let text = supply[name]
		.as_str()
		.with_context(|| format!("market_supply has no {name}"))?;
	text.parse()
		.with_context(|| format!("market_supply: {name} = {text:?} is no amount"))
}

/// Share of the held-out set that the attested model gets right.
pub fn accuracy(task: &Value) -> Option<f64> {
	let correct = task["metric"][0].as_u64()?;
	let total = task["metric"][1].as_u64().filter(|total| *total > 0)?;
	Some(correct as f64 / total as f64)
}
