// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask`: set-up and every routine job of the workspace, one module each.

mod bench;
mod build;
mod devnet;
mod setup;
mod shell;
mod test;
mod vectors;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
	name = "cargo xtask",
	bin_name = "cargo xtask",
	about = "Set-up and routine jobs of PoAIW"
)]
struct Cli {
	#[command(subcommand)]
	job: Job,
}

#[derive(Subcommand)]
enum Job {
	/// Install what builds and tests need (idempotent; says what it does)
	Setup,
	/// Start a node, a GPU worker and a verifier, post a real training task and watch it
	Devnet(devnet::Args),
	/// Format check, lints, all tests, end-to-end runs: what CI runs
	Test(test::Args),
	/// Check files of ticket or retarget vectors; prints `N passed, N failed`
	Vectors(vectors::Args),
	/// Criterion benches
	Bench(bench::Args),
	/// Write the chain specification of a preset
	Spec(build::SpecArgs),
}

fn main() -> anyhow::Result<()> {
	match Cli::parse().job {
		Job::Setup => setup::run(),
		Job::Devnet(args) => devnet::run(args),
		Job::Test(args) => test::run(args),
		Job::Vectors(args) => vectors::run(args),
		Job::Bench(args) => bench::run(args),
		Job::Spec(args) => build::spec(args),
	}
}
