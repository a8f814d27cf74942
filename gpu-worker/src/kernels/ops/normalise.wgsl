// SPDX-License-Identifier: Apache-2.0

// Rows divided by their root mean square (KIND 0), the mantissa (1) or the exponent (2) of its inverse, or rows less
// their mean (3); a workgroup for each row.

struct Params {
	rows: u32,
	cols: u32,
	stride: u32,
	out_stride: u32,
	// For the number of columns: n, g and C of the formula.
	bits: i32,
	double_bits: i32,
	root: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

// Mean of the row, rounded to the nearest: the sum of two 16-bit limbs, divided limb by limb.
fn mean(local: u32, base: u32) -> i32 {
	var high = 0;
	var low = 0;
	for (var j = local; j < P.cols; j += 64u) {
		let v = x[base + j];
		high += v >> 16u;
		low += v & 0xffff;
	}
	high = row_sum(local, high);
	low = row_sum(local, low);
	let c = i32(P.cols);
	let quotient = floor_div(high, c);
	let rest = ((high - quotient * c) << 16u) + low + c / 2;
	return (quotient << 16u) + rest / c;
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = group.y * groups.x + group.x;
	// Rows after the last one repeat it, so that all threads reach the barriers.
	let row = min(number, P.rows - 1u);
	let base = row * P.stride;
	let out = row * P.out_stride;
	if (KIND == 3u) {
		let centre = mean(local, base);
		if (number < P.rows) {
			for (var j = local; j < P.cols; j += 64u) {
				y[out + j] = x[base + j] - centre;
			}
		}
		return;
	}
	var largest = 0;
	for (var j = local; j < P.cols; j += 64u) {
		largest = max(largest, abs(x[base + j]));
	}
	let s = bit_length(row_max(local, largest)) - P.bits;
	var part = 0;
	for (var j = local; j < P.cols; j += 64u) {
		let q = sh(x[base + j], s);
		part += q * q;
	}
	let squares = u32(row_sum(local, part));
	if (number >= P.rows) {
		return;
	}
	let k = min(countLeadingZeros(squares) & 0xfffffffeu, 30u);
	let factor = (P.root << 17u) / max(isqrt(squares << k), 32768u);
	let half = i32(k / 2u);
	if (KIND == 0u) {
		let by = u32(clamp(17 - P.double_bits - half, 0, 31));
		for (var j = local; j < P.cols; j += 64u) {
			y[out + j] = rsh(sh(x[base + j], s) * i32(factor), by);
		}
	} else if (local == 0u) {
		y[out] = select(i32(factor), half - s - 11 + P.double_bits + 32, KIND == 2u);
	}
}
