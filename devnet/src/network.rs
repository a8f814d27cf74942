// SPDX-License-Identifier: Apache-2.0

//! A development network: one node and any number of workers, verifiers and client calls.

use crate::{process::Process, rpc::Rpc};
use anyhow::{bail, Context, Result};
use serde_json::Value;
use std::{
	net::TcpListener,
	path::{Path, PathBuf},
	process::Command,
	time::{Duration, Instant},
};

/// SS58 addresses of the development accounts.
pub mod accounts {
	/// Miner, verifier and finality authority of a development node.
	pub const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
	/// Registered worker.
	pub const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
	/// Registered worker.
	pub const CHARLIE: &str = "5FLSigC9HGRKVhB9FiEo4Y3koPsNmBmLJbpXg2mp1hXcS59Y";
	/// Funded requester.
	pub const FERDIE: &str = "5CiPPseXPECbkjWCa6MnjNokrgYjMqmKndv2rSnekmSK2DjL";
}

/// How long a program may take to answer for the first time.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// What a network is made of.
#[derive(Clone, Debug)]
pub struct Options {
	/// Folder with `poaiw-node`, `poaiw-worker` and `poaiw`.
	pub programs: PathBuf,
	/// Folder for databases, artifacts, checkpoints and logs.
	pub folder: PathBuf,
	/// Share of one core, in percent, that the node's own CPU miner may use; keeps blocks coming when no worker mines.
	pub mine_duty: u8,
}

/// How one worker runs.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
	/// Name of its log and of its folder for checkpoints.
	pub name: String,
	/// SS58 account it works for.
	pub account: String,
	/// Program to start, relative to the folder of programs.
	pub program: PathBuf,
	/// Verify instead of working.
	pub verify: bool,
	/// `gpu` or `cpu`.
	pub executor: &'static str,
	/// Device by name, or whatever the worker prefers.
	pub device: Option<String>,
	/// Vulkan driver description to use instead of the system's.
	pub driver: Option<PathBuf>,
}

impl WorkerOptions {
	/// A worker on the GPU that the worker itself prefers.
	pub fn gpu(name: &str, account: &str) -> Self {
		Self {
			name: name.into(),
			account: account.into(),
			program: "poaiw-worker".into(),
			verify: false,
			executor: "gpu",
			device: None,
			driver: None,
		}
	}

	/// A verifier that re-executes on the CPU: same bits, other hardware.
	pub fn cpu_verifier(name: &str, account: &str) -> Self {
		Self {
			verify: true,
			executor: "cpu",
			..Self::gpu(name, account)
		}
	}
}

/// Running processes. Dropping it kills what still runs.
pub struct Network {
	/// As started.
	pub options: Options,
	/// RPC of the node.
	pub rpc: Rpc,
	port: u16,
	p2p_port: u16,
	node: Option<Process>,
	workers: Vec<(WorkerOptions, Process)>,
}

impl Network {
	/// Start the node and wait until it answers.
	pub fn start(options: Options) -> Result<Self> {
		let (port, p2p_port) = (free_port()?, free_port()?);
		let mut network = Self {
			options,
			rpc: Rpc::local(port),
			port,
			p2p_port,
			node: None,
			workers: Vec::new(),
		};
		network.start_node()?;
		Ok(network)
	}

	/// Start the node (again, after [`Self::kill_node`]) on the same database and ports.
	pub fn start_node(&mut self) -> Result<()> {
		let mut command = Command::new(self.options.programs.join("poaiw-node"));
		command
			.arg("--dev")
			.arg("--base-path")
			.arg(self.options.folder.join("node"))
			.args([
				"--rpc-port",
				&self.port.to_string(),
				"--port",
				&self.p2p_port.to_string(),
			])
			.args(["--no-prometheus", "--no-telemetry", "--no-mdns"])
			.args([
				"--mine-threads",
				"1",
				"--mine-duty",
				&self.options.mine_duty.to_string(),
			]);
		self.node = Some(Process::start("node", &mut command, &self.logs())?);
		let rpc = self.rpc.clone();
		self.wait("the node to answer", START_PATIENCE, |_| Ok(rpc.best().ok()))?;
		Ok(())
	}

	/// SIGKILL the node.
	pub fn kill_node(&mut self) -> Result<()> {
		self.node.take().context("the node does not run")?.kill()
	}

	/// Start a worker or a verifier.
	pub fn start_worker(&mut self, worker: WorkerOptions) -> Result<()> {
		let mut command = Command::new(self.options.programs.join(&worker.program));
		command
			.arg("run")
			.args(["--node", &format!("ws://127.0.0.1:{}", self.port)])
			.args(["--account", &worker.account])
			.args(["--executor", worker.executor])
			.arg("--artifacts")
			.arg(self.artifacts())
			.arg("--state-dir")
			.arg(self.options.folder.join(&worker.name))
			.arg("--status-file")
			.arg(self.status_file(&worker.name));
		if worker.verify {
			command.args(["--verify", "--no-mining"]);
		} else {
			command.arg("--allow-cpu-adapter");
		}
		if let Some(device) = &worker.device {
			command.args(["--device", device]);
		}
		if let Some(driver) = &worker.driver {
			command
				.env("VK_DRIVER_FILES", driver)
				.env("VK_ICD_FILENAMES", driver);
		}
		let process = Process::start(&worker.name, &mut command, &self.logs())?;
		self.workers.push((worker, process));
		Ok(())
	}

	/// SIGKILL a worker; its options, to start it again.
	pub fn kill_worker(&mut self, name: &str) -> Result<WorkerOptions> {
		let at = self
			.workers
			.iter()
			.position(|(worker, _)| worker.name == name)
			.with_context(|| format!("no worker {name}"))?;
		let (worker, process) = self.workers.remove(at);
		process.kill()?;
		Ok(worker)
	}

	/// Run the client; its JSON answer.
	pub fn client(&self, args: &[&str]) -> Result<Value> {
		let mut command = Command::new(self.options.programs.join("poaiw"));
		command
			.args(args)
			.args(["--json", "--node", &format!("ws://127.0.0.1:{}", self.port)]);
		let output = command.output().context("could not start the client")?;
		if !output.status.success() {
			bail!(
				"poaiw {} ended with {}: {}{}",
				args.join(" "),
				output.status,
				String::from_utf8_lossy(&output.stdout),
				String::from_utf8_lossy(&output.stderr)
			);
		}
		let text = String::from_utf8_lossy(&output.stdout);
		let line = text
			.lines()
			.rev()
			.find(|line| line.starts_with('{'))
			.unwrap_or_default();
		serde_json::from_str(line)
			.with_context(|| format!("poaiw {} printed no JSON but: {text}", args.join(" ")))
	}

	/// Post the task of a manifest for the requester Ferdie; its number.
	pub fn submit(&self, manifest: &Path) -> Result<u64> {
		let artifacts = self.artifacts();
		let answer = self.client(&[
			"task",
			"submit",
			&manifest.to_string_lossy(),
			"--signer",
			"//Ferdie",
			"--artifacts",
			&artifacts.to_string_lossy(),
		])?;
		answer["task"]
			.as_u64()
			.with_context(|| format!("the client named no task: {answer}"))
	}

	/// Report of a task.
	pub fn task(&self, task: u64) -> Result<Value> {
		self.rpc.call("market_task", serde_json::json!([task]))
	}

	/// What a worker last said about itself; null before it said anything.
	pub fn worker_status(&self, name: &str) -> Value {
		std::fs::read(self.status_file(name))
			.ok()
			.and_then(|text| serde_json::from_slice(&text).ok())
			.unwrap_or_default()
	}

	/// Poll until `probe` has an answer; an error when a process ends or patience does. Polls every 200 ms, as the programs
	/// offer nothing to wait on that survives their restart.
	pub fn wait<T>(
		&mut self,
		what: &str,
		patience: Duration,
		mut probe: impl FnMut(&Self) -> Result<Option<T>>,
	) -> Result<T> {
		let until = Instant::now() + patience;
		loop {
			self.check()?;
			if let Some(found) = probe(self)? {
				return Ok(found);
			}
			if Instant::now() > until {
				let logs: Vec<String> = self.workers.iter().map(|(_, process)| process.tail(5)).collect();
				let node = self.node.as_ref().map(|node| node.tail(10)).unwrap_or_default();
				bail!(
					"waited {} s for {what}; logs are in {}; the node's end:\n{node}\nthe workers':\n{}",
					patience.as_secs(),
					self.logs().display(),
					logs.join("\n")
				);
			}
			std::thread::sleep(Duration::from_millis(200));
		}
	}

	/// Error if any process has ended by itself.
	pub fn check(&mut self) -> Result<()> {
		for (_, worker) in &mut self.workers {
			worker.check()?;
		}
		self.node.as_mut().map_or(Ok(()), Process::check)
	}

	/// Stop everything as a person would.
	pub fn stop(mut self) -> Result<()> {
		for (_, worker) in self.workers.drain(..) {
			worker.stop(Duration::from_secs(20))?;
		}
		if let Some(node) = self.node.take() {
			node.stop(Duration::from_secs(20))?;
		}
		Ok(())
	}

	/// RPC port of the node.
	pub fn port(&self) -> u16 {
		self.port
	}

	/// Folder of the logs.
	pub fn logs(&self) -> PathBuf {
		self.options.folder.join("logs")
	}

	/// Folder of the artifact store.
	pub fn artifacts(&self) -> PathBuf {
		self.options.folder.join("artifacts")
	}

	fn status_file(&self, worker: &str) -> PathBuf {
		self.options.folder.join(format!("{worker}.status.json"))
	}
}

/// A port that nothing listens on now.
pub fn free_port() -> Result<u16> {
	Ok(TcpListener::bind("127.0.0.1:0")
		.context("no free port")?
		.local_addr()?
		.port())
}
