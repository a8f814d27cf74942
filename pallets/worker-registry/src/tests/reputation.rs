// SPDX-License-Identifier: Apache-2.0

//! Counting results and forgetting them.

use crate::{mock::*, *};
use poaiw_primitives::{traits::Registry as _, worker::TRUST_AFTER};

fn reputation() -> (u32, u32, u32) {
	let r = Registry::reputation(&account(1));
	(r.valid, r.invalid, r.consecutive)
}

#[test]
fn results_should_be_counted_and_a_fault_should_reset_trust() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND);
		(0..12).for_each(|_| Registry::note_valid(&account(1)));
		Registry::note_lost_lease(&account(1));
		assert_eq!(
			reputation(),
			(12, 1, 12),
			"a lost lease costs no trust in results"
		);
		assert!(Registry::reputation(&account(1)).consecutive >= TRUST_AFTER);
		Registry::note_fault(&account(1));
		assert_eq!(reputation(), (0, 2, 0));
		let reputation = Registry::reputation(&account(1));
		System::assert_last_event(
			Event::TrustLost {
				account: account(1),
				reputation,
			}
			.into(),
		);
	})
}

#[test]
fn strangers_should_not_get_a_record() {
	ExtBuilder::default().build_and_execute(|| {
		Registry::note_valid(&account(1));
		Registry::note_lost_lease(&account(1));
		Registry::note_fault(&account(1));
		assert!(!Records::<Test>::contains_key(account(1)));
		assert!(System::events().is_empty());
	})
}

#[test]
fn counts_should_be_halved_every_half_life() {
	ExtBuilder::default().build_and_execute(|| {
		register(1, WORKER, WORKER_BOND);
		(0..40).for_each(|_| Registry::note_valid(&account(1)));
		(0..9).for_each(|_| Registry::note_lost_lease(&account(1)));
		CurrentEpoch::set(HALF_LIFE - 1);
		assert_eq!(reputation(), (40, 9, 40));
		CurrentEpoch::set(HALF_LIFE);
		assert_eq!(reputation(), (20, 4, 40));
		// Writing in the middle of a half-life does not begin it anew.
		CurrentEpoch::set(HALF_LIFE + 2);
		Registry::note_valid(&account(1));
		assert_eq!(reputation(), (21, 4, 41));
		CurrentEpoch::set(2 * HALF_LIFE);
		assert_eq!(reputation(), (10, 2, 41));
		CurrentEpoch::set(u32::MAX);
		assert_eq!(reputation(), (0, 0, 41));
		Registry::note_valid(&account(1));
		assert_eq!(reputation(), (1, 0, 42));
	})
}

#[test]
fn new_records_should_not_be_halved_for_epochs_before_them() {
	ExtBuilder::default().build_and_execute(|| {
		CurrentEpoch::set(10 * HALF_LIFE + 1);
		register(1, WORKER, WORKER_BOND);
		(0..8).for_each(|_| Registry::note_valid(&account(1)));
		CurrentEpoch::set(11 * HALF_LIFE);
		assert_eq!(reputation(), (8, 0, 8));
	})
}
