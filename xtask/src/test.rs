// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask test`: everything that must hold before a change is merged, cheapest first.

use crate::{
	build::{self, cargo},
	setup,
	shell::{self, say},
};
use anyhow::{Context, Result};
use std::time::Instant;

/// Options of `test`.
#[derive(clap::Args)]
pub struct Args {
	/// Leave out lints and end-to-end runs
	#[arg(long)]
	quick: bool,
}

/// Run all steps; the first failure ends it.
pub fn run(args: Args) -> Result<()> {
	let start = Instant::now();
	let step = |name: &str, job: &dyn Fn() -> Result<()>| -> Result<()> {
		let began = Instant::now();
		say(&format!("{name} …"));
		job()?;
		say(&format!(
			"{name}: done in {} s ({} s in all)",
			began.elapsed().as_secs(),
			start.elapsed().as_secs()
		));
		Ok(())
	};
	step("set-up", &setup::run_quietly_if_done)?;
	step("format", &|| {
		shell::run(cargo().args(["fmt", "--all", "--", "--check"]))
	})?;
	step("build", &build::everything)?;
	step("lints", &|| {
		shell::run(cargo().args([
			"clippy",
			"--release",
			"--locked",
			"--workspace",
			"--all-targets",
			"--",
			"-D",
			"warnings",
		]))
	})?;
	step("unit and property tests", &|| {
		shell::run(software_vulkan(cargo().args([
			"test",
			"--release",
			"--locked",
			"--workspace",
			"--all-targets",
			"--no-fail-fast",
			"--exclude",
			"poaiw-devnet",
			"--exclude",
			"poaiw-benches",
		])))
	})?;
	if args.quick {
		return Ok(());
	}
	step("end-to-end tests", &|| {
		// Of the whole workspace, and not of one package: the features of shared dependencies stay as they were built.
		let mut command = cargo();
		command.args(["test", "--release", "--locked", "--workspace", "--no-fail-fast"]);
		for name in end_to_end()? {
			command.args(["--test", &name]);
		}
		command.args(["--", "--test-threads", "1"]);
		shell::run(software_vulkan(&mut command))
	})?;
	Ok(())
}

/// Names of the files in `devnet/tests`.
fn end_to_end() -> Result<Vec<String>> {
	let folder = shell::root().join("devnet/tests");
	let mut names = Vec::new();
	for entry in std::fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))? {
		let path = entry?.path();
		if let (Some("rs"), Some(stem)) = (
			path.extension().and_then(|x| x.to_str()),
			path.file_stem().and_then(|x| x.to_str()),
		) {
			names.push(stem.to_string());
		}
	}
	names.sort();
	Ok(names)
}

/// Tests use Mesa's software Vulkan driver, whatever GPUs a machine has: every machine runs the same checks.
fn software_vulkan(command: &mut std::process::Command) -> &mut std::process::Command {
	match setup::lavapipe() {
		Some(driver) => command
			.env("VK_DRIVER_FILES", &driver)
			.env("VK_ICD_FILENAMES", &driver),
		None => command,
	}
}
