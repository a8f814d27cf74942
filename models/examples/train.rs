// SPDX-License-Identifier: Apache-2.0

//! Runs the task of a manifest on this machine's CPU, as a worker would, and says what came out: to choose settings
//! before anything is paid. A language model also writes a little; an encoder embeds three texts.
//!
//!     cargo run --release -p poaiw-models --example train -- examples/char-transformer/quick.toml [SEED [WEIGHTS.safetensors]]

use poaiw_models::{
	architecture::Model,
	card::Card,
	embed::TextEncoder,
	export,
	sample::{LanguageModel, Sampling},
	trained::Trained,
	transformer::LOSS_ONE,
	ModelError, Task,
};
use poaiw_program::{
	initial_state, interpreter::run_all, state_root, Control, Interpreter, SegmentOutput, StepBackend,
};
use std::{path::Path, time::Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
	let path = std::env::args().nth(1).ok_or("name a manifest")?;
	let seed = [std::env::args().nth(2).map_or(Ok(0), |n| n.parse())?; 32];
	let task = Task::from_file(Path::new(&path))?;
	println!(
		"{}: {} steps, {} segments, {:.2} GMAC, {} MiB",
		task.manifest.title,
		task.workload.steps,
		task.info.segments,
		task.info.product_macs as f64 / 1e9,
		task.memory_mib()
	);
	let start = Instant::now();
	let state = initial_state(&task.workload, &task.info, seed)?;
	let root = state_root(&state)?;
	let mut backend = Interpreter::new(&task.workload, &task.info, seed, &task.data, ())?;
	backend.load_state(state)?;
	let divisor = f64::from(task.workload.loss.divisor);
	let every = (task.workload.steps / 10).max(1);
	let mut last = None;
	let report = |step: u32, loss: i32| {
		if step.is_multiple_of(every) || step + 1 == task.workload.steps {
			println!("step {step:6}  loss {:.4}", f64::from(loss) / divisor);
		}
		Control::Continue
	};
	run_all(&mut backend, &task.workload, &task.info, root, report, |o| {
		last = Some(o)
	})?;
	println!("{:.1} s", start.elapsed().as_secs_f64());
	if let (Some(path), Some(segment)) = (std::env::args().nth(3), &last) {
		std::fs::write(&path, exported(&task, segment)?)?;
		println!("{path}: the weights in float32");
	}
	match last {
		Some(segment) => evaluated(&segment),
		None => Ok(()),
	}
}

/// The weights as safetensors.
fn exported(task: &Task, segment: &SegmentOutput) -> Result<Vec<u8>, ModelError> {
	for output in &segment.outputs {
		if let Some(card) = Card::from_tensor(output)? {
			return export::language_model(card, segment.state.clone());
		}
	}
	let architecture = task.manifest.architecture(Path::new("."))?;
	export::classifier(&architecture, &segment.state)
}

/// What the last segment measured on the held-out part.
fn evaluated(segment: &SegmentOutput) -> Result<(), Box<dyn std::error::Error>> {
	let Some(record) = segment.record.evaluation else {
		return Ok(());
	};
	println!("{} of {} right on the held-out part", record.hits, record.total);
	let (Some(losses), Some(card)) = (segment.outputs.first(), segment.outputs.get(1)) else {
		return Ok(());
	};
	let (Some(losses), Some(card)) = (losses.i32s(), Card::from_tensor(card)?) else {
		return Ok(());
	};
	let sum: i64 = losses.iter().map(|x| i64::from(*x)).sum();
	let mean = sum as f64 / losses.len() as f64 / f64::from(LOSS_ONE);
	println!("held-out loss {mean:.4} nats per token");
	if let Model::Encoder(_) = card.architecture.model {
		return embedded(Trained::new(card, segment.state.clone())?);
	}
	let model = LanguageModel::new(card, segment.state.clone())?;
	let sampling = Sampling {
		temperature: 0.8,
		seed: 0,
	};
	let start = Instant::now();
	let text = model.sample("Alice was ", 300, sampling)?;
	println!(
		"Alice was {text}\n300 tokens in {:.2} s",
		start.elapsed().as_secs_f64()
	);
	Ok(())
}

/// Cosines of an encoder's embeddings of three texts.
fn embedded(trained: Trained) -> Result<(), Box<dyn std::error::Error>> {
	let texts = ["Alice was tired", "she felt sleepy", "off with heads!"];
	let start = Instant::now();
	let vectors = TextEncoder::trained(&trained)?.embed(&texts)?;
	let spent = start.elapsed().as_secs_f64();
	let cosine = |a: usize, b: usize| -> f32 { vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum() };
	for (a, b) in [(0, 1), (0, 2), (1, 2)] {
		println!("{:?} and {:?}: cosine {:.3}", texts[a], texts[b], cosine(a, b));
	}
	println!("3 texts in {spent:.3} s");
	Ok(())
}
