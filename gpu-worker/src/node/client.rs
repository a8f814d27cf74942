// SPDX-License-Identifier: Apache-2.0

//! Typed calls to a node over one [`Link`].

use super::{
	link::{Link, NodeError},
	types::{hex_bytes, AssignmentView, BadField, StatsView, SubmitView, TaskView, TemplateView, WorkerView},
};
use codec::{DecodeAll, Encode};
use jsonrpsee::{
	core::{
		client::{ClientT, Subscription, SubscriptionClientT},
		params::ArrayParams,
	},
	rpc_params,
};
use poaiw_primitives::{
	task::{Attestation, TaskReport, Vote},
	token::Token,
	worker::VerificationBrief,
	AccountId, BlockNumber, Hash32, TaskId,
};
use poaiw_work::Seal;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A node. Clones share the connection.
#[derive(Clone)]
pub struct NodeClient {
	link: Arc<Link>,
}

impl NodeClient {
	/// A node by the URL of its WebSocket, on this machine or open to this one; nothing is connected yet.
	pub fn new(url: impl Into<String>) -> Self {
		Self::with_token(url, None)
	}

	/// A node that may ask for a token.
	pub fn with_token(url: impl Into<String>, token: Option<Token>) -> Self {
		Self {
			link: Arc::new(Link::new(url.into(), token)),
		}
	}

	/// URL of the node.
	pub fn url(&self) -> &str {
		self.link.url()
	}

	/// Whether the last call found a connection.
	pub fn is_connected(&self) -> bool {
		self.link.is_connected()
	}

	async fn call<T: DeserializeOwned>(
		&self,
		method: &'static str,
		params: ArrayParams,
	) -> Result<T, NodeError> {
		let client = self.link.get().await?;
		match client.request(method, params).await {
			Ok(answer) => Ok(answer),
			Err(error) => Err(self.link.failed(method, error, &client).await),
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
		let client = self.link.get().await?;
		match client.subscribe(method, rpc_params![author, payout], end).await {
			Ok(subscription) => Ok(subscription),
			Err(error) => Err(self.link.failed(method, error, &client).await),
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
