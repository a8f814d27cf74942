// SPDX-License-Identifier: Apache-2.0

// Operations that make one word from the words at the same place and parameters. KIND is numbered in `pointwise.rs`;
// BYTES is 1 if the second input holds bytes; formulas are those of `poaiw_program::arith` and `poaiw_program::random`.

struct Params {
	// Sizes of the output.
	rows: u32,
	cols: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
	// Words of a row of the output, and of the inputs that are as large.
	stride: u32,
	// Second input: words from one row to the next (0: one row for all), and elements from one column to the next (0: one
	// column for all).
	second_row: u32,
	second_col: u32,
	p0: i32,
	p1: i32,
	p2: i32,
	k0: u32,
	k1: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x0: array<i32>;
@group(0) @binding(1) var<storage, read> x1: array<i32>;
@group(0) @binding(2) var<storage, read> x2: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;

// Element of the second input.
fn second(row: u32, col: u32) -> i32 {
	let at = col * P.second_col;
	if (BYTES == 0u) {
		return x1[row * P.second_row + at];
	}
	return byte_of(u32(x1[row * P.second_row + at / 4u]), at & 3u);
}

fn gelu(x: i32) -> i32 {
	let a = min(abs(x), 8191);
	let q = (a * a) >> 10u;
	let z = a + ((((q * a) >> 10u) * 183) >> 12u);
	let t = u32(z * 2357) >> 8u;
	let s = (1i << 30u) / i32(32768u + exp2n(t));
	let w = rsh(a * s, 15u);
	return select(w - a, w + (x - a), x >= 0);
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

// Kinds that read nothing.
fn from_nothing(number: u32) -> i32 {
	switch (KIND) {
		case 0u: { return P.p0; }
		case 1u: { return rsh((i32(random(number, P.k0, P.k1) >> 16u) - 32768) * P.p0, u32(P.p1)); }
		case 2u: { return i32(permute(u32(P.p1) + number, u32(P.p0))); }
		default: { return i32((number / max(u32(P.p0), 1u)) % max(u32(P.p1), 1u)) + P.p2; }
	}
}

// Kinds of one input.
fn from_one(x: i32) -> i32 {
	let shift = u32(P.p0) & 31u;
	switch (KIND) {
		case 10u: { return abs(x); }
		case 11u: { return min(max(x, P.p0), P.p1); }
		case 12u: { return x - (x >> shift); }
		case 13u: { return max(bit_length(x) - min(P.p0, 32), 0); }
		case 14u: { return max(x, 0); }
		case 15u: { return rsh(x, shift); }
		case 16u: { return select(x >> shift, x, x > 0); }
		default: { return gelu(x); }
	}
}

// Kinds of two inputs, the second of which may be spread.
fn from_two(x: i32, b: i32) -> i32 {
	let shift = u32(P.p0) & 31u;
	switch (KIND) {
		case 20u: { return x + b; }
		case 21u: { return x - b; }
		case 22u: { return rsh(x * b, shift); }
		case 23u: { return min(x, b); }
		case 24u: { return max(x, b); }
		case 25u: { return x + rsh(b - x, shift); }
		case 26u: { return clamp(sh(x, P.p0 - b), -P.p1, P.p1); }
		case 27u: { return select(0, x, b > 0); }
		case 28u: { return select(x >> shift, x, b > 0); }
		case 29u: { return select(0, 1, x == b); }
		default: { return (x << shift) / max(b, 1); }
	}
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.cols) {
		return;
	}
	let col = at.y;
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let i = row * P.stride + col;
		var out = 0;
		if (KIND < 10u) {
			out = from_nothing(row * P.cols + col);
		} else if (KIND < 20u) {
			out = from_one(x0[i]);
		} else if (KIND < 40u) {
			out = from_two(x0[i], second(row, col));
		} else {
			out = select(x2[i], second(row, col), x0[i] > 0);
		}
		y[i] = out;
	}
}
