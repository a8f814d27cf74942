// SPDX-License-Identifier: Apache-2.0

//! The ledger of the supply.

use crate::{mock::*, *};
use frame_support::{
	assert_ok,
	traits::{
		fungible::Balanced,
		tokens::{Fortitude, Precision, Preservation},
		OnUnbalanced,
	},
};
use poaiw_primitives::UNIT;
use poaiw_work::source::WorkSource;

#[test]
fn supply_should_be_balanced_before_and_after_the_first_block() {
	ExtBuilder::default().build_and_execute(|| {
		let supply = Economics::supply();
		assert_eq!(
			(supply.genesis, supply.issuance, supply.minted),
			(5 * ENDOWMENT, 5 * ENDOWMENT, 0)
		);
		assert!(supply.is_balanced());
		block(1, WorkSource::Synthetic);
		assert_eq!(Economics::supply().genesis, 5 * ENDOWMENT);
	})
}

#[test]
fn fees_should_be_burned_and_counted() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		let fee = Balances::withdraw(
			&account(1),
			3 * UNIT,
			Precision::Exact,
			Preservation::Preserve,
			Fortitude::Polite,
		);
		BurnFees::<Test>::on_unbalanced(fee.unwrap());
		let supply = Economics::supply();
		assert_eq!(supply.burned_fees, 3 * UNIT);
		assert_eq!(supply.issuance, 5 * ENDOWMENT - 3 * UNIT);
	})
}

#[test]
fn dust_should_be_burned_and_counted() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		let dust = ED / 3;
		let transfer =
			Balances::transfer_allow_death(RuntimeOrigin::signed(account(1)), account(2), ENDOWMENT - dust);
		assert_ok!(transfer);
		assert_eq!(Balances::free_balance(account(1)), 0);
		assert_eq!(Economics::supply().burned_fees, dust);
	})
}

#[test]
fn try_state_should_find_tokens_that_nobody_accounts_for() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		assert!(Economics::do_try_state().is_ok());
		// This is why the runtime must filter the call.
		assert_ok!(Balances::burn(RuntimeOrigin::signed(account(1)), UNIT, true));
		assert!(Economics::do_try_state().is_err());
		CurrentTotals::<Test>::mutate(|totals| totals.burned_fees += UNIT);
		assert!(Economics::do_try_state().is_ok());
		CurrentTotals::<Test>::mutate(|totals| totals.useful_held += 1);
		assert!(Economics::do_try_state().is_err());
		CurrentTotals::<Test>::mutate(|totals| totals.useful_held -= 1);
	})
}
