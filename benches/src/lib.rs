// SPDX-License-Identifier: Apache-2.0

//! Benches: criterion benches live in the benches folder of this crate, the quality bench in [`quality`].

pub mod quality;
