// SPDX-License-Identifier: Apache-2.0

//! SDK for requesters: post AI work to a PoAIW network, follow it, and download results that are verified against the
//! commitments on chain.
//!
//! [`Client`] has the typed calls. Reads go through the runtime APIs of the network; transactions are encoded by the
//! metadata that the node serves, so forks that add or move pallets keep working, and a fork whose market takes other
//! arguments is told apart before anything is signed. [`chain::node::Node`] is the way to everything else.
//!
//! ```no_run
//! # async fn example() -> poaiw::Result<()> {
//! let client = poaiw::Client::connect("ws://127.0.0.1:9944").await?;
//! let quote = client.quote(5_000_000_000, poaiw_primitives::UNIT / 100).await?;
//! println!("{} tokens, taken in about {:?} blocks", poaiw::format::amount(quote.price), quote.expected_wait);
//! # Ok(()) }
//! ```
//!
//! `examples/submit_digits.rs` posts a real training task in about 30 lines.
#![forbid(unsafe_code)]

pub mod chain;
pub mod client;
pub mod error;
pub mod format;
pub mod receipt;
pub mod results;
pub mod signer;
pub mod submission;
pub mod view;
pub mod watch;

pub use client::Client;
pub use error::{Error, Result};
pub use signer::Signer;
pub use watch::{TaskUpdate, Watch};
