// SPDX-License-Identifier: Apache-2.0

//! A worker that flips one weight of its result loses its bond, and the task is done by an honest one.

mod support;

use poaiw_devnet::{network::accounts, Report, WorkerOptions};
use serde_json::json;
use support::{cpu_worker, manifest, network, wait, wait_for_state};

/// Bond of an account, in the smallest unit.
fn bond(network: &poaiw_devnet::Network, account: &str) -> anyhow::Result<u128> {
	let status = network.rpc.call("worker_status", json!([account]))?;
	Ok(status["bond"].as_str().unwrap_or_default().parse()?)
}

#[test]
fn flipped_weight_should_be_slashed_and_the_task_settled_by_an_honest_worker() {
	let mut test = network();
	let network = &mut test.network;
	let before = bond(network, accounts::CHARLIE).expect("Charlie is registered");
	network
		.start_worker(WorkerOptions::cpu_verifier("verifier", accounts::ALICE))
		.expect("the verifier starts");
	let cheater = WorkerOptions {
		program: "examples/cheating_worker".into(),
		..cpu_worker("cheater", accounts::CHARLIE)
	};
	network.start_worker(cheater).expect("the cheater starts");
	let task = network
		.submit(&manifest("digits/quick.toml"))
		.expect("the task is posted");

	let attested = wait(network, "the cheater's attestation", |network| {
		let report = network.task(task)?;
		Ok((report["state"] == "attested").then_some(report))
	});
	assert_eq!(attested["lease"]["worker"], accounts::CHARLIE);

	// Rejected: the bond is slashed and the task is open again (or already leased again by whoever is there).
	wait(network, "the slash", |network| {
		Ok((bond(network, accounts::CHARLIE)? < before).then_some(()))
	});
	let reopened = network.task(task).expect("the task is still known");
	assert_ne!(
		reopened["state"], "settled",
		"the cheater must not be paid: {reopened}"
	);
	network.kill_worker("cheater").expect("the cheater runs");
	network
		.start_worker(cpu_worker("honest", accounts::BOB))
		.expect("the honest worker starts");

	let settled = wait_for_state(network, task, "settled");
	assert_eq!(settled["settledTo"], accounts::BOB);
	assert!(settled["attempts"].as_u64() >= Some(2), "{settled}");
	let report = Report::read(&network.rpc).expect("the node reports");
	assert_ne!(report.supply["burnedSlashes"], "0", "part of the slash is burned");
	assert!(report.issuance_checked, "{}", report.supply);
}
