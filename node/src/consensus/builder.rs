// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The task that builds the templates which [`super::mining`] keeps.

use super::{
	mining::{Paused, Template, TemplateKeeper, REBUILD_AFTER},
	rules::Rules,
	seal_inherent::ParentSeal,
};
use codec::Encode;
use futures::{FutureExt, Stream, StreamExt};
use poaiw_primitives::{
	api::WorkApi,
	digest::{Author, ENGINE_ID},
	Block, Header, Moment, U256,
};
use polkadot_sdk::*;
use sc_client_api::BlockchainEvents;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus::{Environment, Proposal, ProposeArgs, Proposer, SelectChain, SyncOracle};
use sp_consensus_pow::DifficultyApi;
use sp_inherents::InherentDataProvider;
use sp_runtime::{
	traits::{Block as BlockT, Header as _},
	Digest, DigestItem,
};
use std::time::{Duration, Instant, SystemTime};

/// Time for executing transactions into a template.
const BUILD_TIME: Duration = Duration::from_millis(1_000);
/// Templates older than this are built again, so that their time stamp stays near the clock.
const MAX_AGE: Duration = Duration::from_secs(15);
/// How often the state of the network is looked at when nothing happens.
const TICK: Duration = Duration::from_secs(1);
/// How far a time stamp may be ahead of the clock of importing nodes, less a margin for their clocks.
const MAX_AHEAD_MS: Moment = 20_000;

/// When templates may be built.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
	/// Build without peers as well.
	pub alone: bool,
}

/// Builds templates until the client shuts down.
///
/// `transactions` yields when a transaction became ready.
pub async fn run<C, S, E, O>(
	keeper: TemplateKeeper<C>,
	select_chain: S,
	mut environment: E,
	oracle: O,
	transactions: impl Stream<Item = <Block as BlockT>::Hash> + Unpin,
	policy: Policy,
) where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + BlockchainEvents<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	S: SelectChain<Block>,
	E: Environment<Block> + Send,
	O: SyncOracle,
{
	let mut imports = keeper.rules().client().import_notification_stream().fuse();
	let mut transactions = transactions.fuse();
	let mut stale = false;
	loop {
		if oracle.is_major_syncing() {
			keeper.pause(Paused::Syncing);
		} else if !policy.alone && oracle.is_offline() {
			keeper.pause(Paused::NoPeers);
		} else {
			match select_chain.best_chain().await {
				Ok(best) => stale = build_due(&keeper, &mut environment, &best, stale).await,
				Err(error) => {
					log::warn!(target: crate::LOG_TARGET, "no template: can't find the best block: {error}")
				}
			}
		}
		let mut tick = std::pin::pin!(tokio::time::sleep(TICK).fuse());
		let mut asked = std::pin::pin!(keeper.asked().fuse());
		futures::select! {
			imported = imports.next() => match imported {
				Some(imported) => note_reorg(&keeper, imported.tree_route.as_deref()),
				None => return,
			},
			transaction = transactions.next() => stale |= transaction.is_some(),
			_ = asked => stale = true,
			_ = tick => (),
		}
	}
}

/// Counts the blocks that a new best block took back.
fn note_reorg<C>(keeper: &TemplateKeeper<C>, route: Option<&sp_blockchain::TreeRoute<Block>>)
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	let depth = route.map_or(0, |route| route.retracted().len() as u64);
	if depth > 0 {
		keeper.rules().metrics().reorg(depth);
	}
}

/// Builds what is due on `best`. Returns whether something that asks for a new template is still waiting.
async fn build_due<C, E>(keeper: &TemplateKeeper<C>, environment: &mut E, best: &Header, stale: bool) -> bool
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	E: Environment<Block> + Send,
{
	let mut waiting = false;
	for author in keeper.authors() {
		let due = match keeper.stands_on(&author, best.hash()) {
			None => true,
			Some(age) => {
				keeper.rules().metrics().template_age(age);
				waiting |= stale && age < REBUILD_AFTER;
				(stale && age >= REBUILD_AFTER) || age >= MAX_AGE
			}
		};
		if due {
			if let Err(error) = build(keeper, environment, best, author).await {
				log::warn!(target: crate::LOG_TARGET, "no template on {:?}: {error}", best.hash());
			}
		}
	}
	waiting
}

/// Builds one template for now and stores it.
async fn build<C, E>(
	keeper: &TemplateKeeper<C>,
	environment: &mut E,
	best: &Header,
	author: Author,
) -> Result<(), String>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	E: Environment<Block> + Send,
{
	let earliest = keeper
		.rules()
		.client()
		.runtime_api()
		.earliest_timestamp(best.hash())
		.map_err(|e| format!("can't read the earliest time stamp: {e}"))?;
	let (template, proposal) =
		build_at(keeper.rules(), environment, best, author, timestamp(earliest)?).await?;
	keeper.store(template, proposal);
	Ok(())
}

/// Builds one template on `best` with this time stamp (ms).
///
/// # Errors
/// In words: what could not be read, or what the runtime did not accept.
pub async fn build_at<C, E>(
	rules: &Rules<C>,
	environment: &mut E,
	best: &Header,
	author: Author,
	time: Moment,
) -> Result<(Template, Proposal<Block>), String>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
	E: Environment<Block> + Send,
{
	let parent = best.hash();
	let params = rules.params(parent).map_err(|e| e.to_string())?;
	// Built here, so that neither a worker's first seal nor the next import waits for it.
	rules.light_cache(&params).map_err(|e| e.to_string())?;
	let providers = (
		sp_timestamp::InherentDataProvider::new(time.into()),
		ParentSeal::of(rules, parent)?,
	);
	let inherent_data = providers
		.create_inherent_data()
		.await
		.map_err(|e| format!("inherent data: {e}"))?;
	let mut inherent_digests = Digest::default();
	inherent_digests.push(DigestItem::PreRuntime(ENGINE_ID, author.encode()));
	let proposer = environment
		.init(best)
		.await
		.map_err(|e| format!("proposer: {e}"))?;
	let proposal = proposer
		.propose(ProposeArgs {
			inherent_data,
			inherent_digests,
			max_duration: BUILD_TIME,
			block_size_limit: None,
			storage_proof_recorder: None,
			extra_extensions: Default::default(),
		})
		.await
		.map_err(|e| format!("proposal: {e}"))?;
	let header = proposal.block.header();
	let template = Template {
		parent,
		height: *header.number(),
		author,
		pre_hash: header.hash(),
		params,
		built: Instant::now(),
	};
	Ok((template, proposal))
}

/// The time stamp of a template: the clock, or the earliest that is allowed where the clock is behind it.
fn timestamp(earliest: Moment) -> Result<Moment, String> {
	let now = SystemTime::now()
		.duration_since(SystemTime::UNIX_EPOCH)
		.map_err(|_| "the clock of this machine stands before 1970: set it".to_string())?;
	let now = Moment::try_from(now.as_millis())
		.map_err(|_| "the clock of this machine is out of range".to_string())?;
	if earliest > now.saturating_add(MAX_AHEAD_MS) {
		return Err(format!(
			"the chain allows no time stamp before {earliest} ms, the clock says {now} ms: compare the clock of this machine"
		));
	}
	Ok(now.max(earliest))
}
