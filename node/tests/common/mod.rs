// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Chains for tests: the real client, database and import of a node, without network, with a target that the CPU meets
//! at once.
#![allow(dead_code, missing_docs)]

use codec::Encode;
use poaiw_node::{
	chain_spec::ChainSpec,
	cli::{Cli, MiningParams, WorkerParams},
	consensus::{
		builder::build_at,
		import::SealVerifier,
		mining::{SubmitError, Template, TemplateKeeper},
		rules::Rules,
	},
	rpc::WorkerDeps,
	service::{self, new_partial_with, Executor, FullBackend, FullClient, FullNode, FullPool},
};
use poaiw_primitives::{digest::Author, Block, Hash, Header, Moment};
use poaiw_work::{
	builder::synthetic_seal,
	cpu_miner::{Miner, Search},
	Dims,
};
use polkadot_sdk::*;
use sc_cli::SubstrateCli;
use sc_client_api::{Backend, BlockBackend, HeaderBackend};
use sc_consensus::{BlockImportParams, BoxBlockImport, ImportResult, JustificationSyncLink, Verifier};
use sc_service::{ChainType, Configuration, SpawnTaskHandle, TaskManager};
use serde_json::{json, Value};
use sp_consensus::{BlockOrigin, Proposal};
use sp_core::offchain::OffchainStorage;
use sp_keyring::Sr25519Keyring;
use std::{
	collections::BTreeMap,
	sync::{Arc, Mutex, OnceLock},
};

/// Half-life of the test chain, in ms.
pub const HALF_LIFE_MS: u64 = 600_000;
/// How long before now the schedule of the test chain began, in ms.
pub const AGE_MS: u64 = 3_600_000;

/// Milliseconds since the Unix epoch.
pub fn now() -> Moment {
	std::time::SystemTime::now()
		.duration_since(std::time::UNIX_EPOCH)
		.unwrap()
		.as_millis() as Moment
}

/// When the schedule of test chains began: the same for all chains of a test program.
pub fn genesis_time() -> Moment {
	static BEGAN: OnceLock<Moment> = OnceLock::new();
	*BEGAN.get_or_init(|| now() - AGE_MS)
}

/// The test chain. Its genesis is made by the runtime, which takes seconds: one of each time is kept as raw storage.
fn spec(genesis_time: Moment, chain_type: ChainType) -> ChainSpec {
	static MADE: Mutex<BTreeMap<Moment, Value>> = Mutex::new(BTreeMap::new());
	let mut made = MADE.lock().expect("no test panics in here");
	let raw = made.entry(genesis_time).or_insert_with(|| {
		let raw = genesis(genesis_time)
			.as_json(true)
			.expect("the preset fits the runtime");
		serde_json::from_str(&raw).expect("a specification is JSON")
	});
	raw["chainType"] = json!(chain_type);
	ChainSpec::from_json_bytes(raw.to_string().into_bytes()).expect("what was written can be read")
}

fn genesis(genesis_time: Moment) -> ChainSpec {
	// About 16 tickets in a block.
	let target = poaiw_primitives::U256::MAX / (16u64 * 131_072);
	ChainSpec::builder(poaiw_runtime::WASM_BINARY.expect("build with the wasm"), None)
		.with_name("Test")
		.with_id("test")
		.with_genesis_config_preset_name("development")
		.with_genesis_config_patch(json!({ "difficulty": {
			"initialTarget": target, "halfLifeMs": HALF_LIFE_MS, "genesisTime": genesis_time,
		} }))
		.build()
}

/// What a command line configures, on the test chain.
fn configuration(args: &[&str], genesis_time: Moment, chain_type: ChainType) -> Configuration {
	let cli = Cli::try_parse(&[&["poaiw-node"], args].concat());
	let mut config = cli
		.create_configuration(&cli.run, tokio::runtime::Handle::current())
		.expect("configuration");
	config.chain_spec = Box::new(spec(genesis_time, chain_type));
	config.prometheus_config = None;
	config
}

/// Compiling the runtime takes seconds: all chains of a test program share the compiled one.
fn executor(config: &Configuration) -> Executor {
	static SHARED: OnceLock<Executor> = OnceLock::new();
	SHARED.get_or_init(|| service::executor(config)).clone()
}

/// A node with network, RPC and finality on the test chain, in a folder of its own. Blocks come from elsewhere.
pub fn full_node(
	genesis_time: Moment,
	workers: &WorkerParams,
	args: &[&str],
) -> (FullNode, tempfile::TempDir) {
	let folder = tempfile::tempdir().expect("temporary folder");
	let base_path = folder.path().to_str().expect("UTF-8");
	let common = [
		"--base-path",
		base_path,
		"--rpc-port",
		"0",
		"--no-mdns",
		"--no-prometheus",
		"--no-telemetry",
	];
	// Not a development chain: nothing is mined unless somebody asks for templates.
	let config = configuration(&[&common, args].concat(), genesis_time, ChainType::Local);
	let executor = executor(&config);
	let node = service::start(config, &MiningParams::default(), workers, executor).expect("the node starts");
	(node, folder)
}

pub struct NoLink;

impl JustificationSyncLink<Block> for NoLink {
	fn request_justification(&self, _: &Hash, _: u32) {}
	fn clear_justification_requests(&self) {}
}

/// A chain to be driven block by block: without network of its own, or that of a full node.
pub struct Chain {
	pub client: Arc<FullClient>,
	pub backend: Arc<FullBackend>,
	pub pool: Arc<FullPool>,
	pub rules: Arc<Rules<FullClient>>,
	pub keeper: TemplateKeeper<FullClient>,
	pub import: BoxBlockImport<Block>,
	pub keystore: sp_keystore::KeystorePtr,
	pub author: Author,
	spawner: SpawnTaskHandle,
	_tasks: Option<TaskManager>,
	_folder: Option<tempfile::TempDir>,
}

pub fn author(key: Sr25519Keyring) -> Author {
	Author {
		author: key.to_account_id(),
		payout: key.to_account_id(),
	}
}

impl Chain {
	/// A new chain; all with the same `genesis_time` have the same genesis.
	pub fn new(genesis_time: Moment) -> Self {
		// A folder of its own: `--tmp` names one for the whole process.
		let folder = tempfile::tempdir().expect("temporary folder");
		let base_path = folder.path().to_str().expect("UTF-8");
		let config = configuration(
			&["--dev", "--base-path", base_path],
			genesis_time,
			ChainType::Development,
		);
		let parts = new_partial_with(&config, executor(&config)).expect("parts");
		let keystore = parts.keystore_container.keystore();
		poaiw_node::keys::insert_reporters(&keystore, &ChainType::Development, None).expect("keys");
		// The queue of this chain is not used: what it does with a block is done step by step below.
		let (import, keeper_import) = ((parts.other.block_import)(), (parts.other.block_import)());
		let author = author(Sr25519Keyring::Alice);
		Self {
			keeper: keeper(&parts.other.rules, keeper_import, &author),
			client: parts.client,
			backend: parts.backend,
			pool: parts.transaction_pool,
			rules: parts.other.rules,
			import,
			keystore,
			author,
			spawner: parts.task_manager.spawn_handle(),
			_tasks: Some(parts.task_manager),
			_folder: Some(folder),
		}
	}

	/// The chain of a full node.
	pub fn of(node: &FullNode) -> Self {
		let author = author(Sr25519Keyring::Alice);
		Self {
			client: node.client.clone(),
			backend: node.backend.clone(),
			pool: node.transaction_pool.clone(),
			rules: node.rules.clone(),
			keeper: keeper(&node.rules, (node.block_import)(), &author),
			import: (node.block_import)(),
			keystore: node.keystore.clone(),
			author,
			spawner: node.task_manager.spawn_handle(),
			_tasks: None,
			_folder: None,
		}
	}

	pub fn best(&self) -> (u32, Hash) {
		let info = self.client.info();
		(info.best_number, info.best_hash)
	}

	pub fn header(&self, hash: Hash) -> Header {
		self.client.header(hash).unwrap().unwrap()
	}

	/// A template on any block.
	pub async fn template(&self, parent: Hash, author: Author, time: Moment) -> (Template, Proposal<Block>) {
		let mut proposers = sc_basic_authorship::ProposerFactory::new(
			self.spawner.clone(),
			self.client.clone(),
			self.pool.clone(),
			None,
			None,
		);
		build_at(&self.rules, &mut proposers, &self.header(parent), author, time)
			.await
			.expect("template")
	}

	/// A block on any block, through the keeper.
	pub async fn mine_on(&self, parent: Hash, time: Moment) -> Result<Hash, SubmitError> {
		let (template, proposal) = self.template(parent, self.author.clone(), time).await;
		let seal = win(&template);
		let pre_hash = template.pre_hash;
		self.keeper.store(template, proposal);
		self.keeper.submit(pre_hash, seal).await
	}

	/// A block on the best one, now.
	pub async fn mine(&self) -> Hash {
		self.mine_on(self.best().1, now()).await.expect("mined")
	}

	/// What the network would send of a block.
	pub fn block(&self, hash: Hash) -> (Header, Vec<<Block as sp_runtime::traits::Block>::Extrinsic>) {
		(self.header(hash), self.client.block_body(hash).unwrap().unwrap())
	}

	/// Takes a block as the import queue does: verify, then import.
	pub async fn receive(
		&self,
		(header, body): (Header, Vec<<Block as sp_runtime::traits::Block>::Extrinsic>),
	) -> Result<ImportResult, String> {
		let mut params = BlockImportParams::new(BlockOrigin::NetworkBroadcast, header);
		params.body = Some(body);
		let params = SealVerifier::new(self.rules.clone()).verify(params).await?;
		self.import.import_block(params).await.map_err(|e| e.to_string())
	}

	/// What the methods of workers need.
	pub fn worker_deps(&self) -> WorkerDeps<impl OffchainStorage + 'static> {
		WorkerDeps {
			client: self.client.clone(),
			keeper: self.keeper.clone(),
			keystore: self.keystore.clone(),
			storage: self.backend.offchain_storage().expect("off-chain storage"),
		}
	}

	/// Total work of a block.
	pub fn total_work(&self, hash: Hash) -> poaiw_primitives::U256 {
		sc_consensus_pow::PowAux::<poaiw_primitives::U256>::read::<_, Block>(&*self.client, &hash)
			.unwrap()
			.total_difficulty
	}
}

fn keeper(
	rules: &Arc<Rules<FullClient>>,
	import: BoxBlockImport<Block>,
	author: &Author,
) -> TemplateKeeper<FullClient> {
	TemplateKeeper::new(rules.clone(), import, Arc::new(NoLink), Some(author.clone()))
}

/// A winning seal for a template.
pub fn win(template: &Template) -> Vec<u8> {
	let profile = &template.params.profile;
	// Sizes of a product are part of its lottery, so each is another attempt: 256 tickets at first.
	for cols in 8..=32u32 {
		let dims = Dims::new(512, cols * 16, 512).unwrap();
		let search = Search {
			pre_hash: template.pre_hash.as_fixed_bytes(),
			profile,
			mac_target: template.params.mac_target,
			items: None,
		};
		let miner = Miner::synthetic(search, template.author.author.as_ref(), &dims).unwrap();
		if let Some(win) = miner.all_wins().unwrap().first() {
			return synthetic_seal(&dims, win.position, miner.rank())
				.unwrap()
				.encode();
		}
	}
	panic!("no winning ticket for target {}", template.params.mac_target);
}

trait TryParse {
	fn try_parse(args: &[&str]) -> Self;
}

impl TryParse for Cli {
	fn try_parse(args: &[&str]) -> Self {
		<Self as SubstrateCli>::from_iter(args.iter().map(|arg| arg.to_string()))
	}
}
