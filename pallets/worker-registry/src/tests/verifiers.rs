// SPDX-License-Identifier: Apache-2.0

//! The places of verifiers are bounded and go to the larger bonds.

use crate::{mock::*, *};
use frame_support::{assert_noop, assert_ok};
use poaiw_primitives::traits::Registry as _;

fn three_verifiers() {
	register(3, VERIFIER, VERIFIER_BOND + 30);
	register(1, BOTH, VERIFIER_BOND + WORKER_BOND);
	register(2, VERIFIER, VERIFIER_BOND + 20);
}

#[test]
fn verifiers_should_be_listed_in_a_fixed_order_with_their_bonds() {
	ExtBuilder::default().build_and_execute(|| {
		three_verifiers();
		assert_ok!(Registry::unbond(signed(3), 5));
		let expected = vec![
			(account(1), VERIFIER_BOND + WORKER_BOND),
			(account(2), VERIFIER_BOND + 20),
			(account(3), VERIFIER_BOND + 25),
		];
		assert_eq!(Registry::verifiers(), expected);
	})
}

#[test]
fn newcomer_should_displace_the_smallest_bond_when_places_are_taken() {
	ExtBuilder::default().build_and_execute(|| {
		three_verifiers();
		let register = |bond| Registry::register(signed(4), VERIFIER, key(4), 1, bond);
		assert_noop!(register(VERIFIER_BOND + 20), Error::<Test>::TooManyVerifiers);
		assert_ok!(register(VERIFIER_BOND + 21));
		let displaced = Event::VerifierDisplaced {
			account: account(2),
			bond: VERIFIER_BOND + 20,
			by: account(4),
		};
		System::assert_has_event(displaced.into());
		assert!(!Registry::is_verifier(&account(2)) && Registry::is_verifier(&account(4)));
		// It gets its bond back, or asks again with a larger one.
		assert_noop!(
			Registry::update(signed(2), Some(VERIFIER), None, None),
			Error::<Test>::TooManyVerifiers
		);
		assert_ok!(Registry::bond_more(signed(2), 2));
		assert_ok!(Registry::update(signed(2), Some(VERIFIER), None, None));
		assert!(!Registry::is_verifier(&account(4)));
		assert_ok!(Registry::deregister(signed(4)));
		go_to(1 + UNBONDING);
		assert_ok!(Registry::withdraw(signed(4)));
		assert_eq!(held(4), 0);
	})
}

#[test]
fn displacing_should_spare_who_has_obligations() {
	ExtBuilder::default().build_and_execute(|| {
		three_verifiers();
		assert_ok!(Registry::begin_obligation(&account(2)));
		register(4, VERIFIER, VERIFIER_BOND + 31);
		assert!(Registry::is_verifier(&account(2)), "votes are due from it");
		assert!(!Registry::is_verifier(&account(3)));
		for n in [1, 4] {
			assert_ok!(Registry::begin_obligation(&account(n)));
		}
		assert_noop!(
			Registry::register(signed(5), VERIFIER, key(5), 1, ENDOWMENT / 2),
			Error::<Test>::TooManyVerifiers
		);
	})
}

#[test]
fn displaced_verifier_should_stay_worker() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, BOTH, VERIFIER_BOND + WORKER_BOND);
		register(2, VERIFIER, 9_000);
		register(3, VERIFIER, 9_000);
		register(4, VERIFIER, 9_000);
		assert!(Registry::is_worker(&account(1)) && !Registry::is_verifier(&account(1)));
		assert_eq!(Registry::workers(), 1);
		assert_eq!(Registry::verifiers().len(), 3);
	})
}

#[test]
fn a_place_should_be_free_when_a_verifier_leaves() {
	ExtBuilder::default().build_and_execute(|| {
		three_verifiers();
		assert_ok!(Registry::deregister(signed(2)));
		register(4, VERIFIER, VERIFIER_BOND);
		let who: Vec<_> = Registry::verifiers().into_iter().map(|(a, _)| a).collect();
		assert_eq!(who, vec![account(1), account(3), account(4)]);
	})
}
