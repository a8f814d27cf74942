// SPDX-License-Identifier: Apache-2.0

//! Connection to a node: the standard RPC methods of the SDK, and runtime APIs through `state_call`.

pub use super::answers::{AccountBalance, BlockRef, ChainInfo, HeaderJson};
use super::{answers::RuntimeVersionJson, metadata::Metadata, value};
use crate::error::{Error, Result};
use codec::{DecodeAll, Encode};
use jsonrpsee::{
	core::{
		client::{ClientT, Subscription, SubscriptionClientT},
		params::ArrayParams,
		ClientError,
	},
	rpc_params,
	ws_client::{WsClient, WsClientBuilder},
};
use poaiw_primitives::{AccountId, BlockNumber, Hash, Nonce};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Largest answer that is taken: metadata and events are far below it.
const MAX_ANSWER: u32 = 64 << 20;
/// Code with which nodes refuse transactions that are not valid.
const INVALID_TRANSACTION: i32 = 1010;

/// An open connection.
#[derive(Debug)]
pub struct Node {
	rpc: WsClient,
	url: String,
	genesis: Hash,
	metadata: OnceCell<(u32, Metadata)>,
}

pub(crate) fn answer(what: impl Into<String>, reason: impl ToString) -> Error {
	Error::Answer {
		what: what.into(),
		reason: reason.to_string(),
	}
}

impl Node {
	/// Connects to `url` (`ws://` or `wss://`).
	///
	/// # Errors
	/// If the address is no such address, or nobody answers there.
	pub async fn connect(url: &str) -> Result<Self> {
		if !url.starts_with("ws://") && !url.starts_with("wss://") {
			return Err(Error::Argument {
				argument: "--node",
				reason: format!("`{url}` is no address of a node: write ws://HOST:PORT (a local node: ws://127.0.0.1:9944)"),
			});
		}
		let rpc = WsClientBuilder::default()
			.connection_timeout(Duration::from_secs(10))
			.request_timeout(Duration::from_secs(60))
			.max_response_size(MAX_ANSWER)
			.build(url)
			.await
			.map_err(|error| Error::Unreachable {
				url: url.into(),
				reason: error.to_string(),
			})?;
		let mut node = Self {
			rpc,
			url: url.into(),
			genesis: Hash::zero(),
			metadata: OnceCell::new(),
		};
		node.genesis = node
			.block_hash(0)
			.await?
			.ok_or_else(|| answer("chain_getBlockHash(0)", "no genesis block"))?;
		Ok(node)
	}

	/// Address of the node.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// Hash of the genesis block: tells networks apart.
	pub fn genesis(&self) -> Hash {
		self.genesis
	}

	/// Any RPC method.
	///
	/// # Errors
	/// If the connection broke, the node refused, or the answer has another form than `R`.
	pub async fn request<R: DeserializeOwned>(&self, method: &str, params: ArrayParams) -> Result<R> {
		self.rpc
			.request(method, params)
			.await
			.map_err(|error| self.error(method, error))
	}

	/// Any RPC subscription.
	///
	/// # Errors
	/// If the connection broke or the node refused.
	pub async fn subscribe<R: DeserializeOwned>(
		&self,
		method: &'static str,
		params: ArrayParams,
		unsubscribe: &'static str,
	) -> Result<Subscription<R>> {
		self.rpc
			.subscribe(method, params, unsubscribe)
			.await
			.map_err(|error| self.error(method, error))
	}

	/// The connection broke in the middle of a subscription.
	pub(crate) fn lost(&self) -> Error {
		Error::Unreachable {
			url: self.url.clone(),
			reason: "the node closed the connection".into(),
		}
	}

	pub(crate) fn error(&self, method: &str, error: ClientError) -> Error {
		match error {
			ClientError::Call(object) => {
				let data = object.data().map(|data| data.get().trim_matches('"').to_string());
				let reason = match data {
					Some(data) => format!("{} ({data})", object.message()),
					None => object.message().to_string(),
				};
				let next = if object.code() == INVALID_TRANSACTION {
					"check balance and nonce of the account with `poaiw account balance`, then send it again"
				} else {
					"see the node's log; `poaiw chain status` shows whether it follows the chain"
				};
				Error::Rpc {
					method: method.into(),
					reason,
					next,
				}
			}
			ClientError::ParseError(error) => answer(method, error),
			other => Error::Unreachable {
				url: self.url.clone(),
				reason: other.to_string(),
			},
		}
	}

	/// Calls the runtime API function `name` (`Api_function`) on the state of `at` (the best block by default).
	///
	/// # Errors
	/// As [`Node::request`]; [`Error::Answer`] if the result is not an `R`.
	pub async fn api<R: DecodeAll>(&self, name: &str, args: &impl Encode, at: Option<Hash>) -> Result<R> {
		let bytes = self
			.hex("state_call", rpc_params![name, hex_of(&args.encode()), at])
			.await;
		let bytes = bytes.map_err(|error| match error {
			Error::Rpc { reason, .. } => Error::Metadata {
				reason: format!("{name} can't be called: {reason}"),
			},
			other => other,
		})?;
		R::decode_all(&mut &bytes.unwrap_or_default()[..]).map_err(|error| answer(name, error))
	}

	async fn hex(&self, method: &str, params: ArrayParams) -> Result<Option<Vec<u8>>> {
		let text: Option<String> = self.request(method, params).await?;
		text.map(|text| hex::decode(text.trim_start_matches("0x")).map_err(|error| answer(method, error)))
			.transpose()
	}

	/// Hash of the block at a height of the best chain.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn block_hash(&self, number: BlockNumber) -> Result<Option<Hash>> {
		self.request("chain_getBlockHash", rpc_params![number]).await
	}

	/// Height of the block with `hash`.
	///
	/// # Errors
	/// As [`Node::request`]; and if the node does not know the block.
	pub async fn height(&self, hash: Hash) -> Result<BlockNumber> {
		let header: Option<HeaderJson> = self.request("chain_getHeader", rpc_params![hash]).await?;
		header
			.ok_or_else(|| {
				answer(
					"chain_getHeader",
					format!("the node does not know block {hash:?}"),
				)
			})?
			.height()
	}

	async fn block_ref(&self, hash: Hash) -> Result<BlockRef> {
		Ok(BlockRef {
			number: self.height(hash).await?,
			hash,
		})
	}

	/// Best block.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn head(&self) -> Result<BlockRef> {
		let hash: Option<Hash> = self.request("chain_getBlockHash", rpc_params![]).await?;
		self.block_ref(hash.ok_or_else(|| answer("chain_getBlockHash", "no best block"))?)
			.await
	}

	/// Last finalized block.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn finalized(&self) -> Result<BlockRef> {
		self.block_ref(self.request("chain_getFinalizedHead", rpc_params![]).await?)
			.await
	}

	/// Every new best block.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn heads(&self) -> Result<Subscription<HeaderJson>> {
		self.subscribe(
			"chain_subscribeNewHeads",
			rpc_params![],
			"chain_unsubscribeNewHeads",
		)
		.await
	}

	/// Bytes of the transactions of a block.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn extrinsics(&self, block: Hash) -> Result<Vec<String>> {
		let found: Value = self.request("chain_getBlock", rpc_params![block]).await?;
		serde_json::from_value(found.pointer("/block/extrinsics").cloned().unwrap_or(Value::Null))
			.map_err(|error| answer("chain_getBlock", error))
	}

	/// Names and versions.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn info(&self) -> Result<ChainInfo> {
		let chain: String = self.request("system_chain", rpc_params![]).await?;
		let properties: Value = self.request("system_properties", rpc_params![]).await?;
		let version: RuntimeVersionJson = self.request("state_getRuntimeVersion", rpc_params![]).await?;
		let first = |name: &str| {
			let found = properties.get(name)?;
			Some(found.get(0).unwrap_or(found).clone())
		};
		Ok(ChainInfo {
			chain,
			symbol: first("tokenSymbol")
				.and_then(|x| x.as_str().map(String::from))
				.unwrap_or_else(|| "UNIT".into()),
			ss58_prefix: first("ss58Format")
				.and_then(|x| u16::try_from(x.as_u64()?).ok())
				.unwrap_or(42),
			spec_name: version.spec_name,
			spec_version: version.spec_version,
			transaction_version: version.transaction_version,
		})
	}

	/// Metadata of the runtime; fetched once a connection.
	///
	/// # Errors
	/// As [`Node::request`] and [`Metadata::decode`]; and if the runtime was upgraded since it was fetched.
	pub async fn metadata(&self, spec_version: u32) -> Result<&Metadata> {
		let fetch = || async {
			let bytes = self.hex("state_getMetadata", rpc_params![]).await?;
			Ok::<_, Error>((spec_version, Metadata::decode(&bytes.unwrap_or_default())?))
		};
		let (fetched, metadata) = self.metadata.get_or_try_init(fetch).await?;
		if *fetched != spec_version {
			return Err(Error::Metadata {
				reason: format!(
					"it was upgraded from version {fetched} to {spec_version} while connected; connect again"
				),
			});
		}
		Ok(metadata)
	}

	/// A storage value as bytes; `None` if there is none.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn storage(&self, key: &[u8], at: Option<Hash>) -> Result<Option<Vec<u8>>> {
		self.hex("state_getStorage", rpc_params![hex_of(key), at]).await
	}

	/// Transactions of the account, those in the pool included.
	///
	/// # Errors
	/// As [`Node::request`].
	pub async fn nonce(&self, account: &AccountId) -> Result<Nonce> {
		let address = crate::signer::address(account, 42);
		self.request("system_accountNextIndex", rpc_params![address])
			.await
	}

	/// Balances of an account; zero for one that does not exist.
	///
	/// # Errors
	/// As [`Node::request`] and [`Node::metadata`].
	pub async fn balance(&self, account: &AccountId) -> Result<AccountBalance> {
		let info = self.info().await?;
		let metadata = self.metadata(info.spec_version).await?;
		let (key, ty) = metadata.storage_key("System", "Account", &[account.encode()])?;
		let Some(bytes) = self.storage(&key, None).await? else {
			return Ok(AccountBalance::default());
		};
		let read =
			value::read_all(metadata.types(), ty, &bytes).map_err(|error| answer("System.Account", error))?;
		let part = |name: &str| {
			let found = read
				.get("data")
				.and_then(|data| data.get(name))
				.and_then(value::integer);
			found.ok_or_else(|| answer("System.Account", format!("no `{name}`")))
		};
		Ok(AccountBalance {
			free: part("free")?,
			held: part("reserved")?,
			frozen: part("frozen")?,
		})
	}
}

pub(crate) fn hex_of(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}
