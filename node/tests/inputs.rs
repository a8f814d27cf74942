// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Whatever comes from outside: random parameters and random seals are refused in words, change nothing and break nothing.
#![allow(missing_docs)]

mod common;

use codec::Encode;
use common::{genesis_time, now, win, Chain};
use jsonrpsee::RpcModule;
use poaiw_node::{consensus::mining::SubmitError, rpc::worker_methods};
use poaiw_primitives::{digest::ENGINE_ID, outbox::lease_key, Header};
use polkadot_sdk::*;
use proptest::{
	prelude::*,
	test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sc_client_api::Backend;
use sc_rpc_api::DenyUnsafe;
use serde_json::{json, Value};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keyring::Sr25519Keyring;
use sp_runtime::DigestItem;
use std::future::Future;

const INTERNAL_ERROR: i64 = -32603;

/// The same cases on every run.
fn runner(cases: u32) -> TestRunner {
	let config = Config {
		cases,
		failure_persistence: None,
		..Config::default()
	};
	TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// From inside of a property, which is not asynchronous.
fn wait<T>(future: impl Future<Output = T>) -> T {
	tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// Values of every JSON kind, among them some that look like what the methods take.
fn any_value() -> impl Strategy<Value = Value> {
	let bob = Sr25519Keyring::Bob.to_account_id();
	let leaf = prop_oneof![
		Just(Value::Null),
		any::<bool>().prop_map(Value::from),
		any::<u64>().prop_map(Value::from),
		any::<i32>().prop_map(Value::from),
		any::<f64>().prop_map(Value::from),
		"\\PC{0,40}".prop_map(Value::from),
		"[0-9]{0,45}".prop_map(Value::from),
		"(0x)?[0-9a-f]{0,200}".prop_map(Value::from),
		"0x[0-9a-f]{64}".prop_map(Value::from),
		Just(json!(bob)),
	];
	leaf.prop_recursive(3, 24, 6, |inner| {
		prop_oneof![
			prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
			prop::collection::hash_map("[a-z]{0,8}", inner, 0..4)
				.prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
		]
	})
}

fn any_params() -> impl Strategy<Value = Value> {
	prop_oneof![
		4 => prop::collection::vec(any_value(), 0..5).prop_map(Value::from),
		1 => any_value(),
	]
}

fn methods(chain: &Chain) -> RpcModule<()> {
	let mut module = worker_methods(chain.worker_deps()).unwrap();
	// As for a local client: all methods do what they are asked for.
	module.extensions_mut().insert(DenyUnsafe::No);
	module
}

#[tokio::test(flavor = "multi_thread")]
async fn random_parameters_should_be_answered_and_leave_the_chain_alone() {
	let chain = Chain::new(genesis_time());
	let module = methods(&chain);
	let mut names: Vec<&'static str> = module.method_names().collect();
	names.sort_unstable();
	assert!(names.len() >= 15, "{names:?}");
	let best = chain.best();
	let bob = Sr25519Keyring::Bob.to_account_id();
	let wish = || {
		let storage = chain.backend.offchain_storage().unwrap();
		storage.get(STORAGE_PREFIX, &lease_key(&bob))
	};
	let case = (prop::sample::select(names), any_params());
	let property = |(method, params): (&'static str, Value)| {
		let before = wish();
		let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
		let (answer, _notes) = wait(module.raw_json_request(&call.to_string(), 16))
			.map_err(|error| TestCaseError::fail(format!("{method} {params}: {error}")))?;
		let answer: Value = serde_json::from_str(&answer).unwrap();
		match answer.get("error") {
			Some(error) => {
				prop_assert_ne!(
					error["code"].as_i64(),
					Some(INTERNAL_ERROR),
					"{} {}: {}",
					method,
					params,
					error
				);
				prop_assert!(!error["message"].as_str().unwrap_or_default().is_empty());
				prop_assert_eq!(before, wish(), "{} {} stored something", method, params);
			}
			None => prop_assert!(answer.get("result").is_some(), "{}", answer),
		}
		prop_assert_eq!(chain.best(), best);
		Ok(())
	};
	runner(2_000).run(&case, property).unwrap();
	// And it still works.
	assert_eq!(chain.best().0, 0);
	chain.mine().await;
	assert_eq!(chain.best().0, 1);
}

/// Bytes as seals come in: at random, too long, or near a good one.
fn any_seal(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
	let cut = 0..good.len();
	let (other, changed) = (good.clone(), good.clone());
	prop_oneof![
		prop::collection::vec(any::<u8>(), 0..2_000),
		cut.prop_map(move |length| good[..length].to_vec()),
		prop::collection::vec(any::<u8>(), 1..64).prop_map(move |more| [other.clone(), more].concat()),
		(
			prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
			Just(changed)
		)
			.prop_map(|(edits, mut seal)| {
				for (at, byte) in edits {
					let at = at.index(seal.len());
					seal[at] = byte;
				}
				seal
			}),
	]
}

fn sealed(mut header: Header, seal: Vec<u8>) -> Header {
	header.digest.logs.push(DigestItem::Seal(ENGINE_ID, seal));
	header
}

#[tokio::test(flavor = "multi_thread")]
async fn random_seals_should_be_refused_and_leave_the_template_good() {
	let time = genesis_time();
	let (chain, other) = (Chain::new(time), Chain::new(time));
	let (template, proposal) = chain.template(chain.best().1, chain.author.clone(), now()).await;
	let (pre_hash, good) = (template.pre_hash, win(&template));
	let (header, body) = (proposal.block.header.clone(), proposal.block.extrinsics.clone());
	chain.keeper.store(template, proposal);
	let property = |seal: Vec<u8>| {
		// A changed position may win by itself: that is another good seal, and no case of this test.
		if other
			.rules
			.check_header(sealed(header.clone(), seal.clone()))
			.is_ok()
		{
			return Err(TestCaseError::reject("it wins"));
		}
		let submitted = wait(chain.keeper.submit(pre_hash, seal.clone()));
		prop_assert!(
			matches!(submitted, Err(SubmitError::Refused(_))),
			"{:?}",
			submitted
		);
		let received = wait(other.receive((sealed(header.clone(), seal), body.clone())));
		prop_assert!(received.is_err(), "{:?}", received);
		prop_assert_eq!((chain.best().0, other.best().0), (0, 0));
		Ok(())
	};
	runner(1_000).run(&any_seal(good.clone()), property).unwrap();
	let hash = chain.keeper.submit(pre_hash, good.clone()).await.unwrap();
	assert!(other.receive((sealed(header, good), body)).await.is_ok());
	assert_eq!((chain.best(), other.best()), ((1, hash), (1, hash)));
}

#[tokio::test(flavor = "multi_thread")]
async fn random_digests_should_be_refused() {
	let time = genesis_time();
	let (chain, fresh) = (Chain::new(time), Chain::new(time));
	let hash = chain.mine().await;
	let (header, body) = chain.block(hash);
	let item = prop_oneof![
		(any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..80))
			.prop_map(|(id, data)| DigestItem::Seal(id, data)),
		prop::collection::vec(any::<u8>(), 0..80).prop_map(|data| DigestItem::Seal(ENGINE_ID, data)),
		prop::collection::vec(any::<u8>(), 0..80).prop_map(|data| DigestItem::PreRuntime(ENGINE_ID, data)),
		prop::collection::vec(any::<u8>(), 0..80).prop_map(DigestItem::Other),
		Just(DigestItem::PreRuntime(ENGINE_ID, chain.author.encode())),
	];
	let property = |logs: Vec<DigestItem>| {
		let mut header = header.clone();
		header.digest.logs = logs;
		prop_assert!(chain.rules.check_header(header.clone()).is_err());
		prop_assert!(wait(fresh.receive((header, body.clone()))).is_err());
		prop_assert_eq!(fresh.best().0, 0);
		Ok(())
	};
	runner(500)
		.run(&prop::collection::vec(item, 0..5), property)
		.unwrap();
	assert!(
		fresh.receive((header, body)).await.is_ok(),
		"the untouched block is fine"
	);
}
