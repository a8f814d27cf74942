// SPDX-License-Identifier: Apache-2.0

//! Building the workspace: one command line for binaries, tests and end-to-end runs, so that nothing is built twice.

use crate::{
	setup::{self, WasmWay},
	shell::{root, run},
};
use anyhow::{Context, Result};
use std::{
	path::PathBuf,
	process::{Command, Stdio},
};

/// `cargo` in the workspace, with what the runtime's wasm build needs.
pub fn cargo() -> Command {
	let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
	command.current_dir(root());
	// `cargo run` describes xtask in these. Build scripts of dependencies watch some of them, so that passing them on would
	// compile half of the dependencies again whenever a build by hand follows one by xtask.
	for (name, _) in std::env::vars_os() {
		let text = name.to_string_lossy();
		if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
			.iter()
			.any(|start| text.starts_with(start))
		{
			command.env_remove(&name);
		}
	}
	if let Some(WasmWay::Linked(name)) = setup::wasm_way() {
		command.env("WASM_BUILD_TOOLCHAIN", name);
	}
	command
}

/// Folder with the built programs.
pub fn programs() -> PathBuf {
	match std::env::var_os("CARGO_TARGET_DIR") {
		Some(folder) => root().join(folder).join("release"),
		None => root().join("target/release"),
	}
}

/// Build everything: libraries, programs, tests, examples. Whole workspace, because a selection of packages would change
/// the features of shared dependencies and build them a second time.
pub fn everything() -> Result<()> {
	run(cargo().args(["build", "--release", "--locked", "--workspace", "--all-targets"]))
}

/// Build what a network needs.
pub fn binaries() -> Result<()> {
	run(cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]))
}

/// Options of `spec`.
#[derive(clap::Args)]
pub struct SpecArgs {
	/// Genesis preset: `dev` or `local`
	#[arg(default_value = "local")]
	preset: String,
	/// Write the raw form, which all nodes of a network must share
	#[arg(long)]
	raw: bool,
}

/// Write a chain specification into `chain-specs/`.
pub fn spec(args: SpecArgs) -> Result<()> {
	setup::run_quietly_if_done()?;
	binaries()?;
	let file = root().join("chain-specs").join(format!(
		"{}{}.json",
		args.preset,
		if args.raw { "-raw" } else { "" }
	));
	let mut command = Command::new(programs().join("poaiw-node"));
	command.args(["export-chain-spec", "--chain", &args.preset]);
	if args.raw {
		command.arg("--raw");
	}
	let output = command
		.stderr(Stdio::inherit())
		.output()
		.context("could not start poaiw-node")?;
	anyhow::ensure!(
		output.status.success(),
		"poaiw-node export-chain-spec ended with {}",
		output.status
	);
	std::fs::write(&file, output.stdout).with_context(|| format!("could not write {}", file.display()))?;
	println!("{}", file.display());
	Ok(())
}
