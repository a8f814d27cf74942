// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Block templates, and what becomes of seals for them.
//!
//! The keeper holds templates for up to [`MAX_AUTHORS`] authors: the node's own and those that workers ask for. All of
//! them stand on the best block. A template is built again when the best block changes, when transactions arrived (at
//! most every [`REBUILD_AFTER`]) and when it is old. Older templates of the same parent stay valid, so a product that
//! was begun on one of them is not lost: [`KEPT`] of them are kept for each author.
//!
//! There are no templates while the node catches up, nor without peers (unless authoring alone was asked for).

use super::{
	header::Refusal,
	rules::{Rules, WorkParams},
};
use parking_lot::Mutex;
use poaiw_primitives::{
	api::WorkApi,
	digest::{Author, ENGINE_ID},
	Block, Hash, Header, U256,
};
use polkadot_sdk::*;
use sc_consensus::{
	BlockImportParams, BoxBlockImport, ImportResult, JustificationSyncLink, StateAction, StorageChanges,
};
use sc_consensus_pow::{PowIntermediate, INTERMEDIATE_KEY};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_consensus::{BlockOrigin, Proposal};
use sp_consensus_pow::DifficultyApi;
use sp_runtime::{traits::Header as _, DigestItem};
use std::{
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::sync::{watch, Notify};

/// Authors for whom templates are kept at a time.
pub const MAX_AUTHORS: usize = 8;
/// Templates of the same parent that are kept for one author.
pub const KEPT: usize = 8;
/// Shortest time between two templates on the same parent.
pub const REBUILD_AFTER: Duration = Duration::from_secs(2);
/// An author whose templates nobody asked for this long makes room for another.
const AUTHOR_IDLE: Duration = Duration::from_secs(120);

/// What a miner works on.
#[derive(Clone, Debug)]
pub struct Template {
	/// Block to build on.
	pub parent: Hash,
	/// Height of the block to be made.
	pub height: u32,
	/// Who makes it.
	pub author: Author,
	/// Hash of the header without seal.
	pub pre_hash: Hash,
	/// Rules for its seal.
	pub params: Arc<WorkParams>,
	/// When it was built.
	pub built: Instant,
}

struct Build {
	template: Arc<Template>,
	proposal: Proposal<Block>,
}

struct Slot {
	author: Author,
	/// The node's own author stays, whether or not it was asked for.
	pinned: bool,
	asked: Instant,
	/// Newest last.
	builds: Vec<Build>,
}

impl Slot {
	fn in_use(&self) -> bool {
		self.pinned || self.asked.elapsed() <= AUTHOR_IDLE
	}
}

/// Why there are no templates now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
	/// Nothing was built yet.
	Starting,
	/// The node catches up with the network.
	Syncing,
	/// The node has no peers.
	NoPeers,
}

impl Paused {
	/// The reason in words.
	pub fn reason(self) -> &'static str {
		match self {
			Self::Starting => "no template was built yet; wait for the first one",
			Self::Syncing => "the node is catching up with the network; templates come when it is done",
			Self::NoPeers => {
				"the node has no peers; connect it, or start it with --force-authoring to mine alone"
			}
		}
	}
}

/// Why a seal did not become a block.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
	/// No template has this pre-hash (any more).
	#[error(
		"no template has the pre-hash {0:?} (any more): the best block changed or the template was used"
	)]
	Stale(Hash),
	/// The seal is not good.
	#[error("{0}")]
	Refused(#[from] Refusal),
	/// The block could not be imported.
	#[error("the block was not imported: {0}")]
	Import(String),
}

impl SubmitError {
	/// A short fixed name.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Stale(_) => "stale",
			Self::Refused(refusal) => refusal.name(),
			Self::Import(_) => "import",
		}
	}
}

/// There are [`MAX_AUTHORS`] authors in use.
#[derive(Debug, thiserror::Error)]
#[error("this node already keeps templates for {MAX_AUTHORS} authors; use one of them, or another node")]
pub struct TooManyAuthors;

struct State {
	slots: Vec<Slot>,
	paused: Option<Paused>,
}

/// Holds the templates. Clones are handles to the same one.
pub struct TemplateKeeper<C> {
	rules: Arc<Rules<C>>,
	state: Arc<Mutex<State>>,
	import: Arc<BoxBlockImport<Block>>,
	link: Arc<dyn JustificationSyncLink<Block>>,
	/// Counts the changes of the templates.
	version: Arc<watch::Sender<u64>>,
	/// Wakes the task that builds.
	wake: Arc<Notify>,
}

impl<C> Clone for TemplateKeeper<C> {
	fn clone(&self) -> Self {
		Self {
			rules: self.rules.clone(),
			state: self.state.clone(),
			import: self.import.clone(),
			link: self.link.clone(),
			version: self.version.clone(),
			wake: self.wake.clone(),
		}
	}
}

impl<C> TemplateKeeper<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync,
	C::Api: WorkApi<Block> + DifficultyApi<Block, U256>,
{
	/// A keeper without templates; [`super::builder::run`] fills it.
	pub fn new(
		rules: Arc<Rules<C>>,
		import: BoxBlockImport<Block>,
		link: Arc<dyn JustificationSyncLink<Block>>,
		own: Option<Author>,
	) -> Self {
		let slots = own
			.map(|author| Slot {
				author,
				pinned: true,
				asked: Instant::now(),
				builds: Vec::new(),
			})
			.into_iter()
			.collect();
		Self {
			rules,
			state: Arc::new(Mutex::new(State {
				slots,
				paused: Some(Paused::Starting),
			})),
			import: Arc::new(import),
			link,
			version: Arc::new(watch::Sender::new(0)),
			wake: Arc::new(Notify::new()),
		}
	}

	/// The rules by which seals are judged.
	pub fn rules(&self) -> &Arc<Rules<C>> {
		&self.rules
	}

	/// Tells when templates changed.
	pub fn subscribe(&self) -> watch::Receiver<u64> {
		self.version.subscribe()
	}

	/// Why there are no templates, if there are none.
	pub fn paused(&self) -> Option<Paused> {
		self.state.lock().paused
	}

	/// Authors for whom templates are built: those that somebody still asks for.
	pub fn authors(&self) -> Vec<Author> {
		let mut state = self.state.lock();
		state.slots.retain(Slot::in_use);
		state.slots.iter().map(|slot| slot.author.clone()).collect()
	}

	/// The node's own author.
	pub fn own_author(&self) -> Option<Author> {
		self.state
			.lock()
			.slots
			.iter()
			.find(|slot| slot.pinned)
			.map(|slot| slot.author.clone())
	}

	/// Asks for templates of an author.
	///
	/// # Errors
	/// [`TooManyAuthors`] if all places are taken by authors in use.
	pub fn want(&self, author: &Author) -> Result<(), TooManyAuthors> {
		let mut state = self.state.lock();
		let now = Instant::now();
		if let Some(slot) = state.slots.iter_mut().find(|slot| slot.author == *author) {
			slot.asked = now;
			return Ok(());
		}
		if state.slots.len() >= MAX_AUTHORS {
			state.slots.retain(Slot::in_use);
			if state.slots.len() >= MAX_AUTHORS {
				return Err(TooManyAuthors);
			}
		}
		state.slots.push(Slot {
			author: author.clone(),
			pinned: false,
			asked: now,
			builds: Vec::new(),
		});
		drop(state);
		self.wake.notify_one();
		Ok(())
	}

	/// The newest template of an author.
	pub fn latest(&self, author: &Author) -> Option<Arc<Template>> {
		let state = self.state.lock();
		let slot = state.slots.iter().find(|slot| slot.author == *author)?;
		slot.builds.last().map(|build| build.template.clone())
	}

	/// Asks for new templates on the same parent, because a miner has used up one.
	pub fn refresh(&self) {
		self.wake.notify_one();
	}

	/// Waits until somebody asks for new templates.
	pub async fn asked(&self) {
		self.wake.notified().await;
	}

	/// Takes a seal for one of the templates, judges it and imports the block.
	///
	/// The template is looked up, the seal judged and the template taken under one lock: a rebuild can't come between.
	///
	/// # Errors
	/// [`SubmitError`]; the chain is unchanged then.
	pub async fn submit(&self, pre_hash: Hash, seal: Vec<u8>) -> Result<Hash, SubmitError> {
		let (build, is_task) = self.take(pre_hash, &seal).inspect_err(|error| match error {
			SubmitError::Stale(_) => self.rules.metrics().seal_stale(),
			other => self.rules.metrics().seal_rejected(other.name()),
		})?;
		let Block {
			header,
			extrinsics: body,
		} = build.proposal.block;
		let mut block = BlockImportParams::<Block>::new(BlockOrigin::Own, header);
		block.post_digests.push(DigestItem::Seal(ENGINE_ID, seal));
		block.body = Some(body);
		block.state_action =
			StateAction::ApplyChanges(StorageChanges::Changes(build.proposal.storage_changes));
		block.insert_intermediate(
			INTERMEDIATE_KEY,
			PowIntermediate::<U256> {
				difficulty: Some(build.template.params.difficulty),
			},
		);
		let header: Header = block.post_header();
		let hash = header.hash();
		match self.import.import_block(block).await {
			Ok(ImportResult::Imported(aux)) => {
				ImportResult::Imported(aux).handle_justification(&hash, *header.number(), self.link.as_ref());
				self.rules.metrics().seal_accepted(is_task);
				log::info!(
					target: crate::LOG_TARGET,
					"⛏️  sealed block #{} ({hash:?}) by a {} product",
					header.number(),
					if is_task { "task's" } else { "synthetic" },
				);
				Ok(hash)
			}
			Ok(other) => self.lost(format!("{other:?}")),
			Err(error) => self.lost(error.to_string()),
		}
	}

	/// The block was not imported and its template is gone: build another.
	fn lost(&self, reason: String) -> Result<Hash, SubmitError> {
		log::warn!(target: crate::LOG_TARGET, "a mined block was not imported: {reason}");
		self.rules.metrics().seal_rejected("import");
		self.wake.notify_one();
		Err(SubmitError::Import(reason))
	}

	fn take(&self, pre_hash: Hash, seal: &[u8]) -> Result<(Build, bool), SubmitError> {
		let mut state = self.state.lock();
		let has = |build: &Build| build.template.pre_hash == pre_hash;
		let slot = state
			.slots
			.iter_mut()
			.find(|slot| slot.builds.iter().any(has))
			.ok_or(SubmitError::Stale(pre_hash))?;
		let place = slot
			.builds
			.iter()
			.position(has)
			.ok_or(SubmitError::Stale(pre_hash))?;
		let template = slot
			.builds
			.get(place)
			.map(|build| build.template.clone())
			.ok_or(SubmitError::Stale(pre_hash))?;
		let summary = self
			.rules
			.check(template.parent, &pre_hash, &template.author, seal)?;
		Ok((slot.builds.remove(place), !summary.source.is_synthetic()))
	}

	/// Stores a new template.
	pub fn store(&self, template: Template, proposal: Proposal<Block>) {
		self.rules.metrics().template_built(template.params.mac_target);
		let mut state = self.state.lock();
		state.paused = None;
		let Some(slot) = state.slots.iter_mut().find(|slot| slot.author == template.author) else {
			return;
		};
		// What stands on another parent can't become the best block any more.
		slot.builds
			.retain(|build| build.template.parent == template.parent);
		if slot.builds.len() >= KEPT {
			slot.builds.remove(0);
		}
		slot.builds.push(Build {
			template: Arc::new(template),
			proposal,
		});
		drop(state);
		self.version
			.send_modify(|version| *version = version.wrapping_add(1));
	}

	/// Drops all templates.
	pub(super) fn pause(&self, why: Paused) {
		let mut state = self.state.lock();
		if state.paused == Some(why) {
			return;
		}
		state.paused = Some(why);
		state.slots.iter_mut().for_each(|slot| slot.builds.clear());
		drop(state);
		log::info!(target: crate::LOG_TARGET, "no mining: {}", why.reason());
		self.version
			.send_modify(|version| *version = version.wrapping_add(1));
	}

	/// Whether the author's newest template stands on `parent`, and since when.
	pub(super) fn stands_on(&self, author: &Author, parent: Hash) -> Option<Duration> {
		let template = self.latest(author)?;
		(template.parent == parent).then(|| template.built.elapsed())
	}
}
