// SPDX-License-Identifier: Apache-2.0

//! Typed calls: quote, post, follow and cancel tasks, read supply and work.

use crate::{
	chain::{
		metadata::arg,
		node::{answer, AccountBalance, BlockRef, ChainInfo, Node},
		submit::{Included, Prepared, Until},
		value,
	},
	error::{Error, Result},
	signer::Signer,
	view,
	watch::Watch,
};
use codec::{Compact, Decode};
use poaiw_primitives::{
	economics::Supply,
	task::{Quote, TaskReport, TaskSpec},
	AccountId, Address, Balance, BlockNumber, Hash32, TaskId, U256,
};
use poaiw_work::profile::WorkProfile;
use serde::Serialize;
use serde_json::Value;

/// Pallet that tasks are posted to.
const MARKET: &str = "TaskMarket";

/// A connection with typed calls.
#[derive(Debug)]
pub struct Client {
	node: Node,
	info: ChainInfo,
}

/// A posted task.
#[derive(Clone, Debug)]
pub struct Posted {
	/// Its number.
	pub task: TaskId,
	/// The transaction that posted it.
	pub included: Included,
}

/// Where the chain stands.
#[derive(Clone, Debug, Serialize)]
pub struct ChainStatus {
	/// Names and versions.
	#[serde(flatten)]
	pub info: ChainInfo,
	/// Hash of the genesis block.
	pub genesis: poaiw_primitives::Hash,
	/// Best block.
	pub head: BlockRef,
	/// Last finalized block.
	pub finalized: BlockRef,
	/// Number of the epoch.
	pub epoch: u32,
	/// Height at which the next one begins.
	pub next_epoch_at: BlockNumber,
	/// Expected MACs of a block at the present target.
	pub expected_macs_per_block: f64,
	/// Parameters of the ticket.
	pub profile: WorkProfile,
	/// Reward of the next block, all shares together.
	#[serde(serialize_with = "tokens")]
	pub block_reward: Balance,
	/// Where the supply comes from and went.
	#[serde(skip)]
	pub supply: Supply,
}

fn tokens<S: serde::Serializer>(value: &Balance, serializer: S) -> core::result::Result<S::Ok, S::Error> {
	serializer.serialize_str(&crate::format::amount(*value))
}

impl Client {
	/// Connects to the node at `url`.
	///
	/// # Errors
	/// [`Error::Unreachable`] if nobody answers.
	pub async fn connect(url: &str) -> Result<Self> {
		let node = Node::connect(url).await?;
		let info = node.info().await?;
		Ok(Self { node, info })
	}

	/// The connection, for calls that have no function here.
	pub fn node(&self) -> &Node {
		&self.node
	}

	/// Names and versions of the network.
	pub fn info(&self) -> &ChainInfo {
		&self.info
	}

	/// Price and expected wait of a task of `macs` at this tip.
	///
	/// # Errors
	/// As [`Node::api`], as all reads here.
	pub async fn quote(&self, macs: u64, tip_per_gmac: Balance) -> Result<Quote> {
		self.node
			.api("MarketApi_quote", &(macs, tip_per_gmac), None)
			.await
	}

	/// Most that `max_price` must be, and what the requester must have, for a task to be posted now.
	///
	/// # Errors
	/// The first thing that stands in the way: deadline, price, funds, or what the market's own check says.
	pub async fn check(
		&self,
		requester: Option<&AccountId>,
		spec: &TaskSpec,
		quote: &Quote,
		fee: Balance,
	) -> Result<()> {
		let head = self.node.head().await?.number;
		if spec.deadline <= head {
			return Err(Error::DeadlinePast {
				deadline: spec.deadline,
				head,
			});
		}
		if quote.price > spec.max_price {
			let (price, max_price) = (quote.price, spec.max_price);
			return Err(Error::PriceAboveMax {
				price,
				max_price,
				suggested: quote.suggested_max_price,
			});
		}
		let Some(requester) = requester else { return Ok(()) };
		self.check_funds(
			requester,
			spec.max_price.saturating_add(fee),
			"max_price, which is held, and the transaction fee",
		)
		.await?;
		let words: Vec<u8> = self
			.node
			.api("MarketApi_check_spec", &(requester, spec), None)
			.await?;
		if words.is_empty() {
			Ok(())
		} else {
			Err(Error::SpecRefused {
				reason: String::from_utf8_lossy(&words).into_owned(),
			})
		}
	}

	/// Whether `account` can spend or have held `needed`.
	///
	/// # Errors
	/// [`Error::Funds`] with what is missing.
	pub async fn check_funds(
		&self,
		account: &AccountId,
		needed: Balance,
		purpose: &'static str,
	) -> Result<()> {
		let available = self
			.balance(account)
			.await?
			.available(self.existential_deposit().await?);
		if available < needed {
			let account = self.address(account);
			return Err(Error::Funds {
				account,
				available,
				needed,
				purpose,
			});
		}
		Ok(())
	}

	/// Least balance of an account.
	///
	/// # Errors
	/// If the runtime has no such constant.
	pub async fn existential_deposit(&self) -> Result<Balance> {
		let metadata = self.node.metadata(self.info.spec_version).await?;
		let bytes = metadata.constant("Balances", "ExistentialDeposit")?;
		Balance::decode(&mut &bytes[..]).map_err(|error| answer("Balances.ExistentialDeposit", error))
	}

	/// Most product MACs that a segment may have on this network.
	///
	/// # Errors
	/// If the runtime has no such constant.
	pub async fn max_segment_macs(&self) -> Result<u64> {
		let metadata = self.node.metadata(self.info.spec_version).await?;
		let bytes = metadata.constant(MARKET, "MaxSegmentMacs")?;
		u64::decode(&mut &bytes[..]).map_err(|error| answer("TaskMarket.MaxSegmentMacs", error))
	}

	/// Encodes and signs the transaction that posts a task, without sending it.
	///
	/// # Errors
	/// If this network's market takes other tasks than this client knows.
	pub async fn prepare_post(&self, signer: &Signer, spec: &TaskSpec) -> Result<Prepared> {
		self.node.prepare(signer, MARKET, "post", &[arg(spec)]).await
	}

	/// Checks and posts a task, and waits until a block has it. The artifacts must be in the store already.
	///
	/// # Errors
	/// As [`Client::check`] (then nothing was sent), and if the transaction fails.
	pub async fn submit(&self, signer: &Signer, spec: &TaskSpec) -> Result<Posted> {
		let prepared = self.prepare_post(signer, spec).await?;
		let quote = self.quote(spec.macs, spec.tip_per_gmac).await?;
		self.check(Some(signer.account()), spec, &quote, prepared.fee)
			.await?;
		self.post(&prepared, Until::Included).await
	}

	/// Sends a prepared post.
	///
	/// # Errors
	/// If the transaction fails or is not included.
	pub async fn post(&self, prepared: &Prepared, until: Until) -> Result<Posted> {
		let included = self.node.submit(prepared, until).await?;
		let task = included
			.event(MARKET, "Posted")
			.and_then(|fields| fields.get("task"))
			.and_then(value::integer)
			.and_then(|id| TaskId::try_from(id).ok())
			.ok_or_else(|| answer("the events of TaskMarket.post", "no task number"))?;
		Ok(Posted { task, included })
	}

	/// The whole life of a task.
	///
	/// # Errors
	/// [`Error::NoTask`] if there is none with this number.
	pub async fn task(&self, id: TaskId) -> Result<TaskReport> {
		let found: Option<TaskReport> = self.node.api("MarketApi_task_report", &id, None).await?;
		found.ok_or(Error::NoTask { id })
	}

	/// The last `limit` tasks (at most 100), newest first.
	///
	/// # Errors
	/// As [`Node::api`].
	pub async fn tasks(&self, limit: u32) -> Result<Vec<TaskReport>> {
		self.node.api("MarketApi_tasks", &limit, None).await
	}

	/// Where the supply comes from and went.
	///
	/// # Errors
	/// As [`Node::api`].
	pub async fn supply(&self) -> Result<Supply> {
		self.node.api("EconomicsApi_supply", &(), None).await
	}

	/// Balances of an account.
	///
	/// # Errors
	/// As [`Node::balance`].
	pub async fn balance(&self, account: &AccountId) -> Result<AccountBalance> {
		self.node.balance(account).await
	}

	/// An account as people of this network write it.
	pub fn address(&self, account: &AccountId) -> String {
		crate::signer::address(account, self.info.ss58_prefix)
	}

	/// Withdraws a task.
	///
	/// # Errors
	/// If the task has ended, is attested, or is somebody else's.
	pub async fn cancel(&self, signer: &Signer, id: TaskId) -> Result<Included> {
		let report = self.task(id).await?;
		if &report.requester != signer.account() {
			return Err(Error::TaskState {
				id,
				state: format!("posted by {}", self.address(&report.requester)),
				reason: format!("{} can't cancel it", self.address(signer.account())),
				next: "sign with the requester's key".into(),
			});
		}
		if view::has_ended(&report.state) {
			return Err(Error::TaskState {
				id,
				state: view::state_name(&report.state).into(),
				reason: "there is nothing left to cancel".into(),
				next: format!("`poaiw task watch {id}` shows how it ended"),
			});
		}
		let prepared = self.node.prepare(signer, MARKET, "cancel", &[arg(&id)]).await?;
		self.check_funds(signer.account(), prepared.fee, "the transaction fee")
			.await?;
		self.node.submit(&prepared, Until::Included).await
	}

	/// Encodes and signs a transfer, without sending it.
	///
	/// # Errors
	/// If the account can't pay it, or the runtime has no such call.
	pub async fn prepare_transfer(
		&self,
		signer: &Signer,
		to: &AccountId,
		value: Balance,
	) -> Result<Prepared> {
		let args = [arg(&Address::Id(to.clone())), arg(&Compact(value))];
		let prepared = self
			.node
			.prepare(signer, "Balances", "transfer_keep_alive", &args)
			.await?;
		let needed = value.saturating_add(prepared.fee);
		self.check_funds(signer.account(), needed, "the transfer and the transaction fee")
			.await?;
		Ok(prepared)
	}

	/// Where the chain stands.
	///
	/// # Errors
	/// As [`Node::api`].
	pub async fn status(&self) -> Result<ChainStatus> {
		let head = self.node.head().await?;
		let at = Some(head.hash);
		let (epoch, next_epoch_at): (u32, BlockNumber) = self.node.api("WorkApi_epoch", &(), at).await?;
		let target: U256 = self.node.api("WorkApi_mac_target", &(), at).await?;
		Ok(ChainStatus {
			info: self.info.clone(),
			genesis: self.node.genesis(),
			head,
			finalized: self.node.finalized().await?,
			epoch,
			next_epoch_at,
			expected_macs_per_block: expected_macs(target),
			profile: self.node.api("WorkApi_profile", &(), at).await?,
			block_reward: self.node.api("EconomicsApi_block_reward", &(), at).await?,
			supply: self.node.api("EconomicsApi_supply", &(), at).await?,
		})
	}

	/// What the node's mining worker reports about itself, if it does.
	///
	/// # Errors
	/// If the connection broke.
	pub async fn work_stats(&self) -> Result<Option<Value>> {
		match self.node.request("work_stats", jsonrpsee::rpc_params![]).await {
			Ok(stats) => Ok(Some(stats)),
			Err(Error::Rpc { .. }) => Ok(None),
			Err(error) => Err(error),
		}
	}

	/// Follows a task, block by block, until it has ended.
	///
	/// # Errors
	/// [`Error::NoTask`] if there is none with this number.
	pub async fn watch(self, id: TaskId) -> Result<Watch> {
		let first = self.task(id).await?;
		let heads = self.node.heads().await?;
		Ok(Watch::new(self, id, heads, first))
	}
}

/// Expected MACs of a block: 2^256 over the chance of one MAC. For display only.
fn expected_macs(target: U256) -> f64 {
	let words = target
		.0
		.iter()
		.rev()
		.fold(0.0, |sum: f64, word| sum * 2f64.powi(64) + *word as f64);
	if words > 0.0 {
		2f64.powi(256) / words
	} else {
		f64::INFINITY
	}
}

/// A hash as `0x…`.
pub fn hex32(hash: &Hash32) -> String {
	format!("0x{}", hex::encode(hash))
}
