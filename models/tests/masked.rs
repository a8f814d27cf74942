// SPDX-License-Identifier: Apache-2.0

//! Encoders that are trained by masked-token prediction: what they learn, what is hidden from them, and what counts.

mod pairs;

use pairs::{corpus, description, values, Job, LETTERS};
use poaiw_models::{
	architecture::{Model, Transformer},
	text::Corpus,
	transformer::{logits_program, matrices, LOGIT_UNIT, LOSS_ONE},
	Architecture, Task,
};
use poaiw_program::{
	execute_op, initial_state, Context, Element, Op, Program, SegmentOutput, Tensor, TensorDecl, TensorId,
};
use std::path::{Path, PathBuf};

const VOCABULARY: i32 = 2 * LETTERS as i32;

fn example(name: &str) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("../examples/char-encoder")
		.join(name)
}

fn model(job: &Job) -> &Transformer {
	match &job.architecture.model {
		Model::Encoder(model) => model,
		other => panic!("{} is no encoder", other.kind()),
	}
}

fn words(values: &[Option<Tensor>], id: TensorId) -> Vec<i32> {
	values[id.0 as usize].as_ref().unwrap().i32s().unwrap().to_vec()
}

/// The last instruction of a kind.
fn last(program: &Program, is: impl Fn(&Op) -> bool) -> &poaiw_program::Instruction {
	program.instructions.iter().rfind(|i| is(&i.op)).unwrap()
}

fn nats(losses: impl Iterator<Item = i32>) -> f64 {
	let losses: Vec<f64> = losses.map(|x| f64::from(x) / f64::from(LOSS_ONE)).collect();
	losses.iter().sum::<f64>() / losses.len() as f64
}

fn evaluated(job: &Job, seed: u8) -> SegmentOutput {
	job.train(seed).pop().unwrap()
}

fn share(evaluation: &SegmentOutput) -> f64 {
	let record = evaluation.record.evaluation.unwrap();
	f64::from(record.hits) / f64::from(record.total)
}

#[test]
fn an_encoder_should_learn_what_only_the_token_behind_decides_when_a_decoder_cannot() {
	let corpus = corpus();
	let steps = 500;
	let encoder = evaluated(
		&Job::new(&description("encoder", steps, "masked_share = 0.2"), &corpus),
		1,
	);
	let decoder = evaluated(&Job::new(&description("transformer", steps, ""), &corpus), 1);
	// Row `i` is token `7 i + 1`; capitals stand at even places.
	let losses = encoder.outputs[0].i32s().unwrap();
	let of_capitals = nats(losses.iter().skip(1).step_by(2).copied());
	let all = nats(losses.iter().copied());
	println!(
		"encoder: {all:.3} nats, {of_capitals:.3} of capitals, {:.3} right; decoder: {:.3} right",
		share(&encoder),
		share(&decoder)
	);
	// Without a look at its neighbours a token is one of 16, a capital one of 8: 2.77 and 2.08 nats.
	assert!(all < 0.5, "{all} nats");
	assert!(of_capitals < 0.5, "{of_capitals} nats");
	assert!(share(&encoder) > 0.9, "{} of the hidden tokens", share(&encoder));
	// A decoder knows every letter from its capital, and of the capitals no more than that they are capitals.
	assert!(share(&decoder) < 0.65, "{} of the next tokens", share(&decoder));
}

#[test]
fn training_should_lower_the_held_out_loss_below_that_of_frequencies_when_the_text_is_real() {
	let task = Task::from_file(&example("quick.toml")).unwrap();
	let corpus = task.manifest.data.read_corpus(&example("")).unwrap();
	let mut counts = vec![0f64; corpus.vocabulary().size() as usize];
	for token in corpus.train() {
		counts[*token as usize] += 1.0;
	}
	let total: f64 = counts.iter().sum();
	let entropy: f64 = counts
		.iter()
		.filter(|n| **n > 0.0)
		.map(|n| -n / total * (n / total).ln())
		.sum();
	let job = Job::new(
		&toml::to_string(task.manifest.architecture.as_ref().unwrap()).unwrap(),
		&corpus,
	);
	assert_eq!(job.workload, task.workload, "the manifest and the library differ");
	let segments = job.train(7);
	let evaluation = segments.last().unwrap();
	let record = evaluation.record.evaluation.unwrap();
	let losses: Vec<i32> = segments.iter().flat_map(|s| s.losses.clone()).collect();
	let measured = nats(evaluation.outputs[0].i32s().unwrap().iter().copied());
	println!(
		"steps {:.3} to {:.3}, held out {measured:.3} nats, frequencies {entropy:.3}; {} of {}",
		nats(losses[..1].iter().copied()),
		nats(losses[losses.len() - 10..].iter().copied()),
		record.hits,
		record.total
	);
	// A step's loss is the mean over its hidden tokens: an untrained model guesses one of 72.
	assert_eq!(job.workload.loss.divisor, LOSS_ONE);
	assert!((nats(losses[..1].iter().copied()) - 72f64.ln()).abs() < 0.4);
	assert!(measured < entropy - 0.5, "{measured} nats");
	assert!(share(evaluation) > 0.3, "{} right", share(evaluation));
	assert_eq!(record.total, (64 * 16 - 1u32).div_ceil(7));
	assert_eq!(evaluation.outputs[0].rows(), record.total);
}

#[test]
fn the_same_seed_should_give_the_same_state_and_another_one_another() {
	let job = Job::new(&description("encoder", 6, ""), &corpus());
	let roots = |seed| -> Vec<[u8; 32]> { job.train(seed).iter().map(|s| s.record.state_after).collect() };
	assert_eq!(roots(3), roots(3));
	assert_ne!(roots(3), roots(4));
}

#[test]
fn a_step_should_ask_for_its_share_of_tokens_and_for_no_other() {
	let job = Job::new(&description("encoder", 40, "masked_share = 0.3"), &corpus());
	let program = &job.workload.step;
	let info = job.workload.validate().unwrap();
	let state = initial_state(&job.workload, &info, [2; 32]).unwrap();
	let softmax = last(program, |op| *op == Op::SoftmaxGradient);
	let inputs = last(program, |op| *op == Op::Select).output;
	let asked = last(program, |op| *op == Op::Clip { lo: 0, hi: 1 }).output;
	let counted = program
		.instructions
		.iter()
		.find(|i| i.inputs == [softmax.output, asked])
		.unwrap();
	assert_eq!(counted.op, Op::Multiply { shift: 0 });
	let (mut rows, mut hidden, mut shown, mut itself, mut masks) = (0, 0, 0, 0, Vec::new());
	for step in 0..20 {
		let values = job.step(&state, step);
		let [inputs, asked, labels] = [inputs, asked, softmax.inputs[1]].map(|id| words(&values, id));
		let gradients = [softmax.output, counted.output].map(|id| words(&values, id));
		let cols = VOCABULARY as usize;
		for (n, (input, label)) in inputs.iter().zip(&labels).enumerate() {
			let [all, counted] = [0, 1].map(|g| &gradients[g][n * cols..][..cols]);
			assert!((0..VOCABULARY).contains(label));
			match asked[n] {
				0 => {
					assert_eq!(input, label, "a token was changed that nobody asks for");
					assert!(counted.iter().all(|x| *x == 0), "and it has a gradient");
				}
				_ => {
					assert_eq!(all, counted);
					hidden += 1;
					shown += usize::from(*input == VOCABULARY);
					itself += usize::from(input == label);
				}
			}
			rows += 1;
		}
		let losses = last(program, |op| *op == Op::CrossEntropy).output;
		let losses = words(&values, losses);
		let of_hidden = losses
			.iter()
			.zip(&asked)
			.filter(|(_, a)| **a == 1)
			.map(|(x, _)| x);
		let (sum, count) = (of_hidden.clone().sum::<i32>(), of_hidden.count() as i32);
		assert_eq!(words(&values, program.loss.unwrap()), [sum / count]);
		masks.push(asked);
	}
	masks.dedup();
	assert_eq!(masks.len(), 20, "every step draws anew");
	let of = |part: usize, whole: usize| part as f64 / whole as f64;
	println!("{hidden} of {rows} hidden, {shown} by the mask token, {itself} visible");
	assert!((of(hidden, rows) - 0.3).abs() < 0.03);
	assert!((of(shown, hidden) - 0.8).abs() < 0.04);
	// One in ten, and those whose replacement happens to be the same token.
	assert!((of(itself, hidden) - 0.1 - 0.1 / 16.0).abs() < 0.04);
}

#[test]
fn a_step_that_hides_nothing_should_cost_and_change_nothing() {
	let text = description("encoder", 40, "masked_share = 0.01")
		.replace("batch = 16", "batch = 1")
		.replace("context = 16", "context = 2");
	let job = Job::new(&text, &corpus());
	let program = &job.workload.step;
	let info = job.workload.validate().unwrap();
	let state = initial_state(&job.workload, &info, [2; 32]).unwrap();
	let asked = last(program, |op| *op == Op::Clip { lo: 0, hi: 1 }).output;
	let (mut without, mut with) = (0, 0);
	for step in 0..200 {
		let values = job.step(&state, step);
		let loss = words(&values, program.loss.unwrap())[0];
		// Matrices and moments; the two scalars of the optimiser move on.
		let matrices = state.len() - 2;
		let same = (0..matrices).all(|n| values[program.state[n].0 as usize].as_ref() == Some(&state[n]));
		if words(&values, asked) == [0, 0] {
			assert!(loss == 0 && same, "step {step}, loss {loss}");
			without += 1;
		} else {
			assert!(loss > 0 && !same, "step {step}, loss {loss}");
			with += 1;
		}
	}
	assert!(without > 150 && with > 0, "{without} and {with}");
}

/// Losses of the tokens at `rows` by the program that gives logits.
fn losses_of(job: &Job, state: &[Tensor], tokens: &[i32], labels: &[i32], rows: &[usize]) -> Vec<i32> {
	let model = model(job);
	let length = model.context;
	let sequences = tokens.len() as u32 / length;
	let optimiser = &job.architecture.optimiser;
	let program = logits_program(model, VOCABULARY as u32, optimiser, sequences, length).unwrap();
	let data = Tensor::from_i32(tokens.len() as u32, 1, tokens.to_vec()).unwrap();
	let values = values(&program, 0, state, &[data]);
	let z = words(&values, program.outputs[0]);
	let z = rows
		.iter()
		.flat_map(|n| z[n * VOCABULARY as usize..][..VOCABULARY as usize].to_vec());
	let count = rows.len() as u32;
	let column = |values: Vec<i32>| Tensor::from_i32(count, 1, values).unwrap();
	let inputs = [
		&Tensor::from_i32(count, VOCABULARY as u32, z.collect()).unwrap(),
		&column(rows.iter().map(|n| labels[*n]).collect()),
		&Tensor::from_i32(1, 1, vec![LOGIT_UNIT]).unwrap(),
	];
	let context = Context {
		seed: [0; 32],
		step: 0,
		instruction: 0,
	};
	let out = TensorDecl::new(Element::I32, count, 1, 0, i32::MAX);
	let losses = execute_op(&Op::CrossEntropy, &context, &inputs, &out).unwrap();
	losses.i32s().unwrap().to_vec()
}

#[test]
fn the_evaluation_should_hide_every_seventh_token_and_measure_it() {
	let corpus = corpus();
	let job = Job::new(&description("encoder", 30, ""), &corpus);
	let evaluation = evaluated(&job, 1);
	let labels = &corpus.held_out()[..60 * 16];
	let rows: Vec<usize> = (1..labels.len()).step_by(7).collect();
	let mut tokens = labels.to_vec();
	for n in &rows {
		tokens[*n] = VOCABULARY;
	}
	let losses = losses_of(&job, &evaluation.state, &tokens, labels, &rows);
	assert_eq!(evaluation.outputs[0].i32s().unwrap(), losses);
	assert_eq!(evaluation.record.evaluation.unwrap().total, rows.len() as u32);
	assert_eq!(job.workload.metric_total, rows.len() as u32);
	// The shortest text that there can be: one window of two tokens.
	let short = description("encoder", 4, "").replace("context = 16", "context = 2");
	let (train, held_out) = (corpus.train()[..9].to_vec(), corpus.held_out()[..3].to_vec());
	let short = Job::new(
		&short.replace("batch = 16", "batch = 2"),
		&Corpus::new(corpus.vocabulary().clone(), train, held_out).unwrap(),
	);
	assert_eq!(short.workload.metric_total, 1);
	assert_eq!(evaluated(&short, 1).outputs[0].rows(), 1);
}

/// A step's gradient of every matrix, as what the optimiser gets: unit 2^-32.
fn gradients(program: &Program, values: &[Option<Tensor>]) -> Vec<Vec<f64>> {
	let is = |op: &Op| matches!(op, Op::Rescale { unit: -32, limit } if *limit == 1 << 29);
	let of_matrices = program.instructions.iter().filter(|i| is(&i.op));
	let floats = |id| -> Vec<f64> {
		let words = words(values, id);
		words.iter().map(|x| f64::from(*x) / 4_294_967_296.0).collect()
	};
	of_matrices.map(|i| floats(i.output)).collect()
}

#[test]
fn gradients_should_predict_how_the_loss_of_the_hidden_tokens_changes() {
	let text = description("encoder", 120, "masked_share = 0.3\ngradient_bits = 13");
	let job = Job::new(&text.replace("batch = 16", "batch = 64"), &corpus());
	let segments = job.train(1);
	let state = &segments.last().unwrap().state;
	let program = &job.workload.step;
	let values = job.step(state, 7);
	let inputs = words(&values, last(program, |op| *op == Op::Select).output);
	let labels = words(&values, last(program, |op| *op == Op::SoftmaxGradient).inputs[1]);
	let asked = words(
		&values,
		last(program, |op| *op == Op::Clip { lo: 0, hi: 1 }).output,
	);
	let rows: Vec<usize> = (0..asked.len()).filter(|n| asked[*n] == 1).collect();
	let loss = |state: &[Tensor]| nats(losses_of(&job, state, &inputs, &labels, &rows).into_iter());

	let all = matrices(model(&job), VOCABULARY as u32);
	let gradients = gradients(program, &values);
	assert_eq!(gradients.len(), all.len());
	// The step divides by a power of two, the mean by the number of tokens: 64 * 16 * 0.3 are expected.
	let factor = 512.0 / rows.len() as f64;
	for (n, (matrix, gradient)) in all.iter().zip(&gradients).enumerate() {
		let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
		assert!(norm > 0.0, "{} has no gradient", matrix.name);
		// As far along the gradient that the loss moves by about 0.02 nats.
		let length = 0.02 / (norm * norm * factor);
		let moved = |sign: f64| {
			let mut state = state.clone();
			let weights = state[3 * n].i32s().unwrap().iter().zip(gradient);
			let unit = f64::from(1 << 24);
			let weights = weights.map(|(w, g)| w + (sign * length * g * unit).round() as i32);
			state[3 * n] = Tensor::from_i32(matrix.rows, matrix.cols, weights.collect()).unwrap();
			state
		};
		let got = (loss(&moved(1.0)) - loss(&moved(-1.0))) / 2.0;
		println!("{}: {got:.4} where the gradient says 0.0200", matrix.name);
		assert!((0.012..0.028).contains(&got), "{}: {got}", matrix.name);
	}
}

#[test]
fn the_mask_token_should_be_known_and_never_predicted() {
	let job = Job::new(&description("encoder", 4, ""), &corpus());
	let sizes = |name: &str| {
		let all = matrices(model(&job), VOCABULARY as u32);
		let matrix = all.into_iter().find(|m| m.name == name).unwrap();
		(matrix.rows, matrix.cols)
	};
	assert_eq!((sizes("tok"), sizes("head")), ((17, 32), (16, 32)));
	let evaluate = job.workload.evaluate.as_ref().unwrap();
	let best = evaluate
		.tensor(last(evaluate, |op| *op == Op::Argmax).output)
		.unwrap();
	assert_eq!((best.lo, best.hi), (0, VOCABULARY - 1));
	// A decoder of the same sizes has no such token.
	let decoder = Architecture::from_toml(&description("transformer", 4, "")).unwrap();
	let Model::Transformer(decoder) = &decoder.model else {
		panic!("no decoder")
	};
	assert_eq!(matrices(decoder, VOCABULARY as u32)[0].rows, 16);
}
