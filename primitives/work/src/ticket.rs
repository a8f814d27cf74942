// SPDX-License-Identifier: Apache-2.0

//! The ticket and what it must reach.

use crate::{
	dims::{Rank, STRIPES},
	error::Error,
	memory::{memory_mix, Items},
	noise,
	seeds::Seeds,
	transcript::transcript,
};
use alloc::vec::Vec;
use poaiw_commitment::{keyed_hash, Hash32};
use primitive_types::U256;

/// `H(s_A; 16 words)`.
pub fn ticket(words: &[u32; STRIPES], seed_a: &Hash32) -> Hash32 {
	keyed_hash(seed_a, &[words.map(u32::to_le_bytes).as_flattened()])
}

/// Multiply-accumulates that one ticket stands for, `16 · 16 · 16 r`.
pub fn work(rank: Rank) -> u64 {
	rank.work()
}

/// The number that a ticket must not exceed: `mac_target · work`, at most 2^256 − 1.
pub fn limit(mac_target: U256, rank: Rank) -> U256 {
	mac_target.saturating_mul(U256::from(rank.work()))
}

/// Whether a ticket wins: `LE256(ticket) ≤ mac_target · work`.
pub fn wins(ticket: &Hash32, mac_target: U256, rank: Rank) -> bool {
	U256::from_little_endian(ticket) <= limit(mac_target, rank)
}

/// Position of one ticket inside a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
	/// Row of tiles: which 16 rows of A.
	pub tile_row: u32,
	/// Column of tiles: which 16 rows of the transposed B.
	pub tile_col: u32,
	/// Window of 16 r columns.
	pub window: u32,
}

/// Everything that one tile and window give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileTicket {
	/// The folded accumulators after each stripe.
	pub transcript: [u32; STRIPES],
	/// The words after the memory walk; equal to the transcript without one.
	pub final_words: [u32; STRIPES],
	/// The ticket.
	pub ticket: Hash32,
}

/// Adds noise to the two window blocks and computes their ticket; `memory` gives the dataset and the number of reads.
///
/// # Errors
/// [`Error::Length`] if a block is not 16 × 16 r.
pub fn tile_ticket(
	block_a: &[i8],
	block_b: &[i8],
	seeds: &Seeds,
	position: Position,
	rank: Rank,
	memory: Option<(&impl Items, u32)>,
) -> Result<TileTicket, Error> {
	let noisy = |block: &[i8], seed: &Hash32, tile: u32| -> Result<Vec<i8>, Error> {
		let mut block = block.to_vec();
		noise::add_to_block(seed, tile.wrapping_mul(16), position.window, rank, &mut block)?;
		Ok(block)
	};
	let a = noisy(block_a, &seeds.a, position.tile_row)?;
	let b = noisy(block_b, &seeds.b, position.tile_col)?;
	let transcript = transcript(&a, &b, rank)?;
	let final_words = match memory {
		Some((items, accesses)) => memory_mix(&transcript, items, accesses),
		None => transcript,
	};
	Ok(TileTicket {
		transcript,
		final_words,
		ticket: ticket(&final_words, &seeds.a),
	})
}
