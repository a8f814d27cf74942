// SPDX-License-Identifier: Apache-2.0

// BLAKE2s of messages of 512 bytes: the row chunks of a matrix (`by_leaf` = 1, ordered by leaf and row), or messages
// that lie one after the other (`by_leaf` = 0).

struct Params {
	count: u32,
	by_leaf: u32,
	// Words from one matrix row to the next, and chunks in a row.
	stride: u32,
	chunks: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> data: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> hashes: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = thread_number(group, groups, local);
	if (number >= P.count) {
		return;
	}
	var at = number * 32u;
	if (P.by_leaf == 1u) {
		let leaf = number / 16u;
		let row = (leaf / P.chunks) * 16u + number % 16u;
		at = row * (P.stride / 4u) + (leaf % P.chunks) * 32u;
	}
	var h = blake2s_begin(0u);
	for (var i = 0u; i < 8u; i++) {
		let b = at + i * 4u;
		h = blake2s_block(h, data[b], data[b + 1u], data[b + 2u], data[b + 3u], (i + 1u) * 64u, i == 7u);
	}
	hashes[number * 2u] = h.lo;
	hashes[number * 2u + 1u] = h.hi;
}
