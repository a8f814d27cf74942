// SPDX-License-Identifier: Apache-2.0

//! Known values of the operations that move and add up elements, and how many blocks they ask for.

mod common;

use common::{ranged_bytes, sample, words, Rng};
use poaiw_program::{
	arbiter::{dependencies, max_dependencies, NoBlocks, Question, TensorBlocks},
	execute_op, Context, Element, Op, OpKind, Tensor, TensorDecl, Window,
};
use proptest::prelude::*;

fn context(step: u32) -> Context {
	Context {
		seed: [0; 32],
		step,
		instruction: 0,
	}
}

/// The words of an operation's result.
fn run(op: Op, inputs: &[&Tensor], rows: u32, cols: u32) -> Vec<i32> {
	let out = words(rows, cols, i32::MIN, i32::MAX);
	let result = execute_op(&op, &context(0), inputs, &out).unwrap();
	result.i32s().unwrap().to_vec()
}

fn matrix(rows: u32, cols: u32, values: impl IntoIterator<Item = i32>) -> Tensor {
	Tensor::from_i32(rows, cols, values.into_iter().collect()).unwrap()
}

fn random(rng: &mut Rng, rows: u32, cols: u32) -> Tensor {
	matrix(rows, cols, (0..rows * cols).map(|_| rng.between(-1000, 1000)))
}

fn dot(a: &[i32], b: &[i32]) -> i64 {
	assert_eq!(a.len(), b.len());
	a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}

#[test]
fn roll_should_move_down_and_right_and_come_in_again() {
	let x = matrix(2, 3, [1, 2, 3, 4, 5, 6]);
	let roll = |down, right| run(Op::Roll { down, right }, &[&x], 2, 3);
	assert_eq!(roll(0, 0), [1, 2, 3, 4, 5, 6]);
	assert_eq!(roll(1, 0), [4, 5, 6, 1, 2, 3]);
	assert_eq!(roll(0, 1), [3, 1, 2, 6, 4, 5]);
	assert_eq!(roll(1, 2), [5, 6, 4, 2, 3, 1]);
}

#[test]
fn reshape_should_leave_every_element_at_its_position() {
	let x = matrix(2, 3, [1, 2, 3, 4, 5, 6]);
	for (rows, cols) in [(1, 6), (2, 3), (3, 2), (6, 1)] {
		assert_eq!(run(Op::Reshape, &[&x], rows, cols), [1, 2, 3, 4, 5, 6]);
	}
}

#[test]
fn split_columns_should_stack_the_parts_of_every_group() {
	// Two groups of two rows; three parts of two columns.
	let x = matrix(4, 6, 0..24);
	let op = Op::SplitColumns { rows: 2, parts: 3 };
	let first = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11];
	let got = run(op, &[&x], 12, 2);
	assert_eq!(got[..12], first);
	assert_eq!(got[12..], first.map(|x| x + 12));
}

#[test]
fn group_transpose_should_transpose_every_matrix() {
	let x = matrix(4, 3, 0..12);
	let got = run(Op::GroupTranspose { groups: 2 }, &[&x], 6, 2);
	assert_eq!(got, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
	assert_eq!(
		run(Op::GroupTranspose { groups: 1 }, &[&x], 3, 4),
		run(Op::Transpose, &[&x], 3, 4)
	);
}

#[test]
fn spread_inputs_should_stand_beside_all_rows_and_columns() {
	let a = matrix(2, 3, [10, 20, 30, 40, 50, 60]);
	let add = |b: &Tensor| run(Op::Add, &[&a, b], 2, 3);
	assert_eq!(add(&matrix(1, 1, [1])), [11, 21, 31, 41, 51, 61]);
	assert_eq!(add(&matrix(2, 1, [1, 2])), [11, 21, 31, 42, 52, 62]);
	assert_eq!(add(&matrix(1, 3, [1, 2, 3])), [11, 22, 33, 41, 52, 63]);
	assert_eq!(add(&matrix(2, 3, [1, 2, 3, 4, 5, 6])), [11, 22, 33, 44, 55, 66]);
	let columns = matrix(1, 3, [0, 1, -1]);
	assert_eq!(run(Op::Sub, &[&a, &columns], 2, 3), [10, 19, 31, 40, 49, 61]);
	assert_eq!(
		run(Op::Multiply { shift: 2 }, &[&a, &columns], 2, 3),
		[0, 5, -7, 0, 13, -15]
	);
	assert_eq!(
		run(Op::Min, &[&a, &matrix(2, 1, [25, 45])], 2, 3),
		[10, 20, 25, 40, 45, 45]
	);
	assert_eq!(
		run(Op::Max, &[&a, &matrix(2, 1, [25, 45])], 2, 3),
		[25, 25, 30, 45, 50, 60]
	);
	let rescale = Op::Rescale { unit: 0, limit: 100 };
	assert_eq!(run(rescale, &[&a, &columns], 2, 3), [10, 40, 15, 40, 100, 30]);
}

#[test]
fn slopes_choices_and_shifts_should_be_those_of_the_formulas() {
	let x = matrix(1, 6, [-9, -8, -1, 0, 7, 9]);
	assert_eq!(
		run(Op::LeakyRelu { shift: 2 }, &[&x], 1, 6),
		[-3, -2, -1, 0, 7, 9]
	);
	assert_eq!(
		run(Op::RoundShift { shift: 1 }, &[&x], 1, 6),
		[-4, -4, 0, 0, 4, 5]
	);
	assert_eq!(
		run(Op::RoundShift { shift: 0 }, &[&x], 1, 6),
		[-9, -8, -1, 0, 7, 9]
	);
	let g = matrix(1, 6, [-5, 5, 6, 7, -8, 8]);
	let gradient = Op::LeakyReluGrad { shift: 1 };
	assert_eq!(run(gradient, &[&g, &x], 1, 6), [-3, 2, 3, 3, -8, 8]);
	assert_eq!(run(Op::Select, &[&x, &g, &x], 1, 6), [-9, -8, -1, 0, -8, 8]);
}

#[test]
fn counts_should_follow_positions_and_steps() {
	let iota = Op::Iota {
		divisor: 2,
		modulus: 3,
		offset: 10,
	};
	assert_eq!(run(iota, &[], 2, 4), [10, 10, 11, 11, 12, 12, 10, 10]);
	let at = |step| {
		let op = Op::StepIndices { population: 11 };
		let out = words(4, 1, 0, 10);
		let got = execute_op(&op, &context(step), &[], &out).unwrap();
		got.i32s().unwrap().to_vec()
	};
	assert_eq!(at(0), [0, 1, 2, 3]);
	assert_eq!(at(1), [4, 5, 6, 7]);
	assert_eq!(at(2), [0, 1, 2, 3]);
	assert_eq!(at(u32::MAX), [4, 5, 6, 7]);
}

#[test]
fn gathers_and_scatters_should_name_elements_and_rows() {
	let x = matrix(2, 3, 0..6);
	let index = matrix(2, 2, [5, 0, 3, 3]);
	assert_eq!(run(Op::GatherElements, &[&x, &index], 2, 2), [5, 0, 3, 3]);
	let bytes = Tensor::from_i8(2, 2, vec![-128, 1, 2, 127]).unwrap();
	assert_eq!(
		run(Op::GatherElements, &[&bytes, &matrix(1, 2, [3, 0])], 1, 2),
		[127, -128]
	);
	let x = matrix(3, 2, [1, 2, 10, 20, 100, 200]);
	let index = matrix(3, 1, [2, 0, 2]);
	assert_eq!(
		run(Op::ScatterAddRows, &[&x, &index], 4, 2),
		[10, 20, 0, 0, 101, 202, 0, 0]
	);
	let out = words(2, 2, 0, 999);
	for (op, index) in [
		(Op::ScatterAddRows, matrix(3, 1, [2, 0, 2])),
		(Op::ScatterAddRows, matrix(3, 1, [1, 0, -1])),
		(Op::GatherElements, matrix(2, 2, [6, 0, 0, 0])),
		(Op::GatherElements, matrix(2, 2, [-1, 0, 0, 0])),
	] {
		assert!(
			execute_op(&op, &context(0), &[&x, &index], &out).is_err(),
			"{op:?}"
		);
	}
}

fn small_window(rng: &mut Rng) -> Window {
	let kernel = 1 + rng.below(4);
	Window {
		height: kernel + rng.below(5),
		width: kernel + rng.below(5),
		kernel,
		stride: 1 + rng.below(3),
		padding: rng.below(kernel),
	}
}

/// A convolution by its definition, for images stored as rows of pixels.
fn convolution(w: &Window, images: &Tensor, filters: &Tensor) -> Vec<i32> {
	let (height, width) = (w.height as i64, w.width as i64);
	let channels = i64::from(images.cols());
	let mut out = Vec::new();
	for n in 0..i64::from(images.rows()) / (height * width) {
		let mut top = -i64::from(w.padding);
		while top + i64::from(w.kernel) <= height + i64::from(w.padding) {
			let mut left = -i64::from(w.padding);
			while left + i64::from(w.kernel) <= width + i64::from(w.padding) {
				for filter in filters.i32s().unwrap().chunks(filters.cols() as usize) {
					let mut taps = filter.iter();
					let mut sum = 0;
					for y in top..top + i64::from(w.kernel) {
						for x in left..left + i64::from(w.kernel) {
							for c in 0..channels {
								let tap = taps.next().unwrap();
								if (0..height).contains(&y) && (0..width).contains(&x) {
									let at = ((n * height + y) * width + x) * channels + c;
									sum += tap * images.at(at as usize).unwrap();
								}
							}
						}
					}
					out.push(sum);
				}
				left += i64::from(w.stride);
			}
			top += i64::from(w.stride);
		}
	}
	out
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn patches_times_filters_should_be_a_convolution(seed: u32) {
		let mut rng = Rng(seed);
		let w = small_window(&mut rng);
		let (n, channels, filters) = (1 + rng.below(3), 1 + rng.below(4), 1 + rng.below(3));
		let images = random(&mut rng, n * w.height * w.width, channels);
		let filters = random(&mut rng, filters, w.kernel * w.kernel * channels);
		let (rows, cols) = (n * w.out_height() * w.out_width(), filters.cols());
		let patches = run(Op::Patches(w), &[&images], rows, cols);
		let mut got = Vec::new();
		for patch in patches.chunks(cols as usize) {
			for filter in filters.i32s().unwrap().chunks(cols as usize) {
				got.push(dot(patch, filter) as i32);
			}
		}
		prop_assert_eq!(got, convolution(&w, &images, &filters));
	}

	#[test]
	fn patches_gradient_should_be_the_adjoint_of_patches(seed: u32) {
		let mut rng = Rng(seed);
		let w = small_window(&mut rng);
		let (n, channels) = (1 + rng.below(3), 1 + rng.below(4));
		let x = random(&mut rng, n * w.height * w.width, channels);
		let (rows, cols) = (n * w.out_height() * w.out_width(), w.kernel * w.kernel * channels);
		let g = random(&mut rng, rows, cols);
		let patches = run(Op::Patches(w), &[&x], rows, cols);
		let sums = run(Op::PatchesGradient(w), &[&g], x.rows(), channels);
		prop_assert_eq!(dot(&patches, g.i32s().unwrap()), dot(x.i32s().unwrap(), &sums));
	}

	#[test]
	fn scatter_should_be_the_adjoint_of_gather(seed: u32) {
		let mut rng = Rng(seed);
		let (n, rows, cols) = (1 + rng.below(20), 1 + rng.below(20), 1 + rng.below(9));
		let index = matrix(n, 1, (0..n).map(|_| rng.below(rows) as i32));
		let (x, g) = (random(&mut rng, rows, cols), random(&mut rng, n, cols));
		let gathered = run(Op::GatherRows, &[&x, &index], n, cols);
		let sums = run(Op::ScatterAddRows, &[&g, &index], rows, cols);
		prop_assert_eq!(dot(&gathered, g.i32s().unwrap()), dot(x.i32s().unwrap(), &sums));
	}

	#[test]
	fn merge_columns_should_undo_split_columns(seed: u32) {
		let mut rng = Rng(seed);
		let (groups, rows, parts, w) = (1 + rng.below(4), 1 + rng.below(9), 1 + rng.below(5), 1 + rng.below(9));
		let x = random(&mut rng, groups * rows, parts * w);
		let split = run(Op::SplitColumns { rows, parts }, &[&x], groups * parts * rows, w);
		let merged = run(Op::MergeColumns { rows, parts }, &[&matrix(groups * parts * rows, w, split)], groups * rows, parts * w);
		prop_assert_eq!(&merged[..], x.i32s().unwrap());
	}

	#[test]
	fn no_block_should_depend_on_more_than_the_stated_number(seed: u32) {
		for kind in OpKind::ALL {
			let case = sample(*kind, seed);
			let decls = case.decl_refs();
			let q = Question { op: &case.op, context: &case.context, inputs: &decls, out: &case.out };
			let blocks = TensorBlocks::new(&case.tensor_refs()).unwrap();
			let (got, _) = dependency_counts(&q, &blocks);
			let most = max_dependencies(&case.op, &decls, &case.out);
			prop_assert!(got <= most, "{:?} {:?}: {got} of {most}", case.op, case.decls);
		}
	}
}

/// Most input blocks of any output block, and the stated bound.
fn dependency_counts(q: &Question<'_>, known: &dyn poaiw_program::arbiter::BlockSource) -> (u64, u64) {
	let mut most = 0;
	for row in 0..q.out.block_rows() {
		for col in 0..q.out.block_cols() {
			most = most.max(dependencies(q, row, col, known).unwrap().len() as u64);
		}
	}
	(most, max_dependencies(q.op, q.inputs, q.out))
}

#[test]
fn shapes_of_real_models_should_need_few_blocks() {
	let image = |height, kernel, stride, padding| Window {
		height,
		width: height,
		kernel,
		stride,
		padding,
	};
	let full = |rows, cols| words(rows, cols, -9, 9);
	let cases: &[(Op, TensorDecl, TensorDecl, u64)] = &[
		(Op::Reshape, full(4900, 64), full(100, 3136), 64),
		(Op::Reshape, full(100, 3136), full(4900, 64), 16),
		(
			Op::SplitColumns { rows: 256, parts: 4 },
			full(1024, 256),
			full(4096, 64),
			8,
		),
		(
			Op::MergeColumns { rows: 256, parts: 4 },
			full(4096, 64),
			full(1024, 256),
			12,
		),
		(
			Op::GroupTranspose { groups: 16 },
			full(4096, 64),
			full(1024, 256),
			20,
		),
		(
			Op::Roll { down: 5, right: 70 },
			full(1000, 640),
			full(1000, 640),
			9,
		),
		(
			Op::Patches(image(28, 5, 1, 2)),
			full(7840, 16),
			full(7840, 400),
			100,
		),
		(Op::Patches(image(28, 3, 1, 1)), full(7840, 1), full(7840, 9), 100),
		(
			Op::Patches(image(14, 3, 2, 1)),
			full(1960, 32),
			full(490, 288),
			150,
		),
		(
			Op::PatchesGradient(image(28, 5, 1, 2)),
			full(7840, 400),
			full(7840, 16),
			200,
		),
		(
			Op::PatchesGradient(image(14, 3, 1, 1)),
			full(1960, 288),
			full(1960, 32),
			200,
		),
	];
	for (op, x, out, most) in cases {
		let out = if matches!(op, Op::PatchesGradient(_)) {
			words(out.rows, out.cols, -9 * 25, 9 * 25)
		} else {
			*out
		};
		let context = context(0);
		for element in [Element::I32, Element::I8] {
			let gradient = matches!(op, Op::PatchesGradient(_));
			if gradient && element == Element::I8 {
				continue;
			}
			let of = |d: &TensorDecl| match element {
				Element::I8 => ranged_bytes(d.rows, d.cols, d.lo, d.hi),
				Element::I32 => *d,
			};
			let (x, out) = (of(x), of(&out));
			let inputs = [&x];
			let q = Question {
				op,
				context: &context,
				inputs: &inputs,
				out: &out,
			};
			let (got, stated) = dependency_counts(&q, &NoBlocks);
			assert!(got <= stated, "{op:?} {element:?}: {got} of {stated}");
			// A block of bytes has four times the elements.
			let allowed = most * if element == Element::I8 { 4 } else { 1 };
			assert!(
				stated <= allowed,
				"{op:?} {element:?}: {got}, stated {stated}, allowed {allowed}"
			);
		}
	}
}
