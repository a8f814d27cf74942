// SPDX-License-Identifier: Apache-2.0

//! Tests by behaviour.

mod epochs;
mod forks;
mod genesis;
mod target;
mod timestamps;
mod vectors;
