// SPDX-License-Identifier: Apache-2.0

//! Who receives which part of a block's reward.

use crate::{mock::*, *};
use poaiw_primitives::{traits::Market, Balance, UNIT};
use poaiw_work::source::WorkSource;
use sp_runtime::Permill;

/// Reward of the first block, by hand: 13.14 % of what is missing to the cap, over the blocks of a year.
fn first_reward() -> Balance {
	let missing = 2_100_000_000 * UNIT - 5 * ENDOWMENT;
	missing * 1_314 / 10_000 / 2_629_800
}

fn outcome() -> ShareOutcome {
	let rewarded = System::events()
		.into_iter()
		.find_map(|record| match record.event {
			RuntimeEvent::Economics(Event::BlockRewarded { outcome, .. }) => Some(outcome),
			_ => None,
		});
	rewarded.expect("a block was rewarded")
}

#[test]
fn author_should_be_paid_in_the_next_block() {
	ExtBuilder::default().build_and_execute(|| {
		let reward = Economics::block_reward();
		assert_eq!(reward, first_reward());
		block(1, WorkSource::Synthetic);
		assert_eq!(Balances::free_balance(payout(1)), 0);
		block(2, WorkSource::Synthetic);
		let base = Permill::from_percent(20).mul_floor(reward);
		let tenth = Permill::from_percent(10).mul_floor(reward);
		assert_eq!(Balances::free_balance(payout(1)), base);
		assert_eq!(
			Balances::free_balance(account(1)),
			ENDOWMENT,
			"the payout account is paid, not the worker"
		);
		assert_eq!(VerifierPool::<Test>::get(), tenth);
		let rest = reward - base - tenth - Permill::from_percent(60).mul_floor(reward);
		assert_eq!(Balances::free_balance(Economics::treasury()), rest);
	})
}

#[test]
fn useful_share_should_be_burned_at_once_when_synthetic() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		block(2, WorkSource::Synthetic);
		assert_eq!(outcome(), ShareOutcome::Synthetic);
		let supply = Economics::supply();
		assert_eq!(
			supply.burned_useful,
			Permill::from_percent(60).mul_floor(first_reward())
		);
		assert_eq!(
			(supply.synthetic_sealed_blocks, supply.task_sealed_blocks),
			(1, 0)
		);
		assert_eq!((held(&payout(1)), supply.useful_held), (0, 0));
	})
}

#[test]
fn useful_share_should_be_held_when_the_seal_lies_in_the_authors_task() {
	ExtBuilder::default().build_and_execute(|| {
		Table::lease(7, &account(1));
		block(1, WorkSource::Synthetic);
		let free = Permill::from_percent(20).mul_floor(Economics::block_reward());
		block(2, in_task(7));
		assert_eq!(outcome(), ShareOutcome::Held { task: 7 });
		let share = Permill::from_percent(60).mul_floor(first_reward());
		assert_eq!(held(&payout(1)), share);
		assert_eq!(
			Balances::free_balance(payout(1)),
			free,
			"the held part can't be spent"
		);
		let supply = Economics::supply();
		assert_eq!((supply.useful_held, supply.burned_useful), (share, 0));
		assert_eq!(
			(supply.synthetic_sealed_blocks, supply.task_sealed_blocks),
			(0, 1)
		);
	})
}

/// Seals block 2 or later in task 7 after `change`, and returns what became of the share.
fn after(change: impl FnOnce(), source: WorkSource) -> ShareOutcome {
	let mut result = None;
	ExtBuilder::default().build_and_execute(|| {
		Table::lease(7, &account(1));
		block(1, WorkSource::Synthetic);
		block(1, WorkSource::Synthetic);
		begin_block(1);
		change();
		Economics::note_parent_seal(RuntimeOrigin::none(), Some(seal_of(source))).unwrap();
		end_block();
		result = Some(outcome());
		if !matches!(result, Some(ShareOutcome::Held { .. })) {
			assert_eq!((held(&payout(1)), Economics::supply().useful_held), (0, 0));
		}
	});
	result.unwrap()
}

#[test]
fn useful_share_should_be_burned_when_anything_about_the_lease_is_wrong() {
	let change = |f: fn(&mut poaiw_primitives::traits::LeasedTask)| after(|| Table::change(7, f), in_task(7));
	assert_eq!(change(|_| ()), ShareOutcome::Held { task: 7 });
	assert_eq!(after(|| (), in_task(8)), ShareOutcome::NotLeased);
	assert_eq!(
		after(|| Table::on_rejected(7).unwrap(), in_task(7)),
		ShareOutcome::NotLeased
	);
	assert_eq!(
		change(|t| t.lease.worker = account(2)),
		ShareOutcome::NotTheWorker
	);
	assert_eq!(change(|t| t.lease.since = 2), ShareOutcome::BeforeLease);
	assert_eq!(change(|t| t.lease.since = 1), ShareOutcome::Held { task: 7 });
	assert_eq!(change(|t| t.attested = true), ShareOutcome::AlreadyAttested);
	let segment = |segment| WorkSource::Task {
		id: 7,
		segment,
		step: 0,
		instruction: 0,
	};
	assert_eq!(after(|| (), segment(3)), ShareOutcome::Held { task: 7 });
	assert_eq!(after(|| (), segment(4)), ShareOutcome::NoSuchSegment);
}

#[test]
fn payout_account_should_not_stand_in_for_the_worker() {
	ExtBuilder::default().build_and_execute(|| {
		// The lease is the payout account's, the author is somebody else.
		Table::lease(7, &payout(1));
		block(1, WorkSource::Synthetic);
		block(2, in_task(7));
		assert_eq!(outcome(), ShareOutcome::NotTheWorker);
	})
}

#[test]
fn shares_of_one_task_should_be_bounded() {
	ExtBuilder::default().build_and_execute(|| {
		Table::lease(7, &account(1));
		block(1, WorkSource::Synthetic);
		(0..4).for_each(|_| block(1, in_task(7)));
		let before = held(&payout(1));
		block(1, in_task(7));
		assert_eq!(outcome(), ShareOutcome::TooManyShares);
		assert_eq!(held(&payout(1)), before);
	})
}

#[test]
fn reward_should_not_be_minted_when_the_account_cannot_take_it() {
	// A reward so small that the base share does not reach the existential deposit.
	ExtBuilder::with(|p| {
		p.cap = 1_000_000_000 * UNIT;
		p.blocks_per_year = u32::MAX;
	})
	.build_and_execute(|| {
		Table::lease(7, &account(1));
		block(1, WorkSource::Synthetic);
		let reward = Economics::block_reward();
		assert!(reward > 0 && reward < 5 * ED);
		let before = Balances::total_issuance();
		block(2, in_task(7));
		System::assert_has_event(
			Event::NotMinted {
				account: payout(1),
				amount: Permill::from_percent(20).mul_floor(reward),
			}
			.into(),
		);
		assert_eq!(outcome(), ShareOutcome::NotHoldable);
		assert_eq!(Balances::total_issuance(), before);
		// Accounts that exist are paid.
		Balances::force_set_balance(RuntimeOrigin::root(), payout(2), ED).unwrap();
		Economics::mint(&payout(2), 0);
		CurrentTotals::<Test>::mutate(|t| t.minted += ED);
		block(2, WorkSource::Synthetic);
		assert!(Balances::free_balance(payout(2)) > ED);
	})
}
