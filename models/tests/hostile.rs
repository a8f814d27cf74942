// SPDX-License-Identifier: Apache-2.0

//! Altered workloads: either refused, or they run inside of their declared ranges without overflow, and the arbiter
//! agrees with the executor on every block of every instruction.

use codec::Encode;
use poaiw_models::{
	classifier,
	dataset::{Examples, HeldOut},
	mlp,
	text::{Corpus, Vocabulary},
	transformer, Architecture,
};
use poaiw_program::{
	arbiter::{all_blocks, Question, TensorBlocks},
	execute_op,
	random::mix,
	Context, Element, Instruction, Op, OpKind, Program, Role, Rounding, Tensor, TensorDecl, TensorId,
	Workload,
};
use proptest::prelude::*;

struct Rng(u32);

impl Rng {
	fn next(&mut self) -> u32 {
		self.0 = self.0.wrapping_add(0x9e37_79b9);
		mix(self.0)
	}
	fn below(&mut self, n: u32) -> u32 {
		self.next() % n.max(1)
	}
	fn word(&mut self) -> i32 {
		(self.next() as i32) >> self.below(32)
	}
}

fn small(optimiser: &str) -> (Workload, Vec<Tensor>) {
	let architecture = Architecture::from_toml(&format!(
		"[model]\nkind = \"mlp\"\nlayers = [5, 17, 20, 3]\n\
		[training]\nbatch = 8\nepochs = 2\nsteps_per_segment = 3\n[optimiser]\n{optimiser}"
	))
	.unwrap();
	let mut rng = Rng(1);
	let examples = Examples {
		features: 5,
		values: (0..5 * 40).map(|_| rng.below(127) as i8 - 63).collect(),
		labels: (0..40).map(|_| rng.below(3) as i32).collect(),
	};
	let split = examples
		.split(
			&HeldOut {
				every: 4,
				remainder: 1,
			},
			3,
			-5,
		)
		.unwrap();
	(mlp::compile(&architecture, &split).unwrap(), split.tensors.into())
}

/// A tiny convolutional network on images of 5 x 4 pixels with two channels.
fn small_conv(optimiser: &str) -> (Workload, Vec<Tensor>) {
	let architecture = Architecture::from_toml(&format!(
		"[model]\nkind = \"conv\"\ninput = {{ height = 5, width = 4, channels = 2 }}\n\
		convolutions = [{{ filters = 5, kernel = 3, stride = 2, padding = 1 }}, {{ filters = 3, kernel = 2 }}]\n\
		dense = [7, 3]\n[training]\nbatch = 8\nepochs = 2\nsteps_per_segment = 3\n[optimiser]\n{optimiser}"
	))
	.unwrap();
	let mut rng = Rng(3);
	let examples = Examples {
		features: 40,
		values: (0..40 * 40).map(|_| rng.below(127) as i8 - 63).collect(),
		labels: (0..40).map(|_| rng.below(3) as i32).collect(),
	};
	let rule = HeldOut {
		every: 4,
		remainder: 1,
	};
	let split = examples.split(&rule, 3, -5).unwrap();
	(
		classifier::compile(&architecture, &split).unwrap(),
		split.tensors.into(),
	)
}

/// A tiny decoder on a text of ten characters.
fn small_transformer(optimiser: &str, model: &str) -> (Workload, Vec<Tensor>) {
	small_text_model("transformer", optimiser, model)
}

/// A tiny transformer or encoder on a text of ten characters.
fn small_text_model(kind: &str, optimiser: &str, model: &str) -> (Workload, Vec<Tensor>) {
	let architecture = Architecture::from_toml(&format!(
		"[model]\nkind = \"{kind}\"\nlayers = 1\nwidth = 12\nheads = 3\ncontext = 5\n\
		{model}\nheld_out_windows = 2\n[training]\nbatch = 3\nsteps = 6\nsteps_per_segment = 3\n[optimiser]\n{optimiser}"
	))
	.unwrap();
	let mut rng = Rng(2);
	let text: String = (0..200).map(|_| char::from(b'a' + rng.below(10) as u8)).collect();
	let corpus = Corpus::from_text(&text, Vocabulary::of_characters(&text).unwrap()).unwrap();
	let workload = transformer::compile(&architecture, &corpus).unwrap();
	(workload, corpus.tensors(&architecture).unwrap())
}

/// Runs a program with executor and arbiter side by side; gives all tensors.
fn run_checked(program: &Program, step: u32, state: &[Tensor], data: &[Tensor]) -> Vec<Option<Tensor>> {
	let mut values: Vec<Option<Tensor>> = vec![None; program.tensors.len()];
	for input in &program.inputs {
		let value = match input.role {
			Role::State(n) => &state[usize::from(n)],
			Role::Data(n) => &data[usize::from(n)],
		};
		value.check(&program.tensors[input.tensor.0 as usize]).unwrap();
		values[input.tensor.0 as usize] = Some(value.clone());
	}
	for (n, i) in program.instructions.iter().enumerate() {
		let decls: Vec<&TensorDecl> = i.inputs.iter().map(|id| program.tensor(*id).unwrap()).collect();
		let inputs: Vec<&Tensor> = i
			.inputs
			.iter()
			.map(|id| values[id.0 as usize].as_ref().unwrap())
			.collect();
		let out = program.tensor(i.output).unwrap();
		let context = Context {
			seed: [3; 32],
			step,
			instruction: n as u32,
		};
		let value = execute_op(&i.op, &context, &inputs, out).unwrap();
		value
			.check(out)
			.unwrap_or_else(|e| panic!("instruction {n} {:?} {decls:?}: {e}", i.op));
		let question = Question {
			op: &i.op,
			context: &context,
			inputs: &decls,
			out,
		};
		let blocks = TensorBlocks::new(&inputs).unwrap();
		let defined = all_blocks(&question, &blocks).unwrap_or_else(|e| panic!("instruction {n}: {e}"));
		assert_eq!(value.to_bytes(), defined, "instruction {n} {:?}", i.op);
		values[i.output.0 as usize] = Some(value);
	}
	values
}

fn take(values: &[Option<Tensor>], ids: &[TensorId]) -> Vec<Tensor> {
	ids.iter()
		.map(|id| values[id.0 as usize].clone().unwrap())
		.collect()
}

/// Runs initial program, some steps and the evaluation of a valid workload.
fn run_workload(w: &Workload, data: &[Tensor], steps: u32) {
	let mut state = take(&run_checked(&w.init, u32::MAX, &[], data), &w.init.state);
	for step in 0..steps.min(w.steps) {
		let values = run_checked(&w.step, step, &state, data);
		let loss = values[w.step.loss.unwrap().0 as usize]
			.as_ref()
			.unwrap()
			.scalar()
			.unwrap();
		assert!((w.loss.lo..=w.loss.hi).contains(&loss));
		state = take(&values, &w.step.state);
	}
	if let Some(program) = &w.evaluate {
		run_checked(program, w.steps, &state, data);
	}
}

#[test]
fn training_should_run_inside_of_its_ranges_with_either_optimiser() {
	for optimiser in [
		"kind = \"l1-adam\"\nrate = 0.003\nweight_decay = 0.2",
		"kind = \"sgd\"\nrate = 0.5",
	] {
		let (w, data) = small(optimiser);
		let info = w.validate().unwrap();
		assert_eq!(
			info.product_macs,
			info.init.cost.product_macs + info.step.cost.product_macs * 6 + info.evaluation_macs
		);
		run_workload(&w, &data, 6);
	}
}

#[test]
fn a_convolutional_network_should_run_inside_of_its_ranges_with_every_optimiser() {
	for optimiser in [
		"kind = \"adam\"\nrate = 0.0039\nweight_decay = 0.2",
		"kind = \"l1-adam\"\nrate = 0.003",
		"kind = \"sgd\"\nrate = 2.0",
	] {
		let (w, data) = small_conv(optimiser);
		run_workload(&w, &data, 6);
	}
}

#[test]
fn transformers_should_run_inside_of_their_ranges_with_every_objective_and_optimiser() {
	for optimiser in [
		"kind = \"adam\"\nrate = 0.0039\nweight_decay = 0.2",
		"kind = \"adam\"\nrate = 0.003\nfloor = false",
		"kind = \"l1-adam\"\nrate = 0.003",
		"kind = \"sgd\"\nrate = 2.0",
	] {
		for gradient_bits in [7, 13] {
			let model = format!("feed_forward = 20\ngradient_bits = {gradient_bits}");
			for kind in ["transformer", "encoder"] {
				let (w, data) = small_text_model(kind, optimiser, &model);
				run_workload(&w, &data, 6);
			}
		}
	}
}

#[test]
fn gradients_in_two_operands_should_run_inside_of_their_ranges_where_sums_are_long() {
	// The sum of both products' ranges would leave 32 bits.
	let (w, data) = small_transformer(
		"kind = \"l1-adam\"\nrate = 0.003",
		"feed_forward = 9000\ngradient_bits = 13",
	);
	run_workload(&w, &data, 2);
}

/// Changes the parameters of an operation.
fn tweak(op: &mut Op, rng: &mut Rng) {
	let word = rng.word();
	let small = rng.below(40);
	match op {
		Op::Constant { value } => *value = word,
		Op::RandomUniform { scale, shift } => (*scale, *shift) = (rng.below(40_000), small),
		Op::BatchIndices { population } => *population = rng.below(40),
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => {
			(*peak, *floor, *warmup, *total) = (rng.below(70_000), rng.below(70_000), small, rng.below(80));
		}
		Op::Clip { lo, hi } => (*lo, *hi) = (word, rng.word()),
		Op::Ema { shift } | Op::Decay { shift } => *shift = small,
		Op::ExcessBits { bits } => *bits = small,
		Op::Rescale { unit, limit } => (*unit, *limit) = (word >> 20, rng.word()),
		Op::L1Adam { limit, decay } => (*limit, *decay) = (word & ((1 << 27) - 1), rng.below(300)),
		Op::Softmax { top } => *top = rng.below(140),
		Op::SoftmaxBackward { limit } => *limit = word,
		Op::RmsNormGradient { bits } => *bits = small / 2,
		Op::RowDivide { shift } | Op::RoundShift { shift } => *shift = small,
		Op::GroupProduct { groups } | Op::GroupTranspose { groups } => *groups = small,
		Op::SplitColumns { rows, parts } | Op::MergeColumns { rows, parts } => {
			(*rows, *parts) = (rng.below(20), rng.below(6));
		}
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => (*divisor, *modulus, *offset) = (small, rng.below(200), word >> 16),
		Op::AdamSquare { floor } => *floor = !*floor,
		Op::Adam { limit, decay, floor } => {
			(*limit, *decay, *floor) = (word & ((1 << 27) - 1), rng.below(300), !*floor)
		}
		Op::Sgd { shift, limit } => (*shift, *limit) = (small, word & ((1 << 27) - 1)),
		Op::Requantise { rounding } => {
			*rounding = match rounding {
				Rounding::HalfUp => Rounding::Keyed,
				Rounding::Keyed => Rounding::HalfUp,
			}
		}
		other => {
			*other = match rng.below(6) {
				0 => Op::Relu,
				1 => Op::Add,
				2 => Op::Sub,
				3 => Op::Equal,
				4 => Op::Abs,
				_ => Op::Transpose,
			}
		}
	}
}

fn mutate(w: &mut Workload, rng: &mut Rng) {
	let program = match (rng.below(4), &mut w.evaluate) {
		(0, _) => &mut w.init,
		(1, Some(evaluate)) => evaluate,
		_ => &mut w.step,
	};
	let tensors = program.tensors.len() as u32;
	let at = rng.below(program.instructions.len() as u32) as usize;
	let any = TensorId(rng.below(tensors));
	let i = &mut program.instructions[at];
	match rng.below(12) {
		0..=4 => tweak(&mut i.op, rng),
		5..=7 => {
			// Another tensor of the same layout is the change that is most often accepted.
			if let Some(slot) = i.inputs.first_mut() {
				let d = program.tensors[slot.0 as usize];
				let same: Vec<u32> = (0..tensors)
					.filter(|n| program.tensors[*n as usize].same_layout(&d))
					.collect();
				*slot = TensorId(same[rng.below(same.len() as u32) as usize]);
			}
		}
		8 => i.output = any,
		9 => {
			let d = &mut program.tensors[any.0 as usize];
			(d.lo, d.hi) = (
				d.lo.saturating_add(rng.word() >> 8),
				d.hi.saturating_add(rng.word() >> 8),
			);
		}
		10 => {
			let d = &mut program.tensors[any.0 as usize];
			match rng.below(3) {
				0 => d.rows = rng.below(40),
				1 => d.cols = rng.below(40),
				_ => {
					d.element = if d.element == Element::I8 {
						Element::I32
					} else {
						Element::I8
					}
				}
			}
		}
		_ => match rng.below(6) {
			5 => w.evaluations = rng.below(4),
			0 => w.steps = rng.next() >> rng.below(32),
			1 => w.steps_per_segment = rng.below(9),
			2 => w.metric_total = rng.below(20),
			3 => w.loss.hi = rng.word(),
			_ => {
				if let Some(slot) = w.step.state.first_mut() {
					*slot = any;
				}
			}
		},
	}
}

#[test]
fn altered_workloads_should_be_refused_or_run_without_overflow() {
	let originals = [
		small("kind = \"l1-adam\"\nrate = 0.003"),
		small_transformer(
			"kind = \"adam\"\nrate = 0.003\nweight_decay = 0.1",
			"feed_forward = 20",
		),
		small_transformer(
			"kind = \"adam\"\nrate = 0.003\nweight_decay = 0.1",
			"feed_forward = 20\ngradient_bits = 13",
		),
		small_text_model(
			"encoder",
			"kind = \"adam\"\nrate = 0.003\nweight_decay = 0.1",
			"feed_forward = 20\nmasked_share = 0.4",
		),
	];
	let (mut accepted, mut refused, mut kinds) = (0, 0, std::collections::BTreeSet::new());
	for seed in 0..4000 {
		let mut rng = Rng(seed);
		let (original, data) = match seed % 4 {
			// Every fourth one is a transformer.
			0 => &originals[1 + seed as usize / 4 % 3],
			_ => &originals[0],
		};
		let mut w = original.clone();
		for _ in 0..1 + rng.below(2) {
			mutate(&mut w, &mut rng);
		}
		if w == *original {
			continue;
		}
		// What comes over the wire is the encoding.
		let w = Workload::from_bytes(&w.encode()).unwrap();
		match w.validate() {
			Err(e) => {
				refused += 1;
				assert!(!e.to_string().is_empty());
			}
			Ok(info) if info.cost.total() > 1 << 26 && info.step.cost.total() > 1 << 22 => (),
			Ok(_) => {
				accepted += 1;
				kinds.extend(w.step.instructions.iter().map(|i| i.op.kind()));
				run_workload(&w, data, 2);
			}
		}
	}
	println!("{accepted} accepted and run, {refused} refused");
	assert!(accepted > 200, "{accepted}");
	assert!(refused > 500, "{refused}");
	assert!(kinds.len() > OpKind::ALL.len() / 2);
}

#[test]
fn workloads_that_do_not_fit_together_should_be_refused() {
	let (good, _) = small("kind = \"l1-adam\"\nrate = 0.003");
	let refused = |f: &dyn Fn(&mut Workload), why: &str| {
		let mut w = good.clone();
		f(&mut w);
		let text = w.validate().expect_err(why).to_string();
		assert!(text.contains(why), "`{text}` does not say `{why}`");
	};
	refused(&|w| w.steps = 0, "steps_per_segment is");
	refused(
		&|w| (w.steps, w.steps_per_segment) = (0, 1),
		"a workload without steps has empty programs",
	);
	refused(&|w| (w.evaluate, w.steps) = (None, 0), "steps is 0");
	refused(&|w| w.evaluate = None, "evaluations is 1");
	refused(&|w| w.evaluations = 0, "evaluations is 0");
	refused(&|w| w.evaluations = 4096, "segments is");
	refused(&|w| w.steps = u32::MAX, "steps is 4294967295");
	refused(&|w| w.steps_per_segment = 0, "steps_per_segment is 0");
	refused(&|w| w.steps_per_segment = 7, "steps_per_segment is 7");
	refused(
		&|w| {
			w.steps = 4097;
			w.steps_per_segment = 1;
		},
		"segments is 4098",
	);
	refused(&|w| w.data[1].tensor.hi = 3, "step, input");
	refused(&|w| w.data[0].tensor.lo = -64, "values may reach -64");
	refused(
		&|w| w.data[3].tensor.rows += 1,
		"an input has the sizes of what it is given",
	);
	refused(
		&|w| w.data.truncate(3),
		"an input names an existing state tensor or data set",
	);
	refused(&|w| w.data[0].tensor.rows = 0, "data set 0: rows is 0");
	refused(&|w| w.data = vec![w.data[0]; 1025], "1025 data sets");
	refused(
		&|w| w.init.inputs = w.step.inputs.clone(),
		"program `init`, input",
	);
	refused(
		&|w| {
			let TensorId(n) = TensorId(w.init.tensors.len() as u32);
			let word = TensorDecl::new(Element::I32, 2, 2, 1, 1);
			w.init.tensors.extend([
				word,
				TensorDecl::scalar(0, 0),
				TensorDecl::new(Element::I8, 2, 2, 0, 1),
			]);
			w.init.tensors.push(TensorDecl::new(Element::I32, 2, 2, 0, 2));
			let ids = |list: &[u32]| list.iter().map(|i| TensorId(n + i)).collect::<Vec<_>>();
			let mut add = |op, inputs: &[u32], output| {
				let inputs = ids(inputs);
				let output = TensorId(n + output);
				w.init.instructions.push(Instruction { op, inputs, output });
			};
			add(Op::Constant { value: 1 }, &[], 0);
			add(Op::Constant { value: 0 }, &[], 1);
			add(
				Op::Requantise {
					rounding: Rounding::HalfUp,
				},
				&[0, 1],
				2,
			);
			add(Op::Product, &[2, 2], 3);
			w.init.state.push(TensorId(n + 3));
		},
		"program `init`: products is 8",
	);
	refused(&|w| w.step.state.truncate(3), "state tensors after step is 3");
	refused(&|w| w.step.state.swap(0, 3), "init and step leave the same state");
	refused(&|w| w.init.state.clear(), "state tensors after init is 0");
	refused(&|w| w.step.loss = None, "the step has a loss");
	refused(&|w| w.loss.hi += 1, "loss range of the workload");
	refused(&|w| w.loss.divisor = 0, "loss.divisor is 0");
	refused(&|w| w.metric_total = 0, "metric_total is 0");
	refused(&|w| w.metric_total -= 1, "the metric's upper end is 10");
	refused(
		&|w| (w.evaluate, w.evaluations) = (None, 0),
		"metric_total without a metric",
	);
	refused(&|w| w.step.outputs = vec![w.step.state[0]], "outputs is 1");
	refused(
		&|w| {
			if let Some(e) = &mut w.evaluate {
				e.state = e.outputs.clone();
			}
		},
		"state tensors of the evaluation is 1",
	);
	// A next state that may leave what the step accepts.
	refused(
		&|w| {
			let Some(input) = w.step.inputs.iter().find(|i| i.role == Role::State(0)) else {
				return;
			};
			w.step.tensors[input.tensor.0 as usize].hi -= 1;
		},
		"declared are -134217727 to 134217726",
	);
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn altered_encodings_should_never_panic(at: usize, byte: u8, cut: usize) {
		let (w, _) = small("kind = \"sgd\"\nrate = 0.5");
		let mut bytes = w.encode();
		let at = at % bytes.len();
		bytes[at] = byte;
		if let Ok(w) = Workload::from_bytes(&bytes) {
			let _ = w.validate();
			let _ = w.segment(at as u32);
		}
		bytes.truncate(cut % bytes.len());
		prop_assert!(Workload::from_bytes(&bytes).is_err());
	}
}
