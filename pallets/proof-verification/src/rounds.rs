// SPDX-License-Identifier: Apache-2.0

//! From the draw to a finding on each segment: who is asked, who stayed silent, who is asked next.

use crate::{
	sampling::{draw_segments, pick_verifier, Draw},
	tally::{agrees, contradicts, Tally},
	types::{Answer, Check, Due, Finding, Record, Seed, Stage, Voter},
	AssignmentsOf, Checks, Config, Event, Mix, Pallet, Pending, Records, SealClaims, LOG,
};
use alloc::vec::Vec;
use poaiw_commitment::hash;
use poaiw_primitives::{
	traits::{Registry, Slash, UsefulWork},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::traits::Get,
	sp_runtime::{BoundedVec, Permill},
};

/// Verifiers that are asked in addition when the votes on a segment are not all in favour.
pub(crate) const ESCALATION: u32 = 2;

impl<T: Config> Pallet<T> {
	/// Looks at the attestations that are due, the longest overdue first, at most `budget` of them.
	pub(crate) fn process_due(now: BlockNumber, budget: u32) -> u32 {
		let mut due: Vec<Due> = Pending::<T>::get()
			.into_iter()
			.filter(|due| due.at <= now)
			.collect();
		due.sort_by_key(|due| due.at);
		due.truncate(usize::try_from(budget).unwrap_or(usize::MAX));
		let count = u32::try_from(due.len()).unwrap_or(u32::MAX);
		due.into_iter().for_each(|due| Self::look(due.task, now));
		count
	}

	fn look(id: TaskId, now: BlockNumber) {
		let Some(record) = Records::<T>::get(id) else {
			log::error!(target: LOG, "task {id} is pending without a record; it is forgotten, please report this");
			return Pending::<T>::mutate(|pending| pending.retain(|due| due.task != id));
		};
		match record.stage {
			Stage::Beacon { from } => match Self::beacon(&record, from) {
				Some(seed) => Self::draw(id, record, seed, now),
				None => Self::restart_beacon(id, record, now),
			},
			Stage::Voting => Self::note_silence(id, record, now),
			Stage::Decided { .. } => Pending::<T>::mutate(|pending| pending.retain(|due| due.task != id)),
		}
	}

	/// Waits for later seals, since some that were waited for are not known.
	fn restart_beacon(id: TaskId, mut record: Record, now: BlockNumber) {
		let from = now.saturating_add(T::BeaconDelay::get()).saturating_add(1);
		log::warn!(target: LOG, "the seals for task {id} are not all known; those from block {from} are taken");
		record.stage = Stage::Beacon { from };
		Records::<T>::insert(id, record);
		Self::look_again(id, Self::beacon_known_at(from));
	}

	/// Sets the height of the next look.
	pub(crate) fn look_again(id: TaskId, at: BlockNumber) {
		Pending::<T>::mutate(|pending| {
			pending
				.iter_mut()
				.filter(|due| due.task == id)
				.for_each(|due| due.at = at);
		});
	}

	fn draw(id: TaskId, mut record: Record, seed: Seed, now: BlockNumber) {
		let claimed: Vec<u32> = SealClaims::<T>::get(id)
			.filter(|claims| claims.attempt == record.attestation.attempt)
			.map(|claims| claims.kept.iter().map(|claim| claim.segment).collect())
			.unwrap_or_default();
		let segments = draw_segments(
			seed,
			record.attestation.segments,
			record.sample,
			T::MaxSampled::get(),
			&claimed,
		);
		let attempt = record.attestation.attempt;
		Self::deposit_event(Event::Sampled {
			task: id,
			attempt,
			segments: segments.clone(),
		});
		record.stage = Stage::Voting;
		record.segments = BoundedVec::truncate_from(segments);
		Records::<T>::insert(id, &record);
		let pool = T::Registry::verifiers();
		for segment in &record.segments {
			let mut check = Check::default();
			Self::ask(
				id,
				&record,
				*segment,
				&mut check,
				record.verifiers,
				&seed,
				&pool,
				now,
			);
			Checks::<T>::insert(id, segment, check);
		}
		Self::look_again(id, now.saturating_add(T::VoteWindow::get()).saturating_add(1));
	}

	/// Asks up to `count` more verifiers about a segment, until `VoteWindow` blocks from now. Returns how many there were.
	#[allow(clippy::too_many_arguments)]
	fn ask(
		id: TaskId,
		record: &Record,
		segment: u32,
		check: &mut Check,
		count: u32,
		seed: &Seed,
		pool: &[(AccountId, Balance)],
		now: BlockNumber,
	) -> u32 {
		check.due = now.saturating_add(T::VoteWindow::get());
		let mut candidates = Self::candidates(record, check, pool);
		let mut draw = Draw::new(hash(&[
			b"PoAIW/verifiers/1",
			seed,
			&segment.to_le_bytes(),
			&check.round.to_le_bytes(),
			&check.redraws.to_le_bytes(),
		]));
		let mut verifiers = Vec::new();
		while u32::try_from(verifiers.len()).is_ok_and(|named| named < count) && !check.voters.is_full() {
			let Some(who) = pick_verifier(&mut draw, &mut candidates) else {
				break;
			};
			// One that can't be bound to its duty is passed over.
			if T::Registry::begin_obligation(&who).is_err() {
				continue;
			}
			if check
				.voters
				.try_push(Voter {
					who: who.clone(),
					answer: Answer::Due,
				})
				.is_err()
			{
				T::Registry::end_obligation(&who);
				break;
			}
			AssignmentsOf::<T>::insert(&who, (id, segment), ());
			verifiers.push(who);
		}
		let named = u32::try_from(verifiers.len()).unwrap_or(u32::MAX);
		Self::deposit_event(Event::VerifiersNamed {
			task: id,
			segment,
			verifiers,
			due: check.due,
		});
		named
	}

	/// Who may be asked: anybody in the set who was not, but neither the worker nor the requester, who both gain by a
	/// verdict. (Where [`Config::AllowSelfVerification`] is on, the worker may be, if the set has nobody else.)
	fn candidates(
		record: &Record,
		check: &Check,
		pool: &[(AccountId, Balance)],
	) -> Vec<(AccountId, Balance)> {
		let alone = T::AllowSelfVerification::get() && pool.iter().all(|(who, _)| *who == record.worker);
		pool.iter()
			.filter(|(who, _)| alone || (*who != record.worker && *who != record.requester))
			.filter(|(who, _)| !check.voters.iter().any(|voter| voter.who == *who))
			.cloned()
			.collect()
	}

	/// Takes note of votes that did not come in time, and goes on without them.
	fn note_silence(id: TaskId, record: Record, now: BlockNumber) {
		for segment in &record.segments {
			// A verdict in the course of this loop ends it.
			if !Self::is_voting(id) {
				return;
			}
			let Some(mut check) = Checks::<T>::get(id, segment) else {
				continue;
			};
			if check.finding.is_some() || check.due >= now {
				continue;
			}
			for voter in check
				.voters
				.iter_mut()
				.filter(|voter| voter.answer == Answer::Due)
			{
				voter.answer = Answer::Silent;
				AssignmentsOf::<T>::remove(&voter.who, (id, *segment));
				let slashed = Self::slash_part(&voter.who, T::SilenceSlash::get());
				T::Registry::end_obligation(&voter.who);
				let verifier = voter.who.clone();
				Self::deposit_event(Event::Silent {
					task: id,
					segment: *segment,
					verifier,
					slashed,
				});
			}
			Self::advance(id, &record, *segment, check, now);
		}
		if !Self::is_voting(id) {
			return;
		}
		let due = record
			.segments
			.iter()
			.filter_map(|segment| Checks::<T>::get(id, segment))
			.filter(|check| check.finding.is_none())
			.map(|check| check.due)
			.min();
		match due {
			Some(due) => Self::look_again(id, due.max(now).saturating_add(1)),
			// All found, but not carried out yet.
			None => Self::decide_if_clear(id, now),
		}
	}

	pub(crate) fn is_voting(id: TaskId) -> bool {
		Records::<T>::get(id).is_some_and(|record| record.stage == Stage::Voting)
	}

	pub(crate) fn slash_part(who: &AccountId, part: Permill) -> Balance {
		T::Slash::slash(who, part.mul_floor(T::Registry::bond(who)), None)
	}

	/// Moves a segment on after a vote or a silence, and stores it.
	pub(crate) fn advance(id: TaskId, record: &Record, segment: u32, mut check: Check, now: BlockNumber) {
		let tally = Tally::of(&check.voters);
		if tally.due > 0 || Self::ask_more(id, record, segment, &mut check, tally, now) {
			return Checks::<T>::insert(id, segment, check);
		}
		let finding = tally.finding();
		Self::conclude(id, segment, &mut check, finding);
		Checks::<T>::insert(id, segment, check);
		Self::decide_if_clear(id, now);
	}

	/// Asks further verifiers where the votes so far do not settle the segment; `false` when there is nothing left to ask.
	fn ask_more(
		id: TaskId,
		record: &Record,
		segment: u32,
		check: &mut Check,
		tally: Tally,
		now: BlockNumber,
	) -> bool {
		let votes = tally.votes();
		let wanted = match votes {
			0 => record.verifiers,
			_ if tally.is_unanimous() => record.verifiers.saturating_sub(votes),
			_ => ESCALATION,
		};
		if wanted == 0 {
			return false;
		}
		let attempt = record.attestation.attempt;
		let seed = hash(&[
			b"PoAIW/round/1",
			&Mix::<T>::get(),
			&id.to_le_bytes(),
			&attempt.to_le_bytes(),
		]);
		let pool = T::Registry::verifiers();
		if check.round < T::MaxRounds::get() {
			check.round = check.round.saturating_add(1);
			let named = Self::ask(id, record, segment, check, wanted, &seed, &pool, now);
			// Without any vote there is nothing to decide by: wait, even if there is nobody to wait for yet.
			return named > 0 || votes == 0;
		}
		if votes == 0 && check.redraws < T::MaxRedraws::get() {
			check.redraws = check.redraws.saturating_add(1);
			check.round = 0;
			check.voters = Default::default();
			Self::ask(id, record, segment, check, record.verifiers, &seed, &pool, now);
			return true;
		}
		false
	}

	/// Writes a finding down: rewards votes that agree with it, takes a part of the bonds of those that contradict it.
	fn conclude(id: TaskId, segment: u32, check: &mut Check, finding: Finding) {
		check.finding = Some(finding);
		for voter in &check.voters {
			let Some(verdict) = voter.verdict() else { continue };
			if agrees(finding, verdict) {
				T::UsefulWork::on_vote_rewarded(&voter.who);
			} else if contradicts(finding, verdict) {
				let slashed = Self::slash_part(&voter.who, T::MinoritySlash::get());
				let verifier = voter.who.clone();
				Self::deposit_event(Event::Contradicted {
					task: id,
					segment,
					verifier,
					slashed,
				});
			}
			T::Registry::end_obligation(&voter.who);
		}
		Self::deposit_event(Event::SegmentDecided {
			task: id,
			segment,
			finding,
		});
	}
}
