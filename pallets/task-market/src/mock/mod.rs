// SPDX-License-Identifier: Apache-2.0

//! A runtime with the real pallets that task market and verification deal with. Both pallets are tested in it: these files
//! are a module of each of them, and the parent module names the two crates.
//!
//! - [`runtime`]: the pallets and their parameters.
//! - [`chain`]: accounts, genesis, blocks, and the invariants after each of them.
//! - [`reports`]: tasks and feeless reports, as requesters, workers and verifiers send them.

mod chain;
mod reports;
mod runtime;

use super::{pallet_proof_verification, pallet_task_market};

pub use chain::*;
pub use reports::*;
pub use runtime::*;
