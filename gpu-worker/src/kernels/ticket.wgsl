// SPDX-License-Identifier: Apache-2.0

// From transcripts to winning tickets: the walk through the epoch's dataset (if there are accesses), the keyed hash, the
// comparison with the limit. Winners are appended to `hits`: word 0 counts them, then three words each.

struct Params {
	key_lo: vec4<u32>,
	key_hi: vec4<u32>,
	// Little-endian words of mac_target * work.
	limit_lo: vec4<u32>,
	limit_hi: vec4<u32>,
	count: u32,
	tile_cols: u32,
	windows: u32,
	first_tile_row: u32,
	accesses: u32,
	items: u32,
	capacity: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> transcripts: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> dataset: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> hits: array<atomic<u32>>;

fn word_of(at: u32, m0: vec4<u32>, m1: vec4<u32>, m2: vec4<u32>, m3: vec4<u32>) -> u32 {
	let low = select(m0, m1, (at & 4u) != 0u);
	let high = select(m2, m3, (at & 4u) != 0u);
	let m = select(low, high, (at & 8u) != 0u);
	return m[at & 3u];
}

// Whether a <= b, most significant word last.
fn at_most(a_lo: vec4<u32>, a_hi: vec4<u32>, b_lo: vec4<u32>, b_hi: vec4<u32>) -> bool {
	for (var i = 4u; i > 0u; i--) {
		if (a_hi[i - 1u] != b_hi[i - 1u]) {
			return a_hi[i - 1u] < b_hi[i - 1u];
		}
	}
	for (var i = 4u; i > 0u; i--) {
		if (a_lo[i - 1u] != b_lo[i - 1u]) {
			return a_lo[i - 1u] < b_lo[i - 1u];
		}
	}
	return true;
}

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
	var m0 = transcripts[number * 4u];
	var m1 = transcripts[number * 4u + 1u];
	var m2 = transcripts[number * 4u + 2u];
	var m3 = transcripts[number * 4u + 3u];
	let prime = vec4<u32>(0x01000193u);
	for (var i = 0u; i < P.accesses; i++) {
		let x = (i ^ word_of(i & 15u, m0, m1, m2, m3)) * 0x01000193u;
		let item = ((x ^ word_of((i + 1u) & 15u, m0, m1, m2, m3)) % P.items) * 4u;
		m0 = (m0 * prime) ^ dataset[item];
		m1 = (m1 * prime) ^ dataset[item + 1u];
		m2 = (m2 * prime) ^ dataset[item + 2u];
		m3 = (m3 * prime) ^ dataset[item + 3u];
	}
	let zero = vec4<u32>(0u);
	var h = blake2s_block(blake2s_begin(32u), P.key_lo, P.key_hi, zero, zero, 64u, false);
	h = blake2s_block(h, m0, m1, m2, m3, 128u, true);
	if (at_most(h.lo, h.hi, P.limit_lo, P.limit_hi)) {
		let place = atomicAdd(&hits[0], 1u);
		if (place < P.capacity) {
			let tile = number / P.windows;
			atomicStore(&hits[1u + place * 3u], P.first_tile_row + tile / P.tile_cols);
			atomicStore(&hits[2u + place * 3u], tile % P.tile_cols);
			atomicStore(&hits[3u + place * 3u], number % P.windows);
		}
	}
}
