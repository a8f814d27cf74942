// SPDX-License-Identifier: Apache-2.0

//! What the off-chain worker sends.

use crate::mock::*;
use codec::{Decode, Encode};
use poaiw_primitives::{
	app,
	outbox::{attestation_key, vote_key, RETRY_AFTER},
	task::{Attestation, TaskState, Verdict},
};
use polkadot_sdk::{
	frame_support::traits::Hooks,
	sp_core::offchain::{
		testing::{PoolState, TestOffchainExt, TestTransactionPoolExt},
		OffchainDbExt, OffchainWorkerExt, TransactionPoolExt,
	},
	sp_keystore::{testing::MemoryKeystore, Keystore, KeystoreExt},
	sp_runtime::offchain::storage::StorageValueRef,
};
use std::sync::Arc;

type Pool = Arc<parking_lot::RwLock<PoolState>>;

/// A node that has the report keys of these accounts.
fn with_node(accounts: &[u8], test: impl FnOnce(Pool)) {
	let mut ext = ExtBuilder::default().build();
	let (offchain, _) = TestOffchainExt::new();
	let (pool, pool_state) = TestTransactionPoolExt::new();
	let keystore = MemoryKeystore::new();
	for n in accounts {
		let seed: String = [*n; 32].iter().map(|byte| format!("{byte:02x}")).collect();
		keystore
			.sr25519_generate_new(app::KEY_TYPE, Some(&format!("0x{seed}")))
			.unwrap();
	}
	ext.register_extension(OffchainDbExt::new(offchain.clone()));
	ext.register_extension(OffchainWorkerExt::new(offchain));
	ext.register_extension(TransactionPoolExt::new(pool));
	ext.register_extension(KeystoreExt::new(keystore));
	ext.execute_with(|| {
		test(pool_state);
		check_state();
	});
}

fn store(key: Vec<u8>, value: impl Encode) {
	StorageValueRef::persistent(&key).set(&value);
}

/// Runs the off-chain worker and applies what it sent, as the next block would. Returns how many there were.
fn run_offchain(pool: &Pool) -> usize {
	Verification::offchain_worker(now());
	let sent = core::mem::take(&mut pool.write().transactions);
	for bytes in &sent {
		let extrinsic = Extrinsic::decode(&mut bytes.as_slice()).unwrap();
		assert_eq!(apply(extrinsic.function), Ok(Ok(())));
	}
	sent.len()
}

#[test]
fn stored_attestation_should_be_sent_for_the_lease_it_belongs_to() {
	with_node(&[WORKER], |pool| {
		let task = post();
		lease_seeded(WORKER, task);
		store(attestation_key(&account(WORKER), task, 2), attestation(task));
		assert_eq!(run_offchain(&pool), 0);
		store(attestation_key(&account(WORKER), task, 1), attestation(task));
		assert_eq!(run_offchain(&pool), 1);
		assert!(matches!(state(task), TaskState::Attested(_)));
		run_blocks(RETRY_AFTER);
		assert_eq!(run_offchain(&pool), 0);
	});
}

#[test]
fn attestation_that_would_be_refused_should_not_be_sent() {
	with_node(&[WORKER], |pool| {
		let task = post();
		lease_seeded(WORKER, task);
		let outbox = attestation_key(&account(WORKER), task, 1);
		store(
			outbox.clone(),
			Attestation {
				macs: 1,
				..attestation(task)
			},
		);
		assert_eq!(run_offchain(&pool), 0);
		store(outbox.clone(), b"not an attestation".to_vec());
		assert_eq!(run_offchain(&pool), 0);
		store(outbox, attestation(task));
		assert_eq!(run_offchain(&pool), 1);
	});
}

#[test]
fn attestation_should_be_sent_again_until_it_is_seen() {
	with_node(&[WORKER], |pool| {
		let task = post();
		lease_seeded(WORKER, task);
		store(attestation_key(&account(WORKER), task, 1), attestation(task));
		Verification::offchain_worker(now());
		Verification::offchain_worker(now());
		assert_eq!(pool.read().transactions.len(), 1);
		run_blocks(RETRY_AFTER);
		Verification::offchain_worker(now());
		assert_eq!(pool.read().transactions.len(), 2);
	});
}

#[test]
fn stored_verdicts_should_be_sent_for_what_is_due() {
	with_node(&VERIFIERS, |pool| {
		let task = attested(WORKER);
		assert_eq!(run_offchain(&pool), 0);
		let due = due_votes(task);
		for (n, segment) in &due {
			store(vote_key(&account(*n), task, 1, *segment), Verdict::Accept);
		}
		assert_eq!(run_offchain(&pool), due.len());
		assert!(matches!(state(task), TaskState::Settled { .. }));
	});
}

#[test]
fn verdicts_should_not_be_sent_by_a_node_without_the_key() {
	with_node(&[MINER], |pool| {
		let task = attested(WORKER);
		for (n, segment) in due_votes(task) {
			store(vote_key(&account(n), task, 1, segment), Verdict::Accept);
		}
		assert_eq!(run_offchain(&pool), 0);
	});
}
