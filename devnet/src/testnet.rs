// SPDX-License-Identifier: Apache-2.0

//! Several nodes of the local test network, for what one node can't show: partitions, crashes, finality by votes.

use crate::{network::free_port, process::Process, rpc::Rpc};
use anyhow::{bail, Context, Result};
use serde_json::json;
use std::{
	path::{Path, PathBuf},
	process::{Command, Output},
	time::{Duration, Instant},
};

/// How long a node may take to answer for the first time.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// One of the well-known authorities of the `local` chain.
#[derive(Clone, Debug)]
pub struct Authority {
	/// `alice`, `bob` or `charlie`.
	pub name: &'static str,
	/// Share of one core, in percent, that its CPU miner may use; none for no mining.
	pub mine_duty: Option<u8>,
	/// Token file and port for workers on other machines.
	pub remote_workers: Option<(PathBuf, u16)>,
}

impl Authority {
	/// An authority that mines on a share of one core.
	pub fn mining(name: &'static str, duty: u8) -> Self {
		Self {
			name,
			mine_duty: Some(duty),
			remote_workers: None,
		}
	}

	/// An authority that only votes.
	pub fn voting(name: &'static str) -> Self {
		Self {
			name,
			mine_duty: None,
			remote_workers: None,
		}
	}
}

/// A member of the network: its settings outlive its process.
struct Member {
	authority: Authority,
	rpc: Rpc,
	rpc_port: u16,
	p2p_port: u16,
	process: Option<Process>,
}

/// Running nodes. Dropping it kills what still runs.
pub struct Testnet {
	programs: PathBuf,
	folder: PathBuf,
	members: Vec<Member>,
}

impl Testnet {
	/// A network without nodes. `programs` holds `poaiw-node`, `folder` will hold databases and logs.
	pub fn new(programs: PathBuf, folder: PathBuf) -> Self {
		Self {
			programs,
			folder,
			members: Vec::new(),
		}
	}

	/// Add a node and start it. It knows no other node: see [`Self::connect`].
	pub fn add(&mut self, authority: Authority) -> Result<()> {
		let (rpc_port, p2p_port) = (free_port()?, free_port()?);
		let name = authority.name;
		self.members.push(Member {
			authority,
			rpc: Rpc::local(rpc_port),
			rpc_port,
			p2p_port,
			process: None,
		});
		self.start(name)
	}

	/// Start a node that was killed: the same database, ports and keys.
	pub fn start(&mut self, name: &str) -> Result<()> {
		let number = self.position(name)?;
		let member = &mut self.members[number];
		let mut command = Command::new(self.programs.join("poaiw-node"));
		command
			.args(["--chain", "local", &format!("--{name}"), "--force-authoring"])
			// Any key does, but the same after a restart.
			.args(["--node-key", &format!("{:064x}", number + 1)])
			.arg("--base-path")
			.arg(self.folder.join(name))
			.args(["--rpc-port", &member.rpc_port.to_string()])
			.args(["--port", &member.p2p_port.to_string()])
			.args(["--no-prometheus", "--no-telemetry", "--no-mdns"]);
		if let Some(duty) = member.authority.mine_duty {
			command
				.args(["--author", name, "--mine-threads", "1"])
				.args(["--mine-duty", &duty.to_string()]);
		}
		if let Some((token, port)) = &member.authority.remote_workers {
			command
				.args(["--worker-rpc-listen", &format!("127.0.0.1:{port}")])
				.arg("--worker-token-file")
				.arg(token);
		}
		member.process = Some(Process::start(name, &mut command, &self.folder.join("logs"))?);
		let rpc = member.rpc.clone();
		self.wait(&format!("{name} to answer"), START_PATIENCE, |_| {
			Ok(rpc.best().ok())
		})?;
		Ok(())
	}

	/// SIGKILL a node.
	pub fn kill(&mut self, name: &str) -> Result<()> {
		let number = self.position(name)?;
		let process = self.members[number].process.take();
		process.with_context(|| format!("{name} does not run"))?.kill()
	}

	/// Tell a node of another one, for as long as it runs.
	pub fn connect(&self, name: &str, other: &str) -> Result<()> {
		let peer = self.rpc(other)?.call("system_localPeerId", json!([]))?;
		let peer = peer.as_str().context("system_localPeerId gives no text")?;
		let port = self.members[self.position(other)?].p2p_port;
		let address = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer}");
		self.rpc(name)?.call("system_addReservedPeer", json!([address]))?;
		Ok(())
	}

	/// RPC of a node.
	pub fn rpc(&self, name: &str) -> Result<&Rpc> {
		Ok(&self.members[self.position(name)?].rpc)
	}

	/// Names of all nodes, running or not.
	pub fn names(&self) -> Vec<&'static str> {
		self.members.iter().map(|member| member.authority.name).collect()
	}

	/// Run one of the other programs to its end.
	pub fn run(&self, program: &str, args: &[&str]) -> Result<Output> {
		let output = Command::new(self.programs.join(program))
			.args(args)
			.current_dir(&self.folder)
			.output();
		output.with_context(|| format!("could not start {program}; is it built?"))
	}

	/// Poll until `probe` has an answer; an error when a node ends by itself or patience does. Polls every 200 ms.
	pub fn wait<T>(
		&mut self,
		what: &str,
		patience: Duration,
		mut probe: impl FnMut(&Self) -> Result<Option<T>>,
	) -> Result<T> {
		let until = Instant::now() + patience;
		loop {
			for process in self
				.members
				.iter_mut()
				.filter_map(|member| member.process.as_mut())
			{
				process.check()?;
			}
			if let Some(found) = probe(self)? {
				return Ok(found);
			}
			if Instant::now() > until {
				bail!("waited {} s for {what}\n{}", patience.as_secs(), self.tails());
			}
			std::thread::sleep(Duration::from_millis(200));
		}
	}

	/// Folder of databases and logs.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	fn tails(&self) -> String {
		let running = self
			.members
			.iter()
			.filter_map(|member| Some((member.authority.name, member.process.as_ref()?)));
		running
			.map(|(name, process)| format!("{name} ({}):\n{}\n", process.log().display(), process.tail(10)))
			.collect()
	}

	fn position(&self, name: &str) -> Result<usize> {
		let found = self
			.members
			.iter()
			.position(|member| member.authority.name == name);
		found.with_context(|| format!("there is no node {name}"))
	}
}
