// SPDX-License-Identifier: Apache-2.0

//! The PoAIW command line.

mod cli;

use clap::Parser;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
	let cli = cli::Cli::parse();
	let out = cli::Out { json: cli.json };
	match cli::run(cli).await {
		Ok(code) => ExitCode::from(code),
		Err(error) => {
			out.error(&error);
			ExitCode::from(error.exit_code())
		}
	}
}
