// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! `work_*`: templates for miners, and their seals.

use super::{
	bad_param, hex_param, internal, require_safe,
	types::{ProfileJson, StatsJson, SubmitJson, TemplateJson},
};
use crate::{
	consensus::mining::{SubmitError, TemplateKeeper},
	metrics::log2,
};
use jsonrpsee::{
	core::{async_trait, RpcResult, SubscriptionResult},
	proc_macros::rpc,
	types::ErrorObjectOwned,
	Extensions, PendingSubscriptionSink, SubscriptionMessage,
};
use poaiw_primitives::{api::WorkApi, digest::Author, AccountId, Block, Hash, U256};
use poaiw_work::MAX_SEAL_BYTES;
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus_pow::DifficultyApi;

/// Mining methods. Unsafe-class.
#[rpc(server)]
pub trait WorkRpc {
	/// Templates for an author (default: the node's own), newest first at once and then whenever one is built.
	/// `payout` is who is paid (default: the author).
	#[subscription(
		name = "work_subscribeTemplate" => "work_template",
		unsubscribe = "work_unsubscribeTemplate",
		item = TemplateJson,
		with_extensions
	)]
	async fn subscribe_template(
		&self,
		author: Option<AccountId>,
		payout: Option<AccountId>,
	) -> SubscriptionResult;

	/// A seal (SCALE, hex) for the template with this pre-hash. A refused seal is an answer, not an error.
	#[method(name = "work_submitSeal", with_extensions)]
	async fn submit_seal(&self, seal: String, pre_hash: Hash) -> RpcResult<SubmitJson>;

	/// Parameters of the next block's seal.
	#[method(name = "work_profile")]
	fn profile(&self) -> RpcResult<ProfileJson>;

	/// Counters and state of the mining side.
	#[method(name = "work_stats")]
	fn stats(&self) -> RpcResult<StatsJson>;
}

/// Implementation over the template keeper.
pub struct Work<C> {
	keeper: TemplateKeeper<C>,
}

impl<C> Work<C> {
	/// Over a keeper.
	pub fn new(keeper: TemplateKeeper<C>) -> Self {
		Self { keeper }
	}
}

impl<C> Work<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	fn author(
		&self,
		author: Option<AccountId>,
		payout: Option<AccountId>,
	) -> Result<Author, ErrorObjectOwned> {
		let author =
			match author {
				Some(author) => Author {
					payout: payout.unwrap_or_else(|| author.clone()),
					author,
				},
				None => {
					let own =
						self.keeper.own_author().ok_or_else(|| {
							bad_param("author", "this node has no author of its own: name one, or start it with --author ACCOUNT")
						})?;
					Author {
						payout: payout.unwrap_or(own.payout),
						author: own.author,
					}
				}
			};
		self.keeper.want(&author).map_err(|e| bad_param("author", e))?;
		Ok(author)
	}

	async fn feed(&self, pending: PendingSubscriptionSink, author: Author) -> SubscriptionResult {
		let mut changes = self.keeper.subscribe();
		let sink = pending.accept().await?;
		let mut sent = None;
		loop {
			changes.borrow_and_update();
			// Whoever listens still wants templates.
			if self.keeper.want(&author).is_err() {
				return Ok(());
			}
			if let Some(template) = self
				.keeper
				.latest(&author)
				.filter(|template| sent != Some(template.pre_hash))
			{
				sent = Some(template.pre_hash);
				sink.send(SubscriptionMessage::from_json(&TemplateJson::new(&template))?)
					.await?;
			}
			tokio::select! {
				_ = sink.closed() => return Ok(()),
				changed = changes.changed() => if changed.is_err() { return Ok(()) },
			}
		}
	}
}

#[async_trait]
impl<C> WorkRpcServer for Work<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	async fn subscribe_template(
		&self,
		pending: PendingSubscriptionSink,
		extensions: &Extensions,
		author: Option<AccountId>,
		payout: Option<AccountId>,
	) -> SubscriptionResult {
		match require_safe(extensions).and_then(|()| self.author(author, payout)) {
			Ok(author) => self.feed(pending, author).await,
			Err(error) => {
				pending.reject(error).await;
				Ok(())
			}
		}
	}

	async fn submit_seal(
		&self,
		extensions: &Extensions,
		seal: String,
		pre_hash: Hash,
	) -> RpcResult<SubmitJson> {
		require_safe(extensions)?;
		let seal = hex_param("seal", &seal, MAX_SEAL_BYTES)?;
		Ok(match self.keeper.submit(pre_hash, seal).await {
			Ok(hash) => SubmitJson::Accepted { hash },
			Err(error @ SubmitError::Stale(_)) => SubmitJson::Stale {
				message: error.to_string(),
			},
			Err(error) => SubmitJson::Rejected {
				reason: error.name().into(),
				message: error.to_string(),
			},
		})
	}

	fn profile(&self) -> RpcResult<ProfileJson> {
		let best = self.keeper.rules().client().info().best_hash;
		Ok(ProfileJson::new(
			&*self.keeper.rules().params(best).map_err(internal)?,
		))
	}

	fn stats(&self) -> RpcResult<StatsJson> {
		let info = self.keeper.rules().client().info();
		let params = self.keeper.rules().params(info.best_hash).map_err(internal)?;
		Ok(StatsJson {
			best: info.best_number,
			best_hash: info.best_hash,
			finalized: info.finalized_number,
			target_log2: log2(params.mac_target),
			difficulty: params.difficulty.to_string(),
			paused: self.keeper.paused().map(|paused| paused.reason().into()),
			authors: self
				.keeper
				.authors()
				.into_iter()
				.map(|author| author.author)
				.collect(),
			counts: self.keeper.rules().metrics().snapshot(),
		})
	}
}
