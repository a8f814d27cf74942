// SPDX-License-Identifier: Apache-2.0

//! Every operation on the device against the executor of `poaiw-program`, on the samples of that crate's own tests:
//! random sizes, values and parameters, ends of ranges. An operation without kernel or sample fails here by its name.

mod common;
#[path = "../../primitives/program/tests/common/mod.rs"]
mod samples;

use common::{gpu, pool, Random};
use poaiw_program::{
	execute_op, Context, Element, Op, OpKind, Rounding, Tensor, TensorDecl, Values, Window, OPERAND_MAX,
	WIDE_MAX,
};
use poaiw_work::Dims;
use poaiw_worker::{
	device::DeviceError,
	executor::plain_product,
	kernels::{
		ops::OpKernels,
		product::{Stack, Variant},
		Matrix, Pool,
	},
};
use samples::{sample, Case};

fn words(random: &mut Random, rows: u32, cols: u32, lo: i64, hi: i64) -> Tensor {
	let values = (0..rows * cols).map(|_| random.range(lo, hi)).collect();
	Tensor::from_i32(rows, cols, values).unwrap()
}

fn bytes(random: &mut Random, rows: u32, cols: u32, limit: i32) -> Tensor {
	let one = |_| random.range((-limit).into(), limit.into()) as i8;
	Tensor::from_i8(rows, cols, (0..rows * cols).map(one).collect()).unwrap()
}

/// An operation on given tensors; nothing but the element type is known of its output.
fn case(op: Op, tensors: Vec<Tensor>, element: Element, rows: u32, cols: u32) -> Case {
	let (lo, hi) = element.limits();
	Case {
		op,
		context: Context {
			seed: [1; 32],
			step: 3,
			instruction: 7,
		},
		decls: Vec::new(),
		tensors,
		out: TensorDecl::new(element, rows, cols, lo, hi),
	}
}

/// Leaves a buffer of the sizes of `out` in the pool whose elements are all set.
fn leave_dirty(pool: &Pool, out: &TensorDecl) {
	let count = out.elements() as usize;
	let ones = match out.element {
		Element::I8 => Tensor::from_i8(out.rows, out.cols, vec![-1; count]),
		Element::I32 => Tensor::from_i32(out.rows, out.cols, vec![-1; count]),
	};
	drop(pool.upload_tensor(&ones.unwrap()).unwrap());
}

fn record(kernels: &OpKernels, case: &Case) -> Result<Matrix, DeviceError> {
	let pool = kernels.pool();
	let inputs: Vec<_> = case
		.tensors
		.iter()
		.map(|t| pool.upload_tensor(t).unwrap())
		.collect();
	leave_dirty(pool, &case.out);
	if let (Op::Product, [a, b]) = (&case.op, inputs.as_slice()) {
		let c = pool.elements(case.out.element, case.out.rows, case.out.cols)?;
		let dims = Dims::new(a.rows(), b.rows(), a.cols()).unwrap();
		plain_product(pool, (a, b), &c, dims)?;
		return Ok(c);
	}
	let inputs: Vec<_> = inputs.iter().collect();
	let device = gpu();
	let mut recorder = device.record();
	let y = kernels.record(&mut recorder, &case.op, &case.context, &inputs, &case.out)?;
	recorder.submit();
	Ok(y)
}

/// What a matrix holds, after a look at its padding, which commitments and products read.
fn read(pool: &Pool, y: &Matrix, case: &Case) -> Tensor {
	let bytes = pool.download(&[y]).unwrap().remove(0);
	let all = u64::from(y.padded_rows()) * u64::from(y.stride());
	let all = gpu().read(y.buffer(), all).unwrap();
	let set = |bytes: &[u8]| bytes.iter().filter(|x| **x != 0).count();
	assert_eq!(
		set(bytemuck::cast_slice(&all)),
		set(&bytes),
		"padding of {:?}",
		case.op
	);
	let (lo, hi) = case.out.element.limits();
	Tensor::from_bytes(&TensorDecl { lo, hi, ..case.out }, &bytes).unwrap()
}

fn first_difference(got: &Tensor, expected: &Tensor) -> Option<(usize, Option<i32>, Option<i32>)> {
	let count = match expected.values() {
		Values::I8(v) => v.len(),
		Values::I32(v) => v.len(),
	};
	let at = (0..count).find(|i| got.at(*i) != expected.at(*i))?;
	Some((at, got.at(at), expected.at(at)))
}

fn check(kernels: &OpKernels, case: &Case) {
	let expected = execute_op(&case.op, &case.context, &case.tensor_refs(), &case.out)
		.unwrap_or_else(|error| panic!("{:?}: {error}", case.op));
	let got = match record(kernels, case) {
		Ok(y) => read(kernels.pool(), &y, case),
		Err(error) => panic!("{:?} has no kernel that runs: {error}", case.op),
	};
	if got != expected {
		let sizes: Vec<_> = case.tensors.iter().map(|t| (t.rows(), t.cols())).collect();
		let first = first_difference(&got, &expected);
		panic!(
			"{:?} of {sizes:?}, {:?}: first difference (at, device, cpu) {first:?}",
			case.op, case.out
		);
	}
}

#[test]
fn every_operation_should_equal_the_cpu_executor() {
	let kernels = OpKernels::new(pool()).unwrap();
	for kind in OpKind::ALL {
		for seed in 0..32 {
			let case = sample(*kind, seed * 1031 + *kind as u32);
			assert_eq!(case.op.kind(), *kind, "the sample is one of another operation");
			check(&kernels, &case);
		}
	}
}

#[test]
fn a_product_should_be_refused_when_it_is_recorded_with_other_operations() {
	let kernels = OpKernels::new(pool()).unwrap();
	let x = kernels.pool().upload(&[1; 6], 2, 3).unwrap();
	let out = TensorDecl::new(Element::I32, 2, 2, -9, 9);
	let device = gpu();
	let mut recorder = device.record();
	let context = sample(OpKind::Product, 0).context;
	let error = kernels
		.record(&mut recorder, &Op::Product, &context, &[&x, &x], &out)
		.err()
		.unwrap();
	assert!(error.to_string().contains("sink of products"), "{error}");
}

#[test]
fn inputs_should_be_refused_when_they_are_missing_or_of_the_wrong_type() {
	let kernels = OpKernels::new(pool()).unwrap();
	let random = &mut Random::new(1);
	let (x, q) = (words(random, 4, 5, -9, 9), bytes(random, 4, 5, 9));
	let wrong = |op, tensors, element| {
		let error = record(&kernels, &case(op, tensors, element, 4, 5)).err().unwrap();
		error.to_string()
	};
	let told = wrong(Op::Add, vec![x.clone()], Element::I32);
	assert!(told.contains("Add lacks input 1"), "{told}");
	let told = wrong(Op::Add, vec![x.clone(), q.clone()], Element::I32);
	assert!(
		told.contains("input 1 of Add is a matrix of I8") && told.contains("takes I32"),
		"{told}"
	);
	let told = wrong(Op::RowMaxAbs, vec![q.clone()], Element::I32);
	assert!(told.contains("input 0 of RowMaxAbs"), "{told}");
	let told = wrong(Op::GroupProduct { groups: 2 }, vec![q.clone(), x], Element::I32);
	assert!(told.contains("input 1 of GroupProduct"), "{told}");
	let told = wrong(Op::Roll { down: 1, right: 1 }, vec![q.clone()], Element::I32);
	assert!(told.contains("Roll from I8 to I32"), "{told}");
	let told = wrong(Op::GroupProduct { groups: 3 }, vec![q.clone(), q], Element::I32);
	assert!(told.contains("3 stacked products of 4 x 5 and 4 x 5"), "{told}");
}

#[test]
fn stacked_products_should_equal_the_cpu_when_groups_cross_tiles_in_both_variants() {
	let kernels = OpKernels::new(pool()).unwrap();
	let random = &mut Random::new(2);
	let sizes = [
		(1, 1, 1, 1),
		(7, 3, 5, 33),
		(3, 64, 64, 32),
		(5, 65, 70, 100),
		(2, 130, 66, 520),
		(9, 16, 128, 64),
		(1, 200, 90, 1030),
	];
	for (groups, m, n, k) in sizes {
		let (a, b) = (
			bytes(random, groups * m, k, WIDE_MAX),
			bytes(random, groups * n, k, WIDE_MAX),
		);
		let case = case(
			Op::GroupProduct { groups },
			vec![a, b],
			Element::I32,
			groups * m,
			n,
		);
		check(&kernels, &case);
		let expected = execute_op(&case.op, &case.context, &case.tensor_refs(), &case.out).unwrap();
		let (pool, device) = (kernels.pool(), gpu());
		let a = pool.upload_tensor(&case.tensors[0]).unwrap();
		let b = pool.upload_tensor(&case.tensors[1]).unwrap();
		let unused = device.buffer("unused", 4).unwrap();
		for variant in Variant::ALL {
			leave_dirty(pool, &case.out);
			let c = pool.elements(Element::I32, groups * m, n).unwrap();
			let stack = Stack {
				a: &a,
				b: &b,
				c: &c,
				products: groups,
			};
			let mut recorder = device.record();
			stack.record_as(variant, &device, &mut recorder, &unused).unwrap();
			recorder.submit();
			assert_eq!(
				read(pool, &c, &case),
				expected,
				"{variant:?} {groups} {m} {n} {k}"
			);
		}
	}
}

#[test]
fn rows_should_equal_the_cpu_when_they_are_as_long_as_their_constants_change() {
	let kernels = OpKernels::new(pool()).unwrap();
	let random = &mut Random::new(3);
	for cols in [1, 2, 63, 64, 65, 1023, 1024, 4095, 4096, 8192] {
		let x = words(random, 3, cols, -(1 << 30), 1 << 30);
		let near = words(random, 3, cols, (1 << 30) - 9, 1 << 30);
		for x in [x, near] {
			for op in [Op::RmsNorm, Op::Centre] {
				check(&kernels, &case(op, vec![x.clone()], Element::I32, 3, cols));
			}
			for op in [Op::RmsFactor, Op::RmsExponent] {
				check(&kernels, &case(op, vec![x.clone()], Element::I32, 3, 1));
			}
		}
	}
}

#[test]
fn tall_matrices_should_equal_the_cpu_when_threads_loop_over_their_rows() {
	let kernels = OpKernels::new(pool()).unwrap();
	let random = &mut Random::new(5);
	for (rows, cols) in [(20_000, 1), (3001, 5), (700, 64), (260, 1000)] {
		let (x, z) = (
			words(random, rows, cols, -99, 99),
			words(random, rows, cols, -9, 9),
		);
		let (shift, q) = (words(random, rows, 1, 0, 9), bytes(random, rows, cols, WIDE_MAX));
		let index = words(random, rows, 1, 0, i64::from(rows) - 1);
		let places = words(random, rows, cols, 0, i64::from(rows * cols) - 1);
		let rounding = Rounding::Keyed;
		let iota = Op::Iota {
			divisor: 3,
			modulus: 1000,
			offset: -5,
		};
		let roll = Op::Roll {
			down: rows - 1,
			right: 0,
		};
		let cases = [
			(iota, vec![], Element::I32),
			(Op::Add, vec![x.clone(), z.clone()], Element::I32),
			(
				Op::Multiply { shift: 1 },
				vec![x.clone(), shift.clone()],
				Element::I32,
			),
			(Op::AdamSquare { floor: false }, vec![x.clone(), z], Element::I32),
			(Op::Requantise { rounding }, vec![x.clone(), shift], Element::I8),
			(roll, vec![x.clone()], Element::I32),
			(roll, vec![q.clone()], Element::I8),
			(Op::GatherRows, vec![q, index.clone()], Element::I8),
			(Op::GatherElements, vec![x.clone(), places], Element::I32),
			(Op::ScatterAddRows, vec![x, index], Element::I32),
		];
		for (op, tensors, element) in cases {
			check(&kernels, &case(op, tensors, element, rows, cols));
		}
	}
}

#[test]
fn bytes_should_move_alike_when_they_are_moved_one_by_one_or_as_words() {
	let kernels = OpKernels::new(pool()).unwrap();
	let random = &mut Random::new(4);
	for channels in [3, 4] {
		let window = Window {
			height: 5,
			width: 6,
			kernel: 3,
			stride: 2,
			padding: 1,
		};
		let (rows, cols) = (2 * window.out_height() * window.out_width(), 9 * channels);
		let x = bytes(random, 60, channels, OPERAND_MAX);
		check(
			&kernels,
			&case(Op::Patches(window), vec![x], Element::I8, rows, cols),
		);
		let x = bytes(random, 12, 5 * channels, OPERAND_MAX);
		let split = Op::SplitColumns { rows: 4, parts: 5 };
		check(&kernels, &case(split, vec![x.clone()], Element::I8, 60, channels));
		let roll = Op::Roll {
			down: 5,
			right: channels,
		};
		check(
			&kernels,
			&case(roll, vec![x.clone()], Element::I8, 12, 5 * channels),
		);
		let reshape = case(Op::Reshape, vec![x.clone()], Element::I8, 5, 12 * channels);
		check(&kernels, &reshape);
		let merge = Op::MergeColumns { rows: 2, parts: 3 };
		check(&kernels, &case(merge, vec![x], Element::I8, 4, 15 * channels));
	}
}
