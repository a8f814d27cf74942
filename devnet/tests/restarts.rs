// SPDX-License-Identifier: Apache-2.0

//! Crashes: a worker killed in the middle of training resumes from its checkpoint, a node killed goes on mining, and the
//! task settles all the same.

mod support;

use poaiw_devnet::{network::accounts, WorkerOptions};
use support::{gpu_worker, manifest, network, wait, wait_for_state};

#[test]
fn task_should_settle_when_worker_and_node_were_killed_in_the_middle() {
	let mut test = network();
	let network = &mut test.network;
	network
		.start_worker(WorkerOptions::cpu_verifier("verifier", accounts::ALICE))
		.expect("the verifier starts");
	network
		.start_worker(gpu_worker("worker", accounts::BOB))
		.expect("the worker starts");
	let task = network
		.submit(&manifest("digits/digits.toml"))
		.expect("the task is posted");

	wait(network, "the second segment of the task", |network| {
		let segment = network.worker_status("worker")["task"]["segment"].as_u64();
		Ok(segment.filter(|segment| *segment >= 2))
	});
	let worker = network.kill_worker("worker").expect("the worker runs");
	network.start_worker(worker).expect("the worker starts again");
	let resumed = wait(network, "the worker to resume", |network| {
		Ok(network.worker_status("worker")["task"]["resumed_from"].as_u64())
	});
	assert!(
		resumed >= 1,
		"resumed from segment {resumed}: the checkpoint was not used"
	);

	let height = network.rpc.best().expect("the node answers");
	network.kill_node().expect("the node runs");
	network.start_node().expect("the node starts again");
	wait(network, "the chain to grow after the restart", |network| {
		Ok((network.rpc.best()? > height + 2).then_some(()))
	});

	let settled = wait_for_state(network, task, "settled");
	assert_eq!(settled["settledTo"], accounts::BOB);
	assert_eq!(settled["attempts"], 1, "the lease was kept through both restarts");
}
