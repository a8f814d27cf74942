// SPDX-License-Identifier: Apache-2.0

//! What must hold between any two blocks.

use crate::{
	pricing::bucket_of, Agenda, AgendaCursor, BucketLoad, Buckets, Config, Ended, EndedRange, HoldReason,
	LeaseOf, NextTask, OpenBuckets, Pallet, PendingSeeds, Running, Tasks,
};
use alloc::collections::BTreeMap;
use poaiw_primitives::{
	task::{price, TaskState},
	AccountId, Balance,
};
use polkadot_sdk::{
	frame_support::{
		ensure,
		traits::{fungible::hold::Inspect, Get},
	},
	sp_runtime::TryRuntimeError,
};

impl<T: Config> Pallet<T> {
	/// All invariants of the pallet.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_holds()?;
		Self::try_places()?;
		Self::try_leases()?;
		Self::try_agenda()?;
		Self::try_archive()?;
		ensure!(
			Self::fee().base_fee >= T::MinBaseFee::get(),
			"base fee below its minimum"
		);
		Ok(())
	}

	/// A requester's hold is exactly the sum of its live tasks; ended tasks hold nothing.
	fn try_holds() -> Result<(), TryRuntimeError> {
		let mut sums = BTreeMap::<AccountId, Balance>::new();
		for (id, task) in Tasks::<T>::iter() {
			ensure!(id < NextTask::<T>::get(), "task number from the future");
			ensure!(
				task.held == if task.is_live() { task.spec.max_price } else { 0 },
				"held is not max_price of a live task"
			);
			let sum = sums.entry(task.requester).or_default();
			*sum = sum.saturating_add(task.held);
		}
		for (who, sum) in sums {
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Task.into(), &who) == sum,
				"hold of a requester is not the sum of its live tasks"
			);
		}
		Ok(())
	}

	/// Each open task stands in the bucket of its tip, once, and nothing else does; loads and bits agree.
	fn try_places() -> Result<(), TryRuntimeError> {
		let mut load = BTreeMap::<u8, u32>::new();
		for (id, task) in Tasks::<T>::iter().filter(|(_, task)| task.is_live()) {
			let bucket = bucket_of(task.spec.tip_per_gmac);
			let count = load.entry(bucket).or_default();
			*count = count.saturating_add(1);
			let queued = Buckets::<T>::get(bucket).contains(&id);
			ensure!(
				queued == (task.state == TaskState::Open),
				"a task must be queued exactly while it is open"
			);
		}
		ensure!(
			BucketLoad::<T>::iter().collect::<BTreeMap<_, _>>() == load,
			"bucket loads differ from the live tasks"
		);
		let mut bits = 0u128;
		for (bucket, ids) in Buckets::<T>::iter() {
			bits |= 1u128.checked_shl(bucket.into()).unwrap_or(0);
			ensure!(!ids.is_empty(), "empty bucket stored");
			ensure!(
				ids.windows(2).all(|pair| pair.first() < pair.last()),
				"bucket not in order of age"
			);
			for id in ids {
				let open = Tasks::<T>::get(id).is_some_and(|task| {
					task.state == TaskState::Open && bucket_of(task.spec.tip_per_gmac) == bucket
				});
				ensure!(
					open,
					"a bucket holds a task that is not open or belongs elsewhere"
				);
			}
		}
		ensure!(
			bits == OpenBuckets::<T>::get(),
			"bits of open buckets differ from the buckets"
		);
		Ok(())
	}

	/// Running leases, leases by worker and seeds in waiting all name the same leases; the price fits the hold.
	fn try_leases() -> Result<(), TryRuntimeError> {
		let running = Running::<T>::get();
		let mut leased = 0usize;
		for (id, task) in Tasks::<T>::iter() {
			if let Some(lease) = task.lease() {
				ensure!(
					lease.attempt == task.attempts,
					"the current lease must be the last attempt"
				);
				ensure!(
					task.attempts <= T::MaxAttempts::get(),
					"more attempts than allowed"
				);
				let (burned, tip) = price(task.spec.macs, lease.base_fee_per_gmac, task.spec.tip_per_gmac)
					.ok_or("price of a lease overflows")?;
				ensure!(
					burned.saturating_add(tip) <= task.held,
					"price of a lease is not covered by the hold"
				);
			}
			if let TaskState::Leased(lease) = &task.state {
				leased = leased.saturating_add(1);
				ensure!(
					running.contains(&id),
					"a leased task must be among the running ones"
				);
				ensure!(
					LeaseOf::<T>::get(&lease.worker) == Some(id),
					"the worker of a lease must have it"
				);
				let waits = PendingSeeds::<T>::get()
					.iter()
					.any(|p| p.task == id && p.attempt == lease.attempt);
				ensure!(
					waits == lease.seed.is_none(),
					"a lease has a seed or waits for one"
				);
			}
		}
		ensure!(running.len() == leased, "running leases that are no leased tasks");
		ensure!(
			LeaseOf::<T>::iter().count() == leased,
			"workers with a lease that is none"
		);
		ensure!(
			PendingSeeds::<T>::get().len() <= leased,
			"seeds in waiting without a lease"
		);
		Ok(())
	}

	/// Open and leased tasks are filed in the part of the agenda that is still to come; nothing else but results is.
	fn try_agenda() -> Result<(), TryRuntimeError> {
		for (id, task) in Tasks::<T>::iter() {
			let filed = Agenda::<T>::get(task.filed_at).contains(&id);
			match task.state {
				TaskState::Open | TaskState::Leased(_) => {
					ensure!(
						filed && task.filed_at >= AgendaCursor::<T>::get(),
						"a live task must be filed ahead"
					)
				}
				TaskState::Attested(_) => {}
				_ => ensure!(!filed, "an ended task must not be filed"),
			}
		}
		for (at, ids) in Agenda::<T>::iter() {
			ensure!(
				!ids.is_empty() && at >= AgendaCursor::<T>::get(),
				"agenda behind its cursor"
			);
			ensure!(
				ids.iter()
					.all(|id| Tasks::<T>::get(id).is_some_and(|task| task.filed_at == at)),
				"agenda names a task that is not filed there"
			);
		}
		Ok(())
	}

	/// Every ended task that is kept is in the archive, and no more than allowed are.
	fn try_archive() -> Result<(), TryRuntimeError> {
		let (first, next) = EndedRange::<T>::get();
		let kept = next.checked_sub(first).ok_or("archive ends before it begins")?;
		ensure!(kept <= u64::from(T::KeepEnded::get()), "archive too long");
		for at in first..next {
			let id = Ended::<T>::get(at).ok_or("hole in the archive")?;
			ensure!(
				Tasks::<T>::get(id).is_some_and(|task| !task.is_live()),
				"archive names a live task"
			);
		}
		let ended = Tasks::<T>::iter().filter(|(_, task)| !task.is_live()).count();
		ensure!(
			u64::try_from(ended) == Ok(kept),
			"ended tasks that are not in the archive"
		);
		Ok(())
	}
}
