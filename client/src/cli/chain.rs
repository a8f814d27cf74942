// SPDX-License-Identifier: Apache-2.0

//! `poaiw chain`: where the network stands.

use super::{connect, Out};
use clap::Subcommand;
use poaiw::{
	client::ChainStatus,
	format::{amount, bytes, macs},
	Error, Result,
};
use poaiw_primitives::economics::Supply;
use serde_json::{json, Value};

/// Commands for the network.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
	/// Head, finality, target, epoch, profile and supply.
	Status,
}

pub async fn run(node: &str, out: Out, command: ChainCommand) -> Result<u8> {
	match command {
		ChainCommand::Status => {
			let client = connect(node, out).await?;
			let status = client.status().await?;
			let mut value = serde_json::to_value(&status).map_err(|error| Error::Answer {
				what: "chain status".into(),
				reason: error.to_string(),
			})?;
			if let Value::Object(map) = &mut value {
				map.insert("supply".into(), supply_json(&status.supply));
			}
			out.value(&value);
			out.table(&rows(&status));
		}
	}
	Ok(0)
}

fn supply_json(supply: &Supply) -> Value {
	json!({
		"genesis": amount(supply.genesis),
		"minted": amount(supply.minted),
		"burned": supply.burned().map(amount),
		"burned_base_fees": amount(supply.burned_base_fees),
		"burned_useful": amount(supply.burned_useful),
		"burned_slashes": amount(supply.burned_slashes),
		"burned_fees": amount(supply.burned_fees),
		"issuance": amount(supply.issuance),
		"useful_held": amount(supply.useful_held),
		"useful_released": amount(supply.useful_released),
		"task_sealed_blocks": supply.task_sealed_blocks,
		"synthetic_sealed_blocks": supply.synthetic_sealed_blocks,
		"balanced": supply.is_balanced(),
	})
}

fn rows(status: &ChainStatus) -> Vec<(&'static str, String)> {
	let (info, supply, profile) = (&status.info, &status.supply, &status.profile);
	let tokens = |value| format!("{} {}", amount(value), info.symbol);
	let balance = if supply.is_balanced() {
		"balanced"
	} else {
		"NOT BALANCED: report this"
	};
	vec![
		(
			"chain",
			format!(
				"{} (runtime {} {})",
				info.chain, info.spec_name, info.spec_version
			),
		),
		("genesis", format!("{:?}", status.genesis)),
		("head", format!("{} {:?}", status.head.number, status.head.hash)),
		(
			"finalized",
			format!(
				"{} ({} behind)",
				status.finalized.number,
				status.head.number.saturating_sub(status.finalized.number)
			),
		),
		(
			"work per block",
			format!("{} expected", macs(status.expected_macs_per_block)),
		),
		(
			"epoch",
			format!("{} (next at block {})", status.epoch, status.next_epoch_at),
		),
		(
			"profile",
			format!(
				"rank {}, {} accesses, dataset {}",
				profile.rank,
				profile.accesses,
				bytes(profile.dataset_bytes)
			),
		),
		("block reward", tokens(status.block_reward)),
		("sealed by tasks", format!("{} blocks", supply.task_sealed_blocks)),
		(
			"sealed by synthetic work",
			format!("{} blocks", supply.synthetic_sealed_blocks),
		),
		(
			"useful shares",
			format!(
				"{} held, {} released",
				amount(supply.useful_held),
				amount(supply.useful_released)
			),
		),
		(
			"supply",
			format!(
				"{} = {} genesis + {} minted − {} burned ({balance})",
				amount(supply.issuance),
				amount(supply.genesis),
				amount(supply.minted),
				supply.burned().map_or_else(|| "overflow".into(), amount),
			),
		),
	]
}
