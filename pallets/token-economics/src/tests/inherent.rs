// SPDX-License-Identifier: Apache-2.0

//! The parent-seal inherent: exactly once, true, and its handlers hear of it.

use crate::{mock::*, *};
use frame_support::{
	assert_noop, assert_ok,
	inherent::{InherentData, ProvideInherent},
	traits::{OnFinalize, OnInitialize},
};
use poaiw_primitives::inherent::{InherentError, INHERENT_IDENTIFIER};
use poaiw_work::{source::WorkSource, summary::SealSummary};
use sp_runtime::DispatchError;

fn data(summary: Option<SealSummary>) -> InherentData {
	let mut data = InherentData::new();
	data.put_data(INHERENT_IDENTIFIER, &summary).unwrap();
	data
}

fn call(summary: Option<SealSummary>) -> Call<Test> {
	Call::note_parent_seal { summary }
}

#[test]
fn handlers_should_hear_of_each_seal_with_its_author() {
	ExtBuilder::default().build_and_execute(|| {
		block(1, WorkSource::Synthetic);
		assert!(Heard::all().is_empty(), "genesis has no seal");
		block(2, WorkSource::Synthetic);
		block(3, in_task(4));
		let expected = vec![
			(1, account(1), seal_of(WorkSource::Synthetic)),
			(2, account(2), seal_of(in_task(4))),
		];
		assert_eq!(Heard::all(), expected);
	})
}

#[test]
fn inherent_should_be_created_from_the_data_of_the_node() {
	ExtBuilder::default().build_and_execute(|| {
		let summary = Some(seal_of(in_task(1)));
		assert_eq!(
			Economics::create_inherent(&data(summary.clone())),
			Some(call(summary))
		);
		assert_eq!(Economics::create_inherent(&data(None)), Some(call(None)));
		assert_eq!(Economics::create_inherent(&InherentData::new()), None);
		assert!(Economics::is_inherent(&call(None)));
		assert!(!Economics::is_inherent(&Call::set_parameters {
			parameters: Default::default()
		}));
	})
}

#[test]
fn check_should_refuse_whatever_differs_from_the_parents_seal() {
	ExtBuilder::default().build_and_execute(|| {
		let seal = seal_of(in_task(1));
		let node = data(Some(seal.clone()));
		assert_ok!(Economics::check_inherent(&call(Some(seal.clone())), &node));
		let changes: [fn(&mut SealSummary); 8] = [
			|s| s.source = in_task(2),
			|s| s.ticket[31] ^= 1,
			|s| s.root_a[0] ^= 1,
			|s| s.root_b[0] ^= 1,
			|s| s.work += 1,
			|s| s.m += 1,
			|s| s.n += 1,
			|s| s.k += 1,
		];
		for change in changes {
			let mut lie = seal.clone();
			change(&mut lie);
			assert_eq!(
				Economics::check_inherent(&call(Some(lie)), &node),
				Err(InherentError::Mismatch)
			);
		}
		assert_eq!(
			Economics::check_inherent(&call(None), &node),
			Err(InherentError::Mismatch)
		);
		let seal = call(Some(seal));
		assert_eq!(
			Economics::check_inherent(&seal, &data(None)),
			Err(InherentError::Mismatch)
		);
		assert_eq!(
			Economics::check_inherent(&seal, &InherentData::new()),
			Err(InherentError::Mismatch)
		);
	})
}

#[test]
fn inherent_should_be_required_always() {
	ExtBuilder::default().build_and_execute(|| {
		for node in [data(None), data(Some(seal_of(in_task(1)))), InherentData::new()] {
			assert_eq!(
				Economics::is_inherent_required(&node),
				Ok(Some(InherentError::Missing))
			);
		}
	})
}

#[test]
fn note_should_refuse_what_is_wrong() {
	ExtBuilder::default().build_and_execute(|| {
		begin_block(1);
		let note = |summary| Economics::note_parent_seal(RuntimeOrigin::none(), summary);
		let seal = || Some(seal_of(WorkSource::Synthetic));
		for origin in [RuntimeOrigin::root(), RuntimeOrigin::signed(account(1))] {
			assert_noop!(
				Economics::note_parent_seal(origin, seal()),
				DispatchError::BadOrigin
			);
		}
		assert_noop!(note(seal()), Error::<Test>::SealOfGenesis);
		assert_ok!(note(None));
		assert_noop!(note(None), Error::<Test>::AlreadyNoted);
		end_block();
		begin_block(2);
		assert_noop!(note(None), Error::<Test>::SealMissing);
		assert_ok!(note(seal()));
		assert_noop!(note(seal()), Error::<Test>::AlreadyNoted);
		end_block();
	})
}

#[test]
#[should_panic(expected = "the seal of the parent must be noted once in the block")]
fn block_should_be_invalid_without_the_inherent() {
	ExtBuilder::default().build_and_execute(|| {
		begin_block(1);
		end_block();
	})
}

#[test]
#[should_panic(expected = "the header must name author and payout account")]
fn block_should_be_invalid_without_an_author() {
	ExtBuilder::default().build_and_execute(|| {
		System::initialize(&1, &Default::default(), &Default::default());
		AllPalletsWithSystem::on_initialize(1);
		Economics::note_parent_seal(RuntimeOrigin::none(), None).unwrap();
		AllPalletsWithSystem::on_finalize(1);
	})
}
