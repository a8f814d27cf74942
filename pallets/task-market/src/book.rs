// SPDX-License-Identifier: Apache-2.0

//! The order book and the deadline agenda: who is served next, and who is looked at when.

use crate::{
	pricing::bucket_of, types::Task, Agenda, AgendaCursor, BucketLoad, Buckets, Config, Ended, EndedRange,
	Error, OpenBuckets, Pallet, Running, RunningCursor, Tasks,
};
use alloc::vec::Vec;
use poaiw_primitives::{task::TaskSpec, traits::Verification, AccountId, BlockNumber, TaskId};
use polkadot_sdk::{
	frame_support::{ensure, traits::Get},
	sp_runtime::BoundedVec,
};

/// Blocks after a deadline under which a task may be filed when the block of the deadline is full.
const AGENDA_SLACK: BlockNumber = 8;

impl<T: Config> Pallet<T> {
	/// Keeps a place for a new task in the bucket of its tip.
	pub(crate) fn take_place(spec: &TaskSpec) -> Result<(), Error<T>> {
		BucketLoad::<T>::try_mutate(bucket_of(spec.tip_per_gmac), |load| {
			ensure!(*load < T::BucketSize::get(), Error::MarketFull);
			*load = load.saturating_add(1);
			Ok(())
		})
	}

	/// Gives the place of a task that ended back.
	pub(crate) fn leave_place(spec: &TaskSpec) {
		BucketLoad::<T>::mutate_exists(bucket_of(spec.tip_per_gmac), |load| {
			*load = load.and_then(|n| n.checked_sub(1)).filter(|n| *n > 0);
		});
	}

	/// Puts a task (back) into its bucket, at the place of its age.
	pub(crate) fn enqueue(id: TaskId, spec: &TaskSpec) -> Result<(), Error<T>> {
		let bucket = bucket_of(spec.tip_per_gmac);
		Buckets::<T>::try_mutate(bucket, |ids| match ids.binary_search(&id) {
			Ok(_) => Ok(()),
			Err(place) => ids.try_insert(place, id).map_err(|_| Error::MarketFull),
		})?;
		OpenBuckets::<T>::mutate(|bits| *bits |= bit(bucket));
		Ok(())
	}

	/// Takes a task out of its bucket.
	pub(crate) fn dequeue(id: TaskId, spec: &TaskSpec) {
		let bucket = bucket_of(spec.tip_per_gmac);
		let left = Buckets::<T>::mutate_exists(bucket, |slot| {
			let mut ids = slot.take().unwrap_or_default();
			if let Ok(place) = ids.binary_search(&id) {
				ids.remove(place);
			}
			let left = ids.len();
			*slot = (left > 0).then_some(ids);
			left
		});
		if left == 0 {
			OpenBuckets::<T>::mutate(|bits| *bits &= !bit(bucket));
		}
	}

	/// Numbers of the buckets with open tasks, highest tip first.
	pub(crate) fn open_buckets() -> impl Iterator<Item = u8> {
		let bits = OpenBuckets::<T>::get();
		(0..=127u8).rev().filter(move |bucket| bits & bit(*bucket) != 0)
	}

	/// The best task that the worker may take now: the highest bucket first, in it the oldest. Looks at
	/// [`Config::MaxWalk`] tasks at most; meant for reads outside of blocks.
	pub fn next_task(worker: &AccountId, refused: &[TaskId]) -> Option<TaskId> {
		Self::check_worker(worker).ok()?;
		let (now, base_fee) = (Self::now(), Self::fee().base_fee);
		let walk = usize::try_from(T::MaxWalk::get()).unwrap_or(usize::MAX);
		Self::open_buckets()
			.flat_map(Buckets::<T>::get)
			.take(walk)
			.find(|id| {
				!refused.contains(id)
					&& Tasks::<T>::get(id)
						.is_some_and(|task| Self::check_match(worker, &task, now, base_fee).is_ok())
			})
	}

	/// Files a task under its deadline, or shortly after it when that block is full.
	pub(crate) fn file_deadline(id: TaskId, deadline: BlockNumber) -> Result<BlockNumber, Error<T>> {
		(deadline..=deadline.saturating_add(AGENDA_SLACK))
			.find(|at| Agenda::<T>::try_mutate(at, |ids| ids.try_push(id)).is_ok())
			.ok_or(Error::DeadlineBusy)
	}

	/// Takes a task that ended before its deadline out of the agenda.
	pub(crate) fn unfile_deadline(id: TaskId, filed_at: BlockNumber) {
		Agenda::<T>::mutate_exists(filed_at, |slot| {
			if let Some(mut ids) = slot.take() {
				ids.retain(|other| *other != id);
				*slot = (!ids.is_empty()).then_some(ids);
			}
		});
	}

	/// Ends what is due by `now`, looking at `budget` tasks or empty blocks of the agenda at most; the rest waits for the
	/// next call. Returns how many were looked at.
	pub(crate) fn process_deadlines(now: BlockNumber, budget: u32) -> u32 {
		let mut cursor = AgendaCursor::<T>::get();
		let mut left = budget;
		while cursor <= now && left > 0 {
			let mut ids = Agenda::<T>::take(cursor).into_inner();
			let rest = ids.split_off(ids.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
			let done = rest.is_empty();
			if !done {
				Agenda::<T>::insert(cursor, BoundedVec::truncate_from(rest));
			}
			left = left.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1));
			ids.into_iter().for_each(|id| Self::on_deadline(id, now));
			if done {
				cursor = cursor.saturating_add(1);
			}
		}
		AgendaCursor::<T>::put(cursor);
		budget.saturating_sub(left)
	}

	/// Ends leases whose heartbeat is overdue, looking at `budget` of them at most, in turn. Returns how many were looked at,
	/// and how many of them were lost.
	pub(crate) fn process_heartbeats(now: BlockNumber, budget: u32) -> (u32, u32) {
		let running = Running::<T>::get();
		if running.is_empty() {
			return (0, 0);
		}
		let count = running.len().min(usize::try_from(budget).unwrap_or(usize::MAX));
		let start = usize::try_from(RunningCursor::<T>::get()).unwrap_or(0);
		let start = if start < running.len() { start } else { 0 };
		let looked: Vec<TaskId> = running.iter().cycle().skip(start).take(count).copied().collect();
		let next = start
			.saturating_add(count)
			.checked_rem(running.len())
			.unwrap_or(0);
		RunningCursor::<T>::put(u32::try_from(next).unwrap_or(0));
		let lost = looked
			.into_iter()
			.filter(|id| Self::on_heartbeat_check(*id, now))
			.count();
		let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
		(number(count), number(lost))
	}

	/// Remembers an ended task and forgets the oldest one beyond the bound.
	pub(crate) fn archive(id: TaskId, task: &Task) {
		Tasks::<T>::insert(id, task);
		let (first, next) = EndedRange::<T>::get();
		Ended::<T>::insert(next, id);
		let next = next.saturating_add(1);
		let kept = next.saturating_sub(first);
		let first = if kept > u64::from(T::KeepEnded::get()) {
			if let Some(oldest) = Ended::<T>::take(first) {
				Tasks::<T>::remove(oldest);
				T::Verification::on_forgotten(oldest);
			}
			first.saturating_add(1)
		} else {
			first
		};
		EndedRange::<T>::put((first, next));
	}
}

fn bit(bucket: u8) -> u128 {
	1u128.checked_shl(u32::from(bucket)).unwrap_or(0)
}
