// SPDX-License-Identifier: Apache-2.0

//! Times training steps of a two-layer character transformer (418,000 parameters, 1,024 tokens a step) on the CPU:
//!
//!     cargo run --release -p poaiw-models --example transformer_step -- 10
//!
//! The second argument is `gradient_bits`, 7 or 13. With a third one, the time of every kind of operation as well.

use poaiw_models::{
	architecture::Model,
	text::{Corpus, Vocabulary},
	transformer, Architecture,
};
use poaiw_program::{
	execute_op, initial_state, random::mix, Context, Interpreter, Program, Role, StepBackend, Tensor,
};
use std::{collections::BTreeMap, time::Duration, time::Instant};

const ARCHITECTURE: &str =
	"[model]\nkind = \"transformer\"\nlayers = 2\nwidth = 128\nheads = 4\ncontext = 64\n\
	[training]\nbatch = 16\nsteps = 1000\nsteps_per_segment = 10\n\
	[optimiser]\nkind = \"adam\"\nrate = 2e-3\nweight_decay = 0.1\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
	let mut arguments = std::env::args().skip(1);
	let steps: u32 = arguments.next().map_or(Ok(10), |n| n.parse())?;
	let mut architecture = Architecture::from_toml(ARCHITECTURE)?;
	if let (Some(bits), Model::Transformer(model)) = (arguments.next(), &mut architecture.model) {
		model.gradient_bits = bits.parse()?;
	}
	let vocabulary = Vocabulary::from_characters((0..65u8).map(|n| char::from(48 + n)).collect())?;
	let tokens = (0..50_000).map(|n| (mix(n) % 65) as i32).collect();
	let corpus = Corpus::new(vocabulary, tokens, vec![0; 65])?;
	let workload = transformer::compile(&architecture, &corpus)?;
	let info = workload.validate()?;
	let tensors = corpus.tensors(&architecture)?;
	let data = poaiw_program::CheckedData::new(&workload, tensors)?;
	let seed = [1; 32];
	let state = initial_state(&workload, &info, seed)?;
	println!(
		"{} instructions, {:.3} GMAC in products, {:.3} G weighted operations, {} MiB",
		workload.step.instructions.len(),
		info.step.cost.product_macs as f64 / 1e9,
		info.step.cost.total() as f64 / 1e9,
		info.step.total_bytes >> 20
	);
	let mut backend = Interpreter::new(&workload, &info, seed, &data, ())?;
	backend.load_state(state.clone())?;
	let start = Instant::now();
	for step in 0..steps {
		backend.run_step(0, step)?;
	}
	println!(
		"{:.4} s per step",
		start.elapsed().as_secs_f64() / f64::from(steps.max(1))
	);
	if arguments.next().is_some() {
		for (name, (count, time)) in by_kind(&workload.step, &state, data.sets())? {
			println!("{:9.3} ms  {count:4} x {name}", time.as_secs_f64() * 1e3);
		}
	}
	Ok(())
}

/// Name of a kind of operation, number of its instructions, and their time.
type Kind = (&'static str, (u32, Duration));

/// Number and time of the instructions of every kind in one step, the slowest first.
fn by_kind(
	program: &Program,
	state: &[Tensor],
	data: &[Tensor],
) -> Result<Vec<Kind>, Box<dyn std::error::Error>> {
	let mut values: Vec<Option<Tensor>> = vec![None; program.tensors.len()];
	for input in &program.inputs {
		let given = match input.role {
			Role::State(n) => state.get(usize::from(n)),
			Role::Data(n) => data.get(usize::from(n)),
		};
		values[input.tensor.0 as usize] = given.cloned();
	}
	let mut times: BTreeMap<&'static str, (u32, Duration)> = BTreeMap::new();
	for (n, i) in (0u32..).zip(&program.instructions) {
		let inputs: Option<Vec<&Tensor>> = i.inputs.iter().map(|id| values[id.0 as usize].as_ref()).collect();
		let (Some(inputs), Some(out)) = (inputs, program.tensor(i.output)) else {
			return Err(format!("instruction {n} lacks a tensor").into());
		};
		let context = Context {
			seed: [1; 32],
			step: 0,
			instruction: n,
		};
		let start = Instant::now();
		let value = execute_op(&i.op, &context, &inputs, out)?;
		let entry = times.entry(i.op.kind().name()).or_default();
		*entry = (entry.0 + 1, entry.1 + start.elapsed());
		values[i.output.0 as usize] = Some(value);
	}
	let mut sorted: Vec<_> = times.into_iter().collect();
	sorted.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
	Ok(sorted)
}
