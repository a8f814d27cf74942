// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask vectors`: files of ticket or retarget vectors against the primitives.

use anyhow::{bail, Context, Result};
use poaiw_work::vectors;
use std::path::PathBuf;

/// Options of `vectors`.
#[derive(clap::Args)]
pub struct Args {
	/// JSON files, each with ticket or with retarget vectors
	#[arg(required = true)]
	files: Vec<PathBuf>,
}

/// Check every file; one line for each failure, then the sum.
pub fn run(args: Args) -> Result<()> {
	let (mut passed, mut failed) = (0, 0);
	for file in &args.files {
		let text =
			std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
		let report = vectors::check_file(&text)
			.with_context(|| format!("{} is no file of vectors", file.display()))?;
		passed += report.passed;
		failed += report.failed.len();
		for (name, why) in &report.failed {
			eprintln!("{}: {name}: {why}", file.display());
		}
	}
	println!("{passed} passed, {failed} failed");
	if failed > 0 {
		bail!("{failed} vectors differ");
	}
	Ok(())
}
