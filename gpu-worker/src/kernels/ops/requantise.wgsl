// SPDX-License-Identifier: Apache-2.0

// Words to int7 or int8 bytes by a shift of the tensor or of the row, four columns in a thread. KEYED is 1
// for rounding with random bits.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the input, words of a row of the output that hold elements, words of a row of the output.
	stride: u32,
	words: u32,
	out_stride: u32,
	// Words from one row's shift to the next: 0 for one shift of the whole tensor.
	shift_stride: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
	limit: i32,
	k0: u32,
	k1: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read> shifts: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn value(row: u32, col: u32, by: u32) -> i32 {
	let v = x[row * P.stride + col];
	if (KEYED == 0u) {
		return clamp(rsh(v, by), -P.limit, P.limit);
	}
	let added = (random(row * P.cols + col, P.k0, P.k1) >> 1u) & ((1u << by) - 1u);
	return clamp((v + i32(added)) >> by, -P.limit, P.limit);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.words) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		let by = u32(shifts[row * P.shift_stride]) & 31u;
		var values = vec4<i32>();
		for (var i = 0u; i < 4u; i++) {
			let col = at.y * 4u + i;
			if (col < P.cols) {
				values[i] = value(row, col, by);
			}
		}
		y[row * P.out_stride + at.y] = pack_bytes(values);
	}
}
