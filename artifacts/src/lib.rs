// SPDX-License-Identifier: Apache-2.0

//! Artifacts: workloads, data sets, states, traces and outputs, stored under their commitments.
//!
//! An artifact's name is its kind and its root in hex, so nothing is ever stored twice or under a wrong name by an honest
//! writer. A store is not trusted: every read is bounded before it is loaded and checked against the root that was asked
//! for, so a bad store can withhold but not lie.
//!
//! The default store is a local folder. Any URL that `object_store` was built for works as well.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod blobs;
mod store;

pub use blobs::Trace;
pub use store::{ArtifactError, ArtifactStore, Kind};
