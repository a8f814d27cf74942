// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls and hooks.

use crate::*;
use alloc::vec;
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{Get, Hooks, OnTimestampSet},
	BoundedVec,
};
use frame_system::RawOrigin;
use poaiw_primitives::{Moment, U256};

fn fill_times<T: Config>() {
	let span = <MedianSpan as Get<u32>>::get() as usize;
	RecentTimes::<T>::put(BoundedVec::truncate_from(vec![Moment::from(1_000_000u32); span]));
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// The worst block: a full window of times, and the end of an epoch.
	#[benchmark]
	fn on_finalize() {
		fill_times::<T>();
		Pallet::<T>::on_timestamp_set(2_000_000);
		let (index, next) = Pallet::<T>::epoch();
		let last = next.saturating_sub(1);

		#[block]
		{
			Pallet::<T>::on_finalize(last.into());
		}

		assert_eq!(Pallet::<T>::epoch().0, index.saturating_add(1));
	}

	#[benchmark]
	fn set_anchor() {
		fill_times::<T>();
		let target = U256::from(1u64 << 40);

		#[extrinsic_call]
		_(RawOrigin::Root, target);

		assert_eq!(CurrentAnchor::<T>::get().target, target);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
