// SPDX-License-Identifier: Apache-2.0

//! # Task market
//!
//! Requesters post AI tasks, workers lease them, results that verification accepts are paid.
//!
//! ```text
//! post → Open ⇄ Leased → Attested → Settled
//!          │       │          └→ (rejected) Open
//!          └───────┴→ Expired, Cancelled
//! ```
//!
//! - **Escrow.** `max_price` is held on the requester's own account ([`HoldReason::Task`]) for as long as the task lives;
//!   every end of a task releases or pays all of it.
//! - **Price.** `started GMACs · (base fee + tip)`, fixed by the lease. The base fee follows the use of the workers
//!   ([`pricing`]) and is burned, the tip is the worker's.
//! - **Order.** Open tasks wait in buckets by the logarithm of their tip, in each by age ([`Pallet::next_task`]).
//! - **Leases** and heartbeats are feeless: they are authorised by the signature of the account's registered report key and
//!   sent by the off-chain worker of this pallet. A lease's seed comes from the seal of the block that carries it, so
//!   nobody can choose it.
//! - **Time.** Deadlines are looked at from a bounded agenda, heartbeats by a bounded walk over the running leases; what
//!   does not fit in a block is done in the next ones.
//! - **Retention.** Of ended tasks the last [`Config::KeepEnded`] are kept, with all that a requester needs to fetch and check a
//!   result: seed, worker, price here, attestation and seals in verification, which forgets a task together with the market.
//!
//! Not here yet, by design: a locality bonus among equal tips belongs into [`Pallet::next_task`]; leasing a straggler's task
//! a second time near the deadline belongs into `lease`.
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

mod authorize;
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
mod book;
mod events;
mod integrity;
mod lifecycle;
#[cfg(test)]
#[allow(dead_code)] // shared with proof-verification, each uses a part
mod mock;
mod offchain;
mod posting;
pub mod pricing;
#[cfg(test)]
mod tests;
mod try_state;
pub mod types;
mod views;
pub mod weights;

#[cfg(test)]
use crate as pallet_task_market;
pub use pallet::*;
// The mock, which both pallets share, finds either of them in this crate.
#[cfg(test)]
#[allow(clippy::single_component_path_imports)]
use pallet_proof_verification;
pub use weights::WeightInfo;

use polkadot_sdk::{
	frame_support::{self, pallet_macros::import_section},
	frame_system, sp_runtime,
};

/// Target of log lines.
pub(crate) const LOG: &str = "runtime::task-market";

// FRAME's macros expand to `expect()`; code of this project does not.
#[allow(clippy::expect_used)]
#[import_section(events::events)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use crate::types::{ExpiryReason, FeeState, LeaseEnd, PendingSeed, Task};
	use frame_support::{pallet_prelude::*, traits::fungible};
	use frame_system::{offchain::CreateAuthorizedTransaction, pallet_prelude::*};
	use poaiw_primitives::{
		app::ReporterSignature,
		outbox::SignedReport,
		task::TaskSpec,
		traits::{AttestationCheck, BurnLedger, Registry, Slash, UsefulWork, Verification},
		AccountId, Balance, BlockNumber, Hash, TaskId,
	};
	use sp_runtime::Permill;

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
		/// Where the tokens of requesters are held.
		type Currency: fungible::hold::Mutate<AccountId, Reason = Self::RuntimeHoldReason>
			+ fungible::Inspect<AccountId, Balance = Balance>;
		/// Reasons of holds of the runtime.
		type RuntimeHoldReason: From<HoldReason>;
		/// Workers and their bonds.
		type Registry: Registry;
		/// Taking bonds (lost leases).
		type Slash: Slash;
		/// Verification of results.
		type Verification: Verification + AttestationCheck;
		/// Rewards that depend on verified work.
		type UsefulWork: UsefulWork;
		/// The supply.
		type BurnLedger: BurnLedger;

		/// Lowest base fee per GMAC, and the one at genesis; more than zero.
		#[pallet::constant]
		type MinBaseFee: Get<Balance>;
		/// Step of the base fee in one block at full use; at most [`crate::pricing::MAX_STEP`].
		#[pallet::constant]
		type BaseFeeStep: Get<Permill>;
		/// Share of leased workers at which the base fee rests; between 0 and 100 %, exclusively.
		#[pallet::constant]
		type UtilisationTarget: Get<Permill>;
		/// Blocks over which the share of leased workers is smoothed.
		#[pallet::constant]
		type UtilisationWindow: Get<u32>;
		/// GMACs that one worker is expected to do in one block: what quotes, waits and the cost of cancelling count with.
		#[pallet::constant]
		type WorkerRate: Get<u64>;

		/// Least `max_price` of a task, which makes filling the market expensive.
		#[pallet::constant]
		type MinPrice: Get<Balance>;
		/// Most MACs of a task.
		#[pallet::constant]
		type MaxMacs: Get<u64>;
		/// Most MACs of a segment on average. A verifier re-executes whole segments within its vote window, so a task with
		/// larger ones could not be checked in time.
		#[pallet::constant]
		type MaxSegmentMacs: Get<u64>;
		/// Fewest blocks from post to deadline.
		#[pallet::constant]
		type MinDuration: Get<BlockNumber>;
		/// Most blocks from post to deadline.
		#[pallet::constant]
		type MaxDuration: Get<BlockNumber>;
		/// Most segments that a task may ask to have sampled: the bound of proof-verification.
		#[pallet::constant]
		type MaxSampled: Get<u32>;
		/// Most verifiers that a task may ask for.
		#[pallet::constant]
		type MaxVerifiers: Get<u32>;

		/// Blocks after which the off-chain worker sends the next heartbeat.
		#[pallet::constant]
		type HeartbeatPeriod: Get<BlockNumber>;
		/// Blocks without heartbeat after which a lease is lost.
		#[pallet::constant]
		type HeartbeatTimeout: Get<BlockNumber>;
		/// Part of the bond that a lost lease costs.
		#[pallet::constant]
		type LostLeaseSlash: Get<Permill>;
		/// Leases after which a task that still has no accepted result expires.
		#[pallet::constant]
		type MaxAttempts: Get<u32>;

		/// Most live tasks in one bucket of tips.
		#[pallet::constant]
		type BucketSize: Get<u32>;
		/// Most tasks filed under one block of the deadline agenda.
		#[pallet::constant]
		type AgendaSize: Get<u32>;
		/// Deadlines looked at in one block.
		#[pallet::constant]
		type AgendaPerBlock: Get<u32>;
		/// Most leases that run at a time.
		#[pallet::constant]
		type MaxLeases: Get<u32>;
		/// Most leases that can begin in one block.
		#[pallet::constant]
		type MaxNewLeases: Get<u32>;
		/// Running leases whose heartbeat is looked at in one block.
		#[pallet::constant]
		type LeaseChecksPerBlock: Get<u32>;
		/// Tasks that `next_task` looks at (outside of blocks).
		#[pallet::constant]
		type MaxWalk: Get<u32>;
		/// Ended tasks that are kept for reading, here and by verification: the last so many; more than zero.
		#[pallet::constant]
		type KeepEnded: Get<u32>;

		/// Priority of leases and heartbeats in the pool.
		#[pallet::constant]
		type ReportPriority: Get<TransactionPriority>;
		/// Weights of the calls and hooks.
		type WeightInfo: WeightInfo;
	}

	/// Why tokens of an account are held by this pallet.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Price of live tasks.
		#[codec(index = 0)]
		Task,
	}

	/// Number of the next task.
	#[pallet::storage]
	pub type NextTask<T: Config> = StorageValue<_, TaskId, ValueQuery>;

	/// All live tasks and the last [`Config::KeepEnded`] ended ones.
	#[pallet::storage]
	pub type Tasks<T: Config> = StorageMap<_, Twox64Concat, TaskId, Task>;

	/// Open tasks by bucket of their tip, oldest first.
	#[pallet::storage]
	pub type Buckets<T: Config> =
		StorageMap<_, Twox64Concat, u8, BoundedVec<TaskId, T::BucketSize>, ValueQuery>;

	/// Live tasks (open, leased, attested) by bucket: a place is kept for each, so that it can always come back.
	#[pallet::storage]
	pub type BucketLoad<T: Config> = StorageMap<_, Twox64Concat, u8, u32, ValueQuery>;

	/// Bit `b` is set while bucket `b` has open tasks.
	#[pallet::storage]
	pub type OpenBuckets<T: Config> = StorageValue<_, u128, ValueQuery>;

	/// Tasks by the block at which their deadline is looked at.
	#[pallet::storage]
	pub type Agenda<T: Config> =
		StorageMap<_, Twox64Concat, BlockNumber, BoundedVec<TaskId, T::AgendaSize>, ValueQuery>;

	/// First block of the agenda that is not done yet.
	#[pallet::storage]
	pub type AgendaCursor<T: Config> = StorageValue<_, BlockNumber, ValueQuery>;

	/// Tasks under a lease that is not attested yet, in no particular order.
	#[pallet::storage]
	pub type Running<T: Config> = StorageValue<_, BoundedVec<TaskId, T::MaxLeases>, ValueQuery>;

	/// Place in [`Running`] at which the next look at heartbeats begins.
	#[pallet::storage]
	pub type RunningCursor<T: Config> = StorageValue<_, u32, ValueQuery>;

	/// The running lease of a worker.
	#[pallet::storage]
	pub type LeaseOf<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, TaskId>;

	/// Leases that wait for the seal of their block.
	#[pallet::storage]
	pub type PendingSeeds<T: Config> = StorageValue<_, BoundedVec<PendingSeed, T::MaxNewLeases>, ValueQuery>;

	/// Base fee and utilisation; `None` before block 1.
	#[pallet::storage]
	pub type Fee<T: Config> = StorageValue<_, FeeState>;

	/// Ended tasks that are kept, by running number.
	#[pallet::storage]
	pub type Ended<T: Config> = StorageMap<_, Twox64Concat, u64, TaskId>;

	/// First and next running number of [`Ended`].
	#[pallet::storage]
	pub type EndedRange<T: Config> = StorageValue<_, (u64, u64), ValueQuery>;

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_n: BlockNumberFor<T>) -> Weight {
			let now = Self::now();
			Self::update_fee();
			let deadlines = Self::process_deadlines(now, T::AgendaPerBlock::get());
			let (looks, lost) = Self::process_heartbeats(now, T::LeaseChecksPerBlock::get());
			// The work of `on_parent_seal` later in this block is accounted for here: it has no weight of its own.
			T::WeightInfo::on_initialize(deadlines, looks, lost)
				.saturating_add(T::WeightInfo::on_parent_seal(T::MaxNewLeases::get()))
		}

		fn on_idle(_n: BlockNumberFor<T>, remaining: Weight) -> Weight {
			// Deadlines carried over from full blocks: as many as fit, within the bound of one more batch.
			let one = T::WeightInfo::on_initialize(1, 0, 0);
			let fit = remaining.checked_div_per_component(&one).unwrap_or(0);
			let budget = u32::try_from(fit)
				.unwrap_or(u32::MAX)
				.min(T::AgendaPerBlock::get());
			if budget == 0 || AgendaCursor::<T>::get() > Self::now() {
				return Weight::zero();
			}
			one.saturating_mul(u64::from(Self::process_deadlines(Self::now(), budget)))
		}

		fn offchain_worker(_n: BlockNumberFor<T>) {
			Self::send_reports(Self::now());
		}

		fn integrity_test() {
			Self::check_config();
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Post a task. Holds `spec.max_price` of the caller until the task ends.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::post())]
		pub fn post(origin: OriginFor<T>, spec: TaskSpec) -> DispatchResult {
			let requester = ensure_signed(origin)?;
			Self::do_post(requester, spec)
		}

		/// Withdraw a task of the caller. Free while nobody works on it; under a lease it costs the part of the price that
		/// the blocks since the lease are of the blocks the task is expected to take (all of it from there on). Impossible
		/// while a result waits for its verdict.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::cancel())]
		pub fn cancel(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
			let requester = ensure_signed(origin)?;
			Self::do_cancel(requester, task)
		}

		/// Take a task. Feeless; authorised by the report key of the worker.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::lease())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_lease())]
		#[pallet::authorize(Self::authorize_lease)]
		pub fn lease(
			origin: OriginFor<T>,
			report: SignedReport,
			// Checked by `authorize_lease`.
			_signature: ReporterSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_lease(&report)
		}

		/// Say that a lease is being worked on. Feeless; authorised by the report key of the worker.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::heartbeat())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_heartbeat())]
		#[pallet::authorize(Self::authorize_heartbeat)]
		pub fn heartbeat(
			origin: OriginFor<T>,
			report: SignedReport,
			// Checked by `authorize_heartbeat`.
			_signature: ReporterSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_heartbeat(&report)
		}
	}
}

impl<T: Config> Pallet<T> {
	/// Height of the current block.
	pub(crate) fn now() -> poaiw_primitives::BlockNumber {
		use sp_runtime::SaturatedConversion;
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	/// Base fee per GMAC and smoothed utilisation.
	pub(crate) fn fee() -> types::FeeState {
		use frame_support::traits::Get;
		Fee::<T>::get().unwrap_or_else(|| types::FeeState {
			base_fee: T::MinBaseFee::get(),
			utilisation: T::UtilisationTarget::get(),
		})
	}
}
