// SPDX-License-Identifier: Apache-2.0

//! Sending transactions and following them into a block.

use super::{
	extrinsic::{sign, Context},
	metadata::Event,
	node::{answer, hex_of, BlockRef, ChainInfo, Node},
};
use crate::{
	error::{Error, Result},
	signer::Signer,
};
use codec::{Decode, Encode};
use jsonrpsee::rpc_params;
use poaiw_primitives::{Balance, Hash};
use polkadot_sdk::sp_crypto_hashing::blake2_256;
use serde_json::Value;

/// A signed transaction that was not sent yet.
#[derive(Clone, Debug)]
pub struct Prepared {
	/// Pallet and call, for messages.
	pub call: String,
	/// Encoded transaction.
	pub bytes: Vec<u8>,
	/// Transaction fee at the present state.
	pub fee: Balance,
	spec_version: u32,
}

/// How far to follow a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
	/// Until a best block has it: seconds, but that block may still be replaced.
	Included,
	/// Until a finalized block has it.
	Finalized,
}

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct Included {
	/// Hash of the transaction.
	pub transaction: Hash,
	/// The block.
	pub block: BlockRef,
	/// What it did.
	pub events: Vec<Event>,
}

impl Included {
	/// Fields of the first event with this name.
	pub fn event(&self, pallet: &str, name: &str) -> Option<&Value> {
		self.events
			.iter()
			.find(|x| x.pallet == pallet && x.name == name)
			.map(|x| &x.fields)
	}
}

/// Answer of `TransactionPaymentApi_query_info`: weight (two compact numbers), class, fee.
#[derive(Decode)]
struct DispatchInfo {
	_weight: (codec::Compact<u64>, codec::Compact<u64>),
	_class: u8,
	fee: Balance,
}

/// Ends that a transaction can come to without being in a block, with remedies. Names as in the pool's status.
const ENDS: [(&str, &str, &str); 4] = [
	(
		"invalid",
		"the pool found it invalid",
		"check `poaiw account balance`, then send it again",
	),
	(
		"dropped",
		"the pool had no room for it",
		"wait for some blocks and send it again",
	),
	(
		"usurped",
		"another transaction of the account took its place",
		"look at `poaiw task list` before you send it again",
	),
	(
		"finalityTimeout",
		"its block was not finalized in time",
		"see finality in `poaiw chain status`; the transaction may still be in a block",
	),
];

impl Node {
	/// Encodes, checks against the metadata, and signs a call.
	///
	/// # Errors
	/// If the runtime does not have such a call, or the node can't be asked.
	pub async fn prepare(
		&self,
		signer: &Signer,
		pallet: &str,
		name: &str,
		args: &[Vec<u8>],
	) -> Result<Prepared> {
		let info = self.info().await?;
		let metadata = self.metadata(info.spec_version).await?;
		let call = metadata.call(pallet, name, args)?;
		let context = self.context(signer, &info).await?;
		let bytes = sign(metadata, signer, &call, &context)?;
		let fee = self.fee(&bytes).await?;
		Ok(Prepared {
			call: format!("{pallet}.{name}"),
			bytes,
			fee,
			spec_version: info.spec_version,
		})
	}

	async fn context(&self, signer: &Signer, info: &ChainInfo) -> Result<Context> {
		// Not the head: a transaction that was born in a block which is replaced is lost.
		let birth = self.finalized().await?;
		Ok(Context {
			spec_version: info.spec_version,
			transaction_version: info.transaction_version,
			genesis: self.genesis(),
			birth: (birth.number, birth.hash),
			nonce: self.nonce(signer.account()).await?,
			tip: 0,
		})
	}

	async fn fee(&self, transaction: &[u8]) -> Result<Balance> {
		// The argument is the transaction as it stands in a block (with its own length in front), then that length.
		let args = (Raw(transaction), transaction.len() as u32);
		let info: DispatchInfo = self.api("TransactionPaymentApi_query_info", &args, None).await?;
		Ok(info.fee)
	}

	/// Sends a transaction and waits for it. Its failure inside the block is an error.
	///
	/// # Errors
	/// If the pool or the runtime refuses it, or the connection breaks (then it may still be included).
	pub async fn submit(&self, prepared: &Prepared, until: Until) -> Result<Included> {
		let text = hex_of(&prepared.bytes);
		let mut updates = self
			.subscribe::<Value>(
				"author_submitAndWatchExtrinsic",
				rpc_params![text.clone()],
				"author_unwatchExtrinsic",
			)
			.await?;
		while let Some(update) = updates.next().await {
			let update = update.map_err(|error| answer("author_submitAndWatchExtrinsic", error))?;
			let (status, content) = match &update {
				Value::Object(map) => match map.iter().next() {
					Some((name, content)) => (name.as_str(), content.clone()),
					None => continue,
				},
				Value::String(name) => (name.as_str(), Value::Null),
				_ => continue,
			};
			match (status, until) {
				("inBlock", Until::Included) | ("finalized", _) => {
					let block: Hash =
						serde_json::from_value(content).map_err(|error| answer(status, error))?;
					return self.included(prepared, &text, block).await;
				}
				_ => (),
			}
			if let Some((_, reason, next)) = ENDS.iter().find(|(name, ..)| *name == status) {
				return Err(Error::NotIncluded {
					reason: (*reason).into(),
					next,
				});
			}
		}
		Err(self.lost())
	}

	/// What a transaction did in a block.
	async fn included(&self, prepared: &Prepared, text: &str, block: Hash) -> Result<Included> {
		let index = self.extrinsics(block).await?.iter().position(|x| x == text);
		let index =
			index.ok_or_else(|| answer("chain_getBlock", "the block does not have the transaction"))?;
		let metadata = self.metadata(prepared.spec_version).await?;
		let (key, _) = metadata.storage_key("System", "Events", &[])?;
		let bytes = self.storage(&key, Some(block)).await?.unwrap_or_default();
		let mut events = metadata.events(&bytes)?;
		events.retain(|event| event.extrinsic.is_some_and(|at| at as usize == index));
		if let Some(failed) = events
			.iter()
			.find(|x| x.pallet == "System" && x.name == "ExtrinsicFailed")
		{
			let error = failed
				.fields
				.get("dispatch_error")
				.cloned()
				.unwrap_or(Value::Null);
			let (error, docs) = metadata.describe_error(&error);
			return Err(Error::Dispatch {
				call: prepared.call.clone(),
				block: format!("{block:?}"),
				error,
				docs,
			});
		}
		let number = self.height(block).await?;
		Ok(Included {
			transaction: blake2_256(&prepared.bytes).into(),
			block: BlockRef { number, hash: block },
			events,
		})
	}
}

/// Bytes that are encoded already.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
	fn encode_to<T: codec::Output + ?Sized>(&self, dest: &mut T) {
		dest.write(self.0)
	}
}
