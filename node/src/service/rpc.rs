// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What the RPC servers of the node serve: the SDK's server everything, the one for remote workers what they need.

use super::{plan::RemotePlan, FullBackend, FullClient, FullNode, FullPool, GrandpaLink};
use crate::{
	consensus::mining::TemplateKeeper,
	rpc::{self, remote},
};
use jsonrpsee::{server::ServerHandle, RpcModule};
use poaiw_primitives::Block;
use polkadot_sdk::*;
use sc_client_api::Backend;
use sc_consensus_grandpa::{FinalityProofProvider, SharedVoterState};
use sc_service::error::Error as ServiceError;
use std::{net::SocketAddr, sync::Arc};

/// What the methods work on.
pub(super) struct Served {
	pool: Arc<FullPool>,
	backend: Arc<FullBackend>,
	worker: rpc::WorkerDeps<Storage>,
}

type Storage = <FullBackend as Backend<Block>>::OffchainStorage;

impl Served {
	/// Of a node and its templates.
	///
	/// # Errors
	/// If the database can't keep reports.
	pub fn new(node: &FullNode, keeper: &TemplateKeeper<FullClient>) -> Result<Self, ServiceError> {
		let storage = node.backend.offchain_storage().ok_or_else(|| {
			ServiceError::Other("the database has no off-chain storage, reports could not be kept".into())
		})?;
		Ok(Self {
			pool: node.transaction_pool.clone(),
			backend: node.backend.clone(),
			worker: rpc::WorkerDeps {
				client: node.client.clone(),
				keeper: keeper.clone(),
				keystore: node.keystore.clone(),
				storage,
			},
		})
	}
}

/// Makes the modules of the SDK's server.
pub(super) type Builder =
	Box<dyn Fn(sc_rpc::SubscriptionTaskExecutor) -> Result<RpcModule<()>, ServiceError>>;

/// What the SDK's server serves.
pub(super) fn builder(served: Served, voter_state: SharedVoterState, grandpa_link: &GrandpaLink) -> Builder {
	let authority_set = grandpa_link.shared_authority_set().clone();
	let justifications = grandpa_link.justification_stream();
	let proofs = FinalityProofProvider::new_for_service(served.backend.clone(), Some(authority_set.clone()));
	Box::new(move |executor| {
		rpc::create_full(rpc::FullDeps {
			pool: served.pool.clone(),
			worker: served.worker.clone(),
			grandpa: rpc::GrandpaDeps {
				voter_state: voter_state.clone(),
				authority_set: authority_set.clone(),
				justifications: justifications.clone(),
				proofs: proofs.clone(),
				executor,
			},
		})
		.map_err(Into::into)
	})
}

/// Starts the server for remote workers. It ends when the handle is dropped.
///
/// # Errors
/// If its address is taken.
pub(super) fn serve_workers(
	served: &Served,
	plan: &RemotePlan,
	runtime: tokio::runtime::Handle,
) -> Result<(SocketAddr, ServerHandle), ServiceError> {
	let module = rpc::worker_methods(served.worker.clone())?;
	let server = remote::serve(plan.listen, &plan.token, module, runtime).map_err(|e| {
		ServiceError::Other(format!(
			"--worker-rpc-listen {}: {e}; choose another address or port",
			plan.listen
		))
	})?;
	log::info!(
		target: crate::LOG_TARGET,
		"serving remote workers that know the token on ws://{} (not encrypted: see docs/mining.md)",
		server.0,
	);
	Ok(server)
}
