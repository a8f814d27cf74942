// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! How the parts of the node are put together.

use crate::{
	cli::MiningParams,
	consensus::{
		algorithm::Algorithm,
		builder,
		cpu::{CpuMiner, CpuParams},
		import::{SealVerifier, SerialImport},
		mining::TemplateKeeper,
		rules::Rules,
		seal_inherent::ParentSeal,
	},
	keys,
	metrics::Metrics,
	rpc,
};
use futures::FutureExt;
use poaiw_primitives::{digest::Author, Block, Hash};
use poaiw_runtime::apis::RuntimeApi;
use polkadot_sdk::*;
use sc_client_api::{Backend, BlockBackend};
use sc_consensus::{BasicQueue, BoxBlockImport};
use sc_consensus_grandpa::{FinalityProofProvider, SharedVoterState};
use sc_consensus_pow::PowBlockImport;
use sc_executor::WasmExecutor;
use sc_service::{error::Error as ServiceError, ChainType, Configuration, PartialComponents, TaskManager};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::{OffchainTransactionPoolFactory, TransactionPool};
use sp_keyring::Sr25519Keyring;
use std::{sync::Arc, time::Duration};

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

/// Blocks between two justifications that are kept in any case.
const GRANDPA_JUSTIFICATION_PERIOD: u32 = 512;

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
	let executor = sc_service::new_wasm_executor::<sp_io::SubstrateHostFunctions>(&config.executor);
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

/// What the node shall do about mining.
#[derive(Clone, Debug)]
struct MiningPlan {
	author: Option<Author>,
	cpu: CpuParams,
	alone: bool,
}

impl MiningPlan {
	fn new(config: &Configuration, params: &MiningParams) -> Self {
		let dev = matches!(config.chain_spec.chain_type(), ChainType::Development);
		let account = params
			.author
			.clone()
			.or_else(|| dev.then(|| Sr25519Keyring::Alice.to_account_id()));
		let author = account.map(|author| Author {
			payout: params.payout.clone().unwrap_or_else(|| author.clone()),
			author,
		});
		let threads = params.mine_threads.unwrap_or(u16::from(dev));
		Self {
			author,
			cpu: CpuParams {
				threads,
				duty: params.mine_duty,
			},
			alone: dev || config.force_authoring,
		}
	}

	fn check(&self) -> Result<(), ServiceError> {
		if self.cpu.threads > 0 && self.author.is_none() {
			return Err(ServiceError::Other(
				"--mine-threads needs an account to mine for: add --author ACCOUNT".into(),
			));
		}
		Ok(())
	}
}

/// A full node; runs until its task manager ends.
///
/// # Errors
/// If one of the parts can't be made.
pub fn new_full<N: sc_network::NetworkBackend<Block, Hash>>(
	mut config: Configuration,
	mining: &MiningParams,
) -> Result<TaskManager, ServiceError> {
	let plan = MiningPlan::new(&config, mining);
	plan.check()?;
	// Reports of workers go through the off-chain workers, so a mining node needs them whatever its role.
	config.offchain_worker.enabled |= plan.author.is_some();
	let PartialComponents {
		client,
		backend,
		mut task_manager,
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
	} = new_partial(&config)?;
	keys::insert_reporters(
		&keystore_container.keystore(),
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
	let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
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

	if config.offchain_worker.enabled {
		let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
			runtime_api_provider: client.clone(),
			is_validator: config.role.is_authority(),
			keystore: Some(keystore_container.keystore()),
			offchain_db: backend.offchain_storage(),
			transaction_pool: Some(OffchainTransactionPoolFactory::new(transaction_pool.clone())),
			network_provider: Arc::new(network.clone()),
			enable_http_requests: false,
			custom_extensions: |_| vec![],
		})?;
		task_manager.spawn_handle().spawn(
			"offchain-workers-runner",
			"offchain-worker",
			workers.run(client.clone(), task_manager.spawn_handle()).boxed(),
		);
	}

	let keeper = TemplateKeeper::new(
		rules,
		block_import(),
		Arc::new(sync_service.clone()),
		plan.author.clone(),
	);
	let proposer_factory = sc_basic_authorship::ProposerFactory::new(
		task_manager.spawn_handle(),
		client.clone(),
		transaction_pool.clone(),
		registry.as_ref(),
		telemetry.as_ref().map(|telemetry| telemetry.handle()),
	);
	task_manager.spawn_essential_handle().spawn_blocking(
		"template-builder",
		Some("block-authoring"),
		builder::run(
			keeper.clone(),
			select_chain,
			proposer_factory,
			sync_service.clone(),
			transaction_pool.import_notification_stream(),
			builder::Policy { alone: plan.alone },
		),
	);

	let voter_state = SharedVoterState::empty();
	let grandpa_config = sc_consensus_grandpa::Config {
		gossip_duration: Duration::from_millis(333),
		justification_generation_period: GRANDPA_JUSTIFICATION_PERIOD,
		name: Some(config.network.node_name.clone()),
		observer_enabled: false,
		keystore: config.role.is_authority().then(|| keystore_container.keystore()),
		local_role: config.role,
		telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
		protocol_name: grandpa_protocol,
	};
	let enable_grandpa = !config.disable_grandpa;
	let rpc_builder = rpc_builder(
		client.clone(),
		backend.clone(),
		transaction_pool.clone(),
		keeper.clone(),
		keystore_container.keystore(),
		voter_state.clone(),
		&grandpa_link,
	)?;
	sc_service::spawn_tasks(sc_service::SpawnTasksParams {
		network: Arc::new(network.clone()),
		client,
		keystore: keystore_container.keystore(),
		task_manager: &mut task_manager,
		transaction_pool: transaction_pool.clone(),
		rpc_builder,
		backend,
		system_rpc_tx,
		tx_handler_controller,
		sync_service: sync_service.clone(),
		config,
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;

	if enable_grandpa {
		let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
			config: grandpa_config,
			link: grandpa_link,
			network,
			sync: Arc::new(sync_service),
			notification_service: grandpa_notifications,
			voting_rule: sc_consensus_grandpa::VotingRulesBuilder::default().build(),
			prometheus_registry: registry,
			shared_voter_state: voter_state,
			telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
		})?;
		task_manager
			.spawn_essential_handle()
			.spawn_blocking("grandpa-voter", None, voter);
	}

	if let Some(author) = plan.author.filter(|_| plan.cpu.threads > 0) {
		log::info!(
			target: crate::LOG_TARGET,
			"⛏️  mining for {} on {} CPU threads at {} %",
			author.author, plan.cpu.threads, plan.cpu.duty,
		);
		task_manager.keep_alive(CpuMiner::start(&keeper, &author, plan.cpu).map_err(ServiceError::Io)?);
	}
	Ok(task_manager)
}

type RpcBuilder =
	Box<dyn Fn(sc_rpc::SubscriptionTaskExecutor) -> Result<jsonrpsee::RpcModule<()>, ServiceError>>;

fn rpc_builder(
	client: Arc<FullClient>,
	backend: Arc<FullBackend>,
	pool: Arc<FullPool>,
	keeper: TemplateKeeper<FullClient>,
	keystore: sp_keystore::KeystorePtr,
	voter_state: SharedVoterState,
	grandpa_link: &GrandpaLink,
) -> Result<RpcBuilder, ServiceError> {
	let storage = backend.offchain_storage().ok_or_else(|| {
		ServiceError::Other("the database has no off-chain storage, reports could not be kept".into())
	})?;
	let authority_set = grandpa_link.shared_authority_set().clone();
	let justifications = grandpa_link.justification_stream();
	let proofs = FinalityProofProvider::new_for_service(backend, Some(authority_set.clone()));
	Ok(Box::new(move |executor| {
		rpc::create_full(rpc::FullDeps {
			client: client.clone(),
			pool: pool.clone(),
			keeper: keeper.clone(),
			keystore: keystore.clone(),
			storage: storage.clone(),
			grandpa: rpc::GrandpaDeps {
				voter_state: voter_state.clone(),
				authority_set: authority_set.clone(),
				justifications: justifications.clone(),
				proofs: proofs.clone(),
				executor,
			},
		})
		.map_err(Into::into)
	}))
}
