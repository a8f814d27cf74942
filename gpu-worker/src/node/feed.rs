// SPDX-License-Identifier: Apache-2.0

//! Templates to the miners, seals to the node.

use super::{NodeClient, NodeError, SubmitView};
use crate::{
	miner::{Found, Stats, TemplateSlot},
	ui::Board,
};
use poaiw_primitives::AccountId;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Pause before a broken feed is opened again; the connection itself has its own backoff.
const PAUSE: Duration = Duration::from_millis(500);

/// Keeps `slot` at the newest template, for ever. While there is no feed there is no template, so nothing is mined
/// that could not be submitted.
pub async fn keep_template(
	node: NodeClient,
	author: AccountId,
	payout: AccountId,
	slot: TemplateSlot,
	board: Board,
) {
	let mut said = String::new();
	loop {
		let ended = follow(&node, &author, &payout, &slot, &board).await;
		slot.set(None);
		if let Err(error) = ended {
			let words = error.to_string();
			board.problem(words.clone());
			if words != said {
				tracing::warn!(%error, "no templates");
				said = words;
			}
		}
		tokio::time::sleep(PAUSE).await;
	}
}

async fn follow(
	node: &NodeClient,
	author: &AccountId,
	payout: &AccountId,
	slot: &TemplateSlot,
	board: &Board,
) -> Result<(), NodeError> {
	let mut templates = node.templates(author, payout).await?;
	tracing::info!(%author, "following the node's templates");
	while let Some(template) = templates.next().await {
		let method = "work_subscribeTemplate";
		let view = template.map_err(|error| NodeError::Answer {
			method,
			reason: error.to_string(),
		})?;
		let checked = view.check(author);
		let template = checked.map_err(|error| NodeError::Answer {
			method,
			reason: error.to_string(),
		})?;
		board.template(template.height);
		slot.set(Some(template));
	}
	Ok(())
}

/// Hands confirmed seals to the node and counts what becomes of them.
pub async fn submit_seals(
	node: NodeClient,
	mut found: UnboundedReceiver<Found>,
	stats: Stats,
	slot: TemplateSlot,
	board: Board,
) {
	while let Some(Found { pre_hash, seal }) = found.recv().await {
		if slot.get().is_none_or(|template| template.pre_hash != pre_hash) {
			stats.stale();
			continue;
		}
		match node.submit_seal(&seal, &pre_hash).await {
			Ok(SubmitView::Accepted { hash }) => {
				stats.accepted();
				let source = seal.source;
				tracing::info!(block = %hash, ?source, "sealed a block");
			}
			Ok(SubmitView::Stale { message }) => {
				stats.stale();
				tracing::debug!(%message, "a seal came too late");
			}
			Ok(SubmitView::Rejected { reason, message }) => {
				stats.rejected();
				board.problem(format!("the node rejected a seal ({reason}): {message}"));
				tracing::error!(%reason, %message, "the node rejected a seal");
			}
			Err(error) => {
				stats.stale();
				board.problem(error.to_string());
				tracing::warn!(%error, "a seal could not be submitted");
			}
		}
	}
}
