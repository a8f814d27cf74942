// SPDX-License-Identifier: Apache-2.0

//! `poaiw task submit`: manifest, quote, artifacts, post.

use super::{watch, StoreArgs};
use crate::cli::{connect, Out, SignerArgs};
use clap::Args;
use poaiw::{
	chain::submit::Until,
	client::hex32,
	format::{amount, bytes, macs},
	submission, view, Client, Error, Result,
};
use poaiw_models::Task;
use poaiw_primitives::{
	task::{Quote, TaskSpec},
	Balance,
};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};

/// Arguments of `poaiw task submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
	/// The task, in TOML.
	manifest: PathBuf,
	/// Show what it costs and what would be held; upload and send nothing.
	#[arg(long)]
	dry_run: bool,
	/// Follow the task until it has ended.
	#[arg(long, conflicts_with = "dry_run")]
	watch: bool,
	/// With --watch: status file of a worker on this machine, for steps and loss under the lease.
	#[arg(long, env = "POAIW_WORKER_STATUS", value_name = "FILE")]
	worker_status: Option<PathBuf>,
	/// Wait until the post is finalized, not only in the best block.
	#[arg(long, conflicts_with = "dry_run")]
	finalized: bool,
	#[command(flatten)]
	store: StoreArgs,
	#[command(flatten)]
	signer: SignerArgs,
}

pub async fn submit(node: &str, out: Out, args: SubmitArgs) -> Result<u8> {
	let task = compile(out, &args.manifest)?;
	let signer = if args.dry_run {
		args.signer.optional()?
	} else {
		Some(args.signer.required()?)
	};
	let client = connect(node, out).await?;
	submission::check_segments(&task.info, client.max_segment_macs().await?)?;
	let spec = submission::spec(&task, client.node().head().await?.number)?;
	let quote = client.quote(spec.macs, spec.tip_per_gmac).await?;
	let prepared = match &signer {
		Some(signer) => Some(client.prepare_post(signer, &spec).await?),
		None => None,
	};
	let fee = prepared.as_ref().map(|x| x.fee);
	show(out, &client, &task, &spec, &quote, fee);
	client
		.check(
			signer.as_ref().map(|x| x.account()),
			&spec,
			&quote,
			fee.unwrap_or(0),
		)
		.await?;
	let Some(prepared) = prepared.filter(|_| !args.dry_run) else {
		out.value(
			&json!({ "dry_run": true, "quote": view::quote(&quote), "task": summary(&task, &spec, fee) }),
		);
		out.text(
			"Dry run: nothing was uploaded, sent or held. Run it again without --dry-run to post the task.",
		);
		return Ok(0);
	};
	upload(out, &args.store, &task, &spec).await?;
	let spinner = out.spinner("post");
	let until = if args.finalized {
		Until::Finalized
	} else {
		Until::Included
	};
	let posted = client.post(&prepared, until).await;
	spinner.finish_and_clear();
	let posted = posted?;
	let (id, block) = (posted.task, posted.included.block);
	out.value(&json!({
		"task": id,
		"block": block,
		"transaction": posted.included.transaction,
		"quote": view::quote(&quote),
		"posted": summary(&task, &spec, fee),
	}));
	out.text(format!(
		"Posted task {id} in block {}; {} held.",
		block.number,
		amount(spec.max_price)
	));
	if args.watch {
		return watch::watch(client, out, id, args.worker_status).await;
	}
	out.text(format!(
		"  next: poaiw task watch {id}\n  then: poaiw task result {id} -o result-{id}"
	));
	Ok(0)
}

fn compile(out: Out, manifest: &Path) -> Result<Task> {
	let spinner = out.spinner("compile");
	spinner.set_message(manifest.display().to_string());
	let task = submission::load(manifest);
	spinner.finish_and_clear();
	task
}

fn summary(task: &Task, spec: &TaskSpec, fee: Option<Balance>) -> Value {
	json!({
		"title": task.manifest.title,
		"macs": spec.macs,
		"segments": spec.segments,
		"steps": task.workload.steps,
		"memory_mib": spec.memory_mib,
		"artifact_bytes": submission::artifact_bytes(task),
		"program_root": hex32(&spec.program_root),
		"input_root": hex32(&spec.input_root),
		"held": amount(spec.max_price),
		"deadline": spec.deadline,
		"transaction_fee": fee.map(amount),
	})
}

fn show(out: Out, client: &Client, task: &Task, spec: &TaskSpec, quote: &Quote, fee: Option<Balance>) {
	let tokens = |value| format!("{} {}", amount(value), client.info().symbol);
	let gmacs = Balance::from(quote.gmacs);
	let part = |per_gmac: Balance| {
		gmacs
			.checked_mul(per_gmac)
			.map_or_else(|| "overflow".into(), tokens)
	};
	let wait = match quote.expected_wait {
		Some(blocks) => format!("about {blocks} blocks, {} tasks ahead", quote.tasks_ahead),
		None => format!(
			"unknown: no worker is registered ({} tasks ahead)",
			quote.tasks_ahead
		),
	};
	let fee = fee.map_or_else(|| "unknown without a signer".into(), tokens);
	out.table(&[
		("task", task.manifest.title.clone()),
		(
			"work",
			format!(
				"{} in {} segments ({} steps)",
				macs(spec.macs as f64),
				spec.segments,
				task.workload.steps
			),
		),
		("device memory", format!("{} MiB", spec.memory_mib)),
		("artifacts", bytes(submission::artifact_bytes(task))),
		(
			"base fee (burned)",
			format!(
				"{} × {} GMAC = {}",
				amount(quote.base_fee_per_gmac),
				quote.gmacs,
				part(quote.base_fee_per_gmac)
			),
		),
		(
			"tip (worker's)",
			format!(
				"{} × {} GMAC = {}",
				amount(quote.tip_per_gmac),
				quote.gmacs,
				part(quote.tip_per_gmac)
			),
		),
		("price now", tokens(quote.price)),
		(
			"held until it ends",
			format!(
				"{} (max_total; {} covers a rising base fee)",
				tokens(spec.max_price),
				amount(quote.suggested_max_price)
			),
		),
		("transaction fee", fee),
		("expected wait", wait),
		(
			"deadline",
			format!(
				"block {} ({} from now)",
				spec.deadline, task.manifest.terms.deadline_blocks
			),
		),
		(
			"verification",
			format!(
				"{} segments at least, {} verifiers each",
				spec.level.sampled, spec.level.verifiers
			),
		),
	]);
}

async fn upload(out: Out, store: &StoreArgs, task: &Task, spec: &TaskSpec) -> Result<()> {
	let locator = String::from_utf8_lossy(&spec.locator).into_owned();
	let store = store.open(&locator)?;
	let bar = out.bytes_bar(submission::artifact_bytes(task), "upload");
	let mut present = 0;
	let done = submission::upload(&store, task, |part| {
		present += u32::from(part.present);
		bar.inc(part.bytes);
		bar.set_message(part.what.clone());
	})
	.await;
	bar.finish_and_clear();
	done.map_err(|error| match error {
		Error::Artifact { reason, next, .. } => Error::Artifact {
			what: "upload (no task was posted)".into(),
			reason,
			next,
		},
		other => other,
	})?;
	let parts = task.workload.data.len() + 1;
	out.text(format!(
		"Uploaded {} artifacts to {} ({present} of them were there already).",
		parts,
		store.name()
	));
	Ok(())
}
