// SPDX-License-Identifier: Apache-2.0

//! Rates over the last 10 s, 60 s and 15 min out of a growing counter.

use std::{
	collections::VecDeque,
	time::{Duration, Instant},
};

/// Longest time that is looked back on.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Two samples are at least this far apart, so that their number is bounded.
const APART: Duration = Duration::from_millis(500);

/// Samples of a counter.
#[derive(Debug, Default)]
pub struct Meter {
	samples: VecDeque<(Instant, u64)>,
}

impl Meter {
	/// The counter stands at `total`.
	pub fn sample(&mut self, now: Instant, total: u64) {
		if self
			.samples
			.back()
			.is_some_and(|(at, _)| now.saturating_duration_since(*at) < APART)
		{
			return;
		}
		self.samples.push_back((now, total));
		// One sample older than the longest span stays: the rate is taken from there.
		while self
			.samples
			.get(1)
			.is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LONGEST)
		{
			self.samples.pop_front();
		}
	}

	/// Increase per second over the last `span` (or over all the time there is, if that is shorter).
	pub fn rate(&self, span: Duration) -> f64 {
		let Some((now, total)) = self.samples.back() else {
			return 0.0;
		};
		let inside = |at: &Instant| now.saturating_duration_since(*at) <= span;
		let Some((at, before)) = self.samples.iter().find(|(at, _)| inside(at)) else {
			return 0.0;
		};
		let seconds = now.saturating_duration_since(*at).as_secs_f64();
		if seconds > 0.0 {
			total.saturating_sub(*before) as f64 / seconds
		} else {
			0.0
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_rate_should_be_taken_over_its_span_only() {
		let (mut meter, start) = (Meter::default(), Instant::now());
		assert_eq!(meter.rate(LONGEST), 0.0);
		for second in 0..=100u64 {
			let total = if second <= 90 { 0 } else { (second - 90) * 7 };
			meter.sample(start + Duration::from_secs(second), total);
		}
		assert_eq!(meter.rate(Duration::from_secs(10)), 7.0);
		assert_eq!(meter.rate(Duration::from_secs(100)), 0.7);
		assert_eq!(meter.rate(LONGEST), 0.7);
	}

	#[test]
	fn samples_should_stay_bounded_when_time_goes_on() {
		let (mut meter, start) = (Meter::default(), Instant::now());
		for tenth in 0..50_000u64 {
			meter.sample(start + Duration::from_millis(100 * tenth), tenth);
		}
		assert!(meter.samples.len() <= 1803, "{}", meter.samples.len());
		assert!((meter.rate(LONGEST) - 10.0).abs() < 0.1);
	}
}
