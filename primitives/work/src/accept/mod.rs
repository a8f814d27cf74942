// SPDX-License-Identifier: Apache-2.0

//! The accept predicate: the one rule by which miner, node, runtime and tests take or refuse a seal.
//!
//! Checks run from cheap to dear: fields, then the paths of the operand blocks, then the tile itself.

mod reject;

pub use reject::{Reject, Side};

use crate::{
	dims::{Dims, Rank},
	error::Error,
	memory::{LightCache, LightDataset},
	operand::first_out_of_range,
	profile::WorkProfile,
	retarget::TARGET_MAX,
	seal::{Opening, Seal, SEAL_VERSION},
	seeds::{job_key, Seeds},
	source::WorkSource,
	synthetic::{self, SyntheticSeeds},
	ticket::{limit, tile_ticket, wins},
};
use alloc::vec::Vec;
use poaiw_commitment::{Hash32, Shape, BLOCK_BYTES, CHUNK_BYTES, ZERO_HASH};
use primitive_types::U256;

/// What the memory-hard finish needs of the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
	/// The seed that the chain gives the epoch.
	pub seed: &'a Hash32,
	/// The light cache built from that seed.
	pub cache: &'a LightCache,
}

/// A seal that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
	/// The winning ticket.
	pub ticket: Hash32,
	/// Multiply-accumulates that the ticket stands for.
	pub work: u64,
	/// Where the operands come from.
	pub source: WorkSource,
	/// Commitment to A (zero for synthetic work).
	pub root_a: Hash32,
	/// Commitment to the transposed B (zero for synthetic work).
	pub root_b: Hash32,
}

/// A seal that passed every check that needs no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preliminary {
	/// The ticket; `None` if its value needs the epoch's cache.
	pub ticket: Option<Hash32>,
	/// Multiply-accumulates that the ticket stands for.
	pub work: u64,
}

/// Decides on a seal.
///
/// `pre_hash` is the hash of the header without seal, `author` the account that the header names, `epoch` is only
/// needed if the profile has memory accesses.
///
/// # Errors
/// The first check that fails, with the values.
pub fn accept(
	pre_hash: &Hash32,
	author: &Hash32,
	seal: &Seal,
	profile: &WorkProfile,
	epoch: Option<Epoch<'_>>,
	mac_target: U256,
) -> Result<Accepted, Reject> {
	check_target(mac_target)?;
	let claim = Claim::check(seal, profile)?;
	let dataset = claim.dataset(profile, epoch)?;
	let (block_a, block_b) = claim.blocks(pre_hash, author)?;
	let ticket = claim.ticket(pre_hash, profile, &block_a, &block_b, dataset)?;
	check_wins(&ticket, mac_target, claim.rank)?;
	Ok(Accepted {
		ticket,
		work: claim.rank.work(),
		source: seal.source,
		root_a: seal.root_a,
		root_b: seal.root_b,
	})
}

/// Decides what can be decided without state: everything but the value of the ticket, and that too (against the
/// easiest target) if the profile has no memory accesses.
///
/// # Errors
/// The first check that fails, with the values.
pub fn accept_preliminary(
	pre_hash: &Hash32,
	author: &Hash32,
	seal: &Seal,
	profile: &WorkProfile,
) -> Result<Preliminary, Reject> {
	let claim = Claim::check(seal, profile)?;
	let (block_a, block_b) = claim.blocks(pre_hash, author)?;
	let work = claim.rank.work();
	if profile.accesses > 0 {
		return Ok(Preliminary { ticket: None, work });
	}
	let ticket = claim.ticket(pre_hash, profile, &block_a, &block_b, None)?;
	check_wins(&ticket, TARGET_MAX, claim.rank)?;
	Ok(Preliminary {
		ticket: Some(ticket),
		work,
	})
}

fn check_target(mac_target: U256) -> Result<(), Reject> {
	if mac_target.is_zero() || mac_target > TARGET_MAX {
		return Err(Reject::Target(mac_target));
	}
	Ok(())
}

fn check_wins(ticket: &Hash32, mac_target: U256, rank: Rank) -> Result<(), Reject> {
	if wins(ticket, mac_target, rank) {
		return Ok(());
	}
	Err(Reject::NotWinning {
		ticket: U256::from_little_endian(ticket),
		limit: limit(mac_target, rank),
	})
}

/// A seal whose fields fit profile and sizes.
struct Claim<'a> {
	seal: &'a Seal,
	dims: Dims,
	rank: Rank,
}

impl<'a> Claim<'a> {
	/// The cheap checks: no hashing, nothing larger than the seal itself is touched.
	fn check(seal: &'a Seal, profile: &WorkProfile) -> Result<Self, Reject> {
		let rank = profile.validate().map_err(Reject::Profile)?;
		if seal.version != SEAL_VERSION {
			return Err(Reject::Version(seal.version));
		}
		let dims = seal.dims().map_err(|error| match error {
			Error::Size { name, value, max } => Reject::Size { name, value, max },
			_ => Reject::Size {
				name: "m",
				value: seal.m,
				max: crate::dims::MAX_ROWS,
			},
		})?;
		let windows = dims.windows(rank);
		if windows == 0 {
			return Err(Reject::NoWindow {
				k: seal.k,
				window: rank.window() as u32,
			});
		}
		let coordinates = [
			("tile_row", seal.tile_row, dims.tile_rows()),
			("tile_col", seal.tile_col, dims.tile_cols()),
			("window", seal.window, windows),
		];
		for (name, value, count) in coordinates {
			if value >= count {
				return Err(Reject::Position { name, value, count });
			}
		}
		let claim = Self { seal, dims, rank };
		claim.check_source(profile)?;
		Ok(claim)
	}

	fn check_source(&self, profile: &WorkProfile) -> Result<(), Reject> {
		let seal = self.seal;
		match (&seal.source, &seal.openings) {
			(WorkSource::Synthetic, Some(_)) => Err(Reject::OpeningsUnexpected),
			(WorkSource::Task { .. }, None) => Err(Reject::OpeningsMissing),
			(WorkSource::Synthetic, None) => {
				profile
					.synthetic_dims(seal.m, seal.n, seal.k)
					.map_err(Reject::SyntheticSize)?;
				for (side, root) in [(Side::A, &seal.root_a), (Side::B, &seal.root_b)] {
					if *root != ZERO_HASH {
						return Err(Reject::SyntheticRoot(side));
					}
				}
				Ok(())
			}
			(WorkSource::Task { .. }, Some((a, b))) => {
				self.check_opening(Side::A, a)?;
				self.check_opening(Side::B, b)
			}
		}
	}

	/// Rows of an operand and the tile of it that the ticket uses.
	fn rows(&self, side: Side) -> (u32, u32) {
		match side {
			Side::A => (self.dims.m(), self.seal.tile_row),
			Side::B => (self.dims.n(), self.seal.tile_col),
		}
	}

	fn shape(&self, side: Side) -> Result<Shape, Reject> {
		let (rows, _) = self.rows(side);
		// The bounds of a commitment are wider than the ones of a product.
		Shape::new(rows, self.dims.k()).map_err(|_| Reject::Size {
			name: "k",
			value: self.dims.k(),
			max: crate::dims::MAX_K,
		})
	}

	fn check_opening(&self, side: Side, opening: &Opening) -> Result<(), Reject> {
		let (expected, got) = (self.rank.block(), opening.block.len());
		if got != expected {
			return Err(Reject::BlockLength {
				side,
				expected: expected as u32,
				got: got as u64,
			});
		}
		let (expected, got) = (self.rank.leaves(), opening.paths.len());
		if got != expected {
			return Err(Reject::PathCount {
				side,
				expected: expected as u32,
				got: got as u64,
			});
		}
		let expected = self.shape(side)?.depth();
		for path in &opening.paths {
			if path.len() as u64 != u64::from(expected) {
				return Err(Reject::PathLength {
					side,
					expected,
					got: path.len() as u64,
				});
			}
		}
		let values: &[i8] = bytemuck::cast_slice(&opening.block);
		if let Some((index, value)) = first_out_of_range(values) {
			return Err(Reject::OperandRange {
				side,
				index: index as u32,
				value,
			});
		}
		self.check_padding(side, values)
	}

	fn check_padding(&self, side: Side, values: &[i8]) -> Result<(), Reject> {
		let width = self.rank.window();
		let (rows, tile) = self.rows(side);
		let used_rows = (rows as usize).saturating_sub(tile as usize * 16);
		let used_cols = (self.dims.k() as usize).saturating_sub(self.seal.window as usize * width);
		for (i, row) in values.chunks_exact(width).enumerate() {
			let used = if i < used_rows { used_cols.min(width) } else { 0 };
			if let Some(at) = row[used..].iter().position(|x| *x != 0) {
				return Err(Reject::Padding {
					side,
					index: (i * width + used + at) as u32,
				});
			}
		}
		Ok(())
	}

	/// The cache of the right epoch, if the profile reads memory at all.
	fn dataset<'e>(
		&self,
		profile: &WorkProfile,
		epoch: Option<Epoch<'e>>,
	) -> Result<Option<LightDataset<'e>>, Reject> {
		if profile.accesses == 0 {
			return Ok(None);
		}
		let Epoch { seed, cache } = epoch.ok_or(Reject::EpochMissing)?;
		let (expected_items, items) = (profile.cache_items(), cache.items().len() as u32);
		let same_seed = cache.seed() == seed;
		if expected_items != items || !same_seed {
			return Err(Reject::EpochMismatch {
				expected_items,
				items,
				same_seed,
			});
		}
		Ok(Some(LightDataset {
			cache,
			items: profile.dataset_items(),
		}))
	}

	/// The two window blocks: opened against the commitments, or generated.
	fn blocks(&self, pre_hash: &Hash32, author: &Hash32) -> Result<(Vec<i8>, Vec<i8>), Reject> {
		let seal = self.seal;
		match &seal.openings {
			Some((a, b)) => {
				self.check_paths(Side::A, a, &seal.root_a)?;
				self.check_paths(Side::B, b, &seal.root_b)?;
				let values = |opening: &Opening| bytemuck::cast_slice::<u8, i8>(&opening.block).to_vec();
				Ok((values(a), values(b)))
			}
			None => {
				let seeds = SyntheticSeeds::new(pre_hash, author);
				let block = |seed, tile| synthetic::window_block(seed, tile, seal.window, self.rank);
				Ok((block(&seeds.a, seal.tile_row), block(&seeds.b, seal.tile_col)))
			}
		}
	}

	fn check_paths(&self, side: Side, opening: &Opening, root: &Hash32) -> Result<(), Reject> {
		let (rows, tile) = self.rows(side);
		let shape = self.shape(side)?;
		let width = self.rank.window();
		let first = self.seal.window * self.rank.leaves() as u32;
		for (leaf, path) in (0u32..).zip(&opening.paths) {
			let mut block = [0u8; BLOCK_BYTES];
			let start = leaf as usize * CHUNK_BYTES;
			for (to, row) in block
				.chunks_exact_mut(CHUNK_BYTES)
				.zip(opening.block.chunks_exact(width))
			{
				to.copy_from_slice(&row[start..start + CHUNK_BYTES]);
			}
			let reject = Reject::Root { side, leaf };
			let found = shape
				.leaf_index(tile, first + leaf)
				.and_then(|index| poaiw_commitment::root_from_path(&block, index, path, rows, self.dims.k()))
				.map_err(|_| reject.clone())?;
			if found != *root {
				return Err(reject);
			}
		}
		Ok(())
	}

	fn ticket(
		&self,
		pre_hash: &Hash32,
		profile: &WorkProfile,
		block_a: &[i8],
		block_b: &[i8],
		dataset: Option<LightDataset<'_>>,
	) -> Result<Hash32, Reject> {
		let seal = self.seal;
		let key = job_key(
			pre_hash,
			&seal.source.hash(),
			self.rank,
			profile.accesses,
			&self.dims,
		);
		let seeds = Seeds::new(&key, &seal.root_a, &seal.root_b);
		let memory = dataset.as_ref().map(|dataset| (dataset, profile.accesses));
		tile_ticket(block_a, block_b, &seeds, seal.position(), self.rank, memory)
			.map(|tile| tile.ticket)
			.map_err(|_| Reject::BlockLength {
				side: Side::A,
				expected: self.rank.block() as u32,
				got: block_a.len() as u64,
			})
	}
}
