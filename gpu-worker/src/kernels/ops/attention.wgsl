// SPDX-License-Identifier: Apache-2.0

// Attention weights of a row of scores (`poaiw_program::softmax`), a workgroup for each row, four columns in a thread.

struct Params {
	rows: u32,
	cols: u32,
	// Words of a row of the scores, words of a row of the output that hold elements, words of a row of the output.
	stride: u32,
	words: u32,
	out_stride: u32,
	// Words from one row's number of visible columns, and from one row's exponent, to the next; the latter 0 for one
	// exponent of the whole tensor.
	visible_stride: u32,
	exponent_stride: u32,
	top: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> scores: array<i32>;
@group(0) @binding(1) var<storage, read> visible: array<u32>;
@group(0) @binding(2) var<storage, read> exponents: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

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
	let seen = min(visible[row * P.visible_stride], P.cols);
	let e = exponents[row * P.exponent_stride];
	var largest = LOWEST;
	for (var j = local; j < seen; j += 64u) {
		largest = max(largest, scores[base + j]);
	}
	largest = row_max(local, largest);
	if (number >= P.rows) {
		return;
	}
	for (var word = local; word < P.words; word += 64u) {
		var weights = vec4<i32>();
		for (var i = 0u; i < 4u; i++) {
			let j = word * 4u + i;
			if (j < seen) {
				let term = exp2n(tlog2(u32(largest) - u32(scores[base + j]), e));
				weights[i] = rsh(i32(term * P.top), 15u);
			}
		}
		y[row * P.out_stride + word] = pack_bytes(weights);
	}
}
