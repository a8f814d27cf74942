// SPDX-License-Identifier: Apache-2.0

//! Keyed random bits: the seed of a task decides initial weights, batches and rounding, and nothing else does.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_commitment::hash;
use scale_info::TypeInfo;

/// Rounds of the permutation of [`crate::Op::BatchIndices`].
pub const PERMUTATION_ROUNDS: u32 = 32;

/// Mixes one word (a bijection).
#[inline(always)]
pub fn mix(mut x: u32) -> u32 {
	x ^= x >> 16;
	x = x.wrapping_mul(0x7feb_352d);
	x ^= x >> 15;
	x = x.wrapping_mul(0x846c_a68b);
	x ^ (x >> 16)
}

/// The key of one instruction in one step: two words that a GPU gets as constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomKey {
	/// Added to the position.
	pub k0: u32,
	/// XORed in between.
	pub k1: u32,
}

impl RandomKey {
	/// `counter` is the global step number, or the epoch for [`crate::Op::BatchIndices`]; `instruction` its index in the program.
	pub fn new(seed: &[u8; 32], counter: u32, instruction: u32) -> Self {
		let [a, b, c, d, e, f, g, h, ..] = hash(&[
			b"PoAIW/random/1",
			seed,
			&counter.to_le_bytes(),
			&instruction.to_le_bytes(),
		]);
		Self {
			k0: u32::from_le_bytes([a, b, c, d]),
			k1: u32::from_le_bytes([e, f, g, h]),
		}
	}

	/// 32 random bits for a position.
	#[inline(always)]
	pub fn at(&self, position: u32) -> u32 {
		mix(mix(position.wrapping_add(self.k0)) ^ self.k1)
	}

	/// Place of `x` in a permutation of `0..n`, for `x < n` and `1 <= n <= 2^30`.
	///
	/// "Swap or not" (Hoang, Morris, Rogaway, 2012): each round pairs `x` with `K - x mod n`, and one random bit of the
	/// pair decides whether they change places. No table, no loop of unknown length, any `n`.
	pub fn permute(&self, mut x: u32, n: u32) -> u32 {
		let n = n.max(1);
		for round in 0..PERMUTATION_ROUNDS {
			let pivot = self.at(2 * round) % n;
			let mut partner = pivot.wrapping_add(n).wrapping_sub(x);
			if partner >= n {
				partner = partner.wrapping_sub(n);
			}
			let swap = mix(x.max(partner).wrapping_add(self.at(2 * round + 1))) >> 31;
			if swap == 1 {
				x = partner;
			}
		}
		x
	}
}

/// Where an instruction runs: with the op and its inputs this decides every bit of its output.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Context {
	/// Seed of the task.
	pub seed: [u8; 32],
	/// Global step number; [`Context::INIT_STEP`] in the initial program, the number of steps in the evaluation.
	pub step: u32,
	/// Index of the instruction in its program.
	pub instruction: u32,
}

impl Context {
	/// The step number of the initial program.
	pub const INIT_STEP: u32 = u32::MAX;

	/// Key of the instruction's random bits.
	pub fn key(&self) -> RandomKey {
		RandomKey::new(&self.seed, self.step, self.instruction)
	}

	/// Key of the permutation of an epoch.
	pub fn epoch_key(&self, epoch: u32) -> RandomKey {
		RandomKey::new(&self.seed, epoch, self.instruction)
	}
}

/// Epoch and first position of a step's batch in the epoch's permutation.
pub fn batch_position(step: u32, batch: u32, population: u32) -> (u32, u32) {
	let per_epoch = (population / batch.max(1)).max(1);
	(step / per_epoch, (step % per_epoch).saturating_mul(batch))
}

/// [`crate::Op::Schedule`]: the value of the schedule at a step. Validation bounds `peak * total` by `2^32`.
pub fn schedule(step: u32, peak: u32, floor: u32, warmup: u32, total: u32) -> u32 {
	if step < warmup {
		return peak.wrapping_mul(step.wrapping_add(1)) / warmup.max(1);
	}
	let span = total.saturating_sub(warmup).max(1);
	let done = step.saturating_sub(warmup).min(span);
	let fall = peak.saturating_sub(floor).wrapping_mul(done) / span;
	peak.saturating_sub(fall).max(floor)
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::vec;
	use proptest::prelude::*;

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(64))]

		#[test]
		fn permute_should_visit_every_place_once_for_any_size(seed in any::<[u8; 32]>(), epoch: u32, n in 1u32..3000) {
			let key = RandomKey::new(&seed, epoch, 3);
			let mut seen = vec![false; n as usize];
			for x in 0..n {
				let y = key.permute(x, n) as usize;
				prop_assert!(!seen[y], "{y} twice");
				seen[y] = true;
			}
		}
	}

	#[test]
	fn permute_should_differ_between_seeds_and_epochs() {
		let order = |seed: u8, epoch: u32| -> alloc::vec::Vec<u32> {
			let key = RandomKey::new(&[seed; 32], epoch, 0);
			(0..100).map(|x| key.permute(x, 100)).collect()
		};
		assert_ne!(order(1, 0), order(1, 1));
		assert_ne!(order(1, 0), order(2, 0));
		assert_eq!(order(1, 0), order(1, 0));
	}

	#[test]
	fn random_bits_should_be_balanced() {
		let key = RandomKey::new(&[7; 32], 5, 9);
		let mut counts = [0u32; 32];
		for i in 0..65536 {
			let x = key.at(i);
			for (bit, count) in counts.iter_mut().enumerate() {
				*count += x >> bit & 1;
			}
		}
		for count in counts {
			assert!((count as i32 - 32768).abs() < 700, "{count} of 65536");
		}
	}

	#[test]
	fn schedule_should_rise_fall_and_stay_at_the_floor() {
		let at = |t| schedule(t, 50_000, 5_000, 10, 100);
		assert_eq!(at(0), 5_000);
		assert_eq!(at(9), 50_000);
		assert_eq!(at(10), 50_000);
		assert_eq!(at(55), 27_500);
		assert_eq!(at(100), 5_000);
		assert_eq!(at(u32::MAX), 5_000);
		assert_eq!(schedule(0, 7, 7, 0, 1), 7);
	}
}
