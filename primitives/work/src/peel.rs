// SPDX-License-Identifier: Apache-2.0

//! Getting the useful product back from the noisy one.
//!
//! With A' = A + E and B' = B + F, `A·Bᵀ = A'·B'ᵀ − A'·Fᵀ − E·Bᵀ`. Both corrections go through the rank-r factors:
//! `A'·Fᵀ = (A'·R_Fᵀ)·L_Fᵀ` and `E·Bᵀ = L_E·(B·R_Eᵀ)ᵀ`, together 2 · m · n · r multiply-accumulates.
//! All arithmetic is modulo 2^32, in which the wanted product fits.

use crate::{
	error::{check_len, Error},
	noise::Factors,
};
use alloc::{vec, vec::Vec};

/// `data · Rᵀ` for a matrix of `cols` columns: rows × r, the projection of each row on the dense factor's columns.
///
/// # Errors
/// If the rows are narrower than the noise or not whole.
pub fn project(data: &[i8], cols: usize, factors: &Factors) -> Result<Vec<i32>, Error> {
	if cols == 0 || cols < factors.noisy_cols() {
		let expected = factors.noisy_cols() as u64;
		return Err(Error::Length {
			what: "row of the operand",
			expected,
			got: cols as u64,
		});
	}
	let rows = data.len() / cols;
	check_len("operand", rows * cols, data.len())?;
	let r = factors.rank().get();
	let mut out = vec![0i32; rows * r];
	for (sums, row) in out.chunks_exact_mut(r).zip(data.chunks_exact(cols)) {
		for (stripe, values) in factors.stripes().iter().zip(row.chunks_exact(r)) {
			for (value, (x, y, sign)) in values.iter().zip(stripe.columns()) {
				sums[x] = sums[x].wrapping_add(i32::from(*value));
				sums[y] = sums[y].wrapping_add(i32::from(*value) * i32::from(sign));
			}
		}
	}
	Ok(out)
}

/// Takes the noise off: `product` (m × n) is A'·B'ᵀ and becomes A·Bᵀ.
///
/// `noisy_a` is A' (m × cols), `b` the transposed B *without* noise (n × cols).
///
/// # Errors
/// If a buffer does not belong to the sizes, or the factors were made for fewer rows.
pub fn peel(
	product: &mut [i32],
	noisy_a: &[i8],
	b: &[i8],
	cols: usize,
	factors_a: &Factors,
	factors_b: &Factors,
) -> Result<(), Error> {
	let a_side = project(noisy_a, cols, factors_b)?;
	let b_side = project(b, cols, factors_a)?;
	let (m, n) = (noisy_a.len() / cols, b.len() / cols);
	check_len("product", m.saturating_mul(n), product.len())?;
	let r = factors_a.rank().get();
	check_len("stripe of B's noise", r, factors_b.rank().get())?;
	for (what, rows, factors) in [("row of A", m, factors_a), ("row of B", n, factors_b)] {
		if factors.rows() < rows {
			return Err(Error::OutOfRange {
				what,
				value: rows as u32,
				count: factors.rows() as u32,
			});
		}
	}
	if n == 0 {
		return Ok(());
	}
	let rows_a = a_side.chunks_exact(r).zip(factors_a.left().chunks_exact(r));
	for (row, (a, left_a)) in product.chunks_exact_mut(n).zip(rows_a) {
		let rows_b = b_side.chunks_exact(r).zip(factors_b.left().chunks_exact(r));
		for (value, (b, left_b)) in row.iter_mut().zip(rows_b) {
			let noise = dot(a, left_b).wrapping_add(dot(b, left_a));
			*value = value.wrapping_sub(noise);
		}
	}
	Ok(())
}

fn dot(sums: &[i32], left: &[i8]) -> i32 {
	sums.iter()
		.zip(left)
		.fold(0, |all, (x, y)| all.wrapping_add(x.wrapping_mul(i32::from(*y))))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{dims::Rank, gemm::product, operand::Operand};
	use proptest::prelude::*;

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(12))]

		#[test]
		fn the_peeled_product_should_be_the_plain_one(
			rank in prop_oneof![Just(Rank::ALL[0]), Just(Rank::ALL[1]), Just(Rank::ALL[2])],
			m in 1u32..40, n in 1u32..40, k in 1u32..2600, extreme in any::<bool>(), seed in any::<[u8; 32]>(),
		) {
			let data = |label: &[u8], len: u32| -> Vec<i8> {
				(0..len)
					.map(|i| poaiw_commitment::hash(&[label, &seed, &(i / 32).to_le_bytes()])[i as usize % 32])
					.map(|x| if extreme { if x & 1 == 1 { 63 } else { -63 } } else { (x % 127) as i8 - 63 })
					.collect()
			};
			let (a, b) = (data(b"a", m * k), data(b"b", n * k));
			let (a, b) = (Operand::new(&a, m, k).unwrap(), Operand::new(&b, n, k).unwrap());
			let cols = a.padded_cols();
			let windows = (cols / rank.window()) as u32;
			let factors_a = Factors::new(&seed, a.padded_rows() as u32, windows, rank);
			let factors_b = Factors::new(&[1; 32], b.padded_rows() as u32, windows, rank);
			let (noisy_a, noisy_b) = (factors_a.noisy(&a).unwrap(), factors_b.noisy(&b).unwrap());
			prop_assert!(noisy_a.iter().chain(&noisy_b).all(|x| *x > -128));
			let (rows_a, rows_b) = (a.padded_rows(), b.padded_rows());
			let mut c = product(&noisy_a, &noisy_b, rows_a, rows_b, cols).unwrap();
			let plain = product(&a.padded(), &b.padded(), rows_a, rows_b, cols).unwrap();
			prop_assert!(windows == 0 || c != plain);
			peel(&mut c, &noisy_a, &b.padded(), cols, &factors_a, &factors_b).unwrap();
			prop_assert_eq!(c, plain);
		}
	}

	#[test]
	fn sizes_that_do_not_fit_should_be_refused() {
		let rank = Rank::ALL[0];
		let factors = Factors::new(&[1; 32], 16, 1, rank);
		let few = Factors::new(&[1; 32], 8, 1, rank);
		let other = Factors::new(&[1; 32], 16, 1, Rank::ALL[1]);
		let data = vec![0i8; 16 * 1024];
		let mut c = vec![0; 256];
		assert!(peel(&mut c, &data, &data, 1024, &factors, &factors).is_ok());
		assert!(peel(&mut c[1..], &data, &data, 1024, &factors, &factors).is_err());
		assert!(peel(&mut c, &data, &data, 256, &factors, &factors).is_err());
		assert!(peel(&mut c, &data[1..], &data, 1024, &factors, &factors).is_err());
		assert!(peel(&mut c, &data, &data, 1024, &few, &factors).is_err());
		assert!(peel(&mut c, &data, &data, 1024, &factors, &other).is_err());
		assert!(project(&data, 0, &factors).is_err());
	}
}
