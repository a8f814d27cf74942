// SPDX-License-Identifier: Apache-2.0

//! The gradient of an attention in integers against the same in floats.

use poaiw_models::{
	attention::{Attention, Heads},
	builder::{Builder, Scaled},
	layers::Operand,
};
use poaiw_program::{
	interpreter::{run_program, Given},
	random::mix,
	validate, Context, Element, Program, Role, Tensor, TensorDecl,
};

const HEADS: Heads = Heads {
	sequences: 1,
	length: 256,
	heads: 2,
	width: 16,
	operand: Operand::Wide,
};
/// Exponent of queries, keys and values.
const UNIT: i32 = -5;

/// Stacked queries, keys and values, and the gradient of the output in rows of tokens.
struct Inputs {
	stacked: [Tensor; 3],
	gradient: Tensor,
}

fn given() -> Inputs {
	let stacked = [1u32, 2, 3].map(|seed| {
		// Sums of four numbers: most are small, as they are in a model.
		let value = |n: u32| {
			(0..4)
				.map(|i| (mix(mix(seed) ^ (4 * n + i)) % 64) as i32 - 31)
				.sum::<i32>()
		};
		let values = (0..HEADS.rows() * HEADS.width).map(|n| value(n).clamp(-127, 127) as i8);
		Tensor::from_i8(HEADS.rows(), HEADS.width, values.collect()).unwrap()
	});
	let (rows, cols) = (HEADS.length, HEADS.heads * HEADS.width);
	let values = (0..rows * cols).map(|n| (mix(mix(4) ^ n) % 2001) as i32 - 1000);
	Inputs {
		stacked,
		gradient: Tensor::from_i32(rows, cols, values.collect()).unwrap(),
	}
}

/// Outputs: mantissa and exponent of the gradients of queries, keys and values.
fn program(halves: bool) -> Program {
	let mut b = Builder::new();
	let exponent = b.constant(UNIT).unwrap();
	let stacked = [0, 1, 2].map(|n| {
		let decl = TensorDecl::new(Element::I8, HEADS.rows(), HEADS.width, -127, 127);
		Scaled {
			mantissa: b.input(Role::Data(n), decl),
			exponent,
		}
	});
	let [q, k, v] = stacked;
	let decl = TensorDecl::new(Element::I32, HEADS.length, HEADS.heads * HEADS.width, -1000, 1000);
	let gradient = Scaled {
		mantissa: b.input(Role::Data(3), decl),
		exponent: b.constant(0).unwrap(),
	};
	let visible = b.iota(HEADS.rows(), 1, HEADS.length, 1).unwrap();
	let (weights, sum) = b.attend(&HEADS, [q, k], visible).unwrap();
	let attention = Attention {
		q,
		k,
		v,
		weights,
		sum,
	};
	let gradients = b
		.attention_gradient(&HEADS, &attention, gradient, halves)
		.unwrap();
	b.program().outputs = gradients.iter().flat_map(|x| [x.mantissa, x.exponent]).collect();
	b.finish()
}

/// The gradients of queries, keys and values as numbers.
fn integers(given: &Inputs, halves: bool) -> [Vec<f64>; 3] {
	let program = program(halves);
	let info = validate(&program).unwrap();
	let context = Context {
		seed: [7; 32],
		step: 0,
		instruction: 0,
	};
	let data = (0u16..)
		.zip(given.stacked.iter().chain([&given.gradient]))
		.map(|(n, t)| Given::Data(n, t));
	let outputs = run_program(&program, &info, context, data.collect(), |_, _| ())
		.unwrap()
		.outputs;
	[0, 2, 4].map(|n| {
		let unit = f64::from(outputs[n + 1].i32s().unwrap()[0]).exp2();
		let words = outputs[n].i32s().unwrap();
		words.iter().map(|x| f64::from(*x) * unit).collect()
	})
}

/// The same by the textbook: `dv = pᵀ g`, `ds = p ∘ (g vᵀ − rowsum(p ∘ g vᵀ))`, `dq = ds k`, `dk = dsᵀ q`.
fn floats(given: &Inputs) -> [Vec<f64>; 3] {
	let (length, width, heads) = (HEADS.length as usize, HEADS.width as usize, HEADS.heads as usize);
	let (unit, scale) = (f64::from(UNIT).exp2(), f64::from(HEADS.scale()).exp2());
	let mut all = [0, 1, 2].map(|_| vec![0.0; length * width * heads]);
	for head in 0..heads {
		let stacked = |n: usize, row: usize, col: usize| {
			f64::from(given.stacked[n].i8s().unwrap()[(head * length + row) * width + col]) * unit
		};
		let at = |row: usize, col: usize| row * heads * width + head * width + col;
		let gradient = |row: usize, col: usize| f64::from(given.gradient.i32s().unwrap()[at(row, col)]);
		let dot = |f: &dyn Fn(usize) -> f64| (0..width).map(f).sum::<f64>();
		for row in 0..length {
			let score = |other: usize| dot(&|c| stacked(0, row, c) * stacked(1, other, c)) * scale;
			let scores: Vec<f64> = (0..=row).map(score).collect();
			let most = scores.iter().copied().fold(f64::MIN, f64::max);
			let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
			let total: f64 = weights.iter().sum();
			let p: Vec<f64> = weights.iter().map(|w| w / total).collect();
			let of_p: Vec<f64> = (0..=row)
				.map(|other| dot(&|c| gradient(row, c) * stacked(2, other, c)))
				.collect();
			let mean: f64 = p.iter().zip(&of_p).map(|(p, g)| p * g).sum();
			for other in 0..=row {
				let of_score = p[other] * (of_p[other] - mean) * scale;
				for col in 0..width {
					all[0][at(row, col)] += of_score * stacked(1, other, col);
					all[1][at(other, col)] += of_score * stacked(0, row, col);
					all[2][at(other, col)] += p[other] * gradient(row, col);
				}
			}
		}
	}
	all
}

/// Length of the difference over length of the expected.
fn error(got: &[f64], expected: &[f64]) -> f64 {
	let square = |x: f64| x * x;
	let difference: f64 = got.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
	(difference / expected.iter().map(|x| square(*x)).sum::<f64>()).sqrt()
}

// In a long window some rows' gradients are a hundred times those of others: with one exponent for all of them, 8 bits leave
// most rows nothing but rounding.
#[test]
fn gradients_of_a_long_attention_should_be_those_of_floats_when_they_are_halved() {
	let given = given();
	let expected = floats(&given);
	let (halves, whole) = (integers(&given, true), integers(&given, false));
	for (n, name) in ["queries", "keys", "values"].iter().enumerate() {
		let [fine, coarse] = [&halves, &whole].map(|x| error(&x[n], &expected[n]));
		println!("{name}: {fine:.4} in halves, {coarse:.4} in one operand");
		assert!(fine < 0.05, "{name}: error {fine}");
		assert!(
			fine < coarse / 2.0,
			"{name}: error {fine} in halves, {coarse} in one operand"
		);
	}
}
