// SPDX-License-Identifier: Apache-2.0

//! A runtime with this pallet and the real `pallet-timestamp`.

use crate::*;
use frame_support::{
	derive_impl,
	traits::{ConstU64, OnFinalize, OnInitialize},
};
use poaiw_primitives::{Moment, U256};
use poaiw_work::profile::WorkProfile;
use sp_runtime::BuildStorage;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Timestamp: pallet_timestamp,
		Difficulty: crate,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlockU32<Test>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {
	type OnTimestampSet = Difficulty;
	// The loosest setting, so that tests meet this pallet's own rule.
	type MinimumPeriod = ConstU64<0>;
}

impl Config for Test {
	type WeightInfo = ();
}

pub const BLOCK_MS: u64 = 3_000;
pub const EPOCH: u32 = 20;
pub const START: Moment = 1_800_000_000_000;

pub struct ExtBuilder {
	pub genesis: crate::GenesisConfig<Test>,
}

impl Default for ExtBuilder {
	fn default() -> Self {
		Self {
			genesis: crate::GenesisConfig {
				initial_target: U256::one() << 220,
				block_ms: BLOCK_MS,
				half_life_ms: 30 * BLOCK_MS,
				epoch_blocks: EPOCH,
				profile: WorkProfile::dev(),
				genesis_time: START,
				..Default::default()
			},
		}
	}
}

impl ExtBuilder {
	pub fn with(change: impl FnOnce(&mut crate::GenesisConfig<Test>)) -> Self {
		let mut builder = Self::default();
		change(&mut builder.genesis);
		builder
	}

	pub fn build(self) -> sp_io::TestExternalities {
		let config = RuntimeGenesisConfig {
			difficulty: self.genesis,
			..Default::default()
		};
		config.build_storage().unwrap().into()
	}

	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			Difficulty::do_try_state().unwrap();
		})
	}
}

/// Make a block with the given time; returns the target that it had to meet.
pub fn block(time: Moment) -> U256 {
	let n = System::block_number() + 1;
	let target = Difficulty::mac_target();
	System::reset_events();
	System::initialize(&n, &Default::default(), &Default::default());
	AllPalletsWithSystem::on_initialize(n);
	Timestamp::set(RuntimeOrigin::none(), time).unwrap();
	assert_eq!(
		Difficulty::mac_target(),
		target,
		"a block sees its own target while it executes"
	);
	AllPalletsWithSystem::on_finalize(n);
	Difficulty::do_try_state().unwrap();
	target
}

/// Make blocks, each one block time after the one before.
pub fn blocks(count: u32) {
	for _ in 0..count {
		block(Timestamp::get().max(START) + BLOCK_MS);
	}
}
