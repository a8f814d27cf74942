// SPDX-License-Identifier: Apache-2.0

//! Mining on the CPU: the node's built-in miner, and the reference that GPU miners are compared with.
//!
//! A product is searched tile row by tile row. B is packed once and shared; different ranges of tile rows can be
//! searched by different threads.

use crate::{
	builder::Product,
	dims::{Dims, Rank, STRIPES, TILE},
	error::Error,
	kernel::Kernel,
	memory::{memory_mix, Items},
	noise::Factors,
	profile::WorkProfile,
	seeds::{job_key, Seeds},
	source::WorkSource,
	synthetic::{self, SyntheticSeeds},
	ticket::{wins, Position},
	transcript::{Operand as Side, PackedBlock},
};
use poaiw_commitment::{keyed_hash_many, Hash32, ZERO_HASH};
use primitive_types::U256;
use std::{ops::ControlFlow, ops::Range, vec::Vec};

/// Tickets hashed together.
const BATCH: usize = 8;

/// What to search for.
#[derive(Clone, Copy)]
pub struct Search<'a> {
	/// Hash of the header without seal.
	pub pre_hash: &'a Hash32,
	/// Profile of the epoch.
	pub profile: &'a WorkProfile,
	/// The target in force.
	pub mac_target: U256,
	/// Dataset of the epoch; only needed if the profile has memory accesses.
	pub items: Option<&'a (dyn Items + Sync)>,
}

/// A winning ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Win {
	/// Where it is in the product.
	pub position: Position,
	/// Its value.
	pub ticket: Hash32,
}

/// What a search reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
	/// A winning ticket; the search goes on unless it is stopped.
	Win(Win),
	/// So many more tickets were looked at (reported after each window of a tile row).
	Tickets(u64),
}

/// A product made ready for a search on any number of threads.
pub struct Miner<'a> {
	search: Search<'a>,
	rank: Rank,
	dims: Dims,
	seeds: Seeds,
	factors_a: Factors,
	/// Noisy blocks of B, `[window][tile column]`.
	packed_b: Vec<PackedBlock>,
	a: SourceOfA<'a>,
}

enum SourceOfA<'a> {
	Given(Product<'a>),
	Generated(Hash32),
}

impl<'a> Miner<'a> {
	/// A product of a task.
	///
	/// # Errors
	/// If the profile is not valid or its dataset is missing or of another size.
	pub fn task(search: Search<'a>, source: &WorkSource, product: Product<'a>) -> Result<Self, Error> {
		let rank = search.check()?;
		let seeds = product.seeds(search.pre_hash, source, search.profile)?;
		let block = |tile, window| product.b().window_block(tile, window, rank);
		Self::prepare(
			search,
			rank,
			*product.dims(),
			seeds,
			block,
			SourceOfA::Given(product),
		)
	}

	/// The synthetic product of a header and author.
	///
	/// # Errors
	/// If the profile is not valid, its dataset is missing or of another size, or the sizes do not fit the profile.
	pub fn synthetic(search: Search<'a>, author: &Hash32, dims: &Dims) -> Result<Self, Error> {
		let rank = search.check()?;
		let dims = search.profile.synthetic_dims(dims.m(), dims.n(), dims.k())?;
		let source = WorkSource::Synthetic.hash();
		let key = job_key(search.pre_hash, &source, rank, search.profile.accesses, &dims);
		let seeds = Seeds::new(&key, &ZERO_HASH, &ZERO_HASH);
		let generated = SyntheticSeeds::new(search.pre_hash, author);
		let block = |tile, window| synthetic::window_block(&generated.b, tile, window, rank);
		Self::prepare(
			search,
			rank,
			dims,
			seeds,
			block,
			SourceOfA::Generated(generated.a),
		)
	}

	fn prepare(
		search: Search<'a>,
		rank: Rank,
		dims: Dims,
		seeds: Seeds,
		block_b: impl Fn(u32, u32) -> Vec<i8>,
		a: SourceOfA<'a>,
	) -> Result<Self, Error> {
		let (windows, kernel) = (dims.windows(rank), Kernel::best());
		let padded = |tiles: u32| tiles * TILE as u32;
		let factors_a = Factors::new(&seeds.a, padded(dims.tile_rows()), windows, rank);
		let factors_b = Factors::new(&seeds.b, padded(dims.tile_cols()), windows, rank);
		let mut packed_b = Vec::with_capacity(windows as usize * dims.tile_cols() as usize);
		for window in 0..windows {
			for tile in 0..dims.tile_cols() {
				let mut block = block_b(tile, window);
				factors_b.add_to_window(tile, window, &mut block)?;
				packed_b.push(PackedBlock::new(kernel, Side::Right, &block, rank)?);
			}
		}
		Ok(Self {
			search,
			rank,
			dims,
			seeds,
			factors_a,
			packed_b,
			a,
		})
	}

	/// The sizes of the product.
	pub fn dims(&self) -> &Dims {
		&self.dims
	}

	/// The noise rank.
	pub fn rank(&self) -> Rank {
		self.rank
	}

	/// Searches some rows of tiles (cut to what exists). `report` gets every win and every batch of tickets, and
	/// stops the search by [`ControlFlow::Break`]; the return value is `Break` then.
	///
	/// # Errors
	/// Only if a block can't be made from the checked inputs.
	pub fn mine(
		&self,
		tile_rows: Range<u32>,
		report: &mut dyn FnMut(Event) -> ControlFlow<()>,
	) -> Result<ControlFlow<()>, Error> {
		let cols = self.dims.tile_cols() as usize;
		for tile_row in tile_rows.start..tile_rows.end.min(self.dims.tile_rows()) {
			for (window, blocks) in (0u32..).zip(self.packed_b.chunks_exact(cols)) {
				let left = self.left_block(tile_row, window)?;
				for (number, batch) in (0u32..).zip(blocks.chunks(BATCH)) {
					let first = Position {
						tile_row,
						tile_col: number * BATCH as u32,
						window,
					};
					if self.batch(&left, batch, first, report)?.is_break() {
						return Ok(ControlFlow::Break(()));
					}
				}
				if report(Event::Tickets(cols as u64)).is_break() {
					return Ok(ControlFlow::Break(()));
				}
			}
		}
		Ok(ControlFlow::Continue(()))
	}

	fn left_block(&self, tile_row: u32, window: u32) -> Result<PackedBlock, Error> {
		let mut block = match &self.a {
			SourceOfA::Given(product) => product.a().window_block(tile_row, window, self.rank),
			SourceOfA::Generated(seed) => synthetic::window_block(seed, tile_row, window, self.rank),
		};
		self.factors_a.add_to_window(tile_row, window, &mut block)?;
		PackedBlock::new(Kernel::best(), Side::Left, &block, self.rank)
	}

	/// Up to eight tiles next to each other.
	fn batch(
		&self,
		left: &PackedBlock,
		blocks: &[PackedBlock],
		first: Position,
		report: &mut dyn FnMut(Event) -> ControlFlow<()>,
	) -> Result<ControlFlow<()>, Error> {
		let mut words = [[[0u8; 4]; STRIPES]; BATCH];
		for (words, block) in words.iter_mut().zip(blocks) {
			let mut transcript = left.transcript(block)?;
			if let Some(items) = self.search.items.filter(|_| self.search.profile.accesses > 0) {
				transcript = memory_mix(&transcript, items, self.search.profile.accesses);
			}
			*words = transcript.map(u32::to_le_bytes);
		}
		let mut tickets = [ZERO_HASH; BATCH];
		let inputs = words.iter().map(|words| words.as_flattened());
		keyed_hash_many(&self.seeds.a, inputs, &mut tickets[..blocks.len()]);
		for (tile_col, ticket) in (first.tile_col..).zip(&tickets[..blocks.len()]) {
			if wins(ticket, self.search.mac_target, self.rank) {
				let win = Win {
					position: Position { tile_col, ..first },
					ticket: *ticket,
				};
				if report(Event::Win(win)).is_break() {
					return Ok(ControlFlow::Break(()));
				}
			}
		}
		Ok(ControlFlow::Continue(()))
	}

	/// All winning tickets of the product, by tile row, then window, then tile column.
	///
	/// # Errors
	/// As [`Miner::mine`].
	pub fn all_wins(&self) -> Result<Vec<Win>, Error> {
		let mut wins = Vec::new();
		let _ = self.mine(0..self.dims.tile_rows(), &mut |event| {
			if let Event::Win(win) = event {
				wins.push(win);
			}
			ControlFlow::Continue(())
		})?;
		Ok(wins)
	}
}

impl Search<'_> {
	fn check(&self) -> Result<Rank, Error> {
		let rank = self.profile.validate()?;
		if self.profile.accesses > 0 {
			let expected = self.profile.dataset_items();
			let got = self.items.map_or(0, |items| items.count());
			if expected != got {
				return Err(Error::Dataset { expected, got });
			}
		}
		Ok(rank)
	}
}

/// All winning tickets of one product of a task.
///
/// # Errors
/// As [`Miner::task`].
pub fn mine_product(
	search: Search<'_>,
	source: &WorkSource,
	product: Product<'_>,
) -> Result<Vec<Win>, Error> {
	Miner::task(search, source, product)?.all_wins()
}

/// Sizes of the synthetic product number `attempt` for one header: there is no nonce, so a miner that has searched a
/// whole product goes on with one of other sizes. `None` when all sizes up to `largest` are used up.
pub fn attempt_dims(largest: &Dims, attempt: u32) -> Option<Dims> {
	let (rows, cols) = (largest.tile_rows(), largest.tile_cols());
	let (down, left) = (attempt / cols, attempt % cols);
	if down >= rows {
		return None;
	}
	Dims::new(
		(rows - down) * TILE as u32,
		(cols - left) * TILE as u32,
		largest.k(),
	)
	.ok()
}
