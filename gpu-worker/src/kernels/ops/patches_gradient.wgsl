// SPDX-License-Identifier: Apache-2.0

// Sums for every pixel of images what the windows over them got from it, one word in a thread.

struct Params {
	rows: u32,
	cols: u32,
	stride: u32,
	out_stride: u32,
	height: u32,
	width: u32,
	kernel: u32,
	step: u32,
	padding: u32,
	// Windows of an image: rows and columns.
	windows_down: u32,
	windows_across: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> y: array<i32>;

// What a pixel gave away.
fn gathered(row: u32, col: u32) -> i32 {
	// In an image with its padding.
	let down = (row / P.width) % P.height + P.padding;
	let across = row % P.width + P.padding;
	let image = row / (P.width * P.height);
	var sum = 0;
	for (var i = 0u; i < P.kernel; i++) {
		let v = (down - i) / P.step;
		if (i > down || v * P.step + i != down || v >= P.windows_down) {
			continue;
		}
		for (var j = 0u; j < P.kernel; j++) {
			let u = (across - j) / P.step;
			if (j <= across && u * P.step + j == across && u < P.windows_across) {
				let origin = (image * P.windows_down + v) * P.windows_across + u;
				sum += x[origin * P.stride + (i * P.kernel + j) * P.cols + col];
			}
		}
	}
	return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.cols) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		y[row * P.out_stride + at.y] = gathered(row, at.y);
	}
}
