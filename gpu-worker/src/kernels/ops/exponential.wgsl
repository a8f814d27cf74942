// SPDX-License-Identifier: Apache-2.0

// Exponential and logarithm to the base two (`poaiw_program::softmax`).

const LOG_MAX = 126976u;

fn tlog2(u: u32, e: i32) -> u32 {
	let n = max(32 - i32(countLeadingZeros(u)) - 21, 0);
	let p = (u >> (u32(n) & 31u)) * 1477u;
	let s = 0 - (e + n + 2);
	var t = 0u;
	if (s > 0) {
		t = p >> u32(min(s, 31));
	} else {
		let left = u32(-max(s, -17)) & 31u;
		t = min(p, (1u << 17u) >> left) << left;
	}
	return min(t, LOG_MAX);
}

fn exp2n(start: u32) -> u32 {
	let t = min(start, LOG_MAX);
	let whole = (t + 4095u) >> 12u;
	let f = (whole << 12u) - t;
	var r = 7411u + ((2556u * f) >> 12u);
	r = 22801u + ((r * f) >> 12u);
	r = 32768u + ((r * f) >> 12u);
	return select(r >> (whole & 31u), 0u, whole > 20u);
}

fn log2q(start: u32) -> u32 {
	let sum = max(start, 32768u);
	let b = 31u - countLeadingZeros(sum);
	var w = sum >> ((b - 15u) & 31u);
	var fraction = 0u;
	for (var i = 0u; i < 12u; i++) {
		w = (w * w) >> 15u;
		fraction *= 2u;
		if (w >= 65536u) {
			w >>= 1u;
			fraction += 1u;
		}
	}
	return ((b - 15u) << 12u) + fraction;
}
