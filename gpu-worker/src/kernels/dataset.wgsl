// SPDX-License-Identifier: Apache-2.0

// Items of the epoch's dataset from its light cache, one in a thread.

struct Params {
	first: u32,
	end: u32,
	cache_items: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> cache: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> dataset: array<vec4<u32>>;

fn expand(m: array<vec4<u32>, 4>) -> array<vec4<u32>, 4> {
	let zero = vec4<u32>(0u);
	let first = blake2s_block(blake2s_begin(0u), m[0], m[1], m[2], m[3], 64u, true);
	let second = blake2s_block(blake2s_begin(0u), first.lo, first.hi, zero, zero, 32u, true);
	return array<vec4<u32>, 4>(first.lo, first.hi, second.lo, second.hi);
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let index = P.first + thread_number(group, groups, local);
	if (index >= P.end) {
		return;
	}
	let start = (index % P.cache_items) * 4u;
	var mix = array<vec4<u32>, 4>(cache[start], cache[start + 1u], cache[start + 2u], cache[start + 3u]);
	mix[0].x ^= index;
	mix = expand(mix);
	let prime = vec4<u32>(0x01000193u);
	for (var p = 0u; p < 32u; p++) {
		let word = mix[(p & 15u) / 4u][p & 3u];
		let parent = ((((index ^ p) * 0x01000193u) ^ word) % P.cache_items) * 4u;
		for (var i = 0u; i < 4u; i++) {
			mix[i] = (mix[i] * prime) ^ cache[parent + i];
		}
	}
	mix = expand(mix);
	for (var i = 0u; i < 4u; i++) {
		dataset[index * 4u + i] = mix[i];
	}
}
