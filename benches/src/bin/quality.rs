// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask bench quality`: integer models beside their float32 twins, one table.

use anyhow::{ensure, Context, Result};
use clap::Parser;
use poaiw_benches::quality::{
	cases::CASES,
	minilm,
	python::environment,
	report::{json, machine, markdown, plot, Row},
	source, Bench,
};
use std::{fs, path::PathBuf, process::ExitCode};

/// Trains integer models and their float32 twins, and prints one table.
#[derive(Parser)]
#[command(name = "cargo xtask bench quality")]
struct Args {
	/// Only these cases; all when left out
	#[arg(long = "case")]
	cases: Vec<String>,
	/// Seeds of every case; 3 when left out, and 1 for `char-256`
	#[arg(long, value_parser = clap::value_parser!(u32).range(1..=50))]
	seeds: Option<u32>,
	/// The first seed; settings were chosen with seeds below 100
	#[arg(long, default_value_t = 101, value_parser = clap::value_parser!(u32).range(..=200))]
	first_seed: u32,
	/// Folder with `t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz` and `shakespeare.txt`
	#[arg(long, env = "POAIW_BENCH_DATA")]
	data: Option<PathBuf>,
	/// Threads of both sides; all cores when left out
	#[arg(long)]
	threads: Option<usize>,
	/// Leave out the measurement of speed
	#[arg(long)]
	no_speed: bool,
	/// Write results and plot into `benches/quality`
	#[arg(long)]
	record: bool,
}

/// The folder of built programs is two levels above this one.
fn work_folder() -> Result<PathBuf> {
	let program = std::env::current_exe()?;
	let target = program.ancestors().nth(2).context("this program has no folder")?;
	Ok(target.join("bench-quality"))
}

fn main() -> Result<ExitCode> {
	let args = Args::parse();
	let known: Vec<&str> = CASES.iter().map(|c| c.name).chain([minilm::NAME]).collect();
	for name in &args.cases {
		ensure!(
			known.contains(&name.as_str()),
			"there is no case `{name}`: choose from {}",
			known.join(", ")
		);
	}
	let wanted = |case: &str| args.cases.is_empty() || args.cases.iter().any(|name| name == case);
	let cores = std::thread::available_parallelism().map_or(1, usize::from);
	let threads = args.threads.unwrap_or(cores);
	// What the integer side uses.
	std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
	let work = work_folder()?;
	let bench = Bench {
		data: args.data.clone(),
		python: environment(&work)?,
		work,
	};
	let mut rows = Vec::new();
	for case in CASES.iter().filter(|c| wanted(c.name)) {
		let seeds = args.first_seed..args.first_seed + args.seeds.unwrap_or(case.seeds);
		let prepared = case.prepare(&bench)?;
		let pairs = prepared.pairs(&bench, seeds, threads)?;
		let times = match args.no_speed {
			true => None,
			false => Some(prepared.times(&bench, threads)?),
		};
		rows.push(Row {
			case: *case,
			parameters: prepared.parameters(),
			steps: prepared.steps(),
			pairs,
			times,
		});
	}
	let encoder = match wanted(minilm::NAME) {
		true => Some(minilm::run(&bench, threads)?),
		false => None,
	};
	let machine = machine(threads);
	let mut table = markdown(&rows);
	if let Some(outcome) = &encoder {
		table = format!("{table}\n{}", outcome.markdown());
	}
	println!("\n{table}\n{machine}");
	let folder = if args.record { source() } else { bench.work.clone() };
	fs::write(
		bench.work.join("results.json"),
		serde_json::to_vec_pretty(&json(&rows, encoder.as_ref(), &machine))?,
	)?;
	fs::write(folder.join("loss-curves.svg"), plot(&rows))?;
	let text = format!(
		"# Results of the quality bench\n\n{table}\nMeasured with {machine}. What is compared, and how: \
		[../README.md](../README.md#quality).\n\n![Loss of the first seed](loss-curves.svg)\n"
	);
	fs::write(folder.join("RESULTS.md"), text)?;
	println!("table and plot: {}", folder.display());
	if rows.iter().any(|row| !row.good()) || encoder.is_some_and(|e| !e.good()) {
		println!("a case misses its bar");
		return Ok(ExitCode::FAILURE);
	}
	Ok(ExitCode::SUCCESS)
}
