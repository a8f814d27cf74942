// SPDX-License-Identifier: Apache-2.0

//! Which SIMD kernel multiplies, and which of its formats: the fastest one that is exact for the operands at hand.
//!
//! Unsafe: calls of functions that need the kernel's instructions.

use super::{
	avx2_bytes::{fits, Bytes},
	avx2_pairs::Pairs,
	avx512::Vnni,
	blocked::{self, Line, TooLarge},
	magnitude, Matrix, Parts,
};
use crate::kernel::{Kernel, Kind};
use alloc::vec::Vec;
use core::ops::Range;

/// What packed words are made for.
///
/// The field is private: a value is only made from a [`Kernel`], hence only if the processor has its instructions, which
/// is what makes the calls below sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format(Words);

#[derive(Clone, Copy, Debug)]
enum Words {
	/// Bytes, four words of which are added in int16.
	Bytes4,
	/// Bytes, two words of which are added in int16.
	Bytes2,
	/// Pairs of int16.
	Pairs,
	/// Bytes for VNNI.
	Vnni,
}

impl Format {
	/// For a left operand of magnitude `most_a` at most; `None` if the kernel is none of SIMD.
	pub(super) fn new(kernel: Kernel, most_a: u8, b: &[i8]) -> Option<Self> {
		match kernel.0 {
			Kind::Scalar => None,
			Kind::Avx2 => Some(Self(match magnitude(b) {
				most_b if fits::<4>(most_a, most_b) => Words::Bytes4,
				most_b if fits::<2>(most_a, most_b) => Words::Bytes2,
				_ => Words::Pairs,
			})),
			Kind::Avx512Vnni => Some(Self(Words::Vnni)),
		}
	}

	/// For a left operand in two parts.
	pub(super) fn of_parts(kernel: Kernel) -> Option<Self> {
		match kernel.0 {
			Kind::Scalar => None,
			Kind::Avx2 => Some(Self(Words::Pairs)),
			Kind::Avx512Vnni => Some(Self(Words::Vnni)),
		}
	}

	/// Packs the right operand.
	pub(super) fn pack(self, b: Matrix<'_>, most_a: u8, memory: &mut Vec<Line>) {
		// SAFETY: there is a kernel, so the processor has its instructions.
		unsafe {
			match self.0 {
				Words::Bytes4 => blocked::pack::<Bytes<4>>(b, most_a, memory),
				Words::Bytes2 => blocked::pack::<Bytes<2>>(b, most_a, memory),
				Words::Pairs => blocked::pack::<Pairs>(b, most_a, memory),
				Words::Vnni => blocked::pack::<Vnni>(b, most_a, memory),
			}
		}
	}

	/// Some rows of the product, which fill `c`, with what [`Format::pack`] of the same format made of `n` rows, for a
	/// left operand of magnitude `most_a` at most. Neither `n` nor the depth is 0.
	pub(super) fn multiply(
		self,
		(packed, n, most_a): (&[Line], usize, u8),
		a: Matrix<'_>,
		rows: Range<usize>,
		scratch: &mut Vec<Line>,
		c: &mut [i32],
	) -> Result<(), TooLarge> {
		let b = (packed, n, most_a);
		// SAFETY: as above.
		unsafe {
			match self.0 {
				Words::Bytes4 => blocked::multiply::<Bytes<4>>(b, &a, rows, scratch, c),
				Words::Bytes2 => blocked::multiply::<Bytes<2>>(b, &a, rows, scratch, c),
				Words::Pairs => blocked::multiply::<Pairs>(b, &a, rows, scratch, c),
				Words::Vnni => blocked::multiply::<Vnni>(b, &a, rows, scratch, c),
			}
		}
	}

	/// As [`Format::multiply`], of a left operand in two parts; `None` if the format has no code for that.
	pub(super) fn multiply_parts(
		self,
		b: (&[Line], usize, u8),
		a: &Parts<'_>,
		rows: Range<usize>,
		scratch: &mut Vec<Line>,
		c: &mut [i32],
	) -> Option<Result<(), TooLarge>> {
		match self.0 {
			// SAFETY: as above.
			Words::Pairs => Some(unsafe { blocked::multiply::<Pairs>(b, a, rows, scratch, c) }),
			_ => None,
		}
	}
}
