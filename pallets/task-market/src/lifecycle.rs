// SPDX-License-Identifier: Apache-2.0

//! From lease to settlement: the moves of a task after it was posted, and the calls of the other pallets.

use crate::{
	types::{ExpiryReason, LeaseEnd, PendingSeed, Task},
	Config, Error, Event, HoldReason, LeaseOf, Pallet, PendingSeeds, Running, Tasks, LOG,
};
use poaiw_primitives::{
	economics::BurnCause,
	inherent::SealSummary,
	outbox::SignedReport,
	task::{price, task_seed, Lease, TaskState},
	traits::{BurnLedger, LeasedTask, Market, OnParentSeal, Registry, Slash, UsefulWork, Verification},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::{
		storage::with_storage_layer,
		traits::{
			fungible::hold::Mutate,
			tokens::{Fortitude, Precision, Restriction},
			Get,
		},
	},
	sp_runtime::{DispatchError, DispatchResult},
};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_lease(report: &SignedReport) -> DispatchResult {
		let (id, mut task) = Self::checked_lease(report)?;
		let now = Self::now();
		let worker = report.account.clone();
		T::Registry::begin_obligation(&worker)?;
		task.attempts = task.attempts.saturating_add(1);
		let lease = Lease {
			worker: worker.clone(),
			attempt: task.attempts,
			since: now,
			heartbeat: now,
			seed: None,
			base_fee_per_gmac: Self::fee().base_fee,
		};
		let (attempt, base_fee_per_gmac) = (lease.attempt, lease.base_fee_per_gmac);
		PendingSeeds::<T>::try_append(PendingSeed {
			task: id,
			attempt,
			block: now,
		})
		.map_err(|_| Error::<T>::TooManyLeases)?;
		Running::<T>::try_append(id).map_err(|_| Error::<T>::TooManyLeases)?;
		LeaseOf::<T>::insert(&worker, id);
		Self::dequeue(id, &task.spec);
		task.state = TaskState::Leased(lease);
		Tasks::<T>::insert(id, task);
		Self::deposit_event(Event::Leased {
			task: id,
			worker,
			attempt,
			base_fee_per_gmac,
		});
		Ok(())
	}

	pub(crate) fn do_heartbeat(report: &SignedReport) -> DispatchResult {
		let (id, mut task) = Self::checked_heartbeat(report)?;
		if let TaskState::Leased(lease) = &mut task.state {
			lease.heartbeat = report.at;
		}
		Tasks::<T>::insert(id, task);
		Ok(())
	}

	/// A look at a running lease: lost (`true`) when no heartbeat came for too long.
	pub(crate) fn on_heartbeat_check(id: TaskId, now: BlockNumber) -> bool {
		let Some(task) = Tasks::<T>::get(id) else {
			return false;
		};
		let TaskState::Leased(lease) = task.state.clone() else {
			return false;
		};
		if now.saturating_sub(lease.heartbeat) <= T::HeartbeatTimeout::get() {
			return false;
		}
		Self::logged("losing a lease", id, || {
			Self::drop_lease(id, &lease, LeaseEnd::Silent);
			Self::reopen(id, task, now)
		});
		true
	}

	/// A look at a task whose deadline passed. One with a result waits for the verdict.
	pub(crate) fn on_deadline(id: TaskId, now: BlockNumber) {
		let Some(task) = Tasks::<T>::get(id) else { return };
		Self::logged("expiring a task", id, || {
			match task.state.clone() {
				TaskState::Open => Self::dequeue(id, &task.spec),
				TaskState::Leased(lease) => Self::drop_lease(id, &lease, LeaseEnd::Deadline),
				_ => return Ok(()),
			}
			Self::expire(id, task, now, ExpiryReason::Deadline)
		});
	}

	/// Runs a step of a hook in a storage layer of its own. It can fail only when an invariant is broken; then nothing of
	/// it happens, and the log says so.
	fn logged(what: &str, id: TaskId, step: impl FnOnce() -> DispatchResult) {
		if let Err(error) = with_storage_layer(step) {
			log::error!(target: LOG, "{what} {id} failed: {error:?}; the task stays as it is, please report this");
		}
	}

	/// Ends a lease without a result: the worker is free for others, the seals that named the task earn nothing.
	pub(crate) fn drop_lease(id: TaskId, lease: &Lease, reason: LeaseEnd) {
		Self::stop_running(id, lease);
		let worker = &lease.worker;
		let slashed = match reason {
			LeaseEnd::Silent => {
				T::Registry::note_lost_lease(worker);
				T::Slash::slash(
					worker,
					T::LostLeaseSlash::get().mul_floor(T::Registry::bond(worker)),
					None,
				)
			}
			LeaseEnd::Deadline => {
				T::Registry::note_lost_lease(worker);
				0
			}
			LeaseEnd::Cancelled => 0,
		};
		T::Registry::end_obligation(worker);
		T::Verification::on_lease_ended(id);
		T::UsefulWork::on_failed(id, worker);
		Self::deposit_event(Event::LeaseEnded {
			task: id,
			worker: worker.clone(),
			attempt: lease.attempt,
			reason,
			slashed,
		});
	}

	fn stop_running(id: TaskId, lease: &Lease) {
		Running::<T>::mutate(|ids| ids.retain(|other| *other != id));
		PendingSeeds::<T>::mutate(|pending| pending.retain(|other| other.task != id));
		LeaseOf::<T>::remove(&lease.worker);
	}

	/// Back to the market, or the end when time or attempts are used up.
	fn reopen(id: TaskId, mut task: Task, now: BlockNumber) -> DispatchResult {
		if now >= task.spec.deadline {
			return Self::expire(id, task, now, ExpiryReason::Deadline);
		}
		if task.attempts >= T::MaxAttempts::get() {
			return Self::expire(id, task, now, ExpiryReason::Attempts);
		}
		Self::enqueue(id, &task.spec)?;
		task.state = TaskState::Open;
		task.open_since = now;
		Self::deposit_event(Event::Reopened {
			task: id,
			attempts: task.attempts,
		});
		Tasks::<T>::insert(id, task);
		Ok(())
	}

	fn expire(id: TaskId, task: Task, now: BlockNumber, reason: ExpiryReason) -> DispatchResult {
		let released = Self::end(id, task, TaskState::Expired { at: now })?;
		Self::deposit_event(Event::Expired {
			task: id,
			reason,
			released,
		});
		Ok(())
	}

	/// Ends a task: releases what is still held, gives its places back, and keeps it for reading.
	pub(crate) fn end(id: TaskId, mut task: Task, state: TaskState) -> Result<Balance, DispatchError> {
		let released = T::Currency::release(
			&HoldReason::Task.into(),
			&task.requester,
			task.held,
			Precision::Exact,
		)?;
		task.held = 0;
		task.state = state;
		Self::leave_place(&task.spec);
		Self::unfile_deadline(id, task.filed_at);
		Self::archive(id, &task);
		Ok(released)
	}

	/// Burns a part of what is held for the task.
	pub(crate) fn burn(task: &mut Task, amount: Balance) -> DispatchResult {
		task.held = task.held.checked_sub(amount).ok_or(Error::<T>::PriceAboveMax)?;
		T::Currency::burn_held(
			&HoldReason::Task.into(),
			&task.requester,
			amount,
			Precision::Exact,
			Fortitude::Force,
		)?;
		T::BurnLedger::note_burned(BurnCause::BaseFee, amount);
		Ok(())
	}

	/// Pays a part of what is held for the task to the worker.
	pub(crate) fn pay(task: &mut Task, worker: &AccountId, amount: Balance) -> DispatchResult {
		task.held = task.held.checked_sub(amount).ok_or(Error::<T>::PriceAboveMax)?;
		if amount > 0 {
			T::Currency::transfer_on_hold(
				&HoldReason::Task.into(),
				&task.requester,
				worker,
				amount,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)?;
		}
		Ok(())
	}

	fn attested(id: TaskId) -> Result<(Task, Lease), Error<T>> {
		let task = Tasks::<T>::get(id).ok_or(Error::UnknownTask)?;
		match task.state.clone() {
			TaskState::Attested(lease) => Ok((task, lease)),
			_ => Err(Error::NotLeaseholder),
		}
	}

	fn settle(id: TaskId) -> DispatchResult {
		let (mut task, lease) = Self::attested(id)?;
		let (burned, paid) = price(task.spec.macs, lease.base_fee_per_gmac, task.spec.tip_per_gmac)
			.ok_or(Error::<T>::PriceOverflow)?;
		Self::burn(&mut task, burned)?;
		Self::pay(&mut task, &lease.worker, paid)?;
		T::Registry::end_obligation(&lease.worker);
		// Without a seed there is no attestation, so there is one here.
		let seed = lease.seed.ok_or(Error::<T>::NotLeaseholder)?;
		let (worker, macs) = (lease.worker, task.spec.macs);
		let state = TaskState::Settled {
			worker: worker.clone(),
			seed,
			at: Self::now(),
			paid,
			burned,
		};
		let released = Self::end(id, task, state)?;
		T::UsefulWork::on_settled(id, &worker, macs, burned);
		Self::deposit_event(Event::Settled {
			task: id,
			worker,
			paid,
			burned,
			released,
		});
		Ok(())
	}
}

impl<T: Config> Market for Pallet<T> {
	fn knows(task: TaskId) -> bool {
		Tasks::<T>::contains_key(task)
	}

	fn leased(task: TaskId) -> Option<LeasedTask> {
		let task = Tasks::<T>::get(task)?;
		let attested = matches!(task.state, TaskState::Attested(_));
		let lease = task.lease()?.clone();
		Some(LeasedTask {
			requester: task.requester,
			spec: task.spec,
			lease,
			attested,
		})
	}

	fn lease_of(worker: &AccountId) -> Option<TaskId> {
		LeaseOf::<T>::get(worker)
	}

	fn on_attested(id: TaskId) -> DispatchResult {
		with_storage_layer(|| {
			let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::UnknownTask)?;
			let TaskState::Leased(lease) = task.state else {
				return Err(Error::<T>::NotLeaseholder.into());
			};
			Self::stop_running(id, &lease);
			Self::deposit_event(Event::Attested {
				task: id,
				worker: lease.worker.clone(),
				attempt: lease.attempt,
			});
			// The obligation of the lease goes on until the verdict.
			task.state = TaskState::Attested(lease);
			Tasks::<T>::insert(id, task);
			Ok(())
		})
	}

	fn on_accepted(task: TaskId) -> DispatchResult {
		with_storage_layer(|| Self::settle(task))
	}

	fn on_rejected(id: TaskId) -> DispatchResult {
		with_storage_layer(|| {
			let (mut task, lease) = Self::attested(id)?;
			let worker = lease.worker;
			T::Registry::end_obligation(&worker);
			T::UsefulWork::on_failed(id, &worker);
			if !task.rejected.contains(&worker) {
				task.rejected
					.try_push(worker.clone())
					.map_err(|_| Error::<T>::Exhausted)?;
			}
			Self::deposit_event(Event::Rejected {
				task: id,
				worker,
				attempt: lease.attempt,
			});
			Self::reopen(id, task, Self::now())
		})
	}
}

impl<T: Config> OnParentSeal for Pallet<T> {
	/// Gives the leases that the sealed block carries their seeds.
	fn on_parent_seal(parent: BlockNumber, _author: &AccountId, summary: &SealSummary) {
		let (ready, waiting) = PendingSeeds::<T>::get()
			.into_inner()
			.into_iter()
			.partition(|p| p.block <= parent);
		let (ready, waiting): (alloc::vec::Vec<PendingSeed>, alloc::vec::Vec<PendingSeed>) = (ready, waiting);
		if ready.is_empty() {
			return;
		}
		PendingSeeds::<T>::put(polkadot_sdk::sp_runtime::BoundedVec::truncate_from(waiting));
		for PendingSeed {
			task: id, attempt, ..
		} in ready
		{
			Tasks::<T>::mutate_extant(id, |task| {
				let TaskState::Leased(lease) = &mut task.state else {
					return;
				};
				if lease.attempt == attempt && lease.seed.is_none() {
					let seed = task_seed(&summary.ticket, id, &lease.worker, attempt);
					lease.seed = Some(seed);
					Self::deposit_event(Event::Seeded {
						task: id,
						attempt,
						seed,
					});
				}
			});
		}
	}
}
