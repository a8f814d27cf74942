// SPDX-License-Identifier: Apache-2.0

// Operations that make one word from the words at the same place, scalars and parameters. The kinds are numbered in
// `ops/mod.rs`; formulas are those of `poaiw_program::arith` and `poaiw_program::random`.

struct Params {
	kind: u32,
	// Elements, and columns of the output.
	count: u32,
	cols: u32,
	// Words of a row of a word matrix, and of a byte matrix with as many columns.
	stride: u32,
	byte_stride: u32,
	p0: i32,
	p1: i32,
	k0: u32,
	k1: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x0: array<i32>;
@group(0) @binding(1) var<storage, read> x1: array<i32>;
@group(0) @binding(2) var<storage, read> x2: array<i32>;
@group(0) @binding(3) var<storage, read> x3: array<i32>;
@group(0) @binding(4) var<storage, read> x4: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<i32>;

fn bias_correction(p1: i32, p2: i32) -> i32 {
	let one = 1i << 30u;
	return clamp(((one - p2) >> 1u) / max((one - p1) >> 15u, 1), -65535, 65535);
}

fn l1_adam(w: i32, m_in: i32, v_in: i32, rate: i32, correction: i32, limit: i32, decay: i32) -> i32 {
	let m = select(m_in, 0, m_in > -8 && m_in < 8);
	let v = max(v_in, 64);
	let n = u32(max(bit_length(v) - 15, 0));
	let direction = clamp(m >> (n & 31u), -262144, 262144) << 12u;
	var u = clamp(direction / max(v >> (n & 31u), 1), -16384, 16384);
	u = clamp(rsh(u * correction, 14u), -16384, 16384);
	let shrink = rsh(rsh(w, 14u) * rate, 8u) * decay;
	return clamp(w - rsh(u * rate, 12u) - rsh(shrink, 10u), -limit, limit);
}

fn sgd(w: i32, m: i32, rate: i32, shift: u32, limit: i32) -> i32 {
	let q = clamp(rsh(m, 14u), -32767, 32767);
	return clamp(w - rsh(q * rate, shift), -limit, limit);
}

// Place of `start` in the keyed permutation of 0..n.
fn permute(start: u32, n: u32) -> u32 {
	var x = start;
	for (var round = 0u; round < 32u; round++) {
		let pivot = random(2u * round, P.k0, P.k1) % n;
		var partner = pivot + n - x;
		if (partner >= n) {
			partner -= n;
		}
		if ((mix(max(x, partner) + random(2u * round + 1u, P.k0, P.k1)) >> 31u) == 1u) {
			x = partner;
		}
	}
	return x;
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
	let row = number / P.cols;
	let col = number % P.cols;
	let i = row * P.stride + col;
	let shift = u32(P.p0) & 31u;
	var out = 0;
	switch (P.kind) {
		case 0u: { out = P.p0; }
		case 1u: { out = rsh((i32(random(number, P.k0, P.k1) >> 16u) - 32768) * P.p0, u32(P.p1)); }
		case 2u: { out = i32(permute(u32(P.p1) + number, u32(P.p0))); }
		case 3u: { out = x0[i] + x1[i]; }
		case 4u: { out = x0[i] - x1[i]; }
		case 5u: { out = abs(x0[i]); }
		case 6u: { out = min(max(x0[i], P.p0), P.p1); }
		case 7u: { out = x0[i] + rsh(x1[i] - x0[i], shift); }
		case 8u: { out = x0[i] - (x0[i] >> shift); }
		case 9u: { out = max(bit_length(x0[i]) - min(P.p0, 32), 0); }
		case 10u: { out = clamp(sh(x0[i], P.p0 - x1[0]), -P.p1, P.p1); }
		case 11u: { out = max(x0[i], 0); }
		case 12u: { out = select(0, x0[i], x1[i] > 0); }
		case 13u: { out = select(0, x0[i], byte_of(u32(x1[row * P.byte_stride + col / 4u]), col & 3u) > 0); }
		case 14u: { out = bias_correction(x0[0], x1[0]); }
		case 15u: { out = l1_adam(x0[i], x1[i], x2[i], x3[0], x4[0], P.p0, P.p1); }
		case 16u: { out = sgd(x0[i], x1[i], x2[0], u32(P.p0), P.p1); }
		case 17u: { out = select(0, 1, x0[i] == x1[i]); }
		default: {}
	}
	y[i] = out;
}
