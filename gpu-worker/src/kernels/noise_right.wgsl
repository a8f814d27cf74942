// SPDX-License-Identifier: Apache-2.0

// The sparse noise factor, one thread for each stripe of r columns: a keyed shuffle and signs whose product is -1.
// `columns[s * r + l]` holds pi(l), pi(l + 1 mod r) and, in bit 16, whether the second is subtracted; `factor` is the
// factor itself, r rows of packed bytes -1, 0, 1, zero before.

struct Params {
	key_lo: vec4<u32>,
	key_hi: vec4<u32>,
	stripes: u32,
	rank: u32,
	// Words of a row of the factor.
	stride: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read_write> columns: array<u32>;
@group(0) @binding(1) var<storage, read_write> factor: array<u32>;

fn stream_hash(stripe: u32, counter: u32) -> Hash {
	let zero = vec4<u32>(0u);
	let keyed = blake2s_block(blake2s_begin(32u), P.key_lo, P.key_hi, zero, zero, 64u, false);
	let first = vec4<u32>(0x52u | (stripe << 8u), (stripe >> 24u) | (counter << 8u), counter >> 24u, 0u);
	return blake2s_block(keyed, first, zero, zero, zero, 73u, true);
}

fn word_of(h: Hash, at: u32) -> u32 {
	if (at < 4u) {
		return h.lo[at & 3u];
	}
	return h.hi[at & 3u];
}

// Writes a byte that was zero. No other thread writes this word: a stripe has whole words.
fn put(row: u32, column: u32, value: u32) {
	let at = row * P.stride + column / 4u;
	factor[at] |= value << ((8u * (column & 3u)) & 31u);
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let stripe = thread_number(group, groups, local);
	if (stripe >= P.stripes) {
		return;
	}
	let r = P.rank;
	let base = stripe * r;
	for (var i = 0u; i < r; i++) {
		columns[base + i] = i;
	}
	// Sixteen 16-bit numbers in a hash; the shuffle runs from the last place to the first.
	for (var q = r / 16u; q > 0u; q--) {
		let h = stream_hash(stripe, q - 1u);
		for (var s = 16u; s > 0u; s--) {
			let i = (q - 1u) * 16u + s - 1u;
			if (i > 0u) {
				let half = s - 1u;
				let number = (word_of(h, half / 2u) >> ((16u * (half & 1u)) & 31u)) & 0xffffu;
				let j = number % (i + 1u);
				let x = columns[base + i];
				columns[base + i] = columns[base + j];
				columns[base + j] = x;
			}
		}
	}
	// The signs follow at byte 2 r, which begins a hash.
	let h = stream_hash(stripe, r / 16u);
	var negative = 0u;
	for (var w = 0u; w < r / 32u; w++) {
		negative += countOneBits(word_of(h, w));
	}
	let first = columns[base];
	for (var l = 0u; l < r; l++) {
		let here = columns[base + l];
		var next = first;
		if (l + 1u < r) {
			next = columns[base + l + 1u];
		}
		var minus = (word_of(h, l / 32u) >> (l & 31u)) & 1u;
		if (l + 1u == r && (negative & 1u) == 0u) {
			minus = 1u - minus;
		}
		columns[base + l] = here | (next << 8u) | (minus << 16u);
		put(here, base + l, 1u);
		put(next, base + l, select(1u, 255u, minus == 1u));
	}
}
