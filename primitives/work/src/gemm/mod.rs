// SPDX-License-Identifier: Apache-2.0

//! Exact product of two int8 matrices, `C = A · Bᵀ` into int32, B stored transposed.
//!
//! Exact for all of int8, −128 included, and free of overflow up to k = 131,071.

use crate::{
	error::{check_len, Error},
	kernel::{Kernel, Kind},
};
use alloc::{vec, vec::Vec};

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx512;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod blocked;
mod scalar;

/// The deepest product whose sums fit int32 for all int8 operands.
pub const MAX_DEPTH: usize = 131_071;

/// `c[i · n + j] = Σ a[i · k + l] · b[j · k + l]` by the fastest code for this machine, on this thread.
///
/// # Errors
/// If a buffer has another length than the sizes say, or k is above [`MAX_DEPTH`].
pub fn gemm_i8(a: &[i8], b: &[i8], m: usize, n: usize, k: usize, c: &mut [i32]) -> Result<(), Error> {
	gemm_i8_with(Kernel::best(), a, b, m, n, k, c)
}

/// As [`gemm_i8`], by a given kernel.
///
/// # Errors
/// As [`gemm_i8`].
pub fn gemm_i8_with(
	kernel: Kernel,
	a: &[i8],
	b: &[i8],
	m: usize,
	n: usize,
	k: usize,
	c: &mut [i32],
) -> Result<(), Error> {
	check(a, b, (m, n, k), c)?;
	multiply(kernel, a, b, (m, n, k), c);
	Ok(())
}

/// As [`gemm_i8`], the rows of C divided among `threads` threads.
///
/// # Errors
/// As [`gemm_i8`].
#[cfg(feature = "std")]
pub fn gemm_i8_parallel(
	a: &[i8],
	b: &[i8],
	m: usize,
	n: usize,
	k: usize,
	c: &mut [i32],
	threads: usize,
) -> Result<(), Error> {
	check(a, b, (m, n, k), c)?;
	if c.is_empty() {
		return Ok(());
	}
	// Whole panels of the largest kernel, so that no thread works on fragments.
	let rows = m.div_ceil(threads.max(1)).next_multiple_of(12);
	let kernel = Kernel::best();
	std::thread::scope(|scope| {
		for (number, c) in c.chunks_mut(rows * n).enumerate() {
			let count = c.len() / n;
			let a = &a[number * rows * k..(number * rows + count) * k];
			scope.spawn(move || multiply(kernel, a, b, (count, n, k), c));
		}
	});
	Ok(())
}

type Sizes = (usize, usize, usize);

fn check(a: &[i8], b: &[i8], (m, n, k): Sizes, c: &[i32]) -> Result<(), Error> {
	if k > MAX_DEPTH {
		return Err(Error::Size {
			name: "k",
			value: k.try_into().unwrap_or(u32::MAX),
			max: MAX_DEPTH as u32,
		});
	}
	check_len("A", m.saturating_mul(k), a.len())?;
	check_len("B", n.saturating_mul(k), b.len())?;
	check_len("C", m.saturating_mul(n), c.len())
}

/// Lengths are checked.
fn multiply(kernel: Kernel, a: &[i8], b: &[i8], sizes: Sizes, c: &mut [i32]) {
	match kernel.0 {
		Kind::Scalar => scalar::multiply(a, b, sizes, c),
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		Kind::Avx2 => blocked::multiply::<avx2::Avx2, 6, 16>(a, b, sizes, c),
		#[cfg(all(feature = "std", target_arch = "x86_64"))]
		Kind::Avx512Vnni => blocked::multiply::<avx512::Vnni, 12, 32>(a, b, sizes, c),
	}
}

/// The whole product in a new buffer.
///
/// # Errors
/// As [`gemm_i8`].
pub fn product(a: &[i8], b: &[i8], m: usize, n: usize, k: usize) -> Result<Vec<i32>, Error> {
	check_len("A", m.saturating_mul(k), a.len())?;
	check_len("B", n.saturating_mul(k), b.len())?;
	let mut c = vec![0; m.saturating_mul(n)];
	gemm_i8(a, b, m, n, k, &mut c)?;
	Ok(c)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn reference(a: &[i8], b: &[i8], (m, n, k): Sizes) -> Vec<i32> {
		let mut c = vec![0; m * n];
		for i in 0..m {
			for j in 0..n {
				c[i * n + j] = (0..k)
					.map(|l| i32::from(a[i * k + l]) * i32::from(b[j * k + l]))
					.sum::<i32>();
			}
		}
		c
	}

	fn all_equal(a: &[i8], b: &[i8], (m, n, k): Sizes) {
		let expected = reference(a, b, (m, n, k));
		for kernel in Kernel::available() {
			// What C held before must not matter.
			let mut c = vec![77; m * n];
			gemm_i8_with(kernel, a, b, m, n, k, &mut c).unwrap();
			assert_eq!(c, expected, "{} {m} {n} {k}", kernel.name());
		}
		let mut c = vec![77; m * n];
		gemm_i8_parallel(a, b, m, n, k, &mut c, 3).unwrap();
		assert_eq!(c, expected, "parallel {m} {n} {k}");
	}

	fn bytes(label: u8, len: usize) -> Vec<i8> {
		(0..len.div_ceil(32))
			.flat_map(|i| poaiw_commitment::hash(&[&[label], &i.to_le_bytes()]))
			.take(len)
			.map(|byte| byte as i8)
			.collect()
	}

	#[test]
	fn all_kernels_should_be_exact_on_extremes() {
		for (m, n, k) in [(13, 33, 131), (1, 1, 1), (12, 32, 1028), (7, 17, 2050)] {
			for x in [-128i8, -127, 127] {
				for y in [-128i8, 127] {
					all_equal(&vec![x; m * k], &vec![y; n * k], (m, n, k));
				}
			}
		}
	}

	#[test]
	fn the_deepest_product_should_be_exact() {
		all_equal(
			&vec![-128; MAX_DEPTH],
			&vec![-128; 3 * MAX_DEPTH],
			(1, 3, MAX_DEPTH),
		);
	}

	#[test]
	fn products_over_several_blocks_should_be_exact() {
		let (m, n, k) = (29, 1100, 1500);
		all_equal(&bytes(1, m * k), &bytes(2, n * k), (m, n, k));
	}

	#[test]
	fn empty_products_should_be_zero() {
		all_equal(&[], &[], (0, 0, 0));
		all_equal(&[], &[], (3, 5, 0));
		all_equal(&[], &[1; 4], (0, 1, 4));
	}

	#[test]
	fn wrong_lengths_should_be_refused() {
		let mut c = [0; 4];
		assert!(gemm_i8(&[1; 3], &[1; 4], 2, 2, 2, &mut c).is_err());
		assert!(gemm_i8(&[1; 4], &[1; 3], 2, 2, 2, &mut c).is_err());
		assert!(gemm_i8(&[1; 4], &[1; 4], 2, 2, 2, &mut c[1..]).is_err());
		assert!(product(&[1; 4], &[1; 4], usize::MAX, 2, 2).is_err());
		let long = vec![0; MAX_DEPTH + 1];
		assert!(gemm_i8(&long, &long, 1, 1, MAX_DEPTH + 1, &mut c[..1]).is_err());
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(48))]

		#[test]
		fn all_kernels_should_agree(m in 1usize..40, n in 1usize..70, k in 1usize..90, label in any::<u8>()) {
			all_equal(&bytes(label, m * k), &bytes(label.wrapping_add(1), n * k), (m, n, k));
		}
	}
}
