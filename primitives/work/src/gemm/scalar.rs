// SPDX-License-Identifier: Apache-2.0

//! The product in plain code, two columns of C in one 64-bit multiplication.
//!
//! Two values of B ride in one word as `b0 + b1 · 2^32`; a product with one value of A adds to both sums. The low
//! sum's sign has carried into the high half, so the high sum is what remains after the low one is taken off. Exact
//! as long as each sum fits int32. (In wasm this is several times faster than one multiplication for each.)

use super::Sizes;
use alloc::vec::Vec;

pub(super) fn multiply(a: &[i8], b: &[i8], (m, n, k): Sizes, c: &mut [i32]) {
	c.fill(0);
	if m == 0 || n == 0 || k == 0 {
		return;
	}
	for (pair, rows) in b.chunks(2 * k).enumerate() {
		let (first, second) = rows.split_at(k);
		// An odd last row has no partner: zeros ride along.
		let packed: Vec<i64> = (0..k)
			.map(|l| i64::from(first[l]) + (i64::from(second.get(l).copied().unwrap_or(0)) << 32))
			.collect();
		for (a, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)) {
			let sum = a
				.iter()
				.zip(&packed)
				.fold(0i64, |sum, (x, y)| sum.wrapping_add(i64::from(*x) * y));
			let low = sum as i32;
			let high = ((sum.wrapping_sub(i64::from(low))) >> 32) as i32;
			for (c, value) in c[2 * pair..].iter_mut().zip([low, high]) {
				*c = value;
			}
		}
	}
}
