// SPDX-License-Identifier: Apache-2.0

//! A block's time is strictly above the median of the last eleven.

use crate::{mock::*, *};

#[test]
fn earliest_timestamp_should_be_one_above_the_median_of_eleven() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(Difficulty::earliest_timestamp(), START + 1);
		for i in 1..=30 {
			block(START + i * 10);
		}
		// Blocks 20 to 30: the median is block 25.
		assert_eq!(Difficulty::earliest_timestamp(), START + 251);
		assert_eq!(RecentTimes::<Test>::get().len(), 11);
	})
}

#[test]
fn timestamp_should_be_taken_when_it_is_the_earliest() {
	ExtBuilder::default().build_and_execute(|| {
		block(START + 10);
		// The median of {START, START + 10} counts the later one.
		assert_eq!(Difficulty::earliest_timestamp(), START + 11);
		block(START + 11);
	})
}

#[test]
fn equal_times_should_be_taken_until_they_are_the_median() {
	ExtBuilder::default().build_and_execute(|| {
		for i in 1..=11 {
			block(START + i * 10);
		}
		// Five blocks may repeat the last time; then it is the median.
		for _ in 0..5 {
			block(START + 110);
		}
		assert_eq!(Difficulty::earliest_timestamp(), START + 111);
	})
}

#[test]
#[should_panic(expected = "Timestamp 1800000000110 must be above 1800000000110")]
fn block_should_be_invalid_when_its_time_is_the_median() {
	ExtBuilder::default().build_and_execute(|| {
		for i in 1..=11 {
			block(START + i * 10);
		}
		for _ in 0..6 {
			block(START + 110);
		}
	})
}

#[test]
#[should_panic(expected = "must be above 1800000000000")]
fn first_block_should_be_invalid_when_it_is_not_after_genesis_time() {
	ExtBuilder::default().build_and_execute(|| {
		block(START);
	})
}

#[test]
#[should_panic(expected = "Timestamp must be updated once in the block")]
fn block_should_be_invalid_without_a_time() {
	use frame_support::traits::OnFinalize;
	ExtBuilder::default().build_and_execute(|| {
		block(START + 10);
		AllPalletsWithSystem::on_finalize(System::block_number() + 1);
	})
}
