// SPDX-License-Identifier: Apache-2.0

//! A language model end to end on the example text: trained in integers, measured, saved as a result, and sampled.

mod downloaded;

use poaiw_models::{
	card::Card,
	sample::{LanguageModel, Sampling},
	text::{Corpus, Vocabulary},
	transformer::{compile, logits_program, LOSS_ONE},
	Architecture, ModelError, Task,
};
use poaiw_program::{
	initial_state,
	interpreter::{run_all, run_program, Given},
	state_root, validate, Context, Control, Interpreter, Op, SegmentOutput, StepBackend, Tensor,
};
use std::{
	fs,
	path::{Path, PathBuf},
};
use tempfile::tempdir;

fn example(name: &str) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("../examples/char-transformer")
		.join(name)
}

fn train(task: &Task, seed: [u8; 32]) -> Vec<SegmentOutput> {
	let state = initial_state(&task.workload, &task.info, seed).unwrap();
	let root = state_root(&state).unwrap();
	let mut backend = Interpreter::new(&task.workload, &task.info, seed, &task.data, ()).unwrap();
	backend.load_state(state).unwrap();
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
	outputs
}

fn quick() -> (Task, Vec<SegmentOutput>) {
	let task = Task::from_file(&example("quick.toml")).unwrap();
	let outputs = train(&task, [7; 32]);
	(task, outputs)
}

fn mean(x: &[f64]) -> f64 {
	x.iter().sum::<f64>() / x.len() as f64
}

/// Losses of the evaluation's output in nats.
fn held_out(evaluation: &SegmentOutput) -> Vec<f64> {
	let words = evaluation.outputs[0].i32s().unwrap();
	words
		.iter()
		.map(|x| f64::from(*x) / f64::from(LOSS_ONE))
		.collect()
}

fn card(evaluation: &SegmentOutput) -> Card {
	Card::from_tensor(&evaluation.outputs[1]).unwrap().unwrap()
}

#[test]
fn training_should_lower_the_held_out_loss_and_the_model_should_write_text() {
	let (task, outputs) = quick();
	let losses: Vec<f64> = outputs
		.iter()
		.flat_map(|o| &o.losses)
		.map(|raw| f64::from(*raw) / f64::from(task.workload.loss.divisor))
		.collect();
	let evaluation = outputs.last().unwrap();
	let measured = held_out(evaluation);
	let record = evaluation.record.evaluation.unwrap();
	println!(
		"{:.2} GMAC, loss {:.3} to {:.3}, held out {:.3}, {} of {} characters",
		task.info.product_macs as f64 / 1e9,
		losses[0],
		losses[losses.len() - 1],
		mean(&measured),
		record.hits,
		record.total
	);
	assert!((losses[0] - 72f64.ln()).abs() < 0.3, "{}", losses[0]);
	assert!(mean(&measured) < 2.9, "{}", mean(&measured));
	assert!(
		record.hits * 5 > record.total,
		"{} of {}",
		record.hits,
		record.total
	);
	assert_eq!(record.total, 16 * 32);

	let model = LanguageModel::new(card(evaluation), evaluation.state.clone()).unwrap();
	let greedy = Sampling {
		temperature: 0.0,
		seed: 1,
	};
	let text = model.sample("Alice was ", 80, greedy).unwrap();
	assert_eq!(text.chars().count(), 80);
	assert_eq!(
		text,
		model
			.sample("Alice was ", 80, Sampling { seed: 2, ..greedy })
			.unwrap()
	);
	let free = |seed| {
		let sampling = Sampling {
			temperature: 0.8,
			seed,
		};
		model.sample("Alice was ", 80, sampling).unwrap()
	};
	assert_eq!(free(3), free(3));
	assert_ne!(free(3), free(4));

	// The evaluation and the library measure the same windows, to the bit.
	let corpus = task.manifest.data.read_corpus(&example("")).unwrap();
	let again = model.losses(&corpus.held_out()[..16 * 32 + 1]).unwrap();
	assert_eq!(again, measured);
}

#[test]
fn logits_of_a_sequence_should_not_depend_on_the_sequences_beside_it() {
	let (task, outputs) = quick();
	let evaluation = outputs.last().unwrap();
	let architecture = task.manifest.architecture.clone().unwrap();
	let poaiw_models::architecture::Model::Transformer(model) = &architecture.model else {
		panic!("no transformer")
	};
	let vocabulary = card(evaluation).vocabulary().unwrap();
	let logits = |sequences: u32, tokens: &[i32]| -> Vec<i32> {
		let program =
			logits_program(model, vocabulary.size(), &architecture.optimiser, sequences, 32).unwrap();
		let info = validate(&program).unwrap();
		let tokens = Tensor::from_i32(sequences * 32, 1, tokens.to_vec()).unwrap();
		let state = (0u16..)
			.zip(&evaluation.state)
			.map(|(n, t)| Given::StateRef(n, t));
		let given = state.chain([Given::Data(0, &tokens)]).collect();
		let context = Context {
			seed: [0; 32],
			step: 0,
			instruction: 0,
		};
		let done = run_program(&program, &info, context, given, |_, _| ()).unwrap();
		done.outputs[0].i32s().unwrap().to_vec()
	};
	let corpus = task.manifest.data.read_corpus(&example("")).unwrap();
	let tokens = &corpus.held_out()[..5 * 32];
	let together = logits(5, tokens);
	let size = 32 * vocabulary.size() as usize;
	for (n, sequence) in tokens.chunks(32).enumerate() {
		assert_eq!(logits(1, sequence), together[n * size..][..size], "sequence {n}");
	}
	let mut reversed: Vec<i32> = tokens.chunks(32).rev().flatten().copied().collect();
	reversed[0] ^= 1;
	let other = logits(5, &reversed);
	assert_eq!(other[4 * size..], together[..size]);
	assert_ne!(other[..size], together[4 * size..]);
}

/// The result that a folder has.
fn save(folder: &Path, state: &[Tensor], outputs: &[Tensor]) {
	downloaded::save(folder, &[0; 32], state, outputs);
}

#[test]
fn a_saved_result_should_be_used_without_its_manifest_and_altered_files_refused() {
	let folder = tempdir().unwrap();
	let folder = folder.path();
	let (_, outputs) = quick();
	let last = outputs.last().unwrap();
	save(folder, &last.state, &last.outputs);
	let sampling = Sampling {
		temperature: 0.0,
		seed: 0,
	};
	let direct = LanguageModel::new(card(last), last.state.clone()).unwrap();
	let loaded = LanguageModel::from_folder(folder).unwrap();
	let text = |model: &LanguageModel| model.sample("the ", 40, sampling).unwrap();
	assert_eq!(text(&direct), text(&loaded));

	let says = |why: &str| {
		let error = LanguageModel::from_folder(folder).unwrap_err().to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	let weights = fs::read(folder.join("state-000.bin")).unwrap();
	let mut flipped = weights.clone();
	flipped[5] ^= 1;
	fs::write(folder.join("state-000.bin"), &flipped).unwrap();
	says("its commitment is");
	fs::write(folder.join("state-000.bin"), &weights[1..]).unwrap();
	says("bytes where the index says");
	fs::remove_file(folder.join("state-000.bin")).unwrap();
	says("state-000.bin");
	save(folder, &last.state, &last.outputs[..1]);
	says("there is no model card");
	save(folder, &last.state[..6], &last.outputs);
	says("it has 6 tensors where the model has 27");
	let mut swapped = last.state.clone();
	swapped.swap(0, 3);
	save(folder, &swapped, &last.outputs);
	says("`tok`");
	let index = fs::read_to_string(folder.join("index.json")).unwrap();
	fs::write(
		folder.join("index.json"),
		index.replace("state-000", "../state-000"),
	)
	.unwrap();
	says("not a file of this folder");
	fs::write(folder.join("index.json"), "{").unwrap();
	says("download the result again");
}

#[test]
fn prompts_and_settings_that_do_not_fit_should_be_named() {
	let (task, outputs) = quick();
	let last = outputs.last().unwrap();
	let model = LanguageModel::new(card(last), last.state.clone()).unwrap();
	let sampling = Sampling {
		temperature: 1.0,
		seed: 0,
	};
	let says = |result: Result<String, ModelError>, why: &str| {
		let error = result.unwrap_err().to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	says(model.sample("", 5, sampling), "`prompt` is empty");
	says(
		model.sample("Ali\u{20ac}e", 5, sampling),
		"without '€', character 4",
	);
	says(model.sample("a", usize::MAX, sampling), "`length`");
	let hot = |temperature| model.sample("a", 5, Sampling { temperature, seed: 0 });
	says(hot(-1.0), "`temperature` is -1");
	says(hot(f64::NAN), "`temperature` is NaN");
	assert!(model.losses(&[0; 32]).is_err());
	assert!(model.losses(&[1000; 33]).is_err());
	// A card of another model does not fit these weights.
	let mut architecture = task.manifest.architecture.clone().unwrap();
	let poaiw_models::architecture::Model::Transformer(wider) = &mut architecture.model else {
		panic!("no transformer")
	};
	wider.width = 128;
	let other = Card::new(architecture, model.vocabulary());
	let error = LanguageModel::new(other, last.state.clone())
		.unwrap_err()
		.to_string();
	assert!(error.contains("don't belong together"), "{error}");
}

#[test]
fn gradients_in_two_operands_should_double_the_backward_products_and_train_as_well() {
	let mut manifest = fs::read_to_string(example("quick.toml")).unwrap();
	let shorter = Task::from_file(&example("quick.toml")).unwrap();
	manifest = manifest.replace("context = 32", "context = 32\ngradient_bits = 13");
	let folder = tempdir().unwrap();
	let folder = folder.path();
	fs::write(folder.join("quick.toml"), manifest).unwrap();
	fs::copy(example("alice.txt"), folder.join("alice.txt")).unwrap();
	let longer = Task::from_file(&folder.join("quick.toml")).unwrap();

	let products = |task: &Task| {
		let steps = &task.workload.step.instructions;
		steps.iter().filter(|i| i.op == Op::Product).count()
	};
	// Seven matrices of one block: a product forward and two backward each.
	assert_eq!((products(&shorter), products(&longer)), (7 * 3, 7 * 5));
	let loss = |task: &Task| mean(&held_out(train(task, [7; 32]).last().unwrap()));
	let (int7, split) = (loss(&shorter), loss(&longer));
	println!("int7 {int7:.3}, split {split:.3}");
	assert!(split < int7 * 1.01 && split != int7, "{split} and {int7}");
}

#[test]
fn learnt_byte_pairs_should_compile_and_train() {
	let text = fs::read_to_string(example("alice.txt")).unwrap();
	let part: String = text.chars().take(20_000).collect();
	let vocabulary = Vocabulary::train_bpe(&part, 300).unwrap();
	assert_eq!(vocabulary.size(), 300);
	let tokens = vocabulary.encode("Alice was — not here.\n").unwrap();
	assert_eq!(vocabulary.decode(&tokens).unwrap(), "Alice was — not here.\n");
	let corpus = Corpus::from_text(&part, vocabulary).unwrap();
	let architecture = Architecture::from_toml(
		"[model]\nkind = \"transformer\"\nlayers = 1\nwidth = 48\nheads = 3\ncontext = 24\nattention_bits = 8\n\
		held_out_windows = 4\n[training]\nbatch = 5\nsteps = 3\nsteps_per_segment = 2\n\
		[optimiser]\nkind = \"l1-adam\"\nrate = 0.003",
	)
	.unwrap();
	let workload = compile(&architecture, &corpus).unwrap();
	let info = workload.validate().unwrap();
	let tensors = corpus.tensors(&architecture).unwrap();
	let data = poaiw_program::CheckedData::new(&workload, tensors).unwrap();
	let state = initial_state(&workload, &info, [1; 32]).unwrap();
	let mut backend = Interpreter::new(&workload, &info, [1; 32], &data, ()).unwrap();
	let root = state_root(&state).unwrap();
	backend.load_state(state).unwrap();
	let mut outputs = Vec::new();
	run_all(
		&mut backend,
		&workload,
		&info,
		root,
		|_, _| Control::Continue,
		|o| outputs.push(o),
	)
	.unwrap();
	let last = outputs.last().unwrap();
	let model = LanguageModel::new(card(last), last.state.clone()).unwrap();
	let sampling = Sampling {
		temperature: 1.0,
		seed: 5,
	};
	assert!(!model.sample("Alice", 10, sampling).unwrap().is_empty());
}
