// SPDX-License-Identifier: Apache-2.0

//! Settings: command line over environment (`POAIW_…`) over file (TOML) over defaults.

use crate::node::NodeClient;
use anyhow::{bail, Context};
use clap::{builder::BoolishValueParser, Args, ValueEnum};
use poaiw_primitives::{token::Token, AccountId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Longest configuration file that is read.
const MAX_FILE: u64 = 1 << 20;

/// What executes programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
	/// A Vulkan device.
	#[default]
	Gpu,
	/// The processor, by choice.
	Cpu,
}

/// Flags of `run`. Whatever is not given here comes from the configuration file.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
	/// Configuration file (TOML); its keys are the names below with underscores.
	#[arg(long, env = "POAIW_CONFIG")]
	pub config: Option<PathBuf>,
	/// WebSocket of the node [default: ws://127.0.0.1:9944].
	#[arg(long, env = "POAIW_NODE")]
	pub node: Option<String>,
	/// File with the token of a node on another machine (its --worker-token-file) [default: none].
	#[arg(long, env = "POAIW_TOKEN_FILE")]
	pub token_file: Option<PathBuf>,
	/// Account to work for (SS58 or 0x hex). Its reporter key must be in the node's keystore.
	#[arg(long, env = "POAIW_ACCOUNT")]
	pub account: Option<String>,
	/// Account that is paid for blocks [default: the same].
	#[arg(long, env = "POAIW_PAYOUT")]
	pub payout: Option<String>,
	/// What executes programs [default: gpu].
	#[arg(long, value_enum, env = "POAIW_EXECUTOR")]
	pub executor: Option<Executor>,
	/// Device: index of `poaiw-worker devices`, part of its name, or vendor [default: the best one].
	#[arg(long, env = "POAIW_DEVICE")]
	pub device: Option<String>,
	/// Allow a Vulkan device whose kernels run on the processor.
	#[arg(long, env = "POAIW_ALLOW_CPU_ADAPTER", value_parser = BoolishValueParser::new())]
	pub allow_cpu_adapter: bool,
	/// Folder or URL of the artifact store [default: artifacts].
	#[arg(long, env = "POAIW_ARTIFACTS")]
	pub artifacts: Option<String>,
	/// Folder for checkpoints [default: poaiw-worker].
	#[arg(long, env = "POAIW_STATE_DIR")]
	pub state_dir: Option<PathBuf>,
	/// File into which the status is written as JSON once a second.
	#[arg(long, env = "POAIW_STATUS_FILE")]
	pub status_file: Option<PathBuf>,
	/// Verify the results of others instead of working.
	#[arg(long, env = "POAIW_VERIFY", value_parser = BoolishValueParser::new())]
	pub verify: bool,
	/// Execute tasks only; draw no tickets.
	#[arg(long, env = "POAIW_NO_MINING", value_parser = BoolishValueParser::new())]
	pub no_mining: bool,
	/// Share of the time in which `--executor cpu` mines while it has no task, in percent [default: 100].
	#[arg(long, env = "POAIW_CPU_DUTY", value_name = "PERCENT")]
	pub cpu_duty: Option<u8>,
	/// Seconds between checkpoints inside of a segment [default: 20].
	#[arg(long, env = "POAIW_CHECKPOINT_EVERY_S")]
	pub checkpoint_every_s: Option<u64>,
	/// Most memory that a task may need, in MiB [default: three quarters of what is free].
	#[arg(long, env = "POAIW_MAX_MEMORY_MIB")]
	pub max_memory_mib: Option<u64>,
	/// Log lines even in a terminal, instead of the dashboard.
	#[arg(long, env = "POAIW_PLAIN", value_parser = BoolishValueParser::new())]
	pub plain: bool,
	/// Print the settings that result, as TOML, and end.
	#[arg(long)]
	pub show_config: bool,
}

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileSettings {
	node: Option<String>,
	token_file: Option<PathBuf>,
	account: Option<String>,
	payout: Option<String>,
	executor: Option<Executor>,
	device: Option<String>,
	allow_cpu_adapter: Option<bool>,
	artifacts: Option<String>,
	state_dir: Option<PathBuf>,
	status_file: Option<PathBuf>,
	verify: Option<bool>,
	mining: Option<bool>,
	cpu_duty: Option<u8>,
	checkpoint_every_s: Option<u64>,
	max_memory_mib: Option<u64>,
	dashboard: Option<bool>,
}

/// What a worker runs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
	/// WebSocket of the node.
	pub node: String,
	/// File with the token that the node asks for.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub token_file: Option<PathBuf>,
	/// Account, as given.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub account: Option<String>,
	/// Who is paid for blocks, as given.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub payout: Option<String>,
	/// What executes programs.
	pub executor: Executor,
	/// Which device.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub device: Option<String>,
	/// Whether software devices may be used.
	pub allow_cpu_adapter: bool,
	/// Folder or URL of the artifact store.
	pub artifacts: String,
	/// Folder for checkpoints.
	pub state_dir: PathBuf,
	/// Status file.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub status_file: Option<PathBuf>,
	/// Verify instead of working.
	pub verify: bool,
	/// Whether tickets are drawn.
	pub mining: bool,
	/// Share of the time in which the CPU mines while it has no task, in percent.
	pub cpu_duty: u8,
	/// Seconds between checkpoints inside of a segment.
	pub checkpoint_every_s: u64,
	/// Most memory that a task may need, in MiB.
	pub max_memory_mib: u64,
	/// Whether to draw a dashboard.
	pub dashboard: bool,
}

impl Settings {
	/// Joins flags and environment (both in `args`), file and defaults. `terminal`: whether a person looks on.
	///
	/// # Errors
	/// If the file can't be read or a value makes no sense.
	pub fn new(args: &RunArgs, terminal: bool) -> anyhow::Result<Self> {
		let file = args
			.config
			.as_deref()
			.map(read_file)
			.transpose()?
			.unwrap_or_default();
		let args = args.clone();
		let settings = Self {
			node: args
				.node
				.or(file.node)
				.unwrap_or_else(|| "ws://127.0.0.1:9944".into()),
			token_file: args.token_file.or(file.token_file),
			account: args.account.or(file.account),
			payout: args.payout.or(file.payout),
			executor: args.executor.or(file.executor).unwrap_or_default(),
			device: args.device.or(file.device),
			allow_cpu_adapter: args.allow_cpu_adapter || file.allow_cpu_adapter.unwrap_or(false),
			artifacts: args
				.artifacts
				.or(file.artifacts)
				.unwrap_or_else(|| "artifacts".into()),
			state_dir: args
				.state_dir
				.or(file.state_dir)
				.unwrap_or_else(|| "poaiw-worker".into()),
			status_file: args.status_file.or(file.status_file),
			verify: args.verify || file.verify.unwrap_or(false),
			mining: !args.no_mining && file.mining.unwrap_or(true),
			cpu_duty: args.cpu_duty.or(file.cpu_duty).unwrap_or(100),
			checkpoint_every_s: args.checkpoint_every_s.or(file.checkpoint_every_s).unwrap_or(20),
			max_memory_mib: args
				.max_memory_mib
				.or(file.max_memory_mib)
				.unwrap_or_else(free_memory_mib),
			dashboard: terminal && !args.plain && file.dashboard.unwrap_or(true),
		};
		settings.check()?;
		Ok(settings)
	}

	fn check(&self) -> anyhow::Result<()> {
		if !self.node.starts_with("ws://") && !self.node.starts_with("wss://") {
			bail!(
				"node = {:?} is no WebSocket URL: give one like ws://127.0.0.1:9944",
				self.node
			);
		}
		if !(1..=100).contains(&self.cpu_duty) {
			bail!(
				"cpu_duty = {}: give a share of the time from 1 to 100 percent",
				self.cpu_duty
			);
		}
		if self.checkpoint_every_s == 0 {
			bail!("checkpoint_every_s = 0: give at least 1 second");
		}
		for text in [&self.account, &self.payout].into_iter().flatten() {
			account(text)?;
		}
		Ok(())
	}

	/// The node, with the token that it asks for if one was given.
	///
	/// # Errors
	/// If the token file can't be used.
	pub fn node(&self) -> anyhow::Result<NodeClient> {
		let token = self.token_file.as_deref().map(Token::read).transpose();
		let token = token.map_err(anyhow::Error::msg)?;
		if token.is_some() && !is_private(&self.node) {
			tracing::warn!(
				node = %self.node,
				"the token is sent unencrypted: use wss:// through a TLS proxy, or a tunnel, over networks you don't trust"
			);
		}
		Ok(NodeClient::with_token(self.node.clone(), token))
	}

	/// The account to work for.
	///
	/// # Errors
	/// If none was given.
	pub fn account(&self) -> anyhow::Result<AccountId> {
		let text = self
			.account
			.as_deref()
			.context("no account: give the one to work for with --account (or POAIW_ACCOUNT, or `account` in the file)")?;
		account(text)
	}

	/// Who is paid for blocks, if that is somebody else.
	///
	/// # Errors
	/// If it is no account.
	pub fn payout(&self) -> anyhow::Result<Option<AccountId>> {
		self.payout.as_deref().map(account).transpose()
	}
}

/// Whether what is sent to this URL is encrypted or stays on this machine.
fn is_private(url: &str) -> bool {
	let local = [
		"ws://127.0.0.1",
		"ws://localhost:",
		"ws://localhost/",
		"ws://[::1]",
	];
	url.starts_with("wss://") || local.iter().any(|start| url.starts_with(start))
}

fn account(text: &str) -> anyhow::Result<AccountId> {
	text.parse::<AccountId>().map_err(|error| {
		anyhow::anyhow!("{text:?} is no account ({error}): give an SS58 address or 32 bytes of hex")
	})
}

/// Three quarters of the memory that is free, in MiB; 4 GiB where that can't be found out.
fn free_memory_mib() -> u64 {
	const UNKNOWN: u64 = 4096;
	let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
	let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
	let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
	kib.map_or(UNKNOWN, |kib| kib / 1024 * 3 / 4)
}

fn read_file(path: &Path) -> anyhow::Result<FileSettings> {
	let explain = || format!("the configuration file {} can't be used", path.display());
	let size = std::fs::metadata(path).with_context(explain)?.len();
	if size > MAX_FILE {
		bail!("{}: it has {size} bytes, at most {MAX_FILE} are read", explain());
	}
	let text = std::fs::read_to_string(path).with_context(explain)?;
	toml::from_str(&text).with_context(explain)
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::io::Write;

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

	fn with_file(text: &str, args: RunArgs) -> anyhow::Result<Settings> {
		let mut file = tempfile::NamedTempFile::new().unwrap();
		file.write_all(text.as_bytes()).unwrap();
		Settings::new(
			&RunArgs {
				config: Some(file.path().into()),
				..args
			},
			false,
		)
	}

	#[test]
	fn flags_should_win_over_the_file_and_the_file_over_defaults() {
		let text =
			format!("node = \"ws://a:1\"\naccount = \"{ALICE}\"\nexecutor = \"cpu\"\nmining = false\n");
		let args = RunArgs {
			node: Some("wss://b:2".into()),
			..RunArgs::default()
		};
		let settings = with_file(&text, args).unwrap();
		assert_eq!(settings.node, "wss://b:2");
		assert_eq!((settings.executor, settings.mining), (Executor::Cpu, false));
		assert_eq!(settings.artifacts, "artifacts");
		assert_eq!(settings.account().unwrap().to_string(), ALICE);
		// What --show-config prints can be used as the file.
		let shown = toml::to_string(&settings).unwrap();
		assert_eq!(with_file(&shown, RunArgs::default()).unwrap(), settings);
	}

	#[test]
	fn wrong_settings_should_be_refused_with_what_to_do() {
		let refused = |text: &str| format!("{:#}", with_file(text, RunArgs::default()).unwrap_err());
		assert!(refused("nod = \"ws://a\"").contains("nod"));
		assert!(refused("node = \"http://a\"").contains("WebSocket"));
		assert!(refused("account = \"nobody\"").contains("SS58"));
		assert!(refused("checkpoint_every_s = 0").contains("at least 1"));
		assert!(refused("cpu_duty = 0").contains("1 to 100"));
		assert!(refused("cpu_duty = 101").contains("1 to 100"));
		assert!(refused("executor = \"fpga\"").contains("fpga"));
		let missing = RunArgs {
			config: Some("/nonexistent/worker.toml".into()),
			..RunArgs::default()
		};
		let error = format!("{:#}", Settings::new(&missing, false).unwrap_err());
		assert!(error.contains("/nonexistent/worker.toml"), "{error}");
		let error = Settings::new(&RunArgs::default(), false)
			.unwrap()
			.account()
			.unwrap_err();
		assert!(error.to_string().contains("--account"));
	}
	#[test]
	fn token_file_should_be_refused_when_it_is_missing_short_or_open_to_others() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("token");
		let node = |settings: &Settings| settings.node().map(drop).map_err(|error| error.to_string());
		let settings = with_file(
			&format!("token_file = {path:?}"),
			RunArgs {
				node: Some("wss://far.example:9955".into()),
				..RunArgs::default()
			},
		)
		.unwrap();
		assert!(node(&settings).unwrap_err().contains("openssl rand"));
		std::fs::write(&path, "short\n").unwrap();
		let set_mode = |mode: u32| {
			#[cfg(unix)]
			std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
			#[cfg(not(unix))]
			let _ = mode;
		};
		set_mode(0o600);
		assert!(node(&settings).unwrap_err().contains("at least 32"));
		std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
		assert_eq!(node(&settings), Ok(()));
		set_mode(0o640);
		#[cfg(unix)]
		assert!(node(&settings).unwrap_err().contains("chmod 600"));
	}

	#[test]
	fn only_encrypted_and_local_connections_should_count_as_private() {
		for url in [
			"wss://far.example",
			"ws://127.0.0.1:9955",
			"ws://localhost:1",
			"ws://[::1]:1",
		] {
			assert!(is_private(url), "{url}");
		}
		for url in [
			"ws://far.example",
			"ws://10.0.0.2:9955",
			"ws://localhost.example:1",
		] {
			assert!(!is_private(url), "{url}");
		}
	}
}
