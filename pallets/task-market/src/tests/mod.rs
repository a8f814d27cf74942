// SPDX-License-Identifier: Apache-2.0

//! Tests by behaviour.

mod admission;
mod endings;
mod leases;
mod machine;
mod offchain;
mod order;
mod posting;
mod views;
