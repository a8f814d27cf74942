// SPDX-License-Identifier: Apache-2.0

// operand + noise, sixteen columns in a thread: neighbours share a column of the dense factor.
// Columns from `noisy` (in vectors of 16 columns) on are copied.

struct Params {
	// Rows with padding, and vectors of a row.
	rows: u32,
	stride: u32,
	noisy: u32,
	rank: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> operand: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> left: array<u32>;
@group(0) @binding(2) var<storage, read> columns: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> noisy: array<vec4<u32>>;

fn left_value(base: u32, column: u32) -> i32 {
	return byte_of(left[base + column / 4u], column & 3u);
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = thread_number(group, groups, local);
	let row = number / P.stride;
	if (row >= P.rows) {
		return;
	}
	let place = number % P.stride;
	var values = operand[number];
	if (place < P.noisy) {
		let base = row * (P.rank / 4u);
		var first = left_value(base, columns[place * 4u].x & 255u);
		for (var w = 0u; w < 4u; w++) {
			let c = columns[place * 4u + w];
			var noise = vec4<i32>();
			for (var i = 0u; i < 4u; i++) {
				let second = left_value(base, (c[i] >> 8u) & 255u);
				noise[i] = first + select(second, -second, (c[i] >> 16u) == 1u);
				// The second column of this place is the first one of the next; a stripe has whole vectors, so at its end
				// nothing is carried over.
				first = second;
			}
			values[w] = pack_bytes(bytes_of(values[w]) + noise);
		}
	}
	noisy[number] = values;
}
