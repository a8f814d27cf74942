// SPDX-License-Identifier: Apache-2.0

//! Two chains from one block: each has its own targets, from its own times, and the heavier one need not be the longer.

use crate::{mock::*, *};
use core::num::NonZeroU64;
use frame_support::hypothetically;
use poaiw_primitives::U256;
use poaiw_work::retarget::{next_target, work};

const COMMON: u64 = 30;

/// A chain that was mined on time so far, at its anchor's target.
fn common() -> U256 {
	blocks(COMMON as u32);
	Difficulty::mac_target()
}

/// Mines `count` blocks, `spacing` apart, on the present state; returns the targets that they had to meet.
fn branch(count: u64, spacing: u64) -> Vec<U256> {
	(0..count).map(|_| block(Timestamp::get() + spacing)).collect()
}

/// What fork choice adds up.
fn total(targets: &[U256]) -> U256 {
	targets
		.iter()
		.fold(U256::zero(), |sum, target| sum + work(*target))
}

#[test]
fn forks_should_have_the_targets_of_their_own_times() {
	ExtBuilder::default().build_and_execute(|| {
		let anchor = common();
		let half_life = NonZeroU64::new(30 * BLOCK_MS).unwrap();
		for spacing in [BLOCK_MS / 3, BLOCK_MS, 4 * BLOCK_MS] {
			let targets = hypothetically!(branch(25, spacing));
			for (i, target) in (0u64..).zip(&targets) {
				let elapsed = COMMON * BLOCK_MS + i * spacing;
				let expected = next_target(anchor, elapsed, COMMON + i - 1, BLOCK_MS, half_life);
				assert_eq!(*target, expected, "block {i} of the fork with {spacing} ms");
			}
		}
	})
}

#[test]
fn target_should_change_in_the_middle_of_a_fork() {
	ExtBuilder::default().build_and_execute(|| {
		let anchor = common();
		// Ten blocks on time, then ten late ones, then ten early ones.
		let targets = [(10, BLOCK_MS), (10, 4 * BLOCK_MS), (10, BLOCK_MS / 4)]
			.into_iter()
			.flat_map(|(count, spacing)| branch(count, spacing))
			.collect::<Vec<_>>();
		assert!(targets[..11].iter().all(|target| *target == anchor));
		assert!(targets[10..21].windows(2).all(|pair| pair[0] < pair[1]));
		assert!(targets[20..].windows(2).all(|pair| pair[0] > pair[1]));
	})
}

#[test]
fn fork_should_not_depend_on_one_that_was_executed_before_it() {
	ExtBuilder::default().build_and_execute(|| {
		let anchor = common();
		let alone = hypothetically!(branch(12, 2 * BLOCK_MS));
		let other = hypothetically!(branch(20, BLOCK_MS / 2));
		assert_eq!(Difficulty::mac_target(), anchor);
		assert_eq!(hypothetically!(branch(12, 2 * BLOCK_MS)), alone);
		assert_ne!(alone[1..], other[1..12]);
	})
}

#[test]
fn shorter_fork_should_weigh_more_when_its_target_fell() {
	ExtBuilder::default().build_and_execute(|| {
		common();
		// Sixty blocks of miners twice as fast as planned, sixty-two of miners eight times too slow.
		let (fast, slow) = (
			hypothetically!(branch(60, BLOCK_MS / 2)),
			hypothetically!(branch(62, 8 * BLOCK_MS)),
		);
		assert!(fast.len() < slow.len());
		assert!(total(&fast) > total(&slow));
		// Up to where the targets part, they weigh the same block by block.
		assert_eq!(work(fast[0]), work(slow[0]));
		assert!(work(fast[59]) > work(slow[61]));
	})
}
