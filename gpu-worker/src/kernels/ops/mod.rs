// SPDX-License-Identifier: Apache-2.0

//! The kernels of all operations of a program except the product (`super::product`), by family: each file has its
//! shaders beside it.

mod attention;
mod convolution;
mod movement;
mod normalise;
mod optimiser;
mod pointwise;
mod reduce;
mod requantise;
mod rows;

use super::{product::Stack, with_index, Matrix, Pool};
use crate::device::{
	gpu::{Pipeline, Recorder},
	DeviceError,
};
use poaiw_program::{random::RandomKey, Context, Element, Op, OpKind, TensorDecl};
use reduce::{Reduction, Shape};
use std::sync::Arc;

/// Records operations.
pub struct OpKernels {
	pool: Pool,
	/// Bound where an operation has fewer inputs than its kernel.
	nothing: wgpu::Buffer,
}

/// Workgroups under each other: within the limit of a dispatch.
const MAX_DOWN: u32 = 32768;
/// Workgroups of one dispatch that keep a GPU busy; where there are more places, threads loop.
const ENOUGH: u32 = 16384;
/// The same on a CPU, where every workgroup has to be started.
const ENOUGH_IN_SOFTWARE: u32 = 256;

const NO_KEY: RandomKey = RandomKey { k0: 0, k1: 0 };

const ARITH: &str = include_str!("arith.wgsl");
const EXPONENTIAL: &str = include_str!("exponential.wgsl");
const ROWS: &str = include_str!("rows.wgsl");

/// The inputs of one operation.
struct Inputs<'a> {
	kind: OpKind,
	all: &'a [&'a Matrix],
}

impl<'a> Inputs<'a> {
	/// Input `n`, of words or bytes.
	fn any(&self, n: usize) -> Result<&'a Matrix, DeviceError> {
		self.all
			.get(n)
			.copied()
			.ok_or_else(|| DeviceError::Sizes(format!("{} lacks input {n}", self.kind.name())))
	}

	/// Input `n`, which must be of words.
	fn words(&self, n: usize) -> Result<&'a Matrix, DeviceError> {
		self.of(n, Element::I32)
	}

	/// Input `n`, which must be of bytes.
	fn bytes(&self, n: usize) -> Result<&'a Matrix, DeviceError> {
		self.of(n, Element::I8)
	}

	fn of(&self, n: usize, element: Element) -> Result<&'a Matrix, DeviceError> {
		let x = self.any(n)?;
		if x.element() == element {
			return Ok(x);
		}
		Err(DeviceError::Sizes(format!(
			"input {n} of {} is a matrix of {:?}, its kernel takes {element:?}: validate the program",
			self.kind.name(),
			x.element()
		)))
	}
}

/// Words from one row to the next of an input that has one row for all, or as many as the output.
fn row_step(x: &Matrix) -> u32 {
	if x.rows() == 1 {
		0
	} else {
		x.stride()
	}
}

/// How workgroups of 64 threads cover a matrix: side by side in one row, or in several rows of a narrow matrix, so that
/// no thread has to divide.
struct Plane {
	/// For the shader: the logarithm of the threads in a row, and the rows after which a thread takes its next one.
	params: [u32; 2],
	groups: (u32, u32),
}

/// Words of a row that hold elements.
fn filled_words(x: &Matrix) -> u32 {
	x.row_bytes().div_ceil(4)
}

impl OpKernels {
	/// Kernels on the pool's device.
	///
	/// # Errors
	/// If the device fails.
	pub fn new(pool: Pool) -> Result<Self, DeviceError> {
		let nothing = pool.gpu().buffer("nothing", 4)?;
		Ok(Self { pool, nothing })
	}

	/// The pool.
	pub fn pool(&self) -> &Pool {
		&self.pool
	}

	/// A dispatch over `rows` x `width` places, with a thread for one place of every few rows.
	fn plane(&self, rows: u32, width: u32) -> Plane {
		let log_width = width.max(1).next_power_of_two().trailing_zeros().min(6);
		let (in_group, across) = (64 >> log_width, width.div_ceil(1 << log_width));
		let enough = if self.pool.gpu().is_software() {
			ENOUGH_IN_SOFTWARE
		} else {
			ENOUGH
		};
		let down = rows
			.div_ceil(in_group)
			.min((enough / across.max(1)).clamp(1, MAX_DOWN));
		Plane {
			params: [log_width, down * in_group],
			groups: (across, down),
		}
	}

	/// The kernel `name` of `inputs` buffers and an output, with `parts` before it. The constants are compiled in: a device
	/// spends neither registers nor (without branches) time on other kinds of a family.
	fn kernel(
		&self,
		name: &str,
		inputs: usize,
		constants: &[(&str, u32)],
		parts: &[&str],
		source: &str,
	) -> Result<Arc<Pipeline>, DeviceError> {
		let constants: String = constants
			.iter()
			.map(|(name, value)| format!("const {name} = {value}u;\n"))
			.collect();
		let full = format!("{name} {constants}");
		self.pool.gpu().pipeline(&full, inputs + 1, inputs, || {
			with_index(&[parts.concat().as_str(), &constants, source].concat())
		})
	}

	/// Records one operation (not a product) and gives its output. `inputs` and `out` are those of a validated program.
	///
	/// # Errors
	/// If a kernel can't be compiled, a tensor does not fit, or the operation is a product or lacks an input.
	pub fn record(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		context: &Context,
		inputs: &[&Matrix],
		out: &TensorDecl,
	) -> Result<Matrix, DeviceError> {
		let y = self.pool.elements(out.element, out.rows, out.cols)?;
		let x = Inputs {
			kind: op.kind(),
			all: inputs,
		};
		// Without a wildcard: an operation without a kernel does not compile.
		match *op {
			Op::Product => {
				return Err(DeviceError::Sizes(
					"a product is not recorded with other operations: give it to the sink of products".into(),
				))
			}
			Op::Constant { .. }
			| Op::RandomUniform { .. }
			| Op::BatchIndices { .. }
			| Op::Schedule { .. }
			| Op::Iota { .. }
			| Op::StepIndices { .. }
			| Op::Add
			| Op::Sub
			| Op::Multiply { .. }
			| Op::Min
			| Op::Max
			| Op::Abs
			| Op::Clip { .. }
			| Op::Ema { .. }
			| Op::Decay { .. }
			| Op::ExcessBits { .. }
			| Op::RoundShift { .. }
			| Op::Rescale { .. }
			| Op::RowDivide { .. }
			| Op::Relu
			| Op::ReluGrad
			| Op::LeakyRelu { .. }
			| Op::LeakyReluGrad { .. }
			| Op::Gelu
			| Op::Equal
			| Op::Select => self.pointwise(recorder, op, context, &x, &y)?,
			Op::BiasCorrection
			| Op::AdamCorrection
			| Op::L1Adam { .. }
			| Op::Sgd { .. }
			| Op::AdamSquare { .. }
			| Op::Adam { .. } => self.optimiser(recorder, op, &x, &y)?,
			Op::Transpose
			| Op::GroupTranspose { .. }
			| Op::Roll { .. }
			| Op::Reshape
			| Op::SplitColumns { .. }
			| Op::MergeColumns { .. }
			| Op::Patches(_) => self.movement(recorder, op, x.any(0)?, &y)?,
			Op::PatchesGradient(window) => self.patches_gradient(recorder, window, x.words(0)?, &y)?,
			Op::GatherRows => self.gather_rows(recorder, x.any(0)?, x.words(1)?, &y)?,
			Op::GatherElements => self.gather_elements(recorder, x.any(0)?, x.words(1)?, &y)?,
			Op::ScatterAddRows => self.scatter_rows(recorder, x.words(0)?, x.words(1)?, &y)?,
			Op::Requantise { rounding } => {
				self.requantise(recorder, rounding, poaiw_program::OPERAND_MAX, context, &x, &y)?
			}
			Op::RequantiseWide { rounding } => {
				self.requantise(recorder, rounding, poaiw_program::WIDE_MAX, context, &x, &y)?
			}
			Op::MaxAbsPartials => self.reduce(recorder, Reduction::MaxAbs, Shape::Block, x.words(0)?, &y)?,
			Op::SumPartials => self.reduce(recorder, Reduction::Sum, Shape::Block, x.words(0)?, &y)?,
			Op::MaxReduce => self.reduce(recorder, Reduction::Max, Shape::Column, x.words(0)?, &y)?,
			Op::SumReduce => self.reduce(recorder, Reduction::Sum, Shape::Column, x.words(0)?, &y)?,
			Op::RowMaxAbs => self.reduce(recorder, Reduction::MaxAbs, Shape::Row, x.words(0)?, &y)?,
			Op::RowMax => self.reduce(recorder, Reduction::Max, Shape::Row, x.words(0)?, &y)?,
			Op::RowSum => self.reduce(recorder, Reduction::Sum, Shape::Row, x.any(0)?, &y)?,
			Op::RowSumSquares => self.reduce(recorder, Reduction::SumSquares, Shape::Row, x.any(0)?, &y)?,
			Op::Argmax => self.reduce(recorder, Reduction::Argmax, Shape::Row, x.words(0)?, &y)?,
			Op::SoftmaxGradient => self.softmax_loss(recorder, false, &x, &y)?,
			Op::CrossEntropy => self.softmax_loss(recorder, true, &x, &y)?,
			Op::Softmax { top } => self.attention(recorder, top, &x, &y)?,
			Op::SoftmaxBackward { limit } => self.attention_gradient(recorder, limit, &x, &y)?,
			Op::RmsNorm | Op::RmsFactor | Op::RmsExponent | Op::Centre => {
				self.normalise(recorder, op, x.words(0)?, &y)?
			}
			Op::RmsNormGradient { bits } => self.normalise_gradient(recorder, bits, &x, &y)?,
			Op::GroupProduct { groups } => Stack {
				a: x.bytes(0)?,
				b: x.bytes(1)?,
				c: &y,
				products: groups,
			}
			.record(self.pool.gpu(), recorder, &self.nothing)?,
		}
		Ok(y)
	}
}
