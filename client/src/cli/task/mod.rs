// SPDX-License-Identifier: Apache-2.0

//! `poaiw task`: post, follow, list, cancel, download.

mod live;
mod result;
mod submit;
mod watch;

use super::{connect, Out, SignerArgs};
use clap::{Args, Subcommand};
use poaiw::{
	chain::value::integer,
	format::{amount, macs},
	submission::open_store,
	view, Error, Result,
};
use poaiw_artifacts::ArtifactStore;
use poaiw_primitives::{task::TaskReport, TaskId};
use serde_json::json;
use std::path::PathBuf;

/// Commands for tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
	/// Check a manifest, show what it costs, and post it.
	Submit(submit::SubmitArgs),
	/// Download the result of a settled task and check it against the chain.
	Result(result::ResultArgs),
	/// Follow a task until it has ended: state, votes, loss curve.
	Watch {
		/// Number of the task.
		id: TaskId,
		/// Status file of a worker on this machine (`poaiw-worker --status-file`): shows steps and loss under the lease.
		#[arg(long, env = "POAIW_WORKER_STATUS", value_name = "FILE")]
		worker_status: Option<PathBuf>,
	},
	/// Show the last tasks, newest first.
	List {
		/// How many.
		#[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
		limit: u32,
	},
	/// Withdraw a task. Free while it is open; under a lease, the work that was done is charged.
	Cancel {
		/// Number of the task.
		id: TaskId,
		#[command(flatten)]
		signer: SignerArgs,
	},
}

pub async fn run(node: &str, out: Out, command: TaskCommand) -> Result<u8> {
	match command {
		TaskCommand::Submit(args) => submit::submit(node, out, args).await,
		TaskCommand::Result(args) => result::result(node, out, args).await,
		TaskCommand::Watch { id, worker_status } => {
			watch::watch(connect(node, out).await?, out, id, worker_status).await
		}
		TaskCommand::List { limit } => list(node, out, limit).await,
		TaskCommand::Cancel { id, signer } => {
			let signer = signer.required()?;
			let client = connect(node, out).await?;
			let done = client.cancel(&signer, id).await?;
			let tokens = |name: &str| {
				let found = done
					.event("TaskMarket", "Cancelled")
					.and_then(|fields| fields.get(name));
				found.and_then(integer).map(amount)
			};
			let (paid, burned, released) = (tokens("paid"), tokens("burned"), tokens("released"));
			out.value(&json!({
				"task": id, "cancelled": true, "paid": paid, "burned": burned, "released": released,
				"transaction": done.transaction, "block": done.block,
			}));
			let text = |part: Option<String>| part.unwrap_or_else(|| "an unknown amount".into());
			out.text(format!(
				"Task {id} was cancelled in block {}: {} paid for work done, {} burned, {} released.",
				done.block.number,
				text(paid),
				text(burned),
				text(released),
			));
			Ok(0)
		}
	}
}

async fn list(node: &str, out: Out, limit: u32) -> Result<u8> {
	let client = connect(node, out).await?;
	let tasks = client.tasks(limit).await?;
	let prefix = client.info().ss58_prefix;
	out.value(&json!(tasks
		.iter()
		.map(|task| view::task(task, prefix))
		.collect::<Vec<_>>()));
	if tasks.is_empty() {
		out.text("No tasks yet. Post one: `poaiw task submit MANIFEST.toml`");
		return Ok(0);
	}
	out.text(format!(
		"{:>6}  {:<9}  {:<10}  {:>12}  {:>12}  {:>8}  {}",
		"task", "state", "class", "work", "max price", "deadline", "result"
	));
	for task in &tasks {
		out.text(row(task));
	}
	Ok(0)
}

fn row(task: &TaskReport) -> String {
	let claim = task.verification.as_ref().map(|x| &x.attestation);
	let result = match claim.and_then(|claim| claim.metric) {
		Some((correct, total)) => format!("{} held-out", percent(correct, total)),
		None => String::new(),
	};
	format!(
		"{:>6}  {:<9}  {:<10}  {:>12}  {:>12}  {:>8}  {result}",
		task.id,
		view::state_name(&task.state),
		format!("{:?}", task.spec.class).to_lowercase(),
		macs(task.spec.macs as f64),
		amount(task.spec.max_price),
		task.spec.deadline,
	)
}

/// Where artifacts are.
#[derive(Debug, Args)]
pub struct StoreArgs {
	/// Folder or URL of the artifact store that the workers of the network use.
	#[arg(long, env = "POAIW_ARTIFACTS", value_name = "FOLDER|URL")]
	pub artifacts: Option<String>,
}

impl StoreArgs {
	/// The store: the one named, else the task's locator.
	pub fn open(&self, locator: &str) -> Result<ArtifactStore> {
		match (&self.artifacts, locator) {
			(Some(named), _) => open_store(named),
			(None, "") => Err(Error::Artifact {
				what: "store".into(),
				reason: "none was named, and the task has no locator".into(),
				next:
					"add --artifacts FOLDER|URL (or set POAIW_ARTIFACTS) with the store that the workers use",
			}),
			(None, locator) => open_store(locator),
		}
	}
}

/// A share in percent, exact to two places.
fn percent(part: u32, whole: u32) -> String {
	if whole == 0 {
		return "–".into();
	}
	let hundredths = u64::from(part) * 10_000 / u64::from(whole);
	format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
	use super::percent;

	#[test]
	fn percent_should_not_divide_by_zero() {
		assert_eq!(percent(0, 0), "–");
		assert_eq!(percent(347, 360), "96.38 %");
		assert_eq!(percent(u32::MAX, u32::MAX), "100.00 %");
	}
}
