// SPDX-License-Identifier: Apache-2.0

//! Useful credit, and what becomes of held shares.

use crate::*;
use alloc::vec::Vec;
use frame_support::{
	pallet_prelude::*,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision},
	},
};
use poaiw_primitives::{
	traits::{UsefulWork, WorkTarget},
	AccountId, Balance, BlockNumber, TaskId, U256,
};
use sp_runtime::{
	traits::{SaturatedConversion, Zero},
	FixedPointNumber,
};

impl<T: Config> Pallet<T> {
	fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	/// Credit that settled work earns: its part of the expected work of a block, times the useful share of a block;
	/// bounded by what it burned.
	pub(crate) fn credit_for(macs: u64, burned_base_fee: Balance) -> Balance {
		let share = Self::split_reward(Self::block_reward()).useful;
		let expected = U256::from(T::WorkTarget::expected_macs().max(1));
		let earned = U256::from(macs)
			.saturating_mul(share.into())
			.checked_div(expected)
			.and_then(|earned| u128::try_from(earned).ok())
			.unwrap_or(u128::MAX);
		earned.min(
			CurrentParameters::<T>::get()
				.useful_cap
				.saturating_mul_int(burned_base_fee),
		)
	}

	/// Credit that has not expired.
	fn live_credit(worker: &AccountId) -> BoundedVec<CreditLot, types::MaxCreditLots> {
		let now = Self::now();
		let mut lots = Credits::<T>::get(worker);
		lots.retain(|lot| lot.expires_at > now && !lot.amount.is_zero());
		lots
	}

	fn put_credit(worker: &AccountId, lots: BoundedVec<CreditLot, types::MaxCreditLots>) {
		if lots.is_empty() {
			Credits::<T>::remove(worker);
		} else {
			Credits::<T>::insert(worker, lots);
		}
	}

	/// Add credit. It expires within one release window, at a multiple of a sixteenth of it, which bounds the lots.
	fn grant_credit(lots: &mut BoundedVec<CreditLot, types::MaxCreditLots>, amount: Balance) {
		let window = T::ReleaseWindow::get();
		let step = (window / 16).max(1);
		let end = Self::now().saturating_add(window);
		let expires_at = end.saturating_sub(end.checked_rem(step).unwrap_or(0));
		match lots.last_mut().filter(|lot| lot.expires_at >= expires_at) {
			Some(lot) => lot.amount = lot.amount.saturating_add(amount),
			None if amount.is_zero() => (),
			None => {
				if lots.try_push(CreditLot { expires_at, amount }).is_err() {
					frame_support::defensive!("more lots of credit than a window has");
				}
			}
		}
	}

	/// Draw up to `wanted` from the credit, the first to expire first.
	fn draw_credit(lots: &mut BoundedVec<CreditLot, types::MaxCreditLots>, wanted: Balance) -> Balance {
		let mut drawn: Balance = 0;
		for lot in lots.iter_mut() {
			let part = lot.amount.min(wanted.saturating_sub(drawn));
			lot.amount = lot.amount.saturating_sub(part);
			drawn = drawn.saturating_add(part);
		}
		lots.retain(|lot| !lot.amount.is_zero());
		drawn
	}

	/// Release shares of settled tasks out of the worker's credit, oldest first; returns what was released.
	fn release_proven(
		worker: &AccountId,
		proven: &mut BoundedVec<BlockNumber, T::MaxShares>,
		lots: &mut BoundedVec<CreditLot, types::MaxCreditLots>,
	) -> Balance {
		// Shares of one worker are mostly on one account: one release pays many.
		let mut payments: Vec<(AccountId, Balance)> = Vec::new();
		proven.retain(|block| {
			let Some(mut share) = Shares::<T>::get(block).filter(|s| s.worker == *worker) else {
				return false;
			};
			let part = Self::draw_credit(lots, share.amount);
			if part.is_zero() {
				return true;
			}
			share.amount = share.amount.saturating_sub(part);
			match payments
				.last_mut()
				.filter(|(account, _)| *account == share.account)
			{
				Some((_, sum)) => *sum = sum.saturating_add(part),
				None => payments.push((share.account.clone(), part)),
			}
			let rest = !share.amount.is_zero();
			if rest {
				Shares::<T>::insert(block, share);
			} else {
				Shares::<T>::remove(block);
			}
			rest
		});
		payments.into_iter().fold(0, |sum, (account, amount)| {
			sum.saturating_add(Self::release(&account, amount))
		})
	}

	fn release(account: &AccountId, amount: Balance) -> Balance {
		let reason = HoldReason::UsefulShare.into();
		let released =
			T::Currency::release(&reason, account, amount, Precision::BestEffort).unwrap_or_default();
		if released != amount {
			frame_support::defensive!("less was held than the shares say");
		}
		CurrentTotals::<T>::mutate(|totals| {
			totals.useful_held = totals.useful_held.saturating_sub(amount);
			totals.useful_released = totals.useful_released.saturating_add(released);
		});
		released
	}

	/// Burn the held share of a block, if there is one. The lists that name the block are the caller's.
	pub(crate) fn burn_share(block: BlockNumber) {
		let Some(share) = Shares::<T>::take(block) else {
			return;
		};
		let burned = T::Currency::burn_held(
			&HoldReason::UsefulShare.into(),
			&share.account,
			share.amount,
			Precision::BestEffort,
			Fortitude::Force,
		)
		.unwrap_or_default();
		if burned != share.amount {
			frame_support::defensive!("less was held than the share says");
		}
		CurrentTotals::<T>::mutate(|totals| {
			totals.useful_held = totals.useful_held.saturating_sub(share.amount);
			totals.burned_useful = totals.burned_useful.saturating_add(burned);
		});
		Self::deposit_event(Event::UsefulBurned {
			block,
			task: share.task,
			amount: burned,
		});
	}

	/// Burn the share whose window ends with this block. At most one: a block has at most one share.
	pub(crate) fn expire_share(height: BlockNumber) {
		let Some(block) = height.checked_sub(T::ReleaseWindow::get()) else {
			return;
		};
		let Some(share) = Shares::<T>::get(block) else {
			return;
		};
		TaskShares::<T>::mutate_exists(share.task, |list| {
			if let Some(list) = list.as_mut() {
				list.blocks.retain(|b| *b != block);
			}
			*list = list.take().filter(|list| !list.blocks.is_empty());
		});
		Self::forget_proven(&share.worker, |b| b == block);
		Self::burn_share(block);
	}

	fn forget_proven(worker: &AccountId, forget: impl Fn(BlockNumber) -> bool) {
		let mut proven = ProvenShares::<T>::get(worker);
		let before = proven.len();
		proven.retain(|block| !forget(*block));
		if proven.len() != before {
			Self::put_proven(worker, proven);
		}
	}

	fn put_proven(worker: &AccountId, proven: BoundedVec<BlockNumber, T::MaxShares>) {
		if proven.is_empty() {
			ProvenShares::<T>::remove(worker);
		} else {
			ProvenShares::<T>::insert(worker, proven);
		}
	}
}

impl<T: Config> UsefulWork for Pallet<T> {
	fn on_settled(task: TaskId, worker: &AccountId, macs: u64, burned_base_fee: Balance) -> Balance {
		let granted = Self::credit_for(macs, burned_base_fee);
		let mut lots = Self::live_credit(worker);
		Self::grant_credit(&mut lots, granted);

		let mut proven = ProvenShares::<T>::get(worker);
		let mut homeless: Vec<BlockNumber> = Vec::new();
		let mut released: Balance = 0;
		for block in TaskShares::<T>::take(task)
			.map(|list| list.blocks)
			.into_iter()
			.flatten()
		{
			let theirs = Shares::<T>::get(block).is_some_and(|share| share.worker == *worker);
			if theirs && proven.is_full() {
				// Releasing what can be released may make room.
				released = released.saturating_add(Self::release_proven(worker, &mut proven, &mut lots));
			}
			if !theirs || proven.try_push(block).is_err() {
				homeless.push(block);
			}
		}
		proven.as_mut().sort_unstable();
		released = released.saturating_add(Self::release_proven(worker, &mut proven, &mut lots));
		homeless.into_iter().for_each(Self::burn_share);

		let credit = lots
			.iter()
			.fold(0, |sum: Balance, lot| sum.saturating_add(lot.amount));
		Self::put_proven(worker, proven);
		Self::put_credit(worker, lots);
		Self::deposit_event(Event::UsefulReleased {
			task,
			worker: worker.clone(),
			granted,
			released,
			credit,
		});
		released
	}

	fn on_failed(task: TaskId, _worker: &AccountId) {
		// Shares of a task that is not settled belong to one lease, whoever's it was.
		TaskShares::<T>::take(task)
			.into_iter()
			.flat_map(|list| list.blocks)
			.for_each(Self::burn_share);
	}

	fn on_vote_rewarded(verifier: &AccountId) {
		let pool = VerifierPool::<T>::get();
		let fraction = pool.checked_div(T::VotesPerPool::get().into()).unwrap_or(0);
		let amount = fraction.min(Self::split_reward(Self::block_reward()).verifiers);
		let minted = Self::mint(verifier, amount);
		if !minted.is_zero() {
			VerifierPool::<T>::put(pool.saturating_sub(minted));
			Self::deposit_event(Event::VoteRewarded {
				verifier: verifier.clone(),
				amount: minted,
			});
		}
	}

	fn credit(worker: &AccountId) -> Balance {
		Self::live_credit(worker)
			.iter()
			.fold(0, |sum: Balance, lot| sum.saturating_add(lot.amount))
	}
}
