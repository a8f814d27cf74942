// SPDX-License-Identifier: Apache-2.0

//! What can go wrong, with the values that matter and what to do next.

use crate::format::amount;
use poaiw_primitives::{Balance, BlockNumber, TaskId};
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
	/// No connection, or it broke.
	#[error(
		"can't reach a node at {url}: {reason}\n  next: start one (`cargo xtask devnet`), or name another with --node ws://HOST:PORT"
	)]
	Unreachable {
		/// Address that was tried.
		url: String,
		/// What the transport said.
		reason: String,
	},
	/// The node answered a call with an error.
	#[error("the node refused {method}: {reason}\n  next: {next}")]
	Rpc {
		/// RPC method or runtime API.
		method: String,
		/// What the node said.
		reason: String,
		/// Remedy.
		next: &'static str,
	},
	/// An answer has another format than this client knows.
	#[error(
		"can't read the node's answer to {what}: {reason}\n  next: node and client are of different versions; use the `poaiw` that belongs to this network's node"
	)]
	Answer {
		/// What was asked.
		what: String,
		/// What is wrong with it.
		reason: String,
	},
	/// The network's runtime lacks what this client needs, or expects something else.
	#[error(
		"this network's runtime does not fit: {reason}\n  next: use the `poaiw` that belongs to this network (`poaiw chain status` shows its name and version)"
	)]
	Metadata {
		/// The difference.
		reason: String,
	},
	/// The account can't pay.
	#[error(
		"{account} has {} available, but {} are needed ({}): {} are missing\n  next: transfer tokens to it (`poaiw account transfer`), or lower max_price or the tip",
		amount(*.available), amount(*.needed), purpose, amount(needed.saturating_sub(*.available))
	)]
	Funds {
		/// The account.
		account: String,
		/// What it can spend or have held.
		available: Balance,
		/// What is needed.
		needed: Balance,
		/// What for.
		purpose: &'static str,
	},
	/// The price is above the limit in the manifest.
	#[error(
		"the price now is {}, above max_price {}\n  next: raise max_price to at least {} (covers a rising base fee), or wait until the base fee falls",
		amount(*.price), amount(*.max_price), amount(*.suggested)
	)]
	PriceAboveMax {
		/// Price at today's base fee.
		price: Balance,
		/// Limit of the manifest.
		max_price: Balance,
		/// Limit that covers a rising base fee.
		suggested: Balance,
	},
	/// The deadline has passed.
	#[error("the deadline, block {deadline}, is not after the head of the chain, block {head}\n  next: give a deadline of at least {} blocks from now", MIN_DEADLINE)]
	DeadlinePast {
		/// Height asked for.
		deadline: BlockNumber,
		/// Height of the head.
		head: BlockNumber,
	},
	/// There is no such task.
	#[error("task {id} does not exist on this network (or was posted in a block that was replaced, or ended so long ago that the chain forgot it)\n  next: `poaiw task list` shows the last tasks")]
	NoTask {
		/// Number asked for.
		id: TaskId,
	},
	/// The task has not come to where this is possible.
	#[error("task {id} is {state}: {reason}\n  next: {next}")]
	TaskState {
		/// Number of the task.
		id: TaskId,
		/// Where it stands.
		state: String,
		/// Why this does not do.
		reason: String,
		/// Remedy.
		next: String,
	},
	/// The market would refuse the task.
	#[error("the task market refuses this task: {reason}\n  next: change the manifest; nothing was posted and nothing was held")]
	SpecRefused {
		/// What the runtime says.
		reason: String,
	},
	/// A transaction is in a block, but its call failed.
	#[error("{call} failed in block {block}: {error}{}\n  next: only the transaction fee was spent; correct this and send it again", if docs.is_empty() { String::new() } else { format!(" ({docs})") })]
	Dispatch {
		/// Pallet and call.
		call: String,
		/// Hash of the block.
		block: String,
		/// Pallet and name of the error.
		error: String,
		/// What its documentation says.
		docs: String,
	},
	/// A transaction was not included.
	#[error("the transaction was not included: {reason}\n  next: {next}")]
	NotIncluded {
		/// What became of it.
		reason: String,
		/// Remedy.
		next: &'static str,
	},
	/// A signer can't be used.
	#[error("signer: {reason}\n  next: {next}")]
	Signer {
		/// What is wrong.
		reason: String,
		/// Remedy.
		next: String,
	},
	/// A manifest, or a file it names, can't be used.
	#[error("{0}")]
	Manifest(String),
	/// The artifact store failed, or lacks something.
	#[error("artifact {what}: {reason}\n  next: {next}")]
	Artifact {
		/// Which one.
		what: String,
		/// What is wrong.
		reason: String,
		/// Remedy.
		next: &'static str,
	},
	/// Something that was downloaded is not what was committed to.
	#[error("{what} does not match its commitment on chain: expected {expected}, got {got}\n  next: don't use it; fetch it from another store (--artifacts), or from the worker again")]
	Commitment {
		/// Which artifact.
		what: String,
		/// Root on chain.
		expected: String,
		/// Root of what was found.
		got: String,
	},
	/// A file or folder.
	#[error("{path}: {source}\n  next: {next}", path = path.display())]
	File {
		/// The file.
		path: PathBuf,
		/// What the system said.
		source: std::io::Error,
		/// Remedy.
		next: &'static str,
	},
	/// An argument.
	#[error("{argument}: {reason}")]
	Argument {
		/// Its name.
		argument: &'static str,
		/// What is wrong and what is accepted.
		reason: String,
	},
}

/// Blocks that the message for a passed deadline proposes.
const MIN_DEADLINE: BlockNumber = 50;

impl Error {
	/// Exit code of the command line: 3 for the network, 4 for what was refused before anything was sent, 5 for
	/// failed transactions, 6 for artifacts that don't match, 1 for the rest.
	pub fn exit_code(&self) -> u8 {
		match self {
			Self::Unreachable { .. } | Self::Rpc { .. } | Self::Answer { .. } | Self::Metadata { .. } => 3,
			Self::Funds { .. }
			| Self::PriceAboveMax { .. }
			| Self::DeadlinePast { .. }
			| Self::SpecRefused { .. }
			| Self::Manifest(_)
			| Self::Signer { .. }
			| Self::TaskState { .. }
			| Self::NoTask { .. } => 4,
			Self::Dispatch { .. } | Self::NotIncluded { .. } => 5,
			Self::Commitment { .. } | Self::Artifact { .. } => 6,
			Self::File { .. } | Self::Argument { .. } => 1,
		}
	}

	/// Short name for scripts (`--json`).
	pub fn kind(&self) -> &'static str {
		match self {
			Self::Unreachable { .. } => "unreachable",
			Self::Rpc { .. } => "rpc",
			Self::Answer { .. } => "answer",
			Self::Metadata { .. } => "metadata",
			Self::Funds { .. } => "funds",
			Self::PriceAboveMax { .. } => "price-above-max",
			Self::DeadlinePast { .. } => "deadline-past",
			Self::NoTask { .. } => "no-task",
			Self::TaskState { .. } => "task-state",
			Self::SpecRefused { .. } => "spec-refused",
			Self::Dispatch { .. } => "dispatch",
			Self::NotIncluded { .. } => "not-included",
			Self::Signer { .. } => "signer",
			Self::Manifest(_) => "manifest",
			Self::Artifact { .. } => "artifact",
			Self::Commitment { .. } => "commitment",
			Self::File { .. } => "file",
			Self::Argument { .. } => "argument",
		}
	}

	/// Whether waiting and connecting again may help.
	pub fn is_transport(&self) -> bool {
		matches!(self, Self::Unreachable { .. })
	}
}
