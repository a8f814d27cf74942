// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! How the parts of the node are put together.
//!
//! - [`partial`]: what every command on a database needs.
//! - `plan`: what the command line asks for, checked.
//! - `rpc`: what the RPC servers serve.
//!
//! This file adds network, authoring, finality and off-chain workers.

pub mod partial;
mod plan;
mod rpc;

use crate::{
	cli::{MiningParams, WorkerParams},
	consensus::{builder, cpu::CpuMiner, mining::TemplateKeeper, rules::Rules},
	keys,
};
use futures::FutureExt;
pub use partial::{executor, new_partial, new_partial_with, ImportHandles, Partial};
use partial::{Other, GRANDPA_JUSTIFICATION_PERIOD};
use plan::{MiningPlan, RemotePlan};
use poaiw_primitives::{Block, Hash};
use poaiw_runtime::apis::RuntimeApi;
use polkadot_sdk::*;
use sc_client_api::{Backend, BlockBackend};
use sc_consensus_grandpa::SharedVoterState;
use sc_executor::WasmExecutor;
use sc_network::{
	config::{NetworkBackendType, SyncMode},
	service::traits::NetworkService,
};
use sc_network_sync::SyncingService;
use sc_service::{error::Error as ServiceError, Configuration, PartialComponents, TaskManager};
use sc_transaction_pool_api::{OffchainTransactionPoolFactory, TransactionPool};
use sp_keystore::KeystorePtr;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What runs the runtime.
pub type Executor = WasmExecutor<sp_io::SubstrateHostFunctions>;
/// Client of the node.
pub type FullClient = sc_service::TFullClient<Block, RuntimeApi, Executor>;
/// Database of the node.
pub type FullBackend = sc_service::TFullBackend<Block>;
/// Which chain is built on: the longest descendant of the best block (which import decides on, by work).
pub type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
/// Transaction pool of the node.
pub type FullPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;
type GrandpaImport =
	sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type GrandpaLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, FullSelectChain>;

/// A running full node.
pub struct FullNode {
	/// Its tasks: the node ends with them.
	pub task_manager: TaskManager,
	/// Its client.
	pub client: Arc<FullClient>,
	/// Its database.
	pub backend: Arc<FullBackend>,
	/// Its transactions.
	pub transaction_pool: Arc<FullPool>,
	/// Its keys.
	pub keystore: KeystorePtr,
	/// Its accept predicate.
	pub rules: Arc<Rules<FullClient>>,
	/// Makes handles to its import.
	pub block_import: ImportHandles,
	/// Its network.
	pub network: Arc<dyn NetworkService>,
	/// Its synchronisation.
	pub sync: Arc<SyncingService<Block>>,
	/// Where it serves remote workers, if it does.
	pub worker_rpc: Option<SocketAddr>,
}

/// Starts a full node with the network backend that is configured.
///
/// # Errors
/// If a setting makes no sense or one of the parts can't be made.
pub fn start(
	config: Configuration,
	mining: &MiningParams,
	workers: &WorkerParams,
	executor: Executor,
) -> Result<FullNode, ServiceError> {
	if !matches!(config.network.sync_mode, SyncMode::Full) {
		return Err(ServiceError::Other(
			"total work is added up from the first block on: only --sync full is possible".into(),
		));
	}
	match config.network.network_backend {
		NetworkBackendType::Libp2p => {
			start_on::<sc_network::NetworkWorker<Block, Hash>>(config, mining, workers, executor)
		}
		NetworkBackendType::Litep2p => {
			start_on::<sc_network::Litep2pNetworkBackend>(config, mining, workers, executor)
		}
	}
}

fn start_on<N: sc_network::NetworkBackend<Block, Hash>>(
	mut config: Configuration,
	mining: &MiningParams,
	workers: &WorkerParams,
	executor: Executor,
) -> Result<FullNode, ServiceError> {
	let plan = MiningPlan::new(&config, mining)?;
	let remote = RemotePlan::new(workers)?;
	// Reports of workers go through the off-chain workers, so a mining node needs them whatever its role.
	config.offchain_worker.enabled |= plan.author.is_some() || remote.is_some();
	let PartialComponents {
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
			mut telemetry,
		},
	} = new_partial_with(&config, executor)?;
	let keystore = keystore_container.keystore();
	keys::insert_reporters(
		&keystore,
		&config.chain_spec.chain_type(),
		config.dev_key_seed.as_deref(),
	)
	.map_err(ServiceError::Other)?;

	let registry = config.prometheus_registry().cloned();
	let mut net_config = sc_network::config::FullNetworkConfiguration::<Block, Hash, N>::new(
		&config.network,
		registry.clone(),
	);
	let notification_metrics = N::register_notification_metrics(registry.as_ref());
	let genesis = client.block_hash(0)?.ok_or_else(|| {
		ServiceError::Other("the database has no genesis block: purge the chain and start again".into())
	})?;
	let grandpa_protocol = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
	let (grandpa_protocol_config, grandpa_notifications) =
		sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
			grandpa_protocol.clone(),
			notification_metrics.clone(),
			net_config.peer_store_handle(),
		);
	net_config.add_notification_protocol(grandpa_protocol_config);
	let (network, system_rpc_tx, tx_handler_controller, sync, _bitswap) =
		sc_service::build_network(sc_service::BuildNetworkParams {
			config: &config,
			net_config,
			client: client.clone(),
			transaction_pool: transaction_pool.clone(),
			spawn_handle: task_manager.spawn_handle(),
			spawn_essential_handle: task_manager.spawn_essential_handle(),
			import_queue,
			block_announce_validator_builder: None,
			// Total work needs every header's target, which stands in the states: there is no warp sync.
			warp_sync_config: None,
			block_relay: None,
			metrics: notification_metrics,
			gap_sync_body_policy: None,
		})?;

	let mut node = FullNode {
		task_manager,
		client,
		backend,
		transaction_pool,
		keystore,
		rules,
		block_import,
		network,
		sync,
		worker_rpc: None,
	};
	if config.offchain_worker.enabled {
		node.start_offchain_workers(config.role.is_authority())?;
	}
	let telemetry_handle = telemetry.as_ref().map(|telemetry| telemetry.handle());
	let keeper = node.start_authoring(&plan, select_chain, registry.as_ref(), telemetry_handle.clone());
	let served = rpc::Served::new(&node, &keeper)?;
	if let Some(remote) = remote {
		let (address, server) = rpc::serve_workers(&served, &remote, config.tokio_handle.clone())?;
		node.worker_rpc = Some(address);
		node.task_manager.keep_alive(server);
	}

	let voter_state = SharedVoterState::empty();
	let voter = (!config.disable_grandpa).then(|| sc_consensus_grandpa::Config {
		gossip_duration: Duration::from_millis(333),
		justification_generation_period: GRANDPA_JUSTIFICATION_PERIOD,
		name: Some(config.network.node_name.clone()),
		observer_enabled: false,
		keystore: config.role.is_authority().then(|| node.keystore.clone()),
		local_role: config.role,
		telemetry: telemetry_handle,
		protocol_name: grandpa_protocol,
	});
	sc_service::spawn_tasks(sc_service::SpawnTasksParams {
		network: Arc::new(node.network.clone()),
		client: node.client.clone(),
		keystore: node.keystore.clone(),
		task_manager: &mut node.task_manager,
		transaction_pool: node.transaction_pool.clone(),
		rpc_builder: rpc::builder(served, voter_state.clone(), &grandpa_link),
		backend: node.backend.clone(),
		system_rpc_tx,
		tx_handler_controller,
		sync_service: node.sync.clone(),
		config,
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;
	if let Some(config) = voter {
		// A voter, or an observer where this node has no vote.
		let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
			telemetry: config.telemetry.clone(),
			config,
			link: grandpa_link,
			network: node.network.clone(),
			sync: Arc::new(node.sync.clone()),
			notification_service: grandpa_notifications,
			voting_rule: sc_consensus_grandpa::VotingRulesBuilder::default().build(),
			prometheus_registry: registry,
			shared_voter_state: voter_state,
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(node.transaction_pool.clone()),
		})?;
		node.task_manager
			.spawn_essential_handle()
			.spawn_blocking("grandpa-voter", None, voter);
	}
	node.start_cpu_miner(&keeper, plan)?;
	Ok(node)
}

impl FullNode {
	/// The pallets' off-chain workers: they sign and submit the reports of workers and verifiers.
	fn start_offchain_workers(&self, is_validator: bool) -> Result<(), ServiceError> {
		let spawner = self.task_manager.spawn_handle();
		let pool = OffchainTransactionPoolFactory::new(self.transaction_pool.clone());
		let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
			runtime_api_provider: self.client.clone(),
			is_validator,
			keystore: Some(self.keystore.clone()),
			offchain_db: self.backend.offchain_storage(),
			transaction_pool: Some(pool),
			network_provider: Arc::new(self.network.clone()),
			enable_http_requests: false,
			custom_extensions: |_| vec![],
		})?;
		spawner.spawn(
			"offchain-workers-runner",
			"offchain-worker",
			workers.run(self.client.clone(), spawner.clone()).boxed(),
		);
		Ok(())
	}

	/// The task that builds templates, and where it keeps them.
	fn start_authoring(
		&self,
		plan: &MiningPlan,
		select_chain: FullSelectChain,
		registry: Option<&substrate_prometheus_endpoint::Registry>,
		telemetry: Option<sc_telemetry::TelemetryHandle>,
	) -> TemplateKeeper<FullClient> {
		let keeper = TemplateKeeper::new(
			self.rules.clone(),
			(self.block_import)(),
			Arc::new(self.sync.clone()),
			plan.author.clone(),
		);
		let proposers = sc_basic_authorship::ProposerFactory::new(
			self.task_manager.spawn_handle(),
			self.client.clone(),
			self.transaction_pool.clone(),
			registry,
			telemetry,
		);
		self.task_manager.spawn_essential_handle().spawn_blocking(
			"template-builder",
			Some("block-authoring"),
			builder::run(
				keeper.clone(),
				select_chain,
				proposers,
				self.sync.clone(),
				self.transaction_pool.import_notification_stream(),
				builder::Policy { alone: plan.alone },
			),
		);
		keeper
	}

	fn start_cpu_miner(
		&mut self,
		keeper: &TemplateKeeper<FullClient>,
		plan: MiningPlan,
	) -> Result<(), ServiceError> {
		let Some(author) = plan.author.filter(|_| plan.cpu.threads > 0) else {
			return Ok(());
		};
		log::info!(
			target: crate::LOG_TARGET,
			"⛏️  mining for {} on {} CPU threads at {} %",
			author.author, plan.cpu.threads, plan.cpu.duty,
		);
		let miner = CpuMiner::start(keeper, &author, plan.cpu).map_err(ServiceError::Io)?;
		self.task_manager.keep_alive(miner);
		Ok(())
	}
}
