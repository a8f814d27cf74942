// SPDX-License-Identifier: Apache-2.0

//! The product in plain code, two columns of C in one 64-bit multiplication.
//!
//! Two values of B ride in one word as `b0 + b1 · 2^32`; a product with one value of A adds to both sums. The low
//! sum's sign has carried into the high half, so the high sum is what remains after the low one is taken off. Exact
//! as long as each sum fits int32. (In wasm this is several times faster than one multiplication for each.)

use super::{Layout, Matrix};
use alloc::vec::Vec;

/// Two rows of `b` in each `b.depth()` words.
pub(super) fn pack(b: Matrix<'_>, to: &mut Vec<i64>) {
	to.clear();
	for row in (0..b.rows).step_by(2) {
		let value = |row: usize, l: usize| match b.layout {
			Layout::ByRow => i64::from(b.data[row * b.depth + l]),
			Layout::ByDepth => i64::from(b.data[l * b.rows + row]),
		};
		if row + 1 < b.rows {
			to.extend((0..b.depth).map(|l| value(row, l) + (value(row + 1, l) << 32)));
		} else {
			to.extend((0..b.depth).map(|l| value(row, l)));
		}
	}
}

/// `a` is row-major; `depth` and `n`, the rows of the packed operand, are not 0.
pub(super) fn multiply(a: &[i8], packed: &[i64], (n, depth): (usize, usize), c: &mut [i32]) {
	for (pair, b) in packed.chunks_exact(depth).enumerate() {
		for (a, c) in a.chunks_exact(depth).zip(c.chunks_exact_mut(n)) {
			let sum = a
				.iter()
				.zip(b)
				.fold(0i64, |sum, (x, y)| sum.wrapping_add(i64::from(*x) * y));
			let low = sum as i32;
			let high = ((sum.wrapping_sub(i64::from(low))) >> 32) as i32;
			for (c, value) in c[2 * pair..].iter_mut().zip([low, high]) {
				*c = value;
			}
		}
	}
}
