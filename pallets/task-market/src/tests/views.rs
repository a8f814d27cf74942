// SPDX-License-Identifier: Apache-2.0

//! Quotes and reports.

use crate::{mock::*, Pallet};
use poaiw_primitives::{
	task::{TaskSpec, TaskState},
	GMAC, UNIT,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::frame_support::assert_ok;

#[test]
fn quote_should_be_the_price_that_a_lease_fixes() {
	ExtBuilder::default().build_and_execute(|| {
		let quote = Pallet::<Test>::quote(10 * GMAC - 1, 2 * UNIT);
		assert_eq!(
			(quote.gmacs, quote.base_fee_per_gmac, quote.price),
			(10, BASE_FEE, 21 * UNIT)
		);
		assert!(quote.suggested_max_price > quote.price);
		assert_eq!((quote.tasks_ahead, quote.expected_wait), (0, Some(1)));
		let posted = TaskSpec {
			max_price: quote.suggested_max_price,
			..spec()
		};
		assert_ok!(TaskMarket::post(signed(REQUESTER), posted));
	});
}

#[test]
fn quote_should_tell_the_wait_behind_other_tasks() {
	ExtBuilder {
		workers: vec![WORKER],
		..Default::default()
	}
	.build_and_execute(|| {
		lease(WORKER, post());
		post();
		post_spec(TaskSpec {
			tip_per_gmac: UNIT,
			..spec()
		});
		let quote = Pallet::<Test>::quote(10 * GMAC, 2 * UNIT);
		assert_eq!((quote.tasks_ahead, quote.expected_wait), (1, Some(20)));
		assert_eq!(Pallet::<Test>::quote(10 * GMAC, 100 * UNIT).tasks_ahead, 0);
		assert_eq!(Pallet::<Test>::quote(u64::MAX, u128::MAX).price, u128::MAX);
	});
}

#[test]
fn quote_should_promise_no_wait_without_workers() {
	ExtBuilder {
		workers: vec![],
		..Default::default()
	}
	.build_and_execute(|| {
		assert_eq!(Pallet::<Test>::quote(GMAC, 0).expected_wait, None);
	});
}

#[test]
fn report_should_tell_the_whole_life_of_a_task() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		let sealed = now();
		next_block_by(
			WORKER,
			WorkSource::Task {
				id: task,
				segment: 4,
				step: 7,
				instruction: 2,
			},
		);
		attest(WORKER, task);
		let report = Pallet::<Test>::task_report(task).unwrap();
		assert_eq!(
			(report.requester, report.held, report.attempts),
			(account(REQUESTER), 50 * UNIT, 1)
		);
		assert_eq!(report.seals, [(sealed, 4)]);
		assert!(matches!(report.state, TaskState::Attested(_)));
		assert_eq!(report.verification.unwrap().attestation, attestation(task));
		assert_eq!(Pallet::<Test>::task_report(99), None);
	});
}

#[test]
fn tasks_should_come_newest_first_and_bounded() {
	ExtBuilder::default().build_and_execute(|| {
		let ids = [post(), post(), post()];
		let listed: Vec<_> = Pallet::<Test>::tasks(2)
			.into_iter()
			.map(|report| report.id)
			.collect();
		assert_eq!(listed, [ids[2], ids[1]]);
		assert_eq!(Pallet::<Test>::tasks(u32::MAX).len(), 3);
		assert!(Pallet::<Test>::tasks(0).is_empty());
	});
}
