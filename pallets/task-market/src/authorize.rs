// SPDX-License-Identifier: Apache-2.0

//! Admission of the feeless calls: the cheapest check first, the signature last.

use crate::{types::Task, Config, Error, Fee, LeaseOf, Pallet, PendingSeeds, Running, Tasks};
use codec::Encode;
use poaiw_primitives::{
	app::ReporterSignature,
	outbox::{Report, SignedReport},
	task::{price, TaskState},
	traits::{AttestationCheck, Registry},
	AccountId, Balance, BlockNumber, TaskId,
};
use polkadot_sdk::{
	frame_support::{
		ensure,
		pallet_prelude::{TransactionSource, Weight},
		traits::Get,
	},
	frame_system,
	sp_runtime::{
		traits::Zero,
		transaction_validity::{InvalidTransaction, TransactionValidityWithRefund, ValidTransaction},
	},
};

impl<T: Config> Pallet<T> {
	/// Whether a lease may enter pool and block.
	pub(crate) fn authorize_lease(
		_source: TransactionSource,
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> TransactionValidityWithRefund {
		report.check_age(Self::now())?;
		Self::checked_lease(report).map_err(Self::invalid)?;
		Self::check_signature(report, signature)?;
		// One lease of a worker in the pool, whatever the task: it can only get one.
		Self::valid("PoaiwLease", report, &report.account)
	}

	/// Whether a heartbeat may enter pool and block.
	pub(crate) fn authorize_heartbeat(
		_source: TransactionSource,
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> TransactionValidityWithRefund {
		report.check_age(Self::now())?;
		let (task, _) = Self::checked_heartbeat(report).map_err(Self::invalid)?;
		Self::check_signature(report, signature)?;
		Self::valid("PoaiwHeartbeat", report, &(&report.account, task))
	}

	fn invalid(error: Error<T>) -> InvalidTransaction {
		InvalidTransaction::Custom(error.encode().first().copied().unwrap_or(u8::MAX))
	}

	fn check_signature(
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> Result<(), InvalidTransaction> {
		let reporter = T::Registry::reporter(&report.account).ok_or(InvalidTransaction::BadSigner)?;
		report.check_signature(&Self::genesis(), &reporter, signature)
	}

	fn valid(kind: &'static str, report: &SignedReport, tag: &impl Encode) -> TransactionValidityWithRefund {
		ValidTransaction::with_tag_prefix(kind)
			.priority(T::ReportPriority::get())
			.and_provides(tag)
			.longevity(report.longevity(Self::now()))
			.propagate(true)
			.build()
			.map(|valid| (valid, Weight::zero()))
	}

	/// Hash of the genesis block, to which report signatures are bound.
	pub(crate) fn genesis() -> T::Hash {
		frame_system::Pallet::<T>::block_hash(frame_system::pallet_prelude::BlockNumberFor::<T>::zero())
	}

	/// All checks of a lease besides age and signature: the task and its number.
	pub(crate) fn checked_lease(report: &SignedReport) -> Result<(TaskId, Task), Error<T>> {
		let Report::Lease { task: id } = &report.report else {
			return Err(Error::WrongReport);
		};
		let task = Tasks::<T>::get(id).ok_or(Error::UnknownTask)?;
		ensure!(report.at >= task.open_since, Error::LeaseTooOld);
		Self::check_eligible(&report.account, &task, Self::now())?;
		ensure!(
			!PendingSeeds::<T>::get().is_full() && !Running::<T>::get().is_full(),
			Error::TooManyLeases
		);
		Ok((*id, task))
	}

	/// Whether the worker may lease the task now.
	pub(crate) fn check_eligible(worker: &AccountId, task: &Task, now: BlockNumber) -> Result<(), Error<T>> {
		Self::check_worker(worker)?;
		Self::check_match(worker, task, now, Self::fee().base_fee)
	}

	/// Whether the worker may lease anything now.
	pub(crate) fn check_worker(worker: &AccountId) -> Result<(), Error<T>> {
		ensure!(T::Registry::is_worker(worker), Error::NotWorker);
		ensure!(!LeaseOf::<T>::contains_key(worker), Error::HasLease);
		Ok(())
	}

	/// Whether this task suits this worker at this base fee.
	pub(crate) fn check_match(
		worker: &AccountId,
		task: &Task,
		now: BlockNumber,
		base_fee: Balance,
	) -> Result<(), Error<T>> {
		let spec = &task.spec;
		ensure!(task.is_live(), Error::TaskEnded);
		ensure!(task.state == TaskState::Open, Error::NotOpen);
		ensure!(now < spec.deadline, Error::DeadlinePassed);
		ensure!(
			T::Registry::memory_mib(worker) >= spec.memory_mib,
			Error::TooLittleMemory
		);
		ensure!(
			T::Registry::reputation(worker).consecutive >= spec.min_reputation,
			Error::TooLittleReputation
		);
		ensure!(!task.rejected.contains(worker), Error::RejectedBefore);
		let (burned, tip) = price(spec.macs, base_fee, spec.tip_per_gmac).ok_or(Error::PriceOverflow)?;
		ensure!(burned.saturating_add(tip) <= spec.max_price, Error::PriceAboveMax);
		T::Verification::bond_covers(worker, spec, base_fee).map_err(|_| Error::BondTooSmall)
	}

	/// All checks of a heartbeat besides age and signature.
	pub(crate) fn checked_heartbeat(report: &SignedReport) -> Result<(TaskId, Task), Error<T>> {
		let Report::Heartbeat { task: id } = &report.report else {
			return Err(Error::WrongReport);
		};
		let task = Tasks::<T>::get(id).ok_or(Error::UnknownTask)?;
		let TaskState::Leased(lease) = &task.state else {
			return Err(Error::NotLeaseholder);
		};
		ensure!(lease.worker == report.account, Error::NotLeaseholder);
		// The time of a heartbeat is the time at which it was signed, so none can be played twice.
		ensure!(report.at > lease.heartbeat, Error::HeartbeatTooOld);
		Ok((*id, task))
	}

	/// Moves the base fee by one block's worth of utilisation. Without workers there is no market price: it rests.
	pub(crate) fn update_fee() {
		let old = Self::fee();
		let workers = T::Registry::workers();
		if workers == 0 {
			return;
		}
		let busy = u32::try_from(Running::<T>::decode_len().unwrap_or(0)).unwrap_or(u32::MAX);
		let sample = polkadot_sdk::sp_runtime::Permill::from_rational(busy.min(workers), workers);
		let utilisation = crate::pricing::smooth(old.utilisation, sample, T::UtilisationWindow::get());
		let base_fee = crate::pricing::next_base_fee(
			old.base_fee,
			utilisation,
			T::UtilisationTarget::get(),
			T::BaseFeeStep::get(),
			T::MinBaseFee::get(),
		);
		Fee::<T>::put(crate::types::FeeState {
			base_fee,
			utilisation,
		});
		if base_fee != old.base_fee {
			Self::deposit_event(crate::Event::BaseFeeChanged {
				base_fee,
				utilisation,
			});
		}
	}
}
