// SPDX-License-Identifier: Apache-2.0

//! What the calls do, and the invariants of the state.

use crate::*;
use frame_support::{
	pallet_prelude::*,
	traits::{
		fungible::{InspectHold, MutateHold},
		tokens::Precision,
	},
};
use poaiw_primitives::{
	app::ReporterId,
	traits::WorkTarget,
	worker::{Reputation, Roles, WorkerReport},
	AccountId, Balance, BlockNumber, TaskId,
};
use sp_runtime::traits::SaturatedConversion;

impl<T: Config> Pallet<T> {
	/// The bond that roles demand: the minimum of each, added.
	pub fn required_bond(roles: Roles) -> Balance {
		let worker = if roles.worker { T::MinWorkerBond::get() } else { 0 };
		let verifier = if roles.verifier {
			T::MinVerifierBond::get()
		} else {
			0
		};
		worker.saturating_add(verifier)
	}

	/// A registered account in one answer; lease and credit are known to other pallets.
	pub fn report(
		account: &AccountId,
		lease: Option<TaskId>,
		useful_credit: Balance,
	) -> Option<WorkerReport> {
		let record = Records::<T>::get(account)?;
		Some(WorkerReport {
			account: account.clone(),
			roles: record.roles,
			bond: Self::active_bond(account, &record),
			unbonding: record.unbonding.map(|u| (u.amount, u.free_at)),
			reputation: Self::decayed(&record).0,
			memory_mib: record.memory_mib,
			reporter: record.reporter,
			lease,
			useful_credit,
		})
	}

	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn held(account: &AccountId) -> Balance {
		T::Currency::balance_on_hold(&HoldReason::Bond.into(), account)
	}

	/// Bond that vouches for something: what is held, without what is being withdrawn.
	pub(crate) fn active_bond(account: &AccountId, record: &Record) -> Balance {
		let unbonding = record.unbonding.map_or(0, |u| u.amount);
		Self::held(account).saturating_sub(unbonding)
	}

	/// Whether the bond covers all roles of the record.
	pub(crate) fn is_covered(account: &AccountId, record: &Record) -> bool {
		!record.leaving && Self::active_bond(account, record) >= Self::required_bond(record.roles)
	}

	/// Record of results as of now, and the epoch up to which it is computed.
	pub(crate) fn decayed(record: &Record) -> (Reputation, u32) {
		let half_life = T::ReputationHalfLife::get().max(1);
		let passed = T::WorkTarget::epoch().saturating_sub(record.decayed_at);
		let halvings = passed.checked_div(half_life).unwrap_or(0);
		let halve = |count: u32| count.checked_shr(halvings).unwrap_or(0);
		let reputation = Reputation {
			valid: halve(record.reputation.valid),
			invalid: halve(record.reputation.invalid),
			consecutive: record.reputation.consecutive,
		};
		(
			reputation,
			record
				.decayed_at
				.saturating_add(halvings.saturating_mul(half_life)),
		)
	}

	/// Run a change of the account, and count it as worker or not afterwards.
	pub(crate) fn counting_workers<R>(account: &AccountId, change: impl FnOnce() -> R) -> R {
		let before = <Self as traits::Registry>::is_worker(account);
		let result = change();
		match (before, <Self as traits::Registry>::is_worker(account)) {
			(false, true) => Workers::<T>::mutate(|n| *n = n.saturating_add(1)),
			(true, false) => Workers::<T>::mutate(|n| *n = n.saturating_sub(1)),
			_ => (),
		}
		result
	}

	pub(crate) fn do_register(
		account: &AccountId,
		roles: Roles,
		reporter: ReporterId,
		memory_mib: u32,
		bond: Balance,
	) -> DispatchResult {
		ensure!(
			!Records::<T>::contains_key(account),
			Error::<T>::AlreadyRegistered
		);
		ensure!(roles.worker || roles.verifier, Error::<T>::NoRole);
		ensure!(
			!Reporters::<T>::contains_key(&reporter),
			Error::<T>::ReporterTaken
		);
		ensure!(bond >= Self::required_bond(roles), Error::<T>::BondTooLow);
		T::Currency::hold(&HoldReason::Bond.into(), account, bond)?;
		if roles.verifier {
			Self::admit_verifier(account, bond)?;
		}
		Self::counting_workers(account, || {
			let record = Record {
				roles,
				reporter: reporter.clone(),
				memory_mib,
				unbonding: None,
				leaving: false,
				obligations: 0,
				reputation: Reputation::default(),
				decayed_at: T::WorkTarget::epoch(),
			};
			Records::<T>::insert(account, record);
		});
		Reporters::<T>::insert(&reporter, account);
		Self::deposit_event(Event::Registered {
			account: account.clone(),
			roles,
			reporter,
			bond,
		});
		Ok(())
	}

	pub(crate) fn do_update(
		account: &AccountId,
		roles: Option<Roles>,
		reporter: Option<ReporterId>,
		memory_mib: Option<u32>,
	) -> DispatchResult {
		let mut record = Self::staying(account)?;
		if let Some(roles) = roles {
			Self::change_roles(account, &mut record, roles)?;
		}
		if let Some(reporter) = reporter.filter(|new| *new != record.reporter) {
			ensure!(
				!Reporters::<T>::contains_key(&reporter),
				Error::<T>::ReporterTaken
			);
			Reporters::<T>::remove(&record.reporter);
			Reporters::<T>::insert(&reporter, account);
			record.reporter = reporter;
		}
		record.memory_mib = memory_mib.unwrap_or(record.memory_mib);
		Self::deposit_event(Event::Updated {
			account: account.clone(),
			roles: record.roles,
			reporter: record.reporter.clone(),
			memory_mib: record.memory_mib,
		});
		Records::<T>::insert(account, record);
		Ok(())
	}

	fn change_roles(account: &AccountId, record: &mut Record, roles: Roles) -> DispatchResult {
		ensure!(roles.worker || roles.verifier, Error::<T>::NoRole);
		let gives_up = (record.roles.worker && !roles.worker) || (record.roles.verifier && !roles.verifier);
		ensure!(!gives_up || record.obligations == 0, Error::<T>::HasObligations);
		let bond = Self::active_bond(account, record);
		// Giving up a role is always possible, even with a bond that a slash made too small.
		let takes_on = (!record.roles.worker && roles.worker) || (!record.roles.verifier && roles.verifier);
		ensure!(
			!takes_on || bond >= Self::required_bond(roles),
			Error::<T>::BondTooLow
		);
		match (record.roles.verifier, roles.verifier) {
			(false, true) => Self::admit_verifier(account, bond)?,
			(true, false) => Self::dismiss_verifier(account),
			_ => (),
		}
		record.roles = roles;
		Ok(())
	}

	pub(crate) fn do_bond_more(account: &AccountId, amount: Balance) -> DispatchResult {
		let record = Self::staying(account)?;
		T::Currency::hold(&HoldReason::Bond.into(), account, amount)?;
		let bond = Self::active_bond(account, &record);
		Self::deposit_event(Event::Bonded {
			account: account.clone(),
			added: amount,
			bond,
		});
		Ok(())
	}

	pub(crate) fn do_unbond(account: &AccountId, amount: Balance) -> DispatchResult {
		let mut record = Self::staying(account)?;
		let bond = Self::active_bond(account, &record)
			.checked_sub(amount)
			.filter(|rest| *rest >= Self::required_bond(record.roles))
			.ok_or(Error::<T>::BondTooLow)?;
		let amount = record.unbonding.map_or(0, |u| u.amount).saturating_add(amount);
		let free_at = Self::now().saturating_add(T::UnbondingPeriod::get());
		record.unbonding = Some(Unbonding { amount, free_at });
		Records::<T>::insert(account, record);
		Self::deposit_event(Event::Unbonding {
			account: account.clone(),
			amount,
			free_at,
			bond,
		});
		Ok(())
	}

	pub(crate) fn do_deregister(account: &AccountId) -> DispatchResult {
		let mut record = Self::staying(account)?;
		ensure!(record.obligations == 0, Error::<T>::HasObligations);
		if record.roles.verifier {
			Self::dismiss_verifier(account);
		}
		let free_at = Self::now().saturating_add(T::UnbondingPeriod::get());
		record.roles = Roles::default();
		record.leaving = true;
		record.unbonding = Some(Unbonding {
			amount: Self::held(account),
			free_at,
		});
		Records::<T>::insert(account, record);
		Self::deposit_event(Event::Leaving {
			account: account.clone(),
			free_at,
		});
		Ok(())
	}

	pub(crate) fn do_withdraw(account: &AccountId) -> DispatchResult {
		let mut record = Records::<T>::get(account).ok_or(Error::<T>::NotRegistered)?;
		let unbonding = record.unbonding.take().ok_or(Error::<T>::NothingToWithdraw)?;
		ensure!(record.obligations == 0, Error::<T>::HasObligations);
		ensure!(Self::now() >= unbonding.free_at, Error::<T>::StillLocked);
		let amount = T::Currency::release(
			&HoldReason::Bond.into(),
			account,
			unbonding.amount,
			Precision::BestEffort,
		)?;
		let left = record.leaving;
		if left {
			Reporters::<T>::remove(&record.reporter);
			Records::<T>::remove(account);
		} else {
			Records::<T>::insert(account, record);
		}
		Self::deposit_event(Event::Withdrawn {
			account: account.clone(),
			amount,
			left,
		});
		Ok(())
	}

	fn staying(account: &AccountId) -> Result<Record, Error<T>> {
		let record = Records::<T>::get(account).ok_or(Error::<T>::NotRegistered)?;
		ensure!(!record.leaving, Error::<T>::Leaving);
		Ok(record)
	}

	/// Give the account a place among the verifiers; if there is none, that of the smallest bond which is smaller and
	/// has no obligations.
	fn admit_verifier(account: &AccountId, bond: Balance) -> DispatchResult {
		let mut list = Verifiers::<T>::get();
		if list.len() as u32 >= T::MaxVerifiers::get() {
			let weakest = list
				.iter()
				.filter_map(|v| Some((v, Records::<T>::get(v)?)))
				.filter(|(_, record)| record.obligations == 0)
				.map(|(v, record)| (Self::active_bond(v, &record), v.clone()))
				.min()
				.filter(|(smallest, _)| *smallest < bond);
			let (smallest, displaced) = weakest.ok_or(Error::<T>::TooManyVerifiers)?;
			Self::counting_workers(&displaced, || {
				Records::<T>::mutate_extant(&displaced, |record| record.roles.verifier = false)
			});
			list.retain(|v| *v != displaced);
			Self::deposit_event(Event::VerifierDisplaced {
				account: displaced,
				bond: smallest,
				by: account.clone(),
			});
		}
		if let Err(place) = list.binary_search(account) {
			list.try_insert(place, account.clone())
				.map_err(|_| Error::<T>::TooManyVerifiers)?;
		}
		Verifiers::<T>::put(list);
		Ok(())
	}

	fn dismiss_verifier(account: &AccountId) {
		Verifiers::<T>::mutate(|list| list.retain(|v| v != account));
	}

	/// Check the invariants of the state.
	#[cfg(any(feature = "try-runtime", test))]
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		Self::try_state_records()?;
		Self::try_state_verifiers()?;
		Self::try_state_workers()
	}

	/// Keys and records name each other; nothing is being withdrawn that is not held; who leaves has no role.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_records() -> Result<(), sp_runtime::TryRuntimeError> {
		let mut records = 0u32;
		for (account, record) in Records::<T>::iter() {
			records = records.saturating_add(1);
			ensure!(
				Reporters::<T>::get(&record.reporter).as_ref() == Some(&account),
				"report key of a record names another account"
			);
			let unbonding = record.unbonding.map_or(0, |u| u.amount);
			ensure!(
				unbonding <= Self::held(&account),
				"more is being withdrawn than held"
			);
			if record.leaving {
				ensure!(record.roles == Roles::default(), "leaving account has a role");
				ensure!(record.unbonding.is_some(), "leaving account withdraws nothing");
			}
		}
		ensure!(
			Reporters::<T>::iter().count() == records as usize,
			"report key without a record"
		);
		Ok(())
	}

	/// The list of verifiers is sorted and is exactly who has the role.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_verifiers() -> Result<(), sp_runtime::TryRuntimeError> {
		let list = Verifiers::<T>::get();
		ensure!(
			list.is_sorted_by(|a, b| a < b),
			"verifiers are not in ascending order"
		);
		let with_role = Records::<T>::iter().filter(|(_, r)| r.roles.verifier).count();
		let both = list
			.iter()
			.filter(|v| Records::<T>::get(v).is_some_and(|r| r.roles.verifier))
			.count();
		ensure!(
			with_role == list.len() && both == list.len(),
			"list of verifiers differs from the roles"
		);
		Ok(())
	}

	/// The number of workers is right.
	#[cfg(any(feature = "try-runtime", test))]
	fn try_state_workers() -> Result<(), sp_runtime::TryRuntimeError> {
		let workers = Records::<T>::iter_keys()
			.filter(<Self as traits::Registry>::is_worker)
			.count();
		ensure!(
			workers == Workers::<T>::get() as usize,
			"number of workers is wrong"
		);
		Ok(())
	}
}
