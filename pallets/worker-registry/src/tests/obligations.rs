// SPDX-License-Identifier: Apache-2.0

//! Unfinished work keeps the bond in place.

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use poaiw_primitives::traits::Registry as _;

#[test]
fn obligations_should_prevent_leaving_and_withdrawing() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 1_500);
		assert_ok!(Registry::unbond(signed(1), 500));
		assert_ok!(Registry::begin_obligation(&account(1)));
		assert_ok!(Registry::begin_obligation(&account(1)));
		go_to(1 + UNBONDING);
		assert_noop!(Registry::deregister(signed(1)), Error::<Test>::HasObligations);
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::HasObligations);
		Registry::end_obligation(&account(1));
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::HasObligations);
		Registry::end_obligation(&account(1));
		// The result of this work can still be disputed.
		assert_noop!(Registry::withdraw(signed(1)), Error::<Test>::StillLocked);
		go_to(1 + UNBONDING + DISPUTE);
		assert_ok!(Registry::withdraw(signed(1)));
		assert_ok!(Registry::deregister(signed(1)));
	})
}

#[test]
fn end_of_an_obligation_should_not_shorten_the_period() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, 1_500);
		assert_ok!(Registry::begin_obligation(&account(1)));
		assert_ok!(Registry::unbond(signed(1), 500));
		Registry::end_obligation(&account(1));
		assert_eq!(
			Records::<Test>::get(account(1))
				.unwrap()
				.unbonding
				.unwrap()
				.free_at,
			1 + UNBONDING
		);
	})
}

#[test]
fn begin_obligation_should_refuse_strangers_and_too_many() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(
			Registry::begin_obligation(&account(1)),
			Error::<Test>::NotRegistered
		);
		register(1, WORKER, WORKER_BOND);
		Records::<Test>::mutate_extant(account(1), |r| r.obligations = u32::MAX);
		assert_noop!(
			Registry::begin_obligation(&account(1)),
			Error::<Test>::TooManyObligations
		);
	})
}

#[test]
fn end_obligation_should_do_nothing_when_there_is_none() {
	ExtBuilder::default().build_and_execute(|| {
		Registry::end_obligation(&account(1));
		register(1, WORKER, WORKER_BOND);
		Registry::end_obligation(&account(1));
		assert_eq!(Records::<Test>::get(account(1)).unwrap().obligations, 0);
		assert!(!Records::<Test>::contains_key(account(2)));
	})
}
