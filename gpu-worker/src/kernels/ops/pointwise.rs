// SPDX-License-Identifier: Apache-2.0

//! Operations that make one word from the words at the same place: sources, arithmetic, activations.

use super::{row_step, Inputs, OpKernels, ARITH, EXPONENTIAL, NO_KEY};
use crate::{
	device::{gpu::Recorder, DeviceError},
	kernels::Matrix,
};
use poaiw_program::{
	random::{batch_position, schedule, RandomKey},
	Context, Element, Op,
};

/// Kinds of `pointwise.wgsl`: under 10 without input, under 20 with one, under 40 with two of which the second may be
/// spread, and `SELECT`.
mod kind {
	pub const CONSTANT: u32 = 0;
	pub const RANDOM: u32 = 1;
	pub const BATCH: u32 = 2;
	pub const IOTA: u32 = 3;
	pub const ABS: u32 = 10;
	pub const CLIP: u32 = 11;
	pub const DECAY: u32 = 12;
	pub const EXCESS: u32 = 13;
	pub const RELU: u32 = 14;
	pub const ROUND_SHIFT: u32 = 15;
	pub const LEAKY_RELU: u32 = 16;
	pub const GELU: u32 = 17;
	pub const ADD: u32 = 20;
	pub const SUB: u32 = 21;
	pub const MULTIPLY: u32 = 22;
	pub const MIN: u32 = 23;
	pub const MAX: u32 = 24;
	pub const EMA: u32 = 25;
	pub const RESCALE: u32 = 26;
	pub const RELU_GRAD: u32 = 27;
	pub const LEAKY_RELU_GRAD: u32 = 28;
	pub const EQUAL: u32 = 29;
	pub const ROW_DIVIDE: u32 = 30;
	pub const SELECT: u32 = 40;
}

/// Kind, parameters and key of an operation.
struct Pointwise {
	kind: u32,
	params: [u32; 3],
	key: RandomKey,
}

fn plain(kind: u32, params: [u32; 3]) -> Pointwise {
	Pointwise {
		kind,
		params,
		key: NO_KEY,
	}
}

/// A parameter that is a shift: WGSL shifts by less than 32 bits.
fn shift(kind: u32, by: u32) -> Pointwise {
	plain(kind, [by & 31, 0, 0])
}

/// `rows` is the length of a batch.
fn parameters(op: &Op, context: &Context, rows: u32) -> Option<Pointwise> {
	Some(match *op {
		Op::Constant { value } => plain(kind::CONSTANT, [value as u32, 0, 0]),
		Op::RandomUniform { scale, shift } => Pointwise {
			kind: kind::RANDOM,
			params: [scale, shift, 0],
			key: context.key(),
		},
		Op::BatchIndices { population } => {
			let (epoch, first) = batch_position(context.step, rows, population);
			Pointwise {
				kind: kind::BATCH,
				params: [population.max(1), first, 0],
				key: context.epoch_key(epoch),
			}
		}
		// Functions of the step number, hence constants of this dispatch.
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => {
			let value = schedule(context.step, peak, floor, warmup, total);
			plain(kind::CONSTANT, [value, 0, 0])
		}
		Op::StepIndices { population } => {
			let (_, first) = batch_position(context.step, rows, population);
			plain(kind::IOTA, [1, 1 << 30, first])
		}
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => plain(kind::IOTA, [divisor, modulus, offset as u32]),
		Op::Abs => plain(kind::ABS, [0; 3]),
		Op::Clip { lo, hi } => plain(kind::CLIP, [lo as u32, hi as u32, 0]),
		Op::Decay { shift: by } => shift(kind::DECAY, by),
		Op::ExcessBits { bits } => plain(kind::EXCESS, [bits.min(32), 0, 0]),
		Op::Relu => plain(kind::RELU, [0; 3]),
		Op::RoundShift { shift: by } => shift(kind::ROUND_SHIFT, by),
		Op::LeakyRelu { shift: by } => shift(kind::LEAKY_RELU, by),
		Op::Gelu => plain(kind::GELU, [0; 3]),
		Op::Add => plain(kind::ADD, [0; 3]),
		Op::Sub => plain(kind::SUB, [0; 3]),
		Op::Multiply { shift: by } => shift(kind::MULTIPLY, by),
		Op::Min => plain(kind::MIN, [0; 3]),
		Op::Max => plain(kind::MAX, [0; 3]),
		Op::Ema { shift: by } => shift(kind::EMA, by),
		Op::Rescale { unit, limit } => plain(kind::RESCALE, [unit as u32, limit as u32, 0]),
		Op::ReluGrad => plain(kind::RELU_GRAD, [0; 3]),
		Op::LeakyReluGrad { shift: by } => shift(kind::LEAKY_RELU_GRAD, by),
		Op::Equal => plain(kind::EQUAL, [0; 3]),
		Op::RowDivide { shift: by } => shift(kind::ROW_DIVIDE, by),
		Op::Select => plain(kind::SELECT, [0; 3]),
		_ => return None,
	})
}

impl OpKernels {
	pub(super) fn pointwise(
		&self,
		recorder: &mut Recorder<'_>,
		op: &Op,
		context: &Context,
		x: &Inputs<'_>,
		y: &Matrix,
	) -> Result<(), DeviceError> {
		let name = op.kind().name();
		let Pointwise { kind, params, key } = parameters(op, context, y.rows())
			.ok_or_else(|| DeviceError::Sizes(format!("{name} is not a pointwise operation")))?;
		let mut buffers = vec![&self.nothing; 3];
		for (n, place) in buffers.iter_mut().enumerate().take(op.kind().inputs()) {
			// Only the activation behind a gradient may be of bytes.
			let input = match op {
				Op::ReluGrad | Op::LeakyReluGrad { .. } if n == 1 => x.any(n)?,
				_ => x.words(n)?,
			};
			*place = input.buffer();
		}
		buffers.push(y.buffer());
		let (bytes, second_row, second_col) = match x.all.get(1) {
			Some(b) => (
				u32::from(b.element() == Element::I8),
				row_step(b),
				u32::from(b.cols() != 1),
			),
			None => (0, 0, 0),
		};
		let kernel = self.kernel(
			"pointwise",
			3,
			&[("KIND", kind), ("BYTES", bytes)],
			&[ARITH, EXPONENTIAL],
			include_str!("pointwise.wgsl"),
		)?;
		let plane = self.plane(y.rows(), y.cols());
		let ([log_width, row_step], [p0, p1, p2]) = (plane.params, params);
		let params = [
			y.rows(),
			y.cols(),
			log_width,
			row_step,
			y.stride(),
			second_row,
			second_col,
			p0,
			p1,
			p2,
			key.k0,
			key.k1,
		];
		recorder.dispatch(&kernel, &buffers, &params, plane.groups);
		Ok(())
	}
}
