// SPDX-License-Identifier: Apache-2.0

// Transposes words (one in a thread) or packed bytes (four in a thread).

struct Params {
	bytes: u32,
	// Sizes of the output, its words that hold elements, and words of a row of input and output.
	rows: u32,
	cols: u32,
	words: u32,
	stride: u32,
	out_stride: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = thread_number(group, groups, local);
	let row = number / P.words;
	if (row >= P.rows) {
		return;
	}
	let word = number % P.words;
	if (P.bytes == 0u) {
		y[row * P.out_stride + word] = x[word * P.stride + row];
		return;
	}
	var values = vec4<i32>();
	for (var i = 0u; i < 4u; i++) {
		let col = word * 4u + i;
		if (col < P.cols) {
			values[i] = byte_of(x[col * P.stride + row / 4u], row & 3u);
		}
	}
	y[row * P.out_stride + word] = pack_bytes(values);
}
