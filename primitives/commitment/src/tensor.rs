// SPDX-License-Identifier: Apache-2.0

//! Commitment to a matrix of bytes.
//!
//! The matrix is padded with zeros to whole blocks of 16 rows × 512 bytes. A leaf is
//! `H(H(row 0) ‖ … ‖ H(row 15))` of one block, blocks are taken in row-major order, and the root is
//! `H("PoAIW/tensor/1" ‖ le32(rows, row_bytes) ‖ tree root)` with the unpadded sizes.

use crate::{
	hash, hash_many,
	merkle::{check_index, check_path},
	tree, Error, Hash32, ZERO_HASH,
};
use alloc::{vec, vec::Vec};

/// Rows of one block.
pub const TILE_ROWS: usize = 16;
/// Bytes of one row in one block.
pub const CHUNK_BYTES: usize = 512;
/// Bytes of one block.
pub const BLOCK_BYTES: usize = TILE_ROWS * CHUNK_BYTES;
/// The most rows of a committed matrix.
pub const MAX_ROWS: u32 = 1 << 20;
/// The most bytes in a row of a committed matrix.
pub const MAX_ROW_BYTES: u32 = 1 << 22;

/// Blocks that are hashed together: enough rows to fill every SIMD lane at both levels of a leaf.
const BATCH: usize = 8;

/// Checked sizes of a committed matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
	rows: u32,
	row_bytes: u32,
}

impl Shape {
	/// A matrix of `rows` × `row_bytes` bytes.
	///
	/// # Errors
	/// [`Error::Rows`] or [`Error::RowBytes`] if a size is zero or over its bound.
	pub fn new(rows: u32, row_bytes: u32) -> Result<Self, Error> {
		if rows == 0 || rows > MAX_ROWS {
			return Err(Error::Rows { rows });
		}
		if row_bytes == 0 || row_bytes > MAX_ROW_BYTES {
			return Err(Error::RowBytes { row_bytes });
		}
		Ok(Self { rows, row_bytes })
	}

	/// Rows without padding.
	pub fn rows(&self) -> u32 {
		self.rows
	}

	/// Bytes of a row without padding.
	pub fn row_bytes(&self) -> u32 {
		self.row_bytes
	}

	/// Rows of blocks.
	pub fn block_rows(&self) -> u32 {
		self.rows.div_ceil(TILE_ROWS as u32)
	}

	/// Blocks next to each other in one row of blocks.
	pub fn blocks_per_row(&self) -> u32 {
		self.row_bytes.div_ceil(CHUNK_BYTES as u32)
	}

	/// Leaves of the tree, at most 2^29.
	pub fn leaf_count(&self) -> u32 {
		self.block_rows() * self.blocks_per_row()
	}

	/// Hashes in a path.
	pub fn depth(&self) -> u32 {
		tree::depth(self.leaf_count())
	}

	/// Index of the leaf of block (`block_row`, `block_col`).
	///
	/// # Errors
	/// [`Error::Index`] if there is no such block.
	pub fn leaf_index(&self, block_row: u32, block_col: u32) -> Result<u32, Error> {
		check_index(block_row, self.block_rows())?;
		check_index(block_col, self.blocks_per_row())?;
		Ok(block_row * self.blocks_per_row() + block_col)
	}

	fn check_len(&self, bytes: &[u8]) -> Result<(), Error> {
		let expected = u64::from(self.rows) * u64::from(self.row_bytes);
		if bytes.len() as u64 != expected {
			return Err(Error::Length {
				expected,
				got: bytes.len() as u64,
			});
		}
		Ok(())
	}
}

/// Hash of one padded block, row-major.
pub fn leaf(block: &[u8; BLOCK_BYTES]) -> Hash32 {
	let mut rows = [ZERO_HASH; TILE_ROWS];
	hash_many(block.chunks_exact(CHUNK_BYTES), &mut rows);
	hash(&[rows.as_flattened()])
}

/// The root of a matrix from the root of its tree: binds the unpadded sizes.
pub fn wrap_root(tree_root: &Hash32, rows: u32, row_bytes: u32) -> Hash32 {
	hash(&[
		b"PoAIW/tensor/1",
		&rows.to_le_bytes(),
		&row_bytes.to_le_bytes(),
		tree_root,
	])
}

/// Commitment to `bytes`, a row-major matrix of `rows` × `row_bytes`.
///
/// # Errors
/// If a size is out of bounds or `bytes` has another length.
pub fn tensor_root(bytes: &[u8], rows: u32, row_bytes: u32) -> Result<Hash32, Error> {
	Ok(TensorTree::build(bytes, rows, row_bytes)?.root())
}

/// The root that `block`, leaf number `index`, leads to over `path`: compare it with the known root.
///
/// # Errors
/// If a size is out of bounds, the leaf does not exist, or the path has another length than the tree is deep.
pub fn root_from_path(
	block: &[u8; BLOCK_BYTES],
	index: u32,
	path: &[Hash32],
	rows: u32,
	row_bytes: u32,
) -> Result<Hash32, Error> {
	let shape = Shape::new(rows, row_bytes)?;
	check_index(index, shape.leaf_count())?;
	check_path(path, shape.depth())?;
	Ok(wrap_root(&tree::climb(leaf(block), index, path), rows, row_bytes))
}

/// The padded bytes of block (`block_row`, `block_col`) of a matrix.
///
/// # Errors
/// If a size is out of bounds, `bytes` has another length, or the block does not exist.
pub fn block_bytes_of(
	bytes: &[u8],
	rows: u32,
	row_bytes: u32,
	block_row: u32,
	block_col: u32,
) -> Result<[u8; BLOCK_BYTES], Error> {
	let shape = Shape::new(rows, row_bytes)?;
	shape.check_len(bytes)?;
	shape.leaf_index(block_row, block_col)?;
	let mut out = [0; BLOCK_BYTES];
	copy_block(bytes, &shape, block_row, block_col, &mut out);
	Ok(out)
}

fn copy_block(bytes: &[u8], shape: &Shape, block_row: u32, block_col: u32, out: &mut [u8; BLOCK_BYTES]) {
	let start = block_col as usize * CHUNK_BYTES;
	let rows = bytes
		.chunks_exact(shape.row_bytes as usize)
		.skip(block_row as usize * TILE_ROWS);
	for (to, row) in out.chunks_exact_mut(CHUNK_BYTES).zip(rows) {
		let part = row.get(start..).unwrap_or(&[]);
		let part = &part[..part.len().min(CHUNK_BYTES)];
		to[..part.len()].copy_from_slice(part);
		to[part.len()..].fill(0);
	}
}

/// A committed matrix with everything that openings need; it does not keep the matrix itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorTree {
	shape: Shape,
	layers: tree::Layers,
}

impl TensorTree {
	/// Commits to `bytes`, a row-major matrix of `rows` × `row_bytes`.
	///
	/// # Errors
	/// If a size is out of bounds or `bytes` has another length.
	pub fn build(bytes: &[u8], rows: u32, row_bytes: u32) -> Result<Self, Error> {
		let shape = Shape::new(rows, row_bytes)?;
		shape.check_len(bytes)?;
		Ok(Self {
			layers: tree::Layers::new(leaves(bytes, &shape)),
			shape,
		})
	}

	/// Takes leaves that were computed elsewhere (on a GPU), in row-major order of the blocks.
	///
	/// # Errors
	/// If a size is out of bounds or the number of leaves does not belong to the sizes.
	pub fn from_leaves(leaves: Vec<Hash32>, rows: u32, row_bytes: u32) -> Result<Self, Error> {
		let shape = Shape::new(rows, row_bytes)?;
		if leaves.len() as u64 != u64::from(shape.leaf_count()) {
			return Err(Error::LeafCount {
				expected: shape.leaf_count().into(),
				got: leaves.len() as u64,
			});
		}
		Ok(Self {
			shape,
			layers: tree::Layers::new(leaves),
		})
	}

	/// Sizes of the committed matrix.
	pub fn shape(&self) -> Shape {
		self.shape
	}

	/// The commitment.
	pub fn root(&self) -> Hash32 {
		wrap_root(&self.layers.root(), self.shape.rows, self.shape.row_bytes)
	}

	/// Number of leaves without padding.
	pub fn leaf_count(&self) -> u32 {
		self.shape.leaf_count()
	}

	/// The leaves, row-major.
	pub fn leaves(&self) -> &[Hash32] {
		self.layers.leaves()
	}

	/// The siblings of leaf `index` from the bottom up.
	///
	/// # Errors
	/// [`Error::Index`] if there is no such leaf.
	pub fn path(&self, index: u32) -> Result<Vec<Hash32>, Error> {
		check_index(index, self.leaf_count())?;
		Ok(self.layers.path(index))
	}
}

/// All leaves of a matrix whose length has been checked.
fn leaves(bytes: &[u8], shape: &Shape) -> Vec<Hash32> {
	let per_row = shape.blocks_per_row() as usize;
	let mut out = vec![ZERO_HASH; shape.leaf_count() as usize];
	let mut rows = [ZERO_HASH; BATCH * TILE_ROWS];
	let mut padded = vec![[0u8; BLOCK_BYTES]; BATCH];
	for (batch, places) in out.chunks_mut(BATCH).enumerate() {
		let first = batch * BATCH;
		for (i, block) in padded.iter_mut().enumerate().take(places.len()) {
			let number = first + i;
			copy_block(
				bytes,
				shape,
				(number / per_row) as u32,
				(number % per_row) as u32,
				clear_tail(block, shape, number / per_row),
			);
		}
		let used = &mut rows[..places.len() * TILE_ROWS];
		hash_many(padded.as_flattened().chunks_exact(CHUNK_BYTES), used);
		hash_many(used.chunks_exact(TILE_ROWS).map(|x| x.as_flattened()), places);
	}
	out
}

/// Zeros what an earlier block left in the rows that this block, at the lower edge, does not have.
fn clear_tail<'a>(
	block: &'a mut [u8; BLOCK_BYTES],
	shape: &Shape,
	block_row: usize,
) -> &'a mut [u8; BLOCK_BYTES] {
	let present = (shape.rows as usize - block_row * TILE_ROWS).min(TILE_ROWS);
	block[present * CHUNK_BYTES..].fill(0);
	block
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	/// The definition, word for word: pad, hash rows, hash blocks, fold.
	fn plain_root(bytes: &[u8], rows: usize, row_bytes: usize) -> Hash32 {
		let (high, wide) = (rows.next_multiple_of(16), row_bytes.next_multiple_of(512));
		let mut padded = vec![0u8; high * wide];
		for row in 0..rows {
			padded[row * wide..row * wide + row_bytes]
				.copy_from_slice(&bytes[row * row_bytes..(row + 1) * row_bytes]);
		}
		let mut layer = Vec::new();
		for block_row in (0..high).step_by(16) {
			for block_col in (0..wide).step_by(512) {
				let rows: Vec<u8> = (0..16)
					.flat_map(|row| hash(&[&padded[(block_row + row) * wide + block_col..][..512]]))
					.collect();
				layer.push(hash(&[&rows]));
			}
		}
		layer.resize(layer.len().next_power_of_two(), ZERO_HASH);
		while layer.len() > 1 {
			layer = layer.chunks(2).map(|pair| hash(&[&pair[0], &pair[1]])).collect();
		}
		wrap_root(&layer[0], rows as u32, row_bytes as u32)
	}

	fn data(rows: u32, row_bytes: u32) -> Vec<u8> {
		let mut state = 1u64;
		(0..rows * row_bytes)
			.map(|_| {
				state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
				(state >> 56) as u8
			})
			.collect()
	}

	#[test]
	fn sizes_out_of_bounds_should_be_refused() {
		assert_eq!(Shape::new(0, 1), Err(Error::Rows { rows: 0 }));
		assert_eq!(
			Shape::new(MAX_ROWS + 1, 1),
			Err(Error::Rows { rows: MAX_ROWS + 1 })
		);
		assert_eq!(Shape::new(1, 0), Err(Error::RowBytes { row_bytes: 0 }));
		assert_eq!(
			Shape::new(1, u32::MAX),
			Err(Error::RowBytes { row_bytes: u32::MAX })
		);
		let largest = Shape::new(MAX_ROWS, MAX_ROW_BYTES).unwrap();
		assert_eq!((largest.leaf_count(), largest.depth()), (1 << 29, 29));
		assert_eq!(
			tensor_root(&[0; 5], 2, 3),
			Err(Error::Length { expected: 6, got: 5 })
		);
		let leaves = TensorTree::from_leaves(vec![[0; 32]; 3], 17, 512);
		assert_eq!(leaves.unwrap_err(), Error::LeafCount { expected: 2, got: 3 });
	}

	#[test]
	fn the_padding_should_be_bound_by_the_sizes() {
		let narrow = tensor_root(&[1; 16 * 511], 16, 511).unwrap();
		let mut wide = Vec::new();
		(0..16).for_each(|_| wide.extend_from_slice(&[&[1u8; 511][..], &[0]].concat()));
		assert_ne!(narrow, tensor_root(&wide, 16, 512).unwrap());
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(48))]

		#[test]
		fn roots_and_openings_should_follow_the_definition(rows in 1u32..70, row_bytes in 1u32..1700) {
			let bytes = data(rows, row_bytes);
			let tree = TensorTree::build(&bytes, rows, row_bytes).unwrap();
			prop_assert_eq!(tree.root(), plain_root(&bytes, rows as usize, row_bytes as usize));
			let given = TensorTree::from_leaves(tree.leaves().to_vec(), rows, row_bytes).unwrap();
			prop_assert_eq!(&given, &tree);
			let shape = tree.shape();
			for row in 0..shape.block_rows() {
				for col in 0..shape.blocks_per_row() {
					let index = shape.leaf_index(row, col).unwrap();
					let path = tree.path(index).unwrap();
					let block = block_bytes_of(&bytes, rows, row_bytes, row, col).unwrap();
					prop_assert_eq!(leaf(&block), tree.leaves()[index as usize]);
					prop_assert_eq!(root_from_path(&block, index, &path, rows, row_bytes), Ok(tree.root()));
					let other = (index + 1) % shape.leaf_count();
					if other != index {
						prop_assert_ne!(root_from_path(&block, other, &path, rows, row_bytes), Ok(tree.root()));
					}
				}
			}
			prop_assert!(shape.leaf_index(shape.block_rows(), 0).is_err());
			prop_assert!(shape.leaf_index(0, shape.blocks_per_row()).is_err());
			prop_assert!(tree.path(shape.leaf_count()).is_err());
		}

		#[test]
		fn random_openings_should_not_panic(
			index in any::<u32>(), rows in any::<u32>(), row_bytes in any::<u32>(),
			path in proptest::collection::vec(any::<Hash32>(), 0..40),
		) {
			let _ = root_from_path(&[1; BLOCK_BYTES], index, &path, rows, row_bytes);
			let path = vec![[1; 32]; Shape::new(rows % 4096 + 1, row_bytes % 4096 + 1).unwrap().depth() as usize + 1];
			let found = root_from_path(&[1; BLOCK_BYTES], 0, &path, rows % 4096 + 1, row_bytes % 4096 + 1);
			let wrong_length = matches!(found, Err(Error::PathLength { .. }));
			prop_assert!(wrong_length);
		}
	}
}
