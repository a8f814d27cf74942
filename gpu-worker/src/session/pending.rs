// SPDX-License-Identifier: Apache-2.0

//! Attested results that wait for their verdict.

use crate::{
	node::{NodeClient, NodeError, TaskView},
	ui::Board,
};
use poaiw_primitives::{AccountId, TaskId};

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
	Waiting,
	Settled,
	NotAccepted,
}

/// Fate of the result of `account` for lease number `attempt`.
fn fate(view: &TaskView, attempt: u32, account: &AccountId) -> Fate {
	let of_lease = view.lease.as_ref().is_some_and(|lease| lease.attempt == attempt);
	match view.state.as_str() {
		"attested" | "leased" if of_lease => Fate::Waiting,
		"settled" if view.settled_to.as_ref() == Some(account) && view.attempts == attempt => Fate::Settled,
		_ => Fate::NotAccepted,
	}
}

/// Results by task and attempt.
#[derive(Debug, Default)]
pub struct Pending {
	results: Vec<(TaskId, u32)>,
}

impl Pending {
	/// A result was attested.
	pub fn push(&mut self, task: TaskId, attempt: u32) {
		self.results.push((task, attempt));
	}

	/// Looks what became of each result, and says so.
	///
	/// # Errors
	/// If the node does not answer; what was not looked at stays.
	pub async fn look(
		&mut self,
		node: &NodeClient,
		account: &AccountId,
		board: &Board,
	) -> Result<(), NodeError> {
		let mut at = 0;
		while let Some((task, attempt)) = self.results.get(at).copied() {
			let fate = node
				.task(task)
				.await?
				.map(|view| (fate(&view, attempt, account), view.state));
			match fate {
				Some((Fate::Waiting, _)) => {
					at += 1;
					continue;
				}
				Some((Fate::Settled, _)) => {
					tracing::info!(task, "settled: the result was accepted and paid");
					board.update(|board| board.tasks_settled += 1);
				}
				Some((Fate::NotAccepted, state)) => {
					tracing::error!(task, attempt, %state, "the result was not accepted");
					board.update(|board| board.tasks_rejected += 1);
					board.problem(format!(
						"task {task}: the result of attempt {attempt} was not accepted (the task is {state})"
					));
				}
				None => tracing::warn!(task, "the node does not know the task any more"),
			}
			self.results.remove(at);
		}
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::node::LeaseView;

	#[test]
	fn the_fate_of_a_result_should_follow_from_its_own_lease_only() {
		let (own, other) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
		let view = |state: &str, attempt: Option<u32>, paid: Option<&AccountId>| TaskView {
			id: 1,
			state: state.into(),
			lease: attempt.map(|attempt| LeaseView {
				task: 1,
				worker: own.clone(),
				attempt,
				seed: None,
				attested: true,
			}),
			settled_to: paid.cloned(),
			attempts: attempt.unwrap_or(2),
			scale: String::new(),
		};
		assert_eq!(fate(&view("attested", Some(2), None), 2, &own), Fate::Waiting);
		assert_eq!(fate(&view("leased", Some(2), None), 2, &own), Fate::Waiting);
		assert_eq!(fate(&view("settled", None, Some(&own)), 2, &own), Fate::Settled);
		// The same worker was paid, but for a later attempt.
		assert_eq!(
			fate(&view("settled", None, Some(&own)), 1, &own),
			Fate::NotAccepted
		);
		for view in [
			view("settled", None, Some(&other)),
			view("open", None, None),
			view("leased", Some(3), None),
			view("expired", None, None),
		] {
			assert_eq!(fate(&view, 2, &own), Fate::NotAccepted, "{}", view.state);
		}
	}
}
