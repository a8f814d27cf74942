// SPDX-License-Identifier: Apache-2.0

//! What pallets, node, worker and client share: basic types, digests, the parent-seal inherent, off-chain reports,
//! runtime APIs, and the traits by which the pallets call one another.
//!
//! Consensus *rules* are not here: the ticket and the retarget rule are in `poaiw-work`, programs and traces in
//! `poaiw-program`, commitments in `poaiw-commitment`.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod api;
pub mod app;
pub mod digest;
pub mod economics;
pub mod inherent;
pub mod outbox;
pub mod task;
#[cfg(feature = "std")]
pub mod token;
pub mod traits;
pub mod worker;

pub use poaiw_program as program;

use polkadot_sdk::{sp_core, sp_runtime};
use sp_runtime::{
	generic,
	traits::{BlakeTwo256, IdentifyAccount, Verify},
	MultiAddress, MultiSignature, OpaqueExtrinsic,
};

/// Amount of the native token, in its smallest unit.
pub type Balance = u128;
/// Height of a block.
pub type BlockNumber = u32;
/// Milliseconds since the Unix epoch, or a span of them.
pub type Moment = u64;
/// Number of transactions an account has sent.
pub type Nonce = u32;
/// Any of the three signature schemes of the SDK.
pub type Signature = MultiSignature;
/// 32-byte account.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How transactions name an account.
pub type Address = MultiAddress<AccountId, ()>;
/// Hash of blocks and storage (BLAKE2b-256); commitments and tickets use BLAKE2s, see `poaiw-commitment`.
pub type Hash = sp_core::H256;
/// Header as nodes see it.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block as nodes see it: transactions are opaque.
pub type Block = generic::Block<Header, OpaqueExtrinsic>;
/// Running number of a task.
pub type TaskId = u64;
/// A commitment or ticket: BLAKE2s-256.
pub type Hash32 = [u8; 32];

pub use sp_core::U256;

/// One giga-MAC: the unit in which work is priced.
pub const GMAC: u64 = 1_000_000_000;
/// Smallest units in one token.
pub const UNIT: Balance = 1_000_000_000_000;
