// SPDX-License-Identifier: Apache-2.0

//! What a person sees: one [`Status`], shown as log lines, as a JSON file, and as a dashboard in a terminal.

pub mod board;
pub mod dashboard;
pub mod meter;

pub use board::{Board, Role, Status, TaskStatus};
pub use meter::Meter;
