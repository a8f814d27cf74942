// SPDX-License-Identifier: Apache-2.0

// Reductions: a workgroup for each output, 64 threads that take every 64th element, and eight, then one that
// join their results.
// SHAPE: 0 a block of 16 x 128, 1 the first column, 2 a row. KIND: 0 largest magnitude, 1 sum, 2 maximum, 3 smallest
// column of the maximum, 4 sum of squares. BYTES is 1 if the input holds bytes.

struct Params {
	outputs: u32,
	rows: u32,
	cols: u32,
	stride: u32,
	out_stride: u32,
	// Blocks next to each other.
	block_cols: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

var<workgroup> results: array<vec2<i32>, 64>;
var<workgroup> joined: array<vec2<i32>, 8>;

const LOWEST = -2147483647i - 1i;

// What an element counts for.
fn term(row: u32, col: u32) -> i32 {
	var value = 0;
	if (BYTES == 0u) {
		value = x[row * P.stride + col];
	} else {
		value = byte_of(u32(x[row * P.stride + col / 4u]), col & 3u);
	}
	switch (KIND) {
		case 0u: { return abs(value); }
		case 4u: { return value * value; }
		default: { return value; }
	}
}

// Joins two results, each with its place.
fn join(one: vec2<i32>, other: vec2<i32>) -> vec2<i32> {
	switch (KIND) {
		case 1u, 4u: { return vec2<i32>(one.x + other.x, 0); }
		default: {
			let later = other.x > one.x || (other.x == one.x && other.y < one.y);
			return select(one, other, later);
		}
	}
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let number = group.y * groups.x + group.x;
	let first = select(0, LOWEST, KIND == 2u || KIND == 3u);
	var best = vec2<i32>(first, 0x7fffffff);
	var elements = 2048u;
	if (SHAPE == 1u) {
		elements = P.rows;
	}
	if (SHAPE == 2u) {
		elements = P.cols;
	}
	for (var e = local; e < elements; e += 64u) {
		var row = (number / P.block_cols) * 16u + e / 128u;
		var col = (number % P.block_cols) * 128u + e % 128u;
		if (SHAPE == 1u) {
			row = e;
			col = 0u;
		}
		if (SHAPE == 2u) {
			row = number;
			col = e;
		}
		if (row < P.rows && col < P.cols) {
			best = join(best, vec2<i32>(term(row, col), i32(col)));
		}
	}
	results[local] = best;
	workgroupBarrier();
	if (local < 8u) {
		for (var i = local + 8u; i < 64u; i += 8u) {
			best = join(best, results[i]);
		}
		joined[local] = best;
	}
	workgroupBarrier();
	if (local == 0u && number < P.outputs) {
		for (var i = 1u; i < 8u; i++) {
			best = join(best, joined[i]);
		}
		y[number * P.out_stride] = select(best.x, best.y, KIND == 3u);
	}
}
