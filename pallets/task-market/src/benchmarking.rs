// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls and hooks. Leases are put into the state directly: the registry is known only by its trait, so
//! `lease` and the two admissions are measured where the whole runtime is.

use crate::{
	types::{PendingSeed, Task},
	*,
};
use alloc::vec::Vec;
use poaiw_primitives::{
	inherent::SealSummary,
	outbox::{Report, SignedReport},
	task::{Lease, TaskClass, TaskSpec, TaskState, VerificationLevel},
	traits::OnParentSeal,
	AccountId, Balance, TaskId, GMAC,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_benchmarking::{account, v2::*},
	frame_support::traits::{fungible::Unbalanced, tokens::Precision, Get},
	frame_system::RawOrigin,
	sp_core::sr25519,
	sp_runtime::SaturatedConversion,
};

fn funded<T: Config>(index: u32) -> AccountId {
	let who = account("funded", index, 0);
	let plenty = T::MinPrice::get()
		.max(T::MinBaseFee::get())
		.saturating_mul(1_000_000_000);
	let _ = T::Currency::increase_balance(&who, plenty, Precision::BestEffort);
	who
}

fn spec<T: Config>() -> TaskSpec {
	let tip = T::MinBaseFee::get();
	TaskSpec {
		class: TaskClass::Training,
		program_root: [1; 32],
		input_root: [2; 32],
		held_out: None,
		macs: GMAC,
		segments: 1,
		memory_mib: 0,
		locator: Default::default(),
		tip_per_gmac: tip,
		max_price: T::MinPrice::get().max(tip.saturating_mul(1_000)),
		deadline: Pallet::<T>::now().saturating_add(T::MinDuration::get()),
		min_reputation: 0,
		level: VerificationLevel {
			sampled: 1,
			verifiers: 1,
		},
	}
}

fn posted<T: Config>(requester: &AccountId) -> Result<TaskId, BenchmarkError> {
	let id = NextTask::<T>::get();
	Pallet::<T>::do_post(requester.clone(), spec::<T>())?;
	Ok(id)
}

fn leased<T: Config>(requester: &AccountId, worker: AccountId) -> Result<TaskId, BenchmarkError> {
	let id = posted::<T>(requester)?;
	let mut task: Task = Tasks::<T>::get(id).ok_or("not posted")?;
	Pallet::<T>::dequeue(id, &task.spec);
	let now = Pallet::<T>::now();
	task.attempts = 1;
	task.state = TaskState::Leased(Lease {
		worker: worker.clone(),
		attempt: 1,
		since: now,
		heartbeat: now,
		seed: None,
		base_fee_per_gmac: T::MinBaseFee::get(),
	});
	Tasks::<T>::insert(id, task);
	LeaseOf::<T>::insert(worker, id);
	Running::<T>::try_append(id).map_err(|_| "too many leases")?;
	PendingSeeds::<T>::try_append(PendingSeed {
		task: id,
		attempt: 1,
		block: now,
	})
	.map_err(|_| "too many leases")?;
	Ok(id)
}

fn pass<T: Config>(blocks: u32) {
	let then = Pallet::<T>::now().saturating_add(blocks);
	frame_system::Pallet::<T>::set_block_number(then.saturated_into());
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn post() {
		let requester = funded::<T>(0);
		let spec = spec::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(requester), spec);

		assert!(Tasks::<T>::contains_key(NextTask::<T>::get().saturating_sub(1)));
	}

	/// Under a lease, which pays and burns.
	#[benchmark]
	fn cancel() -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		let task = leased::<T>(&requester, funded::<T>(1))?;
		pass::<T>(1);

		#[extrinsic_call]
		_(RawOrigin::Signed(requester), task);

		let held: Balance = Tasks::<T>::get(task).map_or(0, |task| task.held);
		assert_eq!(held, 0);
		Ok(())
	}

	#[benchmark]
	fn heartbeat() -> Result<(), BenchmarkError> {
		let worker = funded::<T>(1);
		let task = leased::<T>(&funded::<T>(0), worker.clone())?;
		pass::<T>(1);
		let at = Pallet::<T>::now();
		let report = SignedReport {
			account: worker,
			at,
			report: Report::Heartbeat { task },
		};

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		let beat = Tasks::<T>::get(task).and_then(|task| task.lease().map(|lease| lease.heartbeat));
		assert_eq!(beat, Some(at));
		Ok(())
	}

	/// Deadlines of `d` leased tasks (the dearest kind), and looks at `l` leases that are lost.
	#[benchmark]
	fn on_initialize(d: Linear<0, 1>, l: Linear<0, 1>) -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		let mut tasks = Vec::new();
		for index in 0..d.saturating_add(l) {
			tasks.push(leased::<T>(&requester, funded::<T>(index.saturating_add(1)))?);
		}
		for task in tasks.iter().take(l as usize) {
			// Only its heartbeat is due.
			Tasks::<T>::mutate_extant(task, |task| task.spec.deadline = u32::MAX);
			Agenda::<T>::mutate(Pallet::<T>::now().saturating_add(T::MinDuration::get()), |ids| {
				ids.retain(|id| id != task)
			});
		}
		pass::<T>(
			T::MinDuration::get()
				.max(T::HeartbeatTimeout::get())
				.saturating_add(1),
		);
		AgendaCursor::<T>::put(Pallet::<T>::now().saturating_sub(T::MinDuration::get()).min(1));

		#[block]
		{
			Pallet::<T>::update_fee();
			Pallet::<T>::process_deadlines(Pallet::<T>::now(), 1_000);
			Pallet::<T>::process_heartbeats(Pallet::<T>::now(), l);
		}

		assert!(Running::<T>::get().is_empty());
		Ok(())
	}

	#[benchmark]
	fn on_parent_seal(l: Linear<0, 2>) -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		for index in 0..l {
			leased::<T>(&requester, funded::<T>(index.saturating_add(1)))?;
		}
		let sealed = Pallet::<T>::now();
		let summary = SealSummary {
			source: WorkSource::Synthetic,
			ticket: [7; 32],
			root_a: [0; 32],
			root_b: [0; 32],
			work: 1,
			m: 16,
			n: 16,
			k: 512,
		};

		#[block]
		{
			<Pallet<T> as OnParentSeal>::on_parent_seal(sealed, &requester, &summary);
		}

		assert!(PendingSeeds::<T>::get().is_empty());
		Ok(())
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
