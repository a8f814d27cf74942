// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Consensus of the node: what is a valid seal, how blocks are imported, how they are made.
//!
//! - [`rules`]: the accept predicate of `poaiw-work` with the parameters that the parent's state gives.
//! - [`header`]: the parts of a sealed header, and why one is refused.
//! - [`algorithm`]: that predicate as `sc-consensus-pow` wants it, and the tie-break.
//! - [`import`]: what stands around upstream's verifier and block import.
//! - [`seal_inherent`]: the summary of the parent's seal as inherent data.
//! - [`mining`]: block templates and what is done with seals for them.
//! - [`builder`]: the task that builds the templates.
//! - [`cpu`]: the built-in CPU miner.

pub mod algorithm;
pub mod builder;
pub mod cpu;
pub mod header;
pub mod import;
pub mod mining;
pub mod recent;
pub mod rules;
pub mod seal_inherent;
