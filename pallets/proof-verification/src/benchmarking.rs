// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of calls and hooks. Records are put into the state directly: market and registry are known only by their
//! traits, so `attest` and the two admissions are measured where the whole runtime is.

use crate::{
	types::{Answer, Check, Due, Record, Stage, Voter},
	*,
};
use poaiw_primitives::{
	inherent::SealSummary,
	outbox::{Report, SignedReport},
	task::{Attestation, Verdict, Vote},
	traits::OnParentSeal,
	AccountId, BlockNumber, TaskId,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_benchmarking::{account, v2::*},
	frame_support::traits::Get,
	frame_system::RawOrigin,
	sp_core::sr25519,
	sp_runtime::{BoundedVec, SaturatedConversion},
};

const TASK: TaskId = 7;

fn record(stage: Stage, segments: u32, sampled: &[u32]) -> Record {
	let attestation = Attestation {
		task: TASK,
		attempt: 1,
		trace_root: [3; 32],
		segments,
		macs: 1,
		initial_state_root: [4; 32],
		final_state_root: [5; 32],
		output_root: [6; 32],
		losses: Default::default(),
		metric: None,
	};
	Record {
		attestation,
		worker: account("worker", 0, 0),
		attested_at: 0,
		exposure: 0,
		sample: segments,
		verifiers: 1,
		stage,
		segments: BoundedVec::truncate_from(sampled.to_vec()),
	}
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A draw of the largest sample from among the registered verifiers.
	#[benchmark]
	fn on_initialize() -> Result<(), BenchmarkError> {
		let from: BlockNumber = 1;
		for height in from..from.saturating_add(BEACON_SEALS) {
			Tickets::<T>::insert(height, [height as u8; 32]);
		}
		Records::<T>::insert(TASK, record(Stage::Beacon { from }, T::MaxSampled::get(), &[]));
		Pending::<T>::try_append(Due { task: TASK, at: 0 }).map_err(|_| "too many pending")?;
		frame_system::Pallet::<T>::set_block_number(100u32.saturated_into());

		#[block]
		{
			Pallet::<T>::process_due(100, 1);
		}

		let drawn = Records::<T>::get(TASK).map_or(0, |record| record.segments.len());
		assert_eq!(drawn, T::MaxSampled::get() as usize);
		Ok(())
	}

	/// A vote that decides its segment, in a full sample.
	#[benchmark]
	fn vote() {
		let verifier: AccountId = account("verifier", 0, 0);
		let sampled: alloc::vec::Vec<u32> = (0..T::MaxSampled::get()).collect();
		Records::<T>::insert(TASK, record(Stage::Voting, T::MaxSampled::get(), &sampled));
		for segment in sampled {
			let voter = Voter {
				who: verifier.clone(),
				answer: Answer::Due,
			};
			let check = Check {
				voters: BoundedVec::truncate_from(alloc::vec![voter]),
				due: 1_000,
				..Default::default()
			};
			Checks::<T>::insert(TASK, segment, check);
			AssignmentsOf::<T>::insert(&verifier, (TASK, segment), ());
		}
		let finding = Vote {
			task: TASK,
			attempt: 1,
			segment: 0,
			verdict: Verdict::Accept,
		};
		let report = SignedReport {
			account: verifier,
			at: 0,
			report: Report::Vote(finding),
		};

		#[extrinsic_call]
		_(
			RawOrigin::Authorized,
			report,
			sr25519::Signature::default().into(),
		);

		assert!(Checks::<T>::get(TASK, 0).is_some_and(|check| check.finding.is_some()));
	}

	#[benchmark]
	fn on_parent_seal() {
		let summary = SealSummary {
			source: WorkSource::Task {
				id: TASK,
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
		let author: AccountId = account("worker", 0, 0);

		#[block]
		{
			<Pallet<T> as OnParentSeal>::on_parent_seal(5, &author, &summary);
		}

		assert_eq!(Tickets::<T>::get(5), Some([7; 32]));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
