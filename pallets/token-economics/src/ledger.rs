// SPDX-License-Identifier: Apache-2.0

//! The ledger of the supply: what was burned and why, and the invariants.

use crate::*;
use core::marker::PhantomData;
use frame_support::traits::{
	fungible::{Credit, Inspect},
	Imbalance, OnUnbalanced,
};
use poaiw_primitives::{
	economics::{BurnCause, Supply},
	traits::BurnLedger,
	AccountId, Balance,
};

impl<T: Config> Pallet<T> {
	/// Where the supply comes from and went.
	pub fn supply() -> Supply {
		let totals = CurrentTotals::<T>::get();
		let issuance = T::Currency::total_issuance();
		Supply {
			genesis: GenesisIssuance::<T>::get().unwrap_or(issuance),
			minted: totals.minted,
			burned_base_fees: totals.burned_base_fees,
			burned_useful: totals.burned_useful,
			burned_slashes: totals.burned_slashes,
			burned_fees: totals.burned_fees,
			issuance,
			useful_held: totals.useful_held,
			useful_released: totals.useful_released,
			task_sealed_blocks: totals.task_sealed_blocks,
			synthetic_sealed_blocks: totals.synthetic_sealed_blocks,
		}
	}

	/// The first block records the issuance of genesis, whatever the order in which pallets built theirs.
	pub(crate) fn record_genesis() {
		if !GenesisIssuance::<T>::exists() {
			GenesisIssuance::<T>::put(T::Currency::total_issuance());
		}
	}

	/// Check the invariants of the state.
	#[cfg(any(feature = "try-runtime", test))]
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		Self::try_state_supply()?;
		Self::try_state_shares()?;
		Self::try_state_credits()
	}

	/// `genesis + minted − burned = issuance`, and pool and issuance stay under the cap if genesis does.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_supply() -> Result<(), sp_runtime::TryRuntimeError> {
		use frame_support::ensure;
		let supply = Self::supply();
		ensure!(
			supply.is_balanced(),
			"genesis + minted - burned differs from the issuance"
		);
		let cap = CurrentParameters::<T>::get().cap;
		let promised = supply.issuance.saturating_add(VerifierPool::<T>::get());
		ensure!(
			supply.genesis > cap || promised <= cap,
			"more tokens than the cap"
		);
		ensure!(
			Self::validate(&CurrentParameters::<T>::get()).is_ok(),
			"parameters are not valid"
		);
		Ok(())
	}

	/// Each share is held on its account and stands in exactly one list; the sum is right.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_shares() -> Result<(), sp_runtime::TryRuntimeError> {
		use alloc::{collections::BTreeMap, vec::Vec};
		use frame_support::{ensure, traits::fungible::InspectHold};
		let mut by_account = BTreeMap::<AccountId, Balance>::new();
		let mut shares = Vec::new();
		for (block, share) in Shares::<T>::iter() {
			let sum = by_account.entry(share.account.clone()).or_default();
			*sum = sum.saturating_add(share.amount);
			shares.push(block);
		}
		let sum = by_account
			.values()
			.fold(0, |sum: Balance, amount| sum.saturating_add(*amount));
		ensure!(
			sum == CurrentTotals::<T>::get().useful_held,
			"sum of held shares is wrong"
		);
		for (account, amount) in by_account {
			let held = T::Currency::balance_on_hold(&HoldReason::UsefulShare.into(), &account);
			ensure!(held == amount, "hold of an account differs from its shares");
		}
		let mut listed: Vec<_> = TaskShares::<T>::iter_values()
			.flat_map(|list| list.blocks)
			.chain(ProvenShares::<T>::iter_values().flatten())
			.collect();
		listed.sort_unstable();
		shares.sort_unstable();
		ensure!(listed == shares, "shares and the lists of shares differ");
		Ok(())
	}

	/// Lots of credit expire in their order.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_credits() -> Result<(), sp_runtime::TryRuntimeError> {
		for lots in Credits::<T>::iter_values() {
			let sorted = lots.iter().map(|lot| lot.expires_at).is_sorted_by(|a, b| a < b);
			frame_support::ensure!(sorted, "lots of credit are not in order");
		}
		Ok(())
	}
}

impl<T: Config> BurnLedger for Pallet<T> {
	fn note_burned(cause: BurnCause, amount: Balance) {
		CurrentTotals::<T>::mutate(|totals| {
			let sum = match cause {
				BurnCause::BaseFee => &mut totals.burned_base_fees,
				BurnCause::UsefulShare => &mut totals.burned_useful,
				BurnCause::Slash => &mut totals.burned_slashes,
				BurnCause::TransactionFee => &mut totals.burned_fees,
			};
			*sum = sum.saturating_add(amount);
		});
	}
}

/// Burns fees and dust, and counts them: `pallet_balances::Config::DustRemoval`, and the handler of fees.
pub struct BurnFees<T>(PhantomData<T>);

impl<T: Config> OnUnbalanced<Credit<AccountId, T::Currency>> for BurnFees<T> {
	fn on_nonzero_unbalanced(credit: Credit<AccountId, T::Currency>) {
		Pallet::<T>::note_burned(BurnCause::TransactionFee, credit.peek());
		// Dropping a credit takes it out of the issuance.
		drop(credit);
	}
}
