// SPDX-License-Identifier: Apache-2.0

//! Keeping a mining thread to a share of the time, so that a machine stays usable.

use std::{
	thread,
	time::{Duration, Instant},
};

/// Work between two rests.
const STRETCH: Duration = Duration::from_millis(20);
/// Longest rest, however long the work before it took.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Share of the time in which one thread works.
#[derive(Debug)]
pub struct Duty {
	percent: u8,
	since: Instant,
}

impl Duty {
	/// A thread that works so many percent of the time (from 1 to 100; others count as the nearest of these) from now on.
	pub fn new(percent: u8) -> Self {
		Self {
			percent: percent.clamp(1, 100),
			since: Instant::now(),
		}
	}

	/// Rests if a stretch of work is over. To be called between pieces of work.
	pub fn pause(&mut self) {
		let worked = self.since.elapsed();
		if worked < STRETCH {
			return;
		}
		let rest = self.rest_after(worked);
		if !rest.is_zero() {
			thread::sleep(rest);
		}
		self.since = Instant::now();
	}

	/// Begins a stretch now: time that was spent waiting is not work.
	pub fn begin(&mut self) {
		self.since = Instant::now();
	}

	/// How long to rest after so much work.
	fn rest_after(&self, worked: Duration) -> Duration {
		let idle = u32::from(100u8.saturating_sub(self.percent));
		worked
			.checked_mul(idle)
			.and_then(|time| time.checked_div(u32::from(self.percent)))
			.unwrap_or(LONGEST_REST)
			.min(LONGEST_REST)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn rest_should_leave_the_share_of_time_that_was_asked_for() {
		let rest = |percent, worked| {
			Duty::new(percent)
				.rest_after(Duration::from_millis(worked))
				.as_millis()
		};
		assert_eq!(rest(100, 40), 0);
		assert_eq!(rest(50, 40), 40);
		assert_eq!(rest(10, 40), 360);
		assert_eq!(rest(20, 40), 160);
	}

	#[test]
	fn rest_should_be_bounded_whatever_the_share_and_the_work() {
		for percent in [0, 1, 7, 200] {
			assert!(
				Duty::new(percent).rest_after(Duration::MAX) <= LONGEST_REST,
				"{percent}"
			);
		}
		assert_eq!(Duty::new(1).rest_after(Duration::from_secs(60)), LONGEST_REST);
		assert_eq!(Duty::new(200).rest_after(Duration::from_secs(60)), Duration::ZERO);
	}
}
