// SPDX-License-Identifier: Apache-2.0

//! The CPU executor: operations at the sizes of training, and whole training steps, with all cores and the widest
//! vectors against one core and code for any processor. Both run in turn, and the fastest of each counts, so that other
//! work on the machine touches both alike.
//!
//! ```text
//! cargo bench --package poaiw-benches --bench program_ops
//! ```

use poaiw_models::{
	classifier,
	dataset::{Examples, HeldOut},
	text::{Corpus, Vocabulary},
	transformer, Architecture,
};
use poaiw_program::{
	execute_op_with, initial_state,
	interpreter::{run_planned, run_program_with, Given},
	random::mix,
	Buffers, Context, Element, Op, Plan, Rounding, Tensor, TensorDecl, Vectors, Workload,
};
use std::{
	collections::BTreeMap,
	hint::black_box,
	time::{Duration, Instant},
};

const SEED: [u8; 32] = [7; 32];

fn main() {
	operations();
	steps(
		"transformer 2 x 128, 418k weights, 16 x 64 tokens",
		&language_model(),
		30,
	);
	steps("perceptron 784-512-512-10, batch 512", &perceptron(), 20);
}

/// Pseudo-random values of a range.
fn tensor(d: &TensorDecl) -> Tensor {
	let span = (i64::from(d.hi) - i64::from(d.lo) + 1) as u64;
	let count = d.elements() as u32;
	let values = (0..count).map(|i| {
		let random = u64::from(mix(mix(i) ^ d.hi as u32));
		(i64::from(d.lo) + (random % span) as i64) as i32
	});
	match d.element {
		Element::I8 => Tensor::from_i8(d.rows, d.cols, values.map(|x| x as i8).collect()),
		Element::I32 => Tensor::from_i32(d.rows, d.cols, values.collect()),
	}
	.unwrap()
}

fn operations() {
	use Element::{I32, I8};
	let words = |rows, cols, lo, hi| TensorDecl::new(I32, rows, cols, lo, hi);
	let bytes = |rows, cols, most: i32| TensorDecl::new(I8, rows, cols, -most, most);
	let scalar = |hi| TensorDecl::scalar(hi, hi);
	let (r, c) = (1024, 512);
	let x = words(r, c, -(1 << 28), 1 << 28);
	let column = |lo, hi| words(r, 1, lo, hi);
	let (rate, correction, any) = (scalar(50_000), scalar(20_000), words(r, c, i32::MIN, i32::MAX));
	let (limit, decay, floor) = (1 << 27, 26, true);
	let keyed = Op::Requantise {
		rounding: Rounding::Keyed,
	};
	let half_up = Op::Requantise {
		rounding: Rounding::HalfUp,
	};
	let (hidden, score) = (
		words(r, 128, -(1 << 28), 1 << 28),
		words(4096, 64, -100_000, 100_000),
	);
	let visible = words(4096, 1, 1, 64);
	let norm = words(r, 128, -11585, 11585);
	let gradient = words(r, 128, -4096, 4096);
	let scales = [column(23170, 46340), column(20, 30), scalar(30)];
	let all: Vec<(Op, Vec<TensorDecl>, TensorDecl)> = vec![
		(Op::Add, vec![x, x], x),
		(
			Op::Rescale {
				unit: -16,
				limit: 1 << 28,
			},
			vec![x, scalar(-20)],
			x,
		),
		(half_up, vec![x, scalar(22)], bytes(r, c, 63)),
		(keyed, vec![x, scalar(22)], bytes(r, c, 63)),
		(Op::MaxAbsPartials, vec![x], words(256, 1, 0, 1 << 28)),
		(Op::Transpose, vec![bytes(r, c, 63)], bytes(c, r, 63)),
		(Op::Transpose, vec![x], words(c, r, -(1 << 28), 1 << 28)),
		(Op::ReluGrad, vec![x, bytes(r, c, 63)], x),
		(Op::Ema { shift: 3 }, vec![x, x], x),
		(Op::AdamSquare { floor }, vec![any, x], any),
		(
			Op::Adam { limit, decay, floor },
			vec![x, x, any, rate, correction],
			x,
		),
		(
			Op::L1Adam { limit, decay },
			vec![x, x, words(r, c, 0, i32::MAX), rate, correction],
			x,
		),
		(Op::Gelu, vec![words(r, c, -9000, 9000)], x),
		(Op::RmsNorm, vec![hidden], norm),
		(
			Op::RmsNormGradient { bits: 12 },
			[&[gradient, norm], &scales[..]].concat(),
			any.rows_cols(r, 128),
		),
		(Op::RowDivide { shift: 2 }, vec![hidden, column(63, 4032)], hidden),
		(
			Op::Softmax { top: 63 },
			vec![score, visible, scalar(-13)],
			bytes(4096, 64, 63),
		),
		(
			Op::SoftmaxGradient,
			vec![words(r, 65, -(1 << 20), 1 << 20), column(0, 64), scalar(-17)],
			words(r, 65, -65536, 65536),
		),
		(Op::Product, vec![bytes(r, 128, 63), bytes(c, 128, 63)], any),
		(
			Op::Product,
			vec![bytes(128, r, 63), bytes(c, r, 63)],
			any.rows_cols(128, c),
		),
		(
			Op::GroupProduct { groups: 64 },
			vec![bytes(4096, 32, 63), bytes(4096, 32, 63)],
			any.rows_cols(4096, 64),
		),
	];
	println!(
		"{:<24}{:>16}{:>12}{:>12}{:>8}",
		"operation", "output", "plain us", "all us", "ratio"
	);
	for (op, decls, out) in all {
		let tensors: Vec<Tensor> = decls.iter().map(tensor).collect();
		let inputs: Vec<&Tensor> = tensors.iter().collect();
		let [plain, wide] = fastest(&op, &inputs, &out);
		let micros = |d: Duration| d.as_secs_f64() * 1e6;
		println!(
			"{:<24}{:>16}{:>12.1}{:>12.1}{:>8.1}",
			op.kind().name(),
			format!("{:?} {}x{}", out.element, out.rows, out.cols),
			micros(plain),
			micros(wide),
			micros(plain) / micros(wide)
		);
	}
}

trait Sized2 {
	fn rows_cols(&self, rows: u32, cols: u32) -> TensorDecl;
}

impl Sized2 for TensorDecl {
	fn rows_cols(&self, rows: u32, cols: u32) -> TensorDecl {
		TensorDecl { rows, cols, ..*self }
	}
}

/// The fastest of many runs of each way, by turns.
fn fastest(op: &Op, inputs: &[&Tensor], out: &TensorDecl) -> [Duration; 2] {
	let context = Context {
		seed: SEED,
		step: 1,
		instruction: 2,
	};
	let mut buffers = [Vectors::Plain, Vectors::Widest].map(Buffers::with);
	let mut best = [Duration::MAX; 2];
	let end = Instant::now() + Duration::from_millis(300);
	while Instant::now() < end {
		for (best, buffers) in best.iter_mut().zip(&mut buffers) {
			let start = Instant::now();
			let value = execute_op_with(buffers, op, &context, black_box(inputs), out).unwrap();
			*best = start.elapsed().min(*best);
			buffers.recycle(value);
		}
	}
	best
}

/// A workload, and its data sets.
struct Model(Workload, Vec<Tensor>);

fn language_model() -> Model {
	let architecture = Architecture::from_toml(
		"[model]\nkind = \"transformer\"\nlayers = 2\nwidth = 128\nheads = 4\ncontext = 64\n\
		[training]\nbatch = 16\nsteps = 200\nsteps_per_segment = 20\n\
		[optimiser]\nkind = \"adam\"\nrate = 2e-3\nweight_decay = 0.1\nfloor = true\n\
		[schedule]\nwarmup_steps = 100\n",
	)
	.unwrap();
	let characters = (0..65).map(|n| char::from_u32(48 + n).unwrap()).collect();
	let token = |i: u32| (mix(i) % 65) as i32;
	let vocabulary = Vocabulary::from_characters(characters).unwrap();
	let corpus = Corpus::new(
		vocabulary,
		(0..100_000).map(token).collect(),
		(0..10_000).map(token).collect(),
	)
	.unwrap();
	let data = corpus.tensors(&architecture).unwrap();
	Model(transformer::compile(&architecture, &corpus).unwrap(), data)
}

fn perceptron() -> Model {
	let architecture = Architecture::from_toml(
		"[model]\nkind = \"mlp\"\nlayers = [784, 512, 512, 10]\n\
		[training]\nbatch = 512\nepochs = 2\nsteps_per_segment = 4\n\
		[optimiser]\nkind = \"l1-adam\"\nrate = 1e-3\n",
	)
	.unwrap();
	let examples = Examples {
		features: 784,
		values: (0..784 * 6000u32).map(|i| (mix(i) % 127) as i8 - 63).collect(),
		labels: (0..6000u32).map(|i| (mix(i) % 10) as i32).collect(),
	};
	let rule = HeldOut {
		every: 10,
		remainder: 0,
	};
	let split = examples.split(&rule, 10, -6).unwrap();
	let data = split.tensors.to_vec();
	Model(classifier::compile(&architecture, &split).unwrap(), data)
}

/// Times of whole steps both ways, and which operations the time goes to.
fn steps(name: &str, Model(workload, data): &Model, count: u32) {
	let info = workload.validate().unwrap();
	let mut state = initial_state(workload, &info, SEED).unwrap();
	let mut buffers = [Vectors::Plain, Vectors::Widest].map(Buffers::with);
	let mut best = [Duration::MAX; 2];
	let mut kinds: [BTreeMap<&str, (u32, Duration)>; 2] = Default::default();
	let plan = Plan::new(&workload.step);
	let (mut memory, mut planned) = (Buffers::default(), Duration::MAX);
	for step in 0..count {
		let mut next = Vec::new();
		for (way, buffers) in buffers.iter_mut().enumerate() {
			// The plain way is slow, and needs no warm memory.
			if way == 0 && step >= 5 {
				continue;
			}
			let given = (0u16..).zip(state.clone()).map(|(n, t)| Given::State(n, t));
			let given = given
				.chain((0u16..).zip(data).map(|(n, t)| Given::Data(n, t)))
				.collect();
			let context = Context {
				seed: SEED,
				step,
				instruction: 0,
			};
			let mut last = None;
			let mut note = |now: Instant, n: Option<u32>| {
				if let Some((n, since)) = last {
					let op: &Op = &workload.step.instructions[n as usize].op;
					let entry = kinds[way].entry(op.kind().name()).or_default();
					*entry = (entry.0 + 1, entry.1 + (now - since));
				}
				last = n.map(|n| (n, now));
			};
			let start = Instant::now();
			let done = run_program_with(buffers, &workload.step, &info.step, context, given, |n, _| {
				note(Instant::now(), Some(n));
			});
			let end = Instant::now();
			note(end, None);
			best[way] = best[way].min(end - start);
			next = done.unwrap().state;
		}
		let given = (0u16..).zip(&state).map(|(n, t)| Given::StateRef(n, t));
		let given = given
			.chain((0u16..).zip(data).map(|(n, t)| Given::Data(n, t)))
			.collect();
		let context = Context {
			seed: SEED,
			step,
			instruction: 0,
		};
		let start = Instant::now();
		let done = run_planned(
			&mut memory,
			&workload.step,
			&plan,
			context,
			given,
			|_| false,
			|_, _| (),
		);
		planned = planned.min(start.elapsed());
		let done = done.unwrap().state;
		assert!(done == next, "a plan changed bits");
		for tensor in done {
			memory.recycle(tensor);
		}
		for tensor in std::mem::replace(&mut state, next) {
			buffers[1].recycle(tensor);
		}
	}
	let millis = |d: Duration| d.as_secs_f64() * 1e3;
	let [plain, wide] = best.map(millis);
	let macs = info.step.cost.product_macs;
	println!(
		"\n{name}: {} instructions, {:.2} GMAC",
		workload.step.instructions.len(),
		macs as f64 / 1e9
	);
	println!(
		"  fastest step: plain {plain:.1} ms, all {wide:.1} ms, ratio {:.1}",
		plain / wide
	);
	let (stages, joined) = plan.joined();
	println!(
		"  planned: {joined} instructions in {stages} stages, {:.1} ms, ratio to one by one {:.2}",
		millis(planned),
		wide / millis(planned)
	);
	let mut table: Vec<_> = kinds[1].iter().collect();
	table.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
	for (kind, (calls, time)) in table.into_iter().take(18) {
		let per_step = millis(*time) / f64::from(count);
		let plain = kinds[0]
			.get(kind)
			.map_or(0.0, |(calls, time)| millis(*time) / f64::from(*calls));
		let each = millis(*time) / f64::from(*calls);
		println!(
			"  {kind:<20}{:>6} calls {per_step:>8.3} ms a step, ratio {:>6.1}",
			calls / count,
			plain / each
		);
	}
}
