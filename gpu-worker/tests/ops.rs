// SPDX-License-Identifier: Apache-2.0

//! Every operation on the device against the executor of `poaiw-program`, on random sizes, values and parameters.

mod common;

use common::{gpu, pool, Random};
use poaiw_program::{execute_op, Context, Element, Op, OpKind, Rounding, Tensor, TensorDecl, Values};
use poaiw_worker::kernels::ops::OpKernels;

/// An operation with inputs that its documented ranges allow, and the declaration of its output.
struct Case {
	op: Op,
	inputs: Vec<Tensor>,
	out: TensorDecl,
}

fn words(random: &mut Random, rows: u32, cols: u32, lo: i64, hi: i64) -> Tensor {
	let values = (0..rows * cols).map(|_| spread(random, lo, hi)).collect();
	Tensor::from_i32(rows, cols, values).unwrap()
}

/// A value of any magnitude, the ends more often than by chance.
fn spread(random: &mut Random, lo: i64, hi: i64) -> i32 {
	match random.next() % 16 {
		0 => lo as i32,
		1 => hi as i32,
		2..=7 => {
			let bits = random.next() % 31;
			((random.next() as i64 >> 20) % (1 << bits)).clamp(lo, hi) as i32
		}
		_ => random.range(lo, hi),
	}
}

fn bytes(random: &mut Random, rows: u32, cols: u32) -> Tensor {
	Tensor::from_i8(rows, cols, random.i8s((rows * cols) as usize)).unwrap()
}

fn i32_out(rows: u32, cols: u32) -> TensorDecl {
	TensorDecl::new(Element::I32, rows, cols, i32::MIN, i32::MAX)
}

fn i8_out(rows: u32, cols: u32) -> TensorDecl {
	TensorDecl::new(Element::I8, rows, cols, -63, 63)
}

const HALF: i64 = 1 << 30;

fn case(kind: OpKind, random: &mut Random) -> Case {
	let (r, c) = (random.range(1, 70) as u32, random.range(1, 300) as u32);
	let any = |random: &mut Random| words(random, r, c, -HALF, HALF);
	let (op, inputs, out) = match kind {
		OpKind::Constant => (
			Op::Constant {
				value: random.range(-HALF, HALF),
			},
			vec![],
			i32_out(r, c),
		),
		OpKind::RandomUniform => {
			let op = Op::RandomUniform {
				scale: random.range(1, 32768) as u32,
				shift: random.range(0, 31) as u32,
			};
			(op, vec![], i32_out(r, c))
		}
		OpKind::BatchIndices => {
			let population = random.range(r.into(), 5000) as u32;
			(Op::BatchIndices { population }, vec![], i32_out(r, 1))
		}
		OpKind::Schedule => {
			let op = Op::Schedule {
				peak: 50_000,
				floor: 5,
				warmup: random.range(0, 50) as u32,
				total: 60,
			};
			(op, vec![], i32_out(1, 1))
		}
		// Products have their own tests; here through the executor's test.
		OpKind::Product => unreachable!("a product is not one of these kernels"),
		OpKind::Transpose if random.coin() => (Op::Transpose, vec![bytes(random, r, c)], i8_out(c, r)),
		OpKind::Transpose => (Op::Transpose, vec![any(random)], i32_out(c, r)),
		OpKind::GatherRows => {
			let n = random.range(1, 90) as u32;
			let index = words(random, n, 1, 0, i64::from(r) - 1);
			if random.coin() {
				(Op::GatherRows, vec![bytes(random, r, c), index], i8_out(n, c))
			} else {
				(Op::GatherRows, vec![any(random), index], i32_out(n, c))
			}
		}
		OpKind::Add => (
			Op::Add,
			vec![any(random), words(random, r, c, -HALF, HALF - 1)],
			i32_out(r, c),
		),
		OpKind::Sub => (
			Op::Sub,
			vec![any(random), words(random, r, c, 1 - HALF, HALF)],
			i32_out(r, c),
		),
		OpKind::Abs => (Op::Abs, vec![any(random)], i32_out(r, c)),
		OpKind::Clip => {
			let lo = random.range(-1000, 1000);
			(
				Op::Clip {
					lo,
					hi: lo + random.range(0, 5000),
				},
				vec![any(random)],
				i32_out(r, c),
			)
		}
		OpKind::Ema => {
			let op = Op::Ema {
				shift: random.range(1, 30) as u32,
			};
			(
				op,
				vec![
					words(random, r, c, -HALF / 2, HALF / 2),
					words(random, r, c, -HALF / 2, HALF / 2),
				],
				i32_out(r, c),
			)
		}
		OpKind::Decay => (
			Op::Decay {
				shift: random.range(1, 31) as u32,
			},
			vec![words(random, r, c, 0, HALF)],
			i32_out(r, c),
		),
		OpKind::ExcessBits => (
			Op::ExcessBits {
				bits: random.range(0, 31) as u32,
			},
			vec![words(random, r, c, 0, HALF)],
			i32_out(r, c),
		),
		OpKind::MaxAbsPartials => (
			Op::MaxAbsPartials,
			vec![any(random)],
			i32_out(r.div_ceil(16) * c.div_ceil(128), 1),
		),
		OpKind::SumPartials => {
			let x = words(random, r, c, -(1 << 19), 1 << 19);
			(
				Op::SumPartials,
				vec![x],
				i32_out(r.div_ceil(16) * c.div_ceil(128), 1),
			)
		}
		OpKind::MaxReduce => {
			let n = random.range(1, 1024) as u32;
			(
				Op::MaxReduce,
				vec![words(random, n, 1, -HALF, HALF)],
				i32_out(1, 1),
			)
		}
		OpKind::SumReduce => {
			let n = random.range(1, 1024) as u32;
			(
				Op::SumReduce,
				vec![words(random, n, 1, -(1 << 20), 1 << 20)],
				i32_out(1, 1),
			)
		}
		OpKind::RowMaxAbs => (Op::RowMaxAbs, vec![any(random)], i32_out(r, 1)),
		OpKind::Requantise => {
			let rounding = if random.coin() {
				Rounding::HalfUp
			} else {
				Rounding::Keyed
			};
			let rows = if random.coin() { 1 } else { r };
			let shift = words(random, rows, 1, 0, 30);
			(
				Op::Requantise { rounding },
				vec![any(random), shift],
				i8_out(r, c),
			)
		}
		OpKind::Rescale => {
			let op = Op::Rescale {
				unit: random.range(-30, 30),
				limit: random.range(1, HALF),
			};
			(op, vec![any(random), words(random, 1, 1, -40, 40)], i32_out(r, c))
		}
		OpKind::Relu => (Op::Relu, vec![any(random)], i32_out(r, c)),
		OpKind::ReluGrad if random.coin() => (
			Op::ReluGrad,
			vec![any(random), bytes(random, r, c)],
			i32_out(r, c),
		),
		OpKind::ReluGrad => (Op::ReluGrad, vec![any(random), any(random)], i32_out(r, c)),
		OpKind::SoftmaxGradient | OpKind::CrossEntropy => {
			let logits = words(random, r, c, -HALF + 1, HALF);
			let labels = words(random, r, 1, 0, i64::from(c) - 1);
			let inputs = vec![logits, labels, words(random, 1, 1, -32, 4)];
			match kind {
				OpKind::SoftmaxGradient => (Op::SoftmaxGradient, inputs, i32_out(r, c)),
				_ => (Op::CrossEntropy, inputs, i32_out(r, 1)),
			}
		}
		OpKind::BiasCorrection => {
			let inputs = vec![words(random, 1, 1, 0, HALF), words(random, 1, 1, 0, HALF)];
			(Op::BiasCorrection, inputs, i32_out(1, 1))
		}
		OpKind::L1Adam => {
			let op = Op::L1Adam {
				limit: random.range(1, 1 << 28),
				decay: random.range(0, 255) as u32,
			};
			let inputs = vec![
				words(random, r, c, -(1 << 28), 1 << 28),
				any(random),
				words(random, r, c, 0, HALF),
				words(random, 1, 1, 0, 65536),
				words(random, 1, 1, 0, 65535),
			];
			(op, inputs, i32_out(r, c))
		}
		OpKind::Sgd => {
			let op = Op::Sgd {
				shift: random.range(4, 31) as u32,
				limit: random.range(1, 1 << 28),
			};
			let inputs = vec![
				words(random, r, c, -(1 << 28), 1 << 28),
				any(random),
				words(random, 1, 1, 0, 65536),
			];
			(op, inputs, i32_out(r, c))
		}
		OpKind::Argmax => (Op::Argmax, vec![words(random, r, c, -20, 20)], i32_out(r, 1)),
		OpKind::Equal => (
			Op::Equal,
			vec![words(random, r, c, -2, 2), words(random, r, c, -2, 2)],
			i32_out(r, c),
		),
	};
	Case { op, inputs, out }
}

fn on_device(kernels: &OpKernels, case: &Case, context: &Context) -> Tensor {
	let pool = kernels.pool();
	let inputs: Vec<_> = case
		.inputs
		.iter()
		.map(|t| pool.upload(&t.to_bytes(), t.rows(), t.row_bytes()).unwrap())
		.collect();
	let device = gpu();
	let mut recorder = device.record();
	let inputs: Vec<_> = inputs.iter().collect();
	let y = kernels
		.record(&mut recorder, &case.op, context, &inputs, &case.out)
		.unwrap();
	recorder.submit();
	let bytes = pool.download(&[&y]).unwrap().remove(0);
	// The padding must stay zero: commitments and products read it.
	let all = device
		.read(y.buffer(), u64::from(y.padded_rows()) * u64::from(y.stride()))
		.unwrap();
	let sum = |bytes: &[u8]| bytes.iter().map(|x| u64::from(*x)).sum::<u64>();
	assert_eq!(
		sum(bytemuck::cast_slice(&all)),
		sum(&bytes),
		"padding of {:?}",
		case.op
	);
	let wide = TensorDecl {
		lo: case.out.element.limits().0,
		hi: case.out.element.limits().1,
		..case.out
	};
	Tensor::from_bytes(&wide, &bytes).unwrap()
}

fn check(kind: OpKind, cases: u64) {
	let kernels = OpKernels::new(pool()).unwrap();
	for seed in 0..cases {
		let mut random = Random::new(seed * 31 + kind as u64 + 1);
		let case = case(kind, &mut random);
		let step = random.range(0, 100) as u32;
		let context = Context {
			seed: [seed as u8; 32],
			step,
			instruction: random.range(0, 50) as u32,
		};
		let inputs: Vec<&Tensor> = case.inputs.iter().collect();
		let expected = execute_op(&case.op, &context, &inputs, &case.out).unwrap();
		let got = on_device(&kernels, &case, &context);
		if got != expected {
			let first = match (got.values(), expected.values()) {
				(Values::I32(x), Values::I32(y)) => x
					.iter()
					.zip(y)
					.enumerate()
					.find(|(_, (x, y))| x != y)
					.map(|(i, (x, y))| (i, *x, *y)),
				_ => None,
			};
			panic!(
				"{:?}, seed {seed}, {:?}: first difference (at, device, cpu) {first:?}",
				case.op, case.out
			);
		}
	}
}

#[test]
fn every_operation_should_equal_the_cpu_executor() {
	for kind in OpKind::ALL.iter().filter(|kind| **kind != OpKind::Product) {
		check(*kind, 12);
	}
}

#[test]
fn results_should_not_depend_on_what_a_buffer_held_before() {
	let kernels = OpKernels::new(pool()).unwrap();
	let context = Context {
		seed: [1; 32],
		step: 0,
		instruction: 0,
	};
	let mut random = Random::new(5);
	let x = bytes(&mut random, 20, 33);
	let fill = Case {
		op: Op::Constant { value: -1 },
		inputs: vec![],
		out: i32_out(20, 33),
	};
	let relu = Case {
		op: Op::Relu,
		inputs: vec![words(&mut random, 20, 33, -9, 9)],
		out: i32_out(20, 33),
	};
	let transposed = Case {
		op: Op::Transpose,
		inputs: vec![x],
		out: i8_out(33, 20),
	};
	for case in [&fill, &relu, &transposed, &fill, &relu, &transposed] {
		let inputs: Vec<&Tensor> = case.inputs.iter().collect();
		let expected = execute_op(&case.op, &context, &inputs, &case.out).unwrap();
		assert_eq!(on_device(&kernels, case, &context), expected);
	}
}
