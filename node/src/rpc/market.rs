// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! `market_*`: reads of the market and of the supply. Safe for everybody.

use super::{
	bad_param, internal, scale_param,
	types::{QuoteJson, SupplyJson, TaskJson},
};
use codec::MaxEncodedLen;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use poaiw_primitives::{
	api::{EconomicsApi, MarketApi},
	task::TaskSpec,
	AccountId, Balance, Block, TaskId,
};
use polkadot_sdk::*;
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// Most tasks in one answer.
const MAX_TASKS: u32 = 100;

/// Reads of the market.
#[rpc(server)]
pub trait MarketRpc {
	/// Price and expected wait of a task. `macs` and `tip_per_gmac` are decimal strings.
	#[method(name = "market_quote")]
	fn quote(&self, macs: String, tip_per_gmac: String) -> RpcResult<QuoteJson>;

	/// A task, none if there is none with this number.
	#[method(name = "market_task")]
	fn task(&self, id: TaskId) -> RpcResult<Option<TaskJson>>;

	/// The last tasks, newest first.
	#[method(name = "market_tasks")]
	fn tasks(&self, limit: Option<u32>) -> RpcResult<Vec<TaskJson>>;

	/// The supply by cause.
	#[method(name = "market_supply")]
	fn supply(&self) -> RpcResult<SupplyJson>;

	/// What is wrong with a specification (SCALE of a `TaskSpec`, hex), in words; empty when it can be posted.
	#[method(name = "market_checkSpec")]
	fn check_spec(&self, requester: AccountId, spec: String) -> RpcResult<String>;
}

/// Implementation over a client.
pub struct Market<C> {
	client: Arc<C>,
}

impl<C> Market<C> {
	/// Over a client.
	pub fn new(client: Arc<C>) -> Self {
		Self { client }
	}
}

impl<C> MarketRpcServer for Market<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: MarketApi<Block> + EconomicsApi<Block>,
{
	fn quote(&self, macs: String, tip_per_gmac: String) -> RpcResult<QuoteJson> {
		let macs = macs
			.parse::<u64>()
			.map_err(|e| bad_param("macs", format!("{macs:?} is not a number: {e}")))?;
		let tip = tip_per_gmac
			.parse::<Balance>()
			.map_err(|e| bad_param("tip_per_gmac", format!("{tip_per_gmac:?} is not an amount: {e}")))?;
		let best = self.client.info().best_hash;
		let quote = self
			.client
			.runtime_api()
			.quote(best, macs, tip)
			.map_err(internal)?;
		Ok(QuoteJson {
			gmacs: quote.gmacs,
			base_fee_per_gmac: quote.base_fee_per_gmac.to_string(),
			tip_per_gmac: quote.tip_per_gmac.to_string(),
			price: quote.price.to_string(),
			suggested_max_price: quote.suggested_max_price.to_string(),
			tasks_ahead: quote.tasks_ahead,
			expected_wait: quote.expected_wait,
		})
	}

	fn task(&self, id: TaskId) -> RpcResult<Option<TaskJson>> {
		let best = self.client.info().best_hash;
		let report = self
			.client
			.runtime_api()
			.task_report(best, id)
			.map_err(internal)?;
		Ok(report.as_ref().map(TaskJson::new))
	}

	fn tasks(&self, limit: Option<u32>) -> RpcResult<Vec<TaskJson>> {
		let limit = limit.unwrap_or(MAX_TASKS);
		if limit > MAX_TASKS {
			return Err(bad_param(
				"limit",
				format!("{limit} tasks, at most {MAX_TASKS} are given at once"),
			));
		}
		let best = self.client.info().best_hash;
		let reports = self.client.runtime_api().tasks(best, limit).map_err(internal)?;
		Ok(reports.iter().map(TaskJson::new).collect())
	}

	fn supply(&self) -> RpcResult<SupplyJson> {
		let best = self.client.info().best_hash;
		let api = self.client.runtime_api();
		let supply = api.supply(best).map_err(internal)?;
		Ok(SupplyJson {
			genesis: supply.genesis.to_string(),
			minted: supply.minted.to_string(),
			burned_base_fees: supply.burned_base_fees.to_string(),
			burned_useful: supply.burned_useful.to_string(),
			burned_slashes: supply.burned_slashes.to_string(),
			burned_fees: supply.burned_fees.to_string(),
			issuance: supply.issuance.to_string(),
			useful_held: supply.useful_held.to_string(),
			useful_released: supply.useful_released.to_string(),
			task_sealed_blocks: supply.task_sealed_blocks,
			synthetic_sealed_blocks: supply.synthetic_sealed_blocks,
			balanced: supply.is_balanced(),
			block_reward: api.block_reward(best).map_err(internal)?.to_string(),
		})
	}

	fn check_spec(&self, requester: AccountId, spec: String) -> RpcResult<String> {
		let spec: TaskSpec = scale_param("spec", &spec, TaskSpec::max_encoded_len())?;
		let best = self.client.info().best_hash;
		let words = self
			.client
			.runtime_api()
			.check_spec(best, requester, spec)
			.map_err(internal)?;
		Ok(String::from_utf8_lossy(&words).into_owned())
	}
}
