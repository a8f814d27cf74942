// SPDX-License-Identifier: Apache-2.0

//! Draws from the beacon: which segments are sampled, and who is asked about them. Pure functions.
//!
//! Naming verifiers by the runtime is the open way to choose them. The secret one (each verifier proves by a VRF over the
//! same seed that it is chosen, and this draw is the fallback when too few do) replaces the caller of [`pick_verifier`].

use alloc::{collections::BTreeSet, vec::Vec};
use poaiw_commitment::hash;
use poaiw_primitives::{AccountId, Balance, Hash32};

/// A stream of numbers from a seed: `H("PoAIW/draw/1" ‖ seed ‖ le32(i))`, the first 16 bytes as little-endian number.
pub struct Draw {
	seed: Hash32,
	next: u32,
}

impl Draw {
	/// The stream of a seed.
	pub fn new(seed: Hash32) -> Self {
		Self { seed, next: 0 }
	}

	/// A number below `bound`; zero when `bound` is. The bias is below `bound / 2^128`.
	pub fn below(&mut self, bound: u128) -> u128 {
		let bytes = hash(&[b"PoAIW/draw/1", &self.seed, &self.next.to_le_bytes()]);
		self.next = self.next.wrapping_add(1);
		let number = bytes
			.iter()
			.take(16)
			.rev()
			.fold(0u128, |number, byte| (number << 8) | u128::from(*byte));
		number.checked_rem(bound).unwrap_or(0)
	}

	fn index(&mut self, len: usize) -> usize {
		usize::try_from(self.below(len as u128)).unwrap_or(0)
	}

	fn segment(&mut self, from: u32, to: u32) -> u32 {
		let offset = u32::try_from(self.below(u128::from(to.saturating_sub(from)))).unwrap_or(0);
		from.saturating_add(offset)
	}
}

/// The segments to re-execute, ascending and distinct: the last one (the evaluation), an early one, a late one, those that
/// seals name (all of them as far as `max` goes, drawn ones beyond), then any up to `count`. Never more than `max`.
pub fn draw_segments(seed: Hash32, segments: u32, count: u32, max: u32, claimed: &[u32]) -> Vec<u32> {
	let mut draw = Draw::new(seed);
	let third = segments.div_ceil(3);
	let early = draw.segment(0, third);
	let late = draw.segment(segments.saturating_sub(third), segments);
	let last = segments.saturating_sub(1);

	let bound = usize::try_from(max.min(segments)).unwrap_or(usize::MAX);
	let count = usize::try_from(count).unwrap_or(usize::MAX).min(bound);
	let mut chosen = BTreeSet::new();
	for segment in [last, early, late] {
		if chosen.len() < bound && segment < segments {
			chosen.insert(segment);
		}
	}
	let named: BTreeSet<u32> = claimed
		.iter()
		.copied()
		.filter(|segment| *segment < segments)
		.collect();
	let named = named.difference(&chosen).copied().collect();
	fill(&mut chosen, named, bound, &mut draw);
	let others = (0..segments)
		.filter(|segment| !chosen.contains(segment))
		.collect();
	fill(&mut chosen, others, count, &mut draw);
	chosen.into_iter().collect()
}

/// Moves drawn elements of `pool` into `chosen` until that has `size` elements.
fn fill(chosen: &mut BTreeSet<u32>, mut pool: Vec<u32>, size: usize, draw: &mut Draw) {
	while chosen.len() < size && !pool.is_empty() {
		let index = draw.index(pool.len());
		chosen.insert(pool.swap_remove(index));
	}
}

/// Draws a verifier with a chance in proportion to its bond and takes it out of the list. By bond, so that splitting one
/// bond over many accounts gains nothing.
pub fn pick_verifier(draw: &mut Draw, candidates: &mut Vec<(AccountId, Balance)>) -> Option<AccountId> {
	let total = candidates
		.iter()
		.fold(0u128, |sum, (_, bond)| sum.saturating_add(*bond));
	let mut point = draw.below(total);
	let index = candidates
		.iter()
		.position(|(_, bond)| match point.checked_sub(*bond) {
			Some(rest) => {
				point = rest;
				false
			}
			None => true,
		})?;
	Some(candidates.remove(index).0)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn claimed_segments_should_come_before_others() {
		let claimed = [7, 40, 41, 90];
		for seed in 0..50u8 {
			let drawn = draw_segments([seed; 32], 100, 8, 64, &claimed);
			assert!(claimed.iter().all(|segment| drawn.contains(segment)), "{drawn:?}");
			assert!(drawn.len() == 8 && drawn.contains(&99));
		}
	}

	#[test]
	fn many_claims_should_be_drawn_up_to_the_bound() {
		let claimed: Vec<u32> = (10..80).collect();
		let drawn = draw_segments([1; 32], 100, 5, 16, &claimed);
		assert_eq!(drawn.len(), 16);
		assert_ne!(drawn, draw_segments([2; 32], 100, 5, 16, &claimed));
	}

	#[test]
	fn one_segment_should_be_drawn_when_there_is_only_one() {
		assert_eq!(draw_segments([1; 32], 1, 1, 64, &[]), [0]);
		assert_eq!(draw_segments([1; 32], 1, 9, 64, &[5]), [0]);
	}

	#[test]
	fn verifiers_should_be_drawn_by_bond() {
		let (rich, poor) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
		let picked_rich = (0..1_000u32)
			.filter(|i| {
				let mut seed = [0; 32];
				seed[..4].copy_from_slice(&i.to_le_bytes());
				let mut list = vec![(poor.clone(), 10), (rich.clone(), 90)];
				pick_verifier(&mut Draw::new(seed), &mut list) == Some(rich.clone())
			})
			.count();
		assert!((860..940).contains(&picked_rich), "{picked_rich}");
	}

	#[test]
	fn nobody_should_be_drawn_without_bonds() {
		let mut list = vec![(AccountId::new([1; 32]), 0)];
		assert_eq!(pick_verifier(&mut Draw::new([1; 32]), &mut list), None);
		assert_eq!(pick_verifier(&mut Draw::new([1; 32]), &mut Vec::new()), None);
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(256))]

		#[test]
		fn sample_should_be_distinct_in_range_and_bounded(
			seed: [u8; 32], segments in 1u32..5_000, count in 0u32..600, max in 1u32..600,
			claimed in proptest::collection::vec(0u32..6_000, 0..40),
		) {
			let drawn = draw_segments(seed, segments, count, max, &claimed);
			prop_assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
			prop_assert!(drawn.iter().all(|segment| *segment < segments));
			prop_assert!(drawn.len() <= max as usize);
			prop_assert!(drawn.len() >= count.min(max).min(segments) as usize);
			prop_assert!(drawn.contains(&(segments - 1)));
			if max >= 3 {
				prop_assert!(drawn.iter().any(|segment| *segment < segments.div_ceil(3)));
				prop_assert!(drawn.iter().any(|segment| *segment >= segments - segments.div_ceil(3)));
			}
		}
	}
}
