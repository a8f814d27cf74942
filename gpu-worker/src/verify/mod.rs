// SPDX-License-Identifier: Apache-2.0

//! The verifier: fetches what a result is made of, re-executes the segments that the chain assigned, and votes.
//!
//! [`judge`] is pure: it gives a verdict on evidence, re-executing on the CPU; [`gpu`] re-executes on a device. [`role`] gets the evidence and hands in the votes.

pub mod gpu;
pub mod judge;
pub mod role;
#[cfg(test)]
pub(crate) mod tests;
