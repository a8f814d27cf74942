// SPDX-License-Identifier: Apache-2.0

//! A worker's life: it asks for a lease, fetches and checks the task, runs it segment by segment with checkpoints while
//! mining inside its products, attests, and begins again.
//!
//! - [`engine`]: what computes (CPU here, a GPU in [`gpu`]); [`compute`]: the thread that it computes on;
//! - [`job`]: from a lease to a checked job; [`attest`]: the claim that is made of a run;
//! - [`heartbeat`]: signs of life; [`pending`]: results that wait for their verdict; [`refusals`]: tasks not wanted;
//! - [`decide`]: what to do next, as a pure function; [`worker`]: the loop that does it.

pub mod attest;
pub mod compute;
pub mod decide;
pub mod engine;
pub mod gpu;
pub mod heartbeat;
pub mod job;
pub mod pending;
pub mod refusals;
pub mod run;
#[cfg(test)]
mod tests;
pub mod worker;
#[cfg(test)]
mod worker_tests;

pub use engine::{CpuEngine, Description, Engine, MiningDesk};
pub use job::Job;
pub use run::{run, EngineFactory};
