// SPDX-License-Identifier: Apache-2.0

//! Normalisation, centring and division of whole rows.

use super::{
	lanes::{beside, Job, Out},
	view::View,
};
use crate::{
	normalise::{alignment, mean, projection, rms_norm_gradient, Rms, Width},
	op::Op,
	rows,
};

/// Operations of rows with an `i32` output; `None` if the inputs don't fit, or it is none of them.
pub fn words(op: &Op, inputs: &[View<'_>], to: &mut Out<'_, i32>) -> Option<()> {
	match (op, inputs) {
		(&Op::RowDivide { shift }, [x, divisor]) => {
			let job = Divided {
				x: x.i32s()?,
				divisor: divisor.i32s()?,
				cols: x.cols() as usize,
				shift,
			};
			to.fill(job.x.len(), job.cols, 2, &job)
		}
		(Op::RmsNorm, [x]) => {
			let job = Norm {
				width: Width::of(x.cols()),
				x: x.i32s()?,
			};
			to.fill(job.x.len(), x.cols() as usize, 4, &job)
		}
		(Op::RmsFactor | Op::RmsExponent, [x]) => {
			let job = Scale {
				exponent: matches!(op, Op::RmsExponent),
				width: Width::of(x.cols()),
				x: x.i32s()?,
			};
			to.fill(x.rows() as usize, 1, (x.cols() as usize).saturating_mul(2), &job)
		}
		(&Op::RmsNormGradient { bits }, [g, y, factor, exponent, largest]) => {
			let job = NormGradient {
				g: g.i32s()?,
				y: y.i32s()?,
				factor: factor.i32s()?,
				exponent: exponent.i32s()?,
				largest: largest.scalar()?,
				cols: g.cols() as usize,
				bits,
			};
			(job.g.len() == job.y.len()).then(|| to.fill(job.g.len(), job.cols, 4, &job))?
		}
		(Op::Centre, [x]) => {
			let cols = x.cols() as usize;
			let x = x.i32s()?;
			to.fill(x.len(), cols, 2, &Centred { x, cols })
		}
		_ => None,
	}
}

struct Divided<'a> {
	x: &'a [i32],
	divisor: &'a [i32],
	cols: usize,
	shift: u32,
}

impl Job for Divided<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (cols, shift) = (self.cols.max(1), self.shift & 31);
		let x = beside(self.x, first, out.len()).chunks(cols);
		let divisors = self.divisor.get(first / cols..).unwrap_or_default();
		for ((out, x), divisor) in out.chunks_mut(cols).zip(x).zip(divisors) {
			let by = rows::Divisor::new(*divisor);
			for (to, x) in out.iter_mut().zip(x) {
				*to = by.quotient(*x << shift);
			}
		}
	}
}

#[inline(always)]
fn rms(width: &Width, row: &[i32]) -> Rms {
	Rms::of(width, rows::largest(row.iter().copied()), row.iter().copied())
}

struct Norm<'a> {
	x: &'a [i32],
	width: Width,
}

impl Job for Norm<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.width.cols as usize;
		let x = beside(self.x, first, out.len()).chunks(cols);
		for (out, row) in out.chunks_mut(cols).zip(x) {
			let rms = rms(&self.width, row);
			for (to, x) in out.iter_mut().zip(row) {
				*to = rms.normalised(*x);
			}
		}
	}
}

/// Factor or exponent of every row.
struct Scale<'a> {
	x: &'a [i32],
	width: Width,
	exponent: bool,
}

impl Job for Scale<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.width.cols as usize;
		let x = self.x.get(first.saturating_mul(cols)..).unwrap_or_default();
		for (to, row) in out.iter_mut().zip(x.chunks(cols)) {
			let rms = rms(&self.width, row);
			*to = if self.exponent { rms.exponent() } else { rms.factor };
		}
	}
}

struct NormGradient<'a> {
	g: &'a [i32],
	y: &'a [i32],
	factor: &'a [i32],
	exponent: &'a [i32],
	largest: i32,
	cols: usize,
	bits: u32,
}

impl Job for NormGradient<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (cols, len) = (self.cols.max(1), out.len());
		let (g, y) = (
			beside(self.g, first, len).chunks(cols),
			beside(self.y, first, len).chunks(cols),
		);
		let factor = self.factor.get(first / cols..).unwrap_or_default();
		let exponent = self.exponent.get(first / cols..).unwrap_or_default();
		let scales = factor.iter().zip(exponent);
		for (((out, g), y), (factor, exponent)) in out.chunks_mut(cols).zip(g).zip(y).zip(scales) {
			let pairs = g.iter().copied().zip(y.iter().copied());
			let t: i32 = projection(pairs, cols as u32, self.bits);
			let by = alignment(self.largest, *exponent);
			for ((to, g), y) in out.iter_mut().zip(g).zip(y) {
				*to = rms_norm_gradient(*g, *y, t, *factor, by);
			}
		}
	}
}

struct Centred<'a> {
	x: &'a [i32],
	cols: usize,
}

impl Job for Centred<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.cols.max(1);
		let x = beside(self.x, first, out.len()).chunks(cols);
		for (out, row) in out.chunks_mut(cols).zip(x) {
			let mean = mean(row.iter().copied(), cols as u32);
			for (to, x) in out.iter_mut().zip(row) {
				*to = x.wrapping_sub(mean);
			}
		}
	}
}
