// SPDX-License-Identifier: Apache-2.0

//! Who is served next.

use crate::{mock::*, Pallet};
use poaiw_primitives::{outbox::Report, task::TaskSpec, UNIT};

fn next(n: u8, refused: &[u64]) -> Option<u64> {
	Pallet::<Test>::next_task(&account(n), refused)
}

#[test]
fn next_task_should_take_the_highest_tip_first_then_the_oldest() {
	ExtBuilder::default().build_and_execute(|| {
		let low = post_spec(TaskSpec {
			tip_per_gmac: UNIT,
			..spec()
		});
		let first = post_spec(TaskSpec {
			tip_per_gmac: 2 * UNIT,
			..spec()
		});
		// A tip of the same power of two waits its turn.
		let second = post_spec(TaskSpec {
			tip_per_gmac: 2 * UNIT + 1,
			..spec()
		});
		assert_eq!(next(WORKER, &[]), Some(first));
		assert_eq!(next(WORKER, &[first]), Some(second));
		assert_eq!(next(WORKER, &[first, second]), Some(low));
		assert_eq!(next(WORKER, &[first, second, low]), None);
	});
}

#[test]
fn next_task_should_pass_over_what_the_worker_may_not_take() {
	ExtBuilder::default().build_and_execute(|| {
		let _large = post_spec(TaskSpec {
			memory_mib: 4_096,
			..spec()
		});
		let fits = post();
		assert_eq!(next(WORKER, &[]), Some(fits));
		assert_eq!(next(MINER, &[]), None);
		lease(WORKER, fits);
		assert_eq!(next(WORKER, &[]), None);
		assert_eq!(next(HONEST, &[]), None);
	});
}

#[test]
fn returned_task_should_keep_its_place() {
	ExtBuilder::default().build_and_execute(|| {
		let (first, second) = (post(), post());
		lease(WORKER, first);
		assert_eq!(next(HONEST, &[]), Some(second));
		run_blocks(HEARTBEAT_TIMEOUT + 1);
		assert_eq!(next(HONEST, &[]), Some(first));
		assert_eq!(send(HONEST, Report::Lease { task: second }), Ok(Ok(())));
	});
}
