// SPDX-License-Identifier: Apache-2.0

//! Unbonding, deregistering, withdrawing.

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use poaiw_primitives::traits::{Registry as _, Slash};

#[test]
fn unbond_should_release_after_the_period_and_not_before() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND + 500);
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::NothingToWithdraw);
		assert_ok!(Registry::unbond(signed(1), 300));
		let free_at = 1 + UNBONDING;
		let expected = Event::Unbonding {
			account: account(1),
			amount: 300,
			free_at,
			bond: WORKER_BOND + 200,
		};
		System::assert_last_event(expected.into());
		assert_eq!(Registry::bond(&account(1)), WORKER_BOND + 200);
		assert_eq!(held(1), WORKER_BOND + 500, "still held");
		go_to(free_at - 1);
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::StillLocked);
		go_to(free_at);
		assert_ok!(Registry::withdraw(signed(1)));
		System::assert_last_event(
			Event::Withdrawn {
				account: account(1),
				amount: 300,
				left: false,
			}
			.into(),
		);
		assert_eq!(held(1), WORKER_BOND + 200);
		assert!(Registry::is_worker(&account(1)));
	})
}

#[test]
fn unbond_should_begin_the_period_anew_when_more_is_added() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND + 500);
		assert_ok!(Registry::unbond(signed(1), 300));
		go_to(UNBONDING);
		assert_ok!(Registry::unbond(signed(1), 200));
		let unbonding = Records::<Test>::get(account(1)).unwrap().unbonding;
		assert_eq!(
			unbonding,
			Some(Unbonding {
				amount: 500,
				free_at: 2 * UNBONDING
			})
		);
		go_to(1 + UNBONDING);
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::StillLocked);
	})
}

#[test]
fn unbond_should_refuse_to_go_below_what_the_roles_demand() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Registry::unbond(signed(1), 1), Error::<Test>::NotRegistered);
		register(1, BOTH, WORKER_BOND + VERIFIER_BOND + 100);
		assert_noop!(Registry::unbond(signed(1), 101), Error::<Test>::BondTooLow);
		assert_noop!(Registry::unbond(signed(1), u128::MAX), Error::<Test>::BondTooLow);
		assert_ok!(Registry::unbond(signed(1), 100));
		assert_noop!(Registry::unbond(signed(1), 1), Error::<Test>::BondTooLow);
		assert_ok!(Registry::deregister(signed(1)));
		assert_noop!(Registry::unbond(signed(1), 1), Error::<Test>::Leaving);
	})
}

#[test]
fn deregister_should_end_roles_at_once_and_the_registration_after_the_period() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Registry::deregister(signed(1)), Error::<Test>::NotRegistered);
		register(1, BOTH, 4_000);
		Registry::note_valid(&account(1));
		assert_ok!(Registry::deregister(signed(1)));
		let free_at = 1 + UNBONDING;
		System::assert_last_event(
			Event::Leaving {
				account: account(1),
				free_at,
			}
			.into(),
		);
		assert!(!Registry::is_worker(&account(1)) && !Registry::is_verifier(&account(1)));
		assert_eq!(
			(
				Registry::workers(),
				Registry::verifiers().len(),
				Registry::bond(&account(1))
			),
			(0, 0, 0)
		);
		assert_noop!(Registry::deregister(signed(1)), Error::<Test>::Leaving);
		assert_noop!(Registry::begin_obligation(&account(1)), Error::<Test>::Leaving);
		// Name and key stay taken until the bond is gone.
		assert_noop!(
			Registry::register(signed(1), WORKER, key(50), 1, WORKER_BOND),
			Error::<Test>::AlreadyRegistered
		);
		assert_noop!(
			Registry::register(signed(2), WORKER, key(1), 1, WORKER_BOND),
			Error::<Test>::ReporterTaken
		);
		go_to(free_at);
		assert_ok!(Registry::withdraw(signed(1)));
		System::assert_last_event(
			Event::Withdrawn {
				account: account(1),
				amount: 4_000,
				left: true,
			}
			.into(),
		);
		assert_eq!(held(1), 0);
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::NotRegistered);
		// Coming back is possible, without trust.
		register(1, WORKER, WORKER_BOND);
		assert_eq!(Registry::reputation(&account(1)).valid, 0);
	})
}

#[test]
fn leaving_bond_should_still_be_slashed() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 1_000);
		assert_ok!(Registry::deregister(signed(1)));
		assert_eq!(Registry::slash(&account(1), 700, None), 700);
		go_to(1 + UNBONDING);
		assert_ok!(Registry::withdraw(signed(1)));
		System::assert_last_event(
			Event::Withdrawn {
				account: account(1),
				amount: 300,
				left: true,
			}
			.into(),
		);
	})
}
