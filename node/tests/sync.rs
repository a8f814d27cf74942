// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Full nodes that talk over a real network connection.
#![allow(missing_docs)]

mod common;

use common::{full_node, genesis_time, Chain};
use futures::StreamExt;
use poaiw_node::{cli::WorkerParams, service::FullNode};
use poaiw_primitives::{api::EconomicsApi, Hash};
use polkadot_sdk::*;
use sc_client_api::{BlockchainEvents, HeaderBackend, StorageProvider};
use sp_api::ProvideRuntimeApi;
use sp_consensus::SyncOracle;
use std::{net::TcpListener, time::Duration};

/// Blocks of the chain that is synchronised.
const LENGTH: u32 = 500;
/// Time between two of them, as the chain has it.
const BLOCK_MS: u64 = 3_000;
/// Long enough for a machine that does something else as well; nothing waits longer than what it waits for.
const PATIENCE: Duration = Duration::from_secs(120);

fn free_port() -> String {
	let listener = TcpListener::bind("127.0.0.1:0").unwrap();
	listener.local_addr().unwrap().port().to_string()
}

fn finalized(node: &FullNode) -> u32 {
	node.client.info().finalized_number
}

/// Waits until the node has finalized a height.
async fn wait_for_finality(node: &FullNode, height: u32) {
	let mut notes = node.client.finality_notification_stream();
	let reached = async {
		while finalized(node) < height {
			notes.next().await.expect("the node runs");
		}
	};
	if tokio::time::timeout(PATIENCE, reached).await.is_err() {
		panic!("finalized {} instead of {height}", finalized(node));
	}
}

/// Waits until a block is the node's best. While a node catches up it tells of imports on this stream only.
async fn wait_for_best(node: &FullNode, best: Hash) {
	let mut notes = node.client.every_import_notification_stream();
	let reached = async {
		while node.client.info().best_hash != best {
			notes.next().await.expect("the node runs");
		}
	};
	if tokio::time::timeout(PATIENCE, reached).await.is_err() {
		panic!("best block is {:?} instead of {best}", node.client.info());
	}
}

/// The whole state of a block.
fn state(node: &FullNode, at: Hash) -> Vec<(Vec<u8>, Vec<u8>)> {
	let pairs = node
		.client
		.storage_pairs(at, None, None)
		.expect("the state is there");
	pairs.map(|(key, value)| (key.0, value.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_node_should_sync_a_long_chain_with_its_state_and_finality() {
	let (time, none) = (genesis_time(), WorkerParams::default());
	let port = free_port();
	let key = "0000000000000000000000000000000000000000000000000000000000000001";
	let (source, _source_folder) = full_node(time, &none, &["--alice", "--node-key", key, "--port", &port]);
	let chain = Chain::of(&source);
	for height in 1..=LENGTH {
		let mined = chain
			.mine_on(chain.best().1, time + u64::from(height) * BLOCK_MS)
			.await;
		assert!(mined.is_ok(), "{height}: {mined:?}");
	}
	let (height, best) = chain.best();
	assert_eq!(height, LENGTH);

	let peer = source.network.local_peer_id();
	let address = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}");
	let (fresh, _fresh_folder) = full_node(time, &none, &["--port", "0", "--bootnodes", &address]);
	assert_eq!(fresh.client.info().best_number, 0);
	wait_for_best(&fresh, best).await;
	// Followed to the end, not only by header: the same state, and the runtime answers from it.
	let root = |node: &FullNode| node.client.header(best).unwrap().unwrap().state_root;
	assert_eq!(root(&fresh), root(&source));
	assert!(state(&fresh, best) == state(&source, best));
	let supply = fresh.client.runtime_api().supply(best).unwrap();
	assert!(supply.is_balanced() && supply.minted > 0);
	assert_eq!(supply.synthetic_sealed_blocks, u64::from(LENGTH) - 1);
	assert!(!fresh.sync.is_offline());

	// The voting rule keeps finality two blocks behind the head. A block announced now reaches the fresh node, too.
	wait_for_finality(&source, LENGTH - 2).await;
	let next = chain
		.mine_on(best, time + u64::from(LENGTH + 1) * BLOCK_MS)
		.await
		.unwrap();
	wait_for_best(&fresh, next).await;
	wait_for_finality(&fresh, LENGTH - 2).await;
	for height in [1, LENGTH / 2, LENGTH - 2] {
		assert_eq!(
			fresh.client.hash(height).unwrap(),
			source.client.hash(height).unwrap(),
			"{height}"
		);
	}
}
