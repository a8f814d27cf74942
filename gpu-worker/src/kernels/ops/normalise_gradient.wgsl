// SPDX-License-Identifier: Apache-2.0

// Gradient of rows divided by their root mean square, a workgroup for each row.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the gradient, of the normalised rows, of the output.
	stride: u32,
	row_stride: u32,
	out_stride: u32,
	// Words from one factor, and from one exponent, to the next.
	factor_stride: u32,
	exponent_stride: u32,
	bits: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> gradient: array<i32>;
@group(0) @binding(1) var<storage, read> normalised: array<i32>;
@group(0) @binding(2) var<storage, read> factors: array<i32>;
@group(0) @binding(3) var<storage, read> exponents: array<i32>;
@group(0) @binding(4) var<storage, read> largest: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<i32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = group.y * groups.x + group.x;
	// Rows after the last one repeat it, so that all threads reach the barriers.
	let row = min(number, P.rows - 1u);
	let at = row * P.stride;
	let row_at = row * P.row_stride;
	var part = 0;
	for (var j = local; j < P.cols; j += 64u) {
		part += gradient[at + j] * rsh(normalised[row_at + j], 3u);
	}
	let c = i32(P.cols);
	let sum = row_sum(local, part);
	let limit = 1i << ((P.bits + 8u) & 31u);
	let t = clamp(floor_div(sum + c / 2, c), -limit, limit);
	let factor = rsh(factors[row * P.factor_stride], 3u);
	let by = u32(clamp(largest[0] - exponents[row * P.exponent_stride], 0, 31));
	if (number >= P.rows) {
		return;
	}
	for (var j = local; j < P.cols; j += 64u) {
		let h = gradient[at + j] - rsh(t * rsh(normalised[row_at + j], 3u), 14u);
		y[row * P.out_stride + j] = rsh(h * factor, by);
	}
}
