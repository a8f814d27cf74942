// SPDX-License-Identifier: Apache-2.0

//! Element-wise operations.

use super::{
	buffers::Item,
	lanes::{beside, ByColumn, ByRow, Each1, Each2, Each3, Job, Out},
	view::{Slice, View},
};
use crate::{
	adam::{adam, adam_correction, adam_of_normal, adam_square, is_normal, Update},
	arith,
	gelu::gelu,
	op::{Op, Rounding},
	random::{Context, RandomKey},
};

type Words<'a, 'b> = &'a mut Out<'b, i32>;

fn one(to: Words<'_, '_>, x: View<'_>, f: impl Fn(i32) -> i32 + Sync) -> Option<()> {
	let x = x.i32s()?;
	to.fill(x.len(), 1, 1, &Each1(x, f))
}

fn two(to: Words<'_, '_>, a: View<'_>, b: View<'_>, f: impl Fn(i32, i32) -> i32 + Sync) -> Option<()> {
	let (a, b) = (a.i32s()?, b.i32s()?);
	(a.len() == b.len()).then(|| to.fill(a.len(), 1, 1, &Each2(a, b, f)))?
}

/// `b` is spread over `a`: one number, one for every row, one for every column, or one for every element.
fn spread(to: Words<'_, '_>, a: View<'_>, b: View<'_>, f: impl Fn(i32, i32) -> i32 + Sync) -> Option<()> {
	let (x, y) = (a.i32s()?, b.i32s()?);
	let (rows, cols) = (a.rows(), a.cols() as usize);
	match (b.rows(), b.cols()) {
		sizes if sizes == (rows, a.cols()) => two(to, a, b, f),
		(1, 1) => {
			let y = b.scalar()?;
			one(to, a, |x| f(x, y))
		}
		(1, n) if n == a.cols() => to.fill(x.len(), cols, 1, &ByColumn { x, y, f }),
		(n, 1) if n == rows => to.fill(x.len(), cols, 1, &ByRow { x, y, cols, f }),
		_ => None,
	}
}

/// A gradient beside an activation of either type.
fn gate(to: Words<'_, '_>, g: View<'_>, a: View<'_>, f: impl Fn(i32, i32) -> i32 + Sync) -> Option<()> {
	match a.values() {
		Slice::I8(a) => {
			let g = g.i32s()?;
			let job = Each2(g, a, |g: i32, a: i8| f(g, i32::from(a)));
			(g.len() == a.len()).then(|| to.fill(g.len(), 1, 1, &job))?
		}
		Slice::I32(_) => two(to, g, a, f),
	}
}

/// Operations with an `i32` output; `None` if the inputs don't fit.
pub fn words(op: &Op, inputs: &[View<'_>], to: Words<'_, '_>) -> Option<()> {
	match (op, inputs) {
		(Op::Add, &[a, b]) => spread(to, a, b, i32::wrapping_add),
		(Op::Sub, &[a, b]) => spread(to, a, b, i32::wrapping_sub),
		(&Op::Multiply { shift }, &[a, b]) => spread(to, a, b, |a, b| arith::multiply(a, b, shift)),
		(Op::Min, &[a, b]) => spread(to, a, b, i32::min),
		(Op::Max, &[a, b]) => spread(to, a, b, i32::max),
		(Op::Select, &[condition, a, b]) => {
			let job = Each3(
				condition.i32s()?,
				a.i32s()?,
				b.i32s()?,
				|c, a, b| if c > 0 { a } else { b },
			);
			to.fill(job.0.len(), 1, 1, &job)
		}
		(&Op::RoundShift { shift }, &[x]) => one(to, x, |x| arith::rsh(x, shift)),
		(&Op::LeakyRelu { shift }, &[x]) => one(to, x, |x| arith::leaky(x, x, shift)),
		(&Op::LeakyReluGrad { shift }, &[g, a]) => gate(to, g, a, |g, a| arith::leaky(g, a, shift)),
		(Op::Equal, &[a, b]) => two(to, a, b, |a, b| i32::from(a == b)),
		(Op::Abs, &[x]) => one(to, x, i32::wrapping_abs),
		(&Op::Clip { lo, hi }, &[x]) => one(to, x, |x| x.max(lo).min(hi)),
		(&Op::Ema { shift }, &[a, v]) => two(to, a, v, |a, v| arith::ema(a, v, shift)),
		(&Op::Decay { shift }, &[x]) => one(to, x, |x| arith::decay(x, shift)),
		(&Op::ExcessBits { bits }, &[x]) => one(to, x, |x| arith::excess_bits(x, bits)),
		(Op::Relu, &[x]) => one(to, x, |x| x.max(0)),
		(Op::ReluGrad, &[g, a]) => gate(to, g, a, |g, a| if a > 0 { g } else { 0 }),
		(&Op::Rescale { unit, limit }, &[x, e]) => {
			spread(to, x, e, |x, e| arith::rescale(x, unit.wrapping_sub(e), limit))
		}
		(Op::BiasCorrection, &[p1, p2]) => two(to, p1, p2, arith::bias_correction),
		(Op::AdamCorrection, &[p1, p2]) => two(to, p1, p2, adam_correction),
		(Op::Gelu, &[x]) => {
			let x = x.i32s()?;
			to.fill(x.len(), 1, 8, &Gelu(x))
		}
		_ => optimiser(op, inputs, to),
	}
}

fn optimiser(op: &Op, inputs: &[View<'_>], to: Words<'_, '_>) -> Option<()> {
	match (op, inputs) {
		(&Op::L1Adam { limit, decay }, &[w, m, v, rate, correction])
		| (&Op::Adam { limit, decay, .. }, &[w, m, v, rate, correction]) => {
			let (w, m, v) = (w.i32s()?, m.i32s()?, v.i32s()?);
			let by = Update {
				rate: rate.scalar()?,
				correction: correction.scalar()?,
				limit,
				decay,
				floor: matches!(op, Op::Adam { floor: true, .. }),
			};
			let fits = w.len() == m.len() && m.len() == v.len();
			fits.then(|| match op {
				Op::Adam { .. } => to.fill(
					w.len(),
					1,
					16,
					&Step {
						w,
						m,
						v,
						by: Adam(by),
					},
				),
				_ => to.fill(
					w.len(),
					1,
					8,
					&Step {
						w,
						m,
						v,
						by: L1Adam(by),
					},
				),
			})?
		}
		(&Op::AdamSquare { floor }, &[v, gradient]) => {
			let (v, gradient) = (v.i32s()?, gradient.i32s()?);
			(v.len() == gradient.len()).then(|| to.fill(v.len(), 1, 4, &AdamSquare { v, gradient, floor }))?
		}
		(&Op::Sgd { shift, limit }, &[w, m, rate]) => {
			let rate = rate.scalar()?;
			two(to, w, m, |w, m| arith::sgd(w, m, rate, shift, limit))
		}
		_ => None,
	}
}

// Long formulas are jobs of their own: closures of their size would not be inlined, and so not be vectorised.

struct Gelu<'a>(&'a [i32]);

impl Job for Gelu<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let x = beside(self.0, first, out.len());
		for (to, x) in out.iter_mut().zip(x) {
			*to = gelu(*x);
		}
	}
}

/// The update of a weight from a weight, a mean and a square or magnitude.
trait Rule: Sync {
	fn next(&self, w: i32, m: i32, v: i32) -> i32;

	/// Whether [`Rule::quick`] may be asked for these squares.
	#[inline(always)]
	fn is_quick(&self, _v: &[i32]) -> bool {
		false
	}

	/// [`Rule::next`] in a quicker way.
	#[inline(always)]
	fn quick(&self, w: i32, m: i32, v: i32) -> i32 {
		self.next(w, m, v)
	}
}

struct Adam(Update<i32>);

impl Rule for Adam {
	#[inline(always)]
	fn next(&self, w: i32, m: i32, v: i32) -> i32 {
		adam(w, m, v, &self.0)
	}

	#[inline(always)]
	fn is_quick(&self, v: &[i32]) -> bool {
		v.iter().fold(true, |all, v| all & is_normal(*v))
	}

	#[inline(always)]
	fn quick(&self, w: i32, m: i32, v: i32) -> i32 {
		adam_of_normal(w, m, v, &self.0)
	}
}

struct L1Adam(Update<i32>);

impl Rule for L1Adam {
	#[inline(always)]
	fn next(&self, w: i32, m: i32, v: i32) -> i32 {
		let by = &self.0;
		arith::l1_adam(w, m, v, by.rate, by.correction, by.limit, by.decay)
	}
}

/// Elements that go the quick way together, or none of them.
const CHUNK: usize = 256;

struct Step<'a, R> {
	w: &'a [i32],
	m: &'a [i32],
	v: &'a [i32],
	by: R,
}

impl<R: Rule> Job for Step<'_, R> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let len = out.len();
		let (w, m) = (beside(self.w, first, len), beside(self.m, first, len));
		let v = beside(self.v, first, len).chunks(CHUNK);
		let all = out
			.chunks_mut(CHUNK)
			.zip(w.chunks(CHUNK))
			.zip(m.chunks(CHUNK))
			.zip(v);
		for (((out, w), m), v) in all {
			let quick = self.by.is_quick(v);
			let all = out.iter_mut().zip(w).zip(m).zip(v);
			if quick {
				for (((to, w), m), v) in all {
					*to = self.by.quick(*w, *m, *v);
				}
			} else {
				for (((to, w), m), v) in all {
					*to = self.by.next(*w, *m, *v);
				}
			}
		}
	}
}

struct AdamSquare<'a> {
	v: &'a [i32],
	gradient: &'a [i32],
	floor: bool,
}

impl Job for AdamSquare<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (len, floor) = (out.len(), self.floor);
		let v = beside(self.v, first, len);
		for ((to, v), g) in out.iter_mut().zip(v).zip(beside(self.gradient, first, len)) {
			*to = adam_square(*v, *g, floor);
		}
	}
}

/// Elements that depend on their position alone; the number of the first one, and the function.
pub struct Positions<F>(pub usize, pub F);

impl<T: Item, F: Fn(u32) -> T + Sync> Job for Positions<F> {
	type Out = T;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [T]) {
		let mut position = (self.0 + first) as u32;
		for to in out {
			*to = (self.1)(position);
			position = position.wrapping_add(1);
		}
	}
}

struct HalfUp<'a> {
	x: &'a [i32],
	shift: &'a [i32],
	cols: usize,
	limit: i32,
}

impl Job for HalfUp<'_> {
	type Out = i8;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i8]) {
		let (limit, x) = (self.limit, beside(self.x, first, out.len()));
		for ((out, x), shift) in lines(out, x, self.shift, first, self.cols) {
			for (to, x) in out.iter_mut().zip(x) {
				*to = arith::requantise_half_up(*x, shift, limit) as i8;
			}
		}
	}
}

struct Keyed<'a> {
	x: &'a [i32],
	shift: &'a [i32],
	cols: usize,
	limit: i32,
	key: RandomKey,
	origin: usize,
}

impl Job for Keyed<'_> {
	type Out = i8;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i8]) {
		let (limit, key, x) = (self.limit, self.key, beside(self.x, first, out.len()));
		let mut position = (self.origin + first) as u32;
		for ((out, x), shift) in lines(out, x, self.shift, first, self.cols) {
			for (to, x) in out.iter_mut().zip(x) {
				*to = arith::requantise_keyed(*x, shift, key.at(position), limit) as i8;
				position = position.wrapping_add(1);
			}
		}
	}
}

/// Lines of a part of a matrix that have one shift each: its rows, or with a single shift the whole part.
#[inline(always)]
fn lines<'a>(
	out: &'a mut [i8],
	x: &'a [i32],
	shift: &'a [i32],
	first: usize,
	cols: usize,
) -> impl Iterator<Item = ((&'a mut [i8], &'a [i32]), i32)> {
	let (cols, shifts) = match shift {
		[_] => (out.len(), shift),
		_ => (cols, shift.get(first / cols.max(1)..).unwrap_or_default()),
	};
	let cols = cols.max(1);
	out.chunks_mut(cols)
		.zip(x.chunks(cols))
		.zip(shifts.iter().copied())
}

/// [`Op::Requantise`] and [`Op::RequantiseWide`] with one shift for the tensor or one for every row.
pub fn requantise(
	rounding: Rounding,
	limit: i32,
	context: &Context,
	x: View<'_>,
	shift: View<'_>,
	to: &mut Out<'_, i8>,
) -> Option<()> {
	let (cols, rows) = (x.cols() as usize, x.rows() as usize);
	let (x, shift) = (x.i32s()?, shift.i32s()?);
	let unit = if shift.len() == 1 { 1 } else { cols };
	if shift.len() != 1 && shift.len() != rows {
		return None;
	}
	match rounding {
		Rounding::HalfUp => {
			let job = HalfUp {
				x,
				shift,
				cols,
				limit,
			};
			to.fill(x.len(), unit, 1, &job)
		}
		Rounding::Keyed => {
			let job = Keyed {
				x,
				shift,
				cols,
				limit,
				key: context.key(),
				origin: to.origin,
			};
			to.fill(x.len(), unit, 3, &job)
		}
	}
}
