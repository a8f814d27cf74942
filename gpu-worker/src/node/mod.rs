// SPDX-License-Identifier: Apache-2.0

//! The connection to a node: typed calls of its `work_*`, `worker_*` and `market_*` methods over one WebSocket that is
//! opened again when it breaks, the feed of block templates, and the way of seals back.

pub mod client;
pub mod feed;
pub mod link;
pub mod types;

pub use client::NodeClient;
pub use link::NodeError;
pub use types::{LeaseView, StatsView, SubmitView, TaskView, TemplateView, WorkerView};
