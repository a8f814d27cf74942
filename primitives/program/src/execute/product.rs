// SPDX-License-Identifier: Apache-2.0

//! The product, on whatever SIMD the processor has.

use alloc::{vec, vec::Vec};
use poaiw_work::gemm::gemm_i8;

/// `a · bᵀ` for `a` m × k and `b` n × k; `None` if the sizes don't belong to the operands.
pub fn product(a: &[i8], b: &[i8], m: u32, n: u32, k: u32) -> Option<Vec<i32>> {
	let (m, n, k) = (m as usize, n as usize, k as usize);
	let mut c = vec![0i32; m.checked_mul(n)?];
	gemm_i8(a, b, m, n, k, &mut c).ok()?;
	Some(c)
}
