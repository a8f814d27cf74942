// SPDX-License-Identifier: Apache-2.0

// Optimisers: one word from the words at the same place, scalars and parameters. KIND is numbered in
// `optimiser.rs`; formulas are those of `poaiw_program::arith`.

struct Params {
	// Sizes of the output.
	rows: u32,
	cols: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
	// Words of a row.
	stride: u32,
	limit: i32,
	// Weight decay, or the shift of gradient descent.
	decay: i32,
	// 1 if tiny squares count as more (or as none).
	raised: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x0: array<i32>;
@group(0) @binding(1) var<storage, read> x1: array<i32>;
@group(0) @binding(2) var<storage, read> x2: array<i32>;
@group(0) @binding(3) var<storage, read> x3: array<i32>;
@group(0) @binding(4) var<storage, read> x4: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<i32>;

const MANTISSA = 16777216i;

fn bias_correction(p1: i32, p2: i32) -> i32 {
	let one = 1i << 30u;
	return clamp(((one - p2) >> 1u) / max((one - p1) >> 15u, 1), -65535, 65535);
}

fn adam_correction(p1: i32, p2: i32) -> i32 {
	let one = 1i << 30u;
	return min(i32(isqrt(u32(one - p2)) << 14u) / max((one - p1) >> 15u, 1), 65535);
}

// The weight after a step in a direction of unit 2^-12.
fn stepped(w: i32, direction: i32, rate: i32, correction: i32) -> i32 {
	let u = clamp(rsh(clamp(direction, -16384, 16384) * correction, 14u), -16384, 16384);
	let shrink = rsh(rsh(w, 14u) * rate, 8u) * P.decay;
	return clamp(w - rsh(u * rate, 12u) - rsh(shrink, 10u), -P.limit, P.limit);
}

fn l1_adam(w: i32, m_in: i32, v_in: i32, rate: i32, correction: i32) -> i32 {
	let m = select(m_in, 0, m_in > -8 && m_in < 8);
	let v = max(v_in, 64);
	let n = u32(max(bit_length(v) - 15, 0)) & 31u;
	let direction = (clamp(m >> n, -262144, 262144) << 12u) / max(v >> n, 1);
	return stepped(w, direction, rate, correction);
}

fn sgd(w: i32, m: i32, rate: i32) -> i32 {
	let q = clamp(rsh(m, 14u), -32767, 32767);
	return clamp(w - rsh(q * rate, u32(P.decay)), -P.limit, P.limit);
}

// The moving average of squares, packed: 7 bits of exponent, 25 bits of mantissa.
fn adam_square(packed: i32, gradient: i32) -> i32 {
	var mantissa = min(packed & 0x1ffffff, MANTISSA);
	var exponent = packed >> 25u;
	let g = abs(gradient);
	var n = bit_length(g) - 15;
	let a = select(g << (u32(-n) & 31u), g >> (u32(n) & 31u), n >= 0);
	let b = (a * a) >> 7u;
	let exponent_b = select(2 * n, -64, g == 0);
	var old = mantissa << 6u;
	old -= old >> 7u;
	let exponent_a = select(exponent - 6, -64, mantissa == 0);
	let x = max(exponent_a, exponent_b);
	let sum = (old >> u32(min(x - exponent_a, 31))) + (b >> u32(min(x - exponent_b, 31)));
	n = bit_length(sum) - 24;
	mantissa = select(sum << (u32(-n) & 31u), rsh(sum, u32(n)), n >= 0);
	exponent = select(clamp(x + n, -64, 63), 0, sum == 0);
	if (P.raised != 0u && exponent < -40) {
		return 0;
	}
	return i32(u32(exponent) << 25u) | mantissa;
}

fn adam(w: i32, m_in: i32, packed: i32, rate: i32, correction: i32) -> i32 {
	var mantissa = min(packed & 0x1ffffff, MANTISSA);
	var exponent = packed >> 25u;
	var m = m_in;
	if (P.raised != 0u) {
		if (mantissa == 0 || exponent < -11) {
			mantissa = 8388608;
			exponent = -11;
		}
		m = select(m, 0, m > -8 && m < 8);
	}
	let odd = exponent & 1;
	let root = i32(max(isqrt(u32(mantissa) << u32(6 + odd)), 1u));
	let e = (exponent - 6 - odd) >> 1u;
	let z = u32(clamp(-e, 0, 18));
	let most = 262144 >> z;
	var q = clamp(m, -most, most) << z;
	if (e >= 0) {
		q = clamp(m >> u32(min(e, 31)), -262144, 262144);
	}
	let direction = select((q << 12u) / root, 0, mantissa == 0);
	return stepped(w, direction, rate, correction);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.cols) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let i = row * P.stride + at.y;
		var out = 0;
		switch (KIND) {
			case 0u: { out = bias_correction(x0[0], x1[0]); }
			case 1u: { out = adam_correction(x0[0], x1[0]); }
			case 2u: { out = l1_adam(x0[i], x1[i], x2[i], x3[0], x4[0]); }
			case 3u: { out = sgd(x0[i], x1[i], x2[0]); }
			case 4u: { out = adam_square(x0[i], x1[i]); }
			default: { out = adam(x0[i], x1[i], x2[i], x3[0], x4[0]); }
		}
		y[i] = out;
	}
}
