// SPDX-License-Identifier: Apache-2.0

//! Every bound of every operation refuses what is beyond it, and says where and by how much.

mod common;

use common::{ranged_bytes as bytes, refused, scalar, single, words, MAX, MIN};
use poaiw_program::{validate, Op, Rounding, TensorDecl};

#[test]
fn sources_should_be_bounded() {
	let any = words(4, 4, MIN, MAX);
	let uniform = |scale, shift| Op::RandomUniform { scale, shift };
	refused(uniform(0, 0), &[], any, "scale is 0");
	refused(uniform(32769, 0), &[], any, "scale is 32769");
	refused(uniform(1, 32), &[], any, "shift is 32");
	refused(
		uniform(1, 0),
		&[],
		words(4, 4, -100, 100),
		"values may reach -32768 to 32767",
	);
	refused(
		Op::Constant { value: 5 },
		&[],
		words(1, 1, 0, 4),
		"values may reach 5 to 5",
	);
	refused(
		Op::Constant { value: 5 },
		&[],
		bytes(1, 1, 0, 9),
		"the output is I32",
	);
	let batch = |population| Op::BatchIndices { population };
	refused(batch(0), &[], words(1, 1, 0, 9), "population is 0");
	refused(
		batch(3),
		&[],
		words(4, 1, 0, 9),
		"the batch (rows of the output) is 4",
	);
	refused(batch(9), &[], words(4, 2, 0, 9), "I32 [batch, 1]");
	refused(batch(11), &[], words(4, 1, 0, 9), "values may reach 0 to 10");
	let schedule = |peak, floor, warmup, total| Op::Schedule {
		peak,
		floor,
		warmup,
		total,
	};
	refused(schedule(65537, 0, 0, 9), &[], scalar(0, MAX), "peak is 65537");
	refused(schedule(5, 6, 0, 9), &[], scalar(0, MAX), "floor is 6");
	refused(schedule(5, 0, 9, 9), &[], scalar(0, MAX), "warmup is 9");
	refused(schedule(5, 0, 0, 0), &[], scalar(0, MAX), "total is 0");
	refused(
		schedule(65536, 0, 0, 65536),
		&[],
		scalar(0, MAX),
		"peak * total is 4294967296",
	);
	refused(schedule(5, 0, 0, 9), &[], words(2, 1, 0, MAX), "an I32 scalar");
}

#[test]
fn products_and_moves_should_be_bounded() {
	let out = words(2, 3, MIN, MAX);
	let (a, b) = (bytes(2, 9, -63, 63), bytes(3, 9, -63, 63));
	refused(
		Op::Product,
		&[bytes(2, 9, -64, 63), b],
		out,
		"an operand of a product is -64",
	);
	refused(
		Op::Product,
		&[a, bytes(3, 9, 0, 64)],
		out,
		"an operand of a product is 64",
	);
	refused(
		Op::Product,
		&[a, bytes(3, 8, 0, 1)],
		out,
		"I8 [m, k] and I8 [n, k]",
	);
	refused(
		Op::Product,
		&[a, b],
		words(3, 2, MIN, MAX),
		"I8 [m, k] and I8 [n, k]",
	);
	refused(
		Op::Product,
		&[a, b],
		words(2, 3, 0, MAX),
		"values may reach -35721",
	);
	let deep = 131_072;
	refused(
		Op::Product,
		&[bytes(2, deep, 0, 1), bytes(3, deep, 0, 1)],
		out,
		"k is 131072",
	);
	refused(
		Op::Transpose,
		&[a],
		bytes(2, 9, -63, 63),
		"rows and columns exchanged",
	);
	refused(Op::Transpose, &[a], bytes(9, 2, -62, 63), "values may reach -63");
	let index = |lo, hi| words(5, 1, lo, hi);
	let gathered = bytes(5, 9, -63, 63);
	assert!(validate(&single(Op::GatherRows, &[a, index(0, 1)], gathered)).is_ok());
	refused(
		Op::GatherRows,
		&[a, index(0, 2)],
		gathered,
		"an index of rows is 2",
	);
	refused(
		Op::GatherRows,
		&[a, index(-1, 0)],
		gathered,
		"an index of rows is -1",
	);
	refused(Op::GatherRows, &[a, words(5, 2, 0, 1)], gathered, "index [r, 1]");
}

#[test]
fn words_should_not_leave_32_bits() {
	let any = words(2, 2, MIN, MAX);
	let small = words(2, 2, 0, 1);
	refused(Op::Add, &[any, small], any, "the sum is 2147483648");
	refused(Op::Sub, &[any, small], any, "the difference is -2147483649");
	refused(Op::Add, &[any, words(2, 3, 0, 0)], any, "[1, c] or [r, c]");
	refused(Op::Equal, &[small, words(1, 2, 0, 0)], any, "the same size");
	refused(Op::Abs, &[any], any, "the input is -2147483648");
	refused(Op::Clip { lo: 2, hi: 1 }, &[any], any, "lo is 2");
	refused(Op::Ema { shift: 0 }, &[small, small], any, "shift is 0");
	refused(Op::Ema { shift: 31 }, &[small, small], any, "shift is 31");
	refused(
		Op::Ema { shift: 1 },
		&[any, small],
		any,
		"value - average is 2147483649",
	);
	refused(Op::Decay { shift: 0 }, &[small], any, "shift is 0");
	refused(
		Op::Decay { shift: 1 },
		&[words(2, 2, -1, 1)],
		any,
		"the input is -1",
	);
	refused(Op::ExcessBits { bits: 32 }, &[small], any, "bits is 32");
	refused(
		Op::ExcessBits { bits: 6 },
		&[words(2, 2, -1, 1)],
		any,
		"the input is -1",
	);
	refused(
		Op::ExcessBits { bits: 6 },
		&[words(2, 2, 0, 64)],
		small.with_range(0, 0),
		"values may reach 0 to 1",
	);
	refused(Op::Relu, &[bytes(2, 2, 0, 1)], any, "input and output are I32");
}

#[test]
fn reductions_should_be_bounded() {
	let any = words(40, 300, MIN, MAX);
	let blocks = words(9, 1, MIN, MAX);
	refused(Op::MaxAbsPartials, &[any], blocks, "the input is -2147483648");
	refused(
		Op::MaxAbsPartials,
		&[words(40, 300, 0, 1)],
		words(8, 1, 0, MAX),
		"blocks of the input",
	);
	refused(
		Op::SumPartials,
		&[words(40, 300, 0, 1 << 20)],
		blocks,
		"the sum of a block is 2147483648",
	);
	refused(
		Op::MaxReduce,
		&[words(1025, 1, 0, 1)],
		scalar(0, 1),
		"the length of the input is 1025",
	);
	refused(Op::MaxReduce, &[words(9, 2, 0, 1)], scalar(0, 1), "I32 [n, 1]");
	refused(
		Op::SumReduce,
		&[words(1024, 1, 0, 1 << 21)],
		scalar(0, MAX),
		"the sum is 2147483648",
	);
	refused(
		Op::RowMaxAbs,
		&[any],
		words(40, 1, 0, MAX),
		"the input is -2147483648",
	);
	refused(
		Op::Argmax,
		&[any],
		words(40, 1, 0, 298),
		"values may reach 0 to 299",
	);
	let wide = words(2, 65_536, 0, 1);
	refused(
		Op::RowMaxAbs,
		&[wide],
		words(2, 1, 0, 1),
		"columns of a row reduction is 65536",
	);
	refused(
		Op::Argmax,
		&[wide],
		words(2, 1, 0, MAX),
		"columns of a row reduction is 65536",
	);
	refused(Op::Argmax, &[any], words(39, 1, 0, 299), "I32 [r, 1]");
}

#[test]
fn quantisation_should_be_bounded() {
	let x = words(8, 8, MIN, MAX);
	let q = bytes(8, 8, -63, 63);
	let half_up = Op::Requantise {
		rounding: Rounding::HalfUp,
	};
	let keyed = Op::Requantise {
		rounding: Rounding::Keyed,
	};
	assert!(validate(&single(half_up, &[x, scalar(0, 31)], q)).is_ok());
	refused(half_up, &[x, scalar(0, 32)], q, "the shift is 32");
	refused(half_up, &[x, scalar(-1, 3)], q, "the shift is -1");
	refused(half_up, &[x, words(7, 1, 0, 3)], q, "[1, 1] or [r, 1]");
	refused(
		half_up,
		&[x, scalar(0, 3)],
		bytes(8, 8, -62, 63),
		"values may reach -63",
	);
	refused(keyed, &[x, scalar(0, 3)], q, "max|x| is 2147483648");
	refused(keyed, &[words(8, 8, 0, 9), scalar(0, 31)], q, "the shift is 31");
	let rescale = |unit, limit| Op::Rescale { unit, limit };
	let y = words(8, 8, MIN, MAX);
	let fine = words(8, 8, -9, 9);
	refused(rescale(0, 0), &[fine, scalar(0, 0)], y, "limit is 0");
	refused(
		rescale(0, (1 << 30) + 1),
		&[fine, scalar(0, 0)],
		y,
		"limit is 1073741825",
	);
	refused(rescale(1 << 21, 9), &[fine, scalar(0, 0)], y, "unit is 2097152");
	refused(
		rescale(0, 9),
		&[fine, scalar(0, 1 << 21)],
		y,
		"the exponent is 2097152",
	);
	refused(rescale(0, 9), &[x, scalar(0, 0)], y, "the input is -2147483648");
	refused(
		rescale(0, 9),
		&[fine, scalar(0, 0)],
		words(8, 8, -8, 9),
		"values may reach -9",
	);
	refused(
		Op::ReluGrad,
		&[fine, bytes(8, 7, 0, 1)],
		y,
		"an activation [r, c]",
	);
	refused(
		Op::ReluGrad,
		&[words(8, 8, 3, 9), q],
		words(8, 8, 3, 9),
		"values may reach 0 to 9",
	);
}

#[test]
fn losses_and_optimisers_should_be_bounded() {
	let z = words(8, 10, -1000, 1000);
	let labels = words(8, 1, 0, 9);
	let e = scalar(-20, 0);
	let g = words(8, 10, -65536, 65536);
	assert!(validate(&single(Op::SoftmaxGradient, &[z, labels, e], g)).is_ok());
	refused(
		Op::SoftmaxGradient,
		&[z, words(8, 1, 0, 10), e],
		g,
		"a label is 10",
	);
	refused(
		Op::SoftmaxGradient,
		&[z, words(8, 1, -1, 9), e],
		g,
		"a label is -1",
	);
	refused(
		Op::SoftmaxGradient,
		&[words(8, 10, MIN, 0), labels, e],
		g,
		"max z - min z is 2147483648",
	);
	refused(
		Op::SoftmaxGradient,
		&[z, labels, scalar(0, 1 << 21)],
		g,
		"the exponent is 2097152",
	);
	refused(
		Op::SoftmaxGradient,
		&[words(8, 65_536, 0, 1), labels, e],
		words(8, 65_536, MIN, MAX),
		"classes is 65536",
	);
	let loss = |hi| words(8, 1, 0, hi);
	assert!(validate(&single(
		Op::CrossEntropy,
		&[z, labels, e],
		loss(common::loss_bound())
	))
	.is_ok());
	refused(
		Op::CrossEntropy,
		&[z, labels, e],
		loss(common::loss_bound() - 1),
		"values may reach 0",
	);
	let p = scalar(0, 1 << 30);
	refused(
		Op::BiasCorrection,
		&[p, scalar(0, MAX)],
		scalar(0, MAX),
		"a power of beta is 2147483647",
	);
	let w = words(3, 3, -100, 100);
	let v = words(3, 3, 0, 100);
	let adam = |limit, decay| Op::L1Adam { limit, decay };
	let (rate, correction) = (scalar(0, 65536), scalar(0, 65535));
	assert!(validate(&single(adam(100, 255), &[w, w, v, rate, correction], w)).is_ok());
	refused(
		adam(101, 0),
		&[w, w, v, rate, correction],
		w,
		"values may reach -101 to 101",
	);
	refused(adam(0, 0), &[w, w, v, rate, correction], w, "limit is 0");
	refused(adam(100, 256), &[w, w, v, rate, correction], w, "decay is 256");
	refused(adam(100, 0), &[w, w, w, rate, correction], w, "v is -100");
	refused(
		adam(100, 0),
		&[w, words(3, 3, MIN, 0), v, rate, correction],
		w,
		"m is -2147483648",
	);
	refused(
		adam(100, 0),
		&[w, w, v, scalar(0, 65537), correction],
		w,
		"the rate is 65537",
	);
	refused(
		adam(100, 0),
		&[w, w, v, rate, scalar(0, 65536)],
		w,
		"the bias correction is 65536",
	);
	refused(
		adam(100, 0),
		&[words(3, 3, 0, (1 << 28) + 1), w, v, rate, correction],
		w,
		"w is 268435457",
	);
	let sgd = |shift| Op::Sgd { shift, limit: 100 };
	refused(sgd(3), &[w, w, rate], w, "shift is 3");
	refused(sgd(32), &[w, w, rate], w, "shift is 32");
	refused(sgd(9), &[w, w, scalar(-1, 0)], w, "the rate is -1");
}

trait WithRange {
	fn with_range(self, lo: i32, hi: i32) -> Self;
}

impl WithRange for TensorDecl {
	fn with_range(self, lo: i32, hi: i32) -> Self {
		Self { lo, hi, ..self }
	}
}
