// SPDX-License-Identifier: Apache-2.0

//! Bounds of the operations that move, gather, number and add up elements, and of arithmetic with a spread input.

mod common;

use common::{ranged_bytes as bytes, refused, scalar, single, words, MAX, MIN};
use poaiw_program::{validate, Op, TensorDecl, Window};

fn accepted(op: Op, inputs: &[TensorDecl], out: TensorDecl) {
	if let Err(e) = validate(&single(op, inputs, out)) {
		panic!("{op:?} {inputs:?}: {e}");
	}
}

#[test]
fn arithmetic_should_not_leave_32_bits() {
	let any = words(4, 6, MIN, MAX);
	let small = words(4, 6, -9, 9);
	let multiply = |shift| Op::Multiply { shift };
	accepted(
		multiply(31),
		&[words(4, 6, -46340, 46340), words(4, 6, -46340, 46340)],
		any,
	);
	refused(multiply(32), &[small, small], any, "shift is 32");
	refused(
		multiply(0),
		&[words(4, 6, 0, 1 << 16), words(1, 6, 0, 1 << 15)],
		any,
		"the product is 2147483648",
	);
	refused(multiply(0), &[any, words(4, 1, -1, 1)], any, "the product is");
	refused(
		multiply(1),
		&[small, small],
		words(4, 6, -40, 40),
		"values may reach -40 to 41",
	);
}

#[test]
fn spread_inputs_should_have_one_or_all_rows_and_columns() {
	let (a, out) = (words(4, 6, -9, 9), words(4, 6, MIN, MAX));
	let rescale = Op::Rescale { unit: 0, limit: 9 };
	for op in [
		Op::Add,
		Op::Sub,
		Op::Multiply { shift: 0 },
		Op::Min,
		Op::Max,
		rescale,
	] {
		for (rows, cols) in [(1, 1), (4, 1), (1, 6), (4, 6)] {
			accepted(op, &[a, words(rows, cols, -9, 9)], out);
		}
		for (rows, cols) in [(2, 6), (4, 2), (6, 4), (8, 6), (1, 4), (6, 1)] {
			refused(
				op,
				&[a, words(rows, cols, -9, 9)],
				out,
				"[1, 1], [r, 1], [1, c] or [r, c]",
			);
		}
		refused(
			op,
			&[a, bytes(4, 6, -9, 9)],
			out,
			"[1, 1], [r, 1], [1, c] or [r, c]",
		);
		refused(
			op,
			&[words(1, 6, -9, 9), a],
			out,
			"[1, 1], [r, 1], [1, c] or [r, c]",
		);
	}
	refused(
		Op::Min,
		&[a, scalar(-20, 20)],
		words(4, 6, -19, 9),
		"values may reach -20 to 9",
	);
	refused(
		Op::Max,
		&[a, scalar(-20, 20)],
		words(4, 6, -9, 19),
		"values may reach -9 to 20",
	);
}

#[test]
fn choices_and_slopes_should_be_bounded() {
	let (x, y) = (words(4, 6, -8, 8), words(4, 6, 5, 20));
	let any = words(4, 6, MIN, MAX);
	accepted(Op::Select, &[any, x, y], words(4, 6, -8, 20));
	refused(
		Op::Select,
		&[any, x, y],
		words(4, 6, -8, 19),
		"values may reach -8 to 20",
	);
	refused(Op::Select, &[scalar(0, 1), x, y], any, "of the same size");
	refused(Op::Select, &[any, x, bytes(4, 6, 0, 1)], any, "of the same size");
	refused(Op::RoundShift { shift: 32 }, &[x], any, "shift is 32");
	refused(
		Op::RoundShift { shift: 1 },
		&[y],
		words(4, 6, 3, 9),
		"values may reach 3 to 10",
	);
	refused(Op::LeakyRelu { shift: 0 }, &[x], any, "shift is 0");
	refused(Op::LeakyRelu { shift: 32 }, &[x], any, "shift is 32");
	refused(
		Op::LeakyRelu { shift: 2 },
		&[x],
		words(4, 6, -1, 8),
		"values may reach -2 to 8",
	);
	let gradient = |shift| Op::LeakyReluGrad { shift };
	refused(gradient(0), &[x, x], any, "shift is 0");
	refused(gradient(32), &[x, x], any, "shift is 32");
	refused(gradient(1), &[x, bytes(4, 5, 0, 1)], any, "an activation [r, c]");
	refused(
		gradient(1),
		&[y, x],
		words(4, 6, 3, 20),
		"values may reach 2 to 20",
	);
}

#[test]
fn moves_should_fit_their_shapes() {
	let x = bytes(12, 10, -5, 7);
	let roll = |down, right| Op::Roll { down, right };
	accepted(roll(11, 9), &[x], x);
	refused(roll(12, 0), &[x], x, "down is 12");
	refused(roll(0, 10), &[x], x, "right is 10");
	refused(
		roll(0, 0),
		&[x],
		bytes(10, 12, -5, 7),
		"the input's type and size",
	);
	refused(roll(0, 0), &[x], bytes(12, 10, -5, 6), "values may reach -5 to 7");
	accepted(Op::Reshape, &[x], bytes(8, 15, -5, 7));
	refused(
		Op::Reshape,
		&[x],
		bytes(8, 14, -5, 7),
		"type and number of elements",
	);
	refused(
		Op::Reshape,
		&[x],
		words(8, 15, -5, 7),
		"type and number of elements",
	);
	let split = |rows, parts| Op::SplitColumns { rows, parts };
	accepted(split(4, 5), &[x], bytes(60, 2, -5, 7));
	refused(split(0, 5), &[x], bytes(60, 2, -5, 7), "rows of a group is 0");
	refused(split(4, 0), &[x], bytes(60, 2, -5, 7), "parts is 0");
	refused(split(5, 5), &[x], bytes(60, 2, -5, 7), "rows divide the rows");
	refused(split(4, 3), &[x], bytes(36, 3, -5, 7), "parts divide the columns");
	refused(split(4, 5), &[x], bytes(12, 10, -5, 7), "[g * parts * rows, w]");
	let merge = |rows, parts| Op::MergeColumns { rows, parts };
	accepted(merge(2, 3), &[x], bytes(4, 30, -5, 7));
	refused(merge(0, 3), &[x], bytes(4, 30, -5, 7), "rows of a group is 0");
	refused(merge(2, 0), &[x], bytes(4, 30, -5, 7), "parts is 0");
	refused(merge(5, 2), &[x], bytes(6, 20, -5, 7), "times the parts divide");
	refused(merge(2, 3), &[x], bytes(12, 10, -5, 7), "[g * rows, parts * w]");
	let transpose = |groups| Op::GroupTranspose { groups };
	accepted(transpose(3), &[x], bytes(30, 4, -5, 7));
	refused(transpose(0), &[x], bytes(30, 4, -5, 7), "groups is 0");
	refused(transpose(5), &[x], bytes(50, 2, -5, 7), "groups divide the rows");
	refused(
		transpose(3),
		&[x],
		bytes(40, 3, -5, 7),
		"[g * r, c] gives [g * c, r]",
	);
}

#[test]
fn indices_should_name_what_exists() {
	let x = bytes(3, 7, -5, 7);
	let out = words(4, 6, -5, 7);
	accepted(Op::GatherElements, &[x, words(4, 6, 0, 20)], out);
	refused(
		Op::GatherElements,
		&[x, words(4, 6, 0, 21)],
		out,
		"an index of elements is 21",
	);
	refused(
		Op::GatherElements,
		&[x, words(4, 6, -1, 20)],
		out,
		"an index of elements is -1",
	);
	refused(Op::GatherElements, &[x, words(4, 5, 0, 20)], out, "index [r, c]");
	refused(
		Op::GatherElements,
		&[x, words(4, 6, 0, 20)],
		bytes(4, 6, -5, 7),
		"index [r, c]",
	);
	let x = words(8, 5, -10, 3);
	let out = words(20, 5, -80, 24);
	accepted(Op::ScatterAddRows, &[x, words(8, 1, 0, 19)], out);
	refused(
		Op::ScatterAddRows,
		&[x, words(8, 1, 0, 20)],
		out,
		"an index of rows is 20",
	);
	refused(
		Op::ScatterAddRows,
		&[x, words(8, 1, -1, 0)],
		out,
		"an index of rows is -1",
	);
	refused(Op::ScatterAddRows, &[x, words(7, 1, 0, 19)], out, "index [n, 1]");
	refused(
		Op::ScatterAddRows,
		&[x, words(8, 1, 0, 19)],
		words(20, 5, -79, 24),
		"values may reach -80 to 24",
	);
	refused(
		Op::ScatterAddRows,
		&[words(8, 5, 0, 1 << 28), words(8, 1, 0, 19)],
		out,
		"n * max|x| is 2147483648",
	);
	refused(
		Op::ScatterAddRows,
		&[words(65_536, 5, 0, 1), words(65_536, 1, 0, 19)],
		words(20, 5, 0, MAX),
		"rows that are added up is 65536",
	);
}

#[test]
fn counts_should_be_bounded() {
	let out = words(4, 6, MIN, MAX);
	let iota = |divisor, modulus, offset| Op::Iota {
		divisor,
		modulus,
		offset,
	};
	accepted(iota(3, 100, -2), &[], words(4, 6, -2, 5));
	refused(
		iota(3, 100, -2),
		&[],
		words(4, 6, -2, 4),
		"values may reach -2 to 5",
	);
	refused(iota(1, 9, 0), &[], words(4, 6, 0, 7), "values may reach 0 to 8");
	refused(iota(0, 9, 0), &[], out, "divisor is 0");
	refused(iota(1, 0, 0), &[], out, "modulus is 0");
	refused(iota(1, (1 << 30) + 1, 0), &[], out, "modulus is 1073741825");
	refused(iota(1, 9, (1 << 30) + 1), &[], out, "offset is 1073741825");
	refused(iota(1, 9, -(1 << 30) - 1), &[], out, "offset is -1073741825");
	refused(iota(1, 9, 0), &[], bytes(4, 6, 0, 9), "the output is I32");
	let steps = |population| Op::StepIndices { population };
	refused(steps(0), &[], words(4, 1, 0, 9), "population is 0");
	refused(
		steps((1 << 30) + 1),
		&[],
		words(4, 1, 0, MAX),
		"population is 1073741825",
	);
	refused(
		steps(3),
		&[],
		words(4, 1, 0, 9),
		"the batch (rows of the output) is 4",
	);
	refused(steps(9), &[], words(4, 2, 0, 9), "I32 [batch, 1]");
	refused(steps(9), &[], words(4, 1, 0, 7), "values may reach 0 to 8");
}

#[test]
fn windows_should_fit_their_images() {
	let window = Window {
		height: 6,
		width: 5,
		kernel: 3,
		stride: 2,
		padding: 1,
	};
	// Two images of three channels; windows at 3 x 3 places.
	let (images, patches) = (words(60, 3, 1, 9), words(18, 27, 0, 9));
	let sums = words(60, 3, 0, 81);
	accepted(Op::Patches(window), &[images], patches);
	accepted(Op::PatchesGradient(window), &[patches], sums);
	let both = |changed: Window, why: &str| {
		refused(Op::Patches(changed), &[images], patches, why);
		refused(Op::PatchesGradient(changed), &[patches], sums, why);
	};
	both(Window { kernel: 0, ..window }, "kernel is 0");
	both(Window { kernel: 16, ..window }, "kernel is 16");
	both(Window { stride: 0, ..window }, "stride is 0");
	both(Window { stride: 16, ..window }, "stride is 16");
	both(Window { padding: 3, ..window }, "padding is 3");
	both(Window { height: 0, ..window }, "height is 0");
	both(Window { width: 0, ..window }, "width is 0");
	both(
		Window {
			height: u32::MAX,
			..window
		},
		"height is 4294967295",
	);
	both(
		Window {
			width: u32::MAX,
			..window
		},
		"width is 4294967295",
	);
	let large = Window { kernel: 9, ..window };
	both(large, "kernel is 9");
	both(Window { height: 12, ..large }, "kernel is 9");
	both(Window { height: 7, ..window }, "divides the rows of the images");
	both(
		Window { stride: 1, ..window },
		"patches [n * oh * ow, kernel^2 * c]",
	);
	refused(
		Op::Patches(window),
		&[images],
		words(18, 27, 1, 9),
		"values may reach 0 to 9",
	);
	refused(
		Op::Patches(window),
		&[images],
		bytes(18, 27, 0, 9),
		"have the same type",
	);
	refused(
		Op::PatchesGradient(window),
		&[bytes(18, 27, 0, 9)],
		bytes(60, 3, 0, 81),
		"a gradient is I32",
	);
	refused(
		Op::PatchesGradient(window),
		&[patches],
		words(60, 3, 0, 80),
		"values may reach 0 to 81",
	);
	refused(
		Op::PatchesGradient(window),
		&[words(18, 27, -(1 << 28), 0)],
		sums,
		"kernel^2 * max|x| is 2415919104",
	);
}
