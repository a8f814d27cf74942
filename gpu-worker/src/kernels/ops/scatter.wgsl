// SPDX-License-Identifier: Apache-2.0

// Adds rows to the rows of a zeroed output, one word in a thread. Sums of words do not depend on their order.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the input, from one index to the next, of a row of the output.
	stride: u32,
	index_stride: u32,
	out_stride: u32,
	// Rows of the output: an index outside of it (excluded by validation) counts for the last row.
	out_rows: u32,
	// How workgroups cover the input: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<atomic<i32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.cols) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let target_row = min(index[row * P.index_stride], P.out_rows - 1u);
		atomicAdd(&y[target_row * P.out_stride + at.y], x[row * P.stride + at.y]);
	}
}
