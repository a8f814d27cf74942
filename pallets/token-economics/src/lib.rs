// SPDX-License-Identifier: Apache-2.0

//! Emission, block rewards, useful shares and credit, and the ledger of the supply.
//!
//! ## Overview
//!
//! **The parent-seal inherent.** A runtime never sees seals. The first thing in every block is therefore
//! [`Pallet::note_parent_seal`]: a summary of the parent's seal, which nodes derive from the parent's header and compare
//! on import. It must be there exactly once, otherwise the block is invalid. It rewards the author of the parent and
//! tells [`Config::OnParentSeal`] about the seal.
//!
//! **Emission.** A block mints `yearly rate · (cap − issuance − verifiers' pool) / blocks per year`; the remainder of the
//! division is carried to the next block. It counts blocks, never time, so no clock can mint. The reward is split
//! ([`types::Split`]):
//!
//! - *base*: minted to the author's payout account at once;
//! - *useful*: if the seal lies in a task that the author had on lease, minted and held on the payout account
//!   ([`HoldReason::UsefulShare`]) until the task is settled. In all other cases it is burned at once: it is counted as
//!   minted and as burned, and no account ever has it;
//! - *verifiers*: added to [`VerifierPool`], a counter and not an account: nothing is minted before a verifier's vote
//!   earned it, so there is no pot to be robbed. One vote earns a fixed fraction of the pool, at most one block's share;
//! - *public good*: minted to [`Pallet::treasury`].
//!
//! **Useful credit.** Settling a task of W verified multiply-accumulates grants its worker
//! `W / expected work of a block · useful share of a block`, what one honest pass earns on average, but never more than
//! the burned base fee times `useful_cap`. Held shares of settled tasks are released out of this credit, oldest first.
//! So running one product again and again, or sealing in a task with fewer products than luck asks for, earns nothing
//! more, and faking demand costs base fees. Shares that are not released [`Config::ReleaseWindow`] blocks after their
//! seal are burned; credit lives as long. If a lease fails, the shares of its seals are burned.
//!
//! Which seals count for a task is [`poaiw_primitives::traits::LeasedTask::takes_claim`], the rule by which verification
//! takes claims too: a share is never held for operands that nobody would check.
//!
//! ## The ledger
//!
//! `genesis + minted − burned = total issuance` holds after every block ([`Pallet::supply`]). Who destroys tokens
//! elsewhere reports it through [`BurnLedger`]; fees and dust go through [`BurnFees`]. The runtime must filter calls
//! that change the issuance behind the ledger's back: `pallet_balances::Call::{burn, force_set_balance,
//! force_adjust_total_issuance}`.
//!
//! [`BurnLedger`]: poaiw_primitives::traits::BurnLedger
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
mod emission;
mod events;
mod ledger;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
mod useful;
pub mod weights;

pub use ledger::BurnFees;
pub use pallet::*;
pub use types::{CreditLot, Parameters, Share, ShareOutcome, Split, TaskShare, Totals};
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
	use frame_support::{
		inherent::{InherentData, InherentIdentifier, ProvideInherent},
		pallet_prelude::*,
		traits::fungible::{Balanced, Mutate, MutateHold},
		PalletId,
	};
	use frame_system::pallet_prelude::*;
	use poaiw_primitives::{
		digest::{self, Author},
		inherent::{InherentError, INHERENT_IDENTIFIER},
		AccountId, Balance, BlockNumber, TaskId,
	};
	use poaiw_work::summary::SealSummary;
	use sp_runtime::traits::SaturatedConversion;
	use types::MaxCreditLots;

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Configuration.
	#[pallet::config]
	pub trait Config:
		polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId = AccountId>
	{
		/// Hold reasons of the runtime.
		type RuntimeHoldReason: From<HoldReason>;
		/// The native token.
		type Currency: Mutate<AccountId, Balance = Balance>
			+ MutateHold<AccountId, Reason = Self::RuntimeHoldReason>
			+ Balanced<AccountId>;
		/// Knows who has which task on lease.
		type Market: traits::Market;
		/// Knows the expected work of a block.
		type WorkTarget: traits::WorkTarget;
		/// Told about the seal of each parent.
		type OnParentSeal: traits::OnParentSeal;
		/// From which the account for public-good tasks is derived.
		#[pallet::constant]
		type PalletId: Get<PalletId>;
		/// Blocks after which a held share is burned and credit expires.
		#[pallet::constant]
		type ReleaseWindow: Get<BlockNumber>;
		/// Most held shares of one task, and of the settled tasks of one worker. Seals beyond it earn no useful share.
		#[pallet::constant]
		type MaxShares: Get<u32>;
		/// One rewarded vote earns the pool divided by this.
		#[pallet::constant]
		type VotesPerPool: Get<u32>;
		/// Weights of calls and hooks.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Useful share of a sealed block, until its task is settled.
		#[codec(index = 0)]
		UsefulShare,
	}

	/// Cap, rate, split and bound of credit.
	#[pallet::storage]
	pub type CurrentParameters<T: Config> = StorageValue<_, Parameters, ValueQuery>;

	/// Issuance at genesis; recorded by the first block.
	#[pallet::storage]
	pub type GenesisIssuance<T: Config> = StorageValue<_, Balance, OptionQuery>;

	/// What was minted and burned since.
	#[pallet::storage]
	pub type CurrentTotals<T: Config> = StorageValue<_, Totals, ValueQuery>;

	/// Remainder of the last division of the emission.
	#[pallet::storage]
	pub type EmissionCarry<T: Config> = StorageValue<_, u128, ValueQuery>;

	/// What verifiers may still earn; not minted yet.
	#[pallet::storage]
	pub type VerifierPool<T: Config> = StorageValue<_, Balance, ValueQuery>;

	/// Author of the last block, to be rewarded in the next.
	#[pallet::storage]
	pub type LastAuthor<T: Config> = StorageValue<_, Author, OptionQuery>;

	/// Whether this block has noted the seal of its parent.
	#[pallet::storage]
	pub type SealNoted<T: Config> = StorageValue<_, bool, ValueQuery>;

	/// Held share of each sealed block; at most one for each block of the release window. Twox: heights aren't chosen.
	#[pallet::storage]
	pub type Shares<T: Config> = StorageMap<_, Twox64Concat, BlockNumber, Share, OptionQuery>;

	/// Blocks with a held share of a task that is not settled. Twox: task numbers aren't chosen.
	#[pallet::storage]
	pub type TaskShares<T: Config> =
		StorageMap<_, Twox64Concat, TaskId, TaskShare<T::MaxShares>, OptionQuery>;

	/// Blocks with a held share of a settled task, that wait for credit of the worker, oldest first.
	#[pallet::storage]
	pub type ProvenShares<T: Config> =
		StorageMap<_, Blake2_128Concat, AccountId, BoundedVec<BlockNumber, T::MaxShares>, ValueQuery>;

	/// Useful credit of each worker, the first to expire first.
	#[pallet::storage]
	pub type Credits<T: Config> =
		StorageMap<_, Blake2_128Concat, AccountId, BoundedVec<CreditLot, MaxCreditLots>, ValueQuery>;

	/// Parameters of a new chain.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Cap, rate, split and bound of credit.
		pub parameters: Parameters,
		/// Phantom.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if let Err(error) = Pallet::<T>::validate(&self.parameters) {
				panic!("tokenEconomics.parameters: {error:?} in {:?}", self.parameters);
			}
			CurrentParameters::<T>::put(self.parameters);
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(n: BlockNumberFor<T>) -> Weight {
			Self::record_genesis();
			Self::expire_share(n.saturated_into());
			T::WeightInfo::on_initialize()
		}

		/// # Panics
		/// If the block has no parent-seal inherent or its header names no author: the block is invalid.
		fn on_finalize(_: BlockNumberFor<T>) {
			assert!(
				SealNoted::<T>::take(),
				"the seal of the parent must be noted once in the block"
			);
			let author = digest::author(&frame_system::Pallet::<T>::digest());
			assert!(
				author.is_some(),
				"the header must name author and payout account in its pre-runtime digest"
			);
			LastAuthor::<T>::set(author);
		}

		fn integrity_test() {
			assert!(
				T::ReleaseWindow::get() > 0,
				"ReleaseWindow is 0: no share could ever be released"
			);
			assert!(
				T::MaxShares::get() > 0,
				"MaxShares is 0: no share could ever be held"
			);
			assert!(T::VotesPerPool::get() > 0, "VotesPerPool is 0: use 1 or more");
			assert!(
				Parameters::default().split.is_whole(),
				"the default split is not 100 %"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Note the seal of the parent block; rewards its author.
		///
		/// ## Dispatch Origin
		/// None: an inherent. Nodes compare it with the parent's header.
		///
		/// ## Errors
		/// Any error makes the block invalid: [`Error::AlreadyNoted`], [`Error::SealMissing`], [`Error::SealOfGenesis`].
		///
		/// ## Events
		/// [`Event::BlockRewarded`].
		#[pallet::call_index(0)]
		#[pallet::weight((T::WeightInfo::note_parent_seal(), DispatchClass::Mandatory))]
		pub fn note_parent_seal(origin: OriginFor<T>, summary: Option<SealSummary>) -> DispatchResult {
			ensure_none(origin)?;
			ensure!(!SealNoted::<T>::get(), Error::<T>::AlreadyNoted);
			SealNoted::<T>::put(true);
			let height: BlockNumber = frame_system::Pallet::<T>::block_number().saturated_into();
			match (height.saturating_sub(1), summary) {
				(0, None) => Ok(()),
				(0, Some(_)) => Err(Error::<T>::SealOfGenesis.into()),
				(_, None) => Err(Error::<T>::SealMissing.into()),
				(parent, Some(summary)) => {
					Self::reward_parent(parent, &summary);
					Ok(())
				}
			}
		}

		/// Change cap, rate, split or bound of credit.
		///
		/// ## Dispatch Origin
		/// Root.
		///
		/// ## Errors
		/// [`Error::SplitNotWhole`], [`Error::CapTooLarge`], [`Error::YearWithoutBlocks`].
		///
		/// ## Events
		/// [`Event::ParametersSet`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::set_parameters())]
		pub fn set_parameters(origin: OriginFor<T>, parameters: Parameters) -> DispatchResult {
			ensure_root(origin)?;
			Self::validate(&parameters)?;
			CurrentParameters::<T>::put(parameters);
			// The carry is in units of the old divisor; less than one smallest unit is given up.
			EmissionCarry::<T>::kill();
			Self::deposit_event(Event::ParametersSet { parameters });
			Ok(())
		}
	}

	#[pallet::inherent]
	impl<T: Config> ProvideInherent for Pallet<T> {
		type Call = Call<T>;
		type Error = InherentError;
		const INHERENT_IDENTIFIER: InherentIdentifier = INHERENT_IDENTIFIER;

		fn create_inherent(data: &InherentData) -> Option<Self::Call> {
			// Without the data no inherent is made, and the block fails: the node has to provide it.
			let summary = data
				.get_data::<Option<SealSummary>>(&INHERENT_IDENTIFIER)
				.ok()??;
			Some(Call::note_parent_seal { summary })
		}

		fn check_inherent(call: &Self::Call, data: &InherentData) -> Result<(), Self::Error> {
			let Call::note_parent_seal { summary } = call else {
				return Ok(());
			};
			match data.get_data::<Option<SealSummary>>(&INHERENT_IDENTIFIER) {
				Ok(Some(expected)) if expected == *summary => Ok(()),
				_ => Err(InherentError::Mismatch),
			}
		}

		fn is_inherent(call: &Self::Call) -> bool {
			matches!(call, Call::note_parent_seal { .. })
		}

		fn is_inherent_required(_: &InherentData) -> Result<Option<Self::Error>, Self::Error> {
			Ok(Some(InherentError::Missing))
		}
	}
}
