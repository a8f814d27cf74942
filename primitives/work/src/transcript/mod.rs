// SPDX-License-Identifier: Apache-2.0

//! The transcript of one tile and window: 16 words.
//!
//! The 16 × 16 accumulators start at zero. After each stripe of r columns, word t is the XOR over rows i of
//! `rotl32(XOR over columns j of acc[i][j], 2 i mod 32)`. Rotation and XOR commute, so the SIMD paths rotate whole
//! rows, XOR them, and fold the lanes once.

use crate::{
	dims::{Rank, STRIPES, TILE},
	error::{check_len, Error},
	kernel::{Kernel, Kind},
};
use alloc::vec::Vec;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod avx512;
mod scalar;

/// The transcript of two noisy window blocks (16 × 16 r, row-major), by the fastest code for this machine.
///
/// # Errors
/// [`Error::Length`] if a block is not 16 × 16 r.
pub fn transcript(a: &[i8], b: &[i8], rank: Rank) -> Result<[u32; STRIPES], Error> {
	transcript_with(Kernel::best(), a, b, rank)
}

/// As [`transcript`], by a given kernel.
///
/// # Errors
/// [`Error::Length`] if a block is not 16 × 16 r.
pub fn transcript_with(kernel: Kernel, a: &[i8], b: &[i8], rank: Rank) -> Result<[u32; STRIPES], Error> {
	let a = PackedBlock::new(kernel, Operand::Left, a, rank)?;
	let b = PackedBlock::new(kernel, Operand::Right, b, rank)?;
	a.transcript(&b)
}

/// On which side of the product a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
	Left,
	Right,
}

/// A noisy window block in the order in which a kernel reads it, to be used with many partners.
#[derive(Clone, Debug)]
pub(crate) struct PackedBlock {
	kernel: Kernel,
	rank: Rank,
	side: Operand,
	data: Data,
}

#[derive(Clone, Debug)]
enum Data {
	/// Row-major bytes.
	Plain(Vec<i8>),
	/// Words of 2 × i16: `[column pair][row]`.
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	Pairs(Vec<[u32; TILE]>),
	/// Words of 4 × i8: `[column quad][row]`; on the left with the running row sums that the kernel subtracts.
	#[cfg(all(feature = "std", target_arch = "x86_64"))]
	Quads(Vec<[u32; TILE]>, Vec<[i32; TILE]>),
}

impl PackedBlock {
	pub(crate) fn new(kernel: Kernel, side: Operand, block: &[i8], rank: Rank) -> Result<Self, Error> {
		check_len("window block", rank.block(), block.len())?;
		let data = match kernel.0 {
			Kind::Scalar => Data::Plain(block.to_vec()),
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			Kind::Avx2 => Data::Pairs(avx2::pack(block, rank)),
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			Kind::Avx512Vnni => match side {
				Operand::Left => Data::Quads(avx512::pack(block, rank, 0), avx512::offsets(block, rank)),
				Operand::Right => Data::Quads(avx512::pack(block, rank, 0x8080_8080), Vec::new()),
			},
		};
		Ok(Self {
			kernel,
			rank,
			side,
			data,
		})
	}

	/// The transcript with a block of the other side.
	///
	/// # Errors
	/// [`Error::Partner`] if the two do not belong together: other rank, same side, other kernel.
	pub(crate) fn transcript(&self, right: &Self) -> Result<[u32; STRIPES], Error> {
		let sides = (self.side, right.side) == (Operand::Left, Operand::Right);
		if !sides || self.rank != right.rank || self.kernel != right.kernel {
			return Err(Error::Partner);
		}
		match (&self.data, &right.data) {
			(Data::Plain(a), Data::Plain(b)) => Ok(scalar::transcript(a, b, self.rank)),
			// SAFETY: these layouts are only made for a kernel whose instructions this processor has.
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			(Data::Pairs(a), Data::Pairs(b)) => Ok(unsafe { avx2::transcript(a, b, self.rank) }),
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			(Data::Quads(a, offsets), Data::Quads(b, _)) => {
				Ok(unsafe { avx512::transcript(a, offsets, b, self.rank) })
			}
			#[cfg(all(feature = "std", target_arch = "x86_64"))]
			_ => Err(Error::Partner),
		}
	}
}

/// Folds 16 × 16 accumulators into one word.
fn fold(acc: &[[i32; TILE]; TILE]) -> u32 {
	acc.iter().enumerate().fold(0, |word, (i, row)| {
		let row = row.iter().fold(0u32, |x, value| x ^ *value as u32);
		word ^ row.rotate_left(2 * i as u32 % 32)
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn all_equal(a: &[i8], b: &[i8], rank: Rank) {
		let expected = scalar::transcript(a, b, rank);
		for kernel in Kernel::available() {
			assert_eq!(
				transcript_with(kernel, a, b, rank).unwrap(),
				expected,
				"{}",
				kernel.name()
			);
		}
	}

	#[test]
	fn all_kernels_should_agree_on_extremes() {
		for rank in Rank::ALL {
			for x in [-128i8, -127, -1, 0, 1, 127] {
				for y in [-128i8, -127, 0, 127] {
					all_equal(&vec![x; rank.block()], &vec![y; rank.block()], rank);
					let alternating: Vec<i8> = (0..rank.block())
						.map(|i| if i % 3 == 0 { x } else { y })
						.collect();
					all_equal(&alternating, &vec![y; rank.block()], rank);
				}
			}
		}
	}

	#[test]
	fn blocks_that_do_not_belong_together_should_be_refused() {
		let rank = Rank::ALL[0];
		let block = vec![1i8; rank.block()];
		assert!(matches!(
			transcript(&block[1..], &block, rank),
			Err(Error::Length { .. })
		));
		assert!(matches!(
			transcript(&block, &block[1..], rank),
			Err(Error::Length { .. })
		));
		let left = PackedBlock::new(Kernel::best(), Operand::Left, &block, rank).unwrap();
		assert!(left.transcript(&left).is_err());
		let other = vec![1i8; Rank::ALL[1].block()];
		let other = PackedBlock::new(Kernel::best(), Operand::Right, &other, Rank::ALL[1]).unwrap();
		assert!(left.transcript(&other).is_err());
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(24))]

		#[test]
		fn all_kernels_should_agree_on_random_blocks(
			rank in prop_oneof![Just(Rank::ALL[0]), Just(Rank::ALL[1]), Just(Rank::ALL[2])],
			seed in any::<[u8; 32]>(),
		) {
			let bytes = |label: &[u8]| -> Vec<i8> {
				(0..rank.block() / 32)
					.flat_map(|i| poaiw_commitment::hash(&[label, &seed, &i.to_le_bytes()]))
					.map(|byte| byte as i8)
					.collect()
			};
			all_equal(&bytes(b"a"), &bytes(b"b"), rank);
		}
	}
}
