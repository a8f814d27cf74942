// SPDX-License-Identifier: Apache-2.0

//! Seeds, heartbeats and lost leases.

use crate::{mock::*, Event, LeaseOf, Running};
use poaiw_primitives::{
	outbox::Report,
	task::{task_seed, TaskState},
	traits::{Market, Registry as _, Verification as _},
	UNIT,
};
use poaiw_work::source::WorkSource;

fn ticket(height: u32) -> [u8; 32] {
	let mut ticket = [7; 32];
	ticket[..4].copy_from_slice(&height.to_le_bytes());
	ticket
}

#[test]
fn seed_should_come_from_the_seal_of_the_block_that_carries_the_lease() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease(WORKER, task);
		let carried = now();
		assert_eq!(TaskMarket::leased(task).unwrap().lease.seed, None);
		next_block();
		let lease = TaskMarket::leased(task).unwrap().lease;
		assert_eq!(
			lease.seed,
			Some(task_seed(&ticket(carried), task, &account(WORKER), 1))
		);
		next_block();
		assert_eq!(TaskMarket::leased(task).unwrap().lease.seed, lease.seed);
	});
}

#[test]
fn lease_should_return_to_the_market_when_heartbeats_stop() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		// A seal that named the task earns nothing any more.
		next_block_by(
			WORKER,
			WorkSource::Task {
				id: task,
				segment: 0,
				step: 0,
				instruction: 0,
			},
		);
		assert_eq!(Verification::seals(task).len(), 1);
		assert!(Economics::supply().useful_held > 0);
		let before = bond(WORKER);
		run_blocks(HEARTBEAT_TIMEOUT - 2);
		assert!(matches!(state(task), TaskState::Leased(_)));
		next_block();
		assert_eq!(state(task), TaskState::Open);
		assert_eq!(before - bond(WORKER), before / 100);
		assert_eq!(Registry::reputation(&account(WORKER)).invalid, 1);
		assert_eq!(
			(obligations(WORKER), LeaseOf::<Test>::get(account(WORKER))),
			(0, None)
		);
		assert!(Verification::seals(task).is_empty());
		assert_eq!(Economics::supply().useful_held, 0);
		assert_eq!(held(REQUESTER), 50 * UNIT);
		System::assert_has_event(Event::Reopened { task, attempts: 1 }.into());
		lease(HONEST, task);
		assert_eq!(TaskMarket::leased(task).unwrap().lease.attempt, 2);
	});
}

#[test]
fn lease_should_live_as_long_as_heartbeats_come() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease(WORKER, task);
		for _ in 0..4 {
			run_blocks(HEARTBEAT_TIMEOUT - 1);
			assert_eq!(send(WORKER, Report::Heartbeat { task }), Ok(Ok(())));
		}
		assert_eq!(TaskMarket::lease_of(&account(WORKER)), Some(task));
		run_blocks(HEARTBEAT_TIMEOUT + 1);
		assert_eq!(TaskMarket::lease_of(&account(WORKER)), None);
	});
}

#[test]
fn lost_leases_should_all_be_found_when_more_run_than_one_block_looks_at() {
	ExtBuilder::default().build_and_execute(|| {
		let tasks = [post(), post(), post()];
		lease(WORKER, tasks[0]);
		lease(HONEST, tasks[1]);
		next_block();
		lease(12, tasks[2]);
		run_blocks(HEARTBEAT_TIMEOUT + 3);
		assert!(Running::<Test>::get().is_empty());
	});
}

#[test]
fn task_should_expire_when_all_attempts_are_used_up() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		for attempt in 1..=MAX_ATTEMPTS {
			assert_eq!(state(task), TaskState::Open, "attempt {attempt}");
			lease(WORKER, task);
			run_blocks(HEARTBEAT_TIMEOUT + 1);
		}
		assert!(matches!(state(task), TaskState::Expired { .. }));
		assert_eq!(held(REQUESTER), 0);
		assert_eq!(Balances::free_balance(account(REQUESTER)), ENDOWMENT);
	});
}

#[test]
fn base_fee_should_follow_the_use_of_the_workers() {
	ExtBuilder {
		workers: vec![WORKER, HONEST],
		..Default::default()
	}
	.build_and_execute(|| {
		let start = crate::Pallet::<Test>::fee();
		assert_eq!(start.base_fee, BASE_FEE);
		let tasks = [post(), post()];
		lease(WORKER, tasks[0]);
		lease(HONEST, tasks[1]);
		run_blocks(9);
		let full = crate::Pallet::<Test>::fee();
		assert!(
			full.base_fee > BASE_FEE && full.base_fee <= BASE_FEE * 110 / 100,
			"{full:?}"
		);
		run_blocks(40);
		let idle = crate::Pallet::<Test>::fee();
		assert!(
			idle.base_fee < full.base_fee && idle.base_fee >= BASE_FEE,
			"{idle:?}"
		);
		// The price of a lease is the one at which it was taken.
		assert!(idle.utilisation < full.utilisation);
	});
}

#[test]
fn base_fee_should_rest_without_workers() {
	ExtBuilder {
		workers: vec![],
		..Default::default()
	}
	.build_and_execute(|| {
		run_blocks(10);
		assert_eq!(crate::Fee::<Test>::get(), None);
	});
}
