// SPDX-License-Identifier: Apache-2.0

// Parts for kernels that give a row to a workgroup of 64 threads. All threads of the workgroup must call these;
// between two calls, what is read after the last barrier is written again only after another one.

var<workgroup> parts: array<i32, 64>;
var<workgroup> joined: array<i32, 8>;

const LOWEST = -2147483647i - 1i;

// Sum of one value of every thread; the order does not matter, words wrap.
fn row_sum(local: u32, value: i32) -> i32 {
	parts[local] = value;
	workgroupBarrier();
	var sum = 0;
	if (local < 8u) {
		for (var i = local; i < 64u; i += 8u) {
			sum += parts[i];
		}
		joined[local] = sum;
	}
	workgroupBarrier();
	sum = 0;
	for (var i = 0u; i < 8u; i++) {
		sum += joined[i];
	}
	return sum;
}

// Largest value of all threads.
fn row_max(local: u32, value: i32) -> i32 {
	parts[local] = value;
	workgroupBarrier();
	var largest = LOWEST;
	if (local < 8u) {
		for (var i = local; i < 64u; i += 8u) {
			largest = max(largest, parts[i]);
		}
		joined[local] = largest;
	}
	workgroupBarrier();
	for (var i = 0u; i < 8u; i++) {
		largest = max(largest, joined[i]);
	}
	return largest;
}

// x / c, rounded down, for c > 0.
fn floor_div(x: i32, c: i32) -> i32 {
	let q = x / c;
	return select(q, q - 1, q * c > x);
}
