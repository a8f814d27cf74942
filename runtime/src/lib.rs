// SPDX-License-Identifier: Apache-2.0

//! The PoAIW runtime: which pallets there are, how they are wired, what the node can ask.
//!
//! - [`configs`]: the `Config` of every pallet, and the constants of the chain.
//! - [`apis`]: the runtime APIs.
//! - [`genesis_config_presets`]: `development` and `local_testnet`.
//! - [`session`]: who votes on finality.
#![cfg_attr(not(feature = "std"), no_std)]
// The macros of FRAME and the generated wasm module define public items without documentation.
#![allow(missing_docs)]
// `#[frame_support::runtime]` expands to deep types.
#![recursion_limit = "512"]

extern crate alloc;

// Make the wasm binary available.
#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

pub mod apis;
pub mod configs;
pub mod genesis_config_presets;
pub mod session;

use alloc::{borrow::Cow, vec::Vec};
pub use poaiw_primitives::{
	AccountId, Address, Balance, BlockNumber, Hash, Header, Moment, Nonce, Signature, UNIT,
};
use polkadot_sdk::*;
use sp_runtime::{generic, impl_opaque_keys};
use sp_version::RuntimeVersion;

/// Name, versions and API versions of this runtime.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: Cow::Borrowed("poaiw"),
	impl_name: Cow::Borrowed("poaiw"),
	authoring_version: 1,
	spec_version: 100,
	impl_version: 1,
	apis: apis::RUNTIME_API_VERSIONS,
	transaction_version: 1,
	system_version: 1,
};

/// Types that the node needs when it does not look into transactions.
pub mod opaque {
	pub use poaiw_primitives::{Block, Header};
}

impl_opaque_keys! {
	/// Keys that take part in consensus. Only finality needs one: blocks are sealed by work, not by a key.
	pub struct SessionKeys {
		/// Finality votes.
		pub grandpa: Grandpa,
	}
}

/// What is checked of every transaction, and what is charged for it.
///
/// `AuthorizeCall` stands first: it turns a report that its pallet authorises into an origin, without account and fee.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckMortality<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);

/// Transaction of this runtime.
pub type UncheckedExtrinsic = generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What is signed.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// Block of this runtime.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// Runs blocks.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
>;

/// Storage migrations of runtime upgrades.
pub mod migrations {
	/// Run once, in one block, at the upgrade. Remove what every network has run.
	pub type SingleBlockMigrations = ();
	/// Run over several blocks, during which transactions wait.
	#[cfg(not(feature = "runtime-benchmarks"))]
	pub type MultiBlockMigrations = ();
	/// Stand-in that the benchmarks of `pallet-migrations` ask for.
	#[cfg(feature = "runtime-benchmarks")]
	pub type MultiBlockMigrations = polkadot_sdk::pallet_migrations::mock_helpers::MockedMigrations;
}

/// Composition. Inherents run in the order of the indices: time first, then the parent's seal.
#[frame_support::runtime]
mod runtime {
	use super::*;

	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Runtime>;

	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp::Pallet<Runtime>;

	#[runtime::pallet_index(2)]
	pub type Balances = pallet_balances::Pallet<Runtime>;

	#[runtime::pallet_index(3)]
	pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;

	#[runtime::pallet_index(10)]
	pub type Session = pallet_session::Pallet<Runtime>;

	#[runtime::pallet_index(11)]
	pub type Grandpa = pallet_grandpa::Pallet<Runtime>;

	#[runtime::pallet_index(20)]
	pub type Sudo = pallet_sudo::Pallet<Runtime>;

	#[runtime::pallet_index(21)]
	pub type Utility = pallet_utility::Pallet<Runtime>;

	#[runtime::pallet_index(22)]
	pub type MultiBlockMigrations = pallet_migrations::Pallet<Runtime>;

	#[runtime::pallet_index(30)]
	pub type Difficulty = pallet_difficulty::Pallet<Runtime>;

	#[runtime::pallet_index(31)]
	pub type WorkerRegistry = pallet_worker_registry::Pallet<Runtime>;

	#[runtime::pallet_index(32)]
	pub type TaskMarket = pallet_task_market::Pallet<Runtime>;

	#[runtime::pallet_index(33)]
	pub type ProofVerification = pallet_proof_verification::Pallet<Runtime>;

	#[runtime::pallet_index(34)]
	pub type TokenEconomics = pallet_token_economics::Pallet<Runtime>;
}

#[cfg(feature = "runtime-benchmarks")]
mod benches {
	use super::*;
	frame_benchmarking::define_benchmarks!(
		[frame_system, frame_system_benchmarking::Pallet::<Runtime>]
		[pallet_balances, Balances]
		[pallet_timestamp, Timestamp]
		[pallet_utility, Utility]
		[pallet_sudo, Sudo]
		[pallet_migrations, MultiBlockMigrations]
		[pallet_difficulty, Difficulty]
		[pallet_worker_registry, WorkerRegistry]
		[pallet_task_market, TaskMarket]
		[pallet_proof_verification, ProofVerification]
		[pallet_token_economics, TokenEconomics]
	);
}
