// SPDX-License-Identifier: Apache-2.0

// The scalar formulas that several kernels share (`poaiw_program::arith`, `poaiw_program::random`).

fn bit_length(x: i32) -> i32 {
	return 32 - i32(countLeadingZeros(u32(x)));
}

// Right shift by 0 to 31, rounding half up.
fn rsh(x: i32, by: u32) -> i32 {
	let s = by & 31u;
	if (s == 0u) {
		return x;
	}
	return (x >> s) + ((x >> (s - 1u)) & 1);
}

// Rounding right shift, or saturating left shift for a negative number.
fn sh(x: i32, by: i32) -> i32 {
	if (by >= 0) {
		return rsh(x, u32(min(by, 31)));
	}
	let n = u32(-max(by, -30));
	let limit = (1i << 30u) >> (n & 31u);
	return clamp(x, -limit, limit) << (n & 31u);
}

fn mix(start: u32) -> u32 {
	var x = start;
	x ^= x >> 16u;
	x *= 0x7feb352du;
	x ^= x >> 15u;
	x *= 0x846ca68bu;
	return x ^ (x >> 16u);
}

// Random bits of a position under the two words of an instruction's key.
fn random(position: u32, k0: u32, k1: u32) -> u32 {
	return mix(mix(position + k0) ^ k1);
}

// The largest number whose square is at most x.
fn isqrt(x: u32) -> u32 {
	var root = 0u;
	for (var bit = 32768u; bit > 0u; bit >>= 1u) {
		let next = root | bit;
		if (next * next <= x) {
			root = next;
		}
	}
	return root;
}
