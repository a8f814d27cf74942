// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask bench`: the criterion benches of `benches/`, and the quality bench.

use crate::{build::cargo, setup, shell};
use anyhow::Result;

/// Options of `bench`.
#[derive(clap::Args)]
pub struct Args {
	/// One bench by name; all criterion benches when left out; `quality` compares integer models with float32
	name: Option<String>,
	/// Passed on to criterion, or to the quality bench
	#[arg(last = true)]
	rest: Vec<String>,
}

/// Run.
pub fn run(args: Args) -> Result<()> {
	setup::run_quietly_if_done()?;
	let mut command = cargo();
	if args.name.as_deref() == Some("quality") {
		command.args([
			"run",
			"--locked",
			"--release",
			"--package",
			"poaiw-benches",
			"--bin",
			"quality",
		]);
		return shell::run(command.arg("--").args(&args.rest));
	}
	// Same profile as everything else, so that the dependencies are not built a second time.
	command.args([
		"bench",
		"--locked",
		"--profile",
		"release",
		"--package",
		"poaiw-benches",
	]);
	if let Some(name) = &args.name {
		command.args(["--bench", name]);
	} else {
		command.arg("--benches");
	}
	shell::run(command.arg("--").args(&args.rest))
}
