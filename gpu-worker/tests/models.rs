// SPDX-License-Identifier: Apache-2.0

//! Every kind of model that the repository compiles, a few steps and an evaluation on the device: the same records,
//! losses, states and outputs as on the CPU.

mod common;

use common::pool;
use poaiw_models::{Task, TaskManifest};
use poaiw_program::{
	initial_state, interpreter::run_all, state_root, Control, Interpreter, SegmentOutput, StepBackend,
};
use poaiw_worker::executor::{GpuBackend, Plain};
use std::{fmt::Debug, fs, path::Path};

const SEED: [u8; 32] = [9; 32];

/// An example's short manifest with some of its text replaced, and only three steps of it.
fn task(example: &str, changes: &[(&str, &str)]) -> Task {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("../examples")
		.join(example);
	let mut text = fs::read_to_string(folder.join("quick.toml")).unwrap();
	for (from, to) in changes {
		assert!(text.contains(from), "{example} has no {from:?} to replace");
		text = text.replace(from, to);
	}
	let mut task = TaskManifest::from_toml(&text).unwrap().build(&folder).unwrap();
	task.workload.steps = 3;
	task.workload.steps_per_segment = 2;
	task.info = task.workload.validate().unwrap();
	task
}

fn run<B: StepBackend>(task: &Task, backend: &mut B) -> Vec<SegmentOutput>
where
	B::Error: Debug,
{
	let state = initial_state(&task.workload, &task.info, SEED).unwrap();
	let root = state_root(&state).unwrap();
	backend.load_state(state).unwrap();
	let mut outputs = Vec::new();
	run_all(
		backend,
		&task.workload,
		&task.info,
		root,
		|_, _| Control::Continue,
		|output| outputs.push(output),
	)
	.unwrap();
	outputs
}

fn compare(task: &Task) {
	let (workload, info) = (&task.workload, &task.info);
	let on_cpu = run(
		task,
		&mut Interpreter::new(workload, info, SEED, &task.data, ()).unwrap(),
	);
	let (pool, sink) = (pool(), Plain::new(pool()));
	let on_device = run(
		task,
		&mut GpuBackend::new(pool, workload, info, SEED, &task.data, sink).unwrap(),
	);
	// Two segments of steps, and the evaluation.
	assert_eq!((on_device.len(), on_cpu.len()), (3, 3));
	for (segment, (got, expected)) in on_device.iter().zip(&on_cpu).enumerate() {
		assert_eq!(got.losses, expected.losses, "segment {segment}");
		assert!(got.state == expected.state, "state after segment {segment}");
		assert_eq!(got.outputs, expected.outputs, "segment {segment}");
		assert_eq!(got.record, expected.record, "segment {segment}");
	}
	assert!(on_device[2].record.evaluation.is_some());
}

#[test]
fn a_transformer_should_train_on_the_device_as_on_the_cpu() {
	compare(&task("char-transformer", &[("layers = 1", "layers = 2")]));
}

#[test]
fn an_encoder_should_train_on_the_device_as_on_the_cpu() {
	compare(&task("char-encoder", &[("layers = 1", "layers = 2")]));
}

#[test]
fn a_convolutional_network_should_train_on_the_device_as_on_the_cpu() {
	let conv = "kind = \"conv\"\ninput = { height = 8, width = 8, channels = 1 }\nconvolutions = [\n\
		{ filters = 16, kernel = 3, padding = 1 },\n{ filters = 20, kernel = 3, stride = 2 },\n]\ndense = [33, 10]";
	compare(&task(
		"digits",
		&[
			("kind = \"mlp\"\nlayers = [64, 512, 512, 10]", conv),
			("batch = 512", "batch = 48"),
		],
	));
}

#[test]
fn every_optimiser_should_train_on_the_device_as_on_the_cpu() {
	let optimisers = [
		"kind = \"adam\"\nrate = 0.003\nweight_decay = 0.1",
		"kind = \"sgd\"\nrate = 0.003",
	];
	for optimiser in optimisers {
		compare(&task(
			"digits",
			&[
				("kind = \"l1-adam\"\nrate = 0.003\nweight_decay = 0.1", optimiser),
				("layers = [64, 512, 512, 10]", "layers = [64, 70, 10]"),
				("batch = 512", "batch = 48"),
			],
		));
	}
}
