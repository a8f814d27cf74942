// SPDX-License-Identifier: Apache-2.0

//! Products, on whatever SIMD the processor has and on all of its cores.

use super::lanes::{split, Buffers, Vectors};
use crate::tensor::Tensor;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use poaiw_work::{gemm::gemm_i8_with, kernel::Kernel};

/// Rows that a core takes at once: panels of the kernels have 6 or 12.
const PANEL: usize = 12;

fn kernel(to: &Buffers) -> Kernel {
	match to.vectors() {
		Vectors::Widest => Kernel::best(),
		// The kernels are listed slowest first, and the second one has vectors of 256 bits.
		Vectors::Narrow => Kernel::available().nth(1).unwrap_or(Kernel::SCALAR),
		Vectors::Plain => Kernel::SCALAR,
	}
}

/// `a · bᵀ` for `a` m × k and `b` n × k; `None` if the sizes don't belong to the operands.
pub fn product(a: &Tensor, b: &Tensor, to: &mut Buffers) -> Option<Vec<i32>> {
	let (m, n, k) = (a.rows() as usize, b.rows() as usize, a.cols() as usize);
	let (a, b) = (a.i8s()?, b.i8s()?);
	let fits = a.len() == m.checked_mul(k)? && b.len() == n.checked_mul(k)?;
	if !fits || n == 0 {
		return None;
	}
	let (kernel, threads) = (kernel(to), to.threads());
	let refused = AtomicBool::new(false);
	let mut c = to.any(m.checked_mul(n)?);
	// Every core packs all of `b` for itself, hence one part for each.
	let unit = m.div_ceil(PANEL).div_ceil(threads) * PANEL * n;
	// A multiply-accumulate takes about an eighth of an addition of words.
	split(threads, &mut c, unit, (k / 8).max(1), |first, c| {
		let (row, rows) = (first / n, c.len() / n);
		let part = a.get(row * k..(row + rows) * k).unwrap_or_default();
		if gemm_i8_with(kernel, part, b, rows, n, k, c).is_err() {
			refused.store(true, Ordering::Relaxed);
		}
	});
	(!refused.into_inner()).then_some(c)
}

/// The products of `groups` stacked pairs.
pub fn stacked(groups: u32, a: &Tensor, b: &Tensor, to: &mut Buffers) -> Option<Vec<i32>> {
	let (groups, k) = (groups as usize, a.cols() as usize);
	let m = (a.rows() as usize).checked_div(groups)?;
	let n = (b.rows() as usize).checked_div(groups)?;
	let (a, b) = (a.i8s()?, b.i8s()?);
	let (left, right, area) = (m.checked_mul(k)?, n.checked_mul(k)?, m.checked_mul(n)?);
	let fits = a.len() == groups.checked_mul(left)? && b.len() == groups.checked_mul(right)?;
	if !fits || area == 0 {
		return None;
	}
	let (kernel, threads) = (kernel(to), to.threads());
	let refused = AtomicBool::new(false);
	let mut c = to.any(groups.checked_mul(area)?);
	split(threads, &mut c, area, (k / 8).max(1), |first, c| {
		let group = first / area;
		let a = a.get(group * left..).unwrap_or_default().chunks(left.max(1));
		let b = b.get(group * right..).unwrap_or_default().chunks(right.max(1));
		for ((c, a), b) in c.chunks_mut(area).zip(a).zip(b) {
			if gemm_i8_with(kernel, a, b, m, n, k, c).is_err() {
				refused.store(true, Ordering::Relaxed);
			}
		}
	});
	(!refused.into_inner()).then_some(c)
}
