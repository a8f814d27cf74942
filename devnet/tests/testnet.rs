// SPDX-License-Identifier: Apache-2.0

//! Three authorities of the `local` chain, two of which mine, as real processes: apart, together, one gone, one back. And
//! a worker that reaches a node as one on another machine would.

use poaiw_devnet::{
	network::free_port,
	testnet::{Authority, Testnet},
	Rpc,
};
use serde_json::{json, Value};
use std::{path::PathBuf, time::Duration};

/// Long enough for a loaded machine; each step ends as soon as what it waits for happens.
const PATIENCE: Duration = Duration::from_secs(120);
/// How far finality may be behind the head.
const FINALITY_LAG: u64 = 5;

/// A network in a folder that is removed at the end.
fn testnet() -> (Testnet, tempfile::TempDir) {
	let folder = tempfile::tempdir().expect("a temporary folder can be made");
	let test = std::env::current_exe().expect("a running test has a path");
	let programs: PathBuf = test
		.parent()
		.and_then(|folder| folder.parent())
		.expect("tests are built in a folder below the programs")
		.into();
	(Testnet::new(programs, folder.path().into()), folder)
}

fn wait<T>(net: &mut Testnet, what: &str, probe: impl FnMut(&Testnet) -> anyhow::Result<Option<T>>) -> T {
	net.wait(what, PATIENCE, probe)
		.unwrap_or_else(|error| panic!("{error:#}"))
}

fn hash(rpc: &Rpc, height: u64) -> anyhow::Result<Value> {
	rpc.call("chain_getBlockHash", json!([height]))
}

/// Waits until all nodes have finalized a height, and the same block there; how far they are.
fn wait_for_finality(net: &mut Testnet, height: u64) {
	wait(net, &format!("finality of block {height} everywhere"), |net| {
		let mut blocks = Vec::new();
		for name in net.names() {
			let rpc = net.rpc(name)?;
			if rpc.finalized()? < height {
				return Ok(None);
			}
			blocks.push(hash(rpc, height)?);
		}
		assert!(
			blocks.windows(2).all(|pair| pair[0] == pair[1]),
			"two blocks are finalized at height {height}: {blocks:?}"
		);
		Ok(Some(()))
	});
}

fn wait_for_best(net: &mut Testnet, name: &str, height: u64) {
	wait(net, &format!("{name} to reach block {height}"), |net| {
		Ok((net.rpc(name)?.best()? >= height).then_some(()))
	});
}

#[test]
fn authorities_should_agree_after_a_partition_and_after_a_crash() {
	let (mut net, _folder) = testnet();
	// Apart: each mines a chain of its own, and neither can finalize.
	net.add(Authority::mining("alice", 40)).expect("alice starts");
	net.add(Authority::mining("bob", 20)).expect("bob starts");
	wait_for_best(&mut net, "alice", 2);
	wait_for_best(&mut net, "bob", 1);
	let first = |net: &Testnet, name: &str| hash(net.rpc(name).unwrap(), 1).unwrap();
	assert_ne!(first(&net, "alice"), first(&net, "bob"), "they were apart");
	assert_eq!(net.rpc("alice").unwrap().finalized().unwrap(), 0);

	// Together, with the third vote: one chain, finalized.
	net.add(Authority::voting("charlie")).expect("charlie starts");
	for (one, other) in [("alice", "bob"), ("charlie", "alice"), ("charlie", "bob")] {
		net.connect(one, other).expect("they can be connected");
	}
	wait_for_finality(&mut net, 2);
	assert_eq!(
		first(&net, "alice"),
		first(&net, "bob"),
		"one of the chains was left"
	);

	// One gone: blocks go on, but finality needs all three votes.
	net.kill("bob").expect("bob runs");
	let height = net.rpc("alice").unwrap().best().unwrap();
	wait_for_best(&mut net, "alice", height + 3);
	wait_for_best(&mut net, "charlie", height + 3);
	let finalized = net.rpc("charlie").unwrap().finalized().unwrap();
	assert!(finalized < height + 3, "{finalized} was finalized without bob");

	// And back: it catches up, and so does finality.
	net.start("bob").expect("bob starts again");
	net.connect("bob", "alice").expect("they can be connected");
	wait_for_finality(&mut net, height + 3);
	wait(&mut net, "finality near the head", |net| {
		let mut near = true;
		for name in net.names() {
			let rpc = net.rpc(name)?;
			near &= rpc.best()?.saturating_sub(rpc.finalized()?) <= FINALITY_LAG;
		}
		Ok(near.then_some(()))
	});
}

#[test]
fn worker_of_another_machine_should_be_served_when_it_has_the_token() {
	let (mut net, folder) = testnet();
	let secret = |name: &str, text: &str| {
		let path = folder.path().join(name);
		std::fs::write(&path, text).unwrap();
		#[cfg(unix)]
		std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
		path.display().to_string()
	};
	let token = secret("token", "0123456789abcdef0123456789abcdef\n");
	let other = secret("other", "fedcba9876543210fedcba9876543210\n");
	let port = free_port().unwrap();
	net.add(Authority {
		remote_workers: Some((token.clone().into(), port)),
		..Authority::voting("alice")
	})
	.expect("alice starts");

	let node = format!("ws://127.0.0.1:{port}");
	// Dave is a registered worker of this chain.
	let dave = "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy";
	let status = |more: &[&str]| {
		let args = [&["status", "--node", &node, "--account", dave], more].concat();
		let output = net.run("poaiw-worker", &args).expect("the worker starts");
		let text = [output.stdout, output.stderr].concat();
		(
			output.status.success(),
			String::from_utf8_lossy(&text).into_owned(),
		)
	};
	let (good, words) = status(&["--token-file", &token]);
	assert!(good && words.contains(dave), "{words}");
	let (good, words) = status(&[]);
	assert!(!good && words.contains("give --token-file"), "{words}");
	let (good, words) = status(&["--token-file", &other]);
	assert!(!good && words.contains("compare --token-file"), "{words}");
}
