// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Sealed headers: what stands in them, and why one is not taken.

use poaiw_primitives::{
	digest::{decode_author, Author, ENGINE_ID},
	Hash, Header,
};
use poaiw_work::{Reject, SealError, MAX_SEAL_BYTES};
use polkadot_sdk::*;
use sp_runtime::{traits::Header as _, DigestItem};

/// Why a seal was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
	/// The header has no seal of this engine as its last digest item.
	#[error("the header's last digest item is not a seal of engine pow_")]
	Unsealed,
	/// There is not exactly one well-formed author digest.
	#[error(
		"the header has {count} pre-runtime items of engine pow_ (one that decodes as an author is needed)"
	)]
	Author {
		/// How many there are.
		count: usize,
	},
	/// The bytes are not a seal.
	#[error("{0}")]
	Encoding(SealError),
	/// The predicate refused it.
	#[error("{0}")]
	Rule(Reject),
	/// The parameters could not be read.
	#[error("can't read the work parameters of block {parent}: {reason}")]
	State {
		/// The parent.
		parent: Hash,
		/// Why.
		reason: String,
	},
	/// The light cache could not be built.
	#[error("can't build the light cache of the epoch: {0}")]
	Cache(String),
}

impl Refusal {
	/// A short fixed name, for metrics and RPC.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Unsealed => "unsealed",
			Self::Author { .. } => "author",
			Self::Encoding(_) => "encoding",
			Self::Rule(reject) => reject.name(),
			Self::State { .. } => "state",
			Self::Cache(_) => "cache",
		}
	}

	/// Whether the fault is the seal's (and not this node's).
	pub fn is_seals_fault(&self) -> bool {
		!matches!(
			self,
			Self::State { .. }
				| Self::Cache(_)
				| Self::Rule(
					Reject::Profile(_)
						| Reject::Target(_)
						| Reject::EpochMissing
						| Reject::EpochMismatch { .. }
				)
		)
	}
}

/// A header without its seal, and the seal.
pub struct Unsealed {
	/// Hash of the header without the seal.
	pub pre_hash: Hash,
	/// Who made the block.
	pub author: Author,
	/// The seal's bytes.
	pub seal: Vec<u8>,
}

/// Takes a sealed header apart.
///
/// # Errors
/// [`Refusal::Unsealed`], [`Refusal::Author`], or [`Refusal::Encoding`] if the seal is too long to be one.
pub fn unseal(mut header: Header) -> Result<Unsealed, Refusal> {
	let seal = match header.digest_mut().pop() {
		Some(DigestItem::Seal(ENGINE_ID, seal)) => seal,
		_ => return Err(Refusal::Unsealed),
	};
	if seal.len() > MAX_SEAL_BYTES {
		return Err(Refusal::Encoding(SealError::TooLong(seal.len())));
	}
	let author = author_of(&header)?;
	Ok(Unsealed {
		pre_hash: header.hash(),
		author,
		seal,
	})
}

/// The author that a header states: exactly one pre-runtime item of our engine, and it decodes.
pub fn author_of(header: &Header) -> Result<Author, Refusal> {
	let mut items = header.digest().logs().iter().filter_map(|item| match item {
		DigestItem::PreRuntime(ENGINE_ID, data) => Some(data),
		_ => None,
	});
	match (items.next().map(|data| decode_author(data)), items.count()) {
		(Some(Some(author)), 0) => Ok(author),
		(Some(_), more) => Err(Refusal::Author {
			count: more.saturating_add(1),
		}),
		(None, _) => Err(Refusal::Author { count: 0 }),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use poaiw_primitives::AccountId;
	use sp_runtime::Digest;

	fn author(n: u8) -> Author {
		Author {
			author: AccountId::new([n; 32]),
			payout: AccountId::new([n; 32]),
		}
	}

	fn header(logs: Vec<DigestItem>) -> Header {
		Header::new(
			7,
			Default::default(),
			Default::default(),
			Hash::repeat_byte(1),
			Digest { logs },
		)
	}

	fn pre(n: u8) -> DigestItem {
		DigestItem::PreRuntime(ENGINE_ID, author(n).encode())
	}

	#[test]
	fn unseal_should_give_pre_hash_author_and_seal() {
		let sealed = header(vec![pre(3), DigestItem::Seal(ENGINE_ID, vec![1, 2])]);
		let parts = unseal(sealed).unwrap();
		assert_eq!(
			(parts.pre_hash, parts.author, parts.seal),
			(header(vec![pre(3)]).hash(), author(3), vec![1, 2])
		);
	}

	#[test]
	fn unseal_should_find_the_author_wherever_it_stands() {
		let other = DigestItem::Consensus(*b"FRNK", vec![9]);
		let sealed = header(vec![
			other.clone(),
			pre(3),
			other,
			DigestItem::Seal(ENGINE_ID, vec![]),
		]);
		assert_eq!(unseal(sealed).unwrap().author, author(3));
	}

	#[test]
	fn unseal_should_refuse_when_the_last_item_is_no_seal_of_this_engine() {
		for last in [
			vec![],
			vec![DigestItem::Seal(*b"aura", vec![])],
			vec![DigestItem::Other(vec![])],
		] {
			let logs = core::iter::once(pre(3)).chain(last).collect();
			assert!(matches!(unseal(header(logs)), Err(Refusal::Unsealed)));
		}
	}

	#[test]
	fn unseal_should_refuse_when_the_seal_is_longer_than_any() {
		let seal = DigestItem::Seal(ENGINE_ID, vec![0; MAX_SEAL_BYTES + 1]);
		assert!(matches!(
			unseal(header(vec![pre(3), seal])),
			Err(Refusal::Encoding(SealError::TooLong(_)))
		));
	}

	#[test]
	fn unseal_should_refuse_when_there_is_not_exactly_one_good_author() {
		let seal = || DigestItem::Seal(ENGINE_ID, vec![]);
		let mut trailing = author(3).encode();
		trailing.push(0);
		let bad = [
			(vec![seal()], 0),
			(vec![pre(3), pre(4), seal()], 2),
			(vec![DigestItem::PreRuntime(ENGINE_ID, trailing), seal()], 1),
			(vec![DigestItem::PreRuntime(ENGINE_ID, vec![1, 2, 3]), seal()], 1),
			(
				vec![DigestItem::PreRuntime(*b"aura", author(3).encode()), seal()],
				0,
			),
		];
		for (logs, expected) in bad {
			assert!(matches!(unseal(header(logs)), Err(Refusal::Author { count }) if count == expected));
		}
	}
}
