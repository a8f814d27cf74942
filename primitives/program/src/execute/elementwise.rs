// SPDX-License-Identifier: Apache-2.0

//! Element-wise operations. The loops are written so that the compiler turns them into SIMD.

use crate::{
	arith,
	op::{Op, Rounding, OPERAND_MAX},
	random::Context,
	tensor::{Tensor, TensorDecl, Values},
};
use alloc::vec::Vec;

#[inline(always)]
fn one(x: &[i32], f: impl Fn(i32) -> i32) -> Vec<i32> {
	x.iter().map(|x| f(*x)).collect()
}

#[inline(always)]
fn two(a: &[i32], b: &[i32], f: impl Fn(i32, i32) -> i32) -> Vec<i32> {
	a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

/// Operations with an `i32` output; `None` if the inputs don't fit.
pub fn words(op: &Op, inputs: &[&Tensor]) -> Option<Vec<i32>> {
	Some(match (op, inputs) {
		(Op::Add, [a, b]) => two(a.i32s()?, b.i32s()?, i32::wrapping_add),
		(Op::Sub, [a, b]) => two(a.i32s()?, b.i32s()?, i32::wrapping_sub),
		(Op::Equal, [a, b]) => two(a.i32s()?, b.i32s()?, |a, b| i32::from(a == b)),
		(Op::Abs, [x]) => one(x.i32s()?, i32::wrapping_abs),
		(&Op::Clip { lo, hi }, [x]) => one(x.i32s()?, |x| x.max(lo).min(hi)),
		(&Op::Ema { shift }, [a, v]) => two(a.i32s()?, v.i32s()?, |a, v| arith::ema(a, v, shift)),
		(&Op::Decay { shift }, [x]) => one(x.i32s()?, |x| arith::decay(x, shift)),
		(&Op::ExcessBits { bits }, [x]) => one(x.i32s()?, |x| arith::excess_bits(x, bits)),
		(Op::Relu, [x]) => one(x.i32s()?, |x| x.max(0)),
		(Op::ReluGrad, [g, a]) => match a.values() {
			Values::I8(a) => g
				.i32s()?
				.iter()
				.zip(a)
				.map(|(g, a)| if *a > 0 { *g } else { 0 })
				.collect(),
			Values::I32(a) => two(g.i32s()?, a, |g, a| if a > 0 { g } else { 0 }),
		},
		(&Op::Rescale { unit, limit }, [x, e]) => {
			let by = unit.wrapping_sub(e.scalar()?);
			one(x.i32s()?, |x| arith::rescale(x, by, limit))
		}
		(Op::BiasCorrection, [p1, p2]) => two(p1.i32s()?, p2.i32s()?, arith::bias_correction),
		(&Op::L1Adam { limit, decay }, [w, m, v, rate, correction]) => {
			let (rate, correction) = (rate.scalar()?, correction.scalar()?);
			let weights = w.i32s()?.iter().zip(m.i32s()?).zip(v.i32s()?);
			weights
				.map(|((w, m), v)| arith::l1_adam(*w, *m, *v, rate, correction, limit, decay))
				.collect()
		}
		(&Op::Sgd { shift, limit }, [w, m, rate]) => {
			let rate = rate.scalar()?;
			two(w.i32s()?, m.i32s()?, |w, m| arith::sgd(w, m, rate, shift, limit))
		}
		_ => return None,
	})
}

/// [`Op::Requantise`] with one shift for the tensor or one for every row.
pub fn requantise(
	rounding: Rounding,
	context: &Context,
	x: &[i32],
	shift: &[i32],
	out: &TensorDecl,
) -> Option<Vec<i8>> {
	let cols = (out.cols as usize).max(1);
	let mut q = Vec::with_capacity(x.len());
	let key = context.key();
	for (i, row) in x.chunks(cols).enumerate() {
		let s = match shift {
			[s] => *s,
			many => *many.get(i)?,
		};
		match rounding {
			Rounding::HalfUp => {
				q.extend(
					row.iter()
						.map(|x| arith::requantise_half_up(*x, s, OPERAND_MAX) as i8),
				);
			}
			Rounding::Keyed => {
				let first = (i * cols) as u32;
				q.extend(
					(first..)
						.zip(row)
						.map(|(p, x)| arith::requantise_keyed(*x, s, key.at(p), OPERAND_MAX) as i8),
				);
			}
		}
	}
	Some(q)
}
