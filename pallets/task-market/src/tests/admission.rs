// SPDX-License-Identifier: Apache-2.0

//! Which feeless reports get into a block.

use crate::{mock::*, Error};
use poaiw_primitives::{
	outbox::{Report, REPORT_LONGEVITY},
	task::TaskSpec,
	traits::Registry as _,
	worker::Roles,
	GMAC, UNIT,
};
use polkadot_sdk::{
	frame_support::traits::Authorize,
	sp_runtime::transaction_validity::{InvalidTransaction, TransactionSource},
};

#[test]
fn lease_should_be_refused_with_a_wrong_signature() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		let report = report(WORKER, Report::Lease { task });
		let call = call_of(report.clone(), sign(HONEST, &report));
		assert_eq!(apply(call), Err(InvalidTransaction::BadProof.into()));
		// A signature over another report of the same worker is none for this one.
		let other = poaiw_primitives::outbox::SignedReport {
			at: report.at - 1,
			..report.clone()
		};
		assert_eq!(
			apply(call_of(report.clone(), sign(WORKER, &other))),
			Err(InvalidTransaction::BadProof.into())
		);
		// Nor is one for another chain.
		use polkadot_sdk::sp_core::Pair;
		let foreign = key(WORKER).sign(&report.payload(&poaiw_primitives::Hash::repeat_byte(99)));
		assert_eq!(
			apply(call_of(report, foreign)),
			Err(InvalidTransaction::BadProof.into())
		);
	});
}

#[test]
fn reports_should_be_refused_when_stale_or_from_the_future() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		let mut report = report(WORKER, Report::Lease { task });
		report.at += 1;
		assert_eq!(
			send_report(WORKER, report.clone()),
			Err(InvalidTransaction::Future.into())
		);
		report.at -= 1;
		run_blocks(REPORT_LONGEVITY);
		let call = call_of(report.clone(), sign(WORKER, &report));
		assert!(call.authorize(TransactionSource::External).unwrap().is_ok());
		next_block();
		assert_eq!(send_report(WORKER, report), Err(InvalidTransaction::Stale.into()));
	});
}

#[test]
fn reports_should_be_refused_in_a_call_of_another_kind() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		let beat = report(WORKER, Report::Heartbeat { task });
		let signature = sign(WORKER, &beat);
		let call = crate::Call::lease {
			report: beat,
			signature,
		}
		.into();
		assert_eq!(apply(call), refused(Error::<Test>::WrongReport));
		let lease = report(WORKER, Report::Lease { task });
		let signature = sign(WORKER, &lease);
		let call = crate::Call::heartbeat {
			report: lease,
			signature,
		}
		.into();
		assert_eq!(apply(call), refused(Error::<Test>::WrongReport));
	});
}

#[test]
fn lease_should_be_refused_to_who_is_not_eligible() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		let send = |n, task| send(n, Report::Lease { task });
		assert_eq!(send(WORKER, 77), refused(Error::<Test>::UnknownTask));
		assert_eq!(send(MINER, task), refused(Error::<Test>::NotWorker));
		assert_eq!(send(VERIFIERS[0], task), refused(Error::<Test>::NotWorker));
		let memory = post_spec(TaskSpec {
			memory_mib: 1_025,
			..spec()
		});
		assert_eq!(send(WORKER, memory), refused(Error::<Test>::TooLittleMemory));
		let proven = post_spec(TaskSpec {
			min_reputation: 1,
			..spec()
		});
		assert_eq!(send(WORKER, proven), refused(Error::<Test>::TooLittleReputation));
		Registry::note_valid(&account(WORKER));
		lease(WORKER, proven);
		assert_eq!(send(WORKER, task), refused(Error::<Test>::HasLease));
		assert_eq!(send(HONEST, proven), refused(Error::<Test>::NotOpen));
		let long = post_spec(TaskSpec {
			segments: 100,
			..spec()
		});
		assert_eq!(send(HONEST, long), refused(Error::<Test>::BondTooSmall));
	});
}

#[test]
fn lease_should_be_refused_when_the_base_fee_left_the_price_behind() {
	ExtBuilder {
		workers: vec![WORKER, HONEST],
		..Default::default()
	}
	.build_and_execute(|| {
		let tight = post_spec(TaskSpec {
			max_price: 21 * UNIT,
			..spec()
		});
		let busy = post_spec(TaskSpec {
			macs: 11 * GMAC,
			..spec()
		});
		let other = post();
		lease(WORKER, busy);
		lease(HONEST, other);
		run_blocks(8);
		register(
			12,
			Roles {
				worker: true,
				verifier: false,
			},
			WORKER_BOND,
		);
		assert_eq!(
			send(12, Report::Lease { task: tight }),
			refused(Error::<Test>::PriceAboveMax)
		);
	});
}

#[test]
fn leases_should_be_bounded_in_a_block_and_in_all() {
	ExtBuilder {
		workers: (10..18).collect(),
		..Default::default()
	}
	.build_and_execute(|| {
		let tasks: Vec<_> = (0..4)
			.map(|i| {
				post_spec(TaskSpec {
					deadline: now() + 60 + i,
					..spec()
				})
			})
			.collect();
		lease(10, tasks[0]);
		lease(11, tasks[1]);
		assert_eq!(
			send(12, Report::Lease { task: tasks[2] }),
			refused(Error::<Test>::TooManyLeases)
		);
		next_block();
		lease(12, tasks[2]);
		assert_eq!(
			send(13, Report::Lease { task: tasks[3] }),
			refused(Error::<Test>::TooManyLeases)
		);
	});
}

#[test]
fn two_leases_of_a_worker_should_not_pool_together() {
	ExtBuilder::default().build_and_execute(|| {
		let tags = [post(), post()].map(|task| {
			let report = report(WORKER, Report::Lease { task });
			let signature = sign(WORKER, &report);
			call_of(report, signature)
				.authorize(TransactionSource::External)
				.unwrap()
				.unwrap()
				.0
				.provides
		});
		assert_eq!(tags[0], tags[1]);
	});
}

#[test]
fn heartbeat_should_be_refused_from_others_and_when_played_again() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		assert_eq!(
			send(WORKER, Report::Heartbeat { task }),
			refused(Error::<Test>::NotLeaseholder)
		);
		lease(WORKER, task);
		assert_eq!(
			send(HONEST, Report::Heartbeat { task }),
			refused(Error::<Test>::NotLeaseholder)
		);
		assert_eq!(
			send(WORKER, Report::Heartbeat { task }),
			refused(Error::<Test>::HeartbeatTooOld)
		);
		next_block();
		let beat = report(WORKER, Report::Heartbeat { task });
		assert_eq!(send_report(WORKER, beat.clone()), Ok(Ok(())));
		run_blocks(3);
		assert_eq!(send_report(WORKER, beat), refused(Error::<Test>::HeartbeatTooOld));
	});
}

#[test]
fn lease_report_should_be_refused_when_played_again_after_the_lease_was_lost() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		let old = report(WORKER, Report::Lease { task });
		assert_eq!(send_report(WORKER, old.clone()), Ok(Ok(())));
		run_blocks(HEARTBEAT_TIMEOUT + 1);
		assert_eq!(state(task), poaiw_primitives::task::TaskState::Open);
		assert_eq!(send_report(WORKER, old), refused(Error::<Test>::LeaseTooOld));
		lease(WORKER, task);
	});
}
