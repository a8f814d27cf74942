// SPDX-License-Identifier: Apache-2.0

//! Tasks that a worker does not want (again).

use poaiw_primitives::TaskId;

/// Attempts to fetch what a task needs before it is refused.
const FETCHES: u32 = 5;
/// Failed runs of a task in a row after which it is refused.
const FAILURES: u32 = 3;
/// Most tasks that a wish may refuse; the oldest are forgotten.
const MOST: usize = 32;

/// Refused tasks, and the failures that lead there.
#[derive(Debug, Default)]
pub struct Refusals {
	tasks: Vec<TaskId>,
	fetches: Option<(TaskId, u32)>,
	failures: Option<(TaskId, u32)>,
}

fn count(counter: &mut Option<(TaskId, u32)>, task: TaskId) -> u32 {
	let before = counter
		.filter(|(known, _)| *known == task)
		.map_or(0, |(_, count)| count);
	*counter = Some((task, before + 1));
	before + 1
}

impl Refusals {
	/// What a wish names as refused.
	pub fn tasks(&self) -> &[TaskId] {
		&self.tasks
	}

	/// What a task needs is there.
	pub fn fetched(&mut self, task: TaskId) {
		self.fetches = self.fetches.filter(|(known, _)| *known != task);
	}

	/// What a task needs could not be had; `passing`: another try may help. Gives whether it is refused now.
	pub fn not_fetched(&mut self, task: TaskId, passing: bool) -> bool {
		let refused = count(&mut self.fetches, task) >= FETCHES || !passing;
		if refused {
			self.refuse(task);
		}
		refused
	}

	/// A run failed. Gives whether the task is refused now.
	pub fn failed(&mut self, task: TaskId) -> bool {
		let refused = count(&mut self.failures, task) >= FAILURES;
		if refused {
			self.refuse(task);
		}
		refused
	}

	fn refuse(&mut self, task: TaskId) {
		self.tasks.retain(|known| *known != task);
		if self.tasks.len() >= MOST {
			self.tasks.remove(0);
		}
		self.tasks.push(task);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_task_should_be_refused_at_once_only_if_waiting_does_not_help() {
		let mut refusals = Refusals::default();
		for _ in 1..FETCHES {
			assert!(!refusals.not_fetched(1, true));
		}
		assert!(refusals.tasks().is_empty());
		assert!(refusals.not_fetched(1, true));
		assert!(refusals.not_fetched(2, false));
		assert_eq!(refusals.tasks(), [1, 2]);
	}

	#[test]
	fn failures_should_count_only_for_one_task_in_a_row() {
		let mut refusals = Refusals::default();
		assert!(!refusals.failed(1) && !refusals.failed(1) && !refusals.failed(2) && !refusals.failed(1));
		assert!(!refusals.failed(1));
		assert!(refusals.failed(1));
		for _ in 1..FETCHES {
			assert!(!refusals.not_fetched(3, true));
		}
		refusals.fetched(3);
		assert!(!refusals.not_fetched(3, true));
	}

	#[test]
	fn the_list_should_stay_as_short_as_the_node_takes_it() {
		let mut refusals = Refusals::default();
		for task in 0..100 {
			refusals.not_fetched(task, false);
			refusals.not_fetched(task, false);
		}
		assert_eq!(refusals.tasks().len(), MOST);
		assert_eq!(refusals.tasks().last(), Some(&99));
	}
}
