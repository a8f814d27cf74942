// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls, admissions and hooks, each at its dearest: full lists, a full agenda, a full archive. Workers are
//! registered with the real registry, since admission reads their records and checks a real signature.

use crate::{
	pricing::bucket_of,
	types::{PendingSeed, Task, ATTEMPTS_BOUND},
	*,
};
use alloc::vec::Vec;
use poaiw_primitives::{
	app::{ReporterId, ReporterSignature},
	inherent::SealSummary,
	outbox::{Report, SignedReport},
	task::{Lease, TaskClass, TaskSpec, TaskState, VerificationLevel},
	traits::OnParentSeal,
	worker::Roles,
	AccountId, Balance, BlockNumber, TaskId, GMAC,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_benchmarking::{account, v2::*},
	frame_support::{
		pallet_prelude::TransactionSource,
		traits::{fungible::Unbalanced, tokens::Precision, Authorize, Get},
	},
	frame_system::RawOrigin,
	sp_application_crypto::RuntimeAppPublic,
	sp_core::sr25519,
	sp_runtime::{BoundedVec, SaturatedConversion},
};

fn funded<T: Config>(index: u32) -> AccountId {
	let who = account("funded", index, 0);
	let plenty = T::MinPrice::get()
		.max(T::MinBaseFee::get())
		.saturating_mul(1_000_000_000);
	let _ = T::Currency::increase_balance(&who, plenty, Precision::BestEffort);
	who
}

/// A worker with a bond that covers the task, and its report key, whose secret is in the keystore.
fn worker<T: Config + pallet_worker_registry::Config>(
	index: u32,
) -> Result<(AccountId, ReporterId), BenchmarkError> {
	let who = funded::<T>(index);
	let key = ReporterId::generate_pair(None);
	let roles = Roles {
		worker: true,
		verifier: false,
	};
	let bond = <T as pallet_worker_registry::Config>::MinWorkerBond::get().saturating_mul(1_000);
	let _ = <T as Config>::Currency::increase_balance(&who, bond.saturating_mul(2), Precision::BestEffort);
	let origin = RawOrigin::Signed(who.clone()).into();
	pallet_worker_registry::Pallet::<T>::register(origin, roles, key.clone(), u32::MAX, bond)?;
	Ok((who, key))
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
		locator: BoundedVec::truncate_from([b'x'; 256].to_vec()),
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

/// Numbers of tasks that are not there, from a range that the benchmarks do not come to.
fn strangers(count: u32) -> impl Iterator<Item = TaskId> {
	(0..TaskId::from(count)).map(|n| TaskId::MAX.saturating_sub(n))
}

/// Fills every list that a task goes through, but for the places of the tasks that the benchmark has yet to bring.
fn crowd<T: Config>(coming: u32) {
	let bucket = bucket_of(spec::<T>().tip_per_gmac);
	// Older than those of the benchmark, so that each of these comes last in its list.
	let older = TaskId::from(T::BucketSize::get());
	NextTask::<T>::put(older);
	let others = T::BucketSize::get().saturating_sub(coming);
	Buckets::<T>::insert(
		bucket,
		BoundedVec::truncate_from((0..TaskId::from(others)).collect()),
	);
	OpenBuckets::<T>::put(u128::MAX);
	BucketLoad::<T>::insert(bucket, others);
	let running = T::MaxLeases::get().saturating_sub(coming);
	Running::<T>::put(BoundedVec::truncate_from(strangers(running).collect()));
	let waiting = strangers(T::MaxNewLeases::get().saturating_sub(1)).map(|task| PendingSeed {
		task,
		attempt: 1,
		block: BlockNumber::MAX,
	});
	PendingSeeds::<T>::put(BoundedVec::truncate_from(waiting.collect()));
}

/// Fills the archive, so that whatever ends pushes an old task out.
fn fill_archive<T: Config>(id: TaskId) {
	let keep = T::KeepEnded::get();
	if let Some(task) = Tasks::<T>::get(id) {
		for (number, old) in (0u64..).zip(strangers(keep.min(8))) {
			Ended::<T>::insert(number, old);
			Tasks::<T>::insert(old, task.clone());
		}
	}
	EndedRange::<T>::put((0, u64::from(keep)));
}

fn posted<T: Config>(requester: &AccountId) -> Result<TaskId, BenchmarkError> {
	let id = NextTask::<T>::get();
	Pallet::<T>::do_post(requester.clone(), spec::<T>())?;
	// As many rejected workers as there can be.
	Tasks::<T>::mutate_extant(id, |task| {
		let rejected = (0..ATTEMPTS_BOUND).map(|n| account("rejected", n, 0));
		task.rejected = BoundedVec::truncate_from(rejected.collect());
	});
	Ok(id)
}

/// A running lease with a seed.
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
		seed: Some([9; 32]),
		base_fee_per_gmac: T::MinBaseFee::get(),
	});
	Tasks::<T>::insert(id, task);
	LeaseOf::<T>::insert(worker, id);
	Running::<T>::try_append(id).map_err(|_| "too many leases")?;
	Ok(id)
}

// The benchmark of `lease` is a unit struct of this name, hence none of these is called so.
fn current<T: Config>(id: TaskId) -> Option<Lease> {
	Tasks::<T>::get(id)?.lease().cloned()
}

fn change<T: Config>(id: TaskId, change: impl FnOnce(&mut Lease)) {
	Tasks::<T>::mutate_extant(id, |task| {
		if let TaskState::Leased(found) = &mut task.state {
			change(found)
		}
	});
}

fn pass<T: Config>(blocks: u32) {
	let then = Pallet::<T>::now().saturating_add(blocks);
	frame_system::Pallet::<T>::set_block_number(then.saturated_into());
}

fn report<T: Config>(account: AccountId, report: Report) -> SignedReport {
	SignedReport {
		account,
		at: Pallet::<T>::now(),
		report,
	}
}

fn signature<T: Config>(
	key: &ReporterId,
	report: &SignedReport,
) -> Result<ReporterSignature, BenchmarkError> {
	let signed = key.sign(&report.payload(&Pallet::<T>::genesis()));
	Ok(signed.ok_or("the report key is not in the keystore")?)
}

/// Runs the admission of a call.
fn admit<T: Config>(call: &Call<T>) -> Result<(), BenchmarkError> {
	call.authorize(TransactionSource::External)
		.ok_or("the call can't be authorised")?
		.map(|_| ())
		.map_err(|_| BenchmarkError::Stop("the call was refused"))
}

#[benchmarks(where T: pallet_worker_registry::Config)]
mod benchmarks {
	use super::*;

	/// Into the last place of a bucket, and after eight full blocks of the agenda.
	#[benchmark]
	fn post() {
		let requester = funded::<T>(0);
		crowd::<T>(1);
		let spec = spec::<T>();
		for at in (spec.deadline..).take(8) {
			let filed = strangers(T::AgendaSize::get());
			Agenda::<T>::insert(at, BoundedVec::truncate_from(filed.collect()));
		}

		#[extrinsic_call]
		_(RawOrigin::Signed(requester), spec);

		assert!(Tasks::<T>::contains_key(NextTask::<T>::get().saturating_sub(1)));
	}

	/// Under a lease, which pays and burns.
	#[benchmark]
	fn cancel() -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		crowd::<T>(1);
		let task = leased::<T>(&requester, funded::<T>(1))?;
		fill_archive::<T>(task);
		pass::<T>(1);

		#[extrinsic_call]
		_(RawOrigin::Signed(requester), task);

		let held: Balance = Tasks::<T>::get(task).map_or(0, |task| task.held);
		assert_eq!(held, 0);
		Ok(())
	}

	/// The last lease that fits, of the youngest task in a full bucket.
	#[benchmark]
	fn lease() -> Result<(), BenchmarkError> {
		let (worker, _) = worker::<T>(1)?;
		crowd::<T>(1);
		let task = posted::<T>(&funded::<T>(0))?;
		let report = report::<T>(worker.clone(), Report::Lease { task });

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		assert_eq!(LeaseOf::<T>::get(worker), Some(task));
		Ok(())
	}

	#[benchmark]
	fn authorize_lease() -> Result<(), BenchmarkError> {
		let (worker, key) = worker::<T>(1)?;
		crowd::<T>(1);
		let task = posted::<T>(&funded::<T>(0))?;
		let report = report::<T>(worker, Report::Lease { task });
		let signature = signature::<T>(&key, &report)?;
		let call = Call::<T>::lease { report, signature };

		#[block]
		{
			admit::<T>(&call)?;
		}

		Ok(())
	}

	#[benchmark]
	fn heartbeat() -> Result<(), BenchmarkError> {
		let worker = funded::<T>(1);
		let task = leased::<T>(&funded::<T>(0), worker.clone())?;
		pass::<T>(1);
		let report = report::<T>(worker, Report::Heartbeat { task });
		let at = report.at;

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		let beat = current::<T>(task).map(|found| found.heartbeat);
		assert_eq!(beat, Some(at));
		Ok(())
	}

	#[benchmark]
	fn authorize_heartbeat() -> Result<(), BenchmarkError> {
		let (worker, key) = worker::<T>(1)?;
		let task = leased::<T>(&funded::<T>(0), worker.clone())?;
		pass::<T>(1);
		let report = report::<T>(worker, Report::Heartbeat { task });
		let signature = signature::<T>(&key, &report)?;
		let call = Call::<T>::heartbeat { report, signature };

		#[block]
		{
			admit::<T>(&call)?;
		}

		Ok(())
	}

	/// Deadlines of `d` leased tasks (the dearest kind), looks at `k` leases that go on, and at `l` leases that are lost.
	#[benchmark]
	fn on_initialize(d: Linear<0, 1>, k: Linear<0, 1>, l: Linear<0, 1>) -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		let count = d.saturating_add(k).saturating_add(l);
		crowd::<T>(count);
		let others = Running::<T>::get();
		Running::<T>::kill();
		let mut tasks = Vec::new();
		for index in 0..count {
			let (worker, _) = worker::<T>(index.saturating_add(1))?;
			tasks.push(leased::<T>(&requester, worker)?);
		}
		let ours = Running::<T>::get().into_iter().chain(others);
		Running::<T>::put(BoundedVec::truncate_from(ours.collect()));
		if let Some(task) = tasks.first() {
			fill_archive::<T>(*task);
		}
		let deadline = spec::<T>().deadline;
		let then = deadline
			.max(Pallet::<T>::now().saturating_add(T::HeartbeatTimeout::get()))
			.saturating_add(1);
		for (place, task) in (0u32..).zip(&tasks).skip(d as usize) {
			// Its deadline is far away; only its heartbeat is due, or not even that.
			Tasks::<T>::mutate_extant(task, |task| task.spec.deadline = u32::MAX);
			if place < d.saturating_add(k) {
				change::<T>(*task, |found| found.heartbeat = then);
			}
			Agenda::<T>::mutate(deadline, |ids| ids.retain(|id| id != task));
		}
		AgendaCursor::<T>::put(deadline);
		frame_system::Pallet::<T>::set_block_number(then.saturated_into());

		#[block]
		{
			Pallet::<T>::update_fee();
			Pallet::<T>::process_deadlines(then, d);
			Pallet::<T>::process_heartbeats(then, k.saturating_add(l));
		}

		let going_on = tasks.iter().filter(|id| current::<T>(**id).is_some()).count();
		assert_eq!(going_on, k as usize);
		Ok(())
	}

	#[benchmark]
	fn on_parent_seal(l: Linear<0, { T::MaxNewLeases::get() }>) -> Result<(), BenchmarkError> {
		let requester = funded::<T>(0);
		let sealed = Pallet::<T>::now();
		for index in 0..l {
			let task = leased::<T>(&requester, funded::<T>(index.saturating_add(1)))?;
			change::<T>(task, |found| found.seed = None);
			let pending = PendingSeed {
				task,
				attempt: 1,
				block: sealed,
			};
			PendingSeeds::<T>::try_append(pending).map_err(|_| "too many leases")?;
		}
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
		assert!(Tasks::<T>::iter_keys().all(|id| current::<T>(id).is_some_and(|found| found.seed.is_some())));
		Ok(())
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build_with_keystore(),
		crate::mock::Test
	);
}
