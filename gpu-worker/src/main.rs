// SPDX-License-Identifier: Apache-2.0

//! The PoAIW GPU worker.

use anyhow::Context;
use clap::{Parser, Subcommand};
use poaiw_worker::{
	commands,
	config::{RunArgs, Settings},
	session::run,
};
use std::io::IsTerminal;

#[derive(Parser)]
#[command(
	name = "poaiw-worker",
	version,
	about = "Executes AI tasks, mines inside their products, verifies"
)]
struct Cli {
	#[command(subcommand)]
	command: Option<Command>,
	#[command(flatten)]
	run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
	/// Work (or verify) until Ctrl-C; the default.
	Run(RunArgs),
	/// List the Vulkan devices.
	Devices {
		/// As JSON.
		#[arg(long)]
		json: bool,
	},
	/// Known-answer test and MAC/s of each kernel on a device.
	Bench {
		/// Device: index, part of the name, or vendor.
		#[arg(long, env = "POAIW_DEVICE")]
		device: Option<String>,
		/// Allow a device whose kernels run on the processor.
		#[arg(long)]
		allow_cpu_adapter: bool,
		/// As JSON.
		#[arg(long)]
		json: bool,
	},
	/// Look for every problem of this machine and these settings, with cause and remedy.
	Doctor(RunArgs),
	/// What chain and node know of the account.
	Status(RunArgs),
	/// Print the settings that result from flags, environment and file.
	ShowConfig(RunArgs),
}

fn main() {
	if let Err(error) = start(Cli::parse()) {
		eprintln!("error: {error:#}");
		std::process::exit(1);
	}
}

fn start(cli: Cli) -> anyhow::Result<()> {
	let runtime = tokio::runtime::Builder::new_multi_thread()
		.worker_threads(2)
		.enable_all()
		.build();
	let runtime = runtime.context("the asynchronous runtime could not be started")?;
	let done = match cli.command.unwrap_or(Command::Run(cli.run)) {
		Command::Run(args) if args.show_config => commands::show_config(&settings(&args)?),
		Command::Run(args) => {
			let settings = settings(&args)?;
			commands::start_log(&settings)?;
			let factory = run::engine_of(&settings);
			runtime.block_on(run::run(settings, factory))
		}
		Command::ShowConfig(args) => commands::show_config(&settings(&args)?),
		Command::Devices { json } => commands::devices(json),
		Command::Bench {
			device,
			allow_cpu_adapter,
			json,
		} => commands::measure(device, allow_cpu_adapter, json),
		Command::Doctor(args) => runtime.block_on(commands::doctor(&settings(&args)?)),
		Command::Status(args) => runtime.block_on(commands::status(&settings(&args)?)),
	};
	runtime.shutdown_background();
	done
}

fn settings(args: &RunArgs) -> anyhow::Result<Settings> {
	Settings::new(args, std::io::stdout().is_terminal())
}
