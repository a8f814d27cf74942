// SPDX-License-Identifier: Apache-2.0

//! Whole training runs on the device against the CPU interpreter: the same records, losses, states and outputs, with
//! mining and without, in one go and resumed from checkpoints.

mod common;

use common::pool;
use poaiw_commitment::hash;
use poaiw_models::{Task, TaskManifest};
use poaiw_program::{Control, Interpreter, SegmentOutput, StepBackend};
use poaiw_work::{accept, retarget::TARGET_MAX, WorkProfile, WorkSource, U256};
use poaiw_worker::{
	executor::{run_task, CheckpointFile, GpuBackend, Identity, Plain, RunOutcome, TaskRun, Watcher},
	miner::{gpu::SealSink, CpuMiner, Found, GpuMiner, Stats, Template, TemplateSlot},
};
use std::{
	path::Path,
	sync::{mpsc, OnceLock},
	time::Duration,
};

const SEED: [u8; 32] = [42; 32];

/// A few steps of the digits example: hidden layers of 512, so that its products fill whole windows.
fn task() -> &'static Task {
	static TASK: OnceLock<Task> = OnceLock::new();
	TASK.get_or_init(|| {
		let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
		let mut manifest = TaskManifest::from_file(&folder.join("quick.toml")).unwrap();
		manifest.architecture_file = manifest.architecture_file.map(|file| folder.join(file));
		let mut task = manifest.build(&folder).unwrap();
		task.workload.steps = 7;
		task.workload.steps_per_segment = 3;
		task.info = task.workload.validate().unwrap();
		task
	})
}

/// Stops after so many steps that were not taken over from a checkpoint.
struct Stops {
	after: Option<u32>,
	segments: Vec<SegmentOutput>,
	resumed: Option<(u32, u64)>,
}

impl Stops {
	fn never() -> Self {
		Self {
			after: None,
			segments: vec![],
			resumed: None,
		}
	}
}

impl Watcher for Stops {
	fn step(&mut self, step: u32, _: i32) -> Control {
		if self.after == Some(step) {
			Control::Stop
		} else {
			Control::Continue
		}
	}

	fn segment(&mut self, output: &SegmentOutput) -> Result<Control, String> {
		self.segments.push(output.clone());
		Ok(Control::Continue)
	}

	fn resumed(&mut self, segments: u32, steps: u64) {
		self.resumed = Some((segments, steps));
	}
}

fn run_in(folder: &Path) -> TaskRun<'static> {
	let task = task();
	let identity = Identity {
		workload: task.workload.hash(),
		task: 5,
		attempt: 1,
		seed: SEED,
	};
	TaskRun {
		workload: &task.workload,
		info: &task.info,
		identity,
		file: CheckpointFile::new(folder, 5),
		every: Duration::ZERO,
	}
}

fn complete<B: StepBackend>(backend: &mut B) -> RunOutcome
where
	B::Error: std::fmt::Debug + std::fmt::Display,
{
	let folder = tempfile::tempdir().unwrap();
	run_task(backend, &run_in(folder.path()), &mut Stops::never()).unwrap()
}

fn on_cpu() -> &'static RunOutcome {
	static OUTCOME: OnceLock<RunOutcome> = OnceLock::new();
	OUTCOME.get_or_init(|| {
		let task = task();
		complete(&mut Interpreter::new(&task.workload, &task.info, SEED, &task.data, ()).unwrap())
	})
}

fn template(mac_target: U256) -> Template {
	let profile = WorkProfile::dev();
	Template::new(
		hash(&[b"header"]),
		3,
		hash(&[b"author"]),
		profile,
		mac_target,
		hash(&[b"epoch"]),
	)
	.unwrap()
}

fn slot_and_sink(template: Template) -> (TemplateSlot, SealSink, mpsc::Receiver<Found>) {
	let (sender, receiver) = mpsc::channel();
	let slot = TemplateSlot::default();
	slot.set(Some(template));
	(slot, Box::new(move |found| sender.send(found).unwrap()), receiver)
}

#[test]
fn training_on_the_device_should_equal_the_cpu() {
	let task = task();
	let pool = pool();
	let sink = Plain::new(pool.clone());
	let mut backend = GpuBackend::new(pool, &task.workload, &task.info, SEED, &task.data, sink).unwrap();
	let outcome = complete(&mut backend);
	assert_eq!(&outcome, on_cpu());
	assert_eq!(outcome.losses.iter().map(Vec::len).sum::<usize>(), 7);
	assert!(outcome.records.last().unwrap().evaluation.is_some());
}

#[test]
fn mining_should_change_no_bit_of_the_training_and_seal_with_its_products() {
	let task = task();
	let template = template(TARGET_MAX);
	let (slot, sink, found) = slot_and_sink(template.clone());
	let stats = Stats::default();
	let mut miner = GpuMiner::new(pool(), slot, stats.clone(), sink);
	miner.set_task(5);
	let mut backend =
		GpuBackend::new(pool(), &task.workload, &task.info, SEED, &task.data, &mut miner).unwrap();
	assert_eq!(&complete(&mut backend), on_cpu());
	drop(miner);
	let seals: Vec<Found> = found.iter().collect();
	assert_eq!(seals.len() as u64, stats.counts().found);
	assert!(!seals.is_empty(), "one ticket in four wins at this target");
	for found in &seals {
		let (hash, author) = (&template.pre_hash, &template.author);
		accept(
			hash,
			author,
			&found.seal,
			&template.profile,
			None,
			template.mac_target,
		)
		.unwrap();
		assert!(matches!(found.seal.source, WorkSource::Task { id: 5, .. }));
	}
}

#[test]
fn the_cpu_miner_should_draw_the_same_tickets_from_the_same_run() {
	let task = task();
	let sources = |seals: mpsc::Receiver<Found>| -> Vec<WorkSource> {
		let mut all: Vec<_> = seals.iter().map(|found| found.seal.source).collect();
		all.sort();
		all
	};
	let (slot, sink, on_gpu) = slot_and_sink(template(TARGET_MAX));
	let mut miner = GpuMiner::new(pool(), slot, Stats::default(), sink);
	miner.set_task(5);
	complete(&mut GpuBackend::new(pool(), &task.workload, &task.info, SEED, &task.data, &mut miner).unwrap());
	drop(miner);
	let (slot, sink, on_cpu) = slot_and_sink(template(TARGET_MAX));
	let mut miner = CpuMiner::new(slot, Stats::default(), sink);
	miner.set_task(5);
	complete(&mut Interpreter::new(&task.workload, &task.info, SEED, &task.data, &mut miner).unwrap());
	assert!(miner.take_error().is_none());
	drop(miner);
	assert_eq!(sources(on_gpu), sources(on_cpu));
}

#[test]
fn a_stopped_run_should_resume_where_it_was_on_any_executor() {
	let task = task();
	let folder = tempfile::tempdir().unwrap();
	// Inside the first segment on the device, inside the second on the CPU, to the end on the device.
	for (round, after) in [Some(1), Some(4), None].into_iter().enumerate() {
		let run = run_in(folder.path());
		let mut stops = Stops {
			after,
			..Stops::never()
		};
		let result = if round == 1 {
			let mut backend = Interpreter::new(&task.workload, &task.info, SEED, &task.data, ()).unwrap();
			run_task(&mut backend, &run, &mut stops).map_err(|error| error.to_string())
		} else {
			let (pool, sink) = (pool(), Plain::new(pool()));
			let mut backend =
				GpuBackend::new(pool, &task.workload, &task.info, SEED, &task.data, sink).unwrap();
			run_task(&mut backend, &run, &mut stops).map_err(|error| error.to_string())
		};
		match (round, result) {
			(2, Ok(outcome)) => {
				assert_eq!(stops.resumed, Some((1, 5)));
				assert_eq!(outcome.resumed_steps, 5);
				assert_eq!(
					RunOutcome {
						resumed_steps: 0,
						..outcome
					},
					*on_cpu()
				);
			}
			(0 | 1, Err(error)) => assert!(error.contains("stopped"), "{error}"),
			(round, result) => panic!("round {round}: {result:?}"),
		}
	}
}

#[test]
fn a_finished_run_should_give_the_same_outcome_again() {
	let task = task();
	let folder = tempfile::tempdir().unwrap();
	let mut outcomes = vec![];
	for _ in 0..2 {
		let mut backend = Interpreter::new(&task.workload, &task.info, SEED, &task.data, ()).unwrap();
		let outcome = run_task(&mut backend, &run_in(folder.path()), &mut Stops::never()).unwrap();
		outcomes.push(RunOutcome {
			resumed_steps: 0,
			..outcome
		});
	}
	// The second run is only the evaluation: killed after it and before its attestation, nothing is lost.
	assert_eq!(outcomes[0], outcomes[1]);
	assert_eq!(&outcomes[0], on_cpu());
}

#[test]
fn a_checkpoint_of_another_lease_should_not_be_used() {
	let task = task();
	let folder = tempfile::tempdir().unwrap();
	let run = run_in(folder.path());
	let mut stops = Stops {
		after: Some(3),
		..Stops::never()
	};
	let mut backend = Interpreter::new(&task.workload, &task.info, SEED, &task.data, ()).unwrap();
	run_task(&mut backend, &run, &mut stops).unwrap_err();
	let other = Identity {
		attempt: 2,
		..run.identity.clone()
	};
	let run = TaskRun {
		identity: other,
		..run
	};
	let mut again = Stops::never();
	let outcome = run_task(&mut backend, &run, &mut again).unwrap();
	assert_eq!((again.resumed, outcome.resumed_steps), (None, 0));
	assert_eq!(&outcome, on_cpu());
}
