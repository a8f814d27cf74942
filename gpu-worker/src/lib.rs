// SPDX-License-Identifier: Apache-2.0

//! The PoAIW worker as a library: GPU devices, kernels, the executor of integer programs, and the miner that draws tickets
//! from their products. With the feature `node` (default) also the connection to a node, the verifier and the dashboard.
//!
//! Nothing here decides consensus: every rule is a function of `poaiw-work` or `poaiw-program`, the kernels are compared
//! with them at start, and a winning ticket is computed again on the CPU before it is submitted.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "node")]
pub mod commands;
#[cfg(feature = "node")]
pub mod config;
pub mod device;
pub mod executor;
pub mod kernels;
pub mod miner;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod session;
#[cfg(feature = "node")]
pub mod ui;
#[cfg(feature = "node")]
pub mod verify;
