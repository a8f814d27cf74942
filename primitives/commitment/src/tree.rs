// SPDX-License-Identifier: Apache-2.0

//! The binary hash tree under both kinds of commitment: `node = H(left ‖ right)`, leaves padded with zero hashes
//! to a power of two. Padding is not stored: one hash for each level stands for all of it.

use crate::{hash, hash_many, Hash32, ZERO_HASH};
use alloc::{vec, vec::Vec};

/// Levels above the leaves of a tree of `count` leaves (0 for at most one leaf).
pub(crate) fn depth(count: u32) -> u32 {
	if count <= 1 {
		0
	} else {
		u32::BITS - (count - 1).leading_zeros()
	}
}

/// The stored nodes of a tree, leaves first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers {
	/// Every layer without its padding; the last one holds the root.
	layers: Vec<Vec<Hash32>>,
	/// For every layer the hash that pads it.
	padding: Vec<Hash32>,
}

impl Layers {
	pub(crate) fn new(leaves: Vec<Hash32>) -> Self {
		let mut padding = vec![ZERO_HASH];
		let mut layers = vec![leaves];
		while let Some(layer) = layers.last().filter(|layer| layer.len() > 1) {
			let pad = padding.last().copied().unwrap_or(ZERO_HASH);
			layers.push(parents(layer, &pad));
			padding.push(hash(&[&pad, &pad]));
		}
		Self { layers, padding }
	}

	pub(crate) fn leaves(&self) -> &[Hash32] {
		self.layers.first().map_or(&[], |x| x.as_slice())
	}

	/// The top hash; of an empty tree the zero hash.
	pub(crate) fn root(&self) -> Hash32 {
		self.layers
			.last()
			.and_then(|x| x.first())
			.copied()
			.unwrap_or(ZERO_HASH)
	}

	/// The siblings from the leaf up. The caller has checked `index`.
	pub(crate) fn path(&self, index: u32) -> Vec<Hash32> {
		let levels = self.layers.len().saturating_sub(1);
		(0..levels)
			.map(|level| {
				let sibling = (index as usize >> level) ^ 1;
				let stored = self.layers.get(level).and_then(|x| x.get(sibling));
				stored.or(self.padding.get(level)).copied().unwrap_or(ZERO_HASH)
			})
			.collect()
	}
}

fn parents(layer: &[Hash32], pad: &Hash32) -> Vec<Hash32> {
	let mut out = vec![ZERO_HASH; layer.len().div_ceil(2)];
	let (pairs, odd) = layer.as_chunks::<2>();
	hash_many(pairs.iter().map(|x| x.as_flattened()), &mut out);
	if let ([last], Some(place)) = (odd, out.last_mut()) {
		*place = hash(&[last, pad]);
	}
	out
}

/// Walks from `node`, leaf number `index`, to the top.
pub(crate) fn climb(mut node: Hash32, mut index: u32, path: &[Hash32]) -> Hash32 {
	for sibling in path {
		node = if index & 1 == 1 {
			hash(&[sibling, &node])
		} else {
			hash(&[&node, sibling])
		};
		index >>= 1;
	}
	node
}
