// SPDX-License-Identifier: Apache-2.0

//! Held shares are released out of credit, and burned otherwise.

use crate::{mock::*, *};
use poaiw_primitives::{
	traits::{Market, UsefulWork},
	Balance, UNIT,
};
use poaiw_work::source::WorkSource;
use sp_runtime::FixedU128;

/// A base fee that is large enough for any credit in these tests (`useful_cap` of the mock is 10^6).
const FEE: Balance = UNIT;

/// Blocks 1 to `sealed` of miner 1 in task 7 are rewarded; the block after them is in execution.
fn sealed(blocks: u32) {
	Table::lease(7, &account(1));
	for _ in 0..blocks {
		block(1, in_task(7));
	}
	begin_after(1, in_task(7));
}

fn credit() -> Balance {
	Economics::credit(&account(1))
}

#[test]
fn settling_should_release_the_shares_out_of_credit() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(2);
		let on_hold = held(&payout(1));
		let free = Balances::free_balance(payout(1));
		// Three blocks' worth of work for two shares.
		assert_eq!(settle(7, 1, 3 * EXPECTED, FEE), on_hold);
		assert_eq!(held(&payout(1)), 0);
		assert_eq!(Balances::free_balance(payout(1)), free + on_hold);
		let supply = Economics::supply();
		assert_eq!(
			(supply.useful_released, supply.useful_held, supply.burned_useful),
			(on_hold, 0, 0)
		);
		assert!(credit() > 0, "the rest stays for the next shares");
		let (task, worker, credit) = (7, account(1), credit());
		let granted = credit + on_hold;
		let released = on_hold;
		System::assert_last_event(
			Event::UsefulReleased {
				task,
				worker,
				granted,
				released,
				credit,
			}
			.into(),
		);
		end_block();
	})
}

#[test]
fn repeating_one_product_should_earn_no_more_than_one_pass() {
	ExtBuilder::default().build_and_execute(|| {
		// Four seals in a task that is worth half a block.
		sealed(4);
		let on_hold = held(&payout(1));
		let one_share = on_hold / 4;
		let released = settle(7, 1, EXPECTED / 2, FEE);
		assert!(released <= one_share / 2, "{released} of {one_share}");
		assert_eq!((held(&payout(1)), credit()), (on_hold - released, 0));
		end_block();
		// What was not released is burned in the end.
		for _ in 0..WINDOW {
			block(2, WorkSource::Synthetic);
		}
		assert_eq!(held(&payout(1)), 0);
		assert_eq!(Economics::supply().useful_released, released);
	})
}

#[test]
fn credit_of_later_work_should_release_older_proven_shares_first() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(2);
		assert_eq!(settle(7, 1, 0, FEE), 0, "no work, no credit");
		let on_hold = held(&payout(1));
		end_block();
		Table::lease(8, &account(1));
		begin_after(1, WorkSource::Synthetic);
		assert_eq!(settle(8, 1, 4 * EXPECTED, FEE), on_hold);
		end_block();
	})
}

#[test]
fn credit_should_be_bounded_by_the_burned_base_fee() {
	ExtBuilder::with(|p| p.useful_cap = FixedU128::from_rational(5, 2)).build_and_execute(|| {
		sealed(3);
		// Work for a million blocks, declared by a requester who is the worker's friend.
		assert_eq!(settle(7, 1, 1_000_000 * EXPECTED, 4 * UNIT), 10 * UNIT);
		assert_eq!(credit(), 0);
		assert_eq!(settle(8, 1, 1_000_000 * EXPECTED, 0), 0);
		end_block();
	})
}

#[test]
fn credit_should_expire_after_one_window() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		begin_after(1, WorkSource::Synthetic);
		settle(6, 1, EXPECTED, FEE);
		let granted = credit();
		assert!(granted > 0);
		end_block();
		let granted_at = System::block_number();
		let expires_at = Credits::<Test>::get(account(1))[0].expires_at;
		assert!(expires_at <= granted_at + WINDOW && expires_at > granted_at + WINDOW - WINDOW / 16 - 1);
		while System::block_number() + 1 < expires_at {
			block(2, WorkSource::Synthetic);
			assert_eq!(credit(), granted);
		}
		begin_after(2, WorkSource::Synthetic);
		assert_eq!(credit(), 0);
		// And nothing is left of it once the worker settles again.
		settle(9, 1, 0, FEE);
		assert!(!Credits::<Test>::contains_key(account(1)));
		end_block();
	})
}

#[test]
fn credit_should_not_be_transferable() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(2);
		// Somebody else's work does not release the shares of worker 1.
		assert_eq!(settle(9, 2, 10 * EXPECTED, FEE), 0);
		let on_hold = held(&payout(1));
		// Not even if the task that the seals name is settled for somebody else: then they are burned.
		assert_eq!(settle(7, 2, 10 * EXPECTED, FEE), 0);
		assert_eq!(held(&payout(1)), 0);
		assert_eq!(Economics::supply().burned_useful, on_hold);
		end_block();
	})
}

#[test]
fn failed_lease_should_burn_its_shares() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(2);
		let on_hold = held(&payout(1));
		Table::on_rejected(7).unwrap();
		Economics::on_failed(7, &account(1));
		assert_eq!(held(&payout(1)), 0);
		assert_eq!(Economics::supply().burned_useful, on_hold);
		let amount = on_hold / 2;
		assert!(System::events().iter().any(|r| matches!(
			r.event,
			RuntimeEvent::Economics(Event::UsefulBurned { block: 2, task: 7, amount: a }) if a.abs_diff(amount) < UNIT
		)));
		// The next worker of the task begins with nothing.
		assert!(!TaskShares::<Test>::contains_key(7));
		Economics::on_failed(7, &account(1));
		end_block();
	})
}

#[test]
fn share_should_be_burned_when_its_window_ends() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(1);
		end_block();
		let share = held(&payout(1));
		while System::block_number() < WINDOW {
			block(2, WorkSource::Synthetic);
			assert_eq!(held(&payout(1)), share);
		}
		// Block 1 was sealed `WINDOW` blocks ago.
		begin_after(2, WorkSource::Synthetic);
		assert_eq!(System::block_number(), 1 + WINDOW);
		assert_eq!(held(&payout(1)), 0);
		assert!(!TaskShares::<Test>::contains_key(7));
		assert_eq!(settle(7, 1, 10 * EXPECTED, FEE), 0);
		end_block();
	})
}

#[test]
fn proven_shares_should_be_bounded() {
	ExtBuilder::default().build_and_execute(|| {
		for task in [7, 8, 9] {
			Table::lease(task, &account(1));
		}
		block(1, WorkSource::Synthetic);
		(0..4).for_each(|_| block(1, in_task(7)));
		(0..2).for_each(|_| block(1, in_task(8)));
		begin_after(1, WorkSource::Synthetic);
		settle(7, 1, 0, FEE);
		assert_eq!(ProvenShares::<Test>::get(account(1)).len(), 4);
		let burned = Economics::supply().burned_useful;
		// No place and no credit: burned.
		settle(8, 1, 0, FEE);
		assert_eq!(ProvenShares::<Test>::get(account(1)).len(), 4);
		assert!(Economics::supply().burned_useful > burned);
		end_block();
		(0..2).for_each(|_| block(1, in_task(9)));
		begin_after(1, WorkSource::Synthetic);
		// Credit makes room.
		settle(9, 1, 20 * EXPECTED, FEE);
		assert_eq!(
			(held(&payout(1)), ProvenShares::<Test>::get(account(1)).len()),
			(0, 0)
		);
		end_block();
	})
}

#[test]
fn shares_should_be_paid_to_the_account_that_was_named_when_sealing() {
	ExtBuilder::default().build_and_execute(|| {
		sealed(1);
		// Whoever changes the digest of later blocks does not reach shares of earlier ones.
		LastAuthor::<Test>::put(poaiw_primitives::digest::Author {
			author: account(1),
			payout: payout(3),
		});
		end_block();
		begin_after(1, in_task(7));
		let (one, three) = (held(&payout(1)), held(&payout(3)));
		assert!(one > 0);
		assert_eq!(settle(7, 1, 10 * EXPECTED, FEE), one + three);
		end_block();
	})
}
