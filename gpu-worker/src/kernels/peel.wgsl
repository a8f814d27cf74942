// SPDX-License-Identifier: Apache-2.0

// Takes the noise off a product: C -= U * LB^T + LA * V^T, with U = A' * RB^T and V = B * RA^T (both from `project`) and
// the dense factors LA, LB. 4 x 4 elements in a thread; words wrap, and the final sums are exact.

struct Params {
	m: u32,
	n: u32,
	c_stride: u32,
	// Vectors of four columns in the rank.
	quarter: u32,
	first_row: u32,
	end_row: u32,
	// Vectors from one row of U or V to the next.
	wide: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> u: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> v: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> left_a: array<u32>;
@group(0) @binding(3) var<storage, read> left_b: array<u32>;
@group(0) @binding(4) var<storage, read_write> c: array<i32>;

fn dot_words(x: vec4<i32>, y: vec4<i32>) -> i32 {
	let p = x * y;
	return p.x + p.y + p.z + p.w;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	let row = P.first_row + id.y * 4u;
	let col = id.x * 4u;
	if (row >= P.end_row || row >= P.m || col >= P.n) {
		return;
	}
	var sums = array<vec4<i32>, 4>();
	for (var q = 0u; q < P.quarter; q++) {
		var lb = array<vec4<i32>, 4>();
		var vb = array<vec4<i32>, 4>();
		for (var j = 0u; j < 4u; j++) {
			lb[j] = bytes_of(left_b[(col + j) * P.quarter + q]);
			vb[j] = v[(col + j) * P.wide + q];
		}
		for (var i = 0u; i < 4u; i++) {
			let ua = u[(row + i) * P.wide + q];
			let la = bytes_of(left_a[(row + i) * P.quarter + q]);
			sums[i] += vec4<i32>(
				dot_words(ua, lb[0]) + dot_words(la, vb[0]),
				dot_words(ua, lb[1]) + dot_words(la, vb[1]),
				dot_words(ua, lb[2]) + dot_words(la, vb[2]),
				dot_words(ua, lb[3]) + dot_words(la, vb[3]),
			);
		}
	}
	for (var i = 0u; i < 4u; i++) {
		for (var j = 0u; j < 4u; j++) {
			if (row + i < P.end_row && col + j < P.n) {
				c[(row + i) * P.c_stride + col + j] -= sums[i][j];
			}
		}
	}
}
