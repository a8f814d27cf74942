// SPDX-License-Identifier: Apache-2.0

// Gradient of attention weights, a workgroup for each row, four columns in a thread.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the weights, of the gradient, from one sum to the next, of the output.
	weight_stride: u32,
	stride: u32,
	sum_stride: u32,
	out_stride: u32,
	limit: i32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read> gradient: array<i32>;
@group(0) @binding(2) var<storage, read> sums: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = group.y * groups.x + group.x;
	// Rows after the last one repeat it, so that all threads reach the barriers.
	let row = min(number, P.rows - 1u);
	var part = 0;
	for (var j = local; j < P.cols; j += 64u) {
		let p = byte_of(weights[row * P.weight_stride + j / 4u], j & 3u);
		part += p * gradient[row * P.stride + j];
	}
	let sum = row_sum(local, part);
	let t = clamp(sum / max(sums[row * P.sum_stride], 1), -P.limit, P.limit);
	if (number >= P.rows) {
		return;
	}
	for (var j = local; j < P.cols; j += 64u) {
		let p = byte_of(weights[row * P.weight_stride + j / 4u], j & 3u);
		y[row * P.out_stride + j] = p * (gradient[row * P.stride + j] - t);
	}
}
