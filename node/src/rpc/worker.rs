// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! `worker_*`: how reports of workers and verifiers reach the chain.
//!
//! A report is compared with the state of the best block and then put into persistent off-chain storage. The pallets'
//! off-chain workers take it from there, sign it with the reporter key of this node's keystore and submit it until it
//! is on chain. An answer of these methods therefore means "stored", not "on chain": watch `worker_status`.

use super::{
	bad_param, internal, refused, require_safe, scale_param,
	types::{hex0x, AssignmentJson, LeaseJson, StoredJson, WorkerJson},
};
use codec::{Encode, MaxEncodedLen};
use jsonrpsee::{
	core::{async_trait, RpcResult},
	proc_macros::rpc,
	types::ErrorObjectOwned,
	Extensions,
};
use parking_lot::Mutex;
use poaiw_primitives::{
	api::{MarketApi, WorkerApi},
	app::KEY_TYPE,
	outbox::{self, LeaseWish, Liveness},
	task::{Attestation, Lease, TaskReport, TaskState, Vote},
	worker::WorkerReport,
	AccountId, Block, Hash, TaskId,
};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keystore::{Keystore, KeystorePtr};
use std::sync::Arc;

/// Most tasks that a wish may refuse.
const MAX_REFUSED: usize = 32;

/// Methods of workers and verifiers. Those that write are unsafe-class.
#[rpc(server)]
pub trait WorkerRpc {
	/// Ask for a lease: of `task`, or of the best task but those `refused`. Repeat it while waiting; old wishes expire.
	#[method(name = "worker_requestLease", with_extensions)]
	async fn request_lease(
		&self,
		account: AccountId,
		task: Option<TaskId>,
		refused: Option<Vec<TaskId>>,
	) -> RpcResult<StoredJson>;

	/// The worker makes progress on its task.
	#[method(name = "worker_heartbeat", with_extensions)]
	async fn heartbeat(&self, account: AccountId, task: TaskId) -> RpcResult<StoredJson>;

	/// The task is done: SCALE of an `Attestation`, hex.
	#[method(name = "worker_submitAttestation", with_extensions)]
	async fn submit_attestation(&self, attestation: String) -> RpcResult<StoredJson>;

	/// A verifier's finding: SCALE of a `Vote`, hex.
	#[method(name = "worker_submitVote", with_extensions)]
	async fn submit_vote(&self, account: AccountId, vote: String) -> RpcResult<StoredJson>;

	/// What chain and node know of an account; none if it is not registered.
	#[method(name = "worker_status")]
	fn status(&self, account: AccountId) -> RpcResult<Option<WorkerJson>>;

	/// Segments that wait for a vote of the account.
	#[method(name = "worker_assignments")]
	fn assignments(&self, account: AccountId) -> RpcResult<Vec<AssignmentJson>>;

	/// What a verifier must know of an attested task: SCALE of a `VerificationBrief`, hex; none if there is nothing.
	#[method(name = "worker_brief")]
	fn brief(&self, task: TaskId) -> RpcResult<Option<String>>;
}

/// Implementation over client, keystore and off-chain storage.
pub struct Worker<C, O> {
	client: Arc<C>,
	keystore: KeystorePtr,
	storage: Mutex<O>,
}

impl<C, O> Worker<C, O>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: WorkerApi<Block> + MarketApi<Block>,
	O: OffchainStorage + 'static,
{
	/// Over these parts.
	pub fn new(client: Arc<C>, keystore: KeystorePtr, storage: O) -> Self {
		Self {
			client,
			keystore,
			storage: Mutex::new(storage),
		}
	}

	fn best(&self) -> (Hash, u32) {
		let info = self.client.info();
		(info.best_hash, info.best_number)
	}

	fn report(&self, at: Hash, account: &AccountId) -> Result<Option<WorkerReport>, ErrorObjectOwned> {
		self.client
			.runtime_api()
			.worker_report(at, account.clone())
			.map_err(internal)
	}

	fn has_key(&self, report: &WorkerReport) -> bool {
		self.keystore.has_keys(&[(report.reporter.encode(), KEY_TYPE)])
	}

	/// The account's registration, if this node can sign for it.
	fn signable(&self, at: Hash, account: &AccountId) -> Result<WorkerReport, ErrorObjectOwned> {
		let report = self.report(at, account)?.ok_or_else(|| {
			refused(format!(
				"{account} is not registered: register it with a bond and a reporter key first"
			))
		})?;
		if !self.has_key(&report) {
			return Err(refused(format!(
				"this node does not hold the reporter key {} of {account}: insert it with key type {} (author_insertKey)",
				hex0x(report.reporter.encode()),
				String::from_utf8_lossy(&KEY_TYPE.0),
			)));
		}
		Ok(report)
	}

	fn task(&self, at: Hash, task: TaskId) -> Result<TaskReport, ErrorObjectOwned> {
		let report = self
			.client
			.runtime_api()
			.task_report(at, task)
			.map_err(internal)?;
		report.ok_or_else(|| refused(format!("there is no task {task}")))
	}

	/// The running lease of a task: not attested yet.
	fn running(&self, report: &TaskReport) -> Result<Lease, ErrorObjectOwned> {
		match &report.state {
			TaskState::Leased(lease) => Ok(lease.clone()),
			other => Err(refused(format!(
				"task {} is not under a running lease: it is {}",
				report.id,
				name(other)
			))),
		}
	}

	fn store(&self, key: &[u8], value: &[u8]) {
		self.storage.lock().set(STORAGE_PREFIX, key, value);
	}

	fn held_lease(&self, at: Hash, report: &WorkerReport) -> Result<Option<LeaseJson>, ErrorObjectOwned> {
		let Some(task) = report.lease else { return Ok(None) };
		Ok(match self.task(at, task)?.state {
			TaskState::Leased(lease) => Some(LeaseJson::new(task, &lease, false)),
			TaskState::Attested(lease) => Some(LeaseJson::new(task, &lease, true)),
			_ => None,
		})
	}
}

fn name(state: &TaskState) -> &'static str {
	match state {
		TaskState::Open => "open",
		TaskState::Leased(_) => "leased",
		TaskState::Attested(_) => "attested",
		TaskState::Settled { .. } => "settled",
		TaskState::Expired { .. } => "expired",
		TaskState::Cancelled { .. } => "cancelled",
	}
}

#[async_trait]
impl<C, O> WorkerRpcServer for Worker<C, O>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: WorkerApi<Block> + MarketApi<Block>,
	O: OffchainStorage + 'static,
{
	async fn request_lease(
		&self,
		extensions: &Extensions,
		account: AccountId,
		task: Option<TaskId>,
		refused_tasks: Option<Vec<TaskId>>,
	) -> RpcResult<StoredJson> {
		require_safe(extensions)?;
		let refused_tasks = refused_tasks.unwrap_or_default();
		if refused_tasks.len() > MAX_REFUSED {
			return Err(bad_param(
				"refused",
				format!("{} tasks, at most {MAX_REFUSED} are taken", refused_tasks.len()),
			));
		}
		let (hash, at) = self.best();
		let report = self.signable(hash, &account)?;
		if !report.roles.worker {
			return Err(refused(format!("{account} is not registered as a worker")));
		}
		if let Some(held) = report.lease {
			return Err(refused(format!(
				"{account} already holds a lease, of task {held}: finish it first"
			)));
		}
		if let Some(task) = task {
			let state = self.task(hash, task)?.state;
			if !matches!(state, TaskState::Open) {
				return Err(refused(format!(
					"task {task} is not open: it is {}",
					name(&state)
				)));
			}
		}
		let wish = LeaseWish {
			at,
			task,
			refused: refused_tasks,
		};
		self.store(&outbox::lease_key(&account), &wish.encode());
		Ok(StoredJson { at, task })
	}

	async fn heartbeat(
		&self,
		extensions: &Extensions,
		account: AccountId,
		task: TaskId,
	) -> RpcResult<StoredJson> {
		require_safe(extensions)?;
		let (hash, at) = self.best();
		self.signable(hash, &account)?;
		let lease = self.running(&self.task(hash, task)?)?;
		if lease.worker != account {
			return Err(refused(format!(
				"task {task} is leased to {}, not to {account}",
				lease.worker
			)));
		}
		self.store(&outbox::liveness_key(&account, task), &Liveness { at }.encode());
		Ok(StoredJson { at, task: Some(task) })
	}

	async fn submit_attestation(
		&self,
		extensions: &Extensions,
		attestation: String,
	) -> RpcResult<StoredJson> {
		require_safe(extensions)?;
		let attestation: Attestation =
			scale_param("attestation", &attestation, Attestation::max_encoded_len())?;
		let (hash, at) = self.best();
		let task = self.task(hash, attestation.task)?;
		let lease = self.running(&task)?;
		self.signable(hash, &lease.worker)?;
		let differs = |what: &str, claimed: u64, posted: u64| {
			bad_param(
				"attestation",
				format!("{what} is {claimed}, the task's is {posted}"),
			)
		};
		if attestation.attempt != lease.attempt {
			return Err(differs(
				"attempt",
				attestation.attempt.into(),
				lease.attempt.into(),
			));
		}
		if attestation.segments != task.spec.segments {
			return Err(differs(
				"the number of segments",
				attestation.segments.into(),
				task.spec.segments.into(),
			));
		}
		if attestation.macs != task.spec.macs {
			return Err(differs("the number of MACs", attestation.macs, task.spec.macs));
		}
		let key = outbox::attestation_key(&lease.worker, attestation.task, attestation.attempt);
		self.store(&key, &attestation.encode());
		Ok(StoredJson {
			at,
			task: Some(attestation.task),
		})
	}

	async fn submit_vote(
		&self,
		extensions: &Extensions,
		account: AccountId,
		vote: String,
	) -> RpcResult<StoredJson> {
		require_safe(extensions)?;
		let vote: Vote = scale_param("vote", &vote, Vote::max_encoded_len())?;
		let (hash, at) = self.best();
		self.signable(hash, &account)?;
		let assignments = self
			.client
			.runtime_api()
			.assignments(hash, account.clone())
			.map_err(internal)?;
		let due = assignments
			.iter()
			.any(|a| a.task == vote.task && a.attempt == vote.attempt && a.segment == vote.segment);
		if !due {
			return Err(refused(format!(
				"no vote of {account} is due on segment {} of task {} (lease {}): see worker_assignments",
				vote.segment, vote.task, vote.attempt
			)));
		}
		let key = outbox::vote_key(&account, vote.task, vote.attempt, vote.segment);
		self.store(&key, &vote.verdict.encode());
		Ok(StoredJson {
			at,
			task: Some(vote.task),
		})
	}

	fn status(&self, account: AccountId) -> RpcResult<Option<WorkerJson>> {
		let (hash, _) = self.best();
		let Some(report) = self.report(hash, &account)? else {
			return Ok(None);
		};
		let lease = self.held_lease(hash, &report)?;
		let api = self.client.runtime_api();
		let next = match (report.roles.worker, &lease) {
			(true, None) => api
				.next_task(hash, account.clone(), Vec::new())
				.map_err(internal)?,
			_ => None,
		};
		let assignments = api.assignments(hash, account).map_err(internal)?;
		Ok(Some(WorkerJson::new(
			&report,
			self.has_key(&report),
			lease,
			next,
			&assignments,
		)))
	}

	fn assignments(&self, account: AccountId) -> RpcResult<Vec<AssignmentJson>> {
		let (hash, _) = self.best();
		let assignments = self
			.client
			.runtime_api()
			.assignments(hash, account)
			.map_err(internal)?;
		Ok(assignments.iter().map(AssignmentJson::new).collect())
	}

	fn brief(&self, task: TaskId) -> RpcResult<Option<String>> {
		let (hash, _) = self.best();
		let brief = self.client.runtime_api().brief(hash, task).map_err(internal)?;
		Ok(brief.map(|brief| hex0x(brief.encode())))
	}
}
