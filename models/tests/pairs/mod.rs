// SPDX-License-Identifier: Apache-2.0

//! A text whose capitals are decided by the letter behind them, and models that are trained on it.
#![allow(dead_code)]

use poaiw_models::{
	card::Card,
	text::{Corpus, Vocabulary},
	trained::Trained,
	transformer::compile,
	Architecture,
};
use poaiw_program::{
	execute_op, initial_state, interpreter::run_all, random::mix, state_root, CheckedData, Context, Control,
	Interpreter, Program, Role, SegmentOutput, StepBackend, Tensor, Workload,
};

/// Letters of each case.
pub const LETTERS: u32 = 8;

/// Random letters, every one behind its capital: `CcAaHh`….
pub fn text(pairs: u32, seed: u32) -> String {
	let letter = |n: u32| char::from(b'a' + (mix(n ^ mix(seed)) % LETTERS) as u8);
	(0..pairs)
		.flat_map(|n| [letter(n).to_ascii_uppercase(), letter(n)])
		.collect()
}

/// A corpus of pairs; its held-out part starts with a capital.
pub fn corpus() -> Corpus {
	let text = text(5_000, 1);
	Corpus::from_text(&text, Vocabulary::of_characters(&text).unwrap()).unwrap()
}

/// The description of a model of one block that trains in a moment; `more` are further lines of `[model]`.
pub fn description(kind: &str, steps: u32, more: &str) -> String {
	format!(
		"[model]\nkind = \"{kind}\"\nlayers = 1\nwidth = 32\nheads = 2\ncontext = 16\nheld_out_windows = 60\n{more}\n\
		[training]\nbatch = 16\nsteps = {steps}\nsteps_per_segment = 1000\n\
		[optimiser]\nkind = \"adam\"\nrate = 0.0039\n[schedule]\nwarmup_steps = 10\n"
	)
}

/// A workload with its data.
pub struct Job {
	pub architecture: Architecture,
	pub workload: Workload,
	pub data: CheckedData,
}

impl Job {
	pub fn new(description: &str, corpus: &Corpus) -> Self {
		let architecture = Architecture::from_toml(description).unwrap();
		let workload = compile(&architecture, corpus).unwrap();
		let data = CheckedData::new(&workload, corpus.tensors(&architecture).unwrap()).unwrap();
		Self {
			architecture,
			workload,
			data,
		}
	}

	/// All segments; the last one is the evaluation.
	pub fn train(&self, seed: u8) -> Vec<SegmentOutput> {
		let (workload, seed) = (&self.workload, [seed; 32]);
		let info = workload.validate().unwrap();
		let state = initial_state(workload, &info, seed).unwrap();
		let root = state_root(&state).unwrap();
		let mut backend = Interpreter::new(workload, &info, seed, &self.data, ()).unwrap();
		backend.load_state(state).unwrap();
		let mut outputs = Vec::new();
		let go_on = |_, _| Control::Continue;
		run_all(&mut backend, workload, &info, root, go_on, |o| outputs.push(o)).unwrap();
		outputs
	}

	/// The trained model.
	pub fn trained(&self, seed: u8) -> Trained {
		let outputs = self.train(seed);
		trained(outputs.last().unwrap())
	}

	/// Every tensor of one step that starts from a state.
	pub fn step(&self, state: &[Tensor], step: u32) -> Vec<Option<Tensor>> {
		values(&self.workload.step, step, state, self.data.sets())
	}
}

/// The model that a run left.
pub fn trained(evaluation: &SegmentOutput) -> Trained {
	let card = Card::from_tensor(&evaluation.outputs[1]).unwrap().unwrap();
	Trained::new(card, evaluation.state.clone()).unwrap()
}

/// Every tensor of a program.
pub fn values(program: &Program, step: u32, state: &[Tensor], data: &[Tensor]) -> Vec<Option<Tensor>> {
	let mut values: Vec<Option<Tensor>> = vec![None; program.tensors.len()];
	for input in &program.inputs {
		let value = match input.role {
			Role::State(n) => &state[usize::from(n)],
			Role::Data(n) => &data[usize::from(n)],
		};
		values[input.tensor.0 as usize] = Some(value.clone());
	}
	for (n, i) in program.instructions.iter().enumerate() {
		let given: Vec<&Tensor> = i
			.inputs
			.iter()
			.map(|id| values[id.0 as usize].as_ref().unwrap())
			.collect();
		let context = Context {
			seed: [5; 32],
			step,
			instruction: n as u32,
		};
		let value = execute_op(&i.op, &context, &given, program.tensor(i.output).unwrap()).unwrap();
		values[i.output.0 as usize] = Some(value);
	}
	values
}
