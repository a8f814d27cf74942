// SPDX-License-Identifier: Apache-2.0

//! The reward of a block: how much, and who gets which part.

use crate::*;
use frame_support::{
	pallet_prelude::*,
	storage::with_storage_layer,
	traits::fungible::{Inspect, Mutate, MutateHold},
};
use poaiw_primitives::{
	digest::Author,
	traits::{LeasedTask, Market, OnParentSeal},
	AccountId, Balance, BlockNumber, TaskId,
};
use poaiw_work::{source::WorkSource, summary::SealSummary};
use sp_runtime::{
	traits::{AccountIdConversion, Zero},
	Perbill,
};

/// The largest cap: times a yearly rate in parts of 10^9 it stays below 2^127.
const MAX_CAP: Balance = u128::MAX / 2_000_000_000;

/// A reward, split.
pub(crate) struct Reward {
	pub base: Balance,
	pub useful: Balance,
	pub verifiers: Balance,
	pub public_good: Balance,
}

impl<T: Config> Pallet<T> {
	/// Reward of the next block, all shares together.
	pub fn block_reward() -> Balance {
		Self::emission().0
	}

	/// Account from which public-good tasks are paid.
	pub fn treasury() -> AccountId {
		T::PalletId::get().into_account_truncating()
	}

	pub(crate) fn validate(parameters: &Parameters) -> Result<(), Error<T>> {
		ensure!(parameters.split.is_whole(), Error::<T>::SplitNotWhole);
		ensure!(parameters.cap <= MAX_CAP, Error::<T>::CapTooLarge);
		ensure!(parameters.blocks_per_year > 0, Error::<T>::YearWithoutBlocks);
		Ok(())
	}

	/// Reward of the next block and what remains of the division, in units of the divisor.
	fn emission() -> (Balance, u128) {
		let Parameters {
			cap,
			yearly_rate,
			blocks_per_year,
			..
		} = CurrentParameters::<T>::get();
		// The pool is promised to verifiers: counting it keeps the issuance under the cap when they are paid.
		let promised = T::Currency::total_issuance().saturating_add(VerifierPool::<T>::get());
		let divisor = u128::from(Perbill::one().deconstruct()).saturating_mul(blocks_per_year.max(1).into());
		// At most 2^127 and a divisor below 2^62: `validate` bounds the cap.
		let dividend = cap
			.saturating_sub(promised)
			.saturating_mul(yearly_rate.deconstruct().into())
			.saturating_add(EmissionCarry::<T>::get());
		(
			dividend.checked_div(divisor).unwrap_or_default(),
			dividend.checked_rem(divisor).unwrap_or_default(),
		)
	}

	/// The split of the next block's reward. Rounding goes to the public good, so the parts are the whole.
	pub(crate) fn split_reward(total: Balance) -> Reward {
		let Split {
			base,
			useful,
			verifiers,
			..
		} = CurrentParameters::<T>::get().split;
		let (base, useful, verifiers) = (
			base.mul_floor(total),
			useful.mul_floor(total),
			verifiers.mul_floor(total),
		);
		let public_good = total
			.saturating_sub(base)
			.saturating_sub(useful)
			.saturating_sub(verifiers);
		Reward {
			base,
			useful,
			verifiers,
			public_good,
		}
	}

	/// Reward the author of `parent` and tell the others about its seal.
	pub(crate) fn reward_parent(parent: BlockNumber, summary: &SealSummary) {
		// Every block names its author (`on_finalize`).
		let Some(Author { author, payout }) = LastAuthor::<T>::get() else {
			frame_support::defensive!("parent block without author");
			return;
		};
		let (total, carry) = Self::emission();
		EmissionCarry::<T>::put(carry);
		let reward = Self::split_reward(total);

		let base = Self::mint(&payout, reward.base);
		let outcome = Self::useful_share(parent, &author, &payout, reward.useful, &summary.source);
		VerifierPool::<T>::mutate(|pool| *pool = pool.saturating_add(reward.verifiers));
		Self::mint(&Self::treasury(), reward.public_good);
		Self::deposit_event(Event::BlockRewarded {
			block: parent,
			author: author.clone(),
			payout,
			base,
			useful: reward.useful,
			outcome,
		});
		T::OnParentSeal::on_parent_seal(parent, &author, summary);
	}

	/// Hold the useful share for the task that the seal names, or burn it.
	fn useful_share(
		parent: BlockNumber,
		author: &AccountId,
		payout: &AccountId,
		amount: Balance,
		source: &WorkSource,
	) -> ShareOutcome {
		let outcome = match Self::matching_lease(parent, author, source) {
			Ok((task, attempt)) => Self::hold_share(parent, author, payout, amount, task, attempt),
			Err(outcome) => outcome,
		};
		CurrentTotals::<T>::mutate(|totals| {
			totals.minted = totals.minted.saturating_add(amount);
			if matches!(outcome, ShareOutcome::Held { .. }) {
				totals.useful_held = totals.useful_held.saturating_add(amount);
			} else {
				totals.burned_useful = totals.burned_useful.saturating_add(amount);
			}
			if source.is_synthetic() {
				totals.synthetic_sealed_blocks = totals.synthetic_sealed_blocks.saturating_add(1);
			}
		});
		outcome
	}

	/// The task and lease in which the author sealed the block.
	fn matching_lease(
		parent: BlockNumber,
		author: &AccountId,
		source: &WorkSource,
	) -> Result<(TaskId, u32), ShareOutcome> {
		let WorkSource::Task { id, segment, .. } = source else {
			return Err(ShareOutcome::Synthetic);
		};
		let task = T::Market::leased(*id).ok_or(ShareOutcome::NotLeased)?;
		if !task.takes_claim(parent, author, *segment) {
			return Err(Self::why_not(&task, parent, author, *segment));
		}
		CurrentTotals::<T>::mutate(|t| t.task_sealed_blocks = t.task_sealed_blocks.saturating_add(1));
		Ok((*id, task.lease.attempt))
	}

	/// Which part of [`LeasedTask::takes_claim`] refused the seal.
	fn why_not(task: &LeasedTask, parent: BlockNumber, author: &AccountId, segment: u32) -> ShareOutcome {
		if task.lease.worker != *author {
			ShareOutcome::NotTheWorker
		} else if parent <= task.lease.since {
			ShareOutcome::BeforeLease
		} else if segment >= task.spec.segments {
			ShareOutcome::NoSuchSegment
		} else {
			ShareOutcome::AlreadyAttested
		}
	}

	fn hold_share(
		parent: BlockNumber,
		author: &AccountId,
		payout: &AccountId,
		amount: Balance,
		task: TaskId,
		attempt: u32,
	) -> ShareOutcome {
		let mut list = TaskShares::<T>::get(task).unwrap_or_else(|| TaskShare {
			attempt,
			blocks: BoundedVec::new(),
		});
		if list.attempt != attempt {
			// The market reports failed leases, so this is never reached; if it were, nothing may leak to the new lease.
			frame_support::defensive!("shares of an earlier lease are left");
			list.blocks.into_iter().for_each(Self::burn_share);
			list = TaskShare {
				attempt,
				blocks: BoundedVec::new(),
			};
		}
		if amount.is_zero() {
			return ShareOutcome::NoReward;
		}
		if list.blocks.try_push(parent).is_err() {
			return ShareOutcome::TooManyShares;
		}
		let held = with_storage_layer(|| -> DispatchResult {
			T::Currency::mint_into(payout, amount)?;
			T::Currency::hold(&HoldReason::UsefulShare.into(), payout, amount)
		});
		if held.is_err() {
			return ShareOutcome::NotHoldable;
		}
		TaskShares::<T>::insert(task, list);
		let (worker, account) = (author.clone(), payout.clone());
		Shares::<T>::insert(
			parent,
			Share {
				task,
				worker,
				account,
				amount,
			},
		);
		ShareOutcome::Held { task }
	}

	/// Mint to an account; returns what was minted, which is all or nothing.
	pub(crate) fn mint(account: &AccountId, amount: Balance) -> Balance {
		if amount.is_zero() {
			return 0;
		}
		match T::Currency::mint_into(account, amount) {
			Ok(minted) => {
				CurrentTotals::<T>::mutate(|t| t.minted = t.minted.saturating_add(minted));
				minted
			}
			Err(_) => {
				Self::deposit_event(Event::NotMinted {
					account: account.clone(),
					amount,
				});
				0
			}
		}
	}
}
