// SPDX-License-Identifier: Apache-2.0

// Elements of a matrix of words or packed bytes by their row-major numbers, one in a thread. BYTES is 1 for
// bytes.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the index, and of the output.
	index_stride: u32,
	out_stride: u32,
	// Source: sizes, words of a row. A number outside of it (excluded by validation) reads its last row.
	in_rows: u32,
	in_cols: u32,
	stride: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.cols) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let number = index[row * P.index_stride + at.y];
		let base = min(number / P.in_cols, P.in_rows - 1u) * P.stride;
		let col = number % P.in_cols;
		var value = 0u;
		if (BYTES == 0u) {
			value = x[base + col];
		} else {
			value = u32(byte_of(x[base + col / 4u], col & 3u));
		}
		y[row * P.out_stride + at.y] = value;
	}
}
