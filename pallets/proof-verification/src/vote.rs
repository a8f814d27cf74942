// SPDX-License-Identifier: Apache-2.0

//! Votes: admission and effect.

use crate::{
	types::{Answer, Check, Record, Stage},
	AssignmentsOf, Checks, Config, Error, Event, Pallet, Records,
};
use poaiw_primitives::{
	app::ReporterSignature,
	outbox::{Report, SignedReport},
	task::Vote,
};
use polkadot_sdk::{
	frame_support::{ensure, pallet_prelude::TransactionSource},
	sp_runtime::{transaction_validity::TransactionValidityWithRefund, DispatchError},
};

impl<T: Config> Pallet<T> {
	/// Whether a vote may enter pool and block.
	pub(crate) fn authorize_vote(
		_source: TransactionSource,
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> TransactionValidityWithRefund {
		report.check_age(Self::now())?;
		let (vote, ..) = Self::checked_vote(report).map_err(Self::invalid)?;
		Self::check_signature(report, signature)?;
		Self::valid(
			"PoaiwVote",
			report,
			&(&report.account, vote.task, vote.attempt, vote.segment),
		)
	}

	/// All checks of a vote besides age and signature: the vote, what it is about, and the place of the voter.
	pub(crate) fn checked_vote(report: &SignedReport) -> Result<(&Vote, Record, Check, usize), Error<T>> {
		let Report::Vote(vote) = &report.report else {
			return Err(Error::WrongReport);
		};
		let record = Records::<T>::get(vote.task).ok_or(Error::NothingToVote)?;
		ensure!(record.stage == Stage::Voting, Error::NothingToVote);
		ensure!(record.attestation.attempt == vote.attempt, Error::WrongAttempt);
		let check = Checks::<T>::get(vote.task, vote.segment).ok_or(Error::NotSampled)?;
		let (place, voter) = check
			.voters
			.iter()
			.enumerate()
			.find(|(_, voter)| voter.who == report.account)
			.ok_or(Error::NotAssigned)?;
		match voter.answer {
			Answer::Given(_) => return Err(Error::AlreadyVoted),
			Answer::Silent => return Err(Error::TooLate),
			Answer::Due => {}
		}
		ensure!(
			check.finding.is_none() && Self::now() <= check.due,
			Error::TooLate
		);
		Ok((vote, record, check, place))
	}

	/// Counts a vote; `true` when it ended the verification.
	pub(crate) fn do_vote(report: &SignedReport) -> Result<bool, DispatchError> {
		let (vote, record, mut check, place) = Self::checked_vote(report)?;
		if let Some(voter) = check.voters.get_mut(place) {
			voter.answer = Answer::Given(vote.verdict);
		}
		AssignmentsOf::<T>::remove(&report.account, (vote.task, vote.segment));
		Self::deposit_event(Event::Voted {
			task: vote.task,
			segment: vote.segment,
			verifier: report.account.clone(),
			verdict: vote.verdict,
		});
		Self::advance(vote.task, &record, vote.segment, check, Self::now());
		Ok(!Self::is_voting(vote.task))
	}
}
