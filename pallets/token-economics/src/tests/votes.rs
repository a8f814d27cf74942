// SPDX-License-Identifier: Apache-2.0

//! Verifiers earn from the pool by votes.

use crate::{mock::*, *};
use poaiw_primitives::traits::UsefulWork;
use poaiw_work::source::WorkSource;

fn balance() -> u128 {
	Balances::free_balance(account(3))
}

#[test]
fn vote_should_earn_a_fraction_of_the_pool() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		block(1, WorkSource::Synthetic);
		let pool = VerifierPool::<Test>::get();
		Economics::on_vote_rewarded(&account(3));
		assert_eq!(balance(), ENDOWMENT + pool / 8);
		assert_eq!(VerifierPool::<Test>::get(), pool - pool / 8);
		System::assert_last_event(
			Event::VoteRewarded {
				verifier: account(3),
				amount: pool / 8,
			}
			.into(),
		);
	})
}

#[test]
fn vote_should_earn_at_most_the_share_of_one_block() {
	ExtBuilder::default().build_and_execute(|| {
		(0..30).for_each(|_| block(1, WorkSource::Synthetic));
		let share = Economics::split_reward(Economics::block_reward()).verifiers;
		assert!(VerifierPool::<Test>::get() > 20 * share);
		Economics::on_vote_rewarded(&account(3));
		assert_eq!(balance(), ENDOWMENT + share);
	})
}

#[test]
fn vote_should_earn_nothing_from_an_empty_pool() {
	ExtBuilder::default().build_and_execute(|| {
		Economics::on_vote_rewarded(&account(3));
		assert_eq!((balance(), VerifierPool::<Test>::get()), (ENDOWMENT, 0));
	})
}

#[test]
fn pool_should_keep_what_a_verifier_cannot_take() {
	ExtBuilder::default().build_and_execute(|| {
		VerifierPool::<Test>::put(ED);
		System::set_block_number(1);
		Economics::on_vote_rewarded(&account(99));
		assert_eq!(VerifierPool::<Test>::get(), ED);
		System::assert_last_event(
			Event::NotMinted {
				account: account(99),
				amount: ED / 8,
			}
			.into(),
		);
	})
}
