// SPDX-License-Identifier: Apache-2.0

//! From a winning ticket to its seal.

use crate::{
	dims::{Dims, Rank, TILE},
	error::Error,
	operand::Operand,
	profile::WorkProfile,
	seal::{Opening, Seal, SEAL_VERSION},
	seeds::{job_key, Seeds},
	source::WorkSource,
	ticket::Position,
};
use alloc::vec::Vec;
use poaiw_commitment::{Hash32, TensorTree, ZERO_HASH};

/// One product of a task with the commitments to its operands.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
	a: Operand<'a>,
	b: Operand<'a>,
	tree_a: &'a TensorTree,
	tree_b: &'a TensorTree,
	dims: Dims,
}

impl<'a> Product<'a> {
	/// A product of A (m × k) and the transposed B (n × k).
	///
	/// # Errors
	/// If the two have different numbers of columns, or a tree commits to other sizes.
	pub fn new(
		a: Operand<'a>,
		b: Operand<'a>,
		tree_a: &'a TensorTree,
		tree_b: &'a TensorTree,
	) -> Result<Self, Error> {
		if a.cols() != b.cols() {
			return Err(Error::Length {
				what: "row of B",
				expected: a.cols().into(),
				got: b.cols().into(),
			});
		}
		for (operand, tree) in [(&a, tree_a), (&b, tree_b)] {
			let (operand, tree) = (
				(operand.rows(), operand.cols()),
				(tree.shape().rows(), tree.shape().row_bytes()),
			);
			if operand != tree {
				return Err(Error::Tree { operand, tree });
			}
		}
		Ok(Self {
			a,
			b,
			tree_a,
			tree_b,
			dims: Dims::new(a.rows(), b.rows(), a.cols())?,
		})
	}

	/// The sizes.
	pub fn dims(&self) -> &Dims {
		&self.dims
	}

	/// The left operand.
	pub fn a(&self) -> &Operand<'a> {
		&self.a
	}

	/// The right operand, transposed.
	pub fn b(&self) -> &Operand<'a> {
		&self.b
	}

	/// Noise seeds of this product under a header.
	///
	/// # Errors
	/// [`Error::Profile`] if the profile is not valid.
	pub fn seeds(
		&self,
		pre_hash: &Hash32,
		source: &WorkSource,
		profile: &WorkProfile,
	) -> Result<Seeds, Error> {
		let rank = profile.validate()?;
		let key = job_key(pre_hash, &source.hash(), rank, profile.accesses, &self.dims);
		Ok(Seeds::new(&key, &self.tree_a.root(), &self.tree_b.root()))
	}

	/// The seal of one ticket. It says where the ticket is, not that it wins: [`crate::accept`] decides.
	///
	/// # Errors
	/// [`Error::OutOfRange`] if the product has no such ticket.
	pub fn seal(&self, source: WorkSource, position: Position, rank: Rank) -> Result<Seal, Error> {
		check_position(&self.dims, position, rank)?;
		let a = opening(&self.a, self.tree_a, position.tile_row, position.window, rank)?;
		let b = opening(&self.b, self.tree_b, position.tile_col, position.window, rank)?;
		let roots = (self.tree_a.root(), self.tree_b.root());
		Ok(seal(source, &self.dims, position, roots, Some((a, b))))
	}
}

/// The seal of one ticket of a synthetic product.
///
/// # Errors
/// [`Error::OutOfRange`] if the product has no such ticket.
pub fn synthetic_seal(dims: &Dims, position: Position, rank: Rank) -> Result<Seal, Error> {
	check_position(dims, position, rank)?;
	Ok(seal(
		WorkSource::Synthetic,
		dims,
		position,
		(ZERO_HASH, ZERO_HASH),
		None,
	))
}

fn seal(
	source: WorkSource,
	dims: &Dims,
	position: Position,
	(root_a, root_b): (Hash32, Hash32),
	openings: Option<(Opening, Opening)>,
) -> Seal {
	Seal {
		version: SEAL_VERSION,
		source,
		m: dims.m(),
		n: dims.n(),
		k: dims.k(),
		tile_row: position.tile_row,
		tile_col: position.tile_col,
		window: position.window,
		root_a,
		root_b,
		openings,
	}
}

fn check_position(dims: &Dims, position: Position, rank: Rank) -> Result<(), Error> {
	let coordinates = [
		("tile row", position.tile_row, dims.tile_rows()),
		("tile column", position.tile_col, dims.tile_cols()),
		("window", position.window, dims.windows(rank)),
	];
	for (what, value, count) in coordinates {
		if value >= count {
			return Err(Error::OutOfRange { what, value, count });
		}
	}
	Ok(())
}

fn opening(
	operand: &Operand<'_>,
	tree: &TensorTree,
	tile: u32,
	window: u32,
	rank: Rank,
) -> Result<Opening, Error> {
	let leaves = rank.leaves() as u32;
	let block = operand.window_block(tile, window, rank);
	let paths = (0..leaves)
		.map(|leaf| Ok(tree.path(tree.shape().leaf_index(tile, window * leaves + leaf)?)?))
		.collect::<Result<Vec<_>, Error>>()?;
	debug_assert_eq!(block.len(), TILE * rank.window());
	Ok(Opening {
		block: bytemuck::cast_slice(&block).to_vec(),
		paths,
	})
}
