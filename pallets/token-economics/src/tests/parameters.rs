// SPDX-License-Identifier: Apache-2.0

//! Parameters at genesis and by root.

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, Permill};

#[test]
fn set_parameters_should_take_effect() {
	ExtBuilder::default().build_and_execute(|| {
		System::set_block_number(1);
		let parameters = Parameters {
			blocks_per_year: 1_000_000,
			..Default::default()
		};
		let before = Economics::block_reward();
		assert_ok!(Economics::set_parameters(RuntimeOrigin::root(), parameters));
		System::assert_last_event(Event::ParametersSet { parameters }.into());
		assert!(Economics::block_reward() > 2 * before);
	})
}

#[test]
fn set_parameters_should_refuse_what_is_wrong() {
	ExtBuilder::default().build_and_execute(|| {
		let set = |change: fn(&mut Parameters)| {
			let mut parameters = Parameters::default();
			change(&mut parameters);
			Economics::set_parameters(RuntimeOrigin::root(), parameters)
		};
		assert_noop!(
			Economics::set_parameters(RuntimeOrigin::signed(account(1)), Default::default()),
			DispatchError::BadOrigin
		);
		assert_noop!(
			set(|p| p.split.base = Permill::from_parts(200_001)),
			Error::<Test>::SplitNotWhole
		);
		assert_noop!(
			set(|p| p.split.verifiers = Permill::from_parts(99_999)),
			Error::<Test>::SplitNotWhole
		);
		assert_noop!(
			set(|p| p.cap = u128::MAX / 2_000_000_000 + 1),
			Error::<Test>::CapTooLarge
		);
		assert_ok!(set(|p| p.cap = u128::MAX / 2_000_000_000));
		assert_noop!(set(|p| p.blocks_per_year = 0), Error::<Test>::YearWithoutBlocks);
	})
}

#[test]
fn the_largest_cap_should_not_overflow_the_emission() {
	ExtBuilder::with(|p| {
		p.cap = u128::MAX / 2_000_000_000;
		p.yearly_rate = sp_runtime::Perbill::one();
		p.blocks_per_year = 1;
	})
	.build_and_execute(|| {
		let cap = CurrentParameters::<Test>::get().cap;
		assert_eq!(Economics::block_reward(), cap - Balances::total_issuance());
	})
}

#[test]
fn genesis_should_survive_json() {
	let genesis = crate::GenesisConfig::<Test> {
		parameters: Default::default(),
		..Default::default()
	};
	let json = serde_json::to_string(&genesis).unwrap();
	assert!(json.contains("\"blocksPerYear\":2629800"), "{json}");
	let back: crate::GenesisConfig<Test> = serde_json::from_str(&json).unwrap();
	assert_eq!(back.parameters, Parameters::default());
}

#[test]
#[should_panic(expected = "tokenEconomics.parameters: SplitNotWhole")]
fn genesis_should_refuse_a_split_that_is_not_whole() {
	ExtBuilder::with(|p| p.split.public_good = Permill::from_percent(11)).build();
}

#[test]
#[should_panic(expected = "tokenEconomics.parameters: YearWithoutBlocks")]
fn genesis_should_refuse_a_year_without_blocks() {
	ExtBuilder::with(|p| p.blocks_per_year = 0).build();
}
