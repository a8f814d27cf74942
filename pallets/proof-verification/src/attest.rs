// SPDX-License-Identifier: Apache-2.0

//! Attestations: admission, cheap checks, and the bond that answers for them.

use crate::{
	types::{Due, Record, Stage},
	Config, Error, Event, Exposure, Pallet, Pending, Records,
};
use codec::Encode;
use poaiw_primitives::{
	app::ReporterSignature,
	outbox::{Report, SignedReport},
	task::{price, Attestation, TaskSpec},
	traits::{AttestationCheck, LeasedTask, Market, Registry},
	worker::{required_bond, sampled_segments},
	AccountId, Balance,
};
use polkadot_sdk::{
	frame_support::{
		ensure,
		pallet_prelude::{TransactionSource, Weight},
		traits::Get,
	},
	sp_runtime::{
		transaction_validity::{InvalidTransaction, TransactionValidityWithRefund, ValidTransaction},
		DispatchError, DispatchResult,
	},
};

const ZERO: [u8; 32] = [0; 32];

impl<T: Config> Pallet<T> {
	/// Whether an attestation may enter pool and block.
	pub(crate) fn authorize_attest(
		_source: TransactionSource,
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> TransactionValidityWithRefund {
		report.check_age(Self::now())?;
		let (attestation, ..) = Self::checked_attest(report).map_err(Self::invalid)?;
		Self::check_signature(report, signature)?;
		Self::valid("PoaiwAttest", report, &(attestation.task, attestation.attempt))
	}

	pub(crate) fn invalid(error: Error<T>) -> InvalidTransaction {
		InvalidTransaction::Custom(error.encode().first().copied().unwrap_or(u8::MAX))
	}

	pub(crate) fn check_signature(
		report: &SignedReport,
		signature: &ReporterSignature,
	) -> Result<(), InvalidTransaction> {
		let reporter = T::Registry::reporter(&report.account).ok_or(InvalidTransaction::BadSigner)?;
		report.check_signature(&Self::genesis(), &reporter, signature)
	}

	pub(crate) fn valid(
		kind: &'static str,
		report: &SignedReport,
		tag: &impl Encode,
	) -> TransactionValidityWithRefund {
		ValidTransaction::with_tag_prefix(kind)
			.priority(T::ReportPriority::get())
			.and_provides(tag)
			.longevity(report.longevity(Self::now()))
			.propagate(true)
			.build()
			.map(|valid| (valid, Weight::zero()))
	}

	/// All checks of an attestation besides age and signature: the claim, the task, segments to sample, exposure.
	pub(crate) fn checked_attest(
		report: &SignedReport,
	) -> Result<(&Attestation, LeasedTask, u32, Balance), Error<T>> {
		let Report::Attest(attestation) = &report.report else {
			return Err(Error::WrongReport);
		};
		let task = T::Market::leased(attestation.task).ok_or(Error::NotLeased)?;
		ensure!(task.lease.worker == report.account, Error::NotLeaseholder);
		ensure!(task.lease.attempt == attestation.attempt, Error::WrongAttempt);
		ensure!(!task.attested, Error::AlreadyAttested);
		ensure!(task.lease.seed.is_some(), Error::NoSeed);
		Self::check_claim(&task.spec, attestation)?;
		ensure!(!Pending::<T>::get().is_full(), Error::TooManyPending);
		let (sample, exposure) = Self::check_bond(&report.account, &task.spec, task.lease.base_fee_per_gmac)?;
		Ok((attestation, task, sample, exposure))
	}

	/// What can be seen to be wrong without running anything.
	fn check_claim(spec: &TaskSpec, attestation: &Attestation) -> Result<(), Error<T>> {
		ensure!(attestation.macs == spec.macs, Error::WrongMacs);
		ensure!(attestation.segments == spec.segments, Error::WrongSegments);
		ensure!(
			attestation.trace_root != ZERO
				&& attestation.initial_state_root != ZERO
				&& attestation.final_state_root != ZERO,
			Error::MissingRoot
		);
		if let Some((correct, total)) = attestation.metric {
			ensure!(total > 0 && correct <= total, Error::WrongMetric);
		}
		Ok(())
	}

	/// Segments that would be sampled of a result, and the part of the bond that would answer for it, if the bond is enough.
	fn check_bond(
		worker: &AccountId,
		spec: &TaskSpec,
		base_fee: Balance,
	) -> Result<(u32, Balance), Error<T>> {
		let (burned, tip) = price(spec.macs, base_fee, spec.tip_per_gmac).ok_or(Error::BondTooSmall)?;
		let reputation = T::Registry::reputation(worker);
		let sample = sampled_segments(&reputation, spec.segments, &spec.level, T::MaxSampled::get());
		// The whole price stands for the reward: what a result earns in useful share is bounded by its burned base fee.
		let exposure = required_bond(
			burned.saturating_add(tip),
			spec.segments,
			sample,
			T::ExposureMargin::get(),
			T::MinExposure::get(),
		);
		let needed = Exposure::<T>::get(worker)
			.checked_add(exposure)
			.ok_or(Error::BondTooSmall)?;
		ensure!(T::Registry::bond(worker) >= needed, Error::BondTooSmall);
		Ok((sample, exposure))
	}

	pub(crate) fn do_attest(report: &SignedReport) -> DispatchResult {
		let (attestation, task, sample, exposure) = Self::checked_attest(report)?;
		let (id, attempt, worker) = (attestation.task, attestation.attempt, task.lease.worker);
		let now = Self::now();
		Self::forget(id);
		let from = now.saturating_add(T::BeaconDelay::get()).saturating_add(1);
		Pending::<T>::try_append(Due {
			task: id,
			at: Self::beacon_known_at(from),
		})
		.map_err(|_| Error::<T>::TooManyPending)?;
		Exposure::<T>::mutate(&worker, |sum| *sum = sum.saturating_add(exposure));
		Self::deposit_event(Event::Attested {
			task: id,
			worker: worker.clone(),
			attempt,
			trace_root: attestation.trace_root,
			final_state_root: attestation.final_state_root,
			exposure,
		});
		let record = Record {
			attestation: attestation.clone(),
			worker,
			requester: task.requester,
			attested_at: now,
			exposure,
			sample,
			verifiers: task.spec.level.verifiers.clamp(1, T::MaxVerifiers::get()),
			stage: Stage::Beacon { from },
			segments: Default::default(),
		};
		Records::<T>::insert(id, record);
		T::Market::on_attested(id)
	}
}

impl<T: Config> AttestationCheck for Pallet<T> {
	fn check(spec: &TaskSpec, attestation: &Attestation) -> Result<(), DispatchError> {
		Self::check_claim(spec, attestation).map_err(Into::into)
	}

	fn bond_covers(
		worker: &AccountId,
		spec: &TaskSpec,
		base_fee_per_gmac: Balance,
	) -> Result<(), DispatchError> {
		Self::check_bond(worker, spec, base_fee_per_gmac)
			.map(|_| ())
			.map_err(Into::into)
	}
}
