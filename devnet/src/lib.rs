// SPDX-License-Identifier: Apache-2.0

//! A local network of real processes: node, GPU worker, verifier, client.
//!
//! [`Network`] starts, watches and stops them; `cargo xtask devnet` shows one to a person, the end-to-end tests in `tests/`
//! drive others. [`Testnet`] is several nodes of one network. Nothing in here knows a consensus rule: it only talks to the
//! programs as a user would.

pub mod network;
pub mod process;
pub mod report;
pub mod rpc;
pub mod testnet;
pub mod view;

pub use network::{Network, Options, WorkerOptions};
pub use report::Report;
pub use rpc::Rpc;
pub use testnet::Testnet;
