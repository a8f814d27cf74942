// SPDX-License-Identifier: Apache-2.0

// Reductions: a workgroup for each output, 64 threads that take every 64th element, and one that joins their results.
// `shape`: 0 a block of 16 x 128, 1 the first column, 2 a row. `kind`: 0 largest magnitude, 1 sum, 2 maximum,
// 3 smallest column of the maximum.

struct Params {
	kind: u32,
	shape: u32,
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

var<workgroup> values: array<i32, 64>;
var<workgroup> places: array<u32, 64>;

const LOWEST = -2147483647i - 1i;

fn join(number: u32, value: i32, place: u32, other: i32, other_place: u32) -> vec2<i32> {
	switch (P.kind) {
		case 0u: { return vec2<i32>(max(value, abs(other)), 0); }
		case 1u: { return vec2<i32>(value + other, 0); }
		case 2u: { return vec2<i32>(max(value, other), 0); }
		default: {
			if (other > value || (other == value && other_place < place)) {
				return vec2<i32>(other, i32(other_place));
			}
			return vec2<i32>(value, i32(place));
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
	let first = select(0, LOWEST, P.kind >= 2u);
	var best = vec2<i32>(first, 0x7fffffff);
	var elements = 2048u;
	if (P.shape == 1u) {
		elements = P.rows;
	}
	if (P.shape == 2u) {
		elements = P.cols;
	}
	for (var e = local; e < elements; e += 64u) {
		var row = (number / P.block_cols) * 16u + e / 128u;
		var col = (number % P.block_cols) * 128u + e % 128u;
		if (P.shape == 1u) {
			row = e;
			col = 0u;
		}
		if (P.shape == 2u) {
			row = number;
			col = e;
		}
		if (row < P.rows && col < P.cols) {
			best = join(number, best.x, u32(best.y), x[row * P.stride + col], col);
		}
	}
	values[local] = best.x;
	places[local] = u32(best.y);
	workgroupBarrier();
	if (local == 0u && number < P.outputs) {
		for (var i = 1u; i < 64u; i++) {
			best = join(number, best.x, u32(best.y), values[i], places[i]);
		}
		y[number * P.out_stride] = select(best.x, best.y, P.kind == 3u);
	}
}
