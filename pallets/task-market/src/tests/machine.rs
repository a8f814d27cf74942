// SPDX-License-Identifier: Apache-2.0

//! Random sequences of operations, with all invariants checked after each of them.

use crate::mock::*;
use poaiw_primitives::{
	outbox::Report,
	task::{TaskSpec, TaskState, Verdict},
	UNIT,
};
use poaiw_work::source::WorkSource;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
	Post { requester: u8, tip: u32, duration: u32 },
	Cancel { requester: u8, task: u64 },
	Lease { worker: u8, task: u64 },
	Heartbeat { worker: u8, task: u64 },
	Attest { worker: u8, task: u64 },
	Vote { task: u64, verdict: Verdict },
	VoteAll { task: u64 },
	Unbond { who: u8, part: u128 },
	Blocks { count: u32 },
	Seal { worker: u8, task: u64, segment: u32 },
}

fn verdicts() -> impl Strategy<Value = Verdict> {
	prop_oneof![
		6 => Just(Verdict::Accept),
		2 => Just(Verdict::WrongResult),
		1 => Just(Verdict::Unavailable),
	]
}

fn ops() -> impl Strategy<Value = Op> {
	let task = 0u64..12;
	let worker = WORKER..13;
	prop_oneof![
		4 => (1u8..3, 0u32..4, 5u32..60).prop_map(|(requester, tip, duration)| Op::Post { requester, tip, duration }),
		1 => (1u8..3, task.clone()).prop_map(|(requester, task)| Op::Cancel { requester, task }),
		6 => (worker.clone(), task.clone()).prop_map(|(worker, task)| Op::Lease { worker, task }),
		3 => (worker.clone(), task.clone()).prop_map(|(worker, task)| Op::Heartbeat { worker, task }),
		8 => (worker.clone(), task.clone()).prop_map(|(worker, task)| Op::Attest { worker, task }),
		6 => (task.clone(), verdicts()).prop_map(|(task, verdict)| Op::Vote { task, verdict }),
		3 => task.clone().prop_map(|task| Op::VoteAll { task }),
		1 => (prop_oneof![worker.clone(), 20u8..23], 1u128..60).prop_map(|(who, part)| Op::Unbond { who, part }),
		5 => (1u32..14).prop_map(|count| Op::Blocks { count }),
		3 => (worker, task, 0u32..8).prop_map(|(worker, task, segment)| Op::Seal { worker, task, segment }),
	]
}

/// Does what is possible of an operation; what is refused must change nothing that matters to the invariants.
fn run(op: Op) {
	match op {
		Op::Post {
			requester,
			tip,
			duration,
		} => {
			let spec = TaskSpec {
				tip_per_gmac: UNIT << tip,
				deadline: now() + duration,
				max_price: 100 * UNIT,
				..spec()
			};
			let _ = TaskMarket::post(signed(requester), spec);
		}
		Op::Cancel { requester, task } => {
			let _ = TaskMarket::cancel(signed(requester), task);
		}
		Op::Lease { worker, task } => {
			let _ = send(worker, Report::Lease { task });
		}
		Op::Heartbeat { worker, task } => {
			let _ = send(worker, Report::Heartbeat { task });
		}
		Op::Attest { worker, task } => {
			use poaiw_primitives::traits::Market;
			if TaskMarket::leased(task).is_some() {
				let _ = send(worker, Report::Attest(attestation(task)));
			}
		}
		Op::Vote { task, verdict } => {
			if let Some((n, segment)) = due_votes(task).first().copied() {
				vote(n, task, segment, verdict);
			}
		}
		Op::VoteAll { task } => vote_all(task, |_, _| Verdict::Accept),
		Op::Unbond { who, part } => {
			let _ = Registry::unbond(signed(who), part * UNIT);
		}
		Op::Blocks { count } => run_blocks(count),
		Op::Seal {
			worker,
			task,
			segment,
		} => next_block_by(
			worker,
			WorkSource::Task {
				id: task,
				segment,
				step: 0,
				instruction: 0,
			},
		),
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

	#[test]
	fn invariants_should_hold_after_any_sequence_of_operations(ops in proptest::collection::vec(ops(), 1..80)) {
		ExtBuilder::default().build_and_execute(|| {
			for op in ops {
				run(op);
				check_state();
			}
			// In the end, whatever was going on, every task ends and every hold is released.
			run_blocks(200);
			for (id, task) in crate::Tasks::<Test>::iter() {
				assert!(!task.is_live(), "task {id}: {:?}", task.state);
				assert!(!matches!(task.state, TaskState::Open));
			}
			assert_eq!((held(1), held(2)), (0, 0));
			assert!((1..=40).all(|n| obligations(n) == 0));
		});
	}
}
