// SPDX-License-Identifier: Apache-2.0

//! Models beyond a perceptron, from the manifest to the result: a transformer that learns to write, and an encoder that
//! embeds texts with published weights. Both run on the GPU and are verified on the CPU.

#[path = "../../models/tests/bert/mod.rs"]
mod bert;
mod support;

use poaiw_devnet::{network::accounts, Network, WorkerOptions};
use serde_json::Value;
use std::{fs, path::Path};
use support::{gpu_worker, manifest, network, wait_for_state};

/// A worker on the GPU and a verifier on the CPU.
fn start_workers(network: &mut Network) {
	network
		.start_worker(gpu_worker("worker", accounts::BOB))
		.expect("the worker starts");
	network
		.start_worker(WorkerOptions::cpu_verifier("verifier", accounts::ALICE))
		.expect("the verifier starts");
}

/// Downloads and checks a result; the path of its folder.
fn download(network: &Network, task: u64) -> String {
	let folder = network.options.folder.join("result");
	let folder = folder.to_string_lossy().into_owned();
	let artifacts = network.artifacts();
	let number = task.to_string();
	network
		.client(&[
			"task",
			"result",
			&number,
			"-o",
			&folder,
			"--artifacts",
			&artifacts.to_string_lossy(),
		])
		.expect("the result can be downloaded");
	folder
}

fn read(folder: &str, name: &str) -> Value {
	let bytes = fs::read(Path::new(folder).join(name)).expect("the result has this file");
	serde_json::from_slice(&bytes).expect("the file is JSON")
}

#[test]
fn language_model_should_be_trained_paid_and_able_to_write_when_its_result_is_downloaded() {
	let mut test = network();
	let network = &mut test.network;
	start_workers(network);
	let task = network
		.submit(&manifest("char-transformer/quick.toml"))
		.expect("the task is posted");

	let settled = wait_for_state(network, task, "settled");
	assert_eq!(settled["settledTo"], accounts::BOB);
	assert_eq!(settled["attempts"], 1, "the first attestation was accepted");

	let folder = download(network, task);
	assert_eq!(read(&folder, "receipt.json")["task"]["state"], "settled");
	let sample = |seed: &str| {
		network
			.client(&[
				"model", "sample", "--model", &folder, "--prompt", "Alice ", "--length", "80", "--seed", seed,
			])
			.expect("the model writes")["text"]
			.as_str()
			.expect("the answer has a text")
			.to_string()
	};
	let text = sample("1");
	println!("{text}");
	assert_eq!(text.chars().count(), 80, "a character for each token: {text:?}");
	assert_eq!(text, sample("1"), "the same seed gave another text");
	assert_ne!(text, sample("2"), "another seed gave the same text");
}

#[test]
fn texts_should_be_embedded_by_a_published_model_when_an_inference_task_is_posted() {
	let mut test = network();
	let network = &mut test.network;
	start_workers(network);
	let folder = network.options.folder.join("inference");
	bert::write_folder(&folder.join("model"));
	fs::write(folder.join("texts.txt"), "w3 w4\nw5\nw6 w7 w8\nw9 w3\nw11\n").expect("the texts are written");
	let path = folder.join("embed.toml");
	fs::write(
		&path,
		r#"
title = "Embeddings of five texts"
class = "inference"
[inference]
model = "model"
length = 8
batch = 2
[data]
file = "texts.txt"
format = "lines"
[price]
tip_per_gmac = 1000000000
max_total = 1000000000000000
[verification]
sampled = 2
verifiers = 1
[terms]
deadline_blocks = 600
"#,
	)
	.expect("the manifest is written");
	let task = network.submit(&path).expect("the task is posted");

	let settled = wait_for_state(network, task, "settled");
	assert_eq!(settled["settledTo"], accounts::BOB);
	let folder = download(network, task);
	assert_eq!(read(&folder, "receipt.json")["task"]["state"], "settled");
	let trace = read(&folder, "trace.json");
	let evaluations = trace["segments"]
		.as_array()
		.expect("the trace lists the segments")
		.iter()
		.filter(|segment| !segment["evaluation"].is_null())
		.count();
	assert_eq!(evaluations, 3, "a segment for each batch of two texts: {trace}");
}
