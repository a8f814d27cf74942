// SPDX-License-Identifier: Apache-2.0

//! The part of the known-answer test that is about operations: those that lean on what drivers get wrong (division and
//! shifts of signed words, bytes in words, sums over a workgroup, atomics), against the CPU executor.

use super::{DeviceError, Gpu};
use crate::kernels::{ops::OpKernels, Matrix, Pool};
use poaiw_commitment::hash;
use poaiw_program::{execute_op, Context, Element, Op, Rounding, Tensor, TensorDecl, TensorError, WIDE_MAX};
use std::sync::{Arc, OnceLock};

/// Sizes: rows of several blocks and of columns that fill no word, workgroup or block.
const ROWS: u32 = 36;
const COLS: u32 = 149;

/// An operation, its inputs, and what the CPU makes of them.
struct Known {
	op: Op,
	inputs: Vec<Tensor>,
	out: TensorDecl,
	expected: Vec<u8>,
}

const CONTEXT: Context = Context {
	seed: [7; 32],
	step: 5,
	instruction: 3,
};

/// Values between two ends, every one in sixteen of them an end.
fn values(label: u8, count: u32, lo: i32, hi: i32) -> Vec<i32> {
	let blocks = (0..count.div_ceil(8)).flat_map(|i| hash(&[b"known", &[label], &i.to_le_bytes()]));
	let bytes: Vec<u8> = blocks.collect();
	let words = bytes.as_chunks::<4>().0.iter().map(|x| u32::from_le_bytes(*x));
	let span = (i64::from(hi) - i64::from(lo) + 1).max(1);
	let value = |word: u32| match word & 31 {
		0 => lo,
		1 => hi,
		_ => (i64::from(lo) + i64::from(word) % span) as i32,
	};
	words.map(value).take(count as usize).collect()
}

fn words(label: u8, rows: u32, cols: u32, (lo, hi): (i32, i32)) -> Result<Tensor, TensorError> {
	Tensor::from_i32(rows, cols, values(label, rows * cols, lo, hi))
}

fn bytes(label: u8, rows: u32, cols: u32, (lo, hi): (i32, i32)) -> Result<Tensor, TensorError> {
	let bytes = values(label, rows * cols, lo, hi)
		.iter()
		.map(|x| *x as i8)
		.collect();
	Tensor::from_i8(rows, cols, bytes)
}

/// Operations with their inputs, and the element type, rows and columns of their outputs.
type Case = (Op, Vec<Tensor>, (Element, u32, u32));

fn cases() -> Result<Vec<Case>, TensorError> {
	use Element::{I32, I8};
	let half = (-(1 << 30), 1 << 30);
	let x = words(1, ROWS, COLS, half)?;
	let any = words(2, ROWS, COLS, (i32::MIN, i32::MAX))?;
	let small = words(3, ROWS, COLS, (-(1 << 12), 1 << 12))?;
	let scores = words(4, ROWS, COLS, (-(1 << 16), 1 << 16))?;
	let weights = words(5, ROWS, COLS, (-(1 << 28), 1 << 28))?;
	let a = bytes(6, ROWS, COLS, (-WIDE_MAX, WIDE_MAX))?;
	let b = bytes(7, ROWS, COLS, (-WIDE_MAX, WIDE_MAX))?;
	let shares = bytes(8, ROWS, COLS, (0, 63))?;
	let column = |label, lo, hi| words(label, ROWS, 1, (lo, hi));
	let one = |value| Tensor::from_i32(1, 1, vec![value]);
	let same = (I32, ROWS, COLS);
	let adam = Op::Adam {
		limit: 1 << 27,
		decay: 26,
		floor: false,
	};
	let keyed = Op::Requantise {
		rounding: Rounding::Keyed,
	};
	Ok(vec![
		(
			Op::RowDivide { shift: 0 },
			vec![x.clone(), column(9, 1, 1 << 20)?],
			same,
		),
		(
			Op::Rescale {
				unit: 3,
				limit: 1 << 30,
			},
			vec![x.clone(), column(10, -40, 40)?],
			same,
		),
		(Op::Gelu, vec![small.clone()], same),
		(
			Op::AdamSquare { floor: false },
			vec![any.clone(), x.clone()],
			same,
		),
		(
			adam,
			vec![weights, x.clone(), any.clone(), one(50_332)?, one(20_000)?],
			same,
		),
		(keyed, vec![x.clone(), column(11, 0, 30)?], (I8, ROWS, COLS)),
		(Op::RmsNorm, vec![x.clone()], same),
		(Op::Centre, vec![x], same),
		(
			Op::Softmax { top: 127 },
			vec![scores, column(12, 1, COLS as i32)?, one(-12)?],
			(I8, ROWS, COLS),
		),
		(
			Op::SoftmaxBackward { limit: 1 << 12 },
			vec![shares, small.clone(), column(13, 1, 1 << 12)?],
			same,
		),
		(Op::ScatterAddRows, vec![small, column(14, 0, 4)?], (I32, 5, COLS)),
		(Op::Argmax, vec![any], (I32, ROWS, 1)),
		(Op::RowSumSquares, vec![a.clone()], (I32, ROWS, 1)),
		(Op::Transpose, vec![a.clone()], (I8, COLS, ROWS)),
		(Op::GroupProduct { groups: 3 }, vec![a, b], (I32, ROWS, ROWS / 3)),
	])
}

/// Answers of the CPU, or in words why there are none (a fault of this program).
fn known() -> Result<Vec<Known>, String> {
	let cases = cases().map_err(|error| error.to_string())?;
	let answer = |(op, inputs, (element, rows, cols)): Case| {
		let (lo, hi) = element.limits();
		let out = TensorDecl::new(element, rows, cols, lo, hi);
		let given: Vec<&Tensor> = inputs.iter().collect();
		let expected = execute_op(&op, &CONTEXT, &given, &out).map_err(|error| error.to_string())?;
		Ok(Known {
			expected: expected.to_bytes(),
			op,
			inputs,
			out,
		})
	};
	cases.into_iter().map(answer).collect()
}

/// Compares the operations on a device with the CPU and gives their number.
///
/// # Errors
/// [`DeviceError::WrongAnswer`] naming device, driver and operation, or another error if the device fails.
pub fn known_operations(gpu: &Arc<Gpu>) -> Result<usize, DeviceError> {
	static KNOWN: OnceLock<Result<Vec<Known>, String>> = OnceLock::new();
	let known = match KNOWN.get_or_init(known) {
		Ok(known) => known,
		Err(error) => return Err(DeviceError::Sizes(format!("known operations: {error}"))),
	};
	let pool = Pool::new(gpu.clone());
	let kernels = OpKernels::new(pool.clone())?;
	let mut recorder = gpu.record();
	// Inputs are kept until all is submitted: the buffer of a dropped one could be filled with the next input before.
	let (mut outputs, mut kept) = (Vec::new(), Vec::new());
	for case in known {
		let inputs: Vec<Matrix> = case
			.inputs
			.iter()
			.map(|tensor| pool.upload_tensor(tensor))
			.collect::<Result<_, _>>()?;
		let given: Vec<&Matrix> = inputs.iter().collect();
		outputs.push(kernels.record(&mut recorder, &case.op, &CONTEXT, &given, &case.out)?);
		kept.push(inputs);
	}
	recorder.submit();
	drop(kept);
	let read = pool.download(&outputs.iter().collect::<Vec<_>>())?;
	for (case, got) in known.iter().zip(read) {
		let wrong = got.iter().zip(&case.expected).position(|(x, y)| x != y);
		if let Some(at) = wrong {
			let element = at / case.out.element.bytes() as usize;
			return Err(DeviceError::WrongAnswer {
				name: gpu.name().into(),
				driver: gpu.driver(),
				what: format!("operation {}: element {element}", case.op.kind().name()),
			});
		}
	}
	Ok(known.len())
}
