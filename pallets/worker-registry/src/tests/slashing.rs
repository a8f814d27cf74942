// SPDX-License-Identifier: Apache-2.0

//! Bonds are taken, never more than there is, and every unit is paid or burned.

use crate::{mock::*, *};
use frame_support::assert_ok;
use poaiw_primitives::traits::{Registry as _, Slash};

#[test]
fn slash_should_pay_half_to_the_winner_and_burn_the_rest() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		assert_eq!(Registry::slash(&account(1), 1_001, Some(&account(2))), 1_001);
		assert_eq!(Balances::free_balance(account(2)), ENDOWMENT + 500);
		assert_eq!(Burned::get(), 501);
		assert_eq!(held(1), 1_999);
		let winner = Some(account(2));
		System::assert_last_event(
			Event::Slashed {
				account: account(1),
				amount: 1_001,
				winner,
				paid: 500,
			}
			.into(),
		);
	})
}

#[test]
fn slash_should_burn_everything_without_a_winner() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		assert_eq!(Registry::slash(&account(1), 1_000, None), 1_000);
		assert_eq!(Burned::get(), 1_000);
	})
}

#[test]
fn slash_should_pay_nobody_who_slashes_itself() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		assert_eq!(Registry::slash(&account(1), 1_000, Some(&account(1))), 1_000);
		assert_eq!(Burned::get(), 1_000);
		assert_eq!(Balances::free_balance(account(1)), ENDOWMENT - 3_000);
	})
}

#[test]
fn slash_should_burn_what_the_winner_cannot_take() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		// A winner that does not exist, and a part below the existential deposit.
		assert_eq!(
			Registry::slash(&account(1), 2 * ED - 2, Some(&account(77))),
			2 * ED - 2
		);
		assert_eq!(Burned::get(), 2 * ED - 2);
		System::assert_last_event(
			Event::Slashed {
				account: account(1),
				amount: 2 * ED - 2,
				winner: None,
				paid: 0,
			}
			.into(),
		);
	})
}

#[test]
fn slash_should_take_no_more_than_there_is() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		assert_eq!(Registry::slash(&account(1), u128::MAX, Some(&account(2))), 3_000);
		assert_eq!(held(1), 0);
		let events = System::events().len();
		assert_eq!(Registry::slash(&account(1), 5, None), 0);
		assert_eq!(Registry::slash(&account(5), 5, None), 0, "strangers have no bond");
		assert_eq!(System::events().len(), events);
	})
}

#[test]
fn slash_should_reach_what_is_being_withdrawn_last() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 3_000);
		assert_ok!(Registry::unbond(signed(1), 2_000));
		assert_eq!(Registry::slash(&account(1), 600, None), 600);
		assert_eq!(Registry::bond(&account(1)), 400);
		assert_eq!(
			Records::<Test>::get(account(1))
				.unwrap()
				.unbonding
				.unwrap()
				.amount,
			2_000
		);
		assert_eq!(Registry::slash(&account(1), 900, None), 900);
		assert_eq!(Registry::bond(&account(1)), 0);
		assert_eq!(
			Records::<Test>::get(account(1))
				.unwrap()
				.unbonding
				.unwrap()
				.amount,
			1_500
		);
		go_to(1 + UNBONDING);
		assert_ok!(Registry::withdraw(signed(1)));
		assert_eq!(held(1), 0);
	})
}

#[test]
fn bond_below_the_minimum_should_suspend_until_it_is_filled_up() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, BOTH, WORKER_BOND + VERIFIER_BOND);
		assert_eq!((Registry::workers(), Registry::verifiers().len()), (1, 1));
		Registry::slash(&account(1), 1, None);
		assert!(!Registry::is_worker(&account(1)) && !Registry::is_verifier(&account(1)));
		assert_eq!((Registry::workers(), Registry::verifiers().len()), (0, 0));
		assert_ok!(Registry::bond_more(signed(1), 1));
		assert_eq!((Registry::workers(), Registry::verifiers().len()), (1, 1));
		// Or one role is given up, for which the bond is enough.
		Registry::slash(&account(1), 1, None);
		assert_ok!(Registry::update(signed(1), Some(WORKER), None, None));
		assert!(Registry::is_worker(&account(1)));
		assert_eq!(Registry::workers(), 1);
	})
}
