// SPDX-License-Identifier: Apache-2.0

//! Normalisation, attention and Adam give the bits of an independent implementation in Python (numpy, with every
//! intermediate asserted to fit 32 bits), which trained a character-level transformer to the loss of its float twin.

mod common;

use common::{ranged_bytes, scalar, words, MAX, MIN};
use poaiw_program::{execute_op, range::prove, Context, Op, Tensor, TensorDecl, Values};
use std::collections::HashMap;

/// Named lists of numbers.
struct Fixture(HashMap<&'static str, Vec<i64>>);

impl Fixture {
	fn load() -> Self {
		let text = include_str!("fixtures/rows_and_adam.txt");
		let lines = text.lines().filter(|line| !line.starts_with('#'));
		Self(
			lines
				.map(|line| {
					let (name, numbers) = line.split_once(' ').unwrap();
					(name, numbers.split(' ').map(|x| x.parse().unwrap()).collect())
				})
				.collect(),
		)
	}

	fn list(&self, name: &str) -> Vec<i32> {
		let all = self.0.get(name).unwrap_or_else(|| panic!("no {name}"));
		all.iter().map(|x| i32::try_from(*x).unwrap()).collect()
	}

	fn number(&self, name: &str) -> i32 {
		self.list(name)[0]
	}
}

fn tensor(rows: u32, values: Vec<i32>) -> Tensor {
	let cols = values.len() as u32 / rows;
	Tensor::from_i32(rows, cols, values).unwrap()
}

fn bytes(rows: u32, values: &[i32]) -> Tensor {
	let cols = values.len() as u32 / rows;
	Tensor::from_i8(
		rows,
		cols,
		values.iter().map(|x| i8::try_from(*x).unwrap()).collect(),
	)
	.unwrap()
}

fn one(value: i32) -> Tensor {
	tensor(1, vec![value])
}

/// Runs an operation whose ranges are proven, on values inside of them.
fn run(op: Op, inputs: &[(&Tensor, TensorDecl)], out: TensorDecl) -> Vec<i32> {
	let context = Context {
		seed: [0; 32],
		step: 0,
		instruction: 0,
	};
	for (tensor, decl) in inputs {
		tensor.check(decl).unwrap();
	}
	let decls: Vec<&TensorDecl> = inputs.iter().map(|(_, d)| d).collect();
	prove(&op, &decls, &out).unwrap();
	let tensors: Vec<&Tensor> = inputs.iter().map(|(t, _)| *t).collect();
	let got = execute_op(&op, &context, &tensors, &out).unwrap();
	got.check(&out).unwrap();
	match got.values() {
		Values::I8(v) => v.iter().map(|x| i32::from(*x)).collect(),
		Values::I32(v) => v.clone(),
	}
}

#[test]
fn rows_should_be_normalised_as_in_the_reference() {
	let f = Fixture::load();
	let rows = f.number("norm.rows") as u32;
	let x = tensor(rows, f.list("norm.x"));
	let row = words(rows, 128, -(1 << 28), 1 << 28);
	let column = |lo, hi| words(rows, 1, lo, hi);

	let norm = words(rows, 128, -11585, 11585);
	let y = run(Op::RmsNorm, &[(&x, row)], norm);
	assert_eq!(y, f.list("norm.y"));
	let of_factor = column(23170, 46340);
	let factor = run(Op::RmsFactor, &[(&x, row)], of_factor);
	assert_eq!(factor, f.list("norm.factor"));
	let of_exponent = column(0, 60);
	let exponent = run(Op::RmsExponent, &[(&x, row)], of_exponent);
	let expected = f.list("norm.exponent");
	assert_eq!(exponent, expected.iter().map(|e| e + 32).collect::<Vec<_>>());

	let largest = exponent.iter().copied().max().unwrap();
	let (gradient, y) = (tensor(rows, f.list("norm.gradient")), tensor(rows, y));
	let (factor, exponent) = (tensor(rows, factor), tensor(rows, exponent));
	let got = run(
		Op::RmsNormGradient { bits: 12 },
		&[
			(&gradient, words(rows, 128, -4096, 4096)),
			(&y, norm),
			(&factor, of_factor),
			(&exponent, of_exponent),
			(&one(largest), scalar(0, 60)),
		],
		words(rows, 128, MIN, MAX),
	);
	assert_eq!(got, f.list("norm.result"));
	let unit = f.number("norm.gradient_exponent") + 3 + largest - 32;
	assert_eq!(unit, f.number("norm.result_exponent"));
}

#[test]
fn attention_should_be_as_in_the_reference() {
	let f = Fixture::load();
	let size = f.number("attention.size") as u32;
	let scores = tensor(size, f.list("attention.scores"));
	let visible = tensor(size, (1..=size as i32).collect());
	let bound = 32 * 63 * 63;
	let weights_decl = ranged_bytes(size, size, 0, 63);
	let sum_decl = words(size, 1, 1, 63 * size as i32);
	for case in 0..3 {
		let of = |name: &str| f.list(&format!("attention.cases.{case}.{name}"));
		let exponent = of("exponent")[0];
		let weights = run(
			Op::Softmax { top: 63 },
			&[
				(&scores, words(size, size, -bound, bound)),
				(&visible, words(size, 1, 1, size as i32)),
				(&one(exponent), scalar(-100, 100)),
			],
			weights_decl,
		);
		assert_eq!(weights, of("weights"));
		let weights = bytes(size, &weights);
		let sum = run(
			Op::RowSum,
			&[(&weights, weights_decl)],
			words(size, 1, 0, 63 * size as i32),
		);
		assert_eq!(sum, of("sum"));
		let (sum, gradient) = (tensor(size, sum), tensor(size, of("gradient")));
		let got = run(
			Op::SoftmaxBackward { limit: 1 << 15 },
			&[
				(&weights, weights_decl),
				(&gradient, words(size, size, -(1 << 15), 1 << 15)),
				(&sum, sum_decl),
			],
			words(size, size, MIN, MAX),
		);
		assert_eq!(got, of("result"));
		let product = tensor(size, of("product"));
		let most = 64 * 63 * 63;
		let got = run(
			Op::RowDivide { shift: 9 },
			&[
				(&product, words(size, product.cols(), -most, most)),
				(&sum, sum_decl),
			],
			words(size, product.cols(), MIN, MAX),
		);
		assert_eq!(got, of("divided"));
	}
}

#[test]
fn adam_should_be_as_in_the_reference() {
	let f = Fixture::load();
	let limit = (1 << 27) - 1;
	for (case, floor) in [(0, false), (1, true)] {
		let mut w = f.list(&format!("adam.{case}.start"));
		let n = w.len() as u32;
		let all = |lo, hi| words(1, n, lo, hi);
		let (mut m, mut v) = (vec![0; w.len()], vec![0; w.len()]);
		let decl_v = all(MIN, MAX);
		for step in 0..6 {
			let of = |name: &str| f.list(&format!("adam.{case}.steps.{step}.{name}"));
			let gradient = tensor(1, of("gradient"));
			let range = all(-(1 << 29), 1 << 29);
			m = run(
				Op::Ema { shift: 3 },
				&[(&tensor(1, m), range), (&gradient, range)],
				range,
			);
			assert_eq!(m, of("m"), "{floor} {step}");
			v = run(
				Op::AdamSquare { floor },
				&[(&tensor(1, v), decl_v), (&gradient, range)],
				decl_v,
			);
			assert_eq!(v, of("v"), "{floor} {step}");
			let powers = scalar(0, 1 << 30);
			let (p1, p2) = (one(of("p1")[0]), one(of("p2")[0]));
			let correction = run(
				Op::AdamCorrection,
				&[(&p1, powers), (&p2, powers)],
				scalar(0, 65535),
			);
			assert_eq!(correction, of("correction"));
			w = run(
				Op::Adam {
					limit,
					decay: of("decay")[0] as u32,
					floor,
				},
				&[
					(&tensor(1, w), all(-(1 << 28), 1 << 28)),
					(&tensor(1, m.clone()), range),
					(&tensor(1, v.clone()), decl_v),
					(&one(of("rate")[0]), scalar(0, 65536)),
					(&tensor(1, correction), scalar(0, 65535)),
				],
				all(-limit, limit),
			);
			assert_eq!(w, of("w"), "{floor} {step}");
		}
	}
}
