// SPDX-License-Identifier: Apache-2.0

//! What the end-to-end tests share: a network in a temporary folder, and waiting for what it does.

use poaiw_devnet::{Network, Options, WorkerOptions};
use serde_json::Value;
use std::{
	path::{Path, PathBuf},
	time::Duration,
};

/// Long enough for training on a software GPU with two cores; tests end as soon as what they wait for happens.
pub const PATIENCE: Duration = Duration::from_secs(900);

/// A network whose folder is removed at the end.
pub struct TestNetwork {
	/// The processes.
	pub network: Network,
	// Dropped after the processes.
	_folder: tempfile::TempDir,
}

/// A node, on a fresh chain.
pub fn network() -> TestNetwork {
	let folder = tempfile::tempdir().expect("a temporary folder can be made");
	let options = Options {
		programs: programs(),
		folder: folder.path().to_path_buf(),
		mine_duty: 10,
	};
	let network = Network::start(options).expect("the node starts");
	TestNetwork {
		network,
		_folder: folder,
	}
}

/// Folder of the built programs: where this test was built.
fn programs() -> PathBuf {
	let test = std::env::current_exe().expect("a running test has a path");
	test.parent()
		.and_then(Path::parent)
		.expect("tests are built in a folder below the programs")
		.to_path_buf()
}

/// A manifest of the examples.
pub fn manifest(name: &str) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("../examples")
		.join(name)
}

/// A worker on the software Vulkan driver that `cargo xtask test` selects.
#[allow(dead_code, reason = "not every test file starts one")]
pub fn gpu_worker(name: &str, account: &str) -> WorkerOptions {
	WorkerOptions::gpu(name, account)
}

/// A worker on the CPU, by choice.
#[allow(dead_code, reason = "not every test file starts one")]
pub fn cpu_worker(name: &str, account: &str) -> WorkerOptions {
	WorkerOptions {
		executor: "cpu",
		..WorkerOptions::gpu(name, account)
	}
}

/// Wait until the task is in `state`; its report.
pub fn wait_for_state(network: &mut Network, task: u64, state: &str) -> Value {
	wait(network, &format!("task {task} to be {state}"), |network| {
		let report = network.task(task)?;
		Ok((report["state"] == state).then_some(report))
	})
}

/// Wait for anything else.
pub fn wait<T>(
	network: &mut Network,
	what: &str,
	probe: impl FnMut(&Network) -> anyhow::Result<Option<T>>,
) -> T {
	network
		.wait(what, PATIENCE, probe)
		.unwrap_or_else(|error| panic!("{error:#}"))
}
