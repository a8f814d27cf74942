// SPDX-License-Identifier: Apache-2.0

//! Low-rank noise. For each operand `noise = L · R`:
//!
//! - `L` is dense, one row of r values in [-32, 31] for each operand row;
//! - `R` is sparse: column l of a stripe of r columns takes `L[:, π(l)] + sign(l) · L[:, π(l + 1 mod r)]`.
//!
//! The product of a stripe's signs is −1, which makes its r × r factor invertible (determinant ±2), so the noise
//! of every stripe has full rank r. |noise| ≤ 64: int7 data plus noise fits int8 without clipping.

use crate::{
	dims::{Rank, MAX_RANK, STRIPES, TILE},
	error::{check_len, Error},
	operand::Operand,
	stream,
};
use alloc::{vec, vec::Vec};
use poaiw_commitment::{keyed_hash_many, Hash32, ZERO_HASH};

/// The sparse factor of one stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripe {
	rank: Rank,
	pi: [u8; MAX_RANK],
	sign: [i8; MAX_RANK],
}

impl Stripe {
	/// The permutation π, r entries.
	pub fn pi(&self) -> &[u8] {
		&self.pi[..self.rank.get()]
	}

	/// The signs, r entries of ±1.
	pub fn sign(&self) -> &[i8] {
		&self.sign[..self.rank.get()]
	}

	/// For each column: index of the first and of the second column of `L`, and the sign of the second.
	pub fn columns(&self) -> impl Iterator<Item = (usize, usize, i8)> + '_ {
		let next = self.pi().iter().skip(1).chain(self.pi().first());
		self.pi()
			.iter()
			.zip(next)
			.zip(self.sign())
			.map(|((x, y), s)| (*x as usize, *y as usize, *s))
	}

	/// Adds the noise of one row to the r values of one stripe: `values[l] += noise[l]`.
	fn add(&self, left: &LeftRow, values: &mut [i8]) {
		// Indices are below the rank; the mask says so to the compiler, which then needs no check for each.
		const MASK: usize = MAX_RANK - 1;
		for (value, (x, y, sign)) in values.iter_mut().zip(self.columns()) {
			let noise = left[x & MASK].wrapping_add(sign.wrapping_mul(left[y & MASK]));
			*value = value.wrapping_add(noise);
		}
	}
}

/// One row of the dense factor, filled up with zeros.
type LeftRow = [i8; MAX_RANK];

fn widen(left: &[i8]) -> LeftRow {
	let mut out = [0; MAX_RANK];
	for (to, value) in out.iter_mut().zip(left) {
		*to = *value;
	}
	out
}

/// Adds the noise of whole rows (each of `cols` values) from some rows of the dense factor and some stripes.
fn add_rows(rank: Rank, left: &[i8], stripes: &[Stripe], cols: usize, data: &mut [i8]) {
	for (row, left) in data.chunks_exact_mut(cols).zip(left.chunks_exact(rank.get())) {
		let left = widen(left);
		for (stripe, values) in stripes.iter().zip(row.chunks_exact_mut(rank.get())) {
			stripe.add(&left, values);
		}
	}
}

/// One row of the dense factor: r values in [-32, 31].
pub fn left_row(seed: &Hash32, row: u32, rank: Rank) -> Vec<i8> {
	left_rows(seed, row, 1, rank)
}

/// `count` rows of the dense factor from `first` on, row-major.
pub fn left_rows(seed: &Hash32, first: u32, count: u32, rank: Rank) -> Vec<i8> {
	let per_row = rank.get() / 32;
	let total = count as usize * per_row;
	let mut hashes = vec![ZERO_HASH; total];
	for (batch, places) in hashes.chunks_mut(64).enumerate() {
		let mut inputs = [[b'L'; 9]; 64];
		for (i, input) in inputs.iter_mut().enumerate().take(places.len()) {
			let number = batch * 64 + i;
			let row = first.wrapping_add((number / per_row) as u32);
			input[1..5].copy_from_slice(&row.to_le_bytes());
			input[5..].copy_from_slice(&((number % per_row) as u32).to_le_bytes());
		}
		keyed_hash_many(seed, inputs.iter().map(|x| x.as_slice()), places);
	}
	hashes
		.as_flattened()
		.iter()
		.map(|byte| (byte & 63) as i8 - 32)
		.collect()
}

/// The sparse factor of stripe number `stripe` (counted over all windows).
pub fn right_stripe(seed: &Hash32, stripe: u32, rank: Rank) -> Stripe {
	let r = rank.get();
	let mut raw = [0u8; 2 * MAX_RANK + MAX_RANK / 8];
	stream::fill(seed, b'R', stripe, 0, &mut raw[..2 * r + r / 8]);
	let mut pi: [u8; MAX_RANK] = core::array::from_fn(|i| i as u8);
	for i in (1..r).rev() {
		let word = u16::from_le_bytes([raw[2 * i], raw[2 * i + 1]]) as usize;
		pi.swap(i, word % (i + 1));
	}
	let mut sign = [1i8; MAX_RANK];
	let mut negative = 0u32;
	for (l, sign) in sign.iter_mut().enumerate().take(r) {
		if raw[2 * r + l / 8] >> (l % 8) & 1 == 1 {
			*sign = -1;
			negative += 1;
		}
	}
	if negative.is_multiple_of(2) {
		sign[r - 1] = -sign[r - 1];
	}
	Stripe { rank, pi, sign }
}

/// Adds the noise of 16 rows (from `row0`) × one window to a window block.
///
/// # Errors
/// [`Error::Length`] if `block` is not 16 × 16 r.
pub fn add_to_block(
	seed: &Hash32,
	row0: u32,
	window: u32,
	rank: Rank,
	block: &mut [i8],
) -> Result<(), Error> {
	check_len("window block", rank.block(), block.len())?;
	let left = left_rows(seed, row0, TILE as u32, rank);
	let first = window.wrapping_mul(STRIPES as u32);
	let stripes: [Stripe; STRIPES] =
		core::array::from_fn(|t| right_stripe(seed, first.wrapping_add(t as u32), rank));
	add_rows(rank, &left, &stripes, rank.window(), block);
	Ok(())
}

/// The noise of 16 rows × one window, row-major.
pub fn block(seed: &Hash32, row0: u32, window: u32, rank: Rank) -> Vec<i8> {
	let mut out = vec![0; rank.block()];
	// The length is right by construction.
	let _ = add_to_block(seed, row0, window, rank, &mut out);
	out
}

/// Both factors of the noise of a whole operand.
#[derive(Clone, Debug)]
pub struct Factors {
	rank: Rank,
	left: Vec<i8>,
	stripes: Vec<Stripe>,
}

impl Factors {
	/// Factors for `rows` rows (padding rows included, if they are to carry noise) and `windows` windows.
	pub fn new(seed: &Hash32, rows: u32, windows: u32, rank: Rank) -> Self {
		let stripes = windows.saturating_mul(STRIPES as u32);
		Self {
			rank,
			left: left_rows(seed, 0, rows, rank),
			stripes: (0..stripes)
				.map(|stripe| right_stripe(seed, stripe, rank))
				.collect(),
		}
	}

	/// The noise rank.
	pub fn rank(&self) -> Rank {
		self.rank
	}

	/// Number of rows.
	pub fn rows(&self) -> usize {
		self.left.len() / self.rank.get()
	}

	/// The dense factor, rows × r.
	pub fn left(&self) -> &[i8] {
		&self.left
	}

	/// The sparse factor, stripe by stripe.
	pub fn stripes(&self) -> &[Stripe] {
		&self.stripes
	}

	/// Columns that carry noise.
	pub fn noisy_cols(&self) -> usize {
		self.stripes.len() * self.rank.get()
	}

	/// Adds the noise to a row-major matrix of `cols` columns, row i of which is operand row `first_row + i`.
	/// Columns after the last whole window stay as they are.
	///
	/// # Errors
	/// If the matrix is narrower than the noise, is not made of whole rows, or has rows without factors.
	pub fn add_to(&self, data: &mut [i8], cols: usize, first_row: usize) -> Result<(), Error> {
		if cols < self.noisy_cols() || cols == 0 {
			return Err(Error::Length {
				what: "row of the operand",
				expected: self.noisy_cols() as u64,
				got: cols as u64,
			});
		}
		let rows = data.len() / cols;
		check_len("operand", rows * cols, data.len())?;
		let left = self
			.left
			.get(first_row * self.rank.get()..(first_row + rows) * self.rank.get())
			.ok_or(Error::OutOfRange {
				what: "row",
				value: (first_row + rows).saturating_sub(1) as u32,
				count: self.rows() as u32,
			})?;
		add_rows(self.rank, left, &self.stripes, cols, data);
		Ok(())
	}

	/// Adds the noise of 16 rows × one window to a window block, as [`add_to_block`] does.
	///
	/// # Errors
	/// If the block is not 16 × 16 r, or the factors do not reach that far.
	pub fn add_to_window(&self, tile: u32, window: u32, block: &mut [i8]) -> Result<(), Error> {
		check_len("window block", self.rank.block(), block.len())?;
		let r = self.rank.get();
		let (rows, stripes) = (tile as usize * TILE * r, window as usize * STRIPES);
		let left = self.left.get(rows..rows + TILE * r).ok_or(Error::OutOfRange {
			what: "tile",
			value: tile,
			count: (self.rows() / TILE) as u32,
		})?;
		let right = self
			.stripes
			.get(stripes..stripes + STRIPES)
			.ok_or(Error::OutOfRange {
				what: "window",
				value: window,
				count: (self.stripes.len() / STRIPES) as u32,
			})?;
		add_rows(self.rank, left, right, self.rank.window(), block);
		Ok(())
	}

	/// The operand padded to whole tiles and commitment blocks, with noise: the matrix that is multiplied.
	/// Row-major; as many columns as [`crate::dims::Dims::padded_k`] says.
	///
	/// # Errors
	/// If the factors were made for fewer rows than the padded operand has, or for more columns.
	pub fn noisy(&self, operand: &Operand<'_>) -> Result<Vec<i8>, Error> {
		let mut out = operand.padded();
		self.add_to(&mut out, operand.padded_cols(), 0)?;
		Ok(out)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// Rank of a small integer matrix over a prime field.
	fn rank_mod_p(mut rows: Vec<Vec<i64>>) -> usize {
		const P: i64 = 2_147_483_647;
		let power = |mut base: i64, mut exponent: i64| {
			let mut out = 1i64;
			while exponent > 0 {
				if exponent & 1 == 1 {
					out = (out as i128 * base as i128 % P as i128) as i64;
				}
				base = (base as i128 * base as i128 % P as i128) as i64;
				exponent >>= 1;
			}
			out
		};
		let cols = rows[0].len();
		let mut rank = 0;
		for col in 0..cols {
			let Some(pivot) = (rank..rows.len()).find(|i| rows[*i][col].rem_euclid(P) != 0) else {
				continue;
			};
			rows.swap(rank, pivot);
			let inverse = power(rows[rank][col].rem_euclid(P), P - 2);
			let top = rows[rank].clone();
			for row in rows.iter_mut().skip(rank + 1) {
				let factor = (row[col].rem_euclid(P) as i128 * inverse as i128 % P as i128) as i64;
				for (x, y) in row.iter_mut().zip(&top) {
					*x = ((*x as i128 - factor as i128 * *y as i128).rem_euclid(P as i128)) as i64;
				}
			}
			rank += 1;
		}
		rank
	}

	#[test]
	fn the_sparse_factor_should_be_invertible_and_a_permutation() {
		for rank in Rank::ALL {
			for number in 0..8 {
				let stripe = right_stripe(&[3; 32], number, rank);
				let mut seen = stripe.pi().to_vec();
				seen.sort_unstable();
				assert_eq!(seen, (0..rank.get() as u8).collect::<Vec<_>>());
				assert_eq!(stripe.sign().iter().map(|s| i32::from(*s)).product::<i32>(), -1);
				let mut factor = vec![vec![0i64; rank.get()]; rank.get()];
				for (l, (x, y, sign)) in stripe.columns().enumerate() {
					factor[x][l] += 1;
					factor[y][l] += i64::from(sign);
				}
				assert_eq!(rank_mod_p(factor), rank.get());
			}
		}
	}

	#[test]
	fn noise_should_stay_in_its_range_and_reach_both_ends() {
		let (mut low, mut high) = (0, 0);
		for rank in Rank::ALL {
			for value in (0..16).flat_map(|row| block(&[5; 32], 16 * row, row, rank)) {
				low = low.min(value);
				high = high.max(value);
			}
		}
		assert_eq!((low, high), (-64, 63));
	}

	#[test]
	fn whole_operand_noise_should_equal_the_noise_of_its_blocks() {
		let rank = Rank::ALL[1];
		let width = rank.window();
		let factors = Factors::new(&[8; 32], 32, 2, rank);
		let cols = 2 * width + 512;
		let mut data = vec![1i8; 32 * cols];
		factors.add_to(&mut data, cols, 0).unwrap();
		for tile in 0..2u32 {
			for window in 0..2u32 {
				let mut expected = vec![1i8; rank.block()];
				let mut same = expected.clone();
				add_to_block(&[8; 32], 16 * tile, window, rank, &mut expected).unwrap();
				factors.add_to_window(tile, window, &mut same).unwrap();
				assert_eq!(same, expected);
				for (i, row) in expected.chunks_exact(width).enumerate() {
					let start = (tile as usize * 16 + i) * cols + window as usize * width;
					assert_eq!(&data[start..start + width], row);
				}
			}
		}
		assert!(data
			.chunks_exact(cols)
			.all(|row| row[2 * width..].iter().all(|x| *x == 1)));
	}

	#[test]
	fn sizes_that_do_not_fit_should_be_refused() {
		let rank = Rank::ALL[0];
		let factors = Factors::new(&[8; 32], 16, 1, rank);
		assert!(factors.add_to(&mut [0; 511], 511, 0).is_err());
		assert!(factors.add_to(&mut [0; 513], 512, 0).is_err());
		assert!(factors.add_to(&mut vec![0; 512 * 17], 512, 0).is_err());
		assert!(factors.add_to(&mut vec![0; 512], 512, 16).is_err());
		assert!(factors.add_to_window(1, 0, &mut vec![0; rank.block()]).is_err());
		assert!(factors.add_to_window(0, 1, &mut vec![0; rank.block()]).is_err());
		assert!(add_to_block(&[8; 32], 0, 0, rank, &mut [0; 3]).is_err());
	}
}
