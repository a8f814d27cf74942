// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What the RPC methods answer, by the first part of their names.

mod market;
mod work;
mod worker;

pub use market::{QuoteJson, SupplyJson, TaskJson};
pub use work::{ProfileJson, StatsJson, SubmitJson, TemplateJson};
pub use worker::{AssignmentJson, LeaseJson, StoredJson, WorkerJson};

/// `0x` and the hex of bytes.
pub fn hex0x(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}
