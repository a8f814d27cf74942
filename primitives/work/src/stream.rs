// SPDX-License-Identifier: Apache-2.0

//! Pseudo-random bytes: 32 at a time, `H(seed; label ‖ le32(index, counter))`.

use poaiw_commitment::{keyed_hash_many, Hash32, ZERO_HASH};

const BATCH: usize = 8;
const HASH: usize = 32;

/// Fills `out` from the stream of (`label`, `index`), starting at byte `32 · first_counter` of the stream.
pub(crate) fn fill(seed: &Hash32, label: u8, index: u32, first_counter: u32, out: &mut [u8]) {
	let mut counter = first_counter;
	for part in out.chunks_mut(BATCH * HASH) {
		let mut inputs = [[0u8; 9]; BATCH];
		let mut hashes = [ZERO_HASH; BATCH];
		let count = part.len().div_ceil(HASH);
		for input in &mut inputs[..count] {
			*input = message(label, index, counter);
			counter = counter.wrapping_add(1);
		}
		keyed_hash_many(
			seed,
			inputs[..count].iter().map(|x| x.as_slice()),
			&mut hashes[..count],
		);
		part.copy_from_slice(&hashes.as_flattened()[..part.len()]);
	}
}

fn message(label: u8, index: u32, counter: u32) -> [u8; 9] {
	let mut message = [label; 9];
	message[1..5].copy_from_slice(&index.to_le_bytes());
	message[5..].copy_from_slice(&counter.to_le_bytes());
	message
}

#[cfg(test)]
mod tests {
	use super::*;
	use poaiw_commitment::keyed_hash;

	#[test]
	fn a_stream_should_be_the_keyed_hashes_in_a_row_from_any_start() {
		let seed = [9; 32];
		let expected: Vec<u8> = (0..40u32)
			.flat_map(|counter| keyed_hash(&seed, &[b"S", &7u32.to_le_bytes(), &counter.to_le_bytes()]))
			.collect();
		for (start, len) in [(0usize, 1usize), (0, 32), (0, 1000), (3, 288), (17, 65)] {
			let mut got = vec![0; len];
			fill(&seed, b'S', 7, start as u32, &mut got);
			assert_eq!(got, expected[start * 32..start * 32 + len]);
		}
	}
}
