// SPDX-License-Identifier: Apache-2.0

//! Commitments: the leaves of a matrix are hashed on the device, the tree over them on the CPU.

use super::{with_hash, Matrix};
use crate::device::{
	gpu::{grid, Recorder},
	DeviceError, Gpu,
};
use poaiw_commitment::{Hash32, TensorTree, CHUNK_BYTES, TILE_ROWS};

/// Leaves of a matrix that are being computed.
pub struct Leaves {
	buffer: wgpu::Buffer,
	count: u32,
	rows: u32,
	row_bytes: u32,
}

/// Records the hashing of all leaves of a matrix.
///
/// # Errors
/// If the kernel can't be compiled or the hashes don't fit a buffer.
pub fn record_leaves(gpu: &Gpu, recorder: &mut Recorder<'_>, matrix: &Matrix) -> Result<Leaves, DeviceError> {
	let kernel = gpu.pipeline("hash_chunks", 2, 1, || {
		with_hash(include_str!("hash_chunks.wgsl"))
	})?;
	let chunks = matrix.row_bytes().div_ceil(CHUNK_BYTES as u32);
	let count = matrix.padded_rows() / TILE_ROWS as u32 * chunks;
	let messages = count * TILE_ROWS as u32;
	let rows = gpu.buffer("row hashes", u64::from(messages) * 8)?;
	let leaves = gpu.buffer("leaves", u64::from(count) * 8)?;
	let by_leaf = [messages, 1, matrix.stride(), chunks];
	recorder.dispatch(
		&kernel,
		&[matrix.buffer(), &rows],
		&by_leaf,
		grid(messages.into()),
	);
	recorder.dispatch(&kernel, &[&rows, &leaves], &[count, 0, 0, 1], grid(count.into()));
	Ok(Leaves {
		buffer: leaves,
		count,
		rows: matrix.rows(),
		row_bytes: matrix.row_bytes(),
	})
}

impl Leaves {
	/// What has to be read back.
	pub fn wanted(&self) -> (&wgpu::Buffer, u64) {
		(&self.buffer, u64::from(self.count) * 8)
	}

	/// The tree over the leaves that were read back.
	///
	/// # Errors
	/// If the sizes don't fit (a fault of this program).
	pub fn tree(&self, words: &[u32]) -> Result<TensorTree, DeviceError> {
		let bytes: &[u8] = bytemuck::cast_slice(words);
		let leaves: Vec<Hash32> = bytes.as_chunks::<32>().0.to_vec();
		TensorTree::from_leaves(leaves, self.rows, self.row_bytes)
			.map_err(|e| DeviceError::Sizes(e.to_string()))
	}
}

/// The trees of several matrices with one wait; also reads `extra` buffers.
///
/// # Errors
/// If the device fails.
pub fn trees(
	gpu: &Gpu,
	matrices: &[&Matrix],
	extra: &[(&wgpu::Buffer, u64)],
) -> Result<(Vec<TensorTree>, Vec<Vec<u32>>), DeviceError> {
	let mut recorder = gpu.record();
	let leaves = matrices
		.iter()
		.map(|matrix| record_leaves(gpu, &mut recorder, matrix))
		.collect::<Result<Vec<_>, _>>()?;
	recorder.submit();
	let wanted: Vec<_> = leaves
		.iter()
		.map(Leaves::wanted)
		.chain(extra.iter().copied())
		.collect();
	let mut read = gpu.read_many(&wanted)?;
	let rest = read.split_off(leaves.len());
	let trees = leaves
		.iter()
		.zip(&read)
		.map(|(leaves, words)| leaves.tree(words))
		.collect::<Result<_, _>>()?;
	Ok((trees, rest))
}
