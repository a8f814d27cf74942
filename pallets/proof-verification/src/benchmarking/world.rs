// SPDX-License-Identifier: Apache-2.0

//! Accounts, tasks and records for the benchmarks.

use super::*;

/// What the benchmarks need besides this pallet.
pub(super) trait World: Config + pallet_task_market::Config + pallet_worker_registry::Config {}
impl<T: Config + pallet_task_market::Config + pallet_worker_registry::Config> World for T {}

pub(super) const WORKER: Roles = Roles {
	worker: true,
	verifier: false,
};
pub(super) const VERIFIER: Roles = Roles {
	worker: false,
	verifier: true,
};

pub(super) fn funded<T: World>(name: &'static str, index: u32) -> AccountId {
	let who = account(name, index, 0);
	<T as pallet_worker_registry::Config>::Currency::set_balance(&who, UNIT.saturating_mul(100_000_000));
	who
}

pub(super) fn register<T: World>(
	who: &AccountId,
	roles: Roles,
	key: ReporterId,
) -> Result<(), BenchmarkError> {
	let bond = pallet_worker_registry::Pallet::<T>::required_bond(roles).saturating_mul(100);
	let origin = RawOrigin::Signed(who.clone()).into();
	Ok(pallet_worker_registry::Pallet::<T>::register(
		origin,
		roles,
		key,
		u32::MAX,
		bond,
	)?)
}

/// A registered account whose report key is in the keystore.
pub(super) fn signer<T: World>(roles: Roles) -> Result<(AccountId, ReporterId), BenchmarkError> {
	let (who, key) = (funded::<T>("signer", 0), ReporterId::generate_pair(None));
	register::<T>(&who, roles, key.clone())?;
	Ok((who, key))
}

/// Fills all places of verifiers.
pub(super) fn fill_verifiers<T: World>() -> Result<(), BenchmarkError> {
	let places = <T as pallet_worker_registry::Config>::MaxVerifiers::get();
	let taken = pallet_worker_registry::Verifiers::<T>::get().len() as u32;
	for n in taken..places {
		let key = ReporterId::decode(&mut TrailingZeroInput::new(&blake2_256(&n.to_le_bytes())))
			.map_err(|_| "32 bytes are a key")?;
		register::<T>(&funded::<T>("verifier", n), VERIFIER, key)?;
	}
	Ok(())
}

/// Verifiers that can be asked about one segment: registered ones first, then accounts without a role.
pub(super) fn voters<T: World>(count: u32, answer: impl Fn(u32) -> Answer) -> BoundedVec<Voter, VotersBound> {
	let registered = pallet_worker_registry::Verifiers::<T>::get().into_iter();
	let others = (0..count).map(|n| funded::<T>("voter", n));
	let voters = registered.chain(others).zip(0..count).map(|(who, n)| Voter {
		who,
		answer: answer(n),
	});
	BoundedVec::truncate_from(voters.collect())
}

pub(super) type VotersBound = polkadot_sdk::sp_core::ConstU32<{ crate::types::VOTERS_BOUND }>;

/// Most verifiers that are ever named for one segment.
pub(super) fn most_voters<T: Config>() -> u32 {
	let each = T::MaxVerifiers::get().max(ESCALATION);
	T::MaxVerifiers::get().saturating_add(each.saturating_mul(T::MaxRounds::get()))
}

/// A task of as many segments as are sampled, leased by `worker`; all but one place of its lists is taken.
pub(super) fn leased<T: World>(worker: &AccountId, attested: bool) -> Result<TaskId, BenchmarkError> {
	type Market<T> = pallet_task_market::Pallet<T>;
	let tip_per_gmac = <T as pallet_task_market::Config>::MinBaseFee::get();
	let least = <T as pallet_task_market::Config>::MinPrice::get();
	let spec = TaskSpec {
		class: TaskClass::Training,
		program_root: [1; 32],
		input_root: [2; 32],
		held_out: None,
		macs: GMAC,
		segments: <T as Config>::MaxSampled::get(),
		memory_mib: 0,
		locator: BoundedVec::truncate_from([b'x'; 256].to_vec()),
		tip_per_gmac,
		max_price: least.max(tip_per_gmac.saturating_mul(1_000)),
		deadline: Pallet::<T>::now().saturating_add(<T as pallet_task_market::Config>::MaxDuration::get()),
		min_reputation: 0,
		level: VerificationLevel {
			sampled: <T as Config>::MaxSampled::get(),
			verifiers: <T as Config>::MaxVerifiers::get(),
		},
	};
	let id = pallet_task_market::NextTask::<T>::get();
	Market::<T>::post(RawOrigin::Signed(funded::<T>("requester", 0)).into(), spec)?;
	let lease = Lease {
		worker: worker.clone(),
		attempt: 1,
		since: Pallet::<T>::now(),
		heartbeat: Pallet::<T>::now(),
		seed: Some([9; 32]),
		base_fee_per_gmac: tip_per_gmac,
	};
	pallet_task_market::Tasks::<T>::mutate_extant(id, |task| {
		task.attempts = 1;
		task.state = if attested {
			TaskState::Attested(lease)
		} else {
			TaskState::Leased(lease)
		};
	});
	if !attested {
		let others = <T as pallet_task_market::Config>::MaxLeases::get().saturating_sub(1);
		let running = strangers(others).chain([id]);
		pallet_task_market::Running::<T>::put(BoundedVec::truncate_from(running.collect()));
		pallet_task_market::LeaseOf::<T>::insert(worker, id);
	}
	Ok(id)
}

/// Numbers of tasks that are not there.
pub(super) fn strangers(count: u32) -> impl Iterator<Item = TaskId> {
	(0..TaskId::from(count)).map(|n| TaskId::MAX.saturating_sub(n))
}

pub(super) fn attestation<T: Config>(task: TaskId) -> Attestation {
	Attestation {
		task,
		attempt: 1,
		trace_root: [3; 32],
		segments: T::MaxSampled::get(),
		macs: GMAC,
		initial_state_root: [4; 32],
		final_state_root: [5; 32],
		output_root: [6; 32],
		losses: BoundedVec::truncate_from([7; 64].to_vec()),
		metric: Some((1, 2)),
	}
}

/// A record at `stage`, with a pending entry among as many others as fit, and the given check for each sampled segment.
pub(super) fn record<T: Config>(task: TaskId, worker: &AccountId, stage: Stage, check: Option<Check>) {
	let sampled = 0..check.as_ref().map_or(0, |_| T::MaxSampled::get());
	for segment in sampled.clone() {
		let check = check.clone().unwrap_or_default();
		for voter in check.voters.iter().filter(|voter| voter.answer == Answer::Due) {
			AssignmentsOf::<T>::insert(&voter.who, (task, segment), ());
		}
		Checks::<T>::insert(task, segment, check);
	}
	let others = T::MaxPending::get().saturating_sub(1);
	let pending = strangers(others)
		.map(|task| Due {
			task,
			at: BlockNumber::MAX,
		})
		.chain((!matches!(stage, Stage::Decided { .. })).then_some(Due { task, at: 0 }));
	Pending::<T>::put(BoundedVec::truncate_from(pending.collect()));
	let record = Record {
		attestation: attestation::<T>(task),
		worker: worker.clone(),
		requester: account("requester", 0, 0),
		attested_at: 0,
		exposure: 0,
		sample: T::MaxSampled::get(),
		verifiers: T::MaxVerifiers::get(),
		stage,
		segments: BoundedVec::truncate_from(sampled.collect()),
	};
	Records::<T>::insert(task, record);
}

/// As many claims as are kept.
pub(super) fn fill_claims<T: Config>(task: TaskId) {
	let claims = (0..T::MaxClaims::get()).map(|n| SealClaim {
		block: n,
		segment: n,
		step: 0,
		instruction: 0,
		root_a: [8; 32],
		root_b: [9; 32],
	});
	let claims = Claims {
		attempt: 1,
		seen: T::MaxClaims::get(),
		kept: BoundedVec::truncate_from(claims.collect()),
	};
	SealClaims::<T>::insert(task, claims);
}

pub(super) fn report<T: Config>(account: AccountId, report: Report) -> SignedReport {
	SignedReport {
		account,
		at: Pallet::<T>::now(),
		report,
	}
}

pub(super) fn vote_on(task: TaskId, verdict: Verdict) -> Report {
	Report::Vote(Vote {
		task,
		attempt: 1,
		segment: 0,
		verdict,
	})
}

pub(super) fn signature<T: Config>(
	key: &ReporterId,
	report: &SignedReport,
) -> Result<ReporterSignature, BenchmarkError> {
	let signed = key.sign(&report.payload(&Pallet::<T>::genesis()));
	Ok(signed.ok_or("the report key is not in the keystore")?)
}

/// Runs the admission of a call.
pub(super) fn admit<T: Config>(call: &Call<T>) -> Result<(), BenchmarkError> {
	call.authorize(TransactionSource::External)
		.ok_or("the call can't be authorised")?
		.map(|_| ())
		.map_err(|_| BenchmarkError::Stop("the call was refused"))
}

pub(super) fn at_block<T: Config>(number: BlockNumber) {
	frame_system::Pallet::<T>::set_block_number(number.saturated_into());
}
