// SPDX-License-Identifier: Apache-2.0

//! Posting and cancelling: what a requester may ask for, and what it costs to change one's mind.

use crate::{
	pricing::work_done,
	types::{LeaseEnd, Task},
	Config, Error, Event, HoldReason, NextTask, Pallet, Tasks,
};
use poaiw_primitives::{
	task::{gmacs, price, Lease, TaskSpec, TaskState, MAX_SEGMENTS},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::{
		ensure,
		traits::{fungible::hold::Mutate, Get},
	},
	sp_runtime::DispatchResult,
};

impl<T: Config> Pallet<T> {
	/// Whether a specification can be posted at height `now`, besides the requester's balance and free places.
	pub(crate) fn check_fields(spec: &TaskSpec, now: BlockNumber) -> Result<(), Error<T>> {
		ensure!(spec.macs > 0, Error::NoWork);
		ensure!(spec.macs <= T::MaxMacs::get(), Error::TooMuchWork);
		ensure!((1..=MAX_SEGMENTS).contains(&spec.segments), Error::BadSegments);
		ensure!(u64::from(spec.segments) <= spec.macs, Error::BadSegments);
		ensure!(
			spec.macs.div_ceil(u64::from(spec.segments.max(1))) <= T::MaxSegmentMacs::get(),
			Error::SegmentTooLarge
		);
		ensure!(spec.program_root != [0; 32], Error::NoProgram);
		ensure!(
			spec.locator.iter().all(|byte| byte.is_ascii_graphic()),
			Error::BadLocator
		);
		ensure!(
			spec.deadline >= now.saturating_add(T::MinDuration::get()),
			Error::DeadlineTooSoon
		);
		ensure!(
			spec.deadline <= now.saturating_add(T::MaxDuration::get()),
			Error::DeadlineTooFar
		);
		ensure!(
			(1..=T::MaxVerifiers::get()).contains(&spec.level.verifiers),
			Error::BadVerifiers
		);
		ensure!(spec.level.sampled <= T::MaxSampled::get(), Error::TooManySampled);
		let (burned, tip) =
			price(spec.macs, Self::fee().base_fee, spec.tip_per_gmac).ok_or(Error::PriceOverflow)?;
		ensure!(
			spec.max_price >= burned.saturating_add(tip).max(T::MinPrice::get()),
			Error::PriceTooLow
		);
		Ok(())
	}

	pub(crate) fn do_post(requester: AccountId, spec: TaskSpec) -> DispatchResult {
		let now = Self::now();
		Self::check_fields(&spec, now)?;
		Self::take_place(&spec)?;
		T::Currency::hold(&HoldReason::Task.into(), &requester, spec.max_price)?;
		let id = NextTask::<T>::get();
		NextTask::<T>::put(id.checked_add(1).ok_or(Error::<T>::Exhausted)?);
		let filed_at = Self::file_deadline(id, spec.deadline)?;
		Self::enqueue(id, &spec)?;
		Self::deposit_event(Event::Posted {
			task: id,
			requester: requester.clone(),
			macs: spec.macs,
			held: spec.max_price,
			deadline: spec.deadline,
		});
		let task = Task {
			requester,
			posted_at: now,
			open_since: now,
			filed_at,
			held: spec.max_price,
			spec,
			state: TaskState::Open,
			attempts: 0,
			rejected: Default::default(),
		};
		Tasks::<T>::insert(id, task);
		Ok(())
	}

	pub(crate) fn do_cancel(requester: AccountId, id: TaskId) -> DispatchResult {
		let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::UnknownTask)?;
		ensure!(task.requester == requester, Error::<T>::NotRequester);
		let now = Self::now();
		let (paid, burned) = match task.state.clone() {
			TaskState::Open => {
				Self::dequeue(id, &task.spec);
				(0, 0)
			}
			TaskState::Leased(lease) => {
				let (burned, paid) = Self::cost_of_work(&task.spec, &lease, now)?;
				Self::drop_lease(id, &lease, LeaseEnd::Cancelled);
				Self::burn(&mut task, burned)?;
				Self::pay(&mut task, &lease.worker, paid)?;
				(paid, burned)
			}
			TaskState::Attested(_) => return Err(Error::<T>::ResultPending.into()),
			_ => return Err(Error::<T>::TaskEnded.into()),
		};
		let released = Self::end(id, task, TaskState::Cancelled { at: now })?;
		Self::deposit_event(Event::Cancelled {
			task: id,
			paid,
			burned,
			released,
		});
		Ok(())
	}

	/// Blocks that one worker is expected to need for the task; at least one.
	pub(crate) fn expected_blocks(macs: u64) -> BlockNumber {
		let rate = T::WorkerRate::get().max(1);
		BlockNumber::try_from(gmacs(macs).div_ceil(rate))
			.unwrap_or(BlockNumber::MAX)
			.max(1)
	}

	/// What cancelling under a lease costs: the part of (base fee, tip) that the blocks since the lease are of the expected
	/// ones, or of those up to the deadline if that is nearer.
	fn cost_of_work(
		spec: &TaskSpec,
		lease: &Lease,
		now: BlockNumber,
	) -> Result<(Balance, Balance), Error<T>> {
		let (burned, tip) =
			price(spec.macs, lease.base_fee_per_gmac, spec.tip_per_gmac).ok_or(Error::PriceOverflow)?;
		let expected = Self::expected_blocks(spec.macs).min(spec.deadline.saturating_sub(lease.since));
		let elapsed = now.saturating_sub(lease.since);
		Ok((
			work_done(burned, elapsed, expected),
			work_done(tip, elapsed, expected),
		))
	}
}
