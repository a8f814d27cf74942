// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls, hooks and of what settling costs.

use crate::*;
use frame_benchmarking::v2::*;
use frame_support::traits::{
	fungible::{Inspect, Mutate, MutateHold},
	Get, Hooks,
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use poaiw_primitives::{digest::Author, traits::UsefulWork, AccountId, Balance, BlockNumber};
use poaiw_work::{source::WorkSource, summary::SealSummary};

const TASK: u64 = 1;

fn miner() -> Author {
	Author {
		author: account("author", 0, 0),
		payout: account("payout", 0, 0),
	}
}

fn fund<T: Config>(who: &AccountId) {
	Pallet::<T>::record_genesis();
	let amount = T::Currency::minimum_balance().saturating_mul(1_000);
	Pallet::<T>::mint(who, amount);
}

/// Held shares of the first `count` blocks, in the lists of an unsettled task.
fn hold_shares<T: Config>(count: u32) {
	let Author {
		author: worker,
		payout,
	} = miner();
	fund::<T>(&payout);
	let amount: Balance = T::Currency::minimum_balance();
	let mut list = TaskShare {
		attempt: 1,
		blocks: Default::default(),
	};
	for block in 1..=count {
		let held = T::Currency::mint_into(&payout, amount)
			.and_then(|_| T::Currency::hold(&HoldReason::UsefulShare.into(), &payout, amount));
		assert!(held.is_ok() && list.blocks.try_push(block).is_ok());
		let share = Share {
			task: TASK,
			worker: worker.clone(),
			account: payout.clone(),
			amount,
		};
		Shares::<T>::insert(block, share);
		CurrentTotals::<T>::mutate(|totals| {
			totals.minted = totals.minted.saturating_add(amount);
			totals.useful_held = totals.useful_held.saturating_add(amount);
		});
	}
	TaskShares::<T>::insert(TASK, list);
}

fn set_block<T: Config>(n: BlockNumber) {
	frame_system::Pallet::<T>::set_block_number(BlockNumberFor::<T>::from(n));
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// With a share that expires, in full lists.
	#[benchmark]
	fn on_initialize() {
		hold_shares::<T>(T::MaxShares::get());
		let end = T::ReleaseWindow::get().saturating_add(1);

		#[block]
		{
			Pallet::<T>::on_initialize(end.into());
		}

		assert!(!Shares::<T>::contains_key(1));
	}

	/// A synthetic seal; the handlers are those of the runtime.
	#[benchmark]
	fn note_parent_seal() {
		LastAuthor::<T>::put(miner());
		fund::<T>(&miner().payout);
		fund::<T>(&Pallet::<T>::treasury());
		set_block::<T>(2);
		let summary = SealSummary {
			source: WorkSource::Synthetic,
			ticket: [7; 32],
			root_a: [0; 32],
			root_b: [0; 32],
			work: 1 << 17,
			m: 16,
			n: 16,
			k: 512,
		};

		#[extrinsic_call]
		_(RawOrigin::None, Some(summary));

		assert!(SealNoted::<T>::get());
	}

	#[benchmark]
	fn set_parameters() {
		let parameters = Parameters {
			blocks_per_year: 17,
			..Default::default()
		};

		#[extrinsic_call]
		_(RawOrigin::Root, parameters);

		assert_eq!(CurrentParameters::<T>::get(), parameters);
	}

	#[benchmark]
	fn on_settled(s: Linear<0, { T::MaxShares::get() }>) {
		hold_shares::<T>(s);
		let worker = miner().author;

		#[block]
		{
			Pallet::<T>::on_settled(TASK, &worker, u64::MAX, Balance::from(u64::MAX));
		}

		assert_eq!(Shares::<T>::iter().count(), 0);
	}

	#[benchmark]
	fn on_failed(s: Linear<0, { T::MaxShares::get() }>) {
		hold_shares::<T>(s);
		let worker = miner().author;

		#[block]
		{
			Pallet::<T>::on_failed(TASK, &worker);
		}

		assert_eq!(Shares::<T>::iter().count(), 0);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
