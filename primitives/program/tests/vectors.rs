// SPDX-License-Identifier: Apache-2.0

//! Vectors, threads and used memory change no bit of any operation.

mod common;

use common::{random_tensor, ranged_bytes as bytes, sample, scalar, words, Rng, MAX, MIN};
use poaiw_program::{
	execute_op_with, normalise::Width, range::output_range, Buffers, Context, Element, Op, OpKind, Rounding,
	Tensor, TensorDecl, Vectors,
};
use proptest::prelude::*;

const CONTEXT: Context = Context {
	seed: [3; 32],
	step: 5,
	instruction: 7,
};

/// Memory that a tensor of the same layout left, full of something.
fn used(vectors: Vectors, out: &TensorDecl) -> Buffers {
	let mut buffers = Buffers::with(vectors);
	let count = out.elements() as usize;
	buffers.recycle(match out.element {
		Element::I8 => Tensor::from_i8(out.rows, out.cols, vec![85; count]).unwrap(),
		Element::I32 => Tensor::from_i32(out.rows, out.cols, vec![0x5555_5555; count]).unwrap(),
	});
	buffers
}

fn all_equal(op: &Op, context: &Context, inputs: &[&Tensor], out: &TensorDecl) {
	let run = |vectors| execute_op_with(&mut used(vectors, out), op, context, inputs, out).unwrap();
	let plain = run(Vectors::Plain);
	for vectors in [Vectors::Narrow, Vectors::Widest] {
		assert!(run(vectors) == plain, "{op:?} with {vectors:?}");
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn vectors_should_agree_for_every_operation(seed: u32) {
		for kind in OpKind::ALL {
			let case = sample(*kind, seed);
			all_equal(&case.op, &case.context, &case.tensor_refs(), &case.out);
		}
	}
}

/// Sizes that are worth several threads, and divide by nothing.
fn large(op: Op, inputs: &[TensorDecl], element: Element, rows: u32, cols: u32) {
	let (lo, hi) = element.limits();
	let mut out = TensorDecl::new(element, rows, cols, lo, hi);
	let decls: Vec<&TensorDecl> = inputs.iter().collect();
	let range = output_range(&op, &decls, &out).unwrap_or_else(|e| panic!("{op:?}: {e}"));
	(out.lo, out.hi) = (range.lo as i32, range.hi as i32);
	let mut rng = Rng(rows ^ cols);
	let tensors: Vec<Tensor> = inputs.iter().map(|d| random_tensor(&mut rng, d)).collect();
	all_equal(&op, &CONTEXT, &tensors.iter().collect::<Vec<_>>(), &out);
}

#[test]
fn large_tensors_should_be_cut_into_parts_without_a_seam() {
	use Element::{I32, I8};
	let (r, c) = (701, 263);
	let any = words(r, c, MIN, MAX);
	let half = words(r, c, -(1 << 30), (1 << 30) - 1);
	let column = |lo, hi| words(r, 1, lo, hi);
	for b in [half, words(1, 1, -9, 9), words(r, 1, -9, 9), words(1, c, -9, 9)] {
		large(Op::Add, &[half, b], I32, r, c);
	}
	large(Op::RoundShift { shift: 3 }, &[any], I32, r, c);
	large(Op::ReluGrad, &[any, bytes(r, c, -63, 63)], I32, r, c);
	large(Op::Select, &[any, any, any], I32, r, c);
	for rounding in [Rounding::HalfUp, Rounding::Keyed] {
		for shift in [scalar(0, 30), column(0, 30)] {
			large(Op::Requantise { rounding }, &[half, shift], I8, r, c);
			large(Op::RequantiseWide { rounding }, &[half, shift], I8, r, c);
		}
	}
	for x in [any, bytes(r, c, -128, 127)] {
		large(Op::Transpose, &[x], x.element, c, r);
		large(Op::GroupTranspose { groups: 701 }, &[x], x.element, r * c, 1);
	}
	let stacked = bytes(7 * 701, c, -128, 127);
	large(Op::GroupTranspose { groups: 7 }, &[stacked], I8, 7 * c, 701);
	large(Op::MaxAbsPartials, &[half], I32, half.blocks() as u32, 1);
	let small = words(r, c, -5000, 5000);
	for op in [Op::RowSum, Op::RowMax, Op::RowMaxAbs, Op::Argmax] {
		large(op, &[small], I32, r, 1);
	}
	large(Op::RowDivide { shift: 4 }, &[small, column(1, MAX)], I32, r, c);
	large(
		Op::Product,
		&[bytes(r, 99, -63, 63), bytes(c, 99, -63, 63)],
		I32,
		r,
		c,
	);
	let (a, b) = (bytes(31 * 17, 99, -127, 127), bytes(31 * 23, 99, -127, 127));
	large(Op::GroupProduct { groups: 31 }, &[a, b], I32, 31 * 17, 23);
	large(Op::RandomUniform { scale: 77, shift: 3 }, &[], I32, r, c);
	large(
		Op::Iota {
			divisor: 3,
			modulus: 1000,
			offset: 5,
		},
		&[],
		I32,
		r,
		c,
	);
}

#[test]
fn large_rows_should_be_cut_into_parts_without_a_seam() {
	use Element::{I32, I8};
	let (r, c) = (701, 263);
	let column = |lo, hi| words(r, 1, lo, hi);
	let row = words(r, c, -(1 << 30), 1 << 30);
	for op in [Op::RmsNorm, Op::Centre, Op::Gelu] {
		large(op, &[row], I32, r, c);
	}
	for op in [Op::RmsFactor, Op::RmsExponent] {
		large(op, &[row], I32, r, 1);
	}
	let y = Width::of(c).most();
	let gradient = [
		words(r, c, -1024, 1024),
		words(r, c, -y, y),
		column(0, 46340),
		column(0, 60),
		scalar(0, 60),
	];
	large(Op::RmsNormGradient { bits: 10 }, &gradient, I32, r, c);
	let (z, e) = (words(r, c, -90_000, 90_000), scalar(-20, -5));
	let labels = column(0, c as i32 - 1);
	large(Op::SoftmaxGradient, &[z, labels, e], I32, r, c);
	large(Op::CrossEntropy, &[z, labels, e], I32, r, 1);
	for e in [e, column(-20, -5)] {
		large(Op::Softmax { top: 63 }, &[z, column(1, c as i32), e], I8, r, c);
	}
	let (p, g, sum) = (bytes(r, c, 0, 63), words(r, c, -9999, 9999), column(1, 9999));
	large(Op::SoftmaxBackward { limit: 9999 }, &[p, g, sum], I32, r, c);
	let (w, m, any) = (
		words(r, c, -(1 << 28), 1 << 28),
		words(r, c, -MAX, MAX),
		words(r, c, MIN, MAX),
	);
	let (rate, correction) = (scalar(0, 65536), scalar(0, 65535));
	let (limit, decay) = (1 << 27, 26);
	for floor in [false, true] {
		large(
			Op::Adam { limit, decay, floor },
			&[w, m, any, rate, correction],
			I32,
			r,
			c,
		);
		large(Op::AdamSquare { floor }, &[any, row], I32, r, c);
	}
	let positive = words(r, c, 0, MAX);
	large(
		Op::L1Adam { limit, decay },
		&[w, m, positive, rate, correction],
		I32,
		r,
		c,
	);
}
