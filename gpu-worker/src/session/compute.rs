// SPDX-License-Identifier: Apache-2.0

//! The thread that computes: jobs when there are some, synthetic products otherwise.

use super::{
	attest::attestation,
	engine::{Boxed, Description, Engine, MiningDesk},
	run::EngineFactory,
	Job,
};
use crate::{
	executor::{
		checkpoint::{CheckpointFile, Identity},
		run::{run_task, RunFailure, TaskRun, Watcher},
	},
	ui::Board,
};
use anyhow::Context;
use poaiw_artifacts::{ArtifactError, ArtifactStore, Trace};
use poaiw_primitives::{task::Attestation, TaskId};
use poaiw_program::{Control, RunError, SegmentOutput};
use std::{
	future::Future,
	path::PathBuf,
	sync::{
		atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
		mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError},
		Arc,
	},
	thread::JoinHandle,
	time::Duration,
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// Pause when there is nothing to search.
const IDLE: Duration = Duration::from_millis(200);
/// Pause before a device that failed is opened again.
const REOPEN: Duration = Duration::from_secs(5);
/// Attempts to store an artifact.
const STORE_ATTEMPTS: u32 = 4;

/// Where a run stands, shared with the heartbeat.
#[derive(Debug, Default)]
pub struct Pulse {
	/// Set to end the run after the present step.
	pub stop: AtomicBool,
	/// Grows with every step.
	pub steps: AtomicU64,
	/// The result is there.
	pub done: AtomicBool,
}

/// A job for the thread.
pub struct Order {
	/// What to run.
	pub job: Arc<Job>,
	/// Where it stands.
	pub pulse: Arc<Pulse>,
}

/// How an order ended.
#[derive(Debug)]
pub enum Outcome {
	/// With a result, whose artifacts are stored.
	Done(Box<Attestation>),
	/// It was told to stop; a checkpoint was written after this many steps.
	Stopped {
		/// Steps that are done.
		step: u32,
	},
	/// The device or the store failed.
	Failed(anyhow::Error),
}

/// An outcome and what it belongs to.
#[derive(Debug)]
pub struct Report {
	/// The task.
	pub task: TaskId,
	/// Number of the lease.
	pub attempt: u32,
	/// How it ended.
	pub outcome: Outcome,
}

/// What the thread works with.
pub struct Bench {
	/// For mining.
	pub desk: MiningDesk,
	/// Where artifacts go.
	pub store: ArtifactStore,
	/// What people see.
	pub board: Board,
	/// Folder of the checkpoints.
	pub folder: PathBuf,
	/// Time between checkpoints inside of a segment.
	pub every: Duration,
	/// Who is told of outcomes.
	pub reports: UnboundedSender<Report>,
	/// Runs the store's futures.
	pub runtime: tokio::runtime::Handle,
}

/// The running thread. When `orders` is dropped, it ends after the present product.
pub struct Compute {
	/// Jobs for it.
	pub orders: Sender<Order>,
	/// The thread.
	pub thread: JoinHandle<()>,
}

impl Compute {
	/// Starts the thread, which opens the engine.
	///
	/// # Errors
	/// If the engine can't be opened.
	pub async fn start(bench: Bench, factory: EngineFactory) -> anyhow::Result<(Self, Description)> {
		let (orders, received) = std::sync::mpsc::channel();
		let (ready, opened) = oneshot::channel();
		let thread = std::thread::Builder::new()
			.name("compute".into())
			.spawn(move || {
				match factory(&bench.desk) {
					Ok(engine) => {
						let _ = ready.send(Ok(engine.describe()));
						serve(&bench, &factory, engine, &received);
					}
					Err(error) => drop(ready.send(Err(error))),
				};
			})?;
		let description = opened.await.context("the computing thread ended at once")??;
		Ok((Self { orders, thread }, description))
	}
}

fn serve(bench: &Bench, factory: &EngineFactory, engine: Box<dyn Engine>, orders: &Receiver<Order>) {
	let mut engine = Some(engine);
	let mut idle = false;
	loop {
		let order = if idle || engine.is_none() {
			match orders.recv_timeout(if engine.is_none() { REOPEN } else { IDLE }) {
				Ok(order) => Some(order),
				Err(RecvTimeoutError::Timeout) => None,
				Err(RecvTimeoutError::Disconnected) => return,
			}
		} else {
			match orders.try_recv() {
				Ok(order) => Some(order),
				Err(TryRecvError::Empty) => None,
				Err(TryRecvError::Disconnected) => return,
			}
		};
		if engine.is_none() {
			engine = reopen(bench, factory);
		}
		let failed = match (&mut engine, order) {
			(Some(engine), Some(order)) => {
				idle = false;
				execute(bench, engine.as_mut(), &order)
			}
			(None, Some(order)) => {
				report(
					bench,
					&order,
					Outcome::Failed(anyhow::anyhow!("the device can't be opened")),
				);
				false
			}
			(Some(engine), None) => match engine.synthetic() {
				Ok(found_work) => {
					idle = !found_work;
					false
				}
				Err(error) => {
					trouble(bench, &error);
					true
				}
			},
			(None, None) => false,
		};
		if failed {
			engine = None;
		}
	}
}

fn trouble(bench: &Bench, error: &anyhow::Error) {
	tracing::error!("{error:#}");
	bench.board.problem(format!("{error:#}"));
}

fn reopen(bench: &Bench, factory: &EngineFactory) -> Option<Box<dyn Engine>> {
	match factory(&bench.desk) {
		Ok(engine) => {
			tracing::info!(device = %engine.describe().device, "the device is open again");
			Some(engine)
		}
		Err(error) => {
			trouble(bench, &error.context("the device can't be opened again"));
			None
		}
	}
}

fn report(bench: &Bench, order: &Order, outcome: Outcome) {
	let (task, attempt) = (order.job.task, order.job.attempt);
	let _ = bench.reports.send(Report {
		task,
		attempt,
		outcome,
	});
}

/// Runs an order; gives whether the engine has to be opened anew.
fn execute(bench: &Bench, engine: &mut dyn Engine, order: &Order) -> bool {
	let outcome = run_order(bench, engine, order);
	let failed = matches!(outcome, Outcome::Failed(_));
	if let Outcome::Failed(error) = &outcome {
		trouble(bench, error);
	}
	order
		.pulse
		.done
		.store(matches!(outcome, Outcome::Done(_)), Relaxed);
	report(bench, order, outcome);
	failed
}

/// What a checkpoint of a job belongs to.
pub fn identity(job: &Job) -> Identity {
	Identity {
		workload: job.parts.workload.hash(),
		task: job.task,
		attempt: job.attempt,
		seed: job.seed,
	}
}

fn run_order(bench: &Bench, engine: &mut dyn Engine, order: &Order) -> Outcome {
	let job = &order.job;
	let parts = &job.parts;
	let mut backend = match engine.backend(job) {
		Ok(backend) => Boxed(backend),
		Err(error) => return Outcome::Failed(error),
	};
	let run = TaskRun {
		workload: &parts.workload,
		info: &parts.info,
		identity: identity(job),
		file: CheckpointFile::new(&bench.folder, job.task),
		every: bench.every,
	};
	let mut watcher = Told {
		bench,
		order,
		last: 0,
	};
	match run_task(&mut backend, &run, &mut watcher) {
		Ok(done) => {
			let trace = Trace {
				records: done.records,
				losses: done.losses,
			};
			let stored = keep(bench, || {
				bench.store.put_trace(&trace, job.task, job.worker_bytes())
			});
			let claim = stored
				.map_err(Into::into)
				.and_then(|root| attestation(job, &trace, root));
			match claim {
				Ok(claim) => Outcome::Done(Box::new(claim)),
				Err(error) => Outcome::Failed(error),
			}
		}
		Err(RunFailure::Run(RunError::Stopped { step })) => Outcome::Stopped {
			step: step.saturating_add(1),
		},
		Err(failure) => Outcome::Failed(anyhow::anyhow!("task {}: {failure}", job.task)),
	}
}

/// Stores something, with some patience.
fn keep<T, F>(bench: &Bench, mut put: impl FnMut() -> F) -> Result<T, ArtifactError>
where
	F: Future<Output = Result<T, ArtifactError>>,
{
	bench.runtime.block_on(async {
		let mut attempt = 1;
		loop {
			match put().await {
				Err(error @ ArtifactError::Store { .. }) if attempt < STORE_ATTEMPTS => {
					tracing::warn!(%error, "an artifact could not be stored; trying again");
					tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
					attempt += 1;
				}
				other => return other,
			}
		}
	})
}

/// Shows progress, keeps the states that verifiers need, and carries the wish to stop.
struct Told<'a> {
	bench: &'a Bench,
	order: &'a Order,
	last: u32,
}

impl Told<'_> {
	fn wish(&self) -> Control {
		if self.order.pulse.stop.load(Relaxed) {
			Control::Stop
		} else {
			Control::Continue
		}
	}
}

impl Watcher for Told<'_> {
	fn resumed(&mut self, segments: u32, steps: u64) {
		tracing::info!(
			task = self.order.job.task,
			segments,
			steps,
			"going on from the last checkpoint"
		);
		self.bench.board.task(|task| task.resumed_from = Some(segments));
	}

	fn step(&mut self, step: u32, loss: i32) -> Control {
		let workload = &self.order.job.parts.workload;
		let segment = step / workload.steps_per_segment.max(1);
		self.order.pulse.steps.fetch_add(1, Relaxed);
		self.bench.board.task(|task| {
			task.segment = segment;
			task.step = step.saturating_add(1);
			task.loss = Some(f64::from(loss) / f64::from(workload.loss.divisor.max(1)));
		});
		self.last = step;
		self.wish()
	}

	fn segment(&mut self, output: &SegmentOutput) -> Result<Control, String> {
		let store = &self.bench.store;
		let stored = if output.record.evaluation.is_some() {
			keep(self.bench, || store.put_output(&output.outputs))
		} else {
			keep(self.bench, || store.put_state(&output.state))
		};
		stored.map_err(|error| error.to_string())?;
		self.order.pulse.steps.fetch_add(1, Relaxed);
		let (done, of) = (output.record.index + 1, self.order.job.parts.info.segments);
		tracing::info!(task = self.order.job.task, "segment {done} of {of} is done");
		self.bench
			.board
			.task(|task| task.segment = done.min(of.saturating_sub(1)));
		Ok(self.wish())
	}
}
