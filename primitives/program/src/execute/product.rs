// SPDX-License-Identifier: Apache-2.0

//! Products, on whatever SIMD the processor has and on all of its cores.

use super::{
	buffers::Vectors,
	lanes::{split, Out},
	view::{Slice, View},
};
use core::sync::atomic::{AtomicBool, Ordering};
use poaiw_work::{
	gemm::{magnitude, multiply_rows, Matrix, Packed, Scratch},
	kernel::Kernel,
};

/// Rows that are computed together: panels of all kernels divide it.
pub(crate) const PANEL: usize = 24;

/// The kernel for such vectors.
pub(crate) fn kernel(vectors: Vectors) -> Kernel {
	match vectors {
		Vectors::Widest => Kernel::best(),
		// The kernels are listed slowest first, and the second one has vectors of 256 bits.
		Vectors::Narrow => Kernel::available().nth(1).unwrap_or(Kernel::SCALAR),
		Vectors::Plain => Kernel::SCALAR,
	}
}

/// An operand; a flipped one lies in memory as its transpose.
pub(crate) fn operand(view: View<'_>, flipped: bool) -> Option<Matrix<'_>> {
	let (rows, cols) = (view.rows() as usize, view.cols() as usize);
	match flipped {
		false => Matrix::by_row(view.i8s()?, rows, cols).ok(),
		true => Matrix::by_depth(view.i8s()?, cols, rows).ok(),
	}
}

/// `a · bᵀ` for `a` m × k and `b` n × k; `None` if the sizes don't belong to the operands.
pub fn product(a: View<'_>, b: View<'_>, to: &mut Out<'_, i32>) -> Option<()> {
	let (a, b) = (operand(a, false)?, operand(b, false)?);
	let (m, n, k) = (a.rows(), b.rows(), a.depth());
	if k != b.depth() || n == 0 || to.values.len() != m.checked_mul(n)? {
		return None;
	}
	let mut packed = Packed::default();
	packed.pack(kernel(to.vectors), b, magnitude(a.data())).ok()?;
	let refused = AtomicBool::new(false);
	// A multiply-accumulate takes about an eighth of an addition of words.
	split(to.threads, to.values, PANEL * n, (k / 8).max(1), |first, c| {
		if multiply_rows(&packed, a, first / n, &mut Scratch::default(), c).is_err() {
			refused.store(true, Ordering::Relaxed);
		}
	});
	(!refused.into_inner()).then_some(())
}

/// A thread's memory for stacked products.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
	packed: Packed,
	/// Memory for strips of left operands.
	pub(crate) scratch: Scratch,
}

/// The products of stacked pairs, `groups` of them; flipped operands are stacked transposes.
pub(crate) fn stacked_pairs(
	kernel: Kernel,
	groups: usize,
	[a, b]: [(View<'_>, bool); 2],
	stack: &mut Stack,
	to: &mut [i32],
) -> Option<()> {
	let part = |view: View<'_>| Some((view.i8s()?.len().checked_div(groups)?, view.cols()));
	let ((left, a_cols), (right, b_cols)) = (part(a.0)?, part(b.0)?);
	let area = to.len().checked_div(groups)?;
	let (all_a, all_b) = (a.0.i8s()?, b.0.i8s()?);
	if left == 0 || right == 0 || area == 0 || groups.checked_mul(area)? != to.len() {
		return None;
	}
	let pairs = all_a.chunks_exact(left).zip(all_b.chunks_exact(right));
	for (c, (x, y)) in to.chunks_exact_mut(area).zip(pairs) {
		let x = operand(View::new(a_cols, Slice::I8(x)), a.1)?;
		let y = operand(View::new(b_cols, Slice::I8(y)), b.1)?;
		if x.depth() != y.depth() || x.rows().checked_mul(y.rows())? != area {
			return None;
		}
		stack.packed.pack(kernel, y, magnitude(x.data())).ok()?;
		multiply_rows(&stack.packed, x, 0, &mut stack.scratch, c).ok()?;
	}
	Some(())
}

/// The products of `groups` stacked pairs.
pub fn stacked(groups: u32, a: View<'_>, b: View<'_>, to: &mut Out<'_, i32>) -> Option<()> {
	let (groups, k) = (groups as usize, a.cols() as usize);
	let (left, right) = (
		a.i8s()?.len().checked_div(groups)?,
		b.i8s()?.len().checked_div(groups)?,
	);
	let area = to.values.len().checked_div(groups)?;
	if area == 0 || k != b.cols() as usize {
		return None;
	}
	let kernel = kernel(to.vectors);
	let refused = AtomicBool::new(false);
	split(to.threads, to.values, area, (k / 8).max(1), |first, c| {
		let (group, count) = (first / area, c.len() / area);
		let part = |size: usize| group * size..(group + count) * size;
		let pair = [a.part(part(left)), b.part(part(right))].map(|x| x.map(|x| (x, false)));
		let done = match pair {
			[Some(x), Some(y)] => stacked_pairs(kernel, count, [x, y], &mut Stack::default(), c),
			_ => None,
		};
		if done.is_none() {
			refused.store(true, Ordering::Relaxed);
		}
	});
	(!refused.into_inner()).then_some(())
}
