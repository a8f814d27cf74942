// SPDX-License-Identifier: Apache-2.0

//! The whole life of a real task: the digits network is trained on the GPU, blocks are sealed inside its products, a verifier
//! re-executes it on the CPU, it is paid, and its result can be downloaded and checked.

mod support;

use poaiw_devnet::{network::accounts, report::accuracy, Report, WorkerOptions};
use serde_json::Value;
use support::{gpu_worker, manifest, network, wait, wait_for_state};

/// How far finality may be behind the head.
const FINALITY_LAG: u64 = 5;

#[test]
fn digits_should_be_mined_verified_and_paid_when_posted_on_a_development_network() {
	let mut test = network();
	let network = &mut test.network;
	network
		.start_worker(gpu_worker("worker", accounts::BOB))
		.expect("the worker starts");
	network
		.start_worker(WorkerOptions::cpu_verifier("verifier", accounts::ALICE))
		.expect("the verifier starts");
	let task = network
		.submit(&manifest("digits/digits.toml"))
		.expect("the task is posted");

	let settled = wait_for_state(network, task, "settled");
	let accuracy = accuracy(&settled).expect("the attestation has a metric");
	println!(
		"held-out accuracy {accuracy:.4}, attempts {}, seals {}",
		settled["attempts"], settled["seals"]
	);
	assert!(accuracy >= 0.96, "held-out accuracy {accuracy}");
	assert_eq!(settled["settledTo"], accounts::BOB);
	assert_eq!(settled["attempts"], 1, "the first attestation was accepted");

	let report = Report::read(&network.rpc).expect("the node reports");
	println!("{}", report.json("", 0));
	assert!(
		report.task_sealed_blocks >= 1,
		"no block was sealed by a product of the task: {}",
		report.supply
	);
	assert!(
		report.useful_released > 0,
		"no useful share was released: {}",
		report.supply
	);
	assert!(report.burned > 0, "no base fee was burned: {}", report.supply);
	assert!(
		report.issuance_checked,
		"genesis + minted − burned is not the issuance: {}",
		report.supply
	);

	wait(network, "finality to catch up", |network| {
		let (best, finalized) = (network.rpc.best()?, network.rpc.finalized()?);
		Ok((finalized > 0 && best.saturating_sub(finalized) <= FINALITY_LAG).then_some(()))
	});

	let folder = network.options.folder.join("result");
	let artifacts = network.artifacts();
	network
		.client(&[
			"task",
			"result",
			&task.to_string(),
			"-o",
			&folder.to_string_lossy(),
			"--artifacts",
			&artifacts.to_string_lossy(),
		])
		.expect("the result can be downloaded");
	let receipt = std::fs::read(folder.join("receipt.json")).expect("the result has a receipt");
	let receipt: Value = serde_json::from_slice(&receipt).expect("the receipt is JSON");
	assert_eq!(receipt["task"]["id"], task);
	assert_eq!(receipt["task"]["state"], "settled");
}
