// SPDX-License-Identifier: Apache-2.0

//! The loop of a worker: looks at the chain once a second and does what [`decide`](super::decide) says.

use super::{
	compute::{Compute, Order, Outcome, Pulse, Report},
	decide::{self, Held, Next},
	heartbeat::beat,
	job::{fetch_parts, Parts, PartsError},
	pending::Pending,
	refusals::Refusals,
	Job,
};
use crate::{
	executor::checkpoint::CheckpointFile,
	node::{types::hash32, LeaseView, NodeClient, NodeError, WorkerView},
	ui::{Board, TaskStatus},
};
use poaiw_artifacts::ArtifactStore;
use poaiw_primitives::{task::Attestation, AccountId, BlockNumber, TaskId};
use std::{
	path::PathBuf,
	sync::{atomic::Ordering::Relaxed, Arc},
	time::Duration,
};
use tokio::{
	sync::{mpsc::UnboundedReceiver, watch},
	task::JoinHandle,
	time::{interval, MissedTickBehavior},
};

/// How often the chain is looked at, unless something else is asked for.
const LOOK: Duration = Duration::from_secs(1);

/// The lease in hand.
struct Current {
	held: Held,
	pulse: Arc<Pulse>,
	attestation: Option<Attestation>,
	/// A new seed is waited for: the run that is being stopped must not be attested.
	abandoned: bool,
	heartbeat: JoinHandle<()>,
}

impl Drop for Current {
	fn drop(&mut self) {
		self.heartbeat.abort();
	}
}

/// A worker.
pub struct Worker {
	/// The node.
	pub node: NodeClient,
	/// Artifacts.
	pub store: ArtifactStore,
	/// What people see.
	pub board: Board,
	/// For whom it works.
	pub account: AccountId,
	/// Folder of the checkpoints.
	pub folder: PathBuf,
	/// Most memory that a task may need, in MiB.
	pub max_memory_mib: u64,
	/// How often the chain is looked at.
	pub look_every: Duration,
	/// The computing thread; taken when it ends.
	compute: Option<Compute>,
	reports: UnboundedReceiver<Report>,
	current: Option<Current>,
	/// Workload and data of the task that was looked at last.
	prepared: Option<(TaskId, Arc<Parts>)>,
	refusals: Refusals,
	wished_at: Option<BlockNumber>,
	pending: Pending,
	said: String,
}

impl Worker {
	/// A worker over a running computing thread, which sends its reports here.
	pub fn new(
		(node, store, board): (NodeClient, ArtifactStore, Board),
		account: AccountId,
		folder: PathBuf,
		compute: Compute,
		reports: UnboundedReceiver<Report>,
	) -> Self {
		Self {
			node,
			store,
			board,
			account,
			folder,
			max_memory_mib: u64::MAX,
			look_every: LOOK,
			compute: Some(compute),
			reports,
			current: None,
			prepared: None,
			refusals: Refusals::default(),
			wished_at: None,
			pending: Pending::default(),
			said: String::new(),
		}
	}

	/// Works until `stop` changes; then finishes the running product and writes a checkpoint.
	///
	/// # Errors
	/// If the computing thread ended by itself.
	pub async fn work(mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
		let mut looks = interval(self.look_every);
		looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
		loop {
			tokio::select! {
				_ = stop.changed() => return self.finish().await,
				report = self.reports.recv() => match report {
					Some(report) => self.on_report(report),
					None => anyhow::bail!("the computing thread ended; the log above says why"),
				},
				_ = looks.tick() => if let Err(error) = self.look().await {
					self.board.problem(error.to_string());
					self.say(error.to_string());
				},
			}
		}
	}

	/// Logs what is waited for or wrong, once.
	fn say(&mut self, what: String) {
		if self.said != what {
			tracing::info!("{what}");
			self.said = what;
		}
	}

	fn wait_for(&mut self, what: &str) {
		self.board.update(|status| status.waiting_for = Some(what.into()));
		self.say(format!("waiting for {what}"));
	}

	async fn look(&mut self) -> Result<(), NodeError> {
		let best = self.node.height().await?;
		let status = self.node.worker_status(&self.account).await?;
		self.board.update(|board| {
			board.best = Some(best);
			board.waiting_for = None;
		});
		self.pending.look(&self.node, &self.account, &self.board).await?;
		let held = self.current.as_ref().map(|current| &current.held);
		match decide::next(status.as_ref(), best, held, self.wished_at, self.refusals.tasks()) {
			Next::Blocked(why) => {
				self.board.problem(why.clone());
				self.wait_for(&format!("the account to be able to work: {why}"));
			}
			Next::Wait(what) if self.current.is_none() => self.wait_for(what),
			Next::Wait(_) => self.shown(),
			Next::Wish => self.wish(best, status.as_ref()).await?,
			Next::Run(lease) => self.begin(lease).await?,
			Next::Missing => self.hold(|held| held.missing_since = Some(best)),
			Next::Lost => self.drop_lease("the lease is lost: its checkpoint is forgotten"),
			Next::Reseeded => self.drop_lease("a fork gave the lease another seed: the run begins anew"),
			Next::Attest => self.attest(best).await?,
			Next::OnChain => self.on_chain(),
		}
		Ok(())
	}

	fn hold(&mut self, change: impl FnOnce(&mut Held)) {
		if let Some(current) = &mut self.current {
			change(&mut current.held);
		}
	}

	/// The chain shows the lease (again).
	fn shown(&mut self) {
		self.hold(|held| held.missing_since = None);
	}

	async fn wish(&mut self, best: BlockNumber, status: Option<&WorkerView>) -> Result<(), NodeError> {
		// Whatever is to come next is looked at before it is asked for: a lease that is not used costs reputation.
		if let Some(task) = status
			.and_then(|status| status.next_task)
			.filter(|x| !self.refusals.tasks().contains(x))
		{
			if !self.prepare(task).await? {
				return Ok(());
			}
		}
		self.node
			.request_lease(&self.account, self.refusals.tasks())
			.await?;
		self.wished_at = Some(best);
		self.wait_for("a task");
		Ok(())
	}

	/// Fetches and checks what a task needs; gives whether it is there.
	async fn prepare(&mut self, task: TaskId) -> Result<bool, NodeError> {
		let Some(report) = self.node.task_report(task).await? else {
			return Ok(false);
		};
		let root = report.spec.program_root;
		if self
			.prepared
			.as_ref()
			.is_some_and(|(known, parts)| *known == task && parts.workload.hash() == root)
		{
			return Ok(true);
		}
		match fetch_parts(&self.store, &report.spec, self.max_memory_mib).await {
			Ok(parts) => {
				self.prepared = Some((task, Arc::new(parts)));
				self.refusals.fetched(task);
				Ok(true)
			}
			Err(error) => {
				self.not_usable(task, &error);
				Ok(false)
			}
		}
	}

	fn not_usable(&mut self, task: TaskId, error: &PartsError) {
		self.board.problem(format!("task {task}: {error}"));
		if self.refusals.not_fetched(task, error.is_passing()) {
			tracing::error!(task, %error, "the task is refused");
		} else {
			tracing::warn!(task, %error, "the task can't be fetched yet");
		}
	}

	async fn begin(&mut self, lease: LeaseView) -> Result<(), NodeError> {
		let answer = |reason: String| NodeError::Answer {
			method: "worker_status",
			reason,
		};
		let seed_text = lease.seed.clone().unwrap_or_default();
		let seed = hash32("seed", &seed_text).map_err(|error| answer(error.to_string()))?;
		if !self.prepare(lease.task).await? {
			return Ok(());
		}
		let Some((_, parts)) = self.prepared.clone() else {
			return Ok(());
		};
		let (task, attempt) = (lease.task, lease.attempt);
		let job = Arc::new(Job {
			task,
			attempt,
			worker: self.account.clone(),
			seed,
			parts,
		});
		let pulse = Arc::new(Pulse::default());
		let (info, workload) = (&job.parts.info, &job.parts.workload);
		self.board.update(|board| {
			board.task = Some(TaskStatus {
				id: task,
				attempt,
				phase: "running",
				segment: 0,
				segments: info.segments,
				step: 0,
				steps: workload.steps,
				loss: None,
				resumed_from: None,
			});
		});
		tracing::info!(
			task,
			attempt,
			segments = info.segments,
			steps = workload.steps,
			"the run begins"
		);
		let heartbeat = tokio::spawn(beat(self.node.clone(), self.account.clone(), task, pulse.clone()));
		self.current = Some(Current {
			held: Held {
				task,
				attempt,
				seed: seed_text,
				finished: false,
				submitted_at: None,
				missing_since: None,
			},
			pulse: pulse.clone(),
			attestation: None,
			abandoned: false,
			heartbeat,
		});
		self.wished_at = None;
		self.order(Order { job, pulse });
		Ok(())
	}

	fn order(&mut self, order: Order) {
		let sent = self
			.compute
			.as_ref()
			.is_some_and(|compute| compute.orders.send(order).is_ok());
		if !sent {
			self.board.problem("the computing thread has ended".into());
		}
	}

	fn drop_lease(&mut self, why: &str) {
		let Some(current) = &mut self.current else { return };
		if !current.abandoned {
			tracing::warn!(task = current.held.task, "{why}");
			self.board.problem(format!("task {}: {why}", current.held.task));
		}
		current.abandoned = true;
		current.pulse.stop.store(true, Relaxed);
		if current.held.finished {
			self.forget();
		}
	}

	/// Lets go of the lease in hand and its checkpoint.
	fn forget(&mut self) {
		let Some(current) = self.current.take() else {
			return;
		};
		if let Err(error) = CheckpointFile::new(&self.folder, current.held.task).remove() {
			tracing::warn!(%error, "an old checkpoint stays");
		}
		self.board.update(|board| board.task = None);
		self.wished_at = None;
	}

	fn on_report(&mut self, report: Report) {
		let Some(current) = &mut self.current else { return };
		if (report.task, report.attempt) != (current.held.task, current.held.attempt) {
			return;
		}
		if current.abandoned {
			self.forget();
			return;
		}
		match report.outcome {
			Outcome::Done(attestation) => {
				current.held.finished = true;
				let metric = attestation.metric;
				tracing::info!(task = report.task, ?metric, "the run is done");
				current.attestation = Some(*attestation);
				self.board.task(|task| task.phase = "attesting");
			}
			Outcome::Stopped { step } => tracing::info!(task = report.task, step, "stopped"),
			// The next look finds the lease without a run and begins again from the checkpoint.
			Outcome::Failed(_) => {
				self.current = None;
				self.board.update(|board| board.task = None);
				if self.refusals.failed(report.task) {
					tracing::error!(task = report.task, "the task is refused; its lease lapses");
				}
			}
		}
	}

	async fn attest(&mut self, best: BlockNumber) -> Result<(), NodeError> {
		self.shown();
		let Some(current) = &mut self.current else {
			return Ok(());
		};
		let Some(attestation) = &current.attestation else {
			return Ok(());
		};
		self.node.submit_attestation(attestation).await?;
		current.held.submitted_at = Some(best);
		tracing::info!(task = attestation.task, "attestation handed to the node");
		Ok(())
	}

	fn on_chain(&mut self) {
		let Some(current) = &self.current else { return };
		let (task, attempt) = (current.held.task, current.held.attempt);
		tracing::info!(task, "the attestation is on chain; its verification decides");
		self.pending.push(task, attempt);
		self.forget();
	}

	/// Ends in order: the running product is finished, a checkpoint is written.
	async fn finish(mut self) -> anyhow::Result<()> {
		let running = self.current.as_ref().filter(|current| !current.held.finished);
		if let Some(current) = running {
			tracing::info!(
				task = current.held.task,
				"stopping: the running step is finished first"
			);
			current.pulse.stop.store(true, Relaxed);
		}
		let task = running.map(|current| current.held.task);
		let Some(Compute { orders, thread }) = self.compute.take() else {
			return Ok(());
		};
		drop(orders);
		// The thread reports, drops its sender and ends.
		while let Some(report) = self.reports.recv().await {
			match report.outcome {
				Outcome::Stopped { step } => {
					tracing::info!(
						task = report.task,
						step,
						"checkpoint written; a restart goes on from here"
					)
				}
				Outcome::Done(_) => {
					tracing::info!(task = report.task, "the run was just done; a restart attests it")
				}
				Outcome::Failed(error) => tracing::error!(task = report.task, "{error:#}"),
			}
		}
		let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
		joined.map_err(|_| anyhow::anyhow!("the computing thread panicked; the log above says where"))?;
		if task.is_none() {
			tracing::info!("stopped; no run was going on");
		}
		Ok(())
	}
}
