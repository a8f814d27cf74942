// SPDX-License-Identifier: Apache-2.0

//! The whole life of a real task: the digits network is trained on the GPU, blocks are sealed inside its products, a verifier
//! re-executes it on the CPU, it is paid, and its result can be downloaded and checked.

mod support;

use poaiw_devnet::{network::accounts, report::accuracy, Network, Report, WorkerOptions};
use serde_json::{json, Value};
use std::path::Path;
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
	export(network, &folder);
}

/// The result becomes floats by its own manifest, and by no other.
fn export(network: &Network, result: &Path) {
	let output = network.options.folder.join("digits.safetensors");
	let export = |manifest: &Path| {
		let [result, output, manifest] = [result, &output, manifest].map(|path| path.to_string_lossy());
		network.client(&[
			"model",
			"export",
			"--model",
			&result,
			"--output",
			&output,
			"--manifest",
			&manifest,
		])
	};
	let own = manifest("digits/digits.toml");
	export(&own).expect("the weights are exported");
	let bytes = std::fs::read(&output).expect("the weights are there");
	let (length, rest) = bytes.split_at(8);
	let length = u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize;
	let header: Value = serde_json::from_slice(&rest[..length]).expect("the header is JSON");
	let shapes =
		["layer.0.weight", "layer.1.weight", "layer.2.weight"].map(|name| header[name]["shape"].clone());
	assert_eq!(shapes, [json!([512, 64]), json!([512, 512]), json!([10, 512])]);

	let other = std::fs::read_to_string(&own).expect("the manifest is there");
	let data = own.with_file_name("digits.csv.gz");
	let other = other.replace("digits.csv.gz", &data.to_string_lossy());
	let other = other.replace("rate = 0.003", "rate = 0.004");
	let path = network.options.folder.join("other.toml");
	std::fs::write(&path, other).expect("the other manifest is written");
	let error = export(&path).expect_err("another task's manifest gave weights");
	assert!(error.to_string().contains("of that task"), "{error}");
}
