// SPDX-License-Identifier: Apache-2.0

//! What comes of votes: for the worker, the verifiers, the requester.

use crate::{
	mock::*,
	types::{Outcome, Stage},
	AcceptedSeals, Checks, Event, Exposure, Records, SealClaims,
};
use poaiw_primitives::{
	outbox::Report,
	task::{TaskSpec, TaskState, Verdict, VerificationLevel},
	traits::{Market as _, Registry as _, Verification as _},
	UNIT,
};
use poaiw_work::source::WorkSource;

fn outcome(task: u64) -> Outcome {
	match Records::<Test>::get(task).unwrap().stage {
		Stage::Decided { outcome, .. } => outcome,
		stage => panic!("not decided: {stage:?}"),
	}
}

#[test]
fn wrong_result_should_be_rejected_slashed_and_settled_by_an_honest_worker() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let verifiers = VERIFIERS.map(|n| Balances::free_balance(account(n)));
		let burned = Economics::supply().burned_slashes;
		// Segment 3 is wrong, and everybody who looks sees it.
		vote_all(task, |_, segment| {
			if segment == 3 {
				Verdict::WrongResult
			} else {
				Verdict::Accept
			}
		});
		assert_eq!(outcome(task), Outcome::Faulty { segment: 3 });
		assert_eq!(state(task), TaskState::Open);
		assert_eq!(held(REQUESTER), 50 * UNIT);
		// Four fifths of the bond are gone: half to the finders in equal parts, half burned.
		assert_eq!(bond(WORKER), WORKER_BOND / 5);
		let gains: u128 = VERIFIERS
			.iter()
			.zip(verifiers)
			.map(|(n, before)| Balances::free_balance(account(*n)) - before)
			.sum();
		assert!(gains >= WORKER_BOND * 2 / 5, "{gains}");
		// Odd units of the parts are burned.
		let burned = Economics::supply().burned_slashes - burned;
		assert!((0..=4).contains(&(burned - WORKER_BOND * 2 / 5)), "{burned}");
		let record = Registry::reputation(&account(WORKER));
		assert_eq!((record.valid, record.consecutive, record.invalid), (0, 0, 1));
		assert_eq!(
			(Exposure::<Test>::get(account(WORKER)), obligations(WORKER)),
			(0, 0)
		);
		// The cheater may not take it again, whatever it bonds.
		polkadot_sdk::frame_support::assert_ok!(Registry::bond_more(signed(WORKER), WORKER_BOND));
		assert_eq!(
			send(WORKER, Report::Lease { task }),
			refused(pallet_task_market::Error::<Test>::RejectedBefore)
		);
		lease_seeded(HONEST, task);
		attest(HONEST, task);
		run_blocks(TO_DRAW);
		vote_all(task, |_, _| Verdict::Accept);
		assert_eq!(outcome(task), Outcome::Accepted);
		let TaskState::Settled { worker, .. } = state(task) else {
			panic!("{:?}", state(task))
		};
		assert_eq!(worker, account(HONEST));
		assert_eq!(held(REQUESTER), 0);
	});
}

#[test]
fn single_false_accusation_should_cost_the_accuser_and_not_the_worker() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let (accuser, segment) = due_votes(task)[0];
		let before = bond(accuser);
		vote(accuser, task, segment, Verdict::WrongResult);
		vote_all(task, |_, _| Verdict::Accept);
		assert_eq!(outcome(task), Outcome::Accepted);
		assert!(matches!(state(task), TaskState::Settled { .. }));
		assert_eq!(bond(WORKER), WORKER_BOND);
		assert_eq!(before - bond(accuser), before / 10);
	});
}

#[test]
fn single_false_acceptance_should_not_save_a_wrong_segment() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let (lazy, segment) = due_votes(task)[0];
		let before = bond(lazy);
		vote(lazy, task, segment, Verdict::Accept);
		vote_all(task, |_, _| Verdict::BrokenTrace);
		assert_eq!(outcome(task), Outcome::Faulty { segment });
		assert!(bond(lazy) < before);
	});
}

#[test]
fn single_accuser_should_not_be_enough_where_more_can_be_asked() {
	ExtBuilder::default().build_and_execute(|| {
		let level = VerificationLevel {
			sampled: 1,
			verifiers: 1,
		};
		let task = post_spec(TaskSpec {
			level,
			segments: 1,
			..spec()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		run_blocks(TO_DRAW);
		let (accuser, segment) = due_votes(task)[0];
		vote(accuser, task, segment, Verdict::WrongOperands);
		assert!(matches!(state(task), TaskState::Attested(_)));
		assert_eq!(due_votes(task).len(), 2);
		vote_all(task, |_, _| Verdict::Accept);
		assert_eq!(outcome(task), Outcome::Accepted);
	});
}

#[test]
fn tie_should_prove_nothing() {
	ExtBuilder {
		verifiers: vec![20, 21],
		..Default::default()
	}
	.build_and_execute(|| {
		let task = attested(WORKER);
		let bonds = [WORKER, 20, 21].map(bond);
		vote_all(task, |n, _| {
			if n == 20 {
				Verdict::Accept
			} else {
				Verdict::WrongMetric
			}
		});
		assert_eq!(outcome(task), Outcome::Inconclusive { segment: 0 });
		assert_eq!(state(task), TaskState::Open);
		assert_eq!([WORKER, 20, 21].map(bond), bonds);
	});
}

#[test]
fn withheld_artifacts_should_cost_a_small_part() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let bonds = VERIFIERS.map(bond);
		vote_all(task, |_, segment| {
			if segment == 1 {
				Verdict::Unavailable
			} else {
				Verdict::Accept
			}
		});
		assert_eq!(outcome(task), Outcome::Withheld { segment: 1 });
		assert_eq!(state(task), TaskState::Open);
		assert_eq!(bond(WORKER), WORKER_BOND * 95 / 100);
		assert_eq!(VERIFIERS.map(bond), bonds);
	});
}

#[test]
fn fault_should_decide_at_once_and_free_all_other_verifiers() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		while let Some((n, segment)) = due_votes(task).into_iter().find(|(_, segment)| *segment == 5) {
			vote(n, task, segment, Verdict::WrongResult);
		}
		assert_eq!(outcome(task), Outcome::Faulty { segment: 5 });
		assert!(due_votes(task).is_empty());
		assert!(VERIFIERS.iter().all(|n| obligations(*n) == 0));
		run_blocks(VOTE_WINDOW + 2);
		assert!(VERIFIERS.iter().all(|n| bond(*n) == VERIFIER_BOND));
	});
}

#[test]
fn agreeing_votes_should_be_rewarded() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let before = VERIFIERS.map(|n| Balances::free_balance(account(n)));
		vote_all(task, |_, _| Verdict::Accept);
		assert!(VERIFIERS
			.iter()
			.zip(before)
			.all(|(n, before)| Balances::free_balance(account(*n)) > before));
	});
}

#[test]
fn slash_should_be_at_least_what_answered_for_the_attestation() {
	ExtBuilder::default().build_and_execute(|| {
		// 21 tokens at stake, 9 of 17 segments unseen: 2 · 21 · 9 / 8 tokens answer for it.
		let task = post_spec(TaskSpec {
			segments: 17,
			..spec()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		let exposure = Exposure::<Test>::get(account(WORKER));
		assert_eq!(exposure, 21 * UNIT * 2 * 9 / 8);
		// Taking the bond back does not help: what is being withdrawn is still there.
		polkadot_sdk::frame_support::assert_ok!(Registry::unbond(signed(WORKER), 50 * UNIT));
		run_blocks(TO_DRAW);
		vote_all(task, |_, _| Verdict::WrongResult);
		let slashed = Records::<Test>::get(task)
			.map(|_| WORKER_BOND - Balances::total_balance_on_hold(&account(WORKER)));
		assert!(slashed.unwrap() >= exposure, "{slashed:?} {exposure}");
	});
}

#[test]
fn report_should_keep_the_votes_of_the_last_attestation() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		vote_all(task, |_, _| Verdict::Accept);
		let report = Verification::report(task).unwrap();
		assert_eq!(report.segments.len(), 6);
		assert!(report
			.segments
			.iter()
			.all(|(_, votes)| votes.iter().all(|(_, v)| *v == Some(Verdict::Accept))));
		System::assert_has_event(
			Event::Decided {
				task,
				attempt: 1,
				worker: account(WORKER),
				outcome: Outcome::Accepted,
				slashed: 0,
			}
			.into(),
		);
	});
}

/// A task whose lease sealed a block with a product of `segment`, and whose result waits for votes.
fn attested_with_seal(segment: u32) -> (u64, u32) {
	let task = post();
	lease_seeded(WORKER, task);
	let sealed = now();
	next_block_by(
		WORKER,
		WorkSource::Task {
			id: task,
			segment,
			step: 0,
			instruction: 0,
		},
	);
	attest(WORKER, task);
	run_blocks(TO_DRAW);
	(task, sealed)
}

#[test]
fn settled_task_should_keep_claim_seed_and_seals_for_reading() {
	ExtBuilder::default().build_and_execute(|| {
		let (task, sealed) = attested_with_seal(4);
		let seed = TaskMarket::leased(task).unwrap().lease.seed.unwrap();
		let claim = attestation(task);
		vote_all(task, |_, _| Verdict::Accept);
		run_blocks(100);
		let report = TaskMarket::task_report(task).unwrap();
		assert!(
			matches!(report.state, TaskState::Settled { seed: kept, .. } if kept == seed),
			"{:?}",
			report.state
		);
		assert_eq!(report.verification.unwrap().attestation, claim);
		assert_eq!(report.seals, [(sealed, 4)]);
	});
}

#[test]
fn rejected_result_should_leave_no_seals() {
	ExtBuilder::default().build_and_execute(|| {
		let (task, _) = attested_with_seal(4);
		vote_all(task, |_, _| Verdict::WrongResult);
		assert_eq!(TaskMarket::task_report(task).unwrap().seals, []);
		assert!(!SealClaims::<Test>::contains_key(task) && !AcceptedSeals::<Test>::contains_key(task));
	});
}

#[test]
fn everything_about_a_task_should_be_forgotten_when_the_market_forgets_it() {
	ExtBuilder::default().build_and_execute(|| {
		// The market keeps six ended tasks.
		let tasks: Vec<_> = (0..7)
			.map(|segment| {
				let (task, _) = attested_with_seal(segment % 6);
				vote_all(task, |_, _| Verdict::Accept);
				task
			})
			.collect();
		let kept = |task: u64| {
			(
				Records::<Test>::contains_key(task),
				Checks::<Test>::iter_prefix(task).count(),
				AcceptedSeals::<Test>::contains_key(task),
				TaskMarket::task_report(task).is_some(),
			)
		};
		assert_eq!(kept(tasks[0]), (false, 0, false, false));
		assert!(tasks[1..].iter().all(|task| kept(*task) == (true, 6, true, true)));
	});
}

use polkadot_sdk::frame_support::traits::fungible::InspectHold;
