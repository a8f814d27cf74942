// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Entry point.

fn main() -> polkadot_sdk::sc_cli::Result<()> {
	poaiw_node::command::run()
}
