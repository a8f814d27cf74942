// SPDX-License-Identifier: Apache-2.0

//! Workers and verifiers: registration, bonds, report keys and reputation.
//!
//! ## Overview
//!
//! An account registers for one role or both, names the key that signs its node's reports, and puts a bond on hold
//! ([`HoldReason::Bond`]). The bond stays on the account; only [`traits::Slash`] can take it. An account with both roles
//! needs the sum of both minimum bonds, so one coin never vouches twice.
//!
//! - **Leaving.** A bond is unbonded first and withdrawn after [`Config::UnbondingPeriod`], which is longer than any
//!   result can be disputed. While obligations run (leases, attestations, votes) nothing can be withdrawn, and the end
//!   of an obligation keeps what is being withdrawn for at least [`Config::DisputeWindow`] more blocks. What is being
//!   withdrawn no longer counts as bond, but can still be slashed.
//! - **Verifiers** are at most [`Config::MaxVerifiers`]. When all places are taken, a newcomer with a larger bond takes
//!   the place of the one with the smallest bond among those without obligations; places can't be squatted cheaply.
//! - **Reputation** counts results. Both counts are halved every [`Config::ReputationHalfLife`] epochs, computed when
//!   the record is read or written. How a record turns into a sampling rate is
//!   [`poaiw_primitives::worker::sampled_segments`]. A proven fault resets trust; a lost lease does not.
//!   Leaving erases the record: whoever comes back starts without trust.
//! - A report key is registered for one account at a time. Who registers somebody else's key gains nothing, since
//!   reports are signed with it; the owner chooses another key.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

extern crate alloc;

#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
mod events;
mod functions;
mod interface;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::{InitialRegistration, Record, Unbonding};
pub use weights::WeightInfo;

use frame_support::pallet_macros::import_section;
use poaiw_primitives::traits;
use polkadot_sdk::*;

// FRAME's macros expand to `expect()`; code of this project does not.
#[allow(clippy::expect_used)]
#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Mutate, MutateHold},
	};
	use frame_system::pallet_prelude::*;
	use poaiw_primitives::{
		app::ReporterId,
		worker::{Reputation, Roles},
		AccountId, Balance, BlockNumber,
	};

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Configuration.
	#[pallet::config]
	pub trait Config:
		polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId = AccountId>
	{
		/// Hold reasons of the runtime.
		type RuntimeHoldReason: From<HoldReason>;
		/// The token of the bonds.
		type Currency: Mutate<AccountId, Balance = Balance>
			+ MutateHold<AccountId, Reason = Self::RuntimeHoldReason>;
		/// Is told what slashes burn.
		type BurnLedger: traits::BurnLedger;
		/// Counts epochs, for the decay of reputation.
		type WorkTarget: traits::WorkTarget;
		/// Smallest bond of a worker.
		#[pallet::constant]
		type MinWorkerBond: Get<Balance>;
		/// Smallest bond of a verifier.
		#[pallet::constant]
		type MinVerifierBond: Get<Balance>;
		/// Most verifiers at a time.
		#[pallet::constant]
		type MaxVerifiers: Get<u32>;
		/// Blocks between unbonding and withdrawing. Longer than [`Config::DisputeWindow`].
		#[pallet::constant]
		type UnbondingPeriod: Get<BlockNumber>;
		/// Blocks after its obligation during which a result can still be found faulty.
		#[pallet::constant]
		type DisputeWindow: Get<BlockNumber>;
		/// Epochs after which counts of results are halved.
		#[pallet::constant]
		type ReputationHalfLife: Get<u32>;
		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Bond of a worker or verifier, including what is being withdrawn.
		#[codec(index = 0)]
		Bond,
	}

	/// Registered accounts. Each has paid a bond, which bounds the map. Blake2 with concat: accounts are chosen freely.
	#[pallet::storage]
	pub type Records<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Record, OptionQuery>;

	/// Account of each report key. Blake2 with concat: keys are chosen freely.
	#[pallet::storage]
	pub type Reporters<T: Config> = StorageMap<_, Blake2_128Concat, ReporterId, AccountId, OptionQuery>;

	/// Accounts registered as verifier, in ascending order.
	#[pallet::storage]
	pub type Verifiers<T: Config> = StorageValue<_, BoundedVec<AccountId, T::MaxVerifiers>, ValueQuery>;

	/// Accounts that may take tasks.
	#[pallet::storage]
	pub type Workers<T: Config> = StorageValue<_, u32, ValueQuery>;

	/// Registrations at genesis.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// First workers and verifiers; their bonds are taken from their genesis balances.
		pub registrations: Vec<InitialRegistration>,
		/// Phantom.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			for (i, r) in self.registrations.iter().enumerate() {
				let registered =
					Pallet::<T>::do_register(&r.account, r.roles, r.reporter.clone(), r.memory_mib, r.bond);
				if let Err(error) = registered {
					panic!("workerRegistry.registrations[{i}] ({:?}): {error:?}", r.account);
				}
			}
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(
				T::UnbondingPeriod::get() > T::DisputeWindow::get(),
				"UnbondingPeriod {} must be longer than DisputeWindow {}: a cheater could leave before it is caught",
				T::UnbondingPeriod::get(),
				T::DisputeWindow::get()
			);
			assert!(
				T::MaxVerifiers::get() > 0,
				"MaxVerifiers is 0: nobody could verify"
			);
			assert!(
				T::ReputationHalfLife::get() > 0,
				"ReputationHalfLife is 0: records would never count"
			);
			assert!(
				T::MinWorkerBond::get() > 0 && T::MinVerifierBond::get() > 0,
				"minimum bonds are 0: registrations would be free and unbounded"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Register the sender, holding its bond.
		///
		/// ## Dispatch Origin
		/// Signed, by the account that registers.
		///
		/// ## Details
		/// `memory_mib` is the device memory that tasks may need. The bond must be at least what the roles demand. A
		/// verifier beyond the last place must offer more than the smallest bond.
		///
		/// ## Errors
		/// [`Error::AlreadyRegistered`], [`Error::NoRole`], [`Error::ReporterTaken`], [`Error::BondTooLow`],
		/// [`Error::TooManyVerifiers`], or why the bond could not be held.
		///
		/// ## Events
		/// [`Event::Registered`], [`Event::VerifierDisplaced`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register(T::MaxVerifiers::get()))]
		pub fn register(
			origin: OriginFor<T>,
			roles: Roles,
			reporter: ReporterId,
			memory_mib: u32,
			#[pallet::compact] bond: Balance,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::do_register(&account, roles, reporter, memory_mib, bond)
		}

		/// Change roles, report key or declared memory; what is `None` stays.
		///
		/// ## Dispatch Origin
		/// Signed, by a registered account.
		///
		/// ## Details
		/// A key can be replaced at any time (it may have been stolen); reports signed with the old one are void at once.
		/// A role can be given up only when nothing of it is unfinished.
		///
		/// ## Errors
		/// [`Error::NotRegistered`], [`Error::Leaving`], [`Error::NoRole`], [`Error::ReporterTaken`],
		/// [`Error::BondTooLow`], [`Error::HasObligations`], [`Error::TooManyVerifiers`].
		///
		/// ## Events
		/// [`Event::Updated`], [`Event::VerifierDisplaced`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::update(T::MaxVerifiers::get()))]
		pub fn update(
			origin: OriginFor<T>,
			roles: Option<Roles>,
			reporter: Option<ReporterId>,
			memory_mib: Option<u32>,
		) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::counting_workers(&account, || {
				Self::do_update(&account, roles, reporter, memory_mib)
			})
		}

		/// Add to the bond.
		///
		/// ## Dispatch Origin
		/// Signed, by a registered account.
		///
		/// ## Errors
		/// [`Error::NotRegistered`], [`Error::Leaving`], or why it could not be held.
		///
		/// ## Events
		/// [`Event::Bonded`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::bond_more())]
		pub fn bond_more(origin: OriginFor<T>, #[pallet::compact] amount: Balance) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::counting_workers(&account, || Self::do_bond_more(&account, amount))
		}

		/// Begin to withdraw a part of the bond.
		///
		/// ## Dispatch Origin
		/// Signed, by a registered account.
		///
		/// ## Details
		/// It is free after the unbonding period. What was unbonded before and not withdrawn is added, and the period
		/// begins anew for all of it.
		///
		/// ## Errors
		/// [`Error::NotRegistered`], [`Error::Leaving`], [`Error::BondTooLow`] if less remained than the roles demand.
		///
		/// ## Events
		/// [`Event::Unbonding`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::unbond())]
		pub fn unbond(origin: OriginFor<T>, #[pallet::compact] amount: Balance) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::counting_workers(&account, || Self::do_unbond(&account, amount))
		}

		/// Give up all roles and begin to withdraw the whole bond.
		///
		/// ## Dispatch Origin
		/// Signed, by a registered account.
		///
		/// ## Errors
		/// [`Error::NotRegistered`], [`Error::Leaving`], [`Error::HasObligations`].
		///
		/// ## Events
		/// [`Event::Leaving`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::deregister())]
		pub fn deregister(origin: OriginFor<T>) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::counting_workers(&account, || Self::do_deregister(&account))
		}

		/// Release what was unbonded, after the unbonding period. Ends the registration of an account that is leaving.
		///
		/// ## Dispatch Origin
		/// Signed, by a registered account.
		///
		/// ## Errors
		/// [`Error::NotRegistered`], [`Error::NothingToWithdraw`], [`Error::HasObligations`], [`Error::StillLocked`].
		///
		/// ## Events
		/// [`Event::Withdrawn`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
			let account = ensure_signed(origin)?;
			Self::do_withdraw(&account)
		}
	}
}
