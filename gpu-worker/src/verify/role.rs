// SPDX-License-Identifier: Apache-2.0

//! The loop of a verifier.

use super::{
	gpu::Executor,
	judge::{judge_workload, Case, Finding},
};
use crate::{
	node::{types::AssignmentView, NodeClient, NodeError},
	session::job::{fetch_data, PartsError},
	ui::{Board, TaskStatus},
};
use poaiw_artifacts::{ArtifactError, ArtifactStore};
use poaiw_primitives::{
	task::{Verdict, Vote},
	worker::VerificationBrief,
	AccountId, BlockNumber, TaskId,
};
use poaiw_program::{CheckedData, Tensor};
use std::{
	collections::HashMap,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::{
	sync::watch,
	time::{interval, MissedTickBehavior},
};

/// How often the node is asked for assignments.
const LOOK: Duration = Duration::from_secs(1);
/// Blocks after which a vote that is still due is handed in again.
const VOTE_EVERY: BlockNumber = 8;
/// Blocks before a vote is due at which what is still missing counts as not to be had.
const MARGIN: BlockNumber = 6;
/// Blocks after which the registration is looked at again while nothing is assigned.
const CHECK_EVERY: BlockNumber = 20;
/// Attempts to fetch an artifact before it counts as not to be had, and the time they are spread over at least.
const FETCHES: u32 = 5;
const FETCH_TIME: Duration = Duration::from_secs(20);

/// A segment of one attestation.
type Key = (TaskId, u32, u32);

/// What is known of an attestation.
enum Dossier {
	/// Sound so far; segments can be judged.
	Open(Arc<(Case, CheckedData)>),
	/// Wrong as a whole: the same verdict for every segment.
	Closed(Finding),
}

/// Why there is no verdict yet.
enum Pending {
	/// An artifact is missing.
	Artifact(ArtifactError),
	/// The node or this machine failed.
	Other(String),
}

/// A verifier.
pub struct Verifier {
	node: NodeClient,
	store: ArtifactStore,
	board: Board,
	account: AccountId,
	executor: Executor,
	/// The attestation in work.
	dossier: Option<((TaskId, u32), Arc<Dossier>)>,
	/// Verdicts with the height at which they were handed in last.
	votes: HashMap<Key, (Verdict, Option<BlockNumber>)>,
	/// Height at which the registration was looked at last.
	checked_at: Option<BlockNumber>,
	/// Failed fetches: how many, since when.
	missing: HashMap<Key, (u32, Instant)>,
}

impl Verifier {
	/// A verifier for an account.
	pub fn new(
		(node, store, board): (NodeClient, ArtifactStore, Board),
		account: AccountId,
		executor: Executor,
	) -> Self {
		Self {
			node,
			store,
			board,
			account,
			executor,
			dossier: None,
			votes: HashMap::new(),
			checked_at: None,
			missing: HashMap::new(),
		}
	}

	/// Verifies until `stop` changes.
	///
	/// # Errors
	/// Never in normal operation: what fails is shown and tried again.
	pub async fn work(mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
		let mut looks = interval(LOOK);
		looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
		tracing::info!(account = %self.account, "verifying");
		loop {
			let looked = async {
				looks.tick().await;
				self.look().await
			};
			tokio::select! {
				_ = stop.changed() => {
					tracing::info!("stopped; segments without a vote are judged after a restart");
					return Ok(());
				},
				looked = looked => if let Err(error) = looked {
					self.board.problem(error.to_string());
					tracing::warn!(%error, "verification waits");
				},
			}
		}
	}

	async fn look(&mut self) -> Result<(), NodeError> {
		let best = self.node.height().await?;
		let mut due = self.node.assignments(&self.account).await?;
		due.sort_by_key(|assignment| (assignment.due, assignment.task, assignment.segment));
		let open: Vec<Key> = due.iter().map(key).collect();
		self.votes.retain(|key, _| open.contains(key));
		self.missing.retain(|key, _| open.contains(key));
		self.board.update(|board| {
			board.best = Some(best);
			board.waiting_for = due.is_empty().then(|| "an assignment".into());
			if due.is_empty() {
				board.task = None;
			}
		});
		if due.is_empty() {
			self.check_registration(best).await?;
		}
		for assignment in due {
			if !self.votes.contains_key(&key(&assignment)) {
				self.judge(&assignment, best).await?;
			}
			self.hand_in(&assignment, best).await?;
		}
		Ok(())
	}

	/// Says, now and then, why there may never be an assignment.
	async fn check_registration(&mut self, best: BlockNumber) -> Result<(), NodeError> {
		if self
			.checked_at
			.is_some_and(|at| best >= at && best - at < CHECK_EVERY)
		{
			return Ok(());
		}
		self.checked_at = Some(best);
		let account = &self.account;
		let problem = match self.node.worker_status(account).await? {
			None => format!("{account} is not registered: register it as a verifier with a bond"),
			Some(status) if !status.verifier => {
				format!("{account} is not registered as a verifier: register it with that role")
			}
			Some(status) if !status.has_reporter_key => format!(
				"the node does not hold the reporter key {}: insert it (author_insertKey, key type poai)",
				status.reporter
			),
			Some(_) => return Ok(()),
		};
		tracing::warn!("{problem}");
		self.board.problem(problem);
		Ok(())
	}

	async fn judge(&mut self, assignment: &AssignmentView, best: BlockNumber) -> Result<(), NodeError> {
		let key = key(assignment);
		match self.finding(assignment).await? {
			Ok(finding) => {
				let Finding { verdict, reason } = finding;
				let (task, segment) = (assignment.task, assignment.segment);
				if verdict.accepts() {
					tracing::info!(task, segment, "the segment is right");
				} else {
					tracing::warn!(task, segment, ?verdict, %reason, "the segment is refused");
				}
				self.votes.insert(key, (verdict, None));
			}
			Err(Pending::Artifact(error)) => {
				let (failures, since) = self.missing.entry(key).or_insert((0, Instant::now()));
				*failures += 1;
				let given_up = is_given_up(*failures, since.elapsed(), best, assignment.due);
				self.board.problem(error.to_string());
				if given_up {
					tracing::warn!(task = assignment.task, segment = assignment.segment, %error, "not to be had");
					self.votes.insert(key, (Verdict::Unavailable, None));
				}
			}
			Err(Pending::Other(reason)) => {
				tracing::error!(task = assignment.task, segment = assignment.segment, %reason, "no verdict");
				self.board.problem(reason);
			}
		}
		Ok(())
	}

	async fn finding(&mut self, assignment: &AssignmentView) -> Result<Result<Finding, Pending>, NodeError> {
		let dossier = match self.dossier(assignment).await? {
			Ok(dossier) => dossier,
			Err(pending) => return Ok(Err(pending)),
		};
		let case = match dossier.as_ref() {
			Dossier::Closed(finding) => return Ok(Ok(finding.clone())),
			Dossier::Open(case) => case.clone(),
		};
		let segment = assignment.segment;
		self.show(&case.0, segment);
		let state = match self.state(&case.0, segment).await {
			Ok(state) => state,
			Err(error) => return Ok(Err(Pending::Artifact(error))),
		};
		let executor = self.executor.clone();
		let judged =
			tokio::task::spawn_blocking(move || executor.judge(&case.0, segment, state, &case.1)).await;
		Ok(match judged {
			Ok(Ok(finding)) => Ok(finding),
			Ok(Err(reason)) => Err(Pending::Other(reason)),
			Err(error) => Err(Pending::Other(format!(
				"the re-execution ended unexpectedly: {error}"
			))),
		})
	}

	fn show(&self, case: &Case, segment: u32) {
		let per = case.workload.steps_per_segment;
		self.board.update(|board| {
			board.task = Some(TaskStatus {
				id: case.brief.attestation.task,
				attempt: case.brief.attestation.attempt,
				phase: "verifying",
				segment,
				segments: case.info.segments,
				step: segment.saturating_mul(per).min(case.workload.steps),
				steps: case.workload.steps,
				loss: None,
				resumed_from: None,
			})
		});
	}

	/// The state before a segment: derived if it is the initial one, fetched otherwise.
	async fn state(&self, case: &Case, segment: u32) -> Result<Vec<Tensor>, ArtifactError> {
		match case.state_before(segment) {
			Some(root) if root != case.brief.attestation.initial_state_root => {
				self.store.get_state(&root, &case.info.state).await
			}
			_ => Ok(case.initial.clone()),
		}
	}

	async fn dossier(
		&mut self,
		assignment: &AssignmentView,
	) -> Result<Result<Arc<Dossier>, Pending>, NodeError> {
		let wanted = (assignment.task, assignment.attempt);
		if let Some((known, dossier)) = &self.dossier {
			if *known == wanted {
				return Ok(Ok(dossier.clone()));
			}
		}
		let Some(brief) = self.node.brief(assignment.task).await? else {
			return Ok(Err(Pending::Other(format!(
				"the node has no brief of task {}",
				assignment.task
			))));
		};
		if brief.attestation.attempt != assignment.attempt {
			let other = brief.attestation.attempt;
			let reason = format!("the brief is of attempt {other}, not {}", assignment.attempt);
			return Ok(Err(Pending::Other(reason)));
		}
		Ok(match self.investigate(brief).await {
			Ok(dossier) => {
				let dossier = Arc::new(dossier);
				self.dossier = Some((wanted, dossier.clone()));
				Ok(dossier)
			}
			Err(error) => Err(Pending::Artifact(error)),
		})
	}

	/// Fetches what the attestation is made of and checks all but the segments.
	async fn investigate(&self, brief: VerificationBrief) -> Result<Dossier, ArtifactError> {
		let workload = self.store.get_workload(&brief.spec.program_root).await?;
		let info = match judge_workload(&brief, &workload) {
			Ok(info) => info,
			Err(finding) => return Ok(Dossier::Closed(finding)),
		};
		let data = match fetch_data(&self.store, &workload).await {
			Ok(data) => data,
			Err(PartsError::Artifact(error)) => return Err(error),
			Err(error) => {
				return Ok(Dossier::Closed(Finding::new(
					Verdict::WrongWorkload,
					error.to_string(),
				)))
			}
		};
		let (claim, worker) = (&brief.attestation, &brief.lease.worker);
		let owner = (claim.task, worker.as_ref());
		let trace = self
			.store
			.get_trace(&claim.trace_root, owner, (info.segments, workload.steps))
			.await?;
		Ok(match Case::open(brief, workload, info, trace) {
			Ok(case) => Dossier::Open(Arc::new((case, data))),
			Err(finding) => Dossier::Closed(finding),
		})
	}

	async fn hand_in(&mut self, assignment: &AssignmentView, best: BlockNumber) -> Result<(), NodeError> {
		let Some((verdict, sent)) = self.votes.get_mut(&key(assignment)) else {
			return Ok(());
		};
		if sent.is_some_and(|at| best >= at && best - at < VOTE_EVERY) {
			return Ok(());
		}
		let vote = Vote {
			task: assignment.task,
			attempt: assignment.attempt,
			segment: assignment.segment,
			verdict: *verdict,
		};
		match self.node.submit_vote(&self.account, &vote).await {
			Ok(()) => {
				let first = sent.is_none();
				*sent = Some(best);
				if first {
					self.board.update(|board| board.votes += 1);
				}
				Ok(())
			}
			// The vote came on chain, or the task was decided, in the meantime.
			Err(NodeError::Refused { message, .. }) => {
				tracing::debug!(%message, "a vote is not due any more");
				Ok(())
			}
			Err(error) => Err(error),
		}
	}
}

fn key(assignment: &AssignmentView) -> Key {
	(assignment.task, assignment.attempt, assignment.segment)
}

/// Whether an artifact counts as not to be had: after several attempts that are spread over some time, or that leave just
/// enough time to vote.
fn is_given_up(failures: u32, since_first: Duration, best: BlockNumber, due: BlockNumber) -> bool {
	failures >= FETCHES && (since_first >= FETCH_TIME || best.saturating_add(MARGIN) >= due)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn an_artifact_should_count_as_missing_only_after_several_attempts_over_some_time() {
		let (short, long) = (Duration::from_secs(1), FETCH_TIME);
		assert!(!is_given_up(1, long, 10, 100));
		assert!(!is_given_up(FETCHES - 1, long, 99, 100));
		assert!(!is_given_up(FETCHES, short, 10, 100));
		assert!(is_given_up(FETCHES, long, 10, 100));
		assert!(is_given_up(FETCHES, short, 100 - MARGIN, 100));
		assert!(is_given_up(FETCHES, short, 200, 100));
	}
}
