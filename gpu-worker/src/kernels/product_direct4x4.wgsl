// SPDX-License-Identifier: Apache-2.0

// C = A * B^T of packed bytes and the transcripts of its tiles, without workgroup memory: 4 x 4 elements in a thread.
// The accumulators begin anew in each window; their fold after a stripe goes to word t of the tile's transcript.

struct Params {
	// Rows of A and B with padding to 16.
	rows_a: u32,
	rows_b: u32,
	// Rows and columns of C that are written; no rows if only the tickets are wanted.
	m: u32,
	n: u32,
	// First row of this slice, and the row after its last.
	first_row: u32,
	end_row: u32,
	// Vectors of 16 bytes in an operand row and in a stripe.
	stride: u32,
	stripe: u32,
	windows: u32,
	// Words of a row of C.
	c_stride: u32,
	// Vectors after which an operand row holds only padding; at least all windows, a multiple of 2.
	end: u32,
	// Stacked products: rows of workgroups in one of them, and the first of this dispatch. They have no padding in
	// between: `rows_a` and `rows_b` are those of one product.
	blocks: u32,
	first_product: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> c: array<i32>;
@group(0) @binding(3) var<storage, read_write> transcripts: array<atomic<u32>>;

fn dot16(x: vec4<u32>, y: vec4<u32>) -> i32 {
	return dot4(x.x, y.x) + dot4(x.y, y.y) + dot4(x.z, y.z) + dot4(x.w, y.w);
}

fn fold_row(x: vec4<i32>, row: u32) -> u32 {
	let word = u32(x.x ^ x.y ^ x.z ^ x.w);
	let by = (2u * row) & 31u;
	return (word << by) | (word >> ((32u - by) & 31u));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
	let product = P.first_product + group.y / P.blocks;
	let row = P.first_row + ((group.y % P.blocks) * 8u + local.y) * 4u;
	let col = (group.x * 8u + local.x) * 4u;
	if (row >= P.end_row || row >= P.rows_a || col >= P.rows_b) {
		return;
	}
	// Rows after the last one repeat it.
	let next = vec4<u32>(0u, 1u, 2u, 3u);
	let from_a = (product * P.rows_a + min(row + next, vec4<u32>(P.rows_a - 1u))) * P.stride;
	let from_b = (product * P.rows_b + min(col + next, vec4<u32>(P.rows_b - 1u))) * P.stride;
	let tile = ((row - P.first_row) / 16u) * (P.rows_b / 16u) + col / 16u;
	let in_tile = row & 15u;
	var t0 = vec4<i32>();
	var t1 = vec4<i32>();
	var t2 = vec4<i32>();
	var t3 = vec4<i32>();
	var q = 0u;
	for (var w = 0u; w < P.windows; w++) {
		var s0 = vec4<i32>();
		var s1 = vec4<i32>();
		var s2 = vec4<i32>();
		var s3 = vec4<i32>();
		for (var t = 0u; t < 16u; t++) {
			let end = q + P.stripe;
			for (; q < end; q++) {
				let y0 = b[from_b.x + q];
				let y1 = b[from_b.y + q];
				let y2 = b[from_b.z + q];
				let y3 = b[from_b.w + q];
				let x0 = a[from_a.x + q];
				let x1 = a[from_a.y + q];
				let x2 = a[from_a.z + q];
				let x3 = a[from_a.w + q];
				s0 += vec4<i32>(dot16(x0, y0), dot16(x0, y1), dot16(x0, y2), dot16(x0, y3));
				s1 += vec4<i32>(dot16(x1, y0), dot16(x1, y1), dot16(x1, y2), dot16(x1, y3));
				s2 += vec4<i32>(dot16(x2, y0), dot16(x2, y1), dot16(x2, y2), dot16(x2, y3));
				s3 += vec4<i32>(dot16(x3, y0), dot16(x3, y1), dot16(x3, y2), dot16(x3, y3));
			}
			let folded = fold_row(s0, in_tile) ^ fold_row(s1, in_tile + 1u)
				^ fold_row(s2, in_tile + 2u) ^ fold_row(s3, in_tile + 3u);
			atomicXor(&transcripts[(tile * P.windows + w) * 16u + t], folded);
		}
		t0 += s0;
		t1 += s1;
		t2 += s2;
		t3 += s3;
	}
	for (; q < P.end; q++) {
		let y0 = b[from_b.x + q];
		let y1 = b[from_b.y + q];
		let y2 = b[from_b.z + q];
		let y3 = b[from_b.w + q];
		let x0 = a[from_a.x + q];
		let x1 = a[from_a.y + q];
		let x2 = a[from_a.z + q];
		let x3 = a[from_a.w + q];
		t0 += vec4<i32>(dot16(x0, y0), dot16(x0, y1), dot16(x0, y2), dot16(x0, y3));
		t1 += vec4<i32>(dot16(x1, y0), dot16(x1, y1), dot16(x1, y2), dot16(x1, y3));
		t2 += vec4<i32>(dot16(x2, y0), dot16(x2, y1), dot16(x2, y2), dot16(x2, y3));
		t3 += vec4<i32>(dot16(x3, y0), dot16(x3, y1), dot16(x3, y2), dot16(x3, y3));
	}
	for (var j = 0u; j < 4u; j++) {
		if (col + j < P.n) {
			let at = (product * P.rows_a + row) * P.c_stride + col + j;
			if (row < P.m) {
				c[at] = t0[j];
			}
			if (row + 1u < P.m) {
				c[at + P.c_stride] = t1[j];
			}
			if (row + 2u < P.m) {
				c[at + 2u * P.c_stride] = t2[j];
			}
			if (row + 3u < P.m) {
				c[at + 3u * P.c_stride] = t3[j];
			}
		}
	}
}
