// SPDX-License-Identifier: Apache-2.0

//! Which votes are taken, and what silence does.

use crate::{mock::*, types::Answer, Checks, Error, Records};
use poaiw_primitives::{
	outbox::{Report, SignedReport},
	task::{TaskSpec, TaskState, Verdict, VerificationLevel, Vote},
	worker::Roles,
};
use polkadot_sdk::sp_runtime::transaction_validity::InvalidTransaction;

fn one_verifier_each() -> TaskSpec {
	TaskSpec {
		level: VerificationLevel {
			sampled: 2,
			verifiers: 1,
		},
		..spec()
	}
}

fn attested_with(spec: TaskSpec) -> u64 {
	let task = post_spec(spec);
	lease_seeded(WORKER, task);
	attest(WORKER, task);
	run_blocks(TO_DRAW);
	task
}

#[test]
fn vote_should_be_refused_when_played_again() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let (n, segment) = due_votes(task)[0];
		let report = report(n, vote_of(task, segment, Verdict::Accept));
		assert_eq!(send_report(n, report.clone()), Ok(Ok(())));
		assert_eq!(send_report(n, report), refused(Error::<Test>::AlreadyVoted));
		assert_eq!(
			send(n, vote_of(task, segment, Verdict::WrongResult)),
			refused(Error::<Test>::AlreadyVoted)
		);
	});
}

#[test]
fn vote_should_be_refused_from_who_was_not_asked() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested_with(one_verifier_each());
		let (asked, segment) = due_votes(task)[0];
		let other = *VERIFIERS.iter().find(|n| **n != asked).unwrap();
		for n in [other, WORKER, HONEST, MINER] {
			assert_eq!(
				send(n, vote_of(task, segment, Verdict::Accept)),
				refused(Error::<Test>::NotAssigned)
			);
		}
		// Somebody else can't vote in the name of the verifier.
		let report = report(asked, vote_of(task, segment, Verdict::Accept));
		assert_eq!(
			apply(call_of(report.clone(), sign(other, &report))),
			Err(InvalidTransaction::BadProof.into())
		);
	});
}

#[test]
fn vote_should_be_refused_about_what_is_not_to_be_judged() {
	ExtBuilder::default().build_and_execute(|| {
		let early = post();
		lease_seeded(HONEST, early);
		attest(HONEST, early);
		let vote = |task, attempt, segment| {
			Report::Vote(Vote {
				task,
				attempt,
				segment,
				verdict: Verdict::Accept,
			})
		};
		assert_eq!(
			send(VERIFIERS[0], vote(early, 1, 0)),
			refused(Error::<Test>::NothingToVote)
		);
		assert_eq!(
			send(VERIFIERS[0], vote(77, 1, 0)),
			refused(Error::<Test>::NothingToVote)
		);
		let task = attested(WORKER);
		let (n, segment) = due_votes(task)[0];
		assert_eq!(
			send(n, vote(task, 2, segment)),
			refused(Error::<Test>::WrongAttempt)
		);
		assert_eq!(send(n, vote(task, 1, 6)), refused(Error::<Test>::NotSampled));
		let mut late = report(n, vote(task, 1, segment));
		late.at += 1;
		assert_eq!(send_report(n, late), Err(InvalidTransaction::Future.into()));
		let beat = report(n, Report::Heartbeat { task });
		let signature = sign(n, &beat);
		let call = crate::Call::vote {
			report: beat,
			signature,
		}
		.into();
		assert_eq!(apply(call), refused(Error::<Test>::WrongReport));
	});
}

#[test]
fn vote_should_be_refused_after_its_time_and_silence_should_cost() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested_with(one_verifier_each());
		let (n, segment) = due_votes(task)[0];
		let before = bond(n);
		let asked = due_votes(task).iter().filter(|(other, _)| *other == n).count() as u32;
		run_blocks(VOTE_WINDOW);
		assert_eq!(bond(n), before);
		next_block();
		assert!(bond(n) < before);
		assert_eq!(
			send(n, vote_of(task, segment, Verdict::Accept)),
			refused(Error::<Test>::TooLate)
		);
		// Others were asked instead about those segments.
		let check = Checks::<Test>::get(task, segment).unwrap();
		assert_eq!(
			(check.voters[0].answer, check.voters[1].answer),
			(Answer::Silent, Answer::Due)
		);
		assert!(asked > 0 && check.voters[1].who != account(n));
		vote_all(task, |_, _| Verdict::Accept);
		assert!(matches!(state(task), TaskState::Settled { .. }));
	});
}

#[test]
fn result_should_never_be_accepted_because_nobody_votes() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post_spec(TaskSpec {
			deadline: now() + 900,
			..one_verifier_each()
		});
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		let bonded = bond(WORKER);
		run_blocks(TO_DRAW + 4 * (VOTE_WINDOW + 1));
		// Two rounds are over, and one redraw: all verifiers can be asked again.
		assert!(matches!(state(task), TaskState::Attested(_)));
		assert!(Checks::<Test>::iter_prefix_values(task).all(|check| check.redraws == 1));
		run_blocks(4 * (VOTE_WINDOW + 1));
		// The task is back on the market, and the worker has paid nothing for the verifiers' silence.
		assert_eq!(state(task), TaskState::Open);
		assert_eq!(bond(WORKER), bonded);
		assert!(VERIFIERS.iter().all(|n| bond(*n) < VERIFIER_BOND));
	});
}

#[test]
fn verification_should_wait_for_the_first_verifier() {
	ExtBuilder {
		verifiers: vec![],
		..Default::default()
	}
	.build_and_execute(|| {
		let task = attested(WORKER);
		assert!(due_votes(task).is_empty());
		register(23, VERIFIER, VERIFIER_BOND);
		run_blocks(VOTE_WINDOW + 1);
		assert_eq!(due_votes(task).len(), 6);
		vote_all(task, |_, _| Verdict::Accept);
		assert!(matches!(state(task), TaskState::Settled { .. }));
	});
}

fn self_verifying(allowed: bool, others: bool) -> usize {
	let mut due = 0;
	ExtBuilder {
		workers: vec![],
		verifiers: if others { vec![20] } else { vec![] },
	}
	.build_and_execute(|| {
		SelfVerification::set(allowed);
		register(
			WORKER,
			Roles {
				worker: true,
				verifier: true,
			},
			WORKER_BOND,
		);
		let task = attested(WORKER);
		due = due_votes(task).into_iter().filter(|(n, _)| *n == WORKER).count();
		vote_all(task, |_, _| Verdict::Accept);
		assert_eq!(
			matches!(state(task), TaskState::Settled { .. }),
			due > 0 || others
		);
	});
	due
}

#[test]
fn worker_should_judge_itself_only_where_allowed_and_alone() {
	assert_eq!(self_verifying(false, false), 0);
	assert_eq!(self_verifying(false, true), 0);
	assert_eq!(self_verifying(true, true), 0);
	assert_eq!(self_verifying(true, false), 6);
}

const VERIFIER: Roles = Roles {
	worker: false,
	verifier: true,
};

#[test]
fn requester_should_not_judge_its_own_task() {
	ExtBuilder {
		verifiers: vec![20, 21],
		..Default::default()
	}
	.build_and_execute(|| {
		// By far the largest bond, so it would be named first of all.
		register(REQUESTER, VERIFIER, 100 * VERIFIER_BOND);
		let task = attested(WORKER);
		let asked = due_votes(task);
		assert_eq!(asked.len(), 12);
		assert!(asked.iter().all(|(n, _)| [20, 21].contains(n)), "{asked:?}");
		assert_eq!(
			send(REQUESTER, vote_of(task, 0, Verdict::WrongResult)),
			refused(Error::<Test>::NotAssigned)
		);
		// Not even when votes differ and more verifiers are sought.
		vote_all(task, |n, _| match n {
			REQUESTER => panic!("the requester was asked"),
			20 => Verdict::Accept,
			_ => Verdict::WrongResult,
		});
		assert_eq!(state(task), TaskState::Open);
	});
}

#[test]
fn requester_should_judge_the_tasks_of_others() {
	ExtBuilder {
		verifiers: vec![],
		..Default::default()
	}
	.build_and_execute(|| {
		register(REQUESTER, VERIFIER, VERIFIER_BOND);
		polkadot_sdk::frame_support::assert_ok!(TaskMarket::post(signed(2), spec()));
		lease_seeded(WORKER, 0);
		attest(WORKER, 0);
		run_blocks(TO_DRAW);
		assert!(due_votes(0).iter().all(|(n, _)| *n == REQUESTER));
		vote_all(0, |_, _| Verdict::Accept);
		assert!(matches!(state(0), TaskState::Settled { .. }));
	});
}

#[test]
fn task_should_wait_when_its_requester_is_the_only_verifier() {
	ExtBuilder {
		verifiers: vec![],
		..Default::default()
	}
	.build_and_execute(|| {
		register(REQUESTER, VERIFIER, VERIFIER_BOND);
		let task = attested(WORKER);
		assert!(due_votes(task).is_empty());
		assert!(matches!(state(task), TaskState::Attested(_)));
		register(23, VERIFIER, VERIFIER_BOND);
		run_blocks(VOTE_WINDOW + 1);
		assert!(due_votes(task).iter().all(|(n, _)| *n == 23));
		vote_all(task, |_, _| Verdict::Accept);
		assert!(matches!(state(task), TaskState::Settled { .. }));
	});
}

#[test]
fn assignments_should_list_what_is_due() {
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let listed = Verification::assignments(&account(VERIFIERS[0]));
		assert!(!listed.is_empty());
		assert!(listed
			.iter()
			.all(|a| a.task == task && a.attempt == 1 && a.due == now() + VOTE_WINDOW));
		let before = obligations(VERIFIERS[0]);
		assert_eq!(before as usize, listed.len());
		vote_all(task, |_, _| Verdict::Accept);
		assert!(Verification::assignments(&account(VERIFIERS[0])).is_empty());
		assert_eq!(obligations(VERIFIERS[0]), 0);
	});
}

#[test]
fn two_votes_of_a_verifier_on_one_segment_should_not_pool_together() {
	use polkadot_sdk::{
		frame_support::traits::Authorize, sp_runtime::transaction_validity::TransactionSource,
	};
	ExtBuilder::default().build_and_execute(|| {
		let task = attested(WORKER);
		let (n, segment) = due_votes(task)[0];
		let tags = [Verdict::Accept, Verdict::WrongResult].map(|verdict| {
			let report: SignedReport = report(n, vote_of(task, segment, verdict));
			let signature = sign(n, &report);
			call_of(report, signature)
				.authorize(TransactionSource::External)
				.unwrap()
				.unwrap()
				.0
				.provides
		});
		assert_eq!(tags[0], tags[1]);
		assert!(Records::<Test>::contains_key(task));
	});
}
