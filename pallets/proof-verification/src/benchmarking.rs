// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls, admissions and hooks, each at its dearest: the largest sample, as many verifiers as there can be,
//! full lists. Tasks and accounts are those of the real market and registry.

use crate::{
	rounds::ESCALATION,
	types::{Answer, Check, Claims, Due, Outcome, Record, Stage, Voter},
	*,
};
use codec::Decode;
use poaiw_primitives::{
	app::{ReporterId, ReporterSignature},
	inherent::SealSummary,
	outbox::{Report, SignedReport},
	task::{Attestation, Lease, TaskClass, TaskSpec, TaskState, Verdict, VerificationLevel, Vote},
	traits::OnParentSeal,
	worker::{Roles, SealClaim},
	AccountId, BlockNumber, TaskId, GMAC, UNIT,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_benchmarking::{account, v2::*},
	frame_support::{
		pallet_prelude::TransactionSource,
		traits::{fungible::Mutate, Authorize, Get},
	},
	frame_system::RawOrigin,
	sp_application_crypto::RuntimeAppPublic,
	sp_core::sr25519,
	sp_io::hashing::blake2_256,
	sp_runtime::{traits::TrailingZeroInput, BoundedVec, SaturatedConversion},
};

mod world;
use world::*;

#[benchmarks(where T: pallet_task_market::Config + pallet_worker_registry::Config)]
mod benchmarks {
	use super::*;

	/// In the place of an earlier attestation with the largest sample, into the last place of the pending ones.
	#[benchmark]
	fn attest() -> Result<(), BenchmarkError> {
		let (worker, _) = signer::<T>(WORKER)?;
		let task = leased::<T>(&worker, false)?;
		let decided = Stage::Decided {
			outcome: Outcome::Withheld { segment: 0 },
			at: 0,
		};
		let check = Check {
			voters: voters::<T>(most_voters::<T>(), |_| Answer::Silent),
			..Default::default()
		};
		record::<T>(task, &worker, decided, Some(check));
		let report = report::<T>(worker, Report::Attest(attestation::<T>(task)));

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		assert_eq!(Checks::<T>::iter_prefix(task).count(), 0);
		assert!(Records::<T>::get(task).is_some_and(|record| matches!(record.stage, Stage::Beacon { .. })));
		Ok(())
	}

	#[benchmark]
	fn authorize_attest() -> Result<(), BenchmarkError> {
		let (worker, key) = signer::<T>(WORKER)?;
		let task = leased::<T>(&worker, false)?;
		let others = strangers(<T as Config>::MaxPending::get().saturating_sub(1));
		let pending = others.map(|task| Due { task, at: 0 });
		Pending::<T>::put(BoundedVec::truncate_from(pending.collect()));
		let report = report::<T>(worker, Report::Attest(attestation::<T>(task)));
		let signature = signature::<T>(&key, &report)?;
		let call = Call::<T>::attest { report, signature };

		#[block]
		{
			admit::<T>(&call)?;
		}

		Ok(())
	}

	/// A vote that contradicts the others, so that more verifiers are sought among all there can be.
	#[benchmark]
	fn vote() -> Result<(), BenchmarkError> {
		let worker = funded::<T>("worker", 0);
		let task = leased::<T>(&worker, true)?;
		fill_verifiers::<T>()?;
		let count = <T as Config>::MaxVerifiers::get();
		let check = Check {
			voters: voters::<T>(count, |n| match n {
				0 => Answer::Due,
				_ => Answer::Given(Verdict::Accept),
			}),
			due: 1_000,
			..Default::default()
		};
		let verifier = check
			.voters
			.first()
			.map(|voter| voter.who.clone())
			.ok_or("no voter")?;
		// With one verifier for each segment there is nobody to contradict, so a first vote against the result does it, too.
		record::<T>(task, &worker, Stage::Voting, Some(check));
		let report = report::<T>(verifier, vote_on(task, Verdict::WrongResult));

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		let asked = Checks::<T>::get(task, 0).map_or(0, |check| check.voters.len() as u32);
		assert!(asked > count);
		Ok(())
	}

	/// The last vote on a segment finds a fault, after as many votes as there can be, and ends the verification: the worker
	/// is slashed to the gain of all who found it, and all who were asked about the other segments are freed.
	#[benchmark]
	fn vote_ends() -> Result<(), BenchmarkError> {
		let (worker, _) = signer::<T>(WORKER)?;
		let task = leased::<T>(&worker, true)?;
		fill_verifiers::<T>()?;
		fill_claims::<T>(task);
		let open = Check {
			voters: voters::<T>(most_voters::<T>(), |_| Answer::Due),
			due: 1_000,
			round: <T as Config>::MaxRounds::get(),
			..Default::default()
		};
		let verifier = open
			.voters
			.first()
			.map(|voter| voter.who.clone())
			.ok_or("no voter")?;
		record::<T>(task, &worker, Stage::Voting, Some(open.clone()));
		let mut last = open;
		for voter in last.voters.iter_mut().skip(1) {
			voter.answer = Answer::Given(Verdict::WrongResult);
			AssignmentsOf::<T>::remove(&voter.who, (task, 0));
		}
		Checks::<T>::insert(task, 0, last);
		let report = report::<T>(verifier, vote_on(task, Verdict::WrongResult));

		#[extrinsic_call]
		vote(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		let stage = Records::<T>::get(task).map(|record| record.stage);
		assert!(matches!(
			stage,
			Some(Stage::Decided {
				outcome: Outcome::Faulty { .. },
				..
			})
		));
		assert_eq!(AssignmentsOf::<T>::iter().count(), 0);
		Ok(())
	}

	#[benchmark]
	fn authorize_vote() -> Result<(), BenchmarkError> {
		let (verifier, key) = signer::<T>(VERIFIER)?;
		let worker = funded::<T>("worker", 0);
		let task = leased::<T>(&worker, true)?;
		let mut check = Check {
			voters: voters::<T>(most_voters::<T>(), |_| Answer::Due),
			due: 1_000,
			..Default::default()
		};
		// The last one that is looked at.
		check.voters.retain(|voter| voter.who != verifier);
		check.voters.pop();
		let who = verifier.clone();
		let answer = Answer::Due;
		check
			.voters
			.try_push(Voter { who, answer })
			.map_err(|_| "too many voters")?;
		record::<T>(task, &worker, Stage::Voting, Some(check));
		let report = report::<T>(verifier, vote_on(task, Verdict::Accept));
		let signature = signature::<T>(&key, &report)?;
		let call = Call::<T>::vote { report, signature };

		#[block]
		{
			admit::<T>(&call)?;
		}

		Ok(())
	}

	/// A draw of the largest sample, in which seals name segments, from among all verifiers there can be.
	#[benchmark]
	fn on_initialize_draw() -> Result<(), BenchmarkError> {
		let worker = funded::<T>("worker", 0);
		let task = leased::<T>(&worker, true)?;
		fill_verifiers::<T>()?;
		fill_claims::<T>(task);
		let from: BlockNumber = 1;
		for height in from..from.saturating_add(BEACON_SEALS) {
			Tickets::<T>::insert(height, [height as u8; 32]);
		}
		record::<T>(task, &worker, Stage::Beacon { from }, None);
		at_block::<T>(100);

		#[block]
		{
			Pallet::<T>::process_due(100, 1);
		}

		assert_eq!(
			Checks::<T>::iter_prefix(task).count(),
			<T as Config>::MaxSampled::get() as usize
		);
		assert!(Checks::<T>::iter_prefix_values(task).all(|check| !check.voters.is_empty()));
		Ok(())
	}

	/// Nobody voted on any segment of the largest sample: all are slashed, and others are asked about each segment.
	#[benchmark]
	fn on_initialize_silence() -> Result<(), BenchmarkError> {
		let worker = funded::<T>("worker", 0);
		let task = leased::<T>(&worker, true)?;
		fill_verifiers::<T>()?;
		let check = Check {
			voters: voters::<T>(<T as Config>::MaxVerifiers::get(), |_| Answer::Due),
			due: 50,
			..Default::default()
		};
		record::<T>(task, &worker, Stage::Voting, Some(check));
		at_block::<T>(100);

		#[block]
		{
			Pallet::<T>::process_due(100, 1);
		}

		assert!(Checks::<T>::iter_prefix_values(task).all(|check| check.round == 1 && check.due > 100));
		Ok(())
	}

	/// A seal of a task that has as many claims as are kept already; the oldest ticket is forgotten.
	#[benchmark]
	fn on_parent_seal() -> Result<(), BenchmarkError> {
		let (worker, _) = signer::<T>(WORKER)?;
		let task = leased::<T>(&worker, false)?;
		fill_claims::<T>(task);
		let parent = Pallet::<T>::now().saturating_add(crate::beacon::TICKET_HISTORY);
		Tickets::<T>::insert(parent.saturating_sub(crate::beacon::TICKET_HISTORY), [1; 32]);
		let summary = SealSummary {
			source: WorkSource::Task {
				id: task,
				segment: 0,
				step: 0,
				instruction: 0,
			},
			ticket: [7; 32],
			root_a: [8; 32],
			root_b: [9; 32],
			work: 1,
			m: 16,
			n: 16,
			k: 512,
		};

		#[block]
		{
			<Pallet<T> as OnParentSeal>::on_parent_seal(parent, &worker, &summary);
		}

		assert_eq!(Tickets::<T>::get(parent), Some([7; 32]));
		let seen = SealClaims::<T>::get(task).map(|claims| claims.seen);
		assert_eq!(seen, Some(T::MaxClaims::get().saturating_add(1)));
		Ok(())
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder {
			workers: Default::default(),
			verifiers: Default::default()
		}
		.build_with_keystore(),
		crate::mock::Test
	);
}
