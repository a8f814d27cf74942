// SPDX-License-Identifier: Apache-2.0

//! Registering, changing a registration, adding to the bond.

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use poaiw_primitives::{
	traits::Registry as _,
	worker::{Reputation, Roles},
};
use sp_runtime::{DispatchError, TokenError};

#[test]
fn register_should_hold_the_bond_and_answer_who_it_is() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Registry::register(signed(1), WORKER, key(11), 8_192, 1_500));
		let expected = Event::Registered {
			account: account(1),
			roles: WORKER,
			reporter: key(11),
			bond: 1_500,
		};
		System::assert_last_event(expected.into());
		assert_eq!(held(1), 1_500);
		assert_eq!(Registry::bond(&account(1)), 1_500);
		assert!(Registry::is_worker(&account(1)) && !Registry::is_verifier(&account(1)));
		assert_eq!(Registry::reporter(&account(1)), Some(key(11)));
		assert_eq!(Registry::account_of(&key(11)), Some(account(1)));
		assert_eq!(Registry::memory_mib(&account(1)), 8_192);
		assert_eq!(Registry::workers(), 1);
		let report = Registry::report(&account(1), Some(5), 77).unwrap();
		assert_eq!(
			(report.bond, report.lease, report.useful_credit),
			(1_500, Some(5), 77)
		);
	})
}

#[test]
fn strangers_should_have_nothing() {
	ExtBuilder::default().build_and_execute(|| {
		let who = account(1);
		assert!(!Registry::is_worker(&who) && !Registry::is_verifier(&who));
		assert_eq!(
			(
				Registry::bond(&who),
				Registry::memory_mib(&who),
				Registry::workers()
			),
			(0, 0, 0)
		);
		assert_eq!(Registry::reputation(&who), Reputation::default());
		assert_eq!(
			(Registry::reporter(&who), Registry::account_of(&key(1))),
			(None, None)
		);
		assert_eq!(Registry::report(&who, None, 0), None);
	})
}

#[test]
fn register_should_refuse_what_is_wrong() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND);
		let try_with =
			|n, roles, reporter, bond| Registry::register(signed(n), roles, key(reporter), 1, bond);
		assert_noop!(
			try_with(1, WORKER, 9, WORKER_BOND),
			Error::<Test>::AlreadyRegistered
		);
		assert_noop!(
			try_with(2, Roles::default(), 2, WORKER_BOND),
			Error::<Test>::NoRole
		);
		assert_noop!(try_with(2, WORKER, 1, WORKER_BOND), Error::<Test>::ReporterTaken);
		assert_noop!(try_with(2, WORKER, 2, WORKER_BOND - 1), Error::<Test>::BondTooLow);
		assert_noop!(
			try_with(2, VERIFIER, 2, VERIFIER_BOND - 1),
			Error::<Test>::BondTooLow
		);
		// One coin does not vouch twice.
		assert_noop!(try_with(2, BOTH, 2, VERIFIER_BOND), Error::<Test>::BondTooLow);
		assert_noop!(try_with(2, WORKER, 2, ENDOWMENT), TokenError::FundsUnavailable);
		let root = Registry::register(RuntimeOrigin::root(), WORKER, key(2), 1, WORKER_BOND);
		assert_noop!(root, DispatchError::BadOrigin);
		assert_ok!(try_with(2, BOTH, 2, WORKER_BOND + VERIFIER_BOND));
		assert!(Registry::is_worker(&account(2)) && Registry::is_verifier(&account(2)));
	})
}

#[test]
fn update_should_change_only_what_is_given() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND + VERIFIER_BOND);
		assert_ok!(Registry::update(signed(1), None, Some(key(21)), None));
		assert_eq!(Registry::account_of(&key(1)), None, "the old key is void");
		assert_eq!(Registry::account_of(&key(21)), Some(account(1)));
		assert_eq!(Registry::memory_mib(&account(1)), 1_024);
		assert_ok!(Registry::update(signed(1), Some(BOTH), None, Some(2_048)));
		let expected = Event::Updated {
			account: account(1),
			roles: BOTH,
			reporter: key(21),
			memory_mib: 2_048,
		};
		System::assert_last_event(expected.into());
		assert!(Registry::is_verifier(&account(1)));
		assert_ok!(Registry::update(signed(1), Some(VERIFIER), Some(key(21)), None));
		assert_eq!(Registry::workers(), 0);
		assert!(!Registry::is_worker(&account(1)));
		// A key that was given up is free again.
		register(2, WORKER, WORKER_BOND);
		assert_ok!(Registry::update(signed(2), None, Some(key(1)), None));
	})
}

#[test]
fn update_should_refuse_what_is_wrong() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(
			Registry::update(signed(1), None, None, None),
			Error::<Test>::NotRegistered
		);
		register(1, BOTH, WORKER_BOND + VERIFIER_BOND);
		register(2, WORKER, WORKER_BOND);
		let roles = |n, roles| Registry::update(signed(n), Some(roles), None, None);
		assert_noop!(roles(1, Roles::default()), Error::<Test>::NoRole);
		assert_noop!(roles(2, BOTH), Error::<Test>::BondTooLow);
		assert_noop!(roles(2, VERIFIER), Error::<Test>::BondTooLow);
		assert_noop!(
			Registry::update(signed(2), None, Some(key(1)), None),
			Error::<Test>::ReporterTaken
		);
		assert_ok!(Registry::begin_obligation(&account(1)));
		assert_noop!(roles(1, WORKER), Error::<Test>::HasObligations);
		assert_noop!(roles(1, VERIFIER), Error::<Test>::HasObligations);
		// A stolen key can be replaced at any time.
		assert_ok!(Registry::update(signed(1), None, Some(key(99)), None));
		Registry::end_obligation(&account(1));
		assert_ok!(roles(1, VERIFIER));
		assert_ok!(Registry::deregister(signed(1)));
		assert_noop!(roles(1, WORKER), Error::<Test>::Leaving);
	})
}

#[test]
fn bond_more_should_add_to_the_bond() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Registry::bond_more(signed(1), 5), Error::<Test>::NotRegistered);
		register(1, WORKER, WORKER_BOND);
		assert_ok!(Registry::bond_more(signed(1), 5));
		let expected = Event::Bonded {
			account: account(1),
			added: 5,
			bond: WORKER_BOND + 5,
		};
		System::assert_last_event(expected.into());
		assert_eq!(Registry::bond(&account(1)), WORKER_BOND + 5);
		assert_noop!(
			Registry::bond_more(signed(1), ENDOWMENT),
			TokenError::FundsUnavailable
		);
		assert_ok!(Registry::deregister(signed(1)));
		assert_noop!(Registry::bond_more(signed(1), 5), Error::<Test>::Leaving);
	})
}
