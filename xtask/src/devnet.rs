// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask devnet`: set-up, build, then a network of real processes with real tasks, watched until it is done or
//! until Ctrl-C.

use crate::{
	build, setup,
	shell::{root, say},
};
use anyhow::{Context, Result};
use poaiw_devnet::{network::accounts, view::View, Network, Options, Report, WorkerOptions};
use serde_json::Value;
use std::{
	path::PathBuf,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

/// Names of the two worker processes, and of their logs.
const WORKER: &str = "worker";
const VERIFIER: &str = "verifier";
/// A run for a script gives up after so long without being done.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Options of `devnet`.
#[derive(clap::Args)]
pub struct Args {
	/// Post this many tasks, one after the other
	#[arg(long, default_value_t = 1)]
	tasks: u64,
	/// Stop when all of them are settled
	#[arg(long)]
	exit_when_done: bool,
	/// Print one JSON line at the end
	#[arg(long)]
	json: bool,
	/// Manifest of the tasks
	#[arg(long, default_value = "examples/digits/digits.toml")]
	manifest: PathBuf,
	/// Keep databases, artifacts and logs here (default: a temporary folder that is removed)
	#[arg(long)]
	base_path: Option<PathBuf>,
	/// GPU of the worker, by name (default: what the worker prefers)
	#[arg(long)]
	device: Option<String>,
	/// Share of one core for the node's own CPU miner, in percent
	#[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
	mine_duty: u8,
}

/// Run.
pub fn run(args: Args) -> Result<()> {
	setup::run_quietly_if_done()?;
	say("building node, worker and client (the first time takes about half an hour on two cores)");
	build::binaries()?;
	let stop = Arc::new(AtomicBool::new(false));
	let flag = stop.clone();
	ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst)).context("could not listen for Ctrl-C")?;

	let temporary = match args.base_path {
		Some(_) => None,
		None => Some(tempfile::tempdir().context("no temporary folder")?),
	};
	let folder = args
		.base_path
		.clone()
		.or_else(|| temporary.as_ref().map(|folder| folder.path().to_path_buf()));
	let options = Options {
		programs: build::programs(),
		folder: folder.context("no folder")?,
		mine_duty: args.mine_duty,
	};
	let began = Instant::now();
	let outcome = watch(&args, options, &stop, began);
	if outcome.is_err() {
		if let Some(temporary) = temporary {
			say(&format!(
				"logs are kept in {}",
				temporary.keep().join("logs").display()
			));
		}
	}
	outcome
}

fn watch(args: &Args, options: Options, stop: &AtomicBool, began: Instant) -> Result<()> {
	say("starting the node");
	let mut network = Network::start(options)?;
	say(&format!(
		"node: ws://127.0.0.1:{} (logs in {})",
		network.port(),
		network.logs().display()
	));
	network.start_worker(WorkerOptions {
		device: args.device.clone(),
		..WorkerOptions::gpu(WORKER, accounts::BOB)
	})?;
	network.start_worker(WorkerOptions::cpu_verifier(VERIFIER, accounts::ALICE))?;
	say("worker (//Bob) and verifier (//Alice): started; Ctrl-C stops everything");

	let manifest = root().join(&args.manifest);
	let mut view = View::default();
	let mut posted: Vec<u64> = Vec::new();
	let report = loop {
		network.check()?;
		let report = Report::read(&network.rpc)?;
		let ended = report.tasks.iter().filter(|task| is_ended(task)).count() as u64;
		if posted.len() as u64 == ended && ended < args.tasks {
			let task = network.submit(&manifest)?;
			say(&format!("posted task {task}: {}", args.manifest.display()));
			posted.push(task);
		}
		let workers: Vec<(String, Value)> = [WORKER, VERIFIER]
			.map(|name| (name.to_string(), network.worker_status(name)))
			.into();
		view.show(&report, &workers);
		let done = ended >= args.tasks;
		if stop.load(Ordering::SeqCst) || (done && args.exit_when_done) {
			break report;
		}
		anyhow::ensure!(
			!args.exit_when_done || began.elapsed() < PATIENCE,
			"not done after {} s: {} of {} tasks ended",
			PATIENCE.as_secs(),
			ended,
			args.tasks
		);
		std::thread::sleep(Duration::from_secs(1));
	};
	let device = network.worker_status(WORKER)["device"]
		.as_str()
		.unwrap_or("none")
		.to_string();
	say("stopping");
	network.stop()?;
	if args.json {
		println!("{}", report.json(&device, began.elapsed().as_secs()));
	}
	let unsettled = args.tasks.saturating_sub(report.tasks_settled);
	anyhow::ensure!(
		!args.exit_when_done || unsettled == 0,
		"{unsettled} of {} tasks ended without being settled",
		args.tasks
	);
	Ok(())
}

fn is_ended(task: &Value) -> bool {
	["settled", "expired", "cancelled"]
		.iter()
		.any(|state| task["state"] == *state)
}
