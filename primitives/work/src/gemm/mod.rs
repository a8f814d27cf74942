// SPDX-License-Identifier: Apache-2.0

//! Exact product of two int8 matrices, `C = A · Bᵀ` into int32, B stored transposed.
//!
//! Exact for all of int8, −128 included, and free of overflow up to k = 131,071.
//!
//! [`gemm_i8`] and its kin take whole buffers. What they are made of saves more: a [`Matrix`] may lie in memory
//! transposed, B is [`Packed`] once, and [`multiply_rows`] multiplies strips of A with it, on as many threads as there
//! are. An A of more bits than a byte has comes in two [`Parts`]; [`multiply_parts`] sums over both at once.

use crate::{
	error::{check_len, Error},
	kernel::Kernel,
};
use alloc::{vec, vec::Vec};

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx2_bytes;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx2_pairs;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx512;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod blocked;
mod matrix;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod octets;
mod packed;
mod scalar;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod simd;

pub use matrix::{magnitude, Layout, Matrix, Parts};
pub use packed::{multiply_parts, multiply_rows, Packed, Scratch};

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
	let (a, b) = operands(a, b, (m, n, k), c)?;
	let mut packed = Packed::default();
	packed.pack(kernel, b, magnitude(a.data()))?;
	multiply_rows(&packed, a, 0, &mut Scratch::default(), c)
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
	let (a, b) = operands(a, b, (m, n, k), c)?;
	if c.is_empty() {
		return Ok(());
	}
	let mut packed = Packed::default();
	packed.pack(Kernel::best(), b, magnitude(a.data()))?;
	// Whole panels of the largest kernel, so that no thread works on fragments.
	let rows = m.div_ceil(threads.max(1)).next_multiple_of(12);
	std::thread::scope(|scope| {
		let packed = &packed;
		let strips = c.chunks_mut(rows * n).enumerate();
		let strips: Vec<_> = strips
			.map(|(number, c)| {
				scope.spawn(move || multiply_rows(packed, a, number * rows, &mut Scratch::default(), c))
			})
			.collect();
		// The lengths are checked, so that only a panic could be an error, and it is handed on.
		strips.into_iter().try_for_each(|strip| match strip.join() {
			Ok(done) => done,
			Err(panic) => std::panic::resume_unwind(panic),
		})
	})
}

type Sizes = (usize, usize, usize);

/// Both operands by row, after a look at the length of C.
fn operands<'a>(
	a: &'a [i8],
	b: &'a [i8],
	(m, n, k): Sizes,
	c: &[i32],
) -> Result<(Matrix<'a>, Matrix<'a>), Error> {
	let operands = (Matrix::by_row(a, m, k)?, Matrix::by_row(b, n, k)?);
	check_len("C", m.saturating_mul(n), c.len())?;
	Ok(operands)
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
mod tests;
