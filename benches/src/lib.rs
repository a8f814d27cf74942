// SPDX-License-Identifier: Apache-2.0

//! Benches live in the benches folder of this crate.
