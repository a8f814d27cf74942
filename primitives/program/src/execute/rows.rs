// SPDX-License-Identifier: Apache-2.0

//! Operations on whole rows of logits.

use crate::softmax::{cross_entropy as loss_of, exp2n, probability, tlog2};
use alloc::vec::Vec;

/// Distance of a logit from the row's maximum.
fn below(max: i32, z: i32) -> u32 {
	max.wrapping_sub(z) as u32
}

fn maximum(row: &[i32]) -> i32 {
	row.iter().copied().max().unwrap_or_default()
}

/// [`crate::Op::SoftmaxGradient`].
pub fn softmax_gradient(z: &[i32], labels: &[i32], e: i32, cols: u32) -> Vec<i32> {
	let mut out = Vec::with_capacity(z.len());
	let mut terms = Vec::with_capacity(cols as usize);
	for (row, label) in z.chunks((cols as usize).max(1)).zip(labels) {
		let max = maximum(row);
		terms.clear();
		terms.extend(row.iter().map(|z| exp2n(tlog2(below(max, *z), e))));
		let sum = terms.iter().fold(0u32, |a, x| a.wrapping_add(*x));
		out.extend((0i32..).zip(&terms).map(|(j, term)| {
			let target = if j == *label { 65536 } else { 0 };
			probability(*term, sum).wrapping_sub(target)
		}));
	}
	out
}

/// [`crate::Op::CrossEntropy`].
pub fn cross_entropy(z: &[i32], labels: &[i32], e: i32, cols: u32) -> Vec<i32> {
	let per_row = z.chunks((cols as usize).max(1)).zip(labels);
	per_row
		.map(|(row, label)| {
			let max = maximum(row);
			let sum = row
				.iter()
				.fold(0u32, |a, z| a.wrapping_add(exp2n(tlog2(below(max, *z), e))));
			let of_label = usize::try_from(*label).ok().and_then(|j| row.get(j)).copied();
			loss_of(sum, tlog2(below(max, of_label.unwrap_or(max)), e))
		})
		.collect()
}
