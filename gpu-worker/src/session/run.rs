// SPDX-License-Identifier: Apache-2.0

//! Starts all parts of a worker or verifier and stops them in order.

use super::{
	compute::{Bench, Compute},
	engine::{CpuEngine, Engine, MiningDesk},
	gpu::GpuEngine,
	worker::Worker,
};
use crate::{
	config::{Executor, Settings},
	device::{self, DeviceChoice},
	miner::{Stats, TemplateSlot},
	node::{feed, NodeClient},
	ui::{board::write_atomically, dashboard, Board, Role},
	verify,
};
use anyhow::{bail, Context};
use poaiw_artifacts::ArtifactStore;
use poaiw_primitives::AccountId;
use std::{
	fs::{File, TryLockError},
	path::{Path, PathBuf},
	time::{Duration, Instant},
};
use tokio::sync::{mpsc::unbounded_channel, watch};

/// Opens an engine; called again after a device failed.
pub type EngineFactory = Box<dyn Fn(&MiningDesk) -> anyhow::Result<Box<dyn Engine>> + Send>;

/// Opens what the settings ask for. There is no fallback from one to the other.
pub fn engine_of(settings: &Settings) -> EngineFactory {
	match settings.executor {
		Executor::Cpu => {
			let duty = settings.cpu_duty;
			Box::new(move |desk| Ok(Box::new(CpuEngine::new(desk.clone()).with_duty(duty))))
		}
		Executor::Gpu => {
			let choice = device_choice(settings);
			Box::new(move |desk| Ok(Box::new(GpuEngine::open(&choice, desk)?)))
		}
	}
}

/// Runs a worker or a verifier until it is interrupted.
///
/// # Errors
/// If it can't be started, with cause and next step.
pub async fn run(settings: Settings, factory: EngineFactory) -> anyhow::Result<()> {
	let account = settings.account()?;
	let payout = settings.payout()?.unwrap_or_else(|| account.clone());
	let store = ArtifactStore::open(&settings.artifacts)?;
	let _lock = lock(&settings.state_dir)?;
	let stats = Stats::default();
	let board = Board::new(stats.clone());
	let node = settings.node()?;
	board.update(|status| {
		status.account = account.to_string();
		status.node = settings.node.clone();
		status.role = if settings.verify {
			Role::Verifier
		} else {
			Role::Worker
		};
	});
	let (stop, stopped) = watch::channel(false);
	tokio::spawn(interrupted(stop));
	let shown = tokio::spawn(show(
		board.clone(),
		node.clone(),
		settings.status_file.clone(),
		stopped.clone(),
	));
	let drawn = settings
		.dashboard
		.then(|| dashboard::start(board.clone(), stopped.clone()));
	let result = if settings.verify {
		let executor = re_executor(&settings, &board)?;
		verify::role::Verifier::new((node, store, board), account, executor)
			.work(stopped)
			.await
	} else {
		let parts = (node, store, board);
		run_worker(&settings, parts, (account, payout), stats, factory, stopped).await
	};
	shown.abort();
	if let Some(drawn) = drawn {
		drawn.end();
	}
	result
}

/// Opens what the settings ask for to re-execute with.
fn re_executor(settings: &Settings, board: &Board) -> anyhow::Result<verify::gpu::Executor> {
	let (executor, device, kernel) = match settings.executor {
		Executor::Cpu => (verify::gpu::Executor::Cpu, "CPU".to_string(), "interpreter"),
		Executor::Gpu => {
			let gpu = device::open(&device_choice(settings))?;
			let name = format!("{} ({})", gpu.name(), gpu.driver());
			(verify::gpu::Executor::Gpu(gpu), name, "plain products")
		}
	};
	tracing::info!(%device, "verifying");
	board.update(|status| (status.device, status.kernel) = (device, kernel.into()));
	Ok(executor)
}

fn device_choice(settings: &Settings) -> DeviceChoice {
	DeviceChoice {
		wanted: settings.device.clone(),
		allow_cpu: settings.allow_cpu_adapter,
	}
}

async fn run_worker(
	settings: &Settings,
	(node, store, board): (NodeClient, ArtifactStore, Board),
	(account, payout): (AccountId, AccountId),
	stats: Stats,
	factory: EngineFactory,
	stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
	let slot = TemplateSlot::default();
	let (found, seals) = unbounded_channel();
	let (reports, received) = unbounded_channel();
	let desk = MiningDesk {
		slot: slot.clone(),
		stats: stats.clone(),
		found,
		mining: settings.mining,
	};
	let bench = Bench {
		desk,
		store: store.clone(),
		board: board.clone(),
		folder: settings.state_dir.clone(),
		every: Duration::from_secs(settings.checkpoint_every_s),
		reports,
		runtime: tokio::runtime::Handle::current(),
	};
	let (compute, description) = Compute::start(bench, factory).await?;
	tracing::info!(device = %description.device, kernel = %description.kernel, %account, "ready");
	board.update(|status| (status.device, status.kernel) = (description.device, description.kernel));
	let submitter = tokio::spawn(feed::submit_seals(
		node.clone(),
		seals,
		stats,
		slot.clone(),
		board.clone(),
	));
	let feed = settings.mining.then(|| {
		let (node, slot, board) = (node.clone(), slot.clone(), board.clone());
		tokio::spawn(feed::keep_template(node, account.clone(), payout, slot, board))
	});
	let ending = stopped.clone();
	let quiet = tokio::spawn(stop_mining(feed, slot, ending));
	let mut worker = Worker::new(
		(node, store, board),
		account,
		settings.state_dir.clone(),
		compute,
		received,
	);
	worker.max_memory_mib = settings.max_memory_mib;
	let result = worker.work(stopped).await;
	quiet.abort();
	submitter.abort();
	result
}

/// When it is time to stop: no more templates, so that a synthetic product ends at once.
async fn stop_mining(
	feed: Option<tokio::task::JoinHandle<()>>,
	slot: TemplateSlot,
	mut stopped: watch::Receiver<bool>,
) {
	let _ = stopped.changed().await;
	if let Some(feed) = feed {
		feed.abort();
		let _ = feed.await;
	}
	slot.set(None);
}

/// Waits for Ctrl-C or a request to terminate; a second one ends the process at once.
async fn interrupted(stop: watch::Sender<bool>) {
	signal().await;
	tracing::info!("interrupted: finishing what runs; once more to end at once");
	let _ = stop.send(true);
	signal().await;
	std::process::exit(130);
}

async fn signal() {
	use tokio::signal::unix::{signal, SignalKind};
	match signal(SignalKind::terminate()) {
		Ok(mut terminate) => tokio::select! {
			_ = tokio::signal::ctrl_c() => (),
			_ = terminate.recv() => (),
		},
		Err(_) => drop(tokio::signal::ctrl_c().await),
	}
}

/// Writes the status file once a second.
async fn show(board: Board, node: NodeClient, file: Option<PathBuf>, stopped: watch::Receiver<bool>) {
	let mut ticks = tokio::time::interval(Duration::from_secs(1));
	let mut complained = false;
	while !*stopped.borrow() {
		ticks.tick().await;
		board.update(|status| status.connected = node.is_connected());
		let status = board.snapshot(Instant::now());
		let Some(file) = &file else { continue };
		let Ok(json) = serde_json::to_vec_pretty(&status) else {
			continue;
		};
		if let Err(error) = write_atomically(file, &json) {
			if !complained {
				tracing::error!("status file: {error:#}");
			}
			complained = true;
		}
	}
}

/// Takes the folder of this worker for this process alone.
fn lock(folder: &Path) -> anyhow::Result<File> {
	std::fs::create_dir_all(folder).with_context(|| {
		format!(
			"{} can't be made: choose another folder with --state-dir",
			folder.display()
		)
	})?;
	let path = folder.join("lock");
	let file = File::create(&path).with_context(|| {
		format!(
			"{} can't be written: choose another folder with --state-dir",
			path.display()
		)
	})?;
	match file.try_lock() {
		Ok(()) => Ok(file),
		Err(TryLockError::WouldBlock) => bail!(
			"another worker uses {}: stop it, or choose another folder with --state-dir",
			folder.display()
		),
		Err(TryLockError::Error(error)) => {
			Err(error).with_context(|| format!("{} can't be locked", path.display()))
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_folder_should_be_used_by_one_worker_only() {
		let folder = tempfile::tempdir().unwrap();
		let first = lock(folder.path()).unwrap();
		let error = lock(folder.path()).unwrap_err().to_string();
		assert!(
			error.contains("another worker") && error.contains("--state-dir"),
			"{error}"
		);
		drop(first);
		lock(folder.path()).unwrap();
	}
}
