// SPDX-License-Identifier: Apache-2.0

// Keyed byte streams: 32 bytes of `H(key; label | row | counter)` for every (row, counter), turned into values:
// kind 0: the dense noise factor, (byte & 63) - 32; kind 1: a synthetic operand, byte mod 127 - 63.

struct Params {
	key_lo: vec4<u32>,
	key_hi: vec4<u32>,
	label: u32,
	kind: u32,
	rows: u32,
	// Hashes in one row, and words from one row to the next.
	per_row: u32,
	stride: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read_write> values: array<u32>;

fn left_values(word: u32) -> u32 {
	// Per byte: b - 32 for b in 0..64 is b ^ 32 with bit 5 copied into bits 6 and 7.
	let x = (word & 0x3f3f3f3fu) ^ 0x20202020u;
	let high = x & 0x20202020u;
	return x | (high << 1u) | (high << 2u);
}

fn synthetic_values(word: u32) -> u32 {
	let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
	return pack_bytes(vec4<i32>(bytes % vec4<u32>(127u)) - vec4<i32>(63));
}

fn convert(word: u32) -> u32 {
	if (P.kind == 0u) {
		return left_values(word);
	}
	return synthetic_values(word);
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = thread_number(group, groups, local);
	let row = number / P.per_row;
	if (row >= P.rows) {
		return;
	}
	let counter = number % P.per_row;
	var h = blake2s_begin(32u);
	let zero = vec4<u32>(0u);
	h = blake2s_block(h, P.key_lo, P.key_hi, zero, zero, 64u, false);
	// The message is nine bytes: the label, then row and counter, so both are shifted by one byte.
	let first = vec4<u32>(P.label | (row << 8u), (row >> 24u) | (counter << 8u), counter >> 24u, 0u);
	h = blake2s_block(h, first, zero, zero, zero, 73u, true);
	let at = row * P.stride + counter * 8u;
	for (var i = 0u; i < 4u; i++) {
		values[at + i] = convert(h.lo[i]);
		values[at + 4u + i] = convert(h.hi[i]);
	}
}
