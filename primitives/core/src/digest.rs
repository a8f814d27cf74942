// SPDX-License-Identifier: Apache-2.0

//! Who made a block: the pre-runtime digest of engine `pow_`.

use crate::AccountId;
use codec::{Decode, Encode, MaxEncodedLen};
use polkadot_sdk::sp_runtime::{Digest, DigestItem};

/// Engine id of `sp-consensus-pow`, under which author and seal travel in a header.
pub const ENGINE_ID: [u8; 4] = *b"pow_";

/// Content of the pre-runtime digest. It is covered by the pre-hash, so a ticket can't be taken over by another author.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, scale_info::TypeInfo)]
pub struct Author {
	/// Account that mined the block: the worker whose lease a task source must name.
	pub author: AccountId,
	/// Account that receives the rewards.
	pub payout: AccountId,
}

/// The author stated in a digest: the first decodable pre-runtime item of our engine, wherever it stands.
/// `None` when there is none or it has trailing bytes.
pub fn author(digest: &Digest) -> Option<Author> {
	digest.logs.iter().find_map(|item| match item {
		DigestItem::PreRuntime(id, data) if *id == ENGINE_ID => decode_author(data),
		_ => None,
	})
}

/// Decode the bytes of a pre-runtime item; rejects trailing bytes.
pub fn decode_author(mut data: &[u8]) -> Option<Author> {
	let author = Author::decode(&mut data).ok()?;
	data.is_empty().then_some(author)
}
