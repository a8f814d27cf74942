// SPDX-License-Identifier: Apache-2.0

//! # Proof verification
//!
//! Decides whether an attested result is right, by having verifiers re-execute sampled segments of it.
//!
//! ```text
//! attest → Beacon → Voting ⟲ (silence, split votes, nobody there) → Decided
//! ```
//!
//! - **Attestation.** Feeless, signed by the worker's report key. The bond must cover what the worker could gain by
//!   cheating at its rate of sampling ([`poaiw_primitives::worker::required_bond`]), besides its other pending results.
//! - **Beacon.** The tickets of [`BEACON_SEALS`] seals, all later than the attestation, draw the sample ([`sampling`]):
//!   segments that seals name come first, then one early, one late and the last, then any.
//! - **Votes.** The runtime names verifiers by bond. Silence costs and is replaced. As long as the votes on a segment are
//!   not all in favour, more verifiers are asked; then the rule of [`tally`] decides. No votes means no decision: the
//!   segment is drawn again, and at last the task goes back to the market; nothing is ever accepted by waiting.
//! - **Verdict.** A faulty segment costs the worker its bond (half goes to the verifiers who found it) and the task goes
//!   back to the market; a right result is settled.
//! - **Retention.** The last attestation of a task, its votes, and the seals that named an accepted one are kept for as long as
//!   the market keeps the task ([`poaiw_primitives::traits::Verification::on_forgotten`]).
//!
//! Not here yet, by design: verifiers choosing themselves by VRF comes before [`sampling::pick_verifier`]; the dispute
//! game takes the place of the rule in [`tally::Tally::finding`] for segments on which votes differ; decoys (planted wrong
//! segments that catch verifiers who accept without looking) are further checks without attestation.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
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

mod attest;
mod beacon;
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
mod events;
#[cfg(test)]
#[allow(dead_code)] // shared with task-market, each uses a part
#[path = "../../task-market/src/mock/mod.rs"]
mod mock;
mod offchain;
mod rounds;
pub mod sampling;
pub mod tally;
#[cfg(test)]
mod tests;
mod try_state;
pub mod types;
mod verdict;
mod views;
mod vote;
pub mod weights;

#[cfg(test)]
use crate as pallet_proof_verification;
// The mock, which both pallets share, finds either of them in this crate.
#[cfg(test)]
#[allow(clippy::single_component_path_imports)]
use pallet_task_market;

pub use beacon::BEACON_SEALS;
pub use pallet::*;
pub use weights::WeightInfo;

use polkadot_sdk::{
	frame_support::{self, pallet_macros::import_section},
	frame_system, sp_runtime,
};

/// Target of log lines.
pub(crate) const LOG: &str = "runtime::proof-verification";

// FRAME's macros expand to `expect()`; code of this project does not.
#[allow(clippy::expect_used)]
#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use crate::types::{Check, Claims, Due, Finding, Outcome, Record};
	use frame_support::pallet_prelude::*;
	use frame_system::{offchain::CreateAuthorizedTransaction, pallet_prelude::*};
	use poaiw_primitives::{
		app::ReporterSignature,
		outbox::SignedReport,
		task::Verdict,
		traits::{Market, Registry, Slash, UsefulWork},
		AccountId, Balance, BlockNumber, Hash, Hash32, TaskId,
	};
	use sp_runtime::{DispatchError, Permill};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// The runtime must have `frame_system::AuthorizeCall` among its transaction extensions.
	#[pallet::config]
	pub trait Config:
		CreateAuthorizedTransaction<Call<Self>>
		+ polkadot_sdk::frame_system::Config<
			AccountId = AccountId,
			Hash = Hash,
			RuntimeEvent: From<Event<Self>>,
		>
	{
		/// Workers, verifiers and their bonds.
		type Registry: Registry;
		/// Taking bonds.
		type Slash: Slash;
		/// The market.
		type Market: Market;
		/// Rewards of verifiers.
		type UsefulWork: UsefulWork;

		/// Blocks between an attestation and the first seal of its beacon.
		#[pallet::constant]
		type BeaconDelay: Get<BlockNumber>;
		/// Blocks that a verifier has for its vote.
		#[pallet::constant]
		type VoteWindow: Get<BlockNumber>;
		/// Most segments sampled of one attestation.
		#[pallet::constant]
		type MaxSampled: Get<u32>;
		/// Most verifiers that a task may ask for per segment.
		#[pallet::constant]
		type MaxVerifiers: Get<u32>;
		/// How often more verifiers are named for a segment after the first time.
		#[pallet::constant]
		type MaxRounds: Get<u32>;
		/// How often a segment on which nobody voted is given to an entirely new set, before the task goes back.
		#[pallet::constant]
		type MaxRedraws: Get<u32>;
		/// Most attestations that wait for their verdict.
		#[pallet::constant]
		type MaxPending: Get<u32>;
		/// Attestations looked at in one block (draws and late votes).
		#[pallet::constant]
		type DuePerBlock: Get<u32>;
		/// Claims of seals kept per task.
		#[pallet::constant]
		type MaxClaims: Get<u32>;

		/// Safety factor on the bond that an attestation needs.
		#[pallet::constant]
		type ExposureMargin: Get<u32>;
		/// Least part of a bond that answers for one attestation.
		#[pallet::constant]
		type MinExposure: Get<Balance>;
		/// Part of the bond that a proven fault costs (at least what answered for the attestation).
		#[pallet::constant]
		type FaultSlash: Get<Permill>;
		/// Part of the bond that withheld artifacts cost.
		#[pallet::constant]
		type WithheldSlash: Get<Permill>;
		/// Part of the bond that silence costs a verifier.
		#[pallet::constant]
		type SilenceSlash: Get<Permill>;
		/// Part of the bond that a vote against the finding costs a verifier.
		#[pallet::constant]
		type MinoritySlash: Get<Permill>;
		/// Whether a worker that is the only verifier may judge itself. For development chains only.
		#[pallet::constant]
		type AllowSelfVerification: Get<bool>;

		/// Priority of attestations and votes in the pool.
		#[pallet::constant]
		type ReportPriority: Get<TransactionPriority>;
		/// Weights of the calls and hooks.
		type WeightInfo: WeightInfo;
	}

	/// The current or last attestation of a task. Kept for as long as the market keeps the task.
	#[pallet::storage]
	pub type Records<T: Config> = StorageMap<_, Twox64Concat, TaskId, Record>;

	/// The sampled segments of the attestations in [`Records`].
	#[pallet::storage]
	pub type Checks<T: Config> = StorageDoubleMap<_, Twox64Concat, TaskId, Twox64Concat, u32, Check>;

	/// Undecided attestations.
	#[pallet::storage]
	pub type Pending<T: Config> = StorageValue<_, BoundedVec<Due, T::MaxPending>, ValueQuery>;

	/// Votes that are due, by verifier.
	#[pallet::storage]
	pub type AssignmentsOf<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Twox64Concat, (TaskId, u32), ()>;

	/// Part of a worker's bond that answers for undecided attestations.
	#[pallet::storage]
	pub type Exposure<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Balance, ValueQuery>;

	/// What seals claim of the tasks under lease.
	#[pallet::storage]
	pub type SealClaims<T: Config> = StorageMap<_, Twox64Concat, TaskId, Claims>;

	/// Tickets of the last seals, by height of the sealed block.
	#[pallet::storage]
	pub type Tickets<T: Config> = StorageMap<_, Twox64Concat, BlockNumber, Hash32>;

	/// Mix of all tickets so far.
	#[pallet::storage]
	pub type Mix<T: Config> = StorageValue<_, Hash32, ValueQuery>;

	/// Seals that named the task in the lease whose result was accepted: (height of the sealed block, segment).
	#[pallet::storage]
	pub type AcceptedSeals<T: Config> =
		StorageMap<_, Twox64Concat, TaskId, BoundedVec<(BlockNumber, u32), T::MaxClaims>, ValueQuery>;

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_n: BlockNumberFor<T>) -> Weight {
			let looked = Self::process_due(Self::now(), T::DuePerBlock::get());
			// The work of `on_parent_seal` later in this block is accounted for here: it has no weight of its own.
			T::WeightInfo::on_initialize(looked).saturating_add(T::WeightInfo::on_parent_seal())
		}

		fn offchain_worker(_n: BlockNumberFor<T>) {
			Self::send_reports(Self::now());
		}

		fn integrity_test() {
			assert!(T::VoteWindow::get() > 0, "VoteWindow must be more than zero");
			assert!(
				T::MaxSampled::get() >= poaiw_primitives::worker::ALWAYS_SAMPLED,
				"MaxSampled"
			);
			assert!(T::MaxSampled::get() <= crate::types::SAMPLED_BOUND, "MaxSampled");
			assert!(
				T::MaxClaims::get() > 0 && T::MaxClaims::get() <= crate::types::CLAIMS_BOUND,
				"MaxClaims"
			);
			let extra = T::MaxVerifiers::get().max(crate::rounds::ESCALATION);
			let named = T::MaxVerifiers::get().saturating_add(extra.saturating_mul(T::MaxRounds::get()));
			assert!(
				T::MaxVerifiers::get() > 0 && named <= crate::types::VOTERS_BOUND,
				"too many voters possible"
			);
			assert!(
				T::MaxPending::get() > 0 && T::DuePerBlock::get() > 0,
				"bounds must be more than zero"
			);
			assert!(
				T::ExposureMargin::get() > 0,
				"ExposureMargin must be more than zero"
			);
			// Tickets must still be known when the last of all pending attestations gets its turn.
			let wait = T::MaxPending::get().div_ceil(T::DuePerBlock::get());
			let needed = wait
				.saturating_add(T::BeaconDelay::get())
				.saturating_add(BEACON_SEALS);
			assert!(
				needed < crate::beacon::TICKET_HISTORY,
				"tickets are forgotten before they are used"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// State the result of a leased task. Feeless; authorised by the report key of the worker.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::attest())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_attest())]
		#[pallet::authorize(Self::authorize_attest)]
		pub fn attest(
			origin: OriginFor<T>,
			report: SignedReport,
			// Checked by `authorize_attest`.
			_signature: ReporterSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_attest(&report)
		}

		/// Say what re-executing an assigned segment gave. Feeless; authorised by the report key of the verifier.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::vote().max(T::WeightInfo::vote_ends()))]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_vote())]
		#[pallet::authorize(Self::authorize_vote)]
		pub fn vote(
			origin: OriginFor<T>,
			report: SignedReport,
			// Checked by `authorize_vote`.
			_signature: ReporterSignature,
		) -> DispatchResultWithPostInfo {
			ensure_authorized(origin)?;
			// Few votes end a verification, which costs far more than counting one.
			let weight = if Self::do_vote(&report)? {
				T::WeightInfo::vote_ends()
			} else {
				T::WeightInfo::vote()
			};
			Ok(Some(weight).into())
		}
	}
}

impl<T: Config> Pallet<T> {
	/// Height of the current block.
	pub(crate) fn now() -> poaiw_primitives::BlockNumber {
		use sp_runtime::SaturatedConversion;
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	/// Hash of the genesis block, to which report signatures are bound.
	pub(crate) fn genesis() -> T::Hash {
		use sp_runtime::traits::Zero;
		frame_system::Pallet::<T>::block_hash(frame_system::pallet_prelude::BlockNumberFor::<T>::zero())
	}
}
