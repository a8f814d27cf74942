// SPDX-License-Identifier: Apache-2.0

//! Training steps and evaluations of every kind of model by their plans, bit by bit beside runs one instruction after
//! the other.

use poaiw_models::{
	classifier,
	dataset::{Examples, HeldOut},
	text::{Corpus, Vocabulary},
	transformer, Architecture,
};
use poaiw_program::{
	initial_state,
	interpreter::{run_planned, run_program, Given},
	random::mix,
	Context, Plan, Program, Tensor, Workload,
};

const SEED: [u8; 32] = [9; 32];

fn given<'a>(state: &'a [Tensor], data: &'a [Tensor]) -> Vec<Given<'a>> {
	let state = (0u16..).zip(state).map(|(n, t)| Given::StateRef(n, t));
	state
		.chain((0u16..).zip(data).map(|(n, t)| Given::Data(n, t)))
		.collect()
}

/// Runs steps and an evaluation both ways.
fn same_bits(workload: &Workload, data: &[Tensor], steps: u32) {
	let info = workload.validate().unwrap();
	let mut state = initial_state(workload, &info, SEED).unwrap();
	let both = |program: &Program, step: u32, state: &[Tensor]| {
		let context = Context {
			seed: SEED,
			step,
			instruction: 0,
		};
		let info = poaiw_program::validate(program).unwrap();
		let slow = run_program(program, &info, context, given(state, data), |_, _| ()).unwrap();
		// Strips as they are, and so small that there are many, with tails.
		for plan in [Plan::new(program), Plan::with_strips(program, 3000)] {
			let mut buffers = poaiw_program::Buffers::default();
			let given = given(state, data);
			let fast = run_planned(&mut buffers, program, &plan, context, given, |_| false, |_, _| ());
			assert!(fast.unwrap() == slow, "step {step}");
		}
		slow
	};
	for step in 0..steps {
		state = both(&workload.step, step, &state).state;
	}
	both(
		workload.evaluate.as_ref().unwrap(),
		workload.evaluation_step(0),
		&state,
	);
}

fn images(model: &str, optimiser: &str) -> (Workload, Vec<Tensor>) {
	let architecture = Architecture::from_toml(&format!(
		"[model]\n{model}\n[training]\nbatch = 24\nepochs = 2\nsteps_per_segment = 4\n\
		[optimiser]\nkind = \"{optimiser}\"\nrate = 1e-3\n"
	))
	.unwrap();
	let examples = Examples {
		features: 144,
		values: (0..144 * 120u32).map(|i| (mix(i) % 127) as i8 - 63).collect(),
		labels: (0..120u32).map(|i| (mix(i) % 10) as i32).collect(),
	};
	let rule = HeldOut {
		every: 5,
		remainder: 0,
	};
	let split = examples.split(&rule, 10, -6).unwrap();
	let data = split.tensors.to_vec();
	(classifier::compile(&architecture, &split).unwrap(), data)
}

fn text(model: &str) -> (Workload, Vec<Tensor>) {
	let architecture = Architecture::from_toml(&format!(
		"[model]\nkind = \"transformer\"\nlayers = 2\nwidth = 48\nheads = 3\ncontext = 20\n{model}\n\
		[training]\nbatch = 5\nsteps = 20\nsteps_per_segment = 20\n\
		[optimiser]\nkind = \"adam\"\nrate = 2e-3\nweight_decay = 0.1\n"
	))
	.unwrap();
	let characters = (0..37).map(|n| char::from_u32(48 + n).unwrap()).collect();
	let token = |i: u32| (mix(i) % 37) as i32;
	let corpus = Corpus::new(
		Vocabulary::from_characters(characters).unwrap(),
		(0..5000).map(token).collect(),
		(0..500).map(token).collect(),
	)
	.unwrap();
	let data = corpus.tensors(&architecture).unwrap();
	(transformer::compile(&architecture, &corpus).unwrap(), data)
}

#[test]
fn perceptrons_should_have_the_same_bits_by_their_plan() {
	for optimiser in ["adam", "l1-adam", "sgd"] {
		let (workload, data) = images("kind = \"mlp\"\nlayers = [144, 70, 33, 10]", optimiser);
		same_bits(&workload, &data, 3);
	}
}

#[test]
fn convolutional_networks_should_have_the_same_bits_by_their_plan() {
	let model = "kind = \"conv\"\ninput = { height = 12, width = 12, channels = 1 }\n\
		convolutions = [{ filters = 8, kernel = 5, stride = 2, padding = 2 }, { filters = 12, kernel = 3, stride = 2, padding = 1 }]\n\
		dense = [24, 10]";
	let (workload, data) = images(model, "adam");
	same_bits(&workload, &data, 3);
}

#[test]
fn transformers_should_have_the_same_bits_by_their_plan() {
	for model in [
		"",
		"gradient_bits = 13",
		"attention_bits = 7\nmask = \"accumulator\"",
	] {
		let (workload, data) = text(model);
		same_bits(&workload, &data, 3);
	}
}

#[test]
fn most_of_a_training_step_should_run_in_stages() {
	let (workload, _) = text("gradient_bits = 13");
	let plan = Plan::new(&workload.step);
	let (stages, joined) = plan.joined();
	let all = workload.step.instructions.len();
	// The rest are scalars, reductions to one number, and what mixes rows.
	assert!(
		3 * joined > all && 4 * stages < joined,
		"{joined} of {all} in {stages}"
	);
}
