// SPDX-License-Identifier: Apache-2.0

//! Reads for the runtime API: quote, check before posting, reports.

use crate::{
	pricing::{bucket_of, next_base_fee},
	types::Task,
	Agenda, BucketLoad, Buckets, Config, Error, NextTask, Pallet, Running, Tasks,
};
use alloc::{format, string::String, vec::Vec};
use poaiw_primitives::{
	task::{gmacs, Quote, TaskReport, TaskSpec, MAX_SEGMENTS},
	traits::{Registry, Verification},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::traits::{
		fungible::Inspect,
		tokens::{Fortitude, Preservation},
		Get,
	},
	sp_runtime::Permill,
};

/// Full blocks of rising base fee that `suggested_max_price` leaves room for.
pub const QUOTE_HORIZON: u32 = 32;
/// Most reports in one answer of [`Pallet::tasks`].
pub const MAX_REPORTS: u32 = 100;
/// Most numbers that [`Pallet::tasks`] looks at.
const MAX_LOOKED: u64 = 1_000;

impl<T: Config> Pallet<T> {
	/// Price and expected wait of a task of so many product MACs at this tip. Amounts that do not fit are the largest that do.
	pub fn quote(macs: u64, tip_per_gmac: Balance) -> Quote {
		let base_fee = Self::fee().base_fee;
		let raised = (0..QUOTE_HORIZON).fold(base_fee, |fee, _| {
			next_base_fee(
				fee,
				Permill::one(),
				T::UtilisationTarget::get(),
				T::BaseFeeStep::get(),
				T::MinBaseFee::get(),
			)
		});
		let gmacs = gmacs(macs);
		let total = |fee: Balance| Balance::from(gmacs).saturating_mul(fee.saturating_add(tip_per_gmac));
		let ahead = Self::tasks_from(bucket_of(tip_per_gmac));
		Quote {
			gmacs,
			base_fee_per_gmac: base_fee,
			tip_per_gmac,
			price: total(base_fee),
			suggested_max_price: total(raised).max(T::MinPrice::get()),
			tasks_ahead: ahead,
			expected_wait: Self::expected_wait(macs, ahead),
		}
	}

	/// Open tasks in this bucket and the ones above.
	fn tasks_from(bucket: u8) -> u32 {
		Self::open_buckets()
			.take_while(|open| *open >= bucket)
			.fold(0u32, |sum, open| {
				let tasks = Buckets::<T>::decode_len(open).unwrap_or(0);
				sum.saturating_add(u32::try_from(tasks).unwrap_or(u32::MAX))
			})
	}

	/// Blocks until a worker is free for a task with so many tasks before it, if all are of its size.
	fn expected_wait(macs: u64, ahead: u32) -> Option<BlockNumber> {
		let workers = T::Registry::workers();
		let busy = u32::try_from(Running::<T>::decode_len().unwrap_or(0)).unwrap_or(u32::MAX);
		let idle = workers.saturating_sub(busy);
		if ahead < idle {
			return Some(1);
		}
		let rounds = ahead.saturating_sub(idle).saturating_add(1);
		Some(
			rounds
				.saturating_mul(Self::expected_blocks(macs))
				.checked_div(workers)?
				.max(1),
		)
	}

	/// What is wrong with a specification, in words; empty when `requester` can post it now.
	pub fn check_spec(requester: AccountId, spec: TaskSpec) -> Vec<u8> {
		let now = Self::now();
		if let Err(error) = Self::check_fields(&spec, now) {
			return Self::explain(error, &spec, now).into_bytes();
		}
		if BucketLoad::<T>::get(bucket_of(spec.tip_per_gmac)) >= T::BucketSize::get() {
			return Self::explain(Error::MarketFull, &spec, now).into_bytes();
		}
		if Agenda::<T>::get(spec.deadline).is_full() {
			return Self::explain(Error::DeadlineBusy, &spec, now).into_bytes();
		}
		let free = T::Currency::reducible_balance(&requester, Preservation::Protect, Fortitude::Force);
		if free < spec.max_price {
			let text = format!(
				"max_price {} is more than the {free} that the account can have held; add tokens or lower max_price",
				spec.max_price
			);
			return text.into_bytes();
		}
		Vec::new()
	}

	fn explain(error: Error<T>, spec: &TaskSpec, now: BlockNumber) -> String {
		match error {
			Error::NoWork => "macs is 0; state the product MACs of the workload".into(),
			Error::TooMuchWork => {
				format!(
					"macs {} is more than the {} that a task may have; split it",
					spec.macs,
					T::MaxMacs::get()
				)
			}
			Error::BadSegments => {
				format!(
					"segments {} must be between 1 and {MAX_SEGMENTS}, and at most macs",
					spec.segments
				)
			}
			Error::SegmentTooLarge => {
				format!(
					"macs {} in {} segments are {} each on average, more than the {} that a segment may have; use fewer \
					 steps per segment",
					spec.macs,
					spec.segments,
					spec.macs.div_ceil(u64::from(spec.segments.max(1))),
					T::MaxSegmentMacs::get()
				)
			}
			Error::NoProgram => "program_root is zero; give the hash of the encoded workload".into(),
			Error::BadLocator => {
				"locator is not printable ASCII; give a URL, or nothing for the default store".into()
			}
			Error::DeadlineTooSoon => format!(
				"deadline {} is less than {} blocks after height {now}; choose a later one",
				spec.deadline,
				T::MinDuration::get()
			),
			Error::DeadlineTooFar => format!(
				"deadline {} is more than {} blocks after height {now}; choose an earlier one",
				spec.deadline,
				T::MaxDuration::get()
			),
			Error::BadVerifiers => {
				format!(
					"level.verifiers {} must be between 1 and {}",
					spec.level.verifiers,
					T::MaxVerifiers::get()
				)
			}
			Error::TooManySampled => {
				format!(
					"level.sampled {} is more than {}; lower it",
					spec.level.sampled,
					T::MaxSampled::get()
				)
			}
			Error::PriceTooLow => {
				let quote = Self::quote(spec.macs, spec.tip_per_gmac);
				format!(
					"max_price {} is less than the price {} at the current base fee or the minimum {}; {} leaves room for a \
					 rising base fee",
					spec.max_price,
					quote.price,
					T::MinPrice::get(),
					quote.suggested_max_price
				)
			}
			Error::PriceOverflow => {
				format!(
					"a tip of {} per GMAC makes a price that fits no balance; lower it",
					spec.tip_per_gmac
				)
			}
			Error::MarketFull => format!(
				"{} tasks with a tip like {} are live, which is all that fit; raise the tip or wait",
				T::BucketSize::get(),
				spec.tip_per_gmac
			),
			Error::DeadlineBusy => {
				format!(
					"too many tasks have deadline {}; choose another height",
					spec.deadline
				)
			}
			other => format!("{other:?}"),
		}
	}

	/// The whole life of a task; `None` when it never was or was forgotten.
	pub fn task_report(id: TaskId) -> Option<TaskReport> {
		Tasks::<T>::get(id).map(|task| Self::report_of(id, task))
	}

	/// The last `limit` tasks (at most [`MAX_REPORTS`]), newest first.
	pub fn tasks(limit: u32) -> Vec<TaskReport> {
		let next = NextTask::<T>::get();
		let oldest = next.saturating_sub(MAX_LOOKED);
		let limit = usize::try_from(limit.min(MAX_REPORTS)).unwrap_or(0);
		(oldest..next)
			.rev()
			.filter_map(Self::task_report)
			.take(limit)
			.collect()
	}

	fn report_of(id: TaskId, task: Task) -> TaskReport {
		TaskReport {
			id,
			requester: task.requester,
			posted_at: task.posted_at,
			spec: task.spec,
			state: task.state,
			held: task.held,
			attempts: task.attempts,
			verification: T::Verification::report(id),
			seals: T::Verification::seals(id),
		}
	}
}
