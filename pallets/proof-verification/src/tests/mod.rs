// SPDX-License-Identifier: Apache-2.0

//! Tests by behaviour. Random sequences of operations over this pallet and the market together are in the market's tests.

mod attest;
mod beacon;
mod offchain;
mod verdicts;
mod votes;
