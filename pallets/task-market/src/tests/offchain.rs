// SPDX-License-Identifier: Apache-2.0

//! What the off-chain worker sends.

use crate::mock::*;
use codec::{Decode, Encode};
use poaiw_primitives::{
	app,
	outbox::{lease_key, liveness_key, LeaseWish, Liveness, RETRY_AFTER},
	traits::Market,
	TaskId,
};
use polkadot_sdk::{
	frame_support::traits::Hooks,
	sp_core::offchain::{
		testing::{PoolState, TestOffchainExt, TestTransactionPoolExt},
		OffchainDbExt, OffchainWorkerExt, TransactionPoolExt,
	},
	sp_io,
	sp_keystore::{testing::MemoryKeystore, Keystore, KeystoreExt},
	sp_runtime::offchain::storage::StorageValueRef,
};
use std::sync::Arc;

type Pool = Arc<parking_lot::RwLock<PoolState>>;

fn with_node(n: u8, test: impl FnOnce(Pool)) {
	let mut ext: sp_io::TestExternalities = ExtBuilder::default().build();
	let (offchain, _) = TestOffchainExt::new();
	let (pool, pool_state) = TestTransactionPoolExt::new();
	let keystore = MemoryKeystore::new();
	let seed = format!("0x{}", hex(&[n; 32]));
	let public = keystore.sr25519_generate_new(app::KEY_TYPE, Some(&seed)).unwrap();
	use polkadot_sdk::sp_core::Pair;
	assert_eq!(app::ReporterId::from(public), key(n).public());
	ext.register_extension(OffchainDbExt::new(offchain.clone()));
	ext.register_extension(OffchainWorkerExt::new(offchain));
	ext.register_extension(TransactionPoolExt::new(pool));
	ext.register_extension(KeystoreExt::new(keystore));
	ext.execute_with(|| {
		test(pool_state);
		check_state();
	});
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn store(key: Vec<u8>, value: impl Encode) {
	StorageValueRef::persistent(&key).set(&value);
}

fn wish(n: u8, task: Option<TaskId>, refused: Vec<TaskId>) {
	store(
		lease_key(&account(n)),
		LeaseWish {
			at: now(),
			task,
			refused,
		},
	);
}

/// Runs the off-chain worker and applies what it sent, as the next block would. Returns how many there were.
fn run_offchain(pool: &Pool) -> usize {
	TaskMarket::offchain_worker(now());
	let sent = core::mem::take(&mut pool.write().transactions);
	for bytes in &sent {
		let extrinsic = Extrinsic::decode(&mut bytes.as_slice()).unwrap();
		assert_eq!(apply(extrinsic.function), Ok(Ok(())));
	}
	sent.len()
}

#[test]
fn wish_should_become_a_lease_of_the_best_task() {
	with_node(WORKER, |pool| {
		let (first, second) = (post(), post());
		assert_eq!(run_offchain(&pool), 0);
		wish(WORKER, None, vec![first]);
		assert_eq!(run_offchain(&pool), 1);
		assert_eq!(TaskMarket::lease_of(&account(WORKER)), Some(second));
		// With a lease, the wish waits.
		run_blocks(RETRY_AFTER);
		assert_eq!(run_offchain(&pool), 0);
	});
}

#[test]
fn wish_should_be_ignored_when_old_or_impossible() {
	with_node(WORKER, |pool| {
		let task = post();
		wish(WORKER, Some(99), vec![]);
		assert_eq!(run_offchain(&pool), 0);
		wish(WORKER, Some(task), vec![]);
		run_blocks(crate::offchain::WISH_LONGEVITY + 1);
		assert_eq!(run_offchain(&pool), 0);
		wish(WORKER, Some(task), vec![]);
		assert_eq!(run_offchain(&pool), 1);
	});
}

#[test]
fn lease_should_be_sent_again_only_after_a_while() {
	with_node(WORKER, |pool| {
		post();
		wish(WORKER, None, vec![]);
		for _ in 0..RETRY_AFTER {
			TaskMarket::offchain_worker(now());
			assert_eq!(pool.read().transactions.len(), 1);
			next_block();
		}
		TaskMarket::offchain_worker(now());
		assert_eq!(pool.read().transactions.len(), 2);
	});
}

#[test]
fn heartbeats_should_be_sent_while_the_worker_makes_progress() {
	with_node(WORKER, |pool| {
		let task = post();
		lease(WORKER, task);
		let alive = liveness_key(&account(WORKER), task);
		run_blocks(4);
		assert_eq!(run_offchain(&pool), 0);
		store(alive.clone(), Liveness { at: now() });
		assert_eq!(run_offchain(&pool), 1);
		let beat = TaskMarket::leased(task).unwrap().lease.heartbeat;
		assert_eq!(beat, now());
		// The same sign of life does not count twice.
		run_blocks(5);
		assert_eq!(run_offchain(&pool), 0);
		store(alive, Liveness { at: now() });
		assert_eq!(run_offchain(&pool), 1);
	});
}

#[test]
fn nothing_should_be_sent_for_keys_that_are_not_registered() {
	with_node(39, |pool| {
		post();
		wish(39, None, vec![]);
		assert_eq!(run_offchain(&pool), 0);
	});
}
