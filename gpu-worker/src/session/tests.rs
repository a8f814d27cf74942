// SPDX-License-Identifier: Apache-2.0

//! The computing thread with a real task, real artifacts, and a verifier at the end.

use super::{
	compute::{Bench, Compute, Order, Outcome, Pulse, Report},
	engine::{AnyBackend, CpuEngine, Description, Engine, MiningDesk},
	job::{fetch_parts, Parts, PartsError},
	run::EngineFactory,
	Job,
};
use crate::{
	miner::{Found, Stats, Template, TemplateSlot},
	ui::{Board, TaskStatus},
	verify::{
		judge::{judge_workload, Case},
		tests::{parts, spec},
	},
};
use poaiw_artifacts::{ArtifactStore, Kind};
use poaiw_primitives::{
	task::{Attestation, Lease, Verdict},
	worker::VerificationBrief,
	AccountId,
};
use poaiw_program::{run::Evaluated, StepBackend, Tensor, Values};
use poaiw_work::{WorkProfile, U256};
use std::{
	sync::{
		atomic::{AtomicU32, Ordering::Relaxed},
		Arc,
	},
	time::Duration,
};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};

/// A computing thread in a temporary folder.
struct Place {
	_folder: tempfile::TempDir,
	store: ArtifactStore,
	board: Board,
	compute: Compute,
	reports: UnboundedReceiver<Report>,
	seals: UnboundedReceiver<Found>,
	slot: TemplateSlot,
	stats: Stats,
}

pub(super) fn cpu() -> EngineFactory {
	Box::new(|desk| Ok(Box::new(CpuEngine::new(desk.clone()))))
}

async fn place(factory: EngineFactory) -> Place {
	let folder = tempfile::tempdir().unwrap();
	let store = ArtifactStore::open(folder.path().join("artifacts").to_str().unwrap()).unwrap();
	let (stats, slot) = (Stats::default(), TemplateSlot::default());
	let board = Board::new(stats.clone());
	let (found, seals) = unbounded_channel();
	let (reports_to, reports) = unbounded_channel();
	let bench = Bench {
		desk: MiningDesk {
			slot: slot.clone(),
			stats: stats.clone(),
			found,
			mining: true,
		},
		store: store.clone(),
		board: board.clone(),
		folder: folder.path().join("state"),
		every: Duration::ZERO,
		reports: reports_to,
		runtime: tokio::runtime::Handle::current(),
	};
	let (compute, _) = Compute::start(bench, factory).await.unwrap();
	Place {
		_folder: folder,
		store,
		board,
		compute,
		reports,
		seals,
		slot,
		stats,
	}
}

fn job() -> Arc<Job> {
	Arc::new(Job {
		task: 4,
		attempt: 2,
		worker: AccountId::new([7; 32]),
		seed: [5; 32],
		parts: Arc::new(parts()),
	})
}

impl Place {
	async fn run(&mut self, job: &Arc<Job>) -> Outcome {
		self.run_with(job, Arc::new(Pulse::default())).await
	}

	async fn run_with(&mut self, job: &Arc<Job>, pulse: Arc<Pulse>) -> Outcome {
		self.board.update(|board| {
			board.task = Some(TaskStatus {
				id: job.task,
				attempt: job.attempt,
				phase: "running",
				segment: 0,
				segments: job.parts.info.segments,
				step: 0,
				steps: job.parts.workload.steps,
				loss: None,
				resumed_from: None,
			})
		});
		self.compute
			.orders
			.send(Order {
				job: job.clone(),
				pulse,
			})
			.unwrap();
		let report = self.reports.recv().await.unwrap();
		assert_eq!((report.task, report.attempt), (job.task, job.attempt));
		report.outcome
	}

	/// Verdicts of a verifier who has nothing but the store and the chain's word.
	async fn verdicts(&self, job: &Job, attestation: Attestation) -> Vec<Verdict> {
		let lease = Lease {
			worker: job.worker.clone(),
			attempt: job.attempt,
			since: 1,
			heartbeat: 1,
			seed: Some(job.seed),
			base_fee_per_gmac: 1,
		};
		let brief = VerificationBrief {
			spec: spec(&job.parts),
			lease,
			attestation,
			claims: vec![],
		};
		let workload = job.parts.workload.clone();
		let info = judge_workload(&brief, &workload).unwrap();
		let owner = (job.task, job.worker_bytes());
		let sizes = (info.segments, workload.steps);
		let trace = self
			.store
			.get_trace(&brief.attestation.trace_root, owner, sizes)
			.await
			.unwrap();
		let case = Case::open(brief, workload, info, trace).unwrap();
		let mut verdicts = Vec::new();
		for segment in 0..case.info.segments {
			let root = case.state_before(segment).unwrap();
			let state = if segment == 0 {
				case.initial.clone()
			} else {
				self.store.get_state(&root, &case.info.state).await.unwrap()
			};
			verdicts.push(
				case.judge_segment(segment, state, &job.parts.data)
					.unwrap()
					.verdict,
			);
		}
		verdicts
	}
}

fn done(outcome: Outcome) -> Attestation {
	match outcome {
		Outcome::Done(attestation) => *attestation,
		other => panic!("{other:?}"),
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_should_leave_what_a_verifier_needs_to_accept_it() {
	let (mut place, job) = (place(cpu()).await, job());
	let attestation = done(place.run(&job).await);
	assert_eq!(attestation.losses.len() as u32, job.parts.workload.steps);
	assert_eq!(
		place.verdicts(&job, attestation.clone()).await,
		vec![Verdict::Accept; 4]
	);
	assert!(place
		.store
		.has(Kind::State, &attestation.final_state_root)
		.await
		.unwrap());
	let sizes = (attestation.segments, job.parts.workload.steps);
	let trace = place
		.store
		.get_trace(&attestation.trace_root, (job.task, job.worker_bytes()), sizes)
		.await
		.unwrap();
	for evaluation in trace.records.iter().filter_map(|record| record.evaluation) {
		assert!(place
			.store
			.has(Kind::Output, &evaluation.output_root)
			.await
			.unwrap());
	}
	// A template does not change the result, and the run's products are counted as useful.
	let template = Template::new([1; 32], 1, [7; 32], WorkProfile::dev(), U256::zero(), [0; 32]).unwrap();
	place.slot.set(Some(template));
	let again = Arc::new(Job {
		attempt: 3,
		..(*job).clone()
	});
	let mined = done(place.run(&again).await);
	assert_eq!(mined.final_state_root, attestation.final_state_root);
	assert!(place.stats.counts().task_macs > 0);
	assert!(
		place.seals.try_recv().is_err(),
		"no ticket reaches a target of zero"
	);
	place.slot.set(None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_should_go_on_from_its_checkpoint_with_the_same_result() {
	let (mut place, job) = (place(cpu()).await, job());
	let pulse = Arc::new(Pulse::default());
	pulse.stop.store(true, Relaxed);
	// Each order stops after one more step, since the wish to stop is there from the beginning.
	let mut stops = 0;
	let attestation = loop {
		match place.run_with(&job, pulse.clone()).await {
			Outcome::Stopped { step } => {
				stops += 1;
				assert!(step <= job.parts.workload.steps);
			}
			Outcome::Done(attestation) => break *attestation,
			Outcome::Failed(error) => panic!("{error:#}"),
		}
		if stops >= 3 {
			pulse.stop.store(false, Relaxed);
		}
	};
	assert!(place
		.board
		.snapshot(std::time::Instant::now())
		.task
		.unwrap()
		.resumed_from
		.is_some());
	assert_eq!(
		place.verdicts(&job, attestation.clone()).await,
		vec![Verdict::Accept; 4]
	);
	// A checkpoint of another lease is not taken up.
	let other = Arc::new(Job {
		attempt: 3,
		seed: [6; 32],
		..(*job).clone()
	});
	let fresh = done(place.run(&other).await);
	assert_ne!(fresh.initial_state_root, attestation.initial_state_root);
	assert_eq!(place.verdicts(&other, fresh).await, vec![Verdict::Accept; 4]);
}

/// Changes the state that one training segment leaves.
struct Liar<'a>(AnyBackend<'a>, u32);

impl StepBackend for Liar<'_> {
	type Error = anyhow::Error;

	fn load_state(&mut self, state: Vec<Tensor>) -> anyhow::Result<()> {
		self.0.load_state(state)
	}

	fn run_step(&mut self, segment: u32, step: u32) -> anyhow::Result<i32> {
		self.1 = step;
		self.0.run_step(segment, step)
	}

	fn state(&mut self) -> anyhow::Result<Vec<Tensor>> {
		let mut state = self.0.state()?;
		if self.1 == 3 {
			self.1 = 0;
			let (rows, cols) = (state[0].rows(), state[0].cols());
			state[0] = match state[0].values().clone() {
				Values::I8(mut values) => {
					values[0] ^= 1;
					Tensor::from_i8(rows, cols, values)?
				}
				Values::I32(mut values) => {
					values[0] ^= 1;
					Tensor::from_i32(rows, cols, values)?
				}
			};
			self.0.load_state(state.clone())?;
		}
		Ok(state)
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> anyhow::Result<Evaluated> {
		self.0.evaluate(segment, run)
	}
}

/// An engine that lies, or fails the first time.
struct Odd {
	inner: CpuEngine,
	fails: Option<Arc<AtomicU32>>,
}

impl Engine for Odd {
	fn describe(&self) -> Description {
		self.inner.describe()
	}

	fn backend<'a>(&'a mut self, job: &'a Job) -> anyhow::Result<AnyBackend<'a>> {
		match &self.fails {
			Some(count) if count.fetch_add(1, Relaxed) == 0 => anyhow::bail!("the device is lost"),
			Some(_) => self.inner.backend(job),
			None => Ok(Box::new(Liar(self.inner.backend(job)?, 0))),
		}
	}

	fn synthetic(&mut self) -> anyhow::Result<bool> {
		Ok(false)
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_one_weight_should_be_found_in_its_segment() {
	let lying: EngineFactory = Box::new(|desk| {
		Ok(Box::new(Odd {
			inner: CpuEngine::new(desk.clone()),
			fails: None,
		}))
	});
	let (mut place, job) = (place(lying).await, job());
	let attestation = done(place.run(&job).await);
	let verdicts = place.verdicts(&job, attestation).await;
	assert_eq!(
		verdicts,
		[
			Verdict::Accept,
			Verdict::WrongResult,
			Verdict::Accept,
			Verdict::Accept
		]
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_failed_should_be_opened_again() {
	let fails = Arc::new(AtomicU32::new(0));
	let opened = Arc::new(AtomicU32::new(0));
	let (failing, counted) = (fails.clone(), opened.clone());
	let factory: EngineFactory = Box::new(move |desk| {
		counted.fetch_add(1, Relaxed);
		Ok(Box::new(Odd {
			inner: CpuEngine::new(desk.clone()),
			fails: Some(failing.clone()),
		}))
	});
	let (mut place, job) = (place(factory).await, job());
	match place.run(&job).await {
		Outcome::Failed(error) => assert!(error.to_string().contains("lost"), "{error:#}"),
		other => panic!("{other:?}"),
	}
	let attestation = done(place.run(&job).await);
	assert_eq!(opened.load(Relaxed), 2);
	assert_eq!(place.verdicts(&job, attestation).await, vec![Verdict::Accept; 4]);
	let problem = place.board.snapshot(std::time::Instant::now()).last_error;
	assert!(problem.unwrap().contains("the device is lost"));
}

#[tokio::test]
async fn an_engine_that_can_not_be_opened_should_be_told_at_once() {
	let (found, _seals) = unbounded_channel();
	let (reports, _received) = unbounded_channel();
	let folder = tempfile::tempdir().unwrap();
	let bench = Bench {
		desk: MiningDesk {
			slot: TemplateSlot::default(),
			stats: Stats::default(),
			found,
			mining: true,
		},
		store: ArtifactStore::open("memory:///").unwrap(),
		board: Board::default(),
		folder: folder.path().into(),
		every: Duration::ZERO,
		reports,
		runtime: tokio::runtime::Handle::current(),
	};
	let factory: EngineFactory = Box::new(|_| anyhow::bail!("no Vulkan device found"));
	let error = Compute::start(bench, factory).await.err().unwrap();
	assert!(error.to_string().contains("no Vulkan device"), "{error:#}");
}

pub(super) async fn stored(parts: &Parts) -> ArtifactStore {
	let store = ArtifactStore::open("memory:///").unwrap();
	store.put_workload(&parts.workload).await.unwrap();
	for set in parts.data.sets() {
		store.put_tensor(set).await.unwrap();
	}
	store
}

#[tokio::test]
async fn a_task_should_be_fetched_only_if_it_is_what_the_chain_says() {
	let parts = parts();
	let store = stored(&parts).await;
	let honest = spec(&parts);
	assert_eq!(fetch_parts(&store, &honest, 64).await.unwrap().info, parts.info);
	for (what, lie) in [
		(
			"product MACs",
			poaiw_primitives::task::TaskSpec {
				macs: honest.macs + 1,
				..honest.clone()
			},
		),
		(
			"segments",
			poaiw_primitives::task::TaskSpec {
				segments: 9,
				..honest.clone()
			},
		),
		(
			"input root",
			poaiw_primitives::task::TaskSpec {
				input_root: [1; 32],
				..honest.clone()
			},
		),
	] {
		let error = fetch_parts(&store, &lie, 64).await.unwrap_err();
		assert!(
			matches!(&error, PartsError::Differs { what: found, .. } if *found == what),
			"{error}"
		);
		assert!(!error.is_passing());
	}
	let error = fetch_parts(&store, &honest, 0).await.unwrap_err();
	assert!(
		matches!(error, PartsError::TooLarge { most: 0, .. }) && !error.is_passing(),
		"{error}"
	);
	// What is not there may come; until then the task is not refused.
	store
		.remove(Kind::Tensor, &parts.workload.data[0].root)
		.await
		.unwrap();
	let error = fetch_parts(&store, &honest, 64).await.unwrap_err();
	assert!(error.is_passing(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_should_attest_to_the_same_roots_as_the_cpu() {
	let choice = crate::device::DeviceChoice {
		wanted: None,
		allow_cpu: true,
	};
	let gpu: EngineFactory =
		Box::new(move |desk| Ok(Box::new(crate::session::gpu::GpuEngine::open(&choice, desk)?)));
	let (mut device, mut reference, job) = (place(gpu).await, place(cpu()).await, job());
	let template = Template::new([1; 32], 1, [7; 32], WorkProfile::dev(), U256::zero(), [0; 32]).unwrap();
	device.slot.set(Some(template));
	assert_eq!(done(device.run(&job).await), done(reference.run(&job).await));
	device.slot.set(None);
}
