// SPDX-License-Identifier: Apache-2.0

//! The work ticket: how a product of two int7 matrices becomes lottery tickets of the chain, and how anybody checks
//! a winning one by computing a single 16 × 16 tile again.
//!
//! A miner commits to both operands ([`poaiw_commitment`]), derives [`seeds`] from header, source and commitments,
//! adds low-rank [`noise`], multiplies, and folds the accumulators of every tile and window into a [`mod@transcript`];
//! its keyed hash is the [`ticket`]. A winning ticket is put into a [`seal`], which [`mod@accept`] decides on:
//! the only accept predicate. [`mod@peel`] takes the noise off the product again.
//!
//! Everything is exact integer arithmetic. SIMD paths are chosen at run time and give the same bits as scalar code.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

extern crate alloc;

pub mod accept;
pub mod builder;
#[cfg(feature = "std")]
pub mod cpu_miner;
pub mod dims;
#[cfg(feature = "std")]
pub mod duty;
pub mod error;
pub mod gemm;
pub mod kernel;
pub mod memory;
pub mod noise;
pub mod operand;
pub mod peel;
pub mod profile;
pub mod retarget;
pub mod seal;
pub mod seeds;
pub mod source;
mod stream;
pub mod summary;
pub mod synthetic;
pub mod ticket;
pub mod transcript;
#[cfg(feature = "std")]
pub mod vectors;

pub use accept::{accept, accept_preliminary, Accepted, Epoch, Preliminary, Reject};
pub use dims::{Dims, Rank};
pub use error::Error;
pub use memory::{Dataset, LightCache};
pub use operand::Operand;
pub use primitive_types::U256;
pub use profile::WorkProfile;
pub use seal::{Seal, SealError, MAX_SEAL_BYTES};
pub use source::WorkSource;
pub use summary::SealSummary;
