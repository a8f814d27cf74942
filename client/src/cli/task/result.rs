// SPDX-License-Identifier: Apache-2.0

//! `poaiw task result`: download, check, write.

use super::{percent, StoreArgs};
use crate::cli::{connect, Out};
use clap::Args;
use poaiw::{
	receipt::{self, Receipt},
	results::{self, Verified},
	Result,
};
use poaiw_primitives::TaskId;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `poaiw task result`.
#[derive(Debug, Args)]
pub struct ResultArgs {
	/// Number of the task.
	id: TaskId,
	/// New or empty folder for the files.
	#[arg(short, long, value_name = "FOLDER")]
	output: PathBuf,
	#[command(flatten)]
	store: StoreArgs,
}

pub async fn result(node: &str, out: Out, args: ResultArgs) -> Result<u8> {
	let client = connect(node, out).await?;
	let report = client.task(args.id).await?;
	let store = args.store.open(&String::from_utf8_lossy(&report.spec.locator))?;
	let spinner = out.spinner("download");
	spinner.set_message(format!("and check task {} from {}", args.id, store.name()));
	let verified = results::download(&store, report).await;
	spinner.finish_and_clear();
	let verified = verified?;
	receipt::prepare_folder(&args.output)?;
	let receipt = receipt::receipt(&verified, client.node().genesis(), client.info().ss58_prefix);
	receipt::write(&args.output, &verified, &receipt)?;
	out.value(&json!({ "output": args.output.display().to_string(), "receipt": receipt }));
	show(out, &args, &verified, &receipt);
	Ok(0)
}

fn show(out: Out, args: &ResultArgs, verified: &Verified, receipt: &Receipt) {
	for check in &verified.checks {
		out.text(format!("  ok  {check}"));
	}
	let metric = verified.attestation.metric;
	out.table(&[
		("worker", receipt.worker.clone()),
		("seed", receipt.seed.clone()),
		(
			"held-out metric",
			metric.map_or_else(
				|| "none".into(),
				|(part, whole)| format!("{part} of {whole}, {}", percent(part, whole)),
			),
		),
		(
			"price paid",
			receipt.price_paid.clone().unwrap_or_else(|| "unknown".into()),
		),
		(
			"votes",
			format!(
				"{} accept, {} against",
				receipt.votes.accept, receipt.votes.against
			),
		),
		(
			"files",
			format!(
				"{} (receipt.json, index.json, trace.json, {} tensors)",
				args.output.display(),
				verified.state.len() + verified.outputs.iter().map(Vec::len).sum::<usize>()
			),
		),
	]);
}
