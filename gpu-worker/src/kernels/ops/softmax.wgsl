// SPDX-License-Identifier: Apache-2.0

// Cross-entropy of a row of logits (KIND 1) or its gradient (KIND 0), a workgroup for each row
// (`poaiw_program::softmax`).

struct Params {
	rows: u32,
	cols: u32,
	stride: u32,
	// Words from one label, and from one row of the output, to the next.
	label_stride: u32,
	out_stride: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> logits: array<i32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> exponent: array<i32>;
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
	let base = row * P.stride;
	let e = exponent[0];
	var largest = LOWEST;
	for (var j = local; j < P.cols; j += 64u) {
		largest = max(largest, logits[base + j]);
	}
	largest = row_max(local, largest);
	var part = 0u;
	for (var j = local; j < P.cols; j += 64u) {
		part += exp2n(tlog2(u32(largest) - u32(logits[base + j]), e));
	}
	let sum = u32(row_sum(local, i32(part)));
	if (number >= P.rows) {
		return;
	}
	let label = u32(labels[row * P.label_stride]);
	if (KIND == 1u) {
		if (local == 0u) {
			let at = min(label, P.cols - 1u);
			let of_label = tlog2(u32(largest) - u32(logits[base + at]), e);
			y[row * P.out_stride] = i32(((log2q(sum) + of_label) * 2839u) >> 12u);
		}
		return;
	}
	for (var j = local; j < P.cols; j += 64u) {
		let term = exp2n(tlog2(u32(largest) - u32(logits[base + j]), e));
		let probability = i32((term << 16u) / max(sum, 1u));
		y[row * P.out_stride + j] = probability - select(0, 65536, j == label);
	}
}
