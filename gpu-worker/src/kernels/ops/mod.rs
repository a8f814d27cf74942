// SPDX-License-Identifier: Apache-2.0

//! One kernel for each operation of a program except the product (`super::product`).

use super::{with_index, Matrix, Pool};
use crate::device::{
	gpu::{grid, Recorder},
	DeviceError,
};
use poaiw_program::{
	random::{batch_position, schedule, RandomKey},
	Context, Element, Op, Rounding, TensorDecl, OPERAND_MAX,
};

/// Records operations.
pub struct OpKernels {
	pool: Pool,
	/// Bound where an operation has fewer inputs than its kernel.
	nothing: wgpu::Buffer,
}

/// Kinds of `pointwise.wgsl`.
mod kind {
	pub const CONSTANT: u32 = 0;
	pub const RANDOM: u32 = 1;
	pub const BATCH: u32 = 2;
	pub const ADD: u32 = 3;
	pub const SUB: u32 = 4;
	pub const ABS: u32 = 5;
	pub const CLIP: u32 = 6;
	pub const EMA: u32 = 7;
	pub const DECAY: u32 = 8;
	pub const EXCESS: u32 = 9;
	pub const RESCALE: u32 = 10;
	pub const RELU: u32 = 11;
	pub const RELU_GRAD_WORDS: u32 = 12;
	pub const RELU_GRAD_BYTES: u32 = 13;
	pub const BIAS: u32 = 14;
	pub const L1_ADAM: u32 = 15;
	pub const SGD: u32 = 16;
	pub const EQUAL: u32 = 17;
}

/// What a reduction reduces, and how (`reduce.wgsl`).
mod reduce {
	pub const BLOCK: u32 = 0;
	pub const COLUMN: u32 = 1;
	pub const ROW: u32 = 2;
	pub const MAX_ABS: u32 = 0;
	pub const SUM: u32 = 1;
	pub const MAX: u32 = 2;
	pub const ARGMAX: u32 = 3;
}

const NO_KEY: RandomKey = RandomKey { k0: 0, k1: 0 };

fn arith(kernel: &str) -> String {
	with_index(&[include_str!("arith.wgsl"), kernel].concat())
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
		let y = self.pool.matrix(out.rows, out.row_bytes())?;
		let x = |n: usize| {
			inputs
				.get(n)
				.copied()
				.ok_or_else(|| DeviceError::Sizes(format!("{:?} lacks input {n}", op.kind())))
		};
		match *op {
			Op::Product => return Err(DeviceError::Sizes("a product is not recorded here".into())),
			Op::Transpose => self.transpose(recorder, x(0)?, &y, out)?,
			Op::GatherRows => self.gather(recorder, x(0)?, x(1)?, &y, out)?,
			Op::Requantise { rounding } => {
				self.requantise(recorder, rounding, context, x(0)?, x(1)?, &y, out)?
			}
			Op::SoftmaxGradient => self.softmax(recorder, 0, (x(0)?, x(1)?, x(2)?), &y)?,
			Op::CrossEntropy => self.softmax(recorder, 1, (x(0)?, x(1)?, x(2)?), &y)?,
			Op::MaxAbsPartials => self.reduce(recorder, reduce::MAX_ABS, reduce::BLOCK, x(0)?, &y)?,
			Op::SumPartials => self.reduce(recorder, reduce::SUM, reduce::BLOCK, x(0)?, &y)?,
			Op::MaxReduce => self.reduce(recorder, reduce::MAX, reduce::COLUMN, x(0)?, &y)?,
			Op::SumReduce => self.reduce(recorder, reduce::SUM, reduce::COLUMN, x(0)?, &y)?,
			Op::RowMaxAbs => self.reduce(recorder, reduce::MAX_ABS, reduce::ROW, x(0)?, &y)?,
			Op::Argmax => self.reduce(recorder, reduce::ARGMAX, reduce::ROW, x(0)?, &y)?,
			_ => self.pointwise(recorder, op, context, inputs, &y, out)?,
		}
		Ok(y)
	}

	fn pointwise(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		context: &Context,
		inputs: &[&Matrix],
		y: &Matrix,
		out: &TensorDecl,
	) -> Result<(), DeviceError> {
		let (kind, p0, p1, key) = pointwise_params(op, context, inputs, out)?;
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("pointwise", 6, 5, || arith(include_str!("pointwise.wgsl")))?;
		let mut buffers = vec![&self.nothing; 5];
		for (place, matrix) in buffers.iter_mut().zip(inputs) {
			*place = matrix.buffer();
		}
		buffers.push(y.buffer());
		let count = out.rows * out.cols;
		let byte_stride = out.cols.div_ceil(512) * 128;
		let params = [
			kind,
			count,
			out.cols,
			y.stride(),
			byte_stride,
			p0,
			p1,
			key.k0,
			key.k1,
		];
		recorder.dispatch(&kernel, &buffers, &params, grid(count.into()));
		Ok(())
	}

	#[allow(clippy::too_many_arguments)]
	fn requantise(
		&self,
		recorder: &mut Recorder<'_>,
		rounding: Rounding,
		context: &Context,
		x: &Matrix,
		shift: &Matrix,
		y: &Matrix,
		out: &TensorDecl,
	) -> Result<(), DeviceError> {
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("requantise", 3, 2, || arith(include_str!("requantise.wgsl")))?;
		let (keyed, key) = match rounding {
			Rounding::HalfUp => (0, NO_KEY),
			Rounding::Keyed => (1, context.key()),
		};
		let words = out.cols.div_ceil(4);
		let shift_stride = if shift.rows() == 1 { 0 } else { shift.stride() };
		let limit = OPERAND_MAX as u32;
		let params = [
			out.rows,
			out.cols,
			x.stride(),
			words,
			y.stride(),
			shift_stride,
			keyed,
			limit,
			key.k0,
			key.k1,
		];
		let threads = u64::from(out.rows) * u64::from(words);
		recorder.dispatch(
			&kernel,
			&[x.buffer(), shift.buffer(), y.buffer()],
			&params,
			grid(threads),
		);
		Ok(())
	}

	fn transpose(
		&self,
		recorder: &mut Recorder<'_>,
		x: &Matrix,
		y: &Matrix,
		out: &TensorDecl,
	) -> Result<(), DeviceError> {
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("transpose", 2, 1, || with_index(include_str!("transpose.wgsl")))?;
		let bytes = out.element == Element::I8;
		let words = if bytes { out.cols.div_ceil(4) } else { out.cols };
		let params = [bytes.into(), out.rows, out.cols, words, x.stride(), y.stride()];
		let threads = u64::from(out.rows) * u64::from(words);
		recorder.dispatch(&kernel, &[x.buffer(), y.buffer()], &params, grid(threads));
		Ok(())
	}

	fn gather(
		&self,
		recorder: &mut Recorder<'_>,
		x: &Matrix,
		index: &Matrix,
		y: &Matrix,
		out: &TensorDecl,
	) -> Result<(), DeviceError> {
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("gather", 3, 2, || with_index(include_str!("gather.wgsl")))?;
		let words = out.row_bytes().div_ceil(4);
		let params = [out.rows, words, y.stride(), index.stride(), x.rows()];
		let threads = u64::from(out.rows) * u64::from(words);
		recorder.dispatch(
			&kernel,
			&[x.buffer(), index.buffer(), y.buffer()],
			&params,
			grid(threads),
		);
		Ok(())
	}

	fn reduce(
		&self,
		recorder: &mut Recorder<'_>,
		kind: u32,
		shape: u32,
		x: &Matrix,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("reduce", 2, 1, || with_index(include_str!("reduce.wgsl")))?;
		let (cols, outputs) = (x.row_bytes() / 4, y.rows());
		let params = [
			kind,
			shape,
			outputs,
			x.rows(),
			cols,
			x.stride(),
			y.stride(),
			cols.div_ceil(128),
		];
		recorder.dispatch(
			&kernel,
			&[x.buffer(), y.buffer()],
			&params,
			grid(u64::from(outputs) * 64),
		);
		Ok(())
	}

	fn softmax(
		&self,
		recorder: &mut Recorder<'_>,
		kind: u32,
		(logits, labels, exponent): (&Matrix, &Matrix, &Matrix),
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let gpu = self.pool.gpu();
		let kernel = gpu.pipeline("softmax", 4, 3, || with_index(include_str!("softmax.wgsl")))?;
		let rows = logits.rows();
		let params = [
			kind,
			rows,
			logits.row_bytes() / 4,
			logits.stride(),
			labels.stride(),
			y.stride(),
		];
		let buffers = [logits.buffer(), labels.buffer(), exponent.buffer(), y.buffer()];
		recorder.dispatch(&kernel, &buffers, &params, grid(u64::from(rows) * 64));
		Ok(())
	}
}

/// Kind, two parameters and key of a pointwise operation.
fn pointwise_params(
	op: &Op,
	context: &Context,
	inputs: &[&Matrix],
	out: &TensorDecl,
) -> Result<(u32, u32, u32, RandomKey), DeviceError> {
	let plain = |kind: u32, p0: u32, p1: u32| (kind, p0, p1, NO_KEY);
	Ok(match *op {
		Op::Constant { value } => plain(kind::CONSTANT, value as u32, 0),
		Op::RandomUniform { scale, shift } => (kind::RANDOM, scale, shift, context.key()),
		Op::BatchIndices { population } => {
			let (epoch, first) = batch_position(context.step, out.rows, population);
			(kind::BATCH, population, first, context.epoch_key(epoch))
		}
		// A function of the step number alone, hence a constant of this dispatch.
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => plain(
			kind::CONSTANT,
			schedule(context.step, peak, floor, warmup, total),
			0,
		),
		Op::Add => plain(kind::ADD, 0, 0),
		Op::Sub => plain(kind::SUB, 0, 0),
		Op::Abs => plain(kind::ABS, 0, 0),
		Op::Clip { lo, hi } => plain(kind::CLIP, lo as u32, hi as u32),
		Op::Ema { shift } => plain(kind::EMA, shift, 0),
		Op::Decay { shift } => plain(kind::DECAY, shift, 0),
		Op::ExcessBits { bits } => plain(kind::EXCESS, bits.min(32), 0),
		Op::Rescale { unit, limit } => plain(kind::RESCALE, unit as u32, limit as u32),
		Op::Relu => plain(kind::RELU, 0, 0),
		Op::ReluGrad => {
			// A byte matrix of the same columns has rows of another length (or is told apart by it).
			let bytes = inputs.get(1).is_some_and(|a| a.row_bytes() == out.cols);
			plain(
				if bytes {
					kind::RELU_GRAD_BYTES
				} else {
					kind::RELU_GRAD_WORDS
				},
				0,
				0,
			)
		}
		Op::BiasCorrection => plain(kind::BIAS, 0, 0),
		Op::L1Adam { limit, decay } => plain(kind::L1_ADAM, limit as u32, decay),
		Op::Sgd { shift, limit } => plain(kind::SGD, shift, limit as u32),
		Op::Equal => plain(kind::EQUAL, 0, 0),
		_ => {
			return Err(DeviceError::Sizes(format!(
				"{:?} is not a pointwise operation",
				op.kind()
			)))
		}
	})
}
