// SPDX-License-Identifier: Apache-2.0

//! The loop of a worker against a node whose chain is scripted, over a real WebSocket.

use super::{
	compute::{Bench, Compute},
	engine::MiningDesk,
	tests::{cpu, stored},
	worker::Worker,
};
use crate::{
	miner::{Stats, TemplateSlot},
	node::NodeClient,
	ui::Board,
	verify::tests::{parts, spec},
};
use codec::{Decode, Encode};
use jsonrpsee::{
	server::{Server, ServerHandle},
	types::ErrorObjectOwned,
	RpcModule,
};
use poaiw_primitives::{
	task::{Attestation, Lease, TaskReport, TaskSpec, TaskState},
	AccountId,
};
use serde_json::{json, Value};
use std::{
	sync::{Arc, Mutex},
	time::{Duration, Instant},
};
use tokio::sync::{mpsc::unbounded_channel, watch};

const TASK: u64 = 4;

/// A chain with one task.
struct Chain {
	height: u32,
	spec: TaskSpec,
	/// Height of the lease.
	leased: Option<u32>,
	attestation: Option<(u32, Attestation)>,
	refused: Vec<u64>,
	beats: u32,
}

fn account() -> AccountId {
	AccountId::new([7; 32])
}

impl Chain {
	fn lease(&self) -> Value {
		// The seed comes one block later, and an attestation ends the lease one block later.
		match (self.leased, &self.attestation) {
			(Some(_), Some((at, _))) if self.height > *at => Value::Null,
			(Some(at), _) => json!({
				"task": TASK,
				"worker": account(),
				"attempt": 1,
				"since": at,
				"heartbeat": at,
				"seed": (self.height > at).then(|| format!("0x{}", "05".repeat(32))),
				"attested": false,
			}),
			(None, _) => Value::Null,
		}
	}

	fn status(&self) -> Value {
		json!({
			"account": account(),
			"worker": true,
			"verifier": false,
			"reporter": "0x01",
			"hasReporterKey": true,
			"bond": "1",
			"lease": self.lease(),
			"nextTask": self.leased.is_none().then_some(TASK),
			"assignments": [],
		})
	}

	fn task(&self) -> Value {
		let settled = self
			.attestation
			.as_ref()
			.is_some_and(|(at, _)| self.height > at + 3);
		let lease = Lease {
			worker: account(),
			attempt: 1,
			since: 1,
			heartbeat: 1,
			seed: Some([5; 32]),
			base_fee_per_gmac: 1,
		};
		let report = TaskReport {
			id: TASK,
			requester: AccountId::new([9; 32]),
			posted_at: 1,
			spec: self.spec.clone(),
			state: if settled {
				TaskState::Open
			} else {
				TaskState::Leased(lease)
			},
			held: 1,
			attempts: 1,
			verification: None,
			seals: vec![],
		};
		json!({
			"id": TASK,
			"state": if settled { "settled" } else { "attested" },
			"lease": (!settled).then(|| json!({
				"task": TASK, "worker": account(), "attempt": 1, "seed": null, "attested": true,
			})),
			"settledTo": settled.then(account),
			"attempts": 1,
			"scale": format!("0x{}", hex::encode(report.encode())),
		})
	}
}

type Shared = Mutex<Chain>;

async fn serve(chain: Arc<Shared>) -> (String, ServerHandle) {
	type Answer = Result<Value, ErrorObjectOwned>;
	let mut module = RpcModule::from_arc(chain);
	// Every look at the height makes a block.
	let stats = |chain: &Shared| {
		let mut chain = chain.lock().unwrap();
		chain.height += 1;
		json!({ "best": chain.height, "finalized": 0, "paused": null })
	};
	module
		.register_method("work_stats", move |_, chain, _| -> Answer { Ok(stats(chain)) })
		.unwrap();
	module
		.register_method("worker_status", |_, chain, _| -> Answer {
			Ok(chain.lock().unwrap().status())
		})
		.unwrap();
	module
		.register_method("market_task", |_, chain, _| -> Answer {
			Ok(chain.lock().unwrap().task())
		})
		.unwrap();
	module
		.register_method("worker_requestLease", |params, chain, _| -> Answer {
			let (_, _, refused): (AccountId, Option<u64>, Vec<u64>) = params.parse()?;
			let mut chain = chain.lock().unwrap();
			if refused.is_empty() {
				chain.leased = Some(chain.height);
			}
			chain.refused = refused;
			Ok(json!({ "at": chain.height, "task": null }))
		})
		.unwrap();
	module
		.register_method("worker_heartbeat", |_, chain, _| -> Answer {
			chain.lock().unwrap().beats += 1;
			Ok(json!({ "at": 1, "task": TASK }))
		})
		.unwrap();
	module
		.register_method("worker_submitAttestation", |params, chain, _| -> Answer {
			let text: String = params.one()?;
			let bytes = hex::decode(text.trim_start_matches("0x")).unwrap();
			let mut chain = chain.lock().unwrap();
			chain.attestation = Some((chain.height, Attestation::decode(&mut &bytes[..]).unwrap()));
			Ok(json!({ "at": 1, "task": TASK }))
		})
		.unwrap();
	let server = Server::builder().build("127.0.0.1:0").await.unwrap();
	let url = format!("ws://{}", server.local_addr().unwrap());
	(url, server.start(module))
}

/// A worker at work on a scripted chain.
struct Scene {
	chain: Arc<Shared>,
	board: Board,
	stop: watch::Sender<bool>,
	working: tokio::task::JoinHandle<anyhow::Result<()>>,
	_folder: tempfile::TempDir,
	_server: ServerHandle,
}

async fn scene(change: impl FnOnce(&mut TaskSpec)) -> Scene {
	let parts = parts();
	let mut spec = spec(&parts);
	change(&mut spec);
	let chain = Chain {
		height: 1,
		spec,
		leased: None,
		attestation: None,
		refused: vec![],
		beats: 0,
	};
	let chain = Arc::new(Mutex::new(chain));
	let (url, server) = serve(chain.clone()).await;
	let (folder, store) = (tempfile::tempdir().unwrap(), stored(&parts).await);
	let stats = Stats::default();
	let board = Board::new(stats.clone());
	let ((found, _), (reports, received)) = (unbounded_channel(), unbounded_channel());
	let bench = Bench {
		desk: MiningDesk {
			slot: TemplateSlot::default(),
			stats,
			found,
			mining: true,
		},
		store: store.clone(),
		board: board.clone(),
		folder: folder.path().into(),
		every: Duration::from_secs(20),
		reports,
		runtime: tokio::runtime::Handle::current(),
	};
	let (compute, _) = Compute::start(bench, cpu()).await.unwrap();
	let outside = (NodeClient::new(url), store, board.clone());
	let mut worker = Worker::new(outside, account(), folder.path().into(), compute, received);
	worker.look_every = Duration::from_millis(10);
	let (stop, stopped) = watch::channel(false);
	let working = tokio::spawn(worker.work(stopped));
	Scene {
		chain,
		board,
		stop,
		working,
		_folder: folder,
		_server: server,
	}
}

impl Scene {
	/// Looks until something is so; a bound keeps a broken worker from hanging the tests.
	async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
		let until = Instant::now() + Duration::from_secs(60);
		while !so(self) {
			assert!(
				Instant::now() < until,
				"waited for {what}: {:?}",
				self.board.snapshot(Instant::now())
			);
			tokio::time::sleep(Duration::from_millis(5)).await;
		}
	}

	async fn end(self) {
		self.stop.send(true).unwrap();
		self.working.await.unwrap().unwrap();
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_should_take_run_attest_and_see_its_task_settled() {
	let scene = scene(|_| ()).await;
	scene
		.until("the settlement", |scene| {
			scene.board.snapshot(Instant::now()).tasks_settled == 1
		})
		.await;
	{
		let chain = scene.chain.lock().unwrap();
		let (_, attestation) = chain.attestation.as_ref().unwrap();
		assert_eq!(
			(attestation.task, attestation.attempt, attestation.segments),
			(TASK, 1, 4)
		);
		assert!(chain.beats > 0 && chain.refused.is_empty());
	}
	let left: Vec<_> = std::fs::read_dir(scene._folder.path()).unwrap().collect();
	assert!(
		left.is_empty(),
		"the checkpoint of an attested task is forgotten: {left:?}"
	);
	scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_should_refuse_a_task_that_is_not_what_it_states() {
	let scene = scene(|spec| spec.macs += 1).await;
	scene
		.until("the refusal", |scene| {
			scene.chain.lock().unwrap().refused == [TASK]
		})
		.await;
	assert!(scene.chain.lock().unwrap().leased.is_none());
	let problem = scene.board.snapshot(Instant::now()).last_error.unwrap();
	assert!(problem.contains("product MACs"), "{problem}");
	scene.end().await;
}
