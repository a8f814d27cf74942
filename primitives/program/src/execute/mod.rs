// SPDX-License-Identifier: Apache-2.0

//! The CPU executor of single operations on whole tensors: the same bits as all blocks of [`crate::arbiter`].

mod elementwise;
mod movement;
mod product;
mod reduce;
mod rows;

use crate::{
	op::{Op, OpKind},
	program::Role,
	random::{batch_position, schedule, Context},
	tensor::{Element, Tensor, TensorDecl, TensorError},
};
use alloc::{vec, vec::Vec};
use core::fmt;

/// Why an instruction could not be executed. Validation and the check of inputs exclude all of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecError {
	/// A tensor has no value.
	Missing {
		/// The instruction that needs it (the number of instructions for an output).
		instruction: u32,
	},
	/// A state tensor or data set does not have the declared sizes.
	Input {
		/// Which.
		role: Role,
	},
	/// The input tensors are not what the operation asks for.
	Operands {
		/// The operation.
		op: OpKind,
	},
	/// The values don't fill the declared sizes of the output.
	Output {
		/// The operation.
		op: OpKind,
		/// What does not fit.
		error: TensorError,
	},
}

impl fmt::Display for ExecError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Missing { instruction } => write!(
				f,
				"instruction {instruction} needs a tensor that has no value: load the state and all data sets first"
			),
			Self::Input { role } => {
				write!(
					f,
					"{role:?} does not have the sizes that the program declares for it"
				)
			}
			Self::Operands { op } => write!(
				f,
				"{}: the input tensors are not what the operation asks for: validate the program",
				op.name()
			),
			Self::Output { op, error } => {
				write!(f, "{}: {error}: validate the program", op.name())
			}
		}
	}
}

impl core::error::Error for ExecError {}

/// Executes one operation. `out` declares sizes and type of the result.
///
/// The instruction must belong to a validated program: sizes and ranges are not proven again.
///
/// # Errors
/// If element types or sizes don't fit the operation.
pub fn execute_op(
	op: &Op,
	context: &Context,
	inputs: &[&Tensor],
	out: &TensorDecl,
) -> Result<Tensor, ExecError> {
	let kind = op.kind();
	let values = match out.element {
		Element::I8 => bytes(op, context, inputs, out).map(Filled::I8),
		Element::I32 => words(op, context, inputs, out).map(Filled::I32),
	}
	.ok_or(ExecError::Operands { op: kind })?;
	match values {
		Filled::I8(v) => Tensor::from_i8(out.rows, out.cols, v),
		Filled::I32(v) => Tensor::from_i32(out.rows, out.cols, v),
	}
	.map_err(|error| ExecError::Output { op: kind, error })
}

enum Filled {
	I8(Vec<i8>),
	I32(Vec<i32>),
}

/// Operations with an `i8` output.
fn bytes(op: &Op, context: &Context, inputs: &[&Tensor], out: &TensorDecl) -> Option<Vec<i8>> {
	match (op, inputs) {
		(Op::Requantise { rounding }, [x, shift]) => {
			elementwise::requantise(*rounding, context, x.i32s()?, shift.i32s()?, out)
		}
		(Op::Transpose, [x]) => Some(movement::transpose(x.i8s()?, x.rows(), x.cols())),
		(Op::GatherRows, [x, index]) => movement::gather(x.i8s()?, x.cols(), index.i32s()?),
		_ => None,
	}
}

/// Operations with an `i32` output.
fn words(op: &Op, context: &Context, inputs: &[&Tensor], out: &TensorDecl) -> Option<Vec<i32>> {
	match (op, inputs) {
		(
			Op::Constant { .. } | Op::RandomUniform { .. } | Op::BatchIndices { .. } | Op::Schedule { .. },
			[],
		) => source(op, context, out),
		(Op::Product, [a, b]) => product::product(a.i8s()?, b.i8s()?, a.rows(), b.rows(), a.cols()),
		(Op::Transpose, [x]) => Some(movement::transpose(x.i32s()?, x.rows(), x.cols())),
		(Op::GatherRows, [x, index]) => movement::gather(x.i32s()?, x.cols(), index.i32s()?),
		(Op::MaxAbsPartials, [x]) => Some(reduce::partials(x.i32s()?, x.cols(), |a, x: i32| {
			a.max(x.wrapping_abs())
		})),
		(Op::SumPartials, [x]) => Some(reduce::partials(x.i32s()?, x.cols(), i32::wrapping_add)),
		(Op::MaxReduce, [x]) => Some(vec![x.i32s()?.iter().copied().max()?]),
		(Op::SumReduce, [x]) => Some(vec![x.i32s()?.iter().fold(0, |a: i32, x| a.wrapping_add(*x))]),
		(Op::RowMaxAbs, [x]) => Some(reduce::rows(x.i32s()?, x.cols(), |row| {
			row.iter().fold(0, |a, x| a.max(x.wrapping_abs()))
		})),
		(Op::Argmax, [x]) => Some(reduce::rows(x.i32s()?, x.cols(), reduce::argmax)),
		(Op::SoftmaxGradient, [z, labels, e]) => Some(rows::softmax_gradient(
			z.i32s()?,
			labels.i32s()?,
			e.scalar()?,
			z.cols(),
		)),
		(Op::CrossEntropy, [z, labels, e]) => Some(rows::cross_entropy(
			z.i32s()?,
			labels.i32s()?,
			e.scalar()?,
			z.cols(),
		)),
		_ => elementwise::words(op, inputs),
	}
}

fn source(op: &Op, context: &Context, out: &TensorDecl) -> Option<Vec<i32>> {
	let count = usize::try_from(out.elements()).ok()?;
	Some(match *op {
		Op::Constant { value } => vec![value; count],
		Op::RandomUniform { scale, shift } => {
			let key = context.key();
			(0..count as u32)
				.map(|p| crate::arith::random_uniform::<i32>(key.at(p), scale, shift))
				.collect()
		}
		Op::BatchIndices { population } => {
			let (epoch, first) = batch_position(context.step, out.rows, population);
			let key = context.epoch_key(epoch);
			(0..out.rows)
				.map(|i| key.permute(first.wrapping_add(i), population) as i32)
				.collect()
		}
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => vec![schedule(context.step, peak, floor, warmup, total) as i32; count],
		_ => return None,
	})
}
