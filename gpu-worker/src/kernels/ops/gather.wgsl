// SPDX-License-Identifier: Apache-2.0

// Rows of a matrix by their numbers, one word in a thread.

struct Params {
	rows: u32,
	// Words of a row that hold elements, words of a row, words from one index to the next.
	words: u32,
	stride: u32,
	index_stride: u32,
	// Rows of the source: an index outside of it (excluded by validation) reads the last row.
	source_rows: u32,
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
	if (at.y >= P.words) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let source = min(index[row * P.index_stride], P.source_rows - 1u);
		y[row * P.stride + at.y] = x[source * P.stride + at.y];
	}
}
