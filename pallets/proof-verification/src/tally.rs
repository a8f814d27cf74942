// SPDX-License-Identifier: Apache-2.0

//! What the votes on one segment mean. Pure functions.

use crate::types::{Finding, Voter};
use poaiw_primitives::task::Verdict;

/// Votes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
	/// In favour.
	pub accepted: u32,
	/// A fault was found.
	pub faulty: u32,
	/// Artifacts could not be had.
	pub unavailable: u32,
	/// Votes that are still due.
	pub due: u32,
}

impl Tally {
	/// Counts.
	pub fn of(voters: &[Voter]) -> Self {
		voters.iter().fold(Self::default(), |mut tally, voter| {
			let place = match voter.answer {
				crate::types::Answer::Due => &mut tally.due,
				crate::types::Answer::Silent => return tally,
				crate::types::Answer::Given(Verdict::Accept) => &mut tally.accepted,
				crate::types::Answer::Given(Verdict::Unavailable) => &mut tally.unavailable,
				crate::types::Answer::Given(_) => &mut tally.faulty,
			};
			*place = place.saturating_add(1);
			tally
		})
	}

	/// All votes that were given.
	pub fn votes(&self) -> u32 {
		self.accepted
			.saturating_add(self.faulty)
			.saturating_add(self.unavailable)
	}

	/// Whether everybody who voted is in favour. Anything else is put before more verifiers, so that no single verifier can
	/// cost a worker its bond, and no single one can have a wrong segment accepted where others contradict.
	pub fn is_unanimous(&self) -> bool {
		self.accepted > 0 && self.accepted == self.votes()
	}

	/// The finding when no more verifiers can be asked:
	/// accepted by more than half of the votes; faulty when faults are more than either other kind; withheld when missing
	/// artifacts outnumber acceptance; everything else, ties included, proves nothing.
	pub fn finding(&self) -> Finding {
		let against = self.faulty.saturating_add(self.unavailable);
		if self.accepted > against {
			Finding::Accepted
		} else if self.faulty > self.accepted && self.faulty > self.unavailable {
			Finding::Faulty
		} else if self.unavailable > self.accepted {
			Finding::Withheld
		} else {
			Finding::Inconclusive
		}
	}
}

/// Whether a vote agrees with a finding.
pub fn agrees(finding: Finding, verdict: Verdict) -> bool {
	match finding {
		Finding::Accepted => verdict.accepts(),
		Finding::Faulty => !verdict.accepts() && verdict != Verdict::Unavailable,
		Finding::Withheld | Finding::Inconclusive => false,
	}
}

/// Whether a vote contradicts a finding so that it costs a part of the bond. Not having had the artifacts never does.
pub fn contradicts(finding: Finding, verdict: Verdict) -> bool {
	let clear = matches!(finding, Finding::Accepted | Finding::Faulty);
	clear && verdict != Verdict::Unavailable && !agrees(finding, verdict)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn tally(accepted: u32, faulty: u32, unavailable: u32) -> Tally {
		Tally {
			accepted,
			faulty,
			unavailable,
			due: 0,
		}
	}

	#[test]
	fn finding_should_follow_the_votes() {
		let cases = [
			((1, 0, 0), Finding::Accepted),
			((2, 1, 0), Finding::Accepted),
			((0, 1, 0), Finding::Faulty),
			((1, 2, 0), Finding::Faulty),
			((1, 2, 1), Finding::Faulty),
			((0, 0, 1), Finding::Withheld),
			((0, 1, 1), Finding::Withheld),
			((1, 1, 2), Finding::Withheld),
			((1, 1, 0), Finding::Inconclusive),
			((1, 0, 1), Finding::Inconclusive),
			((1, 1, 1), Finding::Inconclusive),
			((0, 0, 0), Finding::Inconclusive),
		];
		for ((a, f, u), finding) in cases {
			assert_eq!(tally(a, f, u).finding(), finding, "{a} {f} {u}");
		}
	}

	#[test]
	fn unavailable_should_never_cost() {
		for finding in [
			Finding::Accepted,
			Finding::Faulty,
			Finding::Withheld,
			Finding::Inconclusive,
		] {
			assert!(!contradicts(finding, Verdict::Unavailable));
		}
		assert!(contradicts(Finding::Accepted, Verdict::WrongResult));
		assert!(contradicts(Finding::Faulty, Verdict::Accept));
		assert!(!contradicts(Finding::Inconclusive, Verdict::Accept));
	}

	proptest! {
		#[test]
		fn nothing_should_be_accepted_without_more_than_half(a in 0u32..20, f in 0u32..20, u in 0u32..20) {
			let found = tally(a, f, u).finding();
			prop_assert_eq!(found == Finding::Accepted, a > f + u);
			prop_assert!(found != Finding::Faulty || f > a);
		}
	}
}
