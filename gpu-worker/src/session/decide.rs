// SPDX-License-Identifier: Apache-2.0

//! What a worker does next, as a function of what the chain says and what it has in hand.

use crate::node::{LeaseView, WorkerView};
use poaiw_primitives::{BlockNumber, TaskId};

/// Blocks after which a wish for a lease is repeated.
pub const WISH_EVERY: BlockNumber = 10;
/// Blocks after which an attestation that is not on chain is handed in again.
pub const ATTEST_EVERY: BlockNumber = 5;
/// Blocks for which a lease may be missing (a fork may have dropped it for a moment) before it counts as lost.
pub const LOST_AFTER: BlockNumber = 3;

/// The lease in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
	/// The task.
	pub task: TaskId,
	/// Number of the lease.
	pub attempt: u32,
	/// Its seed, hex as the node gives it.
	pub seed: String,
	/// Whether the result is there.
	pub finished: bool,
	/// Height at which the attestation was handed in last.
	pub submitted_at: Option<BlockNumber>,
	/// Height since which the chain does not show the lease.
	pub missing_since: Option<BlockNumber>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
	/// The account can't work; why, and what to do.
	Blocked(String),
	/// Ask for a lease.
	Wish,
	/// Wait; for what.
	Wait(&'static str),
	/// Run this lease.
	Run(LeaseView),
	/// The lease in hand has another seed now: begin anew.
	Reseeded,
	/// The lease in hand is not shown: note since when.
	Missing,
	/// The lease in hand is gone: stop and forget it.
	Lost,
	/// Hand in the attestation.
	Attest,
	/// The attestation of the lease in hand is on chain.
	OnChain,
}

/// Decides. `wished_at`: height of the last wish; `unusable`: tasks that can't be run.
pub fn next(
	status: Option<&WorkerView>,
	best: BlockNumber,
	held: Option<&Held>,
	wished_at: Option<BlockNumber>,
	unusable: &[TaskId],
) -> Next {
	let Some(status) = status else {
		return Next::Blocked("the account is not registered: register it as a worker with a bond".into());
	};
	if !status.worker {
		return Next::Blocked("the account is not registered as a worker: register it with that role".into());
	}
	if !status.has_reporter_key {
		return Next::Blocked(format!(
			"the node does not hold the reporter key {}: insert it (author_insertKey, key type poai)",
			status.reporter
		));
	}
	match (held, &status.lease) {
		(Some(held), lease) => with_held(held, lease.as_ref(), best),
		(None, Some(lease)) if unusable.contains(&lease.task) => {
			Next::Wait("the lease of a task that can't be run to lapse")
		}
		(None, Some(lease)) if lease.attested => Next::Wait("the verdict on the attestation"),
		(None, Some(LeaseView { seed: None, .. })) => Next::Wait("the seed of the lease"),
		(None, Some(lease)) => Next::Run(lease.clone()),
		(None, None) if wished_at.is_none_or(|at| due(at, WISH_EVERY, best)) => Next::Wish,
		(None, None) => Next::Wait("a task"),
	}
}

/// Whether `every` blocks have passed (or the chain went back).
fn due(at: BlockNumber, every: BlockNumber, best: BlockNumber) -> bool {
	best < at || best - at >= every
}

fn with_held(held: &Held, lease: Option<&LeaseView>, best: BlockNumber) -> Next {
	let same = |lease: &&LeaseView| (lease.task, lease.attempt) == (held.task, held.attempt);
	let Some(lease) = lease.filter(same) else {
		return match held.missing_since {
			// After an attestation was handed in, a lease that is no longer shown was most likely attested.
			_ if held.submitted_at.is_some() => Next::OnChain,
			None => Next::Missing,
			Some(since) if due(since, LOST_AFTER, best) => Next::Lost,
			Some(_) => Next::Wait("the lease to be shown again"),
		};
	};
	if lease.attested {
		return Next::OnChain;
	}
	match &lease.seed {
		None => Next::Wait("the seed of the lease"),
		Some(seed) if *seed != held.seed => Next::Reseeded,
		Some(_) if !held.finished => Next::Wait("the run"),
		Some(_) if held.submitted_at.is_none_or(|at| due(at, ATTEST_EVERY, best)) => Next::Attest,
		Some(_) => Next::Wait("the attestation to be on chain"),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use poaiw_primitives::AccountId;

	fn status(lease: Option<LeaseView>) -> WorkerView {
		WorkerView {
			account: AccountId::new([1; 32]),
			worker: true,
			verifier: false,
			reporter: "0x01".into(),
			has_reporter_key: true,
			bond: "1".into(),
			lease,
			next_task: None,
		}
	}

	fn lease() -> LeaseView {
		LeaseView {
			task: 3,
			worker: AccountId::new([1; 32]),
			attempt: 2,
			seed: Some("0xaa".into()),
			attested: false,
		}
	}

	fn held() -> Held {
		Held {
			task: 3,
			attempt: 2,
			seed: "0xaa".into(),
			finished: false,
			submitted_at: None,
			missing_since: None,
		}
	}

	fn with(held: Held, lease: Option<LeaseView>, best: BlockNumber) -> Next {
		next(Some(&status(lease)), best, Some(&held), None, &[])
	}

	#[test]
	fn a_worker_should_be_told_what_is_missing_when_it_can_not_work() {
		let blocked = |status: Option<WorkerView>| match next(status.as_ref(), 1, None, None, &[]) {
			Next::Blocked(why) => why,
			other => panic!("{other:?}"),
		};
		assert!(blocked(None).contains("not registered"));
		assert!(blocked(Some(WorkerView {
			worker: false,
			..status(None)
		}))
		.contains("role"));
		assert!(blocked(Some(WorkerView {
			has_reporter_key: false,
			..status(None)
		}))
		.contains("0x01"));
	}

	#[test]
	fn a_wish_should_be_kept_fresh_while_there_is_no_lease() {
		let after = |wished, best| next(Some(&status(None)), best, None, wished, &[]);
		assert_eq!(after(None, 5), Next::Wish);
		assert_eq!(after(Some(5), 14), Next::Wait("a task"));
		assert_eq!(after(Some(5), 15), Next::Wish);
		// The chain went back: the wish may be of a fork.
		assert_eq!(after(Some(5), 4), Next::Wish);
	}

	#[test]
	fn a_lease_should_be_run_only_once_its_seed_is_known() {
		let new =
			|lease: LeaseView, unusable: &[TaskId]| next(Some(&status(Some(lease))), 9, None, None, unusable);
		assert_eq!(
			new(
				LeaseView {
					seed: None,
					..lease()
				},
				&[]
			),
			Next::Wait("the seed of the lease")
		);
		assert_eq!(new(lease(), &[]), Next::Run(lease()));
		assert!(matches!(new(lease(), &[3]), Next::Wait(_)));
		assert!(matches!(
			new(
				LeaseView {
					attested: true,
					..lease()
				},
				&[]
			),
			Next::Wait(_)
		));
	}

	#[test]
	fn a_finished_run_should_be_attested_until_it_is_seen_on_chain() {
		let finished = Held {
			finished: true,
			..held()
		};
		assert_eq!(with(held(), Some(lease()), 9), Next::Wait("the run"));
		assert_eq!(with(finished.clone(), Some(lease()), 9), Next::Attest);
		let submitted = Held {
			submitted_at: Some(9),
			..finished
		};
		assert!(matches!(
			with(submitted.clone(), Some(lease()), 13),
			Next::Wait(_)
		));
		assert_eq!(with(submitted.clone(), Some(lease()), 14), Next::Attest);
		assert_eq!(
			with(
				submitted.clone(),
				Some(LeaseView {
					attested: true,
					..lease()
				}),
				10
			),
			Next::OnChain
		);
		assert_eq!(with(submitted, None, 10), Next::OnChain);
	}

	#[test]
	fn a_lease_should_count_as_lost_only_after_some_blocks() {
		assert_eq!(with(held(), None, 9), Next::Missing);
		let missing = Held {
			missing_since: Some(9),
			..held()
		};
		assert!(matches!(with(missing.clone(), None, 11), Next::Wait(_)));
		assert_eq!(with(missing.clone(), None, 12), Next::Lost);
		assert_eq!(
			with(
				missing.clone(),
				Some(LeaseView {
					attempt: 3,
					..lease()
				}),
				12
			),
			Next::Lost
		);
		assert_eq!(with(missing, Some(lease()), 12), Next::Wait("the run"));
	}

	#[test]
	fn a_run_should_begin_anew_when_a_fork_changed_the_seed() {
		assert_eq!(
			with(
				held(),
				Some(LeaseView {
					seed: Some("0xbb".into()),
					..lease()
				}),
				9
			),
			Next::Reseeded
		);
	}
}
