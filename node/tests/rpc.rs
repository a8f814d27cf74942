// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The RPC methods, asked by a real client over a real connection.
#![allow(missing_docs)]

mod common;

use codec::{Decode, Encode};
use common::{author, genesis_time, now, win, Chain};
use jsonrpsee::{
	core::{
		client::{ClientT, Subscription, SubscriptionClientT},
		ClientError,
	},
	rpc_params,
	server::{middleware::rpc::RpcServiceT, RpcServiceBuilder, Server, ServerHandle},
	types::Request,
	ws_client::{WsClient, WsClientBuilder},
};
use poaiw_node::rpc::{
	types::{
		ProfileJson, QuoteJson, StatsJson, StoredJson, SubmitJson, SupplyJson, TaskJson, TemplateJson,
		WorkerJson,
	},
	worker_methods, REFUSED,
};
use poaiw_primitives::{
	outbox::{lease_key, LeaseWish},
	task::{TaskClass, TaskSpec, Verdict, VerificationLevel, Vote},
	AccountId, UNIT,
};
use polkadot_sdk::*;
use sc_client_api::Backend;
use sc_rpc_api::DenyUnsafe;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keyring::Sr25519Keyring;

const INVALID_PARAMS: i32 = -32602;
const METHOD_NOT_FOUND: i32 = -32601;

/// Says whether the client is trusted, as the node's server does.
#[derive(Clone)]
struct Trust<S> {
	service: S,
	deny: DenyUnsafe,
}

impl<'a, S: RpcServiceT<'a>> RpcServiceT<'a> for Trust<S> {
	type Future = S::Future;

	fn call(&self, mut request: Request<'a>) -> S::Future {
		request.extensions_mut().insert(self.deny);
		self.service.call(request)
	}
}

/// A chain with a server, and a client of it.
struct Served {
	chain: Chain,
	client: WsClient,
	_server: ServerHandle,
}

async fn serve(deny: DenyUnsafe) -> Served {
	let chain = Chain::new(genesis_time());
	let module = worker_methods(chain.worker_deps()).unwrap();
	let middleware = RpcServiceBuilder::new().layer_fn(move |service| Trust { service, deny });
	let server = Server::builder()
		.set_rpc_middleware(middleware)
		.build("127.0.0.1:0")
		.await
		.unwrap();
	let url = format!("ws://{}", server.local_addr().unwrap());
	// The server answers from here on, the handshake included.
	let server = server.start(module);
	let client = WsClientBuilder::default().build(&url).await.unwrap();
	Served {
		chain,
		client,
		_server: server,
	}
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> i32 {
	match result {
		Err(ClientError::Call(error)) => error.code(),
		other => panic!("{other:?}"),
	}
}

fn account(key: Sr25519Keyring) -> AccountId {
	key.to_account_id()
}

async fn next(subscription: &mut Subscription<TemplateJson>) -> TemplateJson {
	subscription
		.next()
		.await
		.expect("a template")
		.expect("it decodes")
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_should_get_templates_and_seal_a_block() {
	let Served {
		chain,
		client,
		_server,
	} = serve(DenyUnsafe::No).await;
	let bob = author(Sr25519Keyring::Bob);
	let mut templates: Subscription<TemplateJson> = client
		.subscribe(
			"work_subscribeTemplate",
			rpc_params![account(Sr25519Keyring::Bob)],
			"work_unsubscribeTemplate",
		)
		.await
		.unwrap();
	// Nobody but the keeper's task builds: here by hand, once the author is wanted.
	while !chain.keeper.authors().contains(&bob) {
		tokio::task::yield_now().await;
	}
	let (template, proposal) = chain.template(chain.best().1, bob.clone(), now()).await;
	let seal = format!("0x{}", hex::encode(win(&template)));
	chain.keeper.store(template, proposal);
	let given = next(&mut templates).await;
	assert_eq!(
		(given.height, &given.author, given.parent),
		(1, &bob.author, chain.best().1)
	);
	let submit =
		|seal: String| client.request::<SubmitJson, _>("work_submitSeal", rpc_params![seal, given.pre_hash]);
	assert!(
		matches!(submit("0x00".into()).await.unwrap(), SubmitJson::Rejected { reason, .. } if reason == "encoding")
	);
	assert_eq!(code(submit("zz".into()).await), INVALID_PARAMS);
	assert_eq!(code(submit("0".repeat(400_000)).await), INVALID_PARAMS);
	let SubmitJson::Accepted { hash } = submit(seal.clone()).await.unwrap() else {
		panic!("not accepted")
	};
	assert_eq!(chain.best(), (1, hash));
	assert!(matches!(submit(seal).await.unwrap(), SubmitJson::Stale { .. }));
	let stats: StatsJson = client.request("work_stats", rpc_params![]).await.unwrap();
	assert_eq!(
		(stats.best, stats.counts.synthetic_seals, stats.counts.seals_stale),
		(1, 1, 1)
	);
	let profile: ProfileJson = client.request("work_profile", rpc_params![]).await.unwrap();
	assert_eq!(
		(profile.epoch, profile.profile.rank, profile.mac_target.len()),
		(0, 32, 66)
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_methods_should_be_denied_to_strangers_and_safe_ones_answered() {
	let Served {
		client,
		_server,
		chain: _chain,
	} = serve(DenyUnsafe::Yes).await;
	let bob = account(Sr25519Keyring::Bob);
	let call = |method: &'static str, params: jsonrpsee::core::params::ArrayParams| {
		client.request::<serde_json::Value, _>(method, params)
	};
	for (method, params) in [
		(
			"work_submitSeal",
			rpc_params!["0x00", poaiw_primitives::Hash::zero()],
		),
		("worker_requestLease", rpc_params![&bob]),
		("worker_heartbeat", rpc_params![&bob, 1]),
		("worker_submitAttestation", rpc_params!["0x00"]),
		("worker_submitVote", rpc_params![&bob, "0x00"]),
	] {
		assert_eq!(code(call(method, params).await), METHOD_NOT_FOUND, "{method}");
	}
	let templates = client
		.subscribe::<TemplateJson, _>(
			"work_subscribeTemplate",
			rpc_params![&bob],
			"work_unsubscribeTemplate",
		)
		.await;
	assert!(templates.is_err());
	assert!(call("market_supply", rpc_params![]).await.is_ok());
	assert!(call("worker_status", rpc_params![&bob]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn ninth_author_should_be_refused() {
	let Served {
		client,
		_server,
		chain: _chain,
	} = serve(DenyUnsafe::No).await;
	let mut held = Vec::new();
	for number in 1..=8u8 {
		let subscribed = client
			.subscribe::<TemplateJson, _>(
				"work_subscribeTemplate",
				rpc_params![AccountId::new([number; 32])],
				"work_unsubscribeTemplate",
			)
			.await;
		// The node's own author has the first of the eight places.
		assert_eq!(subscribed.is_ok(), number <= 7, "{number}");
		held.push(subscribed);
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_wish_should_be_stored_for_the_off_chain_worker_when_it_makes_sense() {
	let Served {
		chain,
		client,
		_server,
	} = serve(DenyUnsafe::No).await;
	let wish = |account: AccountId, task: Option<u64>, refused: Vec<u64>| {
		client.request::<StoredJson, _>("worker_requestLease", rpc_params![account, task, refused])
	};
	let bob = account(Sr25519Keyring::Bob);
	let stored = || {
		chain
			.backend
			.offchain_storage()
			.unwrap()
			.get(STORAGE_PREFIX, &lease_key(&bob))
	};
	assert_eq!(
		code(wish(account(Sr25519Keyring::Ferdie), None, vec![]).await),
		REFUSED,
		"not registered"
	);
	assert_eq!(
		code(wish(account(Sr25519Keyring::Alice), None, vec![]).await),
		REFUSED,
		"not a worker"
	);
	assert_eq!(
		code(wish(bob.clone(), Some(77), vec![]).await),
		REFUSED,
		"no such task"
	);
	assert_eq!(code(wish(bob.clone(), None, vec![1; 33]).await), INVALID_PARAMS);
	assert_eq!(stored(), None);
	assert_eq!(
		wish(bob.clone(), None, vec![5]).await.unwrap(),
		StoredJson { at: 0, task: None }
	);
	let bytes = stored().expect("stored");
	assert_eq!(
		LeaseWish::decode(&mut &bytes[..]).unwrap(),
		LeaseWish {
			at: 0,
			task: None,
			refused: vec![5]
		}
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_fit_no_state_should_be_refused() {
	let Served {
		client,
		_server,
		chain: _chain,
	} = serve(DenyUnsafe::No).await;
	let bob = account(Sr25519Keyring::Bob);
	let alice = account(Sr25519Keyring::Alice);
	let call = |method: &'static str, params: jsonrpsee::core::params::ArrayParams| {
		client.request::<serde_json::Value, _>(method, params)
	};
	assert_eq!(
		code(call("worker_heartbeat", rpc_params![&bob, 1]).await),
		REFUSED
	);
	assert_eq!(
		code(call("worker_submitAttestation", rpc_params!["0x1234"]).await),
		INVALID_PARAMS
	);
	let vote = Vote {
		task: 1,
		attempt: 1,
		segment: 0,
		verdict: Verdict::Accept,
	};
	let vote = format!("0x{}", hex::encode(vote.encode()));
	assert_eq!(
		code(call("worker_submitVote", rpc_params![&alice, &vote]).await),
		REFUSED
	);
	assert_eq!(
		code(call("worker_submitVote", rpc_params![&alice, format!("{vote}00")]).await),
		INVALID_PARAMS
	);
	assert_eq!(
		code(call("worker_submitVote", rpc_params!["nobody", vote]).await),
		INVALID_PARAMS
	);
	let status: Option<WorkerJson> = client.request("worker_status", rpc_params![&bob]).await.unwrap();
	let status = status.expect("registered");
	assert!(status.worker && !status.verifier && status.has_reporter_key && status.lease.is_none());
	let none: Option<WorkerJson> = client
		.request("worker_status", rpc_params![account(Sr25519Keyring::Ferdie)])
		.await
		.unwrap();
	assert_eq!(none, None);
	assert_eq!(
		call("worker_assignments", rpc_params![&alice]).await.unwrap(),
		serde_json::json!([])
	);
	assert_eq!(
		call("worker_brief", rpc_params![1]).await.unwrap(),
		serde_json::Value::Null
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn market_should_quote_check_and_report() {
	let Served {
		client,
		_server,
		chain: _chain,
	} = serve(DenyUnsafe::No).await;
	let quote: QuoteJson = client
		.request("market_quote", rpc_params!["2500000000", "7"])
		.await
		.unwrap();
	assert_eq!((quote.gmacs, quote.tip_per_gmac.as_str()), (3, "7"));
	for (macs, tip) in [
		("-1", "7"),
		("1e9", "7"),
		("1", ""),
		("99999999999999999999999", "1"),
	] {
		assert_eq!(
			code(
				client
					.request::<QuoteJson, _>("market_quote", rpc_params![macs, tip])
					.await
			),
			INVALID_PARAMS
		);
	}
	assert_eq!(
		client
			.request::<Option<TaskJson>, _>("market_task", rpc_params![9])
			.await
			.unwrap(),
		None
	);
	assert_eq!(
		client
			.request::<Vec<TaskJson>, _>("market_tasks", rpc_params![10])
			.await
			.unwrap(),
		vec![]
	);
	assert_eq!(
		code(
			client
				.request::<Vec<TaskJson>, _>("market_tasks", rpc_params![101])
				.await
		),
		INVALID_PARAMS
	);
	let supply: SupplyJson = client.request("market_supply", rpc_params![]).await.unwrap();
	assert!(supply.balanced && supply.genesis == supply.issuance);
	let spec = TaskSpec {
		class: TaskClass::Training,
		program_root: [1; 32],
		input_root: [2; 32],
		held_out: None,
		macs: 1_000_000_000,
		segments: 4,
		memory_mib: 64,
		locator: Default::default(),
		tip_per_gmac: UNIT,
		max_price: 100 * UNIT,
		deadline: 1_000,
		min_reputation: 0,
		level: VerificationLevel {
			sampled: 3,
			verifiers: 1,
		},
	};
	let check = |spec: String| {
		client.request::<String, _>(
			"market_checkSpec",
			rpc_params![account(Sr25519Keyring::Ferdie), spec],
		)
	};
	assert_eq!(
		check(format!("0x{}", hex::encode(spec.encode()))).await.unwrap(),
		""
	);
	let empty = TaskSpec { macs: 0, ..spec };
	assert_ne!(check(hex::encode(empty.encode())).await.unwrap(), "");
	assert_eq!(code(check("0x00".into()).await), INVALID_PARAMS);
}
