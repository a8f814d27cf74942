// SPDX-License-Identifier: Apache-2.0

//! From transcripts to winning positions (`poaiw_work::ticket`).

use super::{with_hash, words_of};
use crate::device::{
	gpu::{grid, Recorder},
	DeviceError, Gpu,
};
use poaiw_commitment::Hash32;
use poaiw_work::{ticket::Position, Dims, Rank, U256};

/// Winners that one product may report; a target that lets more win is far too easy, and the rest is dropped.
pub const MAX_HITS: u32 = 64;
/// Words of a list of hits.
pub const HIT_WORDS: u64 = 1 + 3 * MAX_HITS as u64;

/// What a ticket must reach and the dataset it walks.
pub struct Rules<'a> {
	/// Key of the ticket hash.
	pub seed_a: Hash32,
	/// `mac_target · work`.
	pub limit: U256,
	/// The rank.
	pub rank: Rank,
	/// Dataset, its items, and the accesses of a walk.
	pub memory: Option<(&'a wgpu::Buffer, u32, u32)>,
}

/// Records the tickets of `tile_rows` rows of tiles from `first` on; winners are appended to `hits`.
///
/// # Errors
/// If the kernel can't be compiled.
pub fn record_tickets(
	gpu: &Gpu,
	recorder: &mut Recorder<'_>,
	rules: &Rules<'_>,
	dims: &Dims,
	transcripts: &wgpu::Buffer,
	(first, tile_rows): (u32, u32),
	hits: &wgpu::Buffer,
) -> Result<(), DeviceError> {
	let kernel = gpu.pipeline("ticket", 3, 2, || with_hash(include_str!("ticket.wgsl")))?;
	let windows = dims.windows(rules.rank);
	let count = tile_rows * dims.tile_cols() * windows;
	let (dataset, items, accesses) = rules.memory.unwrap_or((transcripts, 1, 0));
	let mut params = words_of(&rules.seed_a).to_vec();
	params.extend(words_of(&rules.limit.to_little_endian()));
	params.extend([count, dims.tile_cols(), windows, first, accesses, items, MAX_HITS]);
	recorder.dispatch(
		&kernel,
		&[transcripts, dataset, hits],
		&params,
		grid(count.into()),
	);
	Ok(())
}

/// The positions in a list of hits that was read back, and how many were dropped.
pub fn hits(words: &[u32]) -> (Vec<Position>, u32) {
	let count = words.first().copied().unwrap_or(0);
	let kept = count.min(MAX_HITS);
	let positions = words
		.get(1..)
		.unwrap_or(&[])
		.chunks_exact(3)
		.take(kept as usize)
		.map(|x| Position {
			tile_row: x[0],
			tile_col: x[1],
			window: x[2],
		})
		.collect();
	(positions, count - kept)
}
