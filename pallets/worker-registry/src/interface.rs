// SPDX-License-Identifier: Apache-2.0

//! What other pallets ask and tell the registry: [`Registry`] and [`Slash`].

use crate::*;
use alloc::vec::Vec;
use frame_support::{
	pallet_prelude::*,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
	},
};
use poaiw_primitives::{
	app::ReporterId,
	economics::BurnCause,
	traits::{BurnLedger, Registry, Slash},
	worker::Reputation,
	AccountId, Balance,
};

impl<T: Config> Pallet<T> {
	/// Change the record of results of a registered account, decay applied.
	fn change_reputation(account: &AccountId, change: impl FnOnce(&mut Reputation)) -> Option<Reputation> {
		Records::<T>::mutate_extant(account, |record| {
			let (mut reputation, decayed_at) = Self::decayed(record);
			change(&mut reputation);
			record.reputation = reputation;
			record.decayed_at = decayed_at;
			Some(reputation)
		})
	}

	/// Pay half of a slash to the winner. Whatever can't be paid (the account would stay below the existential deposit)
	/// is burned with the rest.
	fn pay_winner(offender: &AccountId, winner: &AccountId, amount: Balance) -> Balance {
		T::Currency::transfer_on_hold(
			&HoldReason::Bond.into(),
			offender,
			winner,
			amount,
			Precision::BestEffort,
			Restriction::Free,
			Fortitude::Force,
		)
		.unwrap_or(0)
	}
}

impl<T: Config> Registry for Pallet<T> {
	fn reporter(account: &AccountId) -> Option<ReporterId> {
		Records::<T>::get(account).map(|record| record.reporter)
	}

	fn account_of(reporter: &ReporterId) -> Option<AccountId> {
		Reporters::<T>::get(reporter)
	}

	fn is_worker(account: &AccountId) -> bool {
		Records::<T>::get(account).is_some_and(|r| r.roles.worker && Self::is_covered(account, &r))
	}

	fn is_verifier(account: &AccountId) -> bool {
		Records::<T>::get(account).is_some_and(|r| r.roles.verifier && Self::is_covered(account, &r))
	}

	fn verifiers() -> Vec<(AccountId, Balance)> {
		let bonded = |account: AccountId| {
			let record = Records::<T>::get(&account)?;
			let bond = Self::active_bond(&account, &record);
			Self::is_covered(&account, &record).then_some((account, bond))
		};
		Verifiers::<T>::get().into_iter().filter_map(bonded).collect()
	}

	fn workers() -> u32 {
		Workers::<T>::get()
	}

	fn bond(account: &AccountId) -> Balance {
		Records::<T>::get(account).map_or(0, |record| Self::active_bond(account, &record))
	}

	fn reputation(account: &AccountId) -> Reputation {
		Records::<T>::get(account).map_or(Reputation::default(), |record| Self::decayed(&record).0)
	}

	fn memory_mib(account: &AccountId) -> u32 {
		Records::<T>::get(account).map_or(0, |record| record.memory_mib)
	}

	fn begin_obligation(account: &AccountId) -> DispatchResult {
		Records::<T>::try_mutate(account, |record| {
			let record = record.as_mut().ok_or(Error::<T>::NotRegistered)?;
			ensure!(!record.leaving, Error::<T>::Leaving);
			record.obligations = record
				.obligations
				.checked_add(1)
				.ok_or(Error::<T>::TooManyObligations)?;
			Ok(())
		})
	}

	fn end_obligation(account: &AccountId) {
		let disputed_until = Self::now().saturating_add(T::DisputeWindow::get());
		Records::<T>::mutate_extant(account, |record| {
			record.obligations = record.obligations.saturating_sub(1);
			// What was unbonded before the work was done must still answer for it.
			if let Some(unbonding) = record.unbonding.as_mut() {
				unbonding.free_at = unbonding.free_at.max(disputed_until);
			}
		});
	}

	fn note_valid(account: &AccountId) {
		Self::change_reputation(account, |r| {
			r.valid = r.valid.saturating_add(1);
			r.consecutive = r.consecutive.saturating_add(1);
		});
	}

	fn note_lost_lease(account: &AccountId) {
		Self::change_reputation(account, |r| r.invalid = r.invalid.saturating_add(1));
	}

	fn note_fault(account: &AccountId) {
		let reset = |r: &mut Reputation| {
			*r = Reputation {
				valid: 0,
				invalid: r.invalid.saturating_add(1),
				consecutive: 0,
			}
		};
		if let Some(reputation) = Self::change_reputation(account, reset) {
			Self::deposit_event(Event::TrustLost {
				account: account.clone(),
				reputation,
			});
		}
	}
}

impl<T: Config> Slash for Pallet<T> {
	fn slash(offender: &AccountId, amount: Balance, winner: Option<&AccountId>) -> Balance {
		if !Records::<T>::contains_key(offender) {
			return 0;
		}
		let amount = amount.min(Self::held(offender));
		if amount == 0 {
			return 0;
		}
		let (taken, paid) = Self::counting_workers(offender, || {
			// A cheater who reports itself must not get half of its bond back.
			let winner = winner.filter(|w| *w != offender);
			let paid = winner.map_or(0, |w| Self::pay_winner(offender, w, amount / 2));
			let burned = T::Currency::burn_held(
				&HoldReason::Bond.into(),
				offender,
				amount.saturating_sub(paid),
				Precision::BestEffort,
				Fortitude::Force,
			)
			.unwrap_or(0);
			T::BurnLedger::note_burned(BurnCause::Slash, burned);
			let held = Self::held(offender);
			Records::<T>::mutate_extant(offender, |record| {
				if let Some(unbonding) = record.unbonding.as_mut() {
					unbonding.amount = unbonding.amount.min(held);
				}
			});
			(paid.saturating_add(burned), paid)
		});
		if taken > 0 {
			Self::deposit_event(Event::Slashed {
				account: offender.clone(),
				amount: taken,
				winner: winner.filter(|_| paid > 0).cloned(),
				paid,
			});
		}
		taken
	}
}
