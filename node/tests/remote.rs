// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The server for workers of other machines: who is let in, and to what.
#![allow(missing_docs)]

mod common;

use common::{full_node, genesis_time, Chain};
use jsonrpsee::{
	core::{
		client::{ClientT, Subscription, SubscriptionClientT},
		ClientError,
	},
	rpc_params,
	server::ServerHandle,
	ws_client::{HeaderMap, HeaderValue, WsClient, WsClientBuilder},
};
use poaiw_node::{
	cli::WorkerParams,
	rpc::{
		remote::{serve, MAX_CONNECTIONS, MAX_REQUEST},
		types::{StatsJson, StoredJson, TaskJson, TemplateJson},
		worker_methods,
	},
};
use poaiw_primitives::token::Token;
use polkadot_sdk::*;
use sp_keyring::Sr25519Keyring;
use std::{net::SocketAddr, path::Path};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const METHOD_NOT_FOUND: i32 = -32601;

struct Served {
	_chain: Chain,
	address: SocketAddr,
	_server: ServerHandle,
}

fn served() -> Served {
	let chain = Chain::new(genesis_time());
	let module = worker_methods(chain.worker_deps()).unwrap();
	let token = Token::parse(SECRET).unwrap();
	let any = "127.0.0.1:0".parse().unwrap();
	let (address, server) = serve(any, &token, module, tokio::runtime::Handle::current()).unwrap();
	Served {
		_chain: chain,
		address,
		_server: server,
	}
}

async fn connect(address: SocketAddr, authorization: Option<&str>) -> Result<WsClient, ClientError> {
	let mut headers = HeaderMap::new();
	if let Some(value) = authorization {
		headers.insert("authorization", HeaderValue::from_str(value).unwrap());
	}
	WsClientBuilder::default()
		.set_headers(headers)
		.build(format!("ws://{address}"))
		.await
}

/// A plain HTTP call: status line, headers and body of the answer.
async fn post(address: SocketAddr, authorization: Option<&str>, body: &str) -> String {
	let mut stream = TcpStream::connect(address).await.unwrap();
	let authorization = authorization
		.map(|value| format!("Authorization: {value}\r\n"))
		.unwrap_or_default();
	let request = format!(
		"POST / HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nConnection: close\r\n\
		 Content-Length: {}\r\n\r\n{body}",
		body.len()
	);
	// A server that has seen enough of a request may close before it is all sent.
	let _ = stream.write_all(request.as_bytes()).await;
	let mut answer = Vec::new();
	let _ = stream.read_to_end(&mut answer).await;
	String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_should_be_let_in_only_when_it_sends_the_token() {
	let node = served();
	let long = format!("Bearer {SECRET}0");
	let short = format!("Bearer {}", &SECRET[..31]);
	let basic = format!("Basic {SECRET}");
	for wrong in [
		None,
		Some("Bearer "),
		Some(long.as_str()),
		Some(short.as_str()),
		Some(basic.as_str()),
		Some(SECRET),
	] {
		let error = connect(node.address, wrong)
			.await
			.expect_err("no token, no connection");
		assert!(error.to_string().contains("401"), "{wrong:?}: {error}");
	}
	let right = connect(node.address, Some(&format!("Bearer {SECRET}")))
		.await
		.unwrap();
	let stats: StatsJson = right.request("work_stats", rpc_params![]).await.unwrap();
	assert_eq!(stats.best, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_should_be_http_401_and_say_what_to_do() {
	let node = served();
	let call = r#"{"jsonrpc":"2.0","id":1,"method":"work_stats","params":[]}"#;
	let without = post(node.address, None, call).await;
	assert!(without.starts_with("HTTP/1.1 401"), "{without}");
	assert!(
		without.to_lowercase().contains("www-authenticate: bearer"),
		"{without}"
	);
	assert!(without.contains("--token-file"), "{without}");
	let wrong = post(node.address, Some("Bearer wrong"), call).await;
	assert!(
		wrong.starts_with("HTTP/1.1 401") && wrong.contains("compare"),
		"{wrong}"
	);
	let right = post(node.address, Some(&format!("bearer {SECRET}")), call).await;
	assert!(
		right.starts_with("HTTP/1.1 200") && right.contains("\"best\":0"),
		"{right}"
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_with_the_token_should_be_trusted_with_its_methods_and_no_others() {
	let node = served();
	let client = connect(node.address, Some(&format!("Bearer {SECRET}")))
		.await
		.unwrap();
	let bob = Sr25519Keyring::Bob.to_account_id();
	// Unsafe-class on the SDK's server.
	let stored: StoredJson = client
		.request("worker_requestLease", rpc_params![&bob])
		.await
		.unwrap();
	assert_eq!(stored.at, 0);
	let _templates: Subscription<TemplateJson> = client
		.subscribe(
			"work_subscribeTemplate",
			rpc_params![&bob],
			"work_unsubscribeTemplate",
		)
		.await
		.unwrap();
	let none: Option<TaskJson> = client.request("market_task", rpc_params![7]).await.unwrap();
	assert_eq!(none, None);
	for method in [
		"author_insertKey",
		"author_rotateKeys",
		"author_submitExtrinsic",
		"system_addReservedPeer",
		"system_health",
		"system_accountNextIndex",
		"state_getStorage",
		"chain_getHeader",
		"grandpa_roundState",
		"offchain_localStorageSet",
	] {
		let answer = client
			.request::<serde_json::Value, _>(method, rpc_params![])
			.await;
		let refused = matches!(&answer, Err(ClientError::Call(error)) if error.code() == METHOD_NOT_FOUND);
		assert!(refused, "{method}: {answer:?}");
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limits_should_be_refused() {
	let node = served();
	let bearer = format!("Bearer {SECRET}");
	let call = format!(
		r#"{{"jsonrpc":"2.0","id":1,"method":"work_submitSeal","params":["{}"]}}"#,
		"0".repeat(MAX_REQUEST as usize)
	);
	let answer = post(node.address, Some(&bearer), &call).await;
	assert!(!answer.contains("\"result\""), "{answer}");
	let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"work_stats","params":[]}]"#;
	let answer = post(node.address, Some(&bearer), batch).await;
	assert!(
		answer.contains("error") && !answer.contains("\"result\""),
		"{answer}"
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_should_be_refused() {
	let node = served();
	let bearer = format!("Bearer {SECRET}");
	let mut held = Vec::new();
	for number in 0..MAX_CONNECTIONS {
		let client = connect(node.address, Some(&bearer)).await;
		held.push(client.unwrap_or_else(|error| panic!("{number}: {error}")));
	}
	assert!(connect(node.address, Some(&bearer)).await.is_err());
}

fn write_token(path: &Path, text: &str, mode: u32) {
	std::fs::write(path, text).unwrap();
	#[cfg(unix)]
	std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
	#[cfg(not(unix))]
	let _ = mode;
}

#[test]
fn token_file_should_be_refused_when_it_is_missing_short_long_or_open_to_others() {
	let folder = tempfile::tempdir().unwrap();
	let path = folder.path().join("token");
	let refused = |what: &str| {
		let error = Token::read(&path).expect_err(what);
		assert!(error.contains("token") && error.contains(what), "{error}");
		assert!(
			error.contains("openssl rand -hex 32") || error.contains("chmod 600"),
			"{error}"
		);
	};
	refused("can't be read");
	write_token(&path, "", 0o600);
	refused("0 characters");
	write_token(&path, &SECRET[1..], 0o600);
	refused("31 characters");
	write_token(&path, &format!("{SECRET} {SECRET}\n"), 0o600);
	refused("visible ASCII");
	write_token(&path, &"a".repeat(2_000), 0o600);
	refused("more than");
	std::fs::write(&path, [0xff; 40]).unwrap();
	refused("as text");
	#[cfg(unix)]
	for mode in [0o640, 0o604, 0o644, 0o660] {
		write_token(&path, SECRET, mode);
		refused("chmod 600");
	}
	write_token(&path, &format!("{SECRET}\n"), 0o600);
	assert_eq!(Token::read(&path).unwrap().secret(), SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_should_serve_remote_workers_as_its_command_line_says() {
	let folder = tempfile::tempdir().unwrap();
	let path = folder.path().join("token");
	write_token(&path, SECRET, 0o600);
	let workers = WorkerParams {
		worker_rpc_listen: Some("127.0.0.1:0".parse().unwrap()),
		worker_token_file: Some(path),
	};
	let (node, _folder) = full_node(genesis_time(), &workers, &["--port", "0"]);
	let address = node.worker_rpc.expect("it serves remote workers");
	assert!(connect(address, None).await.is_err());
	let client = connect(address, Some(&format!("Bearer {SECRET}"))).await.unwrap();
	let stats: StatsJson = client.request("work_stats", rpc_params![]).await.unwrap();
	assert_eq!(stats.best, 0);
}
