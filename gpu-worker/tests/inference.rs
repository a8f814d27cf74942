// SPDX-License-Identifier: Apache-2.0

//! Inference on the device: the bits of the CPU, one segment for each batch, stopped and resumed between batches.

mod common;

use common::pool;
use poaiw_models::{
	encoder::{Encoder, Inference, Layer, Linear, Norm},
	inference::{join, Packing, Request},
};
use poaiw_program::{random::RandomKey, Control, Interpreter, RunError, SegmentOutput, WorkloadInfo};
use poaiw_worker::executor::{
	run_task, CheckpointFile, GpuBackend, Identity, Plain, RunFailure, TaskRun, Watcher,
};
use std::{path::Path, sync::OnceLock, time::Duration};

const SEED: [u8; 32] = [9; 32];
const WIDTH: u32 = 64;
const INNER: u32 = 128;
const VOCABULARY: u32 = 40;
const POSITIONS: u32 = 16;

/// Numbers from -`most` to `most`.
fn numbers(count: u32, most: i32, from: &mut u32) -> Vec<i32> {
	let key = RandomKey { k0: 1, k1: 2 };
	let next = |_| {
		*from += 1;
		(key.at(*from) % (2 * most as u32 + 1)) as i32 - most
	};
	(0..count).map(next).collect()
}

fn encoder() -> Encoder {
	let mut n = 0;
	let linear = |rows: u32, cols: u32, bias: Option<i32>, n: &mut u32| Linear {
		mantissas: numbers(rows * cols, 63, n).into_iter().map(|x| x as i8).collect(),
		exponents: numbers(rows, 1, n).into_iter().map(|e| e - 9).collect(),
		bias: bias.map(|most| numbers(rows, most, n)),
	};
	let norm = |n: &mut u32| Norm {
		gain: numbers(WIDTH, 1 << 10, n)
			.into_iter()
			.map(|g| g + (1 << 13))
			.collect(),
		gain_unit: -13,
		bias: numbers(WIDTH, 1 << 13, n),
	};
	let mut layer = || Layer {
		query: linear(WIDTH, WIDTH, Some(1 << 14), &mut n),
		key: linear(WIDTH, WIDTH, None, &mut n),
		value: linear(WIDTH, WIDTH, None, &mut n),
		output: linear(WIDTH, WIDTH, Some(1 << 14), &mut n),
		attention_norm: norm(&mut n),
		up: linear(INNER, WIDTH, Some(1 << 8), &mut n),
		down: linear(WIDTH, INNER, Some(1 << 14), &mut n),
		output_norm: norm(&mut n),
	};
	let layers = vec![layer(), layer()];
	Encoder {
		width: WIDTH,
		inner: INNER,
		heads: 4,
		vocabulary: VOCABULARY,
		positions: POSITIONS,
		words: numbers(VOCABULARY * WIDTH, 1 << 17, &mut n),
		places: numbers(POSITIONS * WIDTH, 1 << 15, &mut n),
		embedding_norm: norm(&mut n),
		layers,
	}
}

fn task() -> &'static (Inference, WorkloadInfo) {
	static TASK: OnceLock<(Inference, WorkloadInfo)> = OnceLock::new();
	TASK.get_or_init(|| {
		let mut n = 0;
		let mut sequence = |length| {
			let tokens = numbers(length, VOCABULARY as i32 / 2 - 1, &mut n);
			tokens
				.into_iter()
				.map(|t| (t + VOCABULARY as i32 / 2) as u32)
				.collect()
		};
		let request = Request {
			sequences: [5, 16, 1, 9, 12, 3, 16].map(&mut sequence).into(),
		};
		let packing = Packing {
			lengths: vec![POSITIONS],
			tokens: 3 * POSITIONS,
		};
		let joined = join(&[request], &packing).unwrap();
		let task = encoder()
			.prepare()
			.unwrap()
			.inference(&joined.buckets[0])
			.unwrap();
		let info = task.workload.validate().unwrap();
		(task, info)
	})
}

/// Keeps segments, and stops after one of them.
struct Keeps {
	segments: Vec<SegmentOutput>,
	stop_after: Option<u32>,
	resumed: Option<u32>,
}

impl Keeps {
	fn until(stop_after: Option<u32>) -> Self {
		Self {
			segments: vec![],
			stop_after,
			resumed: None,
		}
	}
}

impl Watcher for Keeps {
	fn step(&mut self, step: u32, _: i32) -> Control {
		panic!("inference has no step {step}")
	}

	fn segment(&mut self, output: &SegmentOutput) -> Result<Control, String> {
		self.segments.push(output.clone());
		let stop = self.stop_after == Some(output.record.index);
		Ok(if stop { Control::Stop } else { Control::Continue })
	}

	fn resumed(&mut self, segments: u32, _: u64) {
		self.resumed = Some(segments);
	}
}

fn run_in(folder: &Path) -> TaskRun<'static> {
	let (task, info) = task();
	TaskRun {
		workload: &task.workload,
		info,
		identity: Identity {
			workload: task.workload.hash(),
			task: 3,
			attempt: 1,
			seed: SEED,
		},
		file: CheckpointFile::new(folder, 3),
		every: Duration::ZERO,
	}
}

fn on_cpu() -> &'static [SegmentOutput] {
	static SEGMENTS: OnceLock<Vec<SegmentOutput>> = OnceLock::new();
	SEGMENTS.get_or_init(|| {
		let (task, info) = task();
		let folder = tempfile::tempdir().unwrap();
		let mut keeps = Keeps::until(None);
		let mut backend = Interpreter::new(&task.workload, info, SEED, &task.data, ()).unwrap();
		run_task(&mut backend, &run_in(folder.path()), &mut keeps).unwrap();
		keeps.segments
	})
}

#[test]
fn an_encoder_on_the_device_should_equal_the_cpu() {
	let (task, info) = task();
	let (pool, folder) = (pool(), tempfile::tempdir().unwrap());
	let sink = Plain::new(pool.clone());
	let mut backend = GpuBackend::new(pool, &task.workload, info, SEED, &task.data, sink).unwrap();
	let mut keeps = Keeps::until(None);
	let outcome = run_task(&mut backend, &run_in(folder.path()), &mut keeps).unwrap();
	assert_eq!(keeps.segments, on_cpu());
	assert_eq!(outcome.records.len(), 3);
	assert!(outcome.state.is_empty() && outcome.losses.iter().all(Vec::is_empty));
	assert_ne!(on_cpu()[0].outputs, on_cpu()[1].outputs);
}

#[test]
fn a_stopped_inference_should_go_on_with_the_next_batch() {
	let (task, info) = task();
	let folder = tempfile::tempdir().unwrap();
	let mut backend = Interpreter::new(&task.workload, info, SEED, &task.data, ()).unwrap();
	let mut first = Keeps::until(Some(0));
	let error = run_task(&mut backend, &run_in(folder.path()), &mut first).unwrap_err();
	assert!(
		matches!(error, RunFailure::Run(RunError::Stopped { step: 0 })),
		"{error}"
	);
	let mut rest = Keeps::until(Some(2));
	let outcome = run_task(&mut backend, &run_in(folder.path()), &mut rest).unwrap();
	assert_eq!((rest.resumed, outcome.records.len()), (Some(1), 3));
	first.segments.extend(rest.segments);
	assert_eq!(first.segments, on_cpu());
}
