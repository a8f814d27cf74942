// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The PoAIW node.
//!
//! - [`service`]: how the parts are put together.
//! - [`consensus`]: seals, import, templates, the built-in miner.
//! - [`rpc`]: the node's own RPC methods.
//! - [`cli`], [`command`], [`chain_spec`], [`keys`]: what the user sees.
//! - [`metrics`][]: Prometheus.
// The SDK's own error types are that large.
#![allow(clippy::result_large_err)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::panic
	)
)]

pub mod chain_spec;
pub mod cli;
pub mod command;
pub mod consensus;
pub mod keys;
pub mod metrics;
pub mod rpc;
pub mod service;

/// Target of this node's log lines.
pub const LOG_TARGET: &str = "poaiw";
