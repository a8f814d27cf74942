// SPDX-License-Identifier: Apache-2.0

//! Tests by behaviour.

mod genesis;
mod leaving;
mod obligations;
mod properties;
mod registration;
mod reputation;
mod slashing;
mod verifiers;
