// SPDX-License-Identifier: Apache-2.0

//! The commands beside `run`: each prints its answer, and every problem with cause and next step.

use crate::{
	config::{Executor, Settings},
	device::{self, bench, DeviceChoice},
	node::NodeClient,
};
use anyhow::{bail, Context};
use poaiw_artifacts::{ArtifactStore, Kind};
use serde::Serialize;
use std::{fs::OpenOptions, io::IsTerminal, sync::Mutex};
use tracing_subscriber::EnvFilter;

/// Starts logging: lines on standard error, or into a file while the dashboard has the terminal. `RUST_LOG` filters.
///
/// # Errors
/// If the log file can't be opened, or logging was started before.
pub fn start_log(settings: &Settings) -> anyhow::Result<()> {
	let default = "info,wgpu_hal=warn,wgpu_core=warn,naga=warn,jsonrpsee=warn";
	let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
	let builder = tracing_subscriber::fmt().with_env_filter(filter);
	let started = if settings.dashboard {
		let path = settings.state_dir.join("worker.log");
		std::fs::create_dir_all(&settings.state_dir)
			.and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
			.map(|file| builder.with_ansi(false).with_writer(Mutex::new(file)).try_init())
			.with_context(|| format!("{} can't be written: choose another --state-dir", path.display()))?
	} else {
		builder
			.with_ansi(std::io::stderr().is_terminal())
			.with_writer(std::io::stderr)
			.try_init()
	};
	started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}

/// Prints settings as TOML.
///
/// # Errors
/// If they can't be written as TOML.
pub fn show_config(settings: &Settings) -> anyhow::Result<()> {
	print!("{}", toml::to_string(settings)?);
	Ok(())
}

/// Lists the devices.
///
/// # Errors
/// If there is none.
pub fn devices(json: bool) -> anyhow::Result<()> {
	let all = device::list();
	if json {
		println!("{}", serde_json::to_string(&all)?);
		return Ok(());
	}
	if all.is_empty() {
		return Err(device::DeviceError::NoAdapter.into());
	}
	for line in all {
		println!(
			"{}: {} ({}), driver {}, largest buffer {} MiB",
			line.index, line.name, line.kind, line.driver, line.max_binding_mib
		);
	}
	Ok(())
}

/// What a device can do.
#[derive(Debug, Serialize)]
struct BenchReport {
	device: String,
	driver: String,
	software: bool,
	dot: device::DotPath,
	/// All kernels gave the bits of the CPU.
	known_answer: bool,
	/// Rates by kernel.
	kernels: Vec<bench::Line>,
}

/// Lets a device pass the known-answer test and measures its kernels while they mine.
///
/// # Errors
/// If no device fits, or it computes something else than the CPU.
pub fn measure(wanted: Option<String>, allow_cpu: bool, json: bool) -> anyhow::Result<()> {
	let gpu = device::open(&DeviceChoice { wanted, allow_cpu })?;
	let kernels = bench::rates(&gpu)?;
	let report = BenchReport {
		device: gpu.name().into(),
		driver: gpu.driver(),
		software: gpu.is_software(),
		dot: gpu.dot(),
		known_answer: true,
		kernels,
	};
	if json {
		println!("{}", serde_json::to_string(&report)?);
		return Ok(());
	}
	println!(
		"{} (driver {}): known-answer test passed",
		report.device, report.driver
	);
	for line in &report.kernels {
		println!(
			"  {:32} {:>10.3e} {}/s  ({:.2} ms)",
			line.kernel, line.per_second, line.unit, line.milliseconds
		);
	}
	Ok(())
}

/// Looks for problems; prints one line for each check.
///
/// # Errors
/// If anything is wrong: how much.
pub async fn doctor(settings: &Settings) -> anyhow::Result<()> {
	let mut wrong = 0;
	let mut tell = |what: &str, result: anyhow::Result<String>| match result {
		Ok(found) => println!("ok     {what}: {found}"),
		Err(error) => {
			wrong += 1;
			println!("WRONG  {what}: {error:#}");
		}
	};
	tell("device", check_device(settings));
	tell("state folder", check_folder(settings));
	tell("artifact store", check_store(settings).await);
	let node = settings.node()?;
	tell("node", check_node(&node).await);
	tell("account", check_account(&node, settings).await);
	if wrong == 0 {
		Ok(())
	} else {
		bail!("{wrong} of 5 checks failed: see above for causes and remedies")
	}
}

fn check_device(settings: &Settings) -> anyhow::Result<String> {
	if settings.verify || settings.executor == Executor::Cpu {
		return Ok(format!(
			"the CPU, by choice (kernel {})",
			poaiw_work::kernel::Kernel::best().name()
		));
	}
	let choice = DeviceChoice {
		wanted: settings.device.clone(),
		allow_cpu: settings.allow_cpu_adapter,
	};
	let gpu = device::open(&choice)?;
	Ok(format!(
		"{} (driver {}) passed the known-answer test",
		gpu.name(),
		gpu.driver()
	))
}

fn check_folder(settings: &Settings) -> anyhow::Result<String> {
	let folder = &settings.state_dir;
	std::fs::create_dir_all(folder)
		.and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop))
		.with_context(|| {
			format!(
				"{} is not writable: choose another one with --state-dir",
				folder.display()
			)
		})?;
	Ok(folder.display().to_string())
}

async fn check_store(settings: &Settings) -> anyhow::Result<String> {
	let store = ArtifactStore::open(&settings.artifacts)?;
	let root = store.put_bytes(vec![1; 16], 1, 16).await?;
	store.get_bytes(&root, 1, 16).await?;
	store.remove(Kind::Tensor, &root).await?;
	Ok(store.name().to_string())
}

async fn check_node(node: &NodeClient) -> anyhow::Result<String> {
	let stats = node.stats().await?;
	if let Some(paused) = stats.paused {
		bail!("the node gives no templates now: {paused}");
	}
	Ok(format!(
		"{}: best block {}, finalized {}",
		node.url(),
		stats.best,
		stats.finalized
	))
}

async fn check_account(node: &NodeClient, settings: &Settings) -> anyhow::Result<String> {
	let account = settings.account()?;
	let status = node.worker_status(&account).await?;
	let status = status.with_context(|| {
		format!("{account} is not registered: register it with a bond and a reporter key")
	})?;
	if !status.has_reporter_key {
		bail!(
			"the node does not hold the reporter key {} of {account}: insert it (author_insertKey, key type poai)",
			status.reporter
		);
	}
	if settings.verify && !status.verifier {
		bail!("{account} is not registered as a verifier: register it with that role");
	}
	if !settings.verify && !status.worker {
		bail!("{account} is not registered as a worker: register it with that role");
	}
	Ok(format!("{account}, bond {}", status.bond))
}

/// Prints what chain and node know of the account, as JSON.
///
/// # Errors
/// If the node does not answer, or the account is not registered.
pub async fn status(settings: &Settings) -> anyhow::Result<()> {
	let account = settings.account()?;
	let node = settings.node()?;
	let status = node.status_json(&account).await?;
	if status.is_null() {
		bail!("{account} is not registered: register it with a bond and a reporter key");
	}
	println!("{}", serde_json::to_string_pretty(&status)?);
	Ok(())
}
