// SPDX-License-Identifier: Apache-2.0

//! Tests by behaviour.

mod emission;
mod inherent;
mod parameters;
mod properties;
mod rewards;
mod supply;
mod useful;
mod votes;
