// SPDX-License-Identifier: Apache-2.0

//! What seals do: draw samples, and claim operands.

use crate::{mock::*, Mix, Records, SealClaims, Tickets};
use poaiw_primitives::{
	outbox::Report,
	task::{TaskSpec, Verdict},
	traits::{Beacon, Verification as _},
};
use poaiw_work::source::WorkSource;

fn source(task: u64, segment: u32) -> WorkSource {
	WorkSource::Task {
		id: task,
		segment,
		step: 1,
		instruction: 2,
	}
}

#[test]
fn mix_should_change_with_every_seal() {
	ExtBuilder::default().build_and_execute(|| {
		let first = Verification::current();
		next_block();
		let second = Verification::current();
		next_block();
		assert!(first != second && second != Mix::<Test>::get());
	});
}

#[test]
fn sample_should_be_drawn_when_all_seals_of_its_beacon_are_known() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		run_blocks(TO_DRAW - 1);
		assert!(Records::<Test>::get(task).unwrap().segments.is_empty());
		assert!(due_votes(task).is_empty());
		next_block();
		// Without any record of results all six are sampled, each by two verifiers.
		assert_eq!(
			Records::<Test>::get(task).unwrap().segments.to_vec(),
			[0, 1, 2, 3, 4, 5]
		);
		assert_eq!(due_votes(task).len(), 12);
	});
}

#[test]
fn draw_should_wait_for_later_seals_when_some_are_not_known() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		lease_seeded(WORKER, task);
		attest(WORKER, task);
		run_blocks(TO_DRAW - 2);
		Tickets::<Test>::remove(now() - 3);
		run_blocks(3);
		assert!(due_votes(task).is_empty());
		run_blocks(TO_DRAW);
		assert!(!due_votes(task).is_empty());
		vote_all(task, |_, _| Verdict::Accept);
	});
}

#[test]
fn seals_should_claim_only_for_the_worker_under_its_lease() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post();
		next_block_by(WORKER, source(task, 0));
		lease(WORKER, task);
		// The seal of the block that carries the lease can't come from it: the seed was not known.
		next_block_by(WORKER, source(task, 0));
		next_block_by(HONEST, source(task, 0));
		next_block_by(WORKER, source(task, 6));
		next_block_by(WORKER, source(99, 0));
		assert!(Verification::seals(task).is_empty());
		let sealed = now();
		next_block_by(WORKER, source(task, 5));
		let claims = SealClaims::<Test>::get(task).unwrap().kept;
		assert_eq!(Verification::seals(task), [(sealed, 5)]);
		assert_eq!(
			(
				claims[0].block,
				claims[0].segment,
				claims[0].step,
				claims[0].instruction
			),
			(sealed, 5, 1, 2)
		);
		assert_eq!(claims[0].root_a, [9; 32]);
		attest(WORKER, task);
		next_block_by(WORKER, source(task, 1));
		assert_eq!(Verification::seals(task).len(), 1);
	});
}

#[test]
fn claims_should_be_bounded_and_named_segments_sampled() {
	ExtBuilder::default().build_and_execute(|| {
		let task = post_spec(TaskSpec {
			segments: 20,
			tip_per_gmac: poaiw_primitives::UNIT / 2,
			..spec()
		});
		(0..40).for_each(|_| {
			use poaiw_primitives::traits::Registry as _;
			Registry::note_valid(&account(WORKER))
		});
		lease_seeded(WORKER, task);
		for segment in [7, 8, 9, 10, 11, 12] {
			next_block_by(WORKER, source(task, segment));
			assert_eq!(send(WORKER, Report::Heartbeat { task }), Ok(Ok(())));
		}
		let kept = SealClaims::<Test>::get(task).unwrap();
		assert_eq!((kept.seen, kept.kept.len()), (6, 4));
		attest(WORKER, task);
		run_blocks(TO_DRAW);
		let sampled = Records::<Test>::get(task).unwrap().segments;
		assert!(
			kept.kept.iter().all(|claim| sampled.contains(&claim.segment)),
			"{sampled:?}"
		);
		// Verifiers are told what to compare.
		assert_eq!(Verification::brief(task).unwrap().claims, kept.kept.to_vec());
		vote_all(task, |_, _| Verdict::Accept);
		// Of an accepted result the seals are kept, not what they claimed.
		assert!(!SealClaims::<Test>::contains_key(task));
		let seals: Vec<_> = kept
			.kept
			.iter()
			.map(|claim| (claim.block, claim.segment))
			.collect();
		assert_eq!(Verification::seals(task), seals);
		assert_eq!(Verification::brief(task), None);
	});
}
