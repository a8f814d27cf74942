// SPDX-License-Identifier: Apache-2.0

// Cross-entropy of a row of logits (`kind` 1) or its gradient (`kind` 0), a workgroup for each row
// (`poaiw_program::softmax`).

struct Params {
	kind: u32,
	rows: u32,
	cols: u32,
	stride: u32,
	// Words from one label, and from one row of the output, to the next.
	label_stride: u32,
	out_stride: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> logits: array<i32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> exponent: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;

var<workgroup> maxima: array<i32, 64>;
var<workgroup> sums: array<u32, 64>;

const LOG_MAX = 126976u;

fn tlog2(u: u32, e: i32) -> u32 {
	let n = max(32 - i32(countLeadingZeros(u)) - 21, 0);
	let p = (u >> (u32(n) & 31u)) * 1477u;
	let s = 0 - (e + n + 2);
	var t = 0u;
	if (s > 0) {
		t = p >> u32(min(s, 31));
	} else {
		let left = u32(-max(s, -17)) & 31u;
		t = min(p, (1u << 17u) >> left) << left;
	}
	return min(t, LOG_MAX);
}

fn exp2n(start: u32) -> u32 {
	let t = min(start, LOG_MAX);
	let whole = (t + 4095u) >> 12u;
	let f = (whole << 12u) - t;
	var r = 7411u + ((2556u * f) >> 12u);
	r = 22801u + ((r * f) >> 12u);
	r = 32768u + ((r * f) >> 12u);
	return select(r >> (whole & 31u), 0u, whole > 20u);
}

fn log2q(start: u32) -> u32 {
	let sum = max(start, 32768u);
	let b = 31u - countLeadingZeros(sum);
	var w = sum >> ((b - 15u) & 31u);
	var fraction = 0u;
	for (var i = 0u; i < 12u; i++) {
		w = (w * w) >> 15u;
		fraction *= 2u;
		if (w >= 65536u) {
			w >>= 1u;
			fraction += 1u;
		}
	}
	return ((b - 15u) << 12u) + fraction;
}

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
	let e = exponent[0];
	var largest = -2147483647i - 1i;
	for (var j = local; j < P.cols; j += 64u) {
		largest = max(largest, logits[base + j]);
	}
	maxima[local] = largest;
	workgroupBarrier();
	for (var i = 0u; i < 64u; i++) {
		largest = max(largest, maxima[i]);
	}
	var sum = 0u;
	for (var j = local; j < P.cols; j += 64u) {
		sum += exp2n(tlog2(u32(largest) - u32(logits[base + j]), e));
	}
	sums[local] = sum;
	workgroupBarrier();
	sum = 0u;
	for (var i = 0u; i < 64u; i++) {
		sum += sums[i];
	}
	if (number >= P.rows) {
		return;
	}
	let label = u32(labels[row * P.label_stride]);
	if (P.kind == 1u) {
		if (local == 0u) {
			let at = min(label, P.cols - 1u);
			let of_label = tlog2(u32(largest) - u32(logits[base + at]), e);
			y[row * P.out_stride] = i32(((log2q(sum) + of_label) * 2839u) >> 12u);
		}
		return;
	}
	for (var j = local; j < P.cols; j += 64u) {
		let term = exp2n(tlog2(u32(largest) - u32(logits[base + j]), e));
		let probability = i32((term << 16u) / max(sum, 1u));
		y[row * P.out_stride + j] = probability - select(0, 65536, j == label);
	}
}
