// SPDX-License-Identifier: Apache-2.0

//! Operations on whole rows of logits and scores.

use super::{
	lanes::{beside, Job, Out},
	view::View,
};
use crate::{
	rows,
	softmax::{attention_gradient, attention_mean, attention_weight, cross_entropy as loss_of, exp2n, tlog2},
};

/// Distance of a logit from the row's maximum.
#[inline(always)]
fn below(max: i32, z: i32) -> u32 {
	max.wrapping_sub(z) as u32
}

struct Gradient<'a> {
	z: &'a [i32],
	labels: &'a [i32],
	e: i32,
	cols: usize,
}

impl Job for Gradient<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (cols, e) = (self.cols.max(1), self.e);
		let z = beside(self.z, first, out.len()).chunks(cols);
		let labels = self.labels.get(first / cols..).unwrap_or_default();
		for ((out, row), label) in out.chunks_mut(cols).zip(z).zip(labels) {
			let max = rows::max(row.iter().copied());
			let mut sum = 0u32;
			for (to, z) in out.iter_mut().zip(row) {
				let term = exp2n(tlog2(below(max, *z), e));
				sum = sum.wrapping_add(term);
				*to = term as i32;
			}
			// As `probability`, whose sum fits a word: there are at most 65,535 terms of at most 2^15.
			let by = rows::Divisor::new(sum as i32);
			for to in &mut *out {
				*to = by.of((*to as u32) << 16) as i32;
			}
			let target = usize::try_from(*label).ok().and_then(|label| out.get_mut(label));
			if let Some(to) = target {
				*to = to.wrapping_sub(65536);
			}
		}
	}
}

/// [`crate::Op::SoftmaxGradient`].
pub fn softmax_gradient(z: View<'_>, labels: View<'_>, e: i32, to: &mut Out<'_, i32>) -> Option<()> {
	let cols = z.cols() as usize;
	let (z, labels) = (z.i32s()?, labels.i32s()?);
	to.fill(z.len(), cols, 8, &Gradient { z, labels, e, cols })
}

struct Loss<'a>(Gradient<'a>);

impl Job for Loss<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (cols, e) = (self.0.cols.max(1), self.0.e);
		let z = self.0.z.get(first.saturating_mul(cols)..).unwrap_or_default();
		let labels = self.0.labels.get(first..).unwrap_or_default();
		for ((to, row), label) in out.iter_mut().zip(z.chunks(cols)).zip(labels) {
			let max = rows::max(row.iter().copied());
			let mut sum = 0u32;
			for z in row {
				sum = sum.wrapping_add(exp2n(tlog2(below(max, *z), e)));
			}
			let of_label = usize::try_from(*label).ok().and_then(|j| row.get(j)).copied();
			*to = loss_of(sum, tlog2(below(max, of_label.unwrap_or(max)), e));
		}
	}
}

/// [`crate::Op::CrossEntropy`].
pub fn cross_entropy(z: View<'_>, labels: View<'_>, e: i32, to: &mut Out<'_, i32>) -> Option<()> {
	let (rows, cols) = (z.rows() as usize, z.cols() as usize);
	let (z, labels) = (z.i32s()?, labels.i32s()?);
	let job = Loss(Gradient { z, labels, e, cols });
	to.fill(rows, 1, cols.saturating_mul(4), &job)
}

struct Attention<'a> {
	z: &'a [i32],
	visible: &'a [i32],
	exponent: &'a [i32],
	cols: usize,
	top: u32,
}

impl Job for Attention<'_> {
	type Out = i8;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i8]) {
		let (cols, top) = (self.cols.max(1), self.top);
		let z = beside(self.z, first, out.len()).chunks(cols);
		let visible = self.visible.get(first / cols..).unwrap_or_default();
		for (i, ((out, row), visible)) in out.chunks_mut(cols).zip(z).zip(visible).enumerate() {
			let e = match self.exponent {
				[e] => Some(e),
				many => many.get(first / cols + i),
			};
			let e = e.copied().unwrap_or_default();
			let seen = row.len().min((*visible).max(0) as usize);
			let (seen, _) = row.split_at(seen);
			let max = rows::max(seen.iter().copied());
			let (weights, hidden) = out.split_at_mut(seen.len());
			for (to, z) in weights.iter_mut().zip(seen) {
				*to = attention_weight(exp2n(tlog2(below(max, *z), e)), top) as i8;
			}
			hidden.fill(0);
		}
	}
}

/// [`crate::Op::Softmax`].
pub fn softmax(
	top: u32,
	z: View<'_>,
	visible: View<'_>,
	exponent: View<'_>,
	to: &mut Out<'_, i8>,
) -> Option<()> {
	let cols = z.cols() as usize;
	let job = Attention {
		z: z.i32s()?,
		visible: visible.i32s()?,
		exponent: exponent.i32s()?,
		cols,
		top,
	};
	to.fill(job.z.len(), cols, 4, &job)
}

struct Backward<'a> {
	p: &'a [i8],
	g: &'a [i32],
	sum: &'a [i32],
	cols: usize,
	limit: i32,
}

impl Job for Backward<'_> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let (cols, len) = (self.cols.max(1), out.len());
		let (p, g) = (
			beside(self.p, first, len).chunks(cols),
			beside(self.g, first, len).chunks(cols),
		);
		let sums = self.sum.get(first / cols..).unwrap_or_default();
		for (((out, p), g), sum) in out.chunks_mut(cols).zip(p).zip(g).zip(sums) {
			let pairs = p.iter().map(|p| i32::from(*p)).zip(g.iter().copied());
			let t: i32 = attention_mean(pairs, *sum, self.limit);
			for ((to, p), g) in out.iter_mut().zip(p).zip(g) {
				*to = attention_gradient(i32::from(*p), *g, t);
			}
		}
	}
}

/// [`crate::Op::SoftmaxBackward`].
pub fn softmax_backward(
	limit: i32,
	p: View<'_>,
	g: View<'_>,
	sum: View<'_>,
	to: &mut Out<'_, i32>,
) -> Option<()> {
	let cols = g.cols() as usize;
	let (p, g, sum) = (p.i8s()?, g.i32s()?, sum.i32s()?);
	let job = Backward {
		p,
		g,
		sum,
		cols,
		limit,
	};
	(p.len() == g.len()).then(|| to.fill(g.len(), cols, 2, &job))?
}
