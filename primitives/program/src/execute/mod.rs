// SPDX-License-Identifier: Apache-2.0

//! The CPU executor of single operations on whole tensors: the same bits as all blocks of [`crate::arbiter`].

mod buffers;
mod elementwise;
mod lanes;
mod movement;
mod normalise;
pub(crate) mod product;
mod reduce;
mod rows;
mod view;

use crate::{
	movement::moves,
	op::{Op, OpKind, OPERAND_MAX, WIDE_MAX},
	program::Role,
	random::{batch_position, schedule, Context},
	tensor::{Element, Tensor, TensorDecl, TensorError},
};
use alloc::vec::Vec;
pub(crate) use buffers::Item;
pub use buffers::{Buffers, Vectors};
use core::fmt;
use elementwise::Positions;
use lanes::Out;
pub(crate) use view::{Slice, View};

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
	let views: Vec<View<'_>> = inputs.iter().map(|x| View::of(x)).collect();
	let count = usize::try_from(out.elements()).map_err(|_| operands.clone())?;
	let (vectors, threads) = (buffers.vectors(), buffers.threads());
	match out.element {
		Element::I8 => {
			let mut values = buffers.any(count);
			let to = Target::I8(&mut values);
			compute(op, context, &views, out.cols, to, 0, vectors, threads).ok_or(operands)?;
			Tensor::from_i8(out.rows, out.cols, values)
		}
		Element::I32 => {
			let mut values = buffers.any(count);
			let to = Target::I32(&mut values);
			compute(op, context, &views, out.cols, to, 0, vectors, threads).ok_or(operands)?;
			Tensor::from_i32(out.rows, out.cols, values)
		}
	}
	.map_err(|error| ExecError::Output { op: kind, error })
}

/// Where the elements of an output are written.
pub(crate) enum Target<'a> {
	/// Bytes.
	I8(&'a mut [i8]),
	/// Words.
	I32(&'a mut [i32]),
}

/// Computes rows of `cols` columns of an output, from the rows of the inputs that belong to them; `origin` is the number
/// of the first element in the whole output. `None` if the inputs are not what the operation asks for.
#[allow(clippy::too_many_arguments)]
pub(crate) fn compute(
	op: &Op,
	context: &Context,
	inputs: &[View<'_>],
	cols: u32,
	to: Target<'_>,
	origin: usize,
	vectors: Vectors,
	threads: usize,
) -> Option<()> {
	match to {
		Target::I8(values) => {
			let mut out = Out {
				values,
				origin,
				vectors,
				threads,
			};
			bytes(op, context, inputs, cols, &mut out)
		}
		Target::I32(values) => {
			let mut out = Out {
				values,
				origin,
				vectors,
				threads,
			};
			words(op, context, inputs, cols, &mut out)
		}
	}
}

/// Rows and columns of so many elements.
fn size_of(elements: usize, cols: u32) -> (u32, u32) {
	((elements / cols.max(1) as usize) as u32, cols)
}

/// Operations with an `i8` output.
fn bytes(op: &Op, context: &Context, inputs: &[View<'_>], cols: u32, to: &mut Out<'_, i8>) -> Option<()> {
	match (op, inputs) {
		(Op::Requantise { rounding }, &[x, shift]) => {
			elementwise::requantise(*rounding, OPERAND_MAX, context, x, shift, to)
		}
		(Op::RequantiseWide { rounding }, &[x, shift]) => {
			elementwise::requantise(*rounding, WIDE_MAX, context, x, shift, to)
		}
		(&Op::Softmax { top }, &[z, visible, e]) => rows::softmax(top, z, visible, e, to),
		(Op::Transpose, [x]) => movement::transpose(x.i8s()?, x.rows(), x.cols(), to),
		(Op::GatherRows, [x, index]) => movement::gather(x.i8s()?, x.cols(), index.i32s()?, to),
		(op, [x]) if moves(op) => movement::moved(op, x.i8s()?, x.size(), size_of(to.values.len(), cols), to),
		_ => None,
	}
}

/// Operations with an `i32` output.
fn words(op: &Op, context: &Context, inputs: &[View<'_>], cols: u32, to: &mut Out<'_, i32>) -> Option<()> {
	match (op, inputs) {
		(_, []) => source(op, context, cols, to),
		(Op::Product, &[a, b]) => product::product(a, b, to),
		(&Op::GroupProduct { groups }, &[a, b]) => product::stacked(groups, a, b, to),
		(Op::Transpose, [x]) => movement::transpose(x.i32s()?, x.rows(), x.cols(), to),
		(Op::GatherRows, [x, index]) => movement::gather(x.i32s()?, x.cols(), index.i32s()?, to),
		(Op::GatherElements, [x, index]) => match x.values() {
			Slice::I8(x) => movement::gather_elements(x, index.i32s()?, to),
			Slice::I32(x) => movement::gather_elements(x, index.i32s()?, to),
		},
		(Op::ScatterAddRows, [x, index]) => movement::scatter(x.i32s()?, x.cols(), index.i32s()?, to),
		(&Op::PatchesGradient(window), [x]) => {
			movement::patches_gradient(window, x.i32s()?, x.size(), size_of(to.values.len(), cols), to)
		}
		(op, [x]) if moves(op) => {
			movement::moved(op, x.i32s()?, x.size(), size_of(to.values.len(), cols), to)
		}
		(Op::SoftmaxGradient, &[z, labels, e]) => rows::softmax_gradient(z, labels, e.scalar()?, to),
		(Op::CrossEntropy, &[z, labels, e]) => rows::cross_entropy(z, labels, e.scalar()?, to),
		(&Op::SoftmaxBackward { limit }, &[p, g, sum]) => rows::softmax_backward(limit, p, g, sum, to),
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
			&[x],
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

fn source(op: &Op, context: &Context, cols: u32, to: &mut Out<'_, i32>) -> Option<()> {
	let (len, origin) = (to.values.len(), to.origin);
	let rows = size_of(len, cols).0;
	match *op {
		Op::Constant { value } => to.fill(len, 1, 1, &Positions(origin, |_| value)),
		Op::RandomUniform { scale, shift } => {
			let key = context.key();
			let at = |p| crate::arith::random_uniform::<i32>(key.at(p), scale, shift);
			to.fill(len, 1, 4, &Positions(origin, at))
		}
		Op::BatchIndices { population } => {
			let (epoch, first) = batch_position(context.step, rows, population);
			let key = context.epoch_key(epoch);
			let at = |i| key.permute(first.wrapping_add(i), population) as i32;
			to.fill(len, 1, 64, &Positions(origin, at))
		}
		Op::StepIndices { population } => {
			let (_, first) = batch_position(context.step, rows, population);
			to.fill(
				len,
				1,
				1,
				&Positions(origin, |i: u32| first.wrapping_add(i) as i32),
			)
		}
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => {
			let at = |p| crate::arith::iota::<i32>(p, divisor, modulus, offset);
			to.fill(len, 1, 8, &Positions(origin, at))
		}
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => {
			let value = schedule(context.step, peak, floor, warmup, total) as i32;
			to.fill(len, 1, 1, &Positions(origin, |_| value))
		}
		_ => None,
	}
}
