// SPDX-License-Identifier: Apache-2.0

//! The training step of the transformer is the measured recipe, bit for bit: with the initial weights, batches and
//! rounding bits of an independent reference, the production program reaches the reference's weights.

use poaiw_models::{
	text::{Corpus, Vocabulary},
	transformer::{self, matrices},
	Architecture,
};
use poaiw_program::{
	execute_op, random::mix, validate, Context, Element, Op, Program, ProgramInfo, Role, Rounding, Tensor,
	TensorDecl,
};
use std::io::Read;

const STEPS: usize = 20;
const BATCH: usize = 16;
const WINDOW: usize = 65;
const VOCABULARY: u32 = 65;
const SEED: u32 = 1;

/// Sha-256, so that the hashes are those that the reference prints.
fn sha256(message: &[u8]) -> [u8; 32] {
	// First 32 bits of the fractional parts of the roots of the first primes.
	let primes: Vec<u32> = (2u32..312)
		.filter(|n| (2..*n).all(|d| !n.is_multiple_of(d)))
		.collect();
	let fraction = |x: f64| ((x - x.floor()) * 4_294_967_296.0) as u32;
	let k: Vec<u32> = primes.iter().map(|p| fraction(f64::from(*p).cbrt())).collect();
	let mut h: Vec<u32> = primes
		.iter()
		.take(8)
		.map(|p| fraction(f64::from(*p).sqrt()))
		.collect();
	let mut padded = message.to_vec();
	padded.push(0x80);
	padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
	padded.extend((message.len() as u64 * 8).to_be_bytes());
	for block in padded.chunks_exact(64) {
		let mut w: Vec<u32> = block
			.chunks_exact(4)
			.map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
			.collect();
		for i in 16..64 {
			let (a, b) = (w[i - 15], w[i - 2]);
			let s0 = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
			let s1 = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
			w.push(w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1));
		}
		let mut v = h.clone();
		for i in 0..64 {
			let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
			let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
			let t1 = v[7]
				.wrapping_add(s1)
				.wrapping_add(choice)
				.wrapping_add(k[i])
				.wrapping_add(w[i]);
			let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
			let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
			v.rotate_right(1);
			v[4] = v[4].wrapping_add(t1);
			v[0] = t1.wrapping_add(s0).wrapping_add(majority);
		}
		for (h, v) in h.iter_mut().zip(v) {
			*h = h.wrapping_add(v);
		}
	}
	let bytes: Vec<u8> = h.iter().flat_map(|x| x.to_be_bytes()).collect();
	bytes.try_into().unwrap()
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The windows of the first 20 steps; see `fixtures/reference_batches.py`.
fn batches() -> Vec<i32> {
	let packed: &[u8] = include_bytes!("fixtures/reference_batches.bin.gz");
	let mut bytes = Vec::new();
	flate2::read::GzDecoder::new(packed)
		.read_to_end(&mut bytes)
		.unwrap();
	assert_eq!(bytes.len(), STEPS * BATCH * WINDOW);
	bytes.into_iter().map(i32::from).collect()
}

fn architecture(mask: &str, floor: bool) -> Architecture {
	// Any number of steps above the warm-up gives the same rates in the first 20.
	Architecture::from_toml(&format!(
		"[model]\nkind = \"transformer\"\nlayers = 2\nwidth = 128\nheads = 4\ncontext = 64\nattention_bits = 7\ngradient_bits = 7\nmask = \"{mask}\"\n\
		[training]\nbatch = {BATCH}\nsteps = 200\nsteps_per_segment = 20\n\
		[optimiser]\nkind = \"adam\"\nrate = 2e-3\nweight_decay = 0.1\nfloor = {floor}\n\
		[schedule]\nwarmup_steps = 100\n"
	))
	.unwrap()
}

/// Integer square root of the reference's 64-bit constants.
fn limit(name: &str, fan_in: u64, layers: u64) -> i64 {
	let limit = match &name[..1] {
		"o" | "d" => ((3u64 << 48) / (fan_in * 2 * layers)).isqrt(),
		_ => ((3u64 << 48) / fan_in).isqrt(),
	};
	match name {
		"tok" => 1 << 22,
		"pos" => 1 << 21,
		"head" => limit as i64 / 2,
		_ => limit as i64,
	}
}

/// The state before the first step: the reference's weights, zero moments.
fn initial_state(architecture: &Architecture) -> Vec<Tensor> {
	let poaiw_models::architecture::Model::Transformer(model) = &architecture.model else {
		panic!("no transformer")
	};
	let mut offset = SEED.wrapping_mul(0x051E_D270);
	let mut state = Vec::new();
	for matrix in matrices(model, VOCABULARY) {
		let (rows, cols) = (matrix.rows as usize, matrix.cols as usize);
		let embedding = matrix.name == "tok" || matrix.name == "pos";
		let limit = limit(&matrix.name, cols as u64, model.layers.into());
		let value = |i: usize| {
			let r = i64::from(mix((i as u32).wrapping_add(offset)) >> 8);
			(((r - (1 << 23)) * limit) >> 23) as i32
		};
		// The reference stores products' matrices as [in, out].
		let place = |p: usize| {
			if embedding {
				p
			} else {
				p % cols * rows + p / cols
			}
		};
		let weights = (0..rows * cols).map(|p| value(place(p))).collect();
		state.push(Tensor::from_i32(matrix.rows, matrix.cols, weights).unwrap());
		for _ in 0..2 {
			state.push(Tensor::from_i32(matrix.rows, matrix.cols, vec![0; rows * cols]).unwrap());
		}
		offset = offset.wrapping_add((rows * cols) as u32 + 77);
	}
	for _ in 0..2 {
		state.push(Tensor::from_i32(1, 1, vec![1 << 30]).unwrap());
	}
	state
}

/// First 16 digits of the hash of all weights by name, in the reference's layout.
fn weights_hash(architecture: &Architecture, state: &[Tensor]) -> String {
	let poaiw_models::architecture::Model::Transformer(model) = &architecture.model else {
		panic!("no transformer")
	};
	let mut named: Vec<_> = matrices(model, VOCABULARY)
		.into_iter()
		.zip(state.chunks(3))
		.collect();
	named.sort_by(|a, b| a.0.name.cmp(&b.0.name));
	let mut bytes = Vec::new();
	for (matrix, tensors) in named {
		let (rows, cols) = (matrix.rows as usize, matrix.cols as usize);
		let words = tensors[0].i32s().unwrap();
		let embedding = matrix.name == "tok" || matrix.name == "pos";
		for p in 0..rows * cols {
			let at = if embedding { p } else { p % rows * cols + p / rows };
			bytes.extend(words[at].to_le_bytes());
		}
	}
	hex(&sha256(&bytes)[..8])
}

/// The reference's rounding of gradient site `site` in step `step`.
fn rounded(step: u32, site: u32, x: &Tensor, shift: &Tensor, out: &TensorDecl) -> Tensor {
	let constant = step
		.wrapping_mul(0x9E37_79B1)
		.wrapping_add(site.wrapping_mul(0x85EB_CA6B));
	let by = shift.scalar().unwrap() as u32;
	let mask = (1u32 << by) - 1;
	let values = x.i32s().unwrap().iter().enumerate().map(|(i, x)| {
		let random = (mix((i as u32).wrapping_add(constant)) >> 1) & mask;
		((x + random as i32) >> by).clamp(-63, 63) as i8
	});
	Tensor::from_i8(out.rows, out.cols, values.collect()).unwrap()
}

/// One step of the production program with the reference's batch and rounding bits; gives the next state and the loss.
fn run(
	program: &Program,
	info: &ProgramInfo,
	state: &[Tensor],
	text: &Tensor,
	step: usize,
) -> (Vec<Tensor>, i32) {
	let mut values: Vec<Option<Tensor>> = vec![None; program.tensors.len()];
	for input in &program.inputs {
		let value = match input.role {
			Role::State(n) => &state[usize::from(n)],
			Role::Data(0) => text,
			Role::Data(n) => panic!("the step reads data set {n}"),
		};
		values[input.tensor.0 as usize] = Some(value.clone());
	}
	let mut sites = 0;
	for (n, i) in program.instructions.iter().enumerate() {
		let inputs: Vec<&Tensor> = i
			.inputs
			.iter()
			.map(|id| values[id.0 as usize].as_ref().unwrap())
			.collect();
		let out = program.tensor(i.output).unwrap();
		let value = match &i.op {
			Op::BatchIndices { .. } => {
				let first = step * BATCH;
				let starts = (first..first + BATCH).map(|n| (n * WINDOW) as i32).collect();
				Tensor::from_i32(BATCH as u32, 1, starts).unwrap()
			}
			Op::Requantise {
				rounding: Rounding::Keyed,
			} => {
				sites += 1;
				rounded(step as u32, sites, inputs[0], inputs[1], out)
			}
			op => {
				let context = Context {
					seed: [0; 32],
					step: step as u32,
					instruction: n as u32,
				};
				execute_op(op, &context, &inputs, out).unwrap()
			}
		};
		value
			.check(out)
			.unwrap_or_else(|e| panic!("step {step}, instruction {n} {:?}: {e}", i.op));
		for id in &i.inputs {
			if info.last_use[id.0 as usize] == Some(n as u32) {
				values[id.0 as usize] = None;
			}
		}
		values[i.output.0 as usize] = Some(value);
	}
	assert_eq!(sites, 1 + 8 * 2, "rounded gradients of a step");
	let loss = values[program.loss.unwrap().0 as usize]
		.as_ref()
		.unwrap()
		.scalar()
		.unwrap();
	let next = program
		.state
		.iter()
		.map(|id| values[id.0 as usize].clone().unwrap());
	(next.collect(), loss)
}

/// Hashes of the weights after 10 and 20 steps.
fn hashes(mask: &str, floor: bool) -> Vec<String> {
	let architecture = architecture(mask, floor);
	// The alphabet does not matter here, only its size.
	let characters = (0..VOCABULARY).map(|n| char::from_u32(48 + n).unwrap()).collect();
	let vocabulary = Vocabulary::from_characters(characters).unwrap();
	let corpus = Corpus::new(vocabulary, batches(), vec![0; WINDOW]).unwrap();
	let workload = transformer::compile(&architecture, &corpus).unwrap();
	let info = validate(&workload.step).unwrap();
	let text = corpus.tensors(&architecture).unwrap().swap_remove(0);
	assert_eq!(text.element(), Element::I8);
	let mut state = initial_state(&architecture);
	let (mut hashes, mut losses) = (Vec::new(), Vec::new());
	for step in 0..STEPS {
		let (next, loss) = run(&workload.step, &info, &state, &text, step);
		losses.push(f64::from(loss) / f64::from(workload.loss.divisor));
		state = next;
		if step % 10 == 9 {
			hashes.push(weights_hash(&architecture, &state));
		}
	}
	println!("{mask}, floor {floor}: {hashes:?}, nats per character {losses:.4?}");
	// The untrained model guesses; twenty steps teach it how often each character occurs.
	assert!(
		(losses[0] - f64::from(VOCABULARY).ln()).abs() < 0.2,
		"{}",
		losses[0]
	);
	assert!(losses[STEPS - 1] < losses[0] - 0.5, "{losses:?}");
	hashes
}

#[test]
fn sha256_should_give_the_published_values() {
	assert_eq!(
		hex(&sha256(b"abc")),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	);
	assert_eq!(hex(&sha256(&[b'a'; 1_000])[..8]), "41edece42d63e8d9");
}

#[test]
fn weights_should_be_those_of_the_reference_after_10_and_20_steps() {
	assert_eq!(
		hashes("activation", false),
		["eb7affb363e692f3", "41622469042f3ec3"]
	);
}

#[test]
fn weights_should_be_those_of_the_reference_with_the_accumulator_mask_and_the_floor() {
	assert_eq!(
		hashes("accumulator", true),
		["6de48419e213f564", "0020c722e4036e4e"]
	);
}
