// SPDX-License-Identifier: Apache-2.0

//! The CPU executor of single operations on whole tensors: the same bits as all blocks of [`crate::arbiter`].

mod elementwise;
mod lanes;
mod movement;
mod normalise;
mod product;
mod reduce;
mod rows;

use crate::{
	movement::moves,
	op::{Op, OpKind, OPERAND_MAX, WIDE_MAX},
	program::Role,
	random::{batch_position, schedule, Context},
	tensor::{Element, Tensor, TensorDecl, TensorError, Values},
};
use alloc::vec::Vec;
use core::fmt;
use elementwise::Positions;
use lanes::fill;
pub use lanes::{Buffers, Vectors};

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
	execute_op_with(&mut Buffers::default(), op, context, inputs, out)
}

/// As [`execute_op`], into memory that `buffers` keeps.
///
/// # Errors
/// As [`execute_op`].
pub fn execute_op_with(
	buffers: &mut Buffers,
	op: &Op,
	context: &Context,
	inputs: &[&Tensor],
	out: &TensorDecl,
) -> Result<Tensor, ExecError> {
	let kind = op.kind();
	let operands = ExecError::Operands { op: kind };
	match out.element {
		Element::I8 => {
			let values = bytes(op, context, inputs, out, buffers).ok_or(operands)?;
			Tensor::from_i8(out.rows, out.cols, values)
		}
		Element::I32 => {
			let values = words(op, context, inputs, out, buffers).ok_or(operands)?;
			Tensor::from_i32(out.rows, out.cols, values)
		}
	}
	.map_err(|error| ExecError::Output { op: kind, error })
}

/// Rows and columns.
fn size(x: &Tensor) -> (u32, u32) {
	(x.rows(), x.cols())
}

/// Operations with an `i8` output.
fn bytes(
	op: &Op,
	context: &Context,
	inputs: &[&Tensor],
	out: &TensorDecl,
	to: &mut Buffers,
) -> Option<Vec<i8>> {
	match (op, inputs) {
		(Op::Requantise { rounding }, [x, shift]) => {
			elementwise::requantise(*rounding, OPERAND_MAX, context, x, shift, to)
		}
		(Op::RequantiseWide { rounding }, [x, shift]) => {
			elementwise::requantise(*rounding, WIDE_MAX, context, x, shift, to)
		}
		(&Op::Softmax { top }, [z, visible, e]) => rows::softmax(top, z, visible, e, to),
		(Op::Transpose, [x]) => movement::transpose(x.i8s()?, 1, size(x), to),
		(Op::GatherRows, [x, index]) => movement::gather(x.i8s()?, x.cols(), index.i32s()?, to),
		(op, [x]) if moves(op) => movement::moved(op, x.i8s()?, size(x), (out.rows, out.cols), to),
		_ => None,
	}
}

/// Operations with an `i32` output.
fn words(
	op: &Op,
	context: &Context,
	inputs: &[&Tensor],
	out: &TensorDecl,
	to: &mut Buffers,
) -> Option<Vec<i32>> {
	match (op, inputs) {
		(_, []) => source(op, context, out, to),
		(Op::Product, [a, b]) => product::product(a, b, to),
		(&Op::GroupProduct { groups }, [a, b]) => product::stacked(groups, a, b, to),
		(Op::Transpose, [x]) => movement::transpose(x.i32s()?, 1, size(x), to),
		(Op::GatherRows, [x, index]) => movement::gather(x.i32s()?, x.cols(), index.i32s()?, to),
		(Op::GatherElements, [x, index]) => match x.values() {
			Values::I8(x) => movement::gather_elements(x, index.i32s()?),
			Values::I32(x) => movement::gather_elements(x, index.i32s()?),
		},
		(Op::ScatterAddRows, [x, index]) => movement::scatter(x.i32s()?, x.cols(), index.i32s()?, out.rows),
		(&Op::PatchesGradient(window), [x]) => {
			movement::patches_gradient(window, x.i32s()?, size(x), (out.rows, out.cols))
		}
		(op, [x]) if moves(op) => movement::moved(op, x.i32s()?, size(x), (out.rows, out.cols), to),
		(Op::SoftmaxGradient, [z, labels, e]) => rows::softmax_gradient(z, labels, e.scalar()?, to),
		(Op::CrossEntropy, [z, labels, e]) => rows::cross_entropy(z, labels, e.scalar()?, to),
		(&Op::SoftmaxBackward { limit }, [p, g, sum]) => rows::softmax_backward(limit, p, g, sum, to),
		(
			Op::MaxAbsPartials
			| Op::SumPartials
			| Op::MaxReduce
			| Op::SumReduce
			| Op::RowMaxAbs
			| Op::Argmax
			| Op::RowSum
			| Op::RowMax
			| Op::RowSumSquares,
			[x],
		) => reduce::words(op, x, to),
		(
			Op::RowDivide { .. }
			| Op::RmsNorm
			| Op::RmsFactor
			| Op::RmsExponent
			| Op::RmsNormGradient { .. }
			| Op::Centre,
			_,
		) => normalise::words(op, inputs, to),
		_ => elementwise::words(op, inputs, to),
	}
}

fn source(op: &Op, context: &Context, out: &TensorDecl, to: &mut Buffers) -> Option<Vec<i32>> {
	let count = usize::try_from(out.elements()).ok()?;
	Some(match *op {
		Op::Constant { value } => fill(to, count, 1, 1, &Positions(|_| value)),
		Op::RandomUniform { scale, shift } => {
			let key = context.key();
			let at = |p| crate::arith::random_uniform::<i32>(key.at(p), scale, shift);
			fill(to, count, 1, 4, &Positions(at))
		}
		Op::BatchIndices { population } => {
			let (epoch, first) = batch_position(context.step, out.rows, population);
			let key = context.epoch_key(epoch);
			let at = |i| key.permute(first.wrapping_add(i), population) as i32;
			fill(to, count, 1, 64, &Positions(at))
		}
		Op::StepIndices { population } => {
			let (_, first) = batch_position(context.step, out.rows, population);
			fill(to, count, 1, 1, &Positions(|i: u32| first.wrapping_add(i) as i32))
		}
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => {
			let at = |p| crate::arith::iota::<i32>(p, divisor, modulus, offset);
			fill(to, count, 1, 8, &Positions(at))
		}
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => {
			let value = schedule(context.step, peak, floor, warmup, total) as i32;
			fill(to, count, 1, 1, &Positions(|_| value))
		}
		_ => return None,
	})
}
