// SPDX-License-Identifier: Apache-2.0

//! Which attestations are taken.

use crate::{mock::*, Error, Exposure};
use codec::{Decode, Encode};
use poaiw_primitives::{
	outbox::{Report, SignedReport, REPORT_LONGEVITY},
	task::{Attestation, TaskSpec, TaskState},
	traits::{AttestationCheck, Market, Registry as _},
	UNIT,
};
use polkadot_sdk::{frame_support::assert_ok, sp_runtime::transaction_validity::InvalidTransaction};
use proptest::prelude::*;

#[test]
fn attestation_should_be_taken_once_and_stop_the_lease_clock() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		let report = report(WORKER, Report::Attest(attestation(task)));
		assert_eq!(send_report(WORKER, report.clone()), Ok(Ok(())));
		assert!(matches!(state(task), TaskState::Attested(_)));
		assert_eq!(Exposure::<Test>::get(account(WORKER)), UNIT);
		assert_eq!(
			send_report(WORKER, report),
			refused(Error::<Test>::AlreadyAttested)
		);
		// The worker may take the next task meanwhile.
		let next = post();
		lease(WORKER, next);
		assert_eq!(obligations(WORKER), 2);
	});
}

#[test]
fn attestation_should_be_refused_when_copied_for_somebody_elses_task() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		let stolen = attestation(task);
		// Signed by the thief, in its own name or in the name of the worker.
		assert_eq!(
			send(HONEST, Report::Attest(stolen.clone())),
			refused(Error::<Test>::NotLeaseholder)
		);
		let report = report(WORKER, Report::Attest(stolen.clone()));
		assert_eq!(
			apply(call_of(report.clone(), sign(HONEST, &report))),
			Err(InvalidTransaction::BadProof.into())
		);
		// And as the result of the thief's own lease of another task it names the wrong one.
		let own = post();
		lease_seeded(HONEST, own);
		assert_eq!(
			send(HONEST, Report::Attest(stolen)),
			refused(Error::<Test>::NotLeaseholder)
		);
	});
}

#[test]
fn attestation_should_be_refused_for_each_contradiction_to_the_task() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		assert_eq!(
			send(WORKER, Report::Attest(Attestation { task: 9, ..dummy() })),
			refused(Error::<Test>::NotLeased)
		);
		lease(WORKER, task);
		assert_eq!(
			send(WORKER, Report::Attest(attestation(task))),
			refused(Error::<Test>::NoSeed)
		);
		next_block();
		let good = attestation(task);
		let spec = TaskMarket::leased(task).unwrap().spec;
		let cases = [
			(
				Attestation {
					attempt: 2,
					..good.clone()
				},
				Error::<Test>::WrongAttempt,
			),
			(
				Attestation {
					macs: good.macs - 1,
					..good.clone()
				},
				Error::WrongMacs,
			),
			(
				Attestation {
					segments: good.segments + 1,
					..good.clone()
				},
				Error::WrongSegments,
			),
			(
				Attestation {
					trace_root: [0; 32],
					..good.clone()
				},
				Error::MissingRoot,
			),
			(
				Attestation {
					initial_state_root: [0; 32],
					..good.clone()
				},
				Error::MissingRoot,
			),
			(
				Attestation {
					final_state_root: [0; 32],
					..good.clone()
				},
				Error::MissingRoot,
			),
			(
				Attestation {
					metric: Some((11, 10)),
					..good.clone()
				},
				Error::WrongMetric,
			),
			(
				Attestation {
					metric: Some((0, 0)),
					..good.clone()
				},
				Error::WrongMetric,
			),
		];
		for (bad, error) in cases {
			if error != Error::WrongAttempt {
				assert!(Verification::check(&spec, &bad).is_err());
			}
			assert_eq!(send(WORKER, Report::Attest(bad)), refused(error));
		}
		assert_ok!(Verification::check(&spec, &good));
		assert_eq!(
			send(WORKER, Report::Attest(Attestation { metric: None, ..good })),
			Ok(Ok(()))
		);
	});
}

fn dummy() -> Attestation {
	Attestation {
		task: 0,
		attempt: 1,
		trace_root: [3; 32],
		segments: 6,
		macs: 1,
		initial_state_root: [4; 32],
		final_state_root: [5; 32],
		output_root: [6; 32],
		losses: Default::default(),
		metric: None,
	}
}

#[test]
fn attestation_should_be_refused_when_stale_or_in_a_wrong_call() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post_spec(TaskSpec {
			deadline: now() + 200,
			..spec()
		});
		lease_seeded(WORKER, task);
		let old = report(WORKER, Report::Attest(attestation(task)));
		for _ in 0..=REPORT_LONGEVITY {
			next_block();
			if now().is_multiple_of(5) {
				assert_eq!(send(WORKER, Report::Heartbeat { task }), Ok(Ok(())));
			}
		}
		assert_eq!(send_report(WORKER, old), Err(InvalidTransaction::Stale.into()));
		let lease = report(WORKER, Report::Lease { task });
		let signature = sign(WORKER, &lease);
		let call = crate::Call::attest {
			report: lease,
			signature,
		}
		.into();
		assert_eq!(apply(call), refused(Error::<Test>::WrongReport));
	});
}

#[test]
fn attestation_should_be_refused_when_the_bond_does_not_cover_the_gain() {
	ExtBuilder::default().build_and_execute(|| {
		// Eight of nine segments are sampled: the gain of 21 tokens needs 2 · 21 / 8 tokens, rounded up.
		let task = post_spec(TaskSpec {
			segments: 9,
			..spec()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		let first = Exposure::<Test>::get(account(WORKER));
		assert_eq!(first, 21 * UNIT * 2 / 8);
		// Of twenty segments, twelve stay unseen: that needs 63 tokens of the 100, which do not cover a second one.
		let level = spec().level;
		let large = TaskSpec {
			segments: 20,
			level,
			..spec()
		};
		let next = [post_spec(large.clone()), post_spec(large)];
		lease_seeded(WORKER, next[0]);
		attest(WORKER, next[0]);
		let fee = TaskMarket::quote(10 * poaiw_primitives::GMAC, 0).base_fee_per_gmac;
		assert!(Verification::bond_covers(&account(WORKER), &spec(), fee).is_ok());
		let third = TaskMarket::leased(next[0]).unwrap().spec;
		assert!(Verification::bond_covers(&account(WORKER), &third, fee).is_err());
		assert!(Verification::bond_covers(&account(HONEST), &third, fee).is_ok());
	});
}

#[test]
fn attestation_should_be_refused_when_too_many_wait() {
	ExtBuilder {
		workers: (10..15).collect(),
		..Default::default()
	}
	.build_and_execute(|| {
		let tasks: Vec<_> = (0..5)
			.map(|i| {
				post_spec(TaskSpec {
					deadline: now() + 50 + i,
					..spec()
				})
			})
			.collect();
		for (worker, task) in (10..14).zip(&tasks) {
			lease_seeded(worker, *task);
			attest(worker, *task);
		}
		lease_seeded(14, tasks[4]);
		assert_eq!(
			send(14, Report::Attest(attestation(tasks[4]))),
			refused(Error::<Test>::TooManyPending)
		);
	});
}

#[test]
fn trusted_worker_should_be_sampled_less() {
	ExtBuilder::default().build_and_execute(|| {
		(0..20).for_each(|_| Registry::note_valid(&account(WORKER)));
		let task = attested(WORKER);
		assert_eq!(crate::Records::<Test>::get(task).unwrap().segments.len(), 3);
	});
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(256))]

	#[test]
	fn reports_should_never_panic_when_made_of_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
		ExtBuilder::default().build_and_execute(|| {
			let task = post();
			lease_seeded(WORKER, task);
			let root = polkadot_sdk::sp_io::storage::root(Default::default());
			// Random bytes, and a real report with a random tail.
			let mut spoiled = report(WORKER, Report::Attest(attestation(task))).encode();
			let cut = spoiled.len().saturating_sub(bytes.len());
			spoiled.truncate(cut);
			spoiled.extend(&bytes);
			for data in [&bytes, &spoiled] {
				let Ok(report) = SignedReport::decode(&mut data.as_slice()) else { continue };
				let signature = sign(HONEST, &report);
				assert!(apply(call_of(report, signature)).is_err());
			}
			assert_eq!(polkadot_sdk::sp_io::storage::root(Default::default()), root);
		});
	}
}
