// SPDX-License-Identifier: Apache-2.0

//! Typed calls over one WebSocket. A broken connection is opened again by the next call, but not more often than the
//! backoff allows.

use super::types::{
	hex_bytes, AssignmentView, BadField, StatsView, SubmitView, TaskView, TemplateView, WorkerView,
};
use codec::{DecodeAll, Encode};
use jsonrpsee::{
	core::{
		client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
		params::ArrayParams,
	},
	rpc_params,
	ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use poaiw_primitives::{
	task::{Attestation, TaskReport, Vote},
	worker::VerificationBrief,
	AccountId, BlockNumber, Hash32, TaskId,
};
use poaiw_work::Seal;
use serde::de::DeserializeOwned;
use std::{
	sync::{
		atomic::{AtomicBool, Ordering::Relaxed},
		Arc,
	},
	time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer: a task report or a brief with all claims, in hex.
const MAX_ANSWER: u32 = 64 << 20;
/// Time between two pings.
const PING: Duration = Duration::from_secs(15);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
	/// There is no connection.
	#[error("no connection to the node at {url}: {reason}. Is it running, and is its RPC port reachable? It is tried again")]
	Offline {
		/// The node.
		url: String,
		/// What the transport said.
		reason: String,
	},
	/// The node refused the call.
	#[error("the node refused {method}: {message} (code {code})")]
	Refused {
		/// The method.
		method: &'static str,
		/// Code of the JSON-RPC error.
		code: i32,
		/// The node's words.
		message: String,
	},
	/// The answer was not understood.
	#[error("the answer to {method} was not understood: {reason}. Are node and worker of the same release?")]
	Answer {
		/// The method.
		method: &'static str,
		/// What is wrong with it.
		reason: String,
	},
}

impl NodeError {
	/// Whether the connection, not the request, is the problem.
	pub fn is_offline(&self) -> bool {
		matches!(self, Self::Offline { .. })
	}
}

/// Times between attempts to connect: doubling from a quarter of a second to 15 s.
#[derive(Debug)]
struct Backoff {
	delay: Duration,
	next: Option<Instant>,
	reason: String,
}

impl Backoff {
	fn new() -> Self {
		Self {
			delay: FIRST_DELAY,
			next: None,
			reason: String::new(),
		}
	}

	fn failed(&mut self, now: Instant, reason: String) {
		self.next = Some(now + self.delay);
		self.delay = (self.delay * 2).min(LONGEST_DELAY);
		self.reason = reason;
	}

	/// How long to wait before the next attempt.
	fn wait(&self, now: Instant) -> Option<Duration> {
		self.next
			.and_then(|next| next.checked_duration_since(now))
			.filter(|wait| !wait.is_zero())
	}
}

struct Link {
	client: Option<Arc<WsClient>>,
	backoff: Backoff,
}

struct Inner {
	url: String,
	link: Mutex<Link>,
	connected: AtomicBool,
}

/// A node. Clones share the connection.
#[derive(Clone)]
pub struct NodeClient {
	inner: Arc<Inner>,
}

impl NodeClient {
	/// A node by the URL of its WebSocket; nothing is connected yet.
	pub fn new(url: impl Into<String>) -> Self {
		Self {
			inner: Arc::new(Inner {
				url: url.into(),
				link: Mutex::new(Link {
					client: None,
					backoff: Backoff::new(),
				}),
				connected: AtomicBool::new(false),
			}),
		}
	}

	/// URL of the node.
	pub fn url(&self) -> &str {
		&self.inner.url
	}

	/// Whether the last call found a connection.
	pub fn is_connected(&self) -> bool {
		self.inner.connected.load(Relaxed)
	}

	fn offline(&self, reason: String) -> NodeError {
		self.inner.connected.store(false, Relaxed);
		NodeError::Offline {
			url: self.inner.url.clone(),
			reason,
		}
	}

	async fn link(&self) -> Result<Arc<WsClient>, NodeError> {
		let mut link = self.inner.link.lock().await;
		if let Some(client) = link.client.as_ref().filter(|client| client.is_connected()) {
			return Ok(client.clone());
		}
		link.client = None;
		if link.backoff.wait(Instant::now()).is_some() {
			return Err(self.offline(link.backoff.reason.clone()));
		}
		let built = WsClientBuilder::default()
			.request_timeout(PATIENCE)
			.connection_timeout(Duration::from_secs(10))
			.max_response_size(MAX_ANSWER)
			// Ends the subscription, too, when the node is gone without a word.
			.enable_ws_ping(PingConfig::new().ping_interval(PING).inactive_limit(3 * PING))
			.build(&self.inner.url)
			.await;
		match built {
			Ok(client) => {
				let client = Arc::new(client);
				link.client = Some(client.clone());
				link.backoff = Backoff::new();
				self.inner.connected.store(true, Relaxed);
				tracing::info!(node = %self.inner.url, "connected");
				Ok(client)
			}
			Err(error) => {
				let reason = error.to_string();
				link.backoff.failed(Instant::now(), reason.clone());
				Err(self.offline(reason))
			}
		}
	}

	async fn failed(&self, method: &'static str, error: RpcError, used: &Arc<WsClient>) -> NodeError {
		match error {
			RpcError::Call(object) => NodeError::Refused {
				method,
				code: object.code(),
				message: object.message().into(),
			},
			RpcError::ParseError(error) => NodeError::Answer {
				method,
				reason: error.to_string(),
			},
			other => {
				let mut link = self.inner.link.lock().await;
				if link
					.client
					.as_ref()
					.is_some_and(|client| Arc::ptr_eq(client, used))
				{
					link.client = None;
				}
				self.offline(other.to_string())
			}
		}
	}

	async fn call<T: DeserializeOwned>(
		&self,
		method: &'static str,
		params: ArrayParams,
	) -> Result<T, NodeError> {
		let client = self.link().await?;
		match client.request(method, params).await {
			Ok(answer) => Ok(answer),
			Err(error) => Err(self.failed(method, error, &client).await),
		}
	}

	/// Templates for an author, newest first at once.
	///
	/// # Errors
	/// If there is no connection or the node refuses.
	pub async fn templates(
		&self,
		author: &AccountId,
		payout: &AccountId,
	) -> Result<Subscription<TemplateView>, NodeError> {
		let (method, end) = ("work_subscribeTemplate", "work_unsubscribeTemplate");
		let client = self.link().await?;
		match client.subscribe(method, rpc_params![author, payout], end).await {
			Ok(subscription) => Ok(subscription),
			Err(error) => Err(self.failed(method, error, &client).await),
		}
	}

	/// Submits a seal for the template of this pre-hash.
	///
	/// # Errors
	/// If there is no connection or the node refuses the call; a refused seal is an answer.
	pub async fn submit_seal(&self, seal: &Seal, pre_hash: &Hash32) -> Result<SubmitView, NodeError> {
		let params = rpc_params![hex0x(seal.encode()), hex0x(pre_hash)];
		self.call("work_submitSeal", params).await
	}

	/// The chain as the node sees it.
	///
	/// # Errors
	/// As every call.
	pub async fn stats(&self) -> Result<StatsView, NodeError> {
		self.call("work_stats", rpc_params![]).await
	}

	/// What chain and node know of an account.
	///
	/// # Errors
	/// As every call.
	pub async fn worker_status(&self, account: &AccountId) -> Result<Option<WorkerView>, NodeError> {
		self.call("worker_status", rpc_params![account]).await
	}

	/// The same answer as the node gives it, null if the account is not registered.
	///
	/// # Errors
	/// As every call.
	pub async fn status_json(&self, account: &AccountId) -> Result<serde_json::Value, NodeError> {
		self.call("worker_status", rpc_params![account]).await
	}

	/// Asks for a lease of the best task but those refused.
	///
	/// # Errors
	/// As every call.
	pub async fn request_lease(&self, account: &AccountId, refused: &[TaskId]) -> Result<(), NodeError> {
		let params = rpc_params![account, Option::<TaskId>::None, refused];
		self.call::<serde_json::Value>("worker_requestLease", params)
			.await
			.map(drop)
	}

	/// The worker makes progress on its task.
	///
	/// # Errors
	/// As every call.
	pub async fn heartbeat(&self, account: &AccountId, task: TaskId) -> Result<(), NodeError> {
		self.call::<serde_json::Value>("worker_heartbeat", rpc_params![account, task])
			.await
			.map(drop)
	}

	/// The task is done.
	///
	/// # Errors
	/// As every call.
	pub async fn submit_attestation(&self, attestation: &Attestation) -> Result<(), NodeError> {
		let params = rpc_params![hex0x(attestation.encode())];
		self.call::<serde_json::Value>("worker_submitAttestation", params)
			.await
			.map(drop)
	}

	/// A verifier's finding.
	///
	/// # Errors
	/// As every call.
	pub async fn submit_vote(&self, account: &AccountId, vote: &Vote) -> Result<(), NodeError> {
		let params = rpc_params![account, hex0x(vote.encode())];
		self.call::<serde_json::Value>("worker_submitVote", params)
			.await
			.map(drop)
	}

	/// Segments that wait for a vote of the account.
	///
	/// # Errors
	/// As every call.
	pub async fn assignments(&self, account: &AccountId) -> Result<Vec<AssignmentView>, NodeError> {
		self.call("worker_assignments", rpc_params![account]).await
	}

	/// What a verifier must know of an attested task.
	///
	/// # Errors
	/// As every call.
	pub async fn brief(&self, task: TaskId) -> Result<Option<VerificationBrief>, NodeError> {
		let method = "worker_brief";
		let brief: Option<String> = self.call(method, rpc_params![task]).await?;
		brief.map(|text| decoded(method, &text)).transpose()
	}

	/// A task.
	///
	/// # Errors
	/// As every call.
	pub async fn task(&self, task: TaskId) -> Result<Option<TaskView>, NodeError> {
		self.call("market_task", rpc_params![task]).await
	}

	/// The whole report of a task.
	///
	/// # Errors
	/// As every call.
	pub async fn task_report(&self, task: TaskId) -> Result<Option<TaskReport>, NodeError> {
		let view = self.task(task).await?;
		view.map(|view| decoded("market_task", &view.scale)).transpose()
	}

	/// Height of the best block.
	///
	/// # Errors
	/// As every call.
	pub async fn height(&self) -> Result<BlockNumber, NodeError> {
		Ok(self.stats().await?.best)
	}
}

fn hex0x(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn decoded<T: DecodeAll>(method: &'static str, text: &str) -> Result<T, NodeError> {
	let answer = |reason: String| NodeError::Answer { method, reason };
	let bytes = hex_bytes("scale", text).map_err(|error: BadField| answer(error.to_string()))?;
	T::decode_all(&mut &bytes[..]).map_err(|error| answer(error.to_string()))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn attempts_should_become_rarer_up_to_a_bound() {
		let (mut backoff, now) = (Backoff::new(), Instant::now());
		assert_eq!(backoff.wait(now), None);
		let mut waits = Vec::new();
		for _ in 0..10 {
			backoff.failed(now, "refused".into());
			waits.push(backoff.wait(now).unwrap());
		}
		assert_eq!(waits[..3], [250, 500, 1000].map(Duration::from_millis));
		assert_eq!(waits[9], LONGEST_DELAY);
		assert_eq!(backoff.wait(now + LONGEST_DELAY), None);
	}

	#[tokio::test]
	async fn a_call_should_say_where_it_went_and_why_it_failed_when_nobody_listens() {
		// Port 9 (discard) of the loopback: nothing of ours listens there.
		let client = NodeClient::new("ws://127.0.0.1:9");
		let error = client.height().await.unwrap_err();
		assert!(
			error.is_offline() && error.to_string().contains("ws://127.0.0.1:9"),
			"{error}"
		);
		assert!(!client.is_connected());
	}

	#[test]
	fn an_answer_with_bytes_after_its_end_should_be_refused() {
		assert_eq!(decoded::<u32>("m", "0x01000000").unwrap(), 1);
		assert!(decoded::<u32>("m", "0x0100000000").is_err());
		assert!(decoded::<u32>("m", "0x01").is_err());
		assert!(decoded::<u32>("m", "not hex").is_err());
	}
}
