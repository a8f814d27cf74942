// SPDX-License-Identifier: Apache-2.0

//! What can be posted, and what is held for it.

use crate::{mock::*, Error, Tasks};
use poaiw_primitives::{
	task::{TaskSpec, TaskState, MAX_SEGMENTS},
	Balance, GMAC, UNIT,
};
use polkadot_sdk::{
	frame_support::{assert_noop, assert_ok},
	sp_runtime::{BoundedVec, TokenError},
};

#[test]
fn post_should_hold_the_maximum_price() {
	ExtBuilder::default().build_and_execute(|| {
		let (first, second) = (post(), post());
		assert_eq!((first, second), (0, 1));
		assert_eq!(held(REQUESTER), 100 * UNIT);
		assert_eq!(state(first), TaskState::Open);
	});
}

#[test]
fn post_should_refuse_each_bad_field_with_its_own_error() {
	ExtBuilder::default().build_and_execute(|| {
		type Spoil = Box<dyn Fn(&mut TaskSpec)>;
		let cases: Vec<(Spoil, Error<Test>)> = vec![
			(Box::new(|s| s.macs = 0), Error::NoWork),
			(Box::new(|s| s.macs = 1_000 * GMAC + 1), Error::TooMuchWork),
			(Box::new(|s| s.segments = 0), Error::BadSegments),
			(Box::new(|s| s.segments = MAX_SEGMENTS + 1), Error::BadSegments),
			(
				Box::new(|s| {
					s.macs = 3;
					s.segments = 4
				}),
				Error::BadSegments,
			),
			(
				Box::new(|s| {
					s.macs = 40 * GMAC + 1;
					s.segments = 2
				}),
				Error::SegmentTooLarge,
			),
			(Box::new(|s| s.program_root = [0; 32]), Error::NoProgram),
			(
				Box::new(|s| s.locator = BoundedVec::truncate_from(b"http://a b".to_vec())),
				Error::BadLocator,
			),
			(
				Box::new(|s| s.locator = BoundedVec::truncate_from(vec![0xff])),
				Error::BadLocator,
			),
			(Box::new(|s| s.deadline = now() + 4), Error::DeadlineTooSoon),
			(Box::new(|s| s.deadline = now() + 1_001), Error::DeadlineTooFar),
			(Box::new(|s| s.level.verifiers = 0), Error::BadVerifiers),
			(Box::new(|s| s.level.verifiers = 4), Error::BadVerifiers),
			(Box::new(|s| s.level.sampled = 9), Error::TooManySampled),
			(Box::new(|s| s.max_price = 21 * UNIT - 1), Error::PriceTooLow),
			(
				Box::new(|s| {
					s.macs = 6;
					s.tip_per_gmac = 0;
					s.max_price = UNIT - 1
				}),
				Error::PriceTooLow,
			),
			(Box::new(|s| s.tip_per_gmac = Balance::MAX), Error::PriceOverflow),
			(
				Box::new(|s| s.tip_per_gmac = Balance::MAX / 10),
				Error::PriceOverflow,
			),
		];
		for (number, (spoil, error)) in cases.into_iter().enumerate() {
			let mut bad = spec();
			spoil(&mut bad);
			assert!(
				!crate::Pallet::<Test>::check_spec(account(REQUESTER), bad.clone()).is_empty(),
				"case {number}"
			);
			assert_noop!(TaskMarket::post(signed(REQUESTER), bad), error);
		}
		let exact = TaskSpec {
			max_price: 21 * UNIT,
			..spec()
		};
		assert!(crate::Pallet::<Test>::check_spec(account(REQUESTER), exact.clone()).is_empty());
		assert_ok!(TaskMarket::post(signed(REQUESTER), exact));
	});
}

#[test]
fn post_should_take_segments_up_to_the_bound_and_name_it_beyond() {
	ExtBuilder::default().build_and_execute(|| {
		let at_bound = TaskSpec {
			macs: 40 * GMAC,
			segments: 2,
			max_price: 200 * UNIT,
			..spec()
		};
		let beyond = TaskSpec {
			macs: 40 * GMAC + 1,
			..at_bound.clone()
		};
		let text = crate::Pallet::<Test>::check_spec(account(REQUESTER), beyond.clone());
		let text = String::from_utf8(text).unwrap();
		assert!(
			text.contains(&(20 * GMAC).to_string()) && text.contains("steps per segment"),
			"{text}"
		);
		assert_noop!(
			TaskMarket::post(signed(REQUESTER), beyond.clone()),
			Error::<Test>::SegmentTooLarge
		);
		assert_ok!(TaskMarket::post(signed(REQUESTER), at_bound));
		// More segments make the same work postable.
		assert_ok!(TaskMarket::post(
			signed(REQUESTER),
			TaskSpec {
				segments: 3,
				..beyond
			}
		));
	});
}

#[test]
fn post_should_refuse_what_the_requester_can_not_pay() {
	ExtBuilder::default().build_and_execute(|| {
		let rich = TaskSpec {
			max_price: ENDOWMENT + 1,
			..spec()
		};
		let text = crate::Pallet::<Test>::check_spec(account(REQUESTER), rich.clone());
		assert!(String::from_utf8(text).unwrap().contains("add tokens"));
		assert_noop!(
			TaskMarket::post(signed(REQUESTER), rich),
			TokenError::FundsUnavailable
		);
	});
}

#[test]
fn post_should_refuse_when_the_bucket_of_the_tip_is_full() {
	ExtBuilder::default().build_and_execute(|| {
		for i in 0..8 {
			post_spec(TaskSpec {
				deadline: now() + 20 + i,
				..spec()
			});
		}
		assert_noop!(
			TaskMarket::post(signed(REQUESTER), spec()),
			Error::<Test>::MarketFull
		);
		// A tip of another size has its own places.
		let dearer = TaskSpec {
			tip_per_gmac: 4 * UNIT,
			..spec()
		};
		assert_ok!(TaskMarket::post(signed(REQUESTER), dearer));
		// A leased task keeps its place, an ended one gives it back.
		lease(WORKER, 0);
		assert_noop!(
			TaskMarket::post(signed(REQUESTER), spec()),
			Error::<Test>::MarketFull
		);
		assert_ok!(TaskMarket::cancel(signed(REQUESTER), 1));
		assert_ok!(TaskMarket::post(signed(REQUESTER), spec()));
	});
}

#[test]
fn deadlines_should_be_filed_near_by_when_a_block_is_full_and_refused_when_all_are() {
	ExtBuilder::default().build_and_execute(|| {
		let deadline = now() + 50;
		for i in 0..27u32 {
			let tip = UNIT << (i / 8);
			let id = post_spec(TaskSpec {
				deadline,
				tip_per_gmac: tip,
				max_price: 200 * UNIT,
				..spec()
			});
			assert_eq!(Tasks::<Test>::get(id).unwrap().filed_at, deadline + i / 3);
		}
		let next = TaskSpec {
			deadline,
			tip_per_gmac: 16 * UNIT,
			max_price: 200 * UNIT,
			..spec()
		};
		assert_noop!(
			TaskMarket::post(signed(REQUESTER), next),
			Error::<Test>::DeadlineBusy
		);
	});
}
