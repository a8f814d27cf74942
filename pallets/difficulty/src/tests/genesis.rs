// SPDX-License-Identifier: Apache-2.0

//! Genesis is taken as given, or refused with the value that is wrong.

use crate::mock::*;
use poaiw_primitives::U256;
use poaiw_work::{profile::WorkProfile, retarget::TARGET_MAX};

#[test]
fn genesis_should_be_readable_before_the_first_block() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(Difficulty::mac_target(), U256::one() << 220);
		assert_eq!(Difficulty::profile(), WorkProfile::dev());
		assert_eq!(Difficulty::epoch(), (0, EPOCH + 1));
	})
}

#[test]
fn default_genesis_should_be_valid() {
	ExtBuilder {
		genesis: Default::default(),
	}
	.build_and_execute(|| {
		assert_eq!(Difficulty::epoch(), (0, 2_017));
		assert_eq!(Difficulty::profile(), WorkProfile::standard());
		assert_eq!(Difficulty::earliest_timestamp(), 0);
	})
}

#[test]
fn genesis_should_survive_json() {
	let genesis = ExtBuilder::default().genesis;
	let json = serde_json::to_value(&genesis).unwrap();
	assert_eq!(json["epochBlocks"], EPOCH);
	assert_eq!(json["profile"]["rank"], 32);
	let back: crate::GenesisConfig<Test> = serde_json::from_value(json).unwrap();
	assert_eq!(back.initial_target, genesis.initial_target);
	assert_eq!(back.profile, genesis.profile);
}

#[test]
#[should_panic(expected = "difficulty.initialTarget = 0")]
fn genesis_should_refuse_target_zero() {
	ExtBuilder::with(|g| g.initial_target = U256::zero()).build();
}

#[test]
#[should_panic(expected = "use 1 to 2^237 - 1")]
fn genesis_should_refuse_a_target_above_the_easiest() {
	ExtBuilder::with(|g| g.initial_target = TARGET_MAX + U256::one()).build();
}

#[test]
#[should_panic(expected = "difficulty.blockMs = 0")]
fn genesis_should_refuse_block_time_zero() {
	ExtBuilder::with(|g| g.block_ms = 0).build();
}

#[test]
#[should_panic(expected = "difficulty.halfLifeMs = 0")]
fn genesis_should_refuse_half_life_zero() {
	ExtBuilder::with(|g| g.half_life_ms = 0).build();
}

#[test]
#[should_panic(expected = "difficulty.epochBlocks = 0")]
fn genesis_should_refuse_empty_epochs() {
	ExtBuilder::with(|g| g.epoch_blocks = 0).build();
}

#[test]
#[should_panic(expected = "rank = 48")]
fn genesis_should_refuse_an_invalid_profile() {
	ExtBuilder::with(|g| g.profile.rank = 48).build();
}
