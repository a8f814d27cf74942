// SPDX-License-Identifier: Apache-2.0

//! How tasks end, and who gets what.

use crate::{mock::*, Agenda, Ended, Error, Event, Tasks};
use poaiw_primitives::{
	task::{TaskSpec, TaskState, Verdict},
	traits::{Market, Registry as _},
	UNIT,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::frame_support::{assert_noop, assert_ok};

#[test]
fn settlement_should_burn_the_base_fee_pay_the_tip_and_release_the_rest() {
	ExtBuilder::default().build_and_execute(|| {
		let before = Economics::supply();
		let task = attested(WORKER);
		let worker = Balances::free_balance(account(WORKER));
		vote_all(task, |_, _| Verdict::Accept);
		let TaskState::Settled { paid, burned, .. } = state(task) else {
			panic!("{:?}", state(task))
		};
		// Ten GMACs at a tip of 2, base fee 0.1.
		assert_eq!((paid, burned), (20 * UNIT, UNIT));
		assert_eq!(Balances::free_balance(account(WORKER)), worker + paid);
		assert_eq!(
			Balances::free_balance(account(REQUESTER)),
			ENDOWMENT - paid - burned
		);
		assert_eq!(held(REQUESTER), 0);
		assert_eq!(
			Economics::supply().burned_base_fees - before.burned_base_fees,
			burned
		);
		assert_eq!(Registry::reputation(&account(WORKER)).consecutive, 1);
		assert_eq!(obligations(WORKER), 0);
	});
}

#[test]
fn settlement_should_release_the_shares_of_seals_that_named_the_task() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		next_block_by(
			WORKER,
			WorkSource::Task {
				id: task,
				segment: 2,
				step: 0,
				instruction: 1,
			},
		);
		let held = Economics::supply().useful_held;
		assert!(held > 0);
		attest(WORKER, task);
		run_blocks(TO_DRAW);
		vote_all(task, |_, _| Verdict::Accept);
		let after = Economics::supply();
		assert!(after.useful_released > 0 && after.useful_held < held, "{after:?}");
	});
}

#[test]
fn expiry_should_release_everything() {
	ExtBuilder::default().build_and_execute(|| {
		let open = post_spec(TaskSpec {
			deadline: now() + 8,
			..spec()
		});
		let leased = post_spec(TaskSpec {
			deadline: now() + 8,
			..spec()
		});
		lease(WORKER, leased);
		let bonded = bond(WORKER);
		run_blocks(7);
		assert_eq!(state(open), TaskState::Open);
		next_block();
		assert!(matches!(state(open), TaskState::Expired { .. }));
		assert!(matches!(state(leased), TaskState::Expired { .. }));
		assert_eq!(Balances::free_balance(account(REQUESTER)), ENDOWMENT);
		// Missing the deadline costs reputation, no bond.
		assert_eq!((bond(WORKER), obligations(WORKER)), (bonded, 0));
		assert_eq!(Registry::reputation(&account(WORKER)).invalid, 1);
		assert_eq!(TaskMarket::lease_of(&account(WORKER)), None);
	});
}

#[test]
fn deadlines_should_be_carried_over_when_more_fall_due_than_one_block_takes() {
	ExtBuilder::default().build_and_execute(|| {
		let deadline = now() + 10;
		let ids: Vec<_> = (0..7)
			.map(|i| {
				post_spec(TaskSpec {
					deadline: if i < 3 { deadline } else { deadline + 1 },
					..spec()
				})
			})
			.collect();
		run_blocks(20);
		assert_eq!(held(REQUESTER), 0);
		assert_eq!(Agenda::<Test>::iter().count(), 0);
		// The first of seven was forgotten: six ended tasks are kept.
		assert!(!Tasks::<Test>::contains_key(ids[0]));
		assert!(ids[1..]
			.iter()
			.all(|id| matches!(state(*id), TaskState::Expired { .. })));
		assert_eq!(Ended::<Test>::iter().count(), 6);
	});
}

#[test]
fn result_at_the_deadline_should_wait_for_its_verdict() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post_spec(TaskSpec {
			deadline: now() + 8,
			..spec()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		run_blocks(TO_DRAW);
		assert!(matches!(state(task), TaskState::Attested(_)) && now() > 9);
		vote_all(task, |_, _| Verdict::Accept);
		assert!(matches!(state(task), TaskState::Settled { .. }));
	});
}

#[test]
fn rejected_result_after_the_deadline_should_expire_the_task() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post_spec(TaskSpec {
			deadline: now() + 8,
			..spec()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		run_blocks(TO_DRAW);
		vote_all(task, |_, _| Verdict::WrongResult);
		assert!(matches!(state(task), TaskState::Expired { .. }));
		assert_eq!(Balances::free_balance(account(REQUESTER)), ENDOWMENT);
	});
}

#[test]
fn cancel_should_be_free_while_nobody_works() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		assert_noop!(TaskMarket::cancel(signed(2), task), Error::<Test>::NotRequester);
		assert_noop!(
			TaskMarket::cancel(signed(REQUESTER), 9),
			Error::<Test>::UnknownTask
		);
		assert_ok!(TaskMarket::cancel(signed(REQUESTER), task));
		assert_eq!(Balances::free_balance(account(REQUESTER)), ENDOWMENT);
		assert_noop!(
			TaskMarket::cancel(signed(REQUESTER), task),
			Error::<Test>::TaskEnded
		);
	});
}

#[test]
fn cancel_should_cost_the_work_done_under_a_lease() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease(WORKER, task);
		// Ten GMACs are expected to take ten blocks; four of them have passed.
		run_blocks(4);
		let worker = Balances::free_balance(account(WORKER));
		assert_ok!(TaskMarket::cancel(signed(REQUESTER), task));
		let (paid, burned) = (8 * UNIT, 4 * UNIT / 10);
		System::assert_has_event(
			Event::Cancelled {
				task,
				paid,
				burned,
				released: 50 * UNIT - paid - burned,
			}
			.into(),
		);
		assert_eq!(Balances::free_balance(account(WORKER)), worker + paid);
		assert_eq!(
			Balances::free_balance(account(REQUESTER)),
			ENDOWMENT - paid - burned
		);
		assert_eq!((held(REQUESTER), obligations(WORKER)), (0, 0));
		assert_eq!(Registry::reputation(&account(WORKER)).invalid, 0);
	});
}

#[test]
fn cancel_should_cost_the_price_at_most() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease(WORKER, task);
		run_blocks(HEARTBEAT_TIMEOUT);
		assert_ok!(TaskMarket::cancel(signed(REQUESTER), task));
		assert_eq!(Balances::free_balance(account(REQUESTER)), ENDOWMENT - 21 * UNIT);
	});
}

#[test]
fn cancel_should_be_refused_once_a_result_waits() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		assert_noop!(
			TaskMarket::cancel(signed(REQUESTER), task),
			Error::<Test>::ResultPending
		);
	});
}

#[test]
fn verdicts_should_be_refused_for_tasks_without_a_result() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		assert_noop!(
			<TaskMarket as Market>::on_accepted(task),
			Error::<Test>::NotLeaseholder
		);
		assert_noop!(
			<TaskMarket as Market>::on_rejected(task),
			Error::<Test>::NotLeaseholder
		);
		assert_noop!(<TaskMarket as Market>::on_accepted(9), Error::<Test>::UnknownTask);
		attest(WORKER, task);
		assert_noop!(
			<TaskMarket as Market>::on_attested(task),
			Error::<Test>::NotLeaseholder
		);
	});
}
