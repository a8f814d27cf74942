// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Entry point.

// The SDK's own error type is that large.
#[allow(clippy::result_large_err)]
fn main() -> polkadot_sdk::sc_cli::Result<()> {
	poaiw_node::command::run()
}
