// SPDX-License-Identifier: Apache-2.0

//! Optimisers: their state, and the instructions of one update.

use crate::{
	architecture::{Optimiser, Schedule},
	builder::{Builder, Scaled},
};
use poaiw_program::{Element, Op, Reason, Role, TensorDecl, TensorId};

/// Master weights stay within this, in their unit ([`Optimiser::weight_unit`]): ±8 in the finest one.
pub const WEIGHT_LIMIT: i32 = (1 << 27) - 1;
/// Exponent of the unit of the gradient that an optimiser gets.
const GRADIENT_UNIT: i32 = -32;
/// Saturation of that gradient: ±0.125.
const GRADIENT_LIMIT: i32 = 1 << 29;
/// First moment: `m` moves by 1/8 of the difference.
const MOMENT_SHIFT: u32 = 3;
/// Mean magnitude: `v` moves by 1/128 of the difference.
const MAGNITUDE_SHIFT: u32 = 7;
/// One in the unit of the powers of beta.
const ONE: i32 = 1 << 30;

/// State tensors of one weight matrix, after the matrix itself.
pub fn state_of(optimiser: &Optimiser, rows: u32, cols: u32) -> Vec<TensorDecl> {
	let m = TensorDecl::new(Element::I32, rows, cols, -GRADIENT_LIMIT, GRADIENT_LIMIT);
	let v = TensorDecl::new(Element::I32, rows, cols, 0, GRADIENT_LIMIT);
	match optimiser {
		// A square is packed into all bits of a word.
		Optimiser::Adam { .. } => vec![m, TensorDecl::new(Element::I32, rows, cols, i32::MIN, i32::MAX)],
		Optimiser::L1Adam { .. } => vec![m, v],
		Optimiser::Sgd { .. } => vec![m],
	}
}

/// Scalar state tensors with their first values.
pub fn scalar_state(optimiser: &Optimiser) -> Vec<(TensorDecl, i32)> {
	match optimiser {
		Optimiser::Adam { .. } | Optimiser::L1Adam { .. } => vec![(TensorDecl::scalar(0, ONE), ONE); 2],
		Optimiser::Sgd { .. } => vec![],
	}
}

/// What all updates of a step share.
pub struct Step {
	rate: TensorId,
	correction: Option<TensorId>,
	/// Next values of the scalar state.
	pub scalars: Vec<TensorId>,
}

impl Step {
	/// The bias correction; one where the optimiser has none.
	fn correction(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		match self.correction {
			Some(id) => Ok(id),
			None => b.constant(1 << 14),
		}
	}
}

/// Emits the learning rate and the scalar state of a step; `first_state` is the number of the first scalar state tensor.
///
/// # Errors
/// If the schedule is out of its bounds.
pub fn begin(
	b: &mut Builder,
	optimiser: &Optimiser,
	schedule: &Schedule,
	total_steps: u32,
	first_state: u16,
) -> Result<Step, Reason> {
	let peak = optimiser.integer_rate();
	let floor = (f64::from(peak) * schedule.floor).round() as u32;
	let op = Op::Schedule {
		peak,
		floor: floor.min(peak),
		warmup: schedule.warmup_steps.min(total_steps.saturating_sub(1)),
		total: total_steps,
	};
	let rate = b.emit(op, &[], Element::I32, 1, 1)?;
	let mut scalars = Vec::new();
	for (n, (decl, _)) in (first_state..).zip(scalar_state(optimiser)) {
		let shift = if scalars.is_empty() {
			MOMENT_SHIFT
		} else {
			MAGNITUDE_SHIFT
		};
		let before = b.input(Role::State(n), decl);
		scalars.push(b.map(Op::Decay { shift }, &[before])?);
	}
	let correction = match scalars[..] {
		[p1, p2] if matches!(optimiser, Optimiser::Adam { .. }) => {
			Some(b.map(Op::AdamCorrection, &[p1, p2])?)
		}
		[p1, p2] => Some(b.map(Op::BiasCorrection, &[p1, p2])?),
		_ => None,
	};
	Ok(Step {
		rate,
		correction,
		scalars,
	})
}

/// Emits the update of one matrix; gives the next values of the matrix and of its state, in order. `decays` is whether
/// weight decay acts on the matrix.
///
/// # Errors
/// If a bound does not hold.
pub fn update(
	b: &mut Builder,
	optimiser: &Optimiser,
	step: &Step,
	weights: TensorId,
	state: &[TensorId],
	gradient: Scaled,
	decays: bool,
) -> Result<Vec<TensorId>, Reason> {
	let op = Op::Rescale {
		unit: GRADIENT_UNIT,
		limit: GRADIENT_LIMIT,
	};
	let g = b.map(op, &[gradient.mantissa, gradient.exponent])?;
	let mut next = Vec::new();
	let m = b.map(Op::Ema { shift: MOMENT_SHIFT }, &[state[0], g])?;
	let decay = if decays { optimiser.integer_decay() } else { 0 };
	match optimiser {
		Optimiser::Adam { floor, .. } => {
			let v = b.map(Op::AdamSquare { floor: *floor }, &[state[1], g])?;
			let op = Op::Adam {
				limit: WEIGHT_LIMIT,
				decay,
				floor: *floor,
			};
			let correction = step.correction(b)?;
			next.push(b.map(op, &[weights, m, v, step.rate, correction])?);
			next.extend([m, v]);
		}
		Optimiser::L1Adam { .. } => {
			let magnitude = b.map(Op::Abs, &[g])?;
			let op = Op::Ema {
				shift: MAGNITUDE_SHIFT,
			};
			let v = b.map(op, &[state[1], magnitude])?;
			let op = Op::L1Adam {
				limit: WEIGHT_LIMIT,
				decay,
			};
			let correction = step.correction(b)?;
			next.push(b.map(op, &[weights, m, v, step.rate, correction])?);
			next.extend([m, v]);
		}
		Optimiser::Sgd { .. } => {
			// m has unit 2^-32 and loses 14 bits, the rate has unit 2^-12: 2^-30 becomes 2^-24.
			let op = Op::Sgd {
				shift: 6,
				limit: WEIGHT_LIMIT,
			};
			next.push(b.map(op, &[weights, m, step.rate])?);
			next.push(m);
		}
	}
	Ok(next)
}
