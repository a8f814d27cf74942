// SPDX-License-Identifier: Apache-2.0

//! The way to a node: RPC, runtime APIs, metadata, transactions.

mod answers;
pub mod extrinsic;
pub mod metadata;
pub mod node;
pub mod submit;
pub mod value;
