// SPDX-License-Identifier: Apache-2.0

//! How outputs are filled: on all cores, and with the widest SIMD that the processor has.
//!
//! A [`Job`] computes any part of an output. The crate is built for a plain processor; the same loop, compiled for wider
//! vectors, runs where the processor has them. Integers are exact, so that neither choice changes a bit.
//!
//! Unsafe: the calls of functions that are compiled for a processor's features, after a look at the processor.

use super::buffers::{Item, Vectors};

/// Something that computes any part of an output.
///
/// Implementations of `run` are `#[inline(always)]`: only what is inlined is compiled for the wider vectors.
pub trait Job: Sync {
	/// Element type of the output.
	type Out: Item;
	/// Computes elements `first..first + out.len()`.
	fn run(&self, first: usize, out: &mut [Self::Out]);
}

/// Weighted elements below which a second core costs more time than it saves.
#[cfg(feature = "std")]
const GRAIN: usize = 1 << 17;

/// Where an output is written, and how.
pub struct Out<'a, T> {
	/// The elements, all of which are written.
	pub values: &'a mut [T],
	/// Number of the first element in the whole output, on which keyed random bits depend.
	pub origin: usize,
	/// With which vectors.
	pub vectors: Vectors,
	/// How many parts may be computed at once.
	pub threads: usize,
}

impl<T: Item> Out<'_, T> {
	/// Fills the output by a job; `None` if the job's output has another length. Parts begin at multiples of `unit`;
	/// `weight` is the work on one element, 1 for an addition.
	pub fn fill<J: Job<Out = T>>(&mut self, len: usize, unit: usize, weight: usize, job: &J) -> Option<()> {
		if len != self.values.len() {
			return None;
		}
		let vectors = self.vectors;
		split(self.threads, self.values, unit, weight, |first, part| {
			run(vectors, job, first, part);
		});
		Some(())
	}
}

/// Calls `f` for parts of `out` that begin at multiples of `unit`, on several threads if the work is worth it.
pub fn split<T: Send>(
	threads: usize,
	out: &mut [T],
	unit: usize,
	weight: usize,
	f: impl Fn(usize, &mut [T]) + Sync,
) {
	#[cfg(feature = "std")]
	{
		use rayon::prelude::*;
		let unit = unit.max(1);
		if threads > 1 && out.len().saturating_mul(weight) >= GRAIN && out.len() > unit {
			// Two parts for each core: other work on the machine delays one of them less than a half.
			let part = out
				.len()
				.div_ceil(unit)
				.div_ceil(2 * threads)
				.saturating_mul(unit);
			let parts = out.par_chunks_mut(part).enumerate();
			parts.for_each(|(n, out)| f(n.saturating_mul(part), out));
			return;
		}
	}
	let _ = (threads, unit, weight);
	f(0, out);
}

/// Runs a job with the vectors that are wanted and that there are.
fn run<J: Job>(vectors: Vectors, job: &J, first: usize, out: &mut [J::Out]) {
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	{
		use std::is_x86_feature_detected as has;
		let wide =
			has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
		if vectors == Vectors::Widest && wide {
			// SAFETY: the processor has the features.
			return unsafe { avx512(job, first, out) };
		}
		if vectors != Vectors::Plain && has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") {
			// SAFETY: the processor has the features.
			return unsafe { avx2(job, first, out) };
		}
	}
	let _ = vectors;
	job.run(first, out);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt")]
fn avx512<J: Job>(job: &J, first: usize, out: &mut [J::Out]) {
	job.run(first, out);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn avx2<J: Job>(job: &J, first: usize, out: &mut [J::Out]) {
	job.run(first, out);
}

/// The part of an input beside a part of the output; empty if the input is too short.
#[inline(always)]
pub fn beside<T>(x: &[T], first: usize, len: usize) -> &[T] {
	x.get(first..first.saturating_add(len)).unwrap_or_default()
}

/// One input.
pub struct Each1<'a, A, F>(pub &'a [A], pub F);

impl<A: Item, T: Item, F: Fn(A) -> T + Sync> Job for Each1<'_, A, F> {
	type Out = T;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [T]) {
		let a = beside(self.0, first, out.len());
		for (to, a) in out.iter_mut().zip(a) {
			*to = (self.1)(*a);
		}
	}
}

/// Two inputs of the same size.
pub struct Each2<'a, A, B, F>(pub &'a [A], pub &'a [B], pub F);

impl<A: Item, B: Item, T: Item, F: Fn(A, B) -> T + Sync> Job for Each2<'_, A, B, F> {
	type Out = T;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [T]) {
		let (a, b) = (beside(self.0, first, out.len()), beside(self.1, first, out.len()));
		for ((to, a), b) in out.iter_mut().zip(a).zip(b) {
			*to = (self.2)(*a, *b);
		}
	}
}

/// Three inputs of the same size.
pub struct Each3<'a, F>(pub &'a [i32], pub &'a [i32], pub &'a [i32], pub F);

impl<F: Fn(i32, i32, i32) -> i32 + Sync> Job for Each3<'_, F> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let len = out.len();
		let (a, b) = (beside(self.0, first, len), beside(self.1, first, len));
		let all = out.iter_mut().zip(a).zip(b).zip(beside(self.2, first, len));
		for (((to, a), b), c) in all {
			*to = (self.3)(*a, *b, *c);
		}
	}
}

/// A matrix and one number for every row. The unit is a row.
pub struct ByRow<'a, F> {
	/// The matrix.
	pub x: &'a [i32],
	/// A number for every row.
	pub y: &'a [i32],
	/// Columns.
	pub cols: usize,
	/// What is computed.
	pub f: F,
}

impl<F: Fn(i32, i32) -> i32 + Sync> Job for ByRow<'_, F> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.cols.max(1);
		let x = beside(self.x, first, out.len()).chunks(cols);
		let y = self.y.get(first / cols..).unwrap_or_default();
		for ((out, x), y) in out.chunks_mut(cols).zip(x).zip(y) {
			for (to, x) in out.iter_mut().zip(x) {
				*to = (self.f)(*x, *y);
			}
		}
	}
}

/// A matrix and one number for every column. The unit is a row.
pub struct ByColumn<'a, F> {
	/// The matrix.
	pub x: &'a [i32],
	/// A number for every column.
	pub y: &'a [i32],
	/// What is computed.
	pub f: F,
}

impl<F: Fn(i32, i32) -> i32 + Sync> Job for ByColumn<'_, F> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.y.len().max(1);
		let x = beside(self.x, first, out.len()).chunks(cols);
		for (out, x) in out.chunks_mut(cols).zip(x) {
			for ((to, x), y) in out.iter_mut().zip(x).zip(self.y) {
				*to = (self.f)(*x, *y);
			}
		}
	}
}

/// One number for every row of a matrix.
pub struct Fold<'a, A, F> {
	/// The matrix.
	pub x: &'a [A],
	/// Columns.
	pub cols: usize,
	/// What is computed from a row.
	pub f: F,
}

impl<A: Item, F: Fn(&[A]) -> i32 + Sync> Job for Fold<'_, A, F> {
	type Out = i32;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [i32]) {
		let cols = self.cols.max(1);
		let x = self.x.get(first.saturating_mul(cols)..).unwrap_or_default();
		for (to, row) in out.iter_mut().zip(x.chunks(cols)) {
			*to = (self.f)(row);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::vec;

	#[test]
	fn parts_should_cover_everything_once_and_begin_at_units() {
		for (len, unit) in [
			(1usize << 17, 128usize),
			(1 << 17, 1 << 16),
			(100_001, 1),
			(77, 10),
			(300_000, 1000),
		] {
			let mut out = vec![0u32; len];
			split(2, &mut out, unit, 8, |first, part| {
				assert_eq!(first % unit, 0);
				for (n, x) in part.iter_mut().enumerate() {
					*x += (first + n) as u32 + 1;
				}
			});
			assert!((1u32..).zip(&out).all(|(n, x)| n == *x));
		}
	}
}
