// SPDX-License-Identifier: Apache-2.0

// C = A * B^T of packed bytes and the transcripts of its tiles: a workgroup of 8 x 8 threads makes 64 x 64 elements,
// 8 x 8 in a thread, from 32 columns at a time in workgroup memory. The same bits as the direct kernel.

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
@group(0) @binding(3) var<storage, read_write> transcripts: array<u32>;

// [word of the step][row], one more row against bank conflicts.
var<workgroup> part_a: array<u32, 520>;
var<workgroup> part_b: array<u32, 520>;
// 16 words for each of the 4 x 4 tiles.
var<workgroup> words: array<atomic<u32>, 256>;

fn dots(x: u32, y: vec4<u32>) -> vec4<i32> {
	return vec4<i32>(dot4(x, y.x), dot4(x, y.y), dot4(x, y.z), dot4(x, y.w));
}

fn fold_row(x: vec4<i32>, row: u32) -> u32 {
	let word = u32(x.x ^ x.y ^ x.z ^ x.w);
	let by = (2u * row) & 31u;
	return (word << by) | (word >> ((32u - by) & 31u));
}

fn add_row(base: u32, row: u32, col: u32, s: vec4<i32>, u: vec4<i32>, first: bool) {
	if (row >= P.m || row >= P.end_row) {
		return;
	}
	for (var j = 0u; j < 8u; j++) {
		if (col + j < P.n) {
			var value = s[j & 3u];
			if (j >= 4u) {
				value = u[j & 3u];
			}
			let at = (base + row) * P.c_stride + col + j;
			if (!first) {
				value += c[at];
			}
			c[at] = value;
		}
	}
}

// Loads 32 columns (two vectors) of one row of each operand, zeros for rows after the last one.
fn load(local: u32, row_a: u32, row_b: u32, product: u32, at: u32) {
	for (var v = 0u; v < 2u; v++) {
		var x = vec4<u32>();
		var y = vec4<u32>();
		if (row_a < P.rows_a) {
			x = a[(product * P.rows_a + row_a) * P.stride + at + v];
		}
		if (row_b < P.rows_b) {
			y = b[(product * P.rows_b + row_b) * P.stride + at + v];
		}
		for (var i = 0u; i < 4u; i++) {
			part_a[(v * 4u + i) * 65u + local] = x[i];
			part_b[(v * 4u + i) * 65u + local] = y[i];
		}
	}
}

// Stores the transcripts of window w and clears the words for the next one.
fn store_words(local: u32, first_a: u32, first_b: u32, w: u32) {
	for (var i = 0u; i < 4u; i++) {
		let at = local * 4u + i;
		let tile_row = (first_a - P.first_row) / 16u + at / 64u;
		let tile_col = first_b / 16u + (at / 16u) % 4u;
		if (P.first_row + tile_row * 16u < min(P.rows_a, P.end_row) && tile_col * 16u < P.rows_b) {
			let tile = tile_row * (P.rows_b / 16u) + tile_col;
			transcripts[(tile * P.windows + w) * 16u + at % 16u] = atomicLoad(&words[at]);
		}
		atomicStore(&words[at], 0u);
	}
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let tx = local % 8u;
	let ty = local / 8u;
	let product = P.first_product + group.y / P.blocks;
	let base = product * P.rows_a;
	let first_a = P.first_row + (group.y % P.blocks) * 64u;
	let first_b = group.x * 64u;
	let row = first_a + ty * 8u;
	let col = first_b + tx * 8u;
	let in_tile = row & 15u;
	let my_tile = (ty / 2u) * 4u + tx / 2u;
	var s0 = vec4<i32>();
	var u0 = vec4<i32>();
	var s1 = vec4<i32>();
	var u1 = vec4<i32>();
	var s2 = vec4<i32>();
	var u2 = vec4<i32>();
	var s3 = vec4<i32>();
	var u3 = vec4<i32>();
	var s4 = vec4<i32>();
	var u4 = vec4<i32>();
	var s5 = vec4<i32>();
	var u5 = vec4<i32>();
	var s6 = vec4<i32>();
	var u6 = vec4<i32>();
	var s7 = vec4<i32>();
	var u7 = vec4<i32>();
	for (var i = 0u; i < 4u; i++) {
		atomicStore(&words[local * 4u + i], 0u);
	}
	workgroupBarrier();
	// What is left after the last window runs as one more, shorter window without transcript.
	let tail = (P.end - P.windows * P.stripe * 16u) / 2u;
	var q = 0u;
	for (var w = 0u; w <= P.windows; w++) {
		let steps = select(P.stripe * 8u, tail, w == P.windows);
		s0 = vec4<i32>();
		u0 = vec4<i32>();
		s1 = vec4<i32>();
		u1 = vec4<i32>();
		s2 = vec4<i32>();
		u2 = vec4<i32>();
		s3 = vec4<i32>();
		u3 = vec4<i32>();
		s4 = vec4<i32>();
		u4 = vec4<i32>();
		s5 = vec4<i32>();
		u5 = vec4<i32>();
		s6 = vec4<i32>();
		u6 = vec4<i32>();
		s7 = vec4<i32>();
		u7 = vec4<i32>();
		var in_stripe = 0u;
		var t = 0u;
		for (var step = 0u; step < steps; step++) {
			load(local, first_a + local, first_b + local, product, q);
			workgroupBarrier();
			for (var k = 0u; k < 8u; k++) {
				let ra = k * 65u + ty * 8u;
				let rb = k * 65u + tx * 8u;
				let y0 = vec4<u32>(part_b[rb], part_b[rb + 1u], part_b[rb + 2u], part_b[rb + 3u]);
				let y1 = vec4<u32>(part_b[rb + 4u], part_b[rb + 5u], part_b[rb + 6u], part_b[rb + 7u]);
				s0 += dots(part_a[ra + 0u], y0);
				u0 += dots(part_a[ra + 0u], y1);
				s1 += dots(part_a[ra + 1u], y0);
				u1 += dots(part_a[ra + 1u], y1);
				s2 += dots(part_a[ra + 2u], y0);
				u2 += dots(part_a[ra + 2u], y1);
				s3 += dots(part_a[ra + 3u], y0);
				u3 += dots(part_a[ra + 3u], y1);
				s4 += dots(part_a[ra + 4u], y0);
				u4 += dots(part_a[ra + 4u], y1);
				s5 += dots(part_a[ra + 5u], y0);
				u5 += dots(part_a[ra + 5u], y1);
				s6 += dots(part_a[ra + 6u], y0);
				u6 += dots(part_a[ra + 6u], y1);
				s7 += dots(part_a[ra + 7u], y0);
				u7 += dots(part_a[ra + 7u], y1);
			}
			workgroupBarrier();
			q += 2u;
			in_stripe++;
			if (w < P.windows && in_stripe == P.stripe / 2u) {
				let folded = fold_row(s0 ^ u0, in_tile)
					^ fold_row(s1 ^ u1, in_tile + 1u)
					^ fold_row(s2 ^ u2, in_tile + 2u)
					^ fold_row(s3 ^ u3, in_tile + 3u)
					^ fold_row(s4 ^ u4, in_tile + 4u)
					^ fold_row(s5 ^ u5, in_tile + 5u)
					^ fold_row(s6 ^ u6, in_tile + 6u)
					^ fold_row(s7 ^ u7, in_tile + 7u);
				atomicXor(&words[my_tile * 16u + t], folded);
				in_stripe = 0u;
				t++;
			}
		}
		workgroupBarrier();
		if (w < P.windows) {
			store_words(local, first_a, first_b, w);
		}
		let first = w == 0u;
		add_row(base, row + 0u, col, s0, u0, first);
		add_row(base, row + 1u, col, s1, u1, first);
		add_row(base, row + 2u, col, s2, u2, first);
		add_row(base, row + 3u, col, s3, u3, first);
		add_row(base, row + 4u, col, s4, u4, first);
		add_row(base, row + 5u, col, s5, u5, first);
		add_row(base, row + 6u, col, s6, u6, first);
		add_row(base, row + 7u, col, s7, u7, first);
		workgroupBarrier();
	}
}
