// SPDX-License-Identifier: Apache-2.0

//! The digits task for real: trained in integers, from fresh seeds, measured on the held-out part.

use poaiw_models::Task;
use poaiw_program::{
	check_links, initial_state, interpreter::run_all, run_segment, state_root, trace_root, CheckedData,
	Control, Interpreter, Observer, Op, OperandProbe, Program, RunError, SegmentOutput, StepBackend, Tensor,
};
use std::{path::Path, time::Instant};

/// First eight bytes of: program root, initial state, final state, predictions, trace.
const PINNED: [&str; 5] = [
	"4ac36a1f6b2f3243",
	"ee8cf52c240f10c4",
	"535a38cc25654571",
	"fd8133f5bc500e49",
	"02ab55b3cac815d6",
];

fn digits() -> Task {
	let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.toml");
	Task::from_file(&path).unwrap()
}

/// A seed that nothing in this file chose: the clock, hashed.
fn fresh_seed() -> [u8; 32] {
	let now = std::time::SystemTime::now()
		.duration_since(std::time::UNIX_EPOCH)
		.unwrap();
	poaiw_commitment::hash(&[&now.as_nanos().to_le_bytes()])
}

fn train(task: &Task, seed: [u8; 32]) -> (Vec<Tensor>, Vec<SegmentOutput>) {
	let state = initial_state(&task.workload, &task.info, seed).unwrap();
	let root = state_root(&state).unwrap();
	let mut backend = Interpreter::new(&task.workload, &task.info, seed, &task.data, ()).unwrap();
	backend.load_state(state.clone()).unwrap();
	let mut outputs = Vec::new();
	run_all(
		&mut backend,
		&task.workload,
		&task.info,
		root,
		|_, _| Control::Continue,
		|o| outputs.push(o),
	)
	.unwrap();
	(state, outputs)
}

#[test]
fn digits_should_reach_96_percent_from_any_seed() {
	let task = digits();
	println!(
		"{} steps, {} segments, {:.2} GMAC, {} MiB",
		task.workload.steps,
		task.info.segments,
		task.info.product_macs as f64 / 1e9,
		task.memory_mib()
	);
	let mut seeds: Vec<[u8; 32]> = (0..5).map(|n| [n; 32]).collect();
	seeds.push(fresh_seed());
	for seed in seeds {
		let start = Instant::now();
		let (_, outputs) = train(&task, seed);
		let evaluation = outputs.last().unwrap().record.evaluation.unwrap();
		let losses: Vec<i32> = outputs.iter().flat_map(|o| o.losses.clone()).collect();
		let nats = |raw: i32| f64::from(raw) / f64::from(task.workload.loss.divisor);
		println!(
			"seed {:02x}{:02x}…: {}/{} held out = {:.2} %, loss {:.3} to {:.4}, {:.2} s",
			seed[0],
			seed[1],
			evaluation.hits,
			evaluation.total,
			100.0 * f64::from(evaluation.hits) / f64::from(evaluation.total),
			nats(losses[0]),
			nats(*losses.last().unwrap()),
			start.elapsed().as_secs_f64()
		);
		assert!(
			evaluation.hits * 100 >= evaluation.total * 96,
			"{} of {} with seed {seed:?}",
			evaluation.hits,
			evaluation.total
		);
	}
}

/// Whatever changes these bytes changes what every task computes: workers, verifiers and the chain would disagree.
#[test]
fn a_fixed_seed_should_always_give_the_same_bytes() {
	let task = digits();
	let (initial, outputs) = train(&task, [0; 32]);
	let records: Vec<_> = outputs.iter().map(|o| o.record).collect();
	let roots = [
		task.workload.hash(),
		state_root(&initial).unwrap(),
		records[11].state_after,
		records[12].evaluation.unwrap().output_root,
		trace_root(1, &[2; 32], &records).unwrap(),
	];
	let text: Vec<String> = roots
		.iter()
		.map(|r| r.iter().take(8).map(|b| format!("{b:02x}")).collect())
		.collect();
	assert_eq!(text, PINNED);
}

#[test]
fn a_segment_should_give_the_same_record_when_it_is_run_alone() {
	let task = digits();
	let seed = [42; 32];
	let (initial, outputs) = train(&task, seed);
	let records: Vec<_> = outputs.iter().map(|o| o.record).collect();
	check_links(&task.workload, &state_root(&initial).unwrap(), &records).unwrap();
	for segment in [0usize, 5, outputs.len() - 1] {
		let before = if segment == 0 {
			&initial
		} else {
			&outputs[segment - 1].state
		};
		let number = segment as u32;
		let again = run_segment(&task.workload, seed, before.clone(), &task.data, number, &mut ()).unwrap();
		assert_eq!(again, outputs[segment]);
	}
	// Another seed, another data order: another result.
	let other = run_segment(&task.workload, [43; 32], initial.clone(), &task.data, 0, &mut ()).unwrap();
	assert_ne!(other.record.state_after, outputs[0].record.state_after);
	// One flipped weight before a segment shows in the state after it.
	let mut words = initial[0].i32s().unwrap().to_vec();
	words[77] ^= 1;
	let mut flipped = initial.clone();
	flipped[0] = Tensor::from_i32(initial[0].rows(), initial[0].cols(), words).unwrap();
	let forged = run_segment(&task.workload, seed, flipped, &task.data, 0, &mut ()).unwrap();
	assert_ne!(forged.record, outputs[0].record);
	let root = |worker: u8| trace_root(7, &[worker; 32], &records).unwrap();
	assert_ne!(root(1), root(2));
}

#[test]
fn operands_of_products_should_be_found_by_step_and_instruction() {
	let task = digits();
	let (initial, outputs) = train(&task, [5; 32]);
	let products = |program: &Program| -> Vec<u32> {
		let all = (0u32..).zip(&program.instructions);
		all.filter(|(_, i)| matches!(i.op, Op::Product))
			.map(|(n, _)| n)
			.collect()
	};
	let in_step = products(&task.workload.step);
	let mut probe = OperandProbe::new(in_step.iter().map(|n| (2, *n)).chain([(2, 0), (9, in_step[0])]));
	run_segment(&task.workload, [5; 32], initial, &task.data, 0, &mut probe).unwrap();
	let found = in_step.iter().map(|n| probe.at(2, *n).unwrap());
	let macs: u64 = found
		.map(|o| u64::from(o.m) * u64::from(o.n) * u64::from(o.k))
		.sum();
	assert_eq!(macs, task.info.step.cost.product_macs);
	// No product, and a step of another segment.
	assert_eq!(probe.at(2, 0), None);
	assert_eq!(probe.at(9, in_step[0]), None);

	// The first product of the evaluation reads the held-out images, whose commitment the workload states.
	let evaluate = task.workload.evaluate.as_ref().unwrap();
	let site = (task.workload.steps, products(evaluate)[0]);
	let mut probe = OperandProbe::new([site]);
	let state = outputs[11].state.clone();
	run_segment(&task.workload, [5; 32], state, &task.data, 12, &mut probe).unwrap();
	assert_eq!(
		probe.at(site.0, site.1).unwrap().root_a,
		task.workload.data[2].root
	);
}

#[test]
fn a_stopped_run_should_say_where_and_a_wrong_state_should_be_refused() {
	struct StopAt(u32);
	impl Observer for StopAt {
		fn step_done(&mut self, step: u32, _loss: i32) -> Control {
			if step == self.0 {
				Control::Stop
			} else {
				Control::Continue
			}
		}
	}
	let task = digits();
	let state = initial_state(&task.workload, &task.info, [6; 32]).unwrap();
	let run = |state: Vec<Tensor>, segment, observer: &mut StopAt| {
		run_segment(&task.workload, [6; 32], state, &task.data, segment, observer)
	};
	assert_eq!(
		run(state.clone(), 0, &mut StopAt(1)).unwrap_err(),
		RunError::Stopped { step: 1 }
	);
	let none = &mut StopAt(u32::MAX);
	assert_eq!(
		run(state.clone(), 13, none).unwrap_err(),
		RunError::NoSegment { segment: 13 }
	);
	assert!(matches!(
		run(state[1..].to_vec(), 0, none),
		Err(RunError::Count { .. })
	));
	let mut swapped = state.clone();
	swapped.swap(0, 3);
	assert!(matches!(run(swapped, 0, none), Err(RunError::Tensor(_))));
	let mut out_of_range = state.clone();
	out_of_range[0] = Tensor::from_i32(512, 64, vec![i32::MAX; 512 * 64]).unwrap();
	assert!(matches!(run(out_of_range, 0, none), Err(RunError::Tensor(_))));
	// Without a state there is an error and no panic.
	let mut backend = Interpreter::new(&task.workload, &task.info, [6; 32], &task.data, ()).unwrap();
	assert!(backend.run_step(0, 0).is_err());
	assert!(backend.evaluate(12, 0).is_err());
}

#[test]
fn data_that_breaks_its_declaration_should_be_refused_at_load() {
	let task = digits();
	let sets = task.data.sets();
	let with = |n: usize, t: Tensor| {
		let mut all = sets.to_vec();
		all[n] = t;
		CheckedData::new(&task.workload, all).unwrap_err()
	};
	let mut pixels = sets[0].i8s().unwrap().to_vec();
	pixels[100] = 9;
	let too_bright = Tensor::from_i8(sets[0].rows(), 64, pixels.clone()).unwrap();
	assert!(matches!(with(0, too_bright), RunError::Tensor(_)));
	pixels[100] = if sets[0].i8s().unwrap()[100] == 0 { 1 } else { 0 };
	let altered = Tensor::from_i8(sets[0].rows(), 64, pixels).unwrap();
	assert_eq!(with(0, altered), RunError::DataRoot { set: 0 });
	let mut labels = sets[1].i32s().unwrap().to_vec();
	labels[3] = 10;
	let no_class = Tensor::from_i32(sets[1].rows(), 1, labels).unwrap();
	assert!(with(1, no_class).to_string().contains("10"));
	assert!(matches!(
		CheckedData::new(&task.workload, sets[..3].to_vec()),
		Err(RunError::Count { .. })
	));
}
