// SPDX-License-Identifier: Apache-2.0

//! Every bound of the operations on whole rows, of stacked products and of Adam refuses what is beyond it; and the sizes
//! of the models that these operations were made for are accepted.

mod common;

use common::{ranged_bytes as bytes, refused, scalar, single, words, MAX, MIN};
use poaiw_program::{
	adam::{least_square, most_square},
	normalise::Width,
	validate, Op, Rounding, TensorDecl,
};

fn accepted(op: Op, inputs: &[TensorDecl], out: TensorDecl) {
	if let Err(e) = validate(&single(op, inputs, out)) {
		panic!("{op:?} {inputs:?}: {e}");
	}
}

#[test]
fn reductions_of_rows_should_be_bounded() {
	let any = words(4, 1, MIN, MAX);
	accepted(Op::RowSum, &[words(4, 128, -(1 << 24), (1 << 24) - 1)], any);
	refused(
		Op::RowSum,
		&[words(4, 128, -(1 << 24), 1 << 24)],
		any,
		"the sum of a row is 2147483648",
	);
	refused(
		Op::RowSum,
		&[bytes(4, 65536, 0, 1)],
		any,
		"columns of a row reduction is 65536",
	);
	refused(
		Op::RowSum,
		&[bytes(4, 9, 0, 1)],
		words(4, 9, MIN, MAX),
		"gives I32 [r, 1]",
	);
	refused(
		Op::RowSum,
		&[bytes(4, 9, -1, 2)],
		words(4, 1, -9, 17),
		"values may reach -9 to 18",
	);
	refused(Op::RowMax, &[bytes(4, 9, 0, 1)], any, "I32 for a maximum");
	refused(
		Op::RowMax,
		&[words(4, 65536, 0, 1)],
		any,
		"columns of a row reduction is 65536",
	);
	refused(
		Op::RowMax,
		&[words(4, 9, -5, 3)],
		words(4, 1, -4, 3),
		"values may reach -5 to 3",
	);
	accepted(Op::RowSumSquares, &[words(4, 2, 0, 32767)], any);
	refused(
		Op::RowSumSquares,
		&[words(4, 2, 0, 32768)],
		any,
		"the sum of squares of a row is 2147483648",
	);
	refused(
		Op::RowSumSquares,
		&[bytes(4, 3, -2, 1)],
		words(4, 1, 0, 11),
		"values may reach 0 to 12",
	);
	refused(
		Op::RowSumSquares,
		&[bytes(4, 3, 2, 3)],
		words(4, 1, 13, 27),
		"values may reach 12 to 27",
	);
}

#[test]
fn divisions_of_rows_should_be_bounded() {
	let (out, divisor) = (words(4, 9, MIN, MAX), words(4, 1, 1, MAX));
	let divide = |shift| Op::RowDivide { shift };
	accepted(divide(9), &[words(4, 9, -(1 << 22), (1 << 22) - 1), divisor], out);
	refused(
		divide(9),
		&[words(4, 9, 0, 1 << 22), divisor],
		out,
		"x << shift is 2147483648",
	);
	refused(divide(17), &[words(4, 9, 0, 1), divisor], out, "shift is 17");
	refused(divide(0), &[out, words(4, 1, 0, 9)], out, "the divisor is 0");
	refused(divide(0), &[out, words(4, 9, 1, 9)], out, "an I32 divisor [r, 1]");
	let tight = words(4, 9, -12, 2);
	refused(
		divide(1),
		&[words(4, 9, -20, 7), words(4, 1, 3, 5)],
		tight,
		"values may reach -13 to 4",
	);
}

#[test]
fn stacked_products_should_be_bounded() {
	let product = |groups| Op::GroupProduct { groups };
	let (a, b, out) = (
		bytes(6, 9, -127, 127),
		bytes(4, 9, -127, 127),
		words(6, 2, MIN, MAX),
	);
	accepted(product(2), &[a, b], out);
	refused(product(0), &[a, b], out, "groups is 0");
	refused(product(3), &[a, b], out, "I8 [g * m, k] and I8 [g * n, k]");
	refused(product(2), &[a, b], words(6, 4, MIN, MAX), "give I32 [g * m, n]");
	refused(
		product(2),
		&[bytes(6, 9, -128, 0), b],
		out,
		"an operand of a stacked product is -128",
	);
	refused(
		product(2),
		&[a, bytes(4, 9, -128, 0)],
		out,
		"an operand of a stacked product is -128",
	);
	refused(product(2), &[a, bytes(4, 8, 0, 1)], out, "I8 [g * m, k]");
	let deep = 131_072;
	let wide = words(2, 1, MIN, MAX);
	refused(
		product(2),
		&[bytes(2, deep, 0, 1), bytes(2, deep, 0, 1)],
		wide,
		"k is 131072",
	);
	refused(
		product(2),
		&[a, b],
		words(6, 2, -145_160, 145_161),
		"values may reach -145161 to 145161",
	);
	// The rules of products: read by something, and computed once.
	let mut unread = single(product(2), &[a, b], out);
	unread.outputs.clear();
	let text = validate(&unread).unwrap_err().to_string();
	assert!(text.contains("the output of a product is read"), "{text}");
	let mut twice = single(product(2), &[a, b], out);
	let mut again = twice.instructions[0].clone();
	again.output.0 += 1;
	twice.outputs.push(again.output);
	twice.tensors.push(out);
	twice.instructions.push(again);
	let text = validate(&twice).unwrap_err().to_string();
	assert!(text.contains("a product is computed once"), "{text}");
	let info = validate(&single(product(2), &[a, b], out)).unwrap();
	// No ticket is drawn from it, so it is not counted where fees and credit are.
	assert_eq!(
		(info.cost.product_macs, info.cost.element_ops),
		(2 * 3 * 2 * 9, 0)
	);
}

#[test]
fn wide_mantissas_should_be_bounded() {
	let op = |rounding| Op::RequantiseWide { rounding };
	let out = bytes(4, 9, -127, 127);
	accepted(
		op(Rounding::HalfUp),
		&[words(4, 9, MIN, MAX), words(4, 1, 0, 31)],
		out,
	);
	refused(
		op(Rounding::HalfUp),
		&[words(4, 9, MIN, MAX), scalar(0, 32)],
		out,
		"the shift is 32",
	);
	refused(
		op(Rounding::Keyed),
		&[words(4, 9, 0, 9), scalar(0, 31)],
		out,
		"the shift is 31",
	);
	refused(
		op(Rounding::Keyed),
		&[words(4, 9, 0, MAX), scalar(0, 30)],
		out,
		"max|x| is 2147483647",
	);
	refused(
		op(Rounding::HalfUp),
		&[words(4, 9, MIN, MAX), scalar(0, 31)],
		bytes(4, 9, -126, 127),
		"values may reach -127 to 127",
	);
}

#[test]
fn attention_should_be_bounded() {
	let softmax = |top| Op::Softmax { top };
	let (z, visible, e) = (words(4, 9, -50, 50), words(4, 1, 1, 9), scalar(-30, 30));
	let out = bytes(4, 9, 0, 127);
	accepted(softmax(127), &[z, visible, e], out);
	accepted(
		softmax(63),
		&[z, visible, words(4, 1, -30, 30)],
		bytes(4, 9, 0, 63),
	);
	refused(softmax(0), &[z, visible, e], out, "top is 0");
	refused(softmax(128), &[z, visible, e], out, "top is 128");
	refused(
		softmax(9),
		&[z, words(4, 1, 0, 9), e],
		out,
		"the visible columns is 0",
	);
	refused(
		softmax(9),
		&[z, words(4, 1, 1, 10), e],
		out,
		"the visible columns is 10",
	);
	refused(
		softmax(9),
		&[z, visible, scalar(0, 1 << 21)],
		out,
		"the exponent is 2097152",
	);
	refused(
		softmax(9),
		&[z, visible, words(1, 9, 0, 1)],
		out,
		"an I32 exponent [1, 1] or [r, 1]",
	);
	refused(
		softmax(9),
		&[words(4, 9, MIN, 0), visible, e],
		out,
		"max z - min z is 2147483648",
	);
	refused(
		softmax(9),
		&[z, visible, e],
		bytes(4, 9, 0, 8),
		"values may reach 0 to 9",
	);

	let backward = |limit| Op::SoftmaxBackward { limit };
	let (p, sum) = (bytes(4, 256, 0, 63), words(4, 1, 63, 63 * 256));
	let gradient = |most: i32| words(4, 256, -most, most);
	let out = words(4, 256, MIN, MAX);
	accepted(backward(1 << 15), &[p, gradient(1 << 15), sum], out);
	refused(backward(9), &[p, gradient(10), sum], out, "the gradient is -10");
	refused(
		backward(9),
		&[bytes(4, 256, -1, 63), gradient(9), sum],
		out,
		"the weights is -1",
	);
	refused(
		backward(9),
		&[p, gradient(9), words(4, 1, 0, 9)],
		out,
		"the sum is 0",
	);
	refused(backward(-1), &[p, gradient(0), sum], out, "limit is -1");
	refused(
		backward(1 << 18),
		&[p, gradient(9), sum],
		out,
		"c * max p * limit is 4227858432",
	);
	let one = |limit: i32| {
		let (p, g) = (bytes(4, 1, 0, 63), words(4, 1, 0, 9));
		(backward(limit), [p, g, words(4, 1, 1, 9)], words(4, 1, MIN, MAX))
	};
	let (op, inputs, out) = one(1 << 25);
	refused(op, &inputs, out, "max p * 2 * limit is 4227858432");
	refused(
		backward(9),
		&[p, words(4, 255, 0, 1), sum],
		words(4, 255, MIN, MAX),
		"I8 weights [r, c]",
	);
}

#[test]
fn normalisation_should_be_bounded() {
	let most = 1 << 30;
	for op in [Op::RmsNorm, Op::RmsFactor, Op::RmsExponent, Op::Centre] {
		let out = |rows, cols| match op {
			Op::RmsNorm | Op::Centre => words(rows, cols, MIN, MAX),
			_ => words(rows, 1, MIN, MAX),
		};
		for cols in [1, 2, 128, 384, 1024, 8192] {
			accepted(op, &[words(2, cols, -most, most)], out(2, cols));
		}
		refused(
			op,
			&[words(2, 8193, 0, 1)],
			out(2, 8193),
			"columns of a normalised row is 8193",
		);
		refused(
			op,
			&[words(2, 9, 0, most + 1)],
			out(2, 9),
			"the input is 1073741825",
		);
		refused(
			op,
			&[words(2, 9, -most - 1, 0)],
			out(2, 9),
			"the input is -1073741825",
		);
		refused(op, &[bytes(2, 9, 0, 1)], out(2, 9), "I32");
	}
	let row = words(2, 128, -most, most);
	refused(
		Op::RmsNorm,
		&[row],
		words(2, 128, -11584, 11585),
		"values may reach -11585 to 11585",
	);
	refused(
		Op::RmsFactor,
		&[row],
		words(2, 1, 23170, 46339),
		"values may reach 23170 to 46340",
	);
	refused(
		Op::RmsExponent,
		&[row],
		words(2, 1, 3, 48),
		"values may reach 2 to 48",
	);
	refused(
		Op::RmsFactor,
		&[row],
		words(2, 128, MIN, MAX),
		"[r, 1] (factor, exponent)",
	);
	// Ten elements: nine tenths of the span, and half a unit.
	let out = words(2, 10, -89, 90);
	refused(
		Op::Centre,
		&[words(2, 10, -50, 50)],
		out,
		"values may reach -90 to 90",
	);
	accepted(Op::Gelu, &[row], words(2, 128, -174, most));
	refused(
		Op::Gelu,
		&[words(2, 9, 0, most + 1)],
		words(2, 9, MIN, MAX),
		"the input is 1073741825",
	);
	refused(
		Op::Gelu,
		&[row],
		words(2, 128, -173, most),
		"values may reach -174 to 1073741824",
	);
	refused(Op::Gelu, &[row], words(2, 127, MIN, MAX), "of the same size");
}

/// The inputs of a gradient of rows of `cols` normalised columns.
fn gradient(cols: u32, bits: u32) -> [TensorDecl; 5] {
	let most = Width::of(cols).most();
	[
		words(2, cols, -(1 << bits), 1 << bits),
		words(2, cols, -most, most),
		words(2, 1, 0, 65536),
		words(2, 1, 0, 60),
		scalar(0, 60),
	]
}

#[test]
fn gradients_of_normalisation_should_be_bounded() {
	let op = |bits| Op::RmsNormGradient { bits };
	for (cols, bits) in [(128, 12), (256, 11), (384, 11), (512, 10), (768, 9), (1024, 8)] {
		let mut inputs = gradient(cols, bits);
		if cols <= 128 {
			inputs[2].hi = 46340;
		}
		accepted(op(bits), &inputs, words(2, cols, MIN, MAX));
	}
	let out = words(2, 128, MIN, MAX);
	let with = |at: usize, decl| {
		let mut inputs = gradient(128, 12);
		inputs[2].hi = 46340;
		inputs[at] = decl;
		inputs
	};
	refused(op(17), &gradient(128, 12), out, "bits is 17");
	refused(op(11), &gradient(128, 12), out, "the gradient is -4096");
	refused(
		op(14),
		&gradient(128, 14),
		out,
		"the sum of gradient * y/8 over a row",
	);
	refused(op(12), &with(1, words(2, 128, MIN, MAX)), out, "gradient * y/8");
	refused(op(12), &with(2, words(2, 1, 0, 1 << 20)), out, "h * factor/8");
	refused(op(12), &with(3, words(2, 1, MIN, 0)), out, "largest - exponent");
	refused(op(12), &with(4, words(2, 1, 0, 60)), out, "an I32 scalar");
	refused(
		op(12),
		&with(2, words(1, 1, 0, 60)),
		out,
		"factor and exponent [r, 1]",
	);
	let wide = [
		words(2, 8193, 0, 0),
		words(2, 8193, 0, 0),
		words(2, 1, 0, 9),
		words(2, 1, 0, 9),
		scalar(0, 9),
	];
	refused(
		op(0),
		&wide,
		words(2, 8193, MIN, MAX),
		"columns of a normalised row is 8193",
	);
	let narrow = [
		words(2, 2, 0, 1 << 10),
		words(2, 2, -(1 << 18), 1 << 18),
		words(2, 1, 0, 8),
		words(2, 1, 0, 9),
		scalar(0, 9),
	];
	refused(op(10), &narrow, words(2, 2, MIN, MAX), "t * y/8");
}

#[test]
fn adam_should_be_bounded() {
	let (w, any) = (words(4, 9, -(1 << 28), 1 << 28), words(4, 9, MIN, MAX));
	let (m, rate, correction) = (words(4, 9, -MAX, MAX), scalar(0, 65536), scalar(0, 65535));
	let adam = |limit, decay| Op::Adam {
		limit,
		decay,
		floor: true,
	};
	let out = words(4, 9, -100, 100);
	accepted(adam(100, 255), &[w, m, any, rate, correction], out);
	refused(adam(0, 0), &[w, m, any, rate, correction], any, "limit is 0");
	refused(
		adam((1 << 28) + 1, 0),
		&[w, m, any, rate, correction],
		any,
		"limit is 268435457",
	);
	refused(adam(9, 256), &[w, m, any, rate, correction], any, "decay is 256");
	refused(
		adam(9, 0),
		&[any, m, any, rate, correction],
		any,
		"w is -2147483648",
	);
	refused(
		adam(9, 0),
		&[w, any, any, rate, correction],
		any,
		"m is -2147483648",
	);
	refused(
		adam(9, 0),
		&[w, m, any, scalar(0, 65537), correction],
		any,
		"the rate is 65537",
	);
	refused(
		adam(9, 0),
		&[w, m, any, rate, scalar(0, 65536)],
		any,
		"the bias correction is 65536",
	);
	refused(
		adam(9, 0),
		&[w, m, words(4, 8, 0, 1), rate, correction],
		any,
		"w, m, v I32 [r, c]",
	);
	refused(
		adam(101, 0),
		&[w, m, any, rate, correction],
		out,
		"values may reach -101 to 101",
	);

	let square = |floor| Op::AdamSquare { floor };
	let g = words(4, 9, -(1 << 30), 1 << 30);
	for floor in [false, true] {
		let range = words(4, 9, least_square(floor), most_square());
		accepted(square(floor), &[range, g], range);
		refused(square(floor), &[range, any], range, "the gradient is -2147483648");
		let above = words(4, 9, least_square(floor) + 1, most_square());
		refused(square(floor), &[range, g], above, "values may reach");
	}
	refused(square(true), &[any, words(4, 8, 0, 1)], any, "of the same size");

	let p = scalar(0, 1 << 30);
	accepted(Op::AdamCorrection, &[p, p], correction);
	refused(
		Op::AdamCorrection,
		&[scalar(-1, 9), p],
		correction,
		"a power of beta is -1",
	);
	refused(
		Op::AdamCorrection,
		&[p, scalar(0, (1 << 30) + 1)],
		correction,
		"a power of beta is 1073741825",
	);
	refused(
		Op::AdamCorrection,
		&[p, words(2, 1, 0, 1)],
		correction,
		"two I32 scalars",
	);
	refused(
		Op::AdamCorrection,
		&[p, p],
		scalar(0, 65534),
		"values may reach 0 to 65535",
	);
}
