// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The node's own RPC methods, beside those of the SDK.
//!
//! - [`work`]: templates for miners and their seals (`work_*`).
//! - [`worker`]: the way of a worker's or verifier's reports to the chain (`worker_*`).
//! - [`market`]: reads of the market and of the supply (`market_*`).
//! - [`remote`]: the same three for workers on other machines that know a secret.
//!
//! SCALE values travel as `0x…` hex, accounts as SS58 strings, amounts and work as decimal strings (they exceed what
//! JSON numbers hold everywhere), heights and counts as numbers. `work_*` and `worker_*` are unsafe-class: the SDK's
//! server answers them to local clients only, unless the node was started with `--rpc-methods unsafe`.

pub mod market;
pub mod remote;
pub mod types;
pub mod work;
pub mod worker;

use crate::{consensus::mining::TemplateKeeper, service::FullClient};
use jsonrpsee::{
	core::BoxError,
	types::{error::ErrorCode, ErrorObject, ErrorObjectOwned},
	Extensions, RpcModule,
};
use market::{Market, MarketRpcServer};
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use poaiw_primitives::{Block, Hash};
use polkadot_sdk::*;
use sc_consensus_grandpa::FinalityProofProvider;
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_rpc_api::DenyUnsafe;
use sc_transaction_pool_api::TransactionPool;
use sp_keystore::KeystorePtr;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};
use work::{Work, WorkRpcServer};
use worker::{Worker, WorkerRpcServer};

/// What [`create_full`] needs of GRANDPA.
pub struct GrandpaDeps<B> {
	/// State of the voter.
	pub voter_state: sc_consensus_grandpa::SharedVoterState,
	/// Set of authorities.
	pub authority_set: sc_consensus_grandpa::SharedAuthoritySet<Hash, u32>,
	/// Justifications as they come.
	pub justifications: sc_consensus_grandpa::GrandpaJustificationStream<Block>,
	/// Finality proofs.
	pub proofs: Arc<FinalityProofProvider<B, Block>>,
	/// Runs subscriptions.
	pub executor: SubscriptionTaskExecutor,
}

/// What the methods of miners, workers and verifiers need.
#[derive(Clone)]
pub struct WorkerDeps<O> {
	/// Client.
	pub client: Arc<FullClient>,
	/// Templates.
	pub keeper: TemplateKeeper<FullClient>,
	/// Keys of this node.
	pub keystore: KeystorePtr,
	/// Off-chain storage, into which reports go.
	pub storage: O,
}

/// What [`create_full`] needs.
pub struct FullDeps<P, B, O> {
	/// Transactions.
	pub pool: Arc<P>,
	/// For the methods of workers.
	pub worker: WorkerDeps<O>,
	/// GRANDPA.
	pub grandpa: GrandpaDeps<B>,
}

/// The methods that miners, workers and verifiers need: `work_*`, `worker_*`, `market_*`.
///
/// # Errors
/// If two methods have the same name.
pub fn worker_methods<O>(deps: WorkerDeps<O>) -> Result<RpcModule<()>, BoxError>
where
	O: sp_core::offchain::OffchainStorage + 'static,
{
	let WorkerDeps {
		client,
		keeper,
		keystore,
		storage,
	} = deps;
	let mut module = RpcModule::new(());
	module.merge(Work::new(keeper).into_rpc())?;
	module.merge(Worker::new(client.clone(), keystore, storage).into_rpc())?;
	module.merge(Market::new(client).into_rpc())?;
	Ok(module)
}

/// All RPC methods that are not the SDK service's own.
///
/// # Errors
/// If two methods have the same name.
pub fn create_full<P, B, O>(deps: FullDeps<P, B, O>) -> Result<RpcModule<()>, BoxError>
where
	P: TransactionPool<Block = Block> + 'static,
	B: sc_client_api::Backend<Block> + 'static,
	O: sp_core::offchain::OffchainStorage + 'static,
{
	let FullDeps {
		pool,
		worker,
		grandpa,
	} = deps;
	let client = worker.client.clone();
	let mut module = worker_methods(worker)?;
	module.merge(System::new(client.clone(), pool).into_rpc())?;
	module.merge(TransactionPayment::new(client).into_rpc())?;
	let GrandpaDeps {
		voter_state,
		authority_set,
		justifications,
		proofs,
		executor,
	} = grandpa;
	module.merge(Grandpa::new(executor, authority_set, voter_state, justifications, proofs).into_rpc())?;
	Ok(module)
}

/// Error code of a request that the state does not allow.
pub const REFUSED: i32 = 9_001;

/// Refuses unsafe-class methods to clients that are not local. Without the server's word, nobody is trusted.
pub(crate) fn require_safe(extensions: &Extensions) -> Result<(), ErrorObjectOwned> {
	match extensions.get::<DenyUnsafe>() {
		Some(DenyUnsafe::No) => Ok(()),
		Some(DenyUnsafe::Yes) | None => Err(ErrorObject::owned(
			ErrorCode::MethodNotFound.code(),
			"this method is for local clients: connect over loopback, or start the node with --worker-rpc-listen and \
			 --worker-token-file and connect there with the token",
			None::<()>,
		)),
	}
}

/// A parameter is not what the method takes.
pub(crate) fn bad_param(name: &str, reason: impl std::fmt::Display) -> ErrorObjectOwned {
	ErrorObject::owned(
		ErrorCode::InvalidParams.code(),
		format!("{name}: {reason}"),
		None::<()>,
	)
}

/// The state does not allow it.
pub(crate) fn refused(reason: impl std::fmt::Display) -> ErrorObjectOwned {
	ErrorObject::owned(REFUSED, reason.to_string(), None::<()>)
}

/// The node could not answer.
pub(crate) fn internal(reason: impl std::fmt::Display) -> ErrorObjectOwned {
	ErrorObject::owned(ErrorCode::InternalError.code(), reason.to_string(), None::<()>)
}

/// Decodes `0x…` (or bare) hex of at most `max` bytes.
pub(crate) fn hex_param(name: &str, value: &str, max: usize) -> Result<Vec<u8>, ErrorObjectOwned> {
	let digits = value.strip_prefix("0x").unwrap_or(value);
	if digits.len() > max.saturating_mul(2) {
		return Err(bad_param(
			name,
			format!(
				"{} hex digits, at most {} are taken",
				digits.len(),
				max.saturating_mul(2)
			),
		));
	}
	hex::decode(digits).map_err(|e| bad_param(name, format!("not hex: {e}")))
}

/// Decodes SCALE in hex, the whole of it.
pub(crate) fn scale_param<T: codec::Decode>(
	name: &str,
	value: &str,
	max: usize,
) -> Result<T, ErrorObjectOwned> {
	let bytes = hex_param(name, value, max)?;
	let mut input = &bytes[..];
	let decoded = T::decode(&mut input)
		.map_err(|e| bad_param(name, format!("not the SCALE encoding expected: {e}")))?;
	if input.is_empty() {
		Ok(decoded)
	} else {
		Err(bad_param(
			name,
			format!("{} bytes after the end of the value", input.len()),
		))
	}
}
