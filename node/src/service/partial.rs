// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The parts that every command on a database needs: client, database, pool, import.

use super::{Executor, FullBackend, FullClient, FullPool, FullSelectChain, GrandpaImport, GrandpaLink};
use crate::{
	consensus::{
		algorithm::Algorithm,
		import::{SealVerifier, SerialImport},
		rules::Rules,
		seal_inherent::ParentSeal,
	},
	metrics::Metrics,
};
use poaiw_primitives::{Block, Hash};
use poaiw_runtime::apis::RuntimeApi;
use polkadot_sdk::*;
use sc_consensus::{BasicQueue, BoxBlockImport};
use sc_consensus_pow::PowBlockImport;
use sc_service::{error::Error as ServiceError, Configuration, PartialComponents};
use sc_telemetry::{Telemetry, TelemetryWorker};
use std::sync::Arc;

/// Blocks between two justifications that are kept in any case.
pub(super) const GRANDPA_JUSTIFICATION_PERIOD: u32 = 512;

/// Makes handles to one import.
pub type ImportHandles = Box<dyn Fn() -> BoxBlockImport<Block> + Send + Sync>;

/// Parts beside those of [`PartialComponents`].
pub struct Other {
	/// Makes handles to the one import of this node, for the queue and for mined blocks.
	pub block_import: ImportHandles,
	/// GRANDPA.
	pub grandpa_link: GrandpaLink,
	/// Accept predicate with its caches.
	pub rules: Arc<Rules<FullClient>>,
	/// Telemetry.
	pub telemetry: Option<Telemetry>,
}

/// Parts that commands need as well.
pub type Partial =
	PartialComponents<FullClient, FullBackend, FullSelectChain, BasicQueue<Block>, FullPool, Other>;

/// Client, database, pool and import queue.
///
/// # Errors
/// If one of them can't be made.
pub fn new_partial(config: &Configuration) -> Result<Partial, ServiceError> {
	new_partial_with(config, executor(config))
}

/// The executor that a configuration asks for. Clones share what it has compiled.
pub fn executor(config: &Configuration) -> Executor {
	sc_service::new_wasm_executor::<sp_io::SubstrateHostFunctions>(&config.executor)
}

/// [`new_partial`] with an executor that may have compiled the runtime already.
///
/// # Errors
/// If one of the parts can't be made.
pub fn new_partial_with(config: &Configuration, executor: Executor) -> Result<Partial, ServiceError> {
	let telemetry = config
		.telemetry_endpoints
		.clone()
		.filter(|endpoints| !endpoints.is_empty())
		.map(|endpoints| -> Result<_, sc_telemetry::Error> {
			let worker = TelemetryWorker::new(16)?;
			let telemetry = worker.handle().new_telemetry(endpoints);
			Ok((worker, telemetry))
		})
		.transpose()?;
	let (client, backend, keystore_container, task_manager) =
		sc_service::new_full_parts::<Block, RuntimeApi, _>(
			config,
			telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
			executor,
			Default::default(),
		)?;
	let client = Arc::new(client);
	let telemetry = telemetry.map(|(worker, telemetry)| {
		task_manager.spawn_handle().spawn("telemetry", None, worker.run());
		telemetry
	});
	let select_chain = sc_consensus::LongestChain::new(backend.clone());
	let transaction_pool = Arc::from(
		sc_transaction_pool::Builder::new(
			task_manager.spawn_essential_handle(),
			client.clone(),
			config.role.is_authority().into(),
		)
		.with_options(config.transaction_pool.clone())
		.with_prometheus(config.prometheus_registry())
		.build(),
	);
	let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
		client.clone(),
		GRANDPA_JUSTIFICATION_PERIOD,
		&client,
		select_chain.clone(),
		telemetry.as_ref().map(|telemetry| telemetry.handle()),
	)?;
	let metrics = Metrics::new(config.prometheus_registry())?;
	let rules = Arc::new(Rules::new(client.clone(), metrics));
	let block_import = block_import(
		client.clone(),
		rules.clone(),
		select_chain.clone(),
		grandpa_import.clone(),
	);
	let import_queue = BasicQueue::new(
		SealVerifier::new(rules.clone()),
		block_import(),
		Some(Box::new(grandpa_import)),
		&task_manager.spawn_essential_handle(),
		config.prometheus_registry(),
	);
	Ok(PartialComponents {
		client,
		backend,
		task_manager,
		import_queue,
		keystore_container,
		select_chain,
		transaction_pool,
		other: Other {
			block_import,
			grandpa_link,
			rules,
			telemetry,
		},
	})
}

/// Work, then finality, then the client; one block at a time.
fn block_import(
	client: Arc<FullClient>,
	rules: Arc<Rules<FullClient>>,
	select_chain: FullSelectChain,
	grandpa_import: GrandpaImport,
) -> ImportHandles {
	let metrics = rules.metrics().clone();
	let inherents = rules.clone();
	let providers = move |parent: Hash, ()| {
		let rules = inherents.clone();
		async move {
			let seal = ParentSeal::of(&rules, parent)?;
			Ok((sp_timestamp::InherentDataProvider::from_system_time(), seal))
		}
	};
	// Inherents are checked from the first block on.
	let import = PowBlockImport::new(
		grandpa_import,
		client,
		Algorithm::new(rules),
		0,
		select_chain,
		providers,
	);
	let import = SerialImport::new(import, metrics);
	Box::new(move || Box::new(import.clone()))
}
