// SPDX-License-Identifier: Apache-2.0

//! How much a block mints.

use crate::{mock::*, *};
use poaiw_primitives::{traits::UsefulWork, UNIT};
use poaiw_work::source::WorkSource;
use sp_runtime::Perbill;

#[test]
fn remainder_of_the_division_should_be_carried_to_later_blocks() {
	// 1,000 units missing, all of them in a year of 7,000 blocks: a unit every seven blocks.
	let genesis = 5 * ENDOWMENT;
	let build = |p: &mut Parameters| {
		*p = Parameters {
			cap: genesis + 1_000,
			yearly_rate: Perbill::one(),
			blocks_per_year: 7_000,
			..*p
		}
	};
	ExtBuilder::with(build).build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		let mut minted = 0;
		for _ in 0..70 {
			minted += Economics::block_reward();
			block(1, WorkSource::Synthetic);
		}
		// No account can take so little, so nothing is missing less.
		assert_eq!(minted, 10);
	})
}

#[test]
fn emission_should_stop_at_the_cap() {
	let genesis = 5 * ENDOWMENT;
	for cap in [0, genesis - 1, genesis] {
		ExtBuilder::with(|p| p.cap = cap).build_and_execute(|| {
			Table::lease(7, &account(1));
			(0..5).for_each(|_| block(1, in_task(7)));
			assert_eq!(Economics::block_reward(), 0);
			assert_eq!(Balances::total_issuance(), genesis);
			assert_eq!(Economics::supply().useful_held, 0);
		})
	}
}

#[test]
fn emission_should_never_pass_the_cap_when_votes_empty_the_pool() {
	// A fast chain: the whole remainder in a year of four blocks.
	let cap = 5 * ENDOWMENT + 1_000 * UNIT;
	let build = |p: &mut Parameters| {
		*p = Parameters {
			cap,
			yearly_rate: Perbill::one(),
			blocks_per_year: 4,
			..*p
		}
	};
	ExtBuilder::with(build).build_and_execute(|| {
		for _ in 0..200 {
			block(1, WorkSource::Synthetic);
			(0..20).for_each(|_| Economics::on_vote_rewarded(&account(2)));
			assert!(Balances::total_issuance() + VerifierPool::<Test>::get() <= cap);
		}
	})
}

#[test]
fn emission_should_fall_as_the_issuance_grows_and_rise_when_tokens_burn() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		let first = Economics::block_reward();
		block(1, WorkSource::Synthetic);
		let second = Economics::block_reward();
		assert!(second < first);
		settle(1, 1, 0, 100_000 * UNIT);
		assert!(Economics::block_reward() > second);
	})
}

#[test]
fn a_year_should_mint_the_yearly_rate() {
	// 400 blocks of a year of 400: a part of 1 − e^(−0.1314) of the remainder is promised or burned.
	ExtBuilder::with(|p| p.blocks_per_year = 400).build_and_execute(|| {
		let cap = CurrentParameters::<Test>::get().cap;
		let missing = cap - Balances::total_issuance();
		for _ in 0..401 {
			block(1, WorkSource::Synthetic);
		}
		// Without the useful share, which is burned and so stays missing: 40 % of the reward.
		let promised = Balances::total_issuance() + VerifierPool::<Test>::get() - (cap - missing);
		let expected = 1.0 - (-0.1314f64 * 0.4).exp();
		let measured = promised as f64 / missing as f64;
		assert!(
			(measured - expected).abs() < 1e-4,
			"{measured} of the remainder instead of {expected}"
		);
	})
}
