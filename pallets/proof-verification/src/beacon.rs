// SPDX-License-Identifier: Apache-2.0

//! Seals as they come in: randomness, and claims on tasks.

use crate::{
	types::{Claims, Record, Seed},
	Config, Mix, Pallet, SealClaims, Tickets,
};
use poaiw_commitment::hash;
use poaiw_primitives::{
	inherent::SealSummary,
	traits::{Beacon, Market, OnParentSeal},
	worker::SealClaim,
	AccountId, BlockNumber, Hash32, TaskId,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::frame_support::traits::Get;

/// Seals whose tickets make the beacon of an attestation: withholding one block turns none of it to one's favour for sure.
pub const BEACON_SEALS: u32 = 8;
/// Blocks for which tickets are kept.
pub(crate) const TICKET_HISTORY: BlockNumber = 1_024;

impl<T: Config> Pallet<T> {
	/// Height at which all tickets of a beacon that begins with block `from` are known at the start of the block: the seal
	/// of a block becomes known in the course of the next one.
	pub(crate) fn beacon_known_at(from: BlockNumber) -> BlockNumber {
		from.saturating_add(BEACON_SEALS).saturating_add(1)
	}

	/// `H("PoAIW/beacon/1" ‖ tickets ‖ le64(task) ‖ le32(attempt))`; `None` when a ticket is not known.
	pub(crate) fn beacon(record: &Record, from: BlockNumber) -> Option<Seed> {
		let tickets = (from..from.saturating_add(BEACON_SEALS))
			.map(Tickets::<T>::get)
			.collect::<Option<alloc::vec::Vec<Hash32>>>()?
			.concat();
		let (task, attempt) = (record.attestation.task, record.attestation.attempt);
		Some(hash(&[
			b"PoAIW/beacon/1",
			&tickets,
			&task.to_le_bytes(),
			&attempt.to_le_bytes(),
		]))
	}

	/// Keeps a claim. When a task has more than fit, each of them is kept with the same chance, so a worker can't push a
	/// false claim out of sight by making others.
	fn keep_claim(task: TaskId, attempt: u32, claim: SealClaim, ticket: &Hash32) {
		SealClaims::<T>::mutate(task, |slot| {
			let claims = match slot {
				Some(claims) if claims.attempt == attempt => claims,
				_ => slot.insert(Claims {
					attempt,
					seen: 0,
					kept: Default::default(),
				}),
			};
			claims.seen = claims.seen.saturating_add(1);
			if claims.kept.len() < usize::try_from(T::MaxClaims::get()).unwrap_or(usize::MAX) {
				// Can't fail: the length is below the bound that `integrity_test` checks.
				let _ = claims.kept.try_push(claim);
				return;
			}
			let place = crate::sampling::Draw::new(*ticket).below(claims.seen.into());
			if let Some(old) = usize::try_from(place)
				.ok()
				.and_then(|place| claims.kept.get_mut(place))
			{
				*old = claim;
			}
		});
	}
}

impl<T: Config> OnParentSeal for Pallet<T> {
	fn on_parent_seal(parent: BlockNumber, author: &AccountId, summary: &SealSummary) {
		Tickets::<T>::insert(parent, summary.ticket);
		if let Some(old) = parent.checked_sub(TICKET_HISTORY) {
			Tickets::<T>::remove(old);
		}
		Mix::<T>::mutate(|mix| *mix = hash(&[b"PoAIW/beacon-mix/1", mix.as_slice(), &summary.ticket]));

		let WorkSource::Task {
			id,
			segment,
			step,
			instruction,
		} = summary.source
		else {
			return;
		};
		let Some(task) = T::Market::leased(id).filter(|task| task.takes_claim(parent, author, segment))
		else {
			return;
		};
		let claim = SealClaim {
			block: parent,
			segment,
			step,
			instruction,
			root_a: summary.root_a,
			root_b: summary.root_b,
		};
		Self::keep_claim(id, task.lease.attempt, claim, &summary.ticket);
	}
}

impl<T: Config> Beacon for Pallet<T> {
	fn current() -> Hash32 {
		Mix::<T>::get()
	}
}
