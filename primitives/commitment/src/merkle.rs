// SPDX-License-Identifier: Apache-2.0

//! Commitment to a list of hashes (the segments of a trace, for example).
//!
//! `root = H("PoAIW/list/1" ‖ le32(count) ‖ tree root)`. The count is inside, and a path has exactly the depth that
//! the count gives, so neither padding nor an inner node can pass for an entry. Entries are hashes whose
//! preimages the caller separates from 64-byte nodes (with a prefix, or by another length).

use crate::{hash, tree, Error, Hash32};
use alloc::vec::Vec;

/// The longest list.
pub const MAX_ENTRIES: u32 = 1 << 24;

/// A committed list with everything that openings need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTree {
	layers: tree::Layers,
	count: u32,
}

impl ListTree {
	/// Commits to `entries` in their order; an empty list is allowed.
	///
	/// # Errors
	/// [`Error::LeafCount`] if there are more than [`MAX_ENTRIES`].
	pub fn new(entries: Vec<Hash32>) -> Result<Self, Error> {
		let count = checked_count(entries.len())?;
		Ok(Self {
			layers: tree::Layers::new(entries),
			count,
		})
	}

	/// Number of entries.
	pub fn count(&self) -> u32 {
		self.count
	}

	/// The commitment.
	pub fn root(&self) -> Hash32 {
		wrap(&self.layers.root(), self.count)
	}

	/// The siblings that [`verify`] needs for entry `index`.
	///
	/// # Errors
	/// [`Error::Index`] if there is no such entry.
	pub fn path(&self, index: u32) -> Result<Vec<Hash32>, Error> {
		check_index(index, self.count)?;
		Ok(self.layers.path(index))
	}
}

/// The commitment to `entries`.
///
/// # Errors
/// [`Error::LeafCount`] if there are more than [`MAX_ENTRIES`].
pub fn root(entries: &[Hash32]) -> Result<Hash32, Error> {
	Ok(ListTree::new(entries.to_vec())?.root())
}

/// The commitment that `entry`, number `index` of `count`, leads to over `path`: compare it with the known root.
///
/// # Errors
/// [`Error::LeafCount`], [`Error::Index`] or [`Error::PathLength`] if count, index and path do not fit together.
pub fn root_from_path(entry: &Hash32, index: u32, count: u32, path: &[Hash32]) -> Result<Hash32, Error> {
	checked_count(count as usize)?;
	check_index(index, count)?;
	check_path(path, tree::depth(count))?;
	Ok(wrap(&tree::climb(*entry, index, path), count))
}

/// Whether `entry` is number `index` of the `count` entries under `root`. Malformed openings are `false`.
pub fn verify(root: &Hash32, entry: &Hash32, index: u32, count: u32, path: &[Hash32]) -> bool {
	root_from_path(entry, index, count, path).as_ref() == Ok(root)
}

fn wrap(tree_root: &Hash32, count: u32) -> Hash32 {
	hash(&[b"PoAIW/list/1", &count.to_le_bytes(), tree_root])
}

fn checked_count(len: usize) -> Result<u32, Error> {
	u32::try_from(len)
		.ok()
		.filter(|count| *count <= MAX_ENTRIES)
		.ok_or(Error::LeafCount {
			expected: MAX_ENTRIES.into(),
			got: len as u64,
		})
}

pub(crate) fn check_index(index: u32, count: u32) -> Result<(), Error> {
	if index < count {
		Ok(())
	} else {
		Err(Error::Index { index, count })
	}
}

pub(crate) fn check_path(path: &[Hash32], expected: u32) -> Result<(), Error> {
	if path.len() as u64 == u64::from(expected) {
		Ok(())
	} else {
		Err(Error::PathLength {
			expected,
			got: path.len() as u64,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn entries(count: u32) -> Vec<Hash32> {
		(0..count).map(|i| hash(&[b"entry", &i.to_le_bytes()])).collect()
	}

	#[test]
	fn every_entry_should_open_and_nothing_else() {
		for count in [1u32, 2, 3, 4, 5, 8, 9, 31] {
			let list = entries(count);
			let tree = ListTree::new(list.clone()).unwrap();
			assert_eq!(tree.root(), root(&list).unwrap());
			for index in 0..count {
				let path = tree.path(index).unwrap();
				let entry = &list[index as usize];
				assert!(verify(&tree.root(), entry, index, count, &path));
				assert!(!verify(&tree.root(), &hash(&[b"other"]), index, count, &path));
				assert!(!verify(&tree.root(), entry, index, count + 1, &path));
				if count > 1 {
					assert!(!verify(&tree.root(), entry, index ^ 1, count, &path));
				}
			}
			assert_eq!(tree.path(count), Err(Error::Index { index: count, count }));
		}
	}

	#[test]
	fn padding_should_not_pass_for_an_entry() {
		let short = ListTree::new(entries(3)).unwrap();
		let mut padded = entries(3);
		padded.push([0; 32]);
		assert_ne!(short.root(), root(&padded).unwrap());
		let path = ListTree::new(padded).unwrap().path(3).unwrap();
		assert_eq!(
			root_from_path(&[0; 32], 3, 3, &path),
			Err(Error::Index { index: 3, count: 3 })
		);
		assert!(!verify(&short.root(), &[0; 32], 3, 4, &path));
	}

	#[test]
	fn an_inner_node_should_not_pass_for_an_entry() {
		let list = entries(4);
		let tree = ListTree::new(list.clone()).unwrap();
		let node = hash(&[&list[0], &list[1]]);
		let path = tree.path(0).unwrap();
		assert_eq!(
			root_from_path(&node, 0, 4, &path[1..]),
			Err(Error::PathLength { expected: 2, got: 1 })
		);
		assert!(!verify(&tree.root(), &node, 0, 2, &path[1..]));
	}

	#[test]
	fn an_empty_list_should_have_its_own_root() {
		assert_ne!(root(&[]).unwrap(), root(&[[0; 32]]).unwrap());
		assert!(!verify(&root(&[]).unwrap(), &[0; 32], 0, 0, &[]));
	}

	#[test]
	fn too_long_lists_should_be_refused() {
		assert!(matches!(
			root_from_path(&[0; 32], 0, MAX_ENTRIES + 1, &[]),
			Err(Error::LeafCount { .. })
		));
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(128))]

		#[test]
		fn changed_openings_should_fail(count in 2u32..40, pick in any::<u32>(), at in any::<usize>(), bit in 0u8..8) {
			let tree = ListTree::new(entries(count)).unwrap();
			let index = pick % count;
			let mut path = tree.path(index).unwrap();
			let byte = at % (path.len() * 32);
			path[byte / 32][byte % 32] ^= 1 << bit;
			prop_assert!(!verify(&tree.root(), &entries(count)[index as usize], index, count, &path));
		}

		#[test]
		fn random_openings_should_not_panic(
			entry in any::<Hash32>(), index in any::<u32>(), count in any::<u32>(),
			path in proptest::collection::vec(any::<Hash32>(), 0..40),
		) {
			prop_assert!(!verify(&[7; 32], &entry, index, count, &path));
		}
	}
}
