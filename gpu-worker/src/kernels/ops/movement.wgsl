// SPDX-License-Identifier: Apache-2.0

// Operations that only move elements: words (one in a thread) or packed bytes (four in a thread). KIND is numbered
// in `movement.rs`, BYTES is 1 for packed bytes.

struct Params {
	// Sizes of the output, its words that hold elements, and words of a row of the output.
	rows: u32,
	cols: u32,
	words: u32,
	out_stride: u32,
	// Sizes and words of a row of the input.
	in_rows: u32,
	in_cols: u32,
	stride: u32,
	// How workgroups cover the output: threads side by side, and rows from one turn of a thread to the next.
	log_width: u32,
	row_step: u32,
	// Down and right; or rows and parts of a group; or the window.
	p0: u32,
	p1: u32,
	p2: u32,
	p3: u32,
	p4: u32,
	p5: u32,
	p6: u32,
}

var<immediate> P: Params;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

const NOWHERE = vec2<u32>(0xffffffffu);

// Row and column of the pixel under a window: p0 x p1 pixels, kernel p2, stride p3, padding p4, p5 x p6 windows.
fn under_window(row: u32, col: u32) -> vec2<u32> {
	let channel = col % P.in_cols;
	let in_window = col / P.in_cols;
	let across = row % P.p6;
	let down = (row / P.p6) % P.p5;
	let image = row / (P.p5 * P.p6);
	// A place before the image wraps around and is outside of it, too.
	let pixel_row = down * P.p3 + in_window / P.p2 - P.p4;
	let pixel_col = across * P.p3 + in_window % P.p2 - P.p4;
	if (pixel_row >= P.p0 || pixel_col >= P.p1) {
		return NOWHERE;
	}
	return vec2<u32>((image * P.p0 + pixel_row) * P.p1 + pixel_col, channel);
}

// Where an element comes from.
fn source(row: u32, col: u32) -> vec2<u32> {
	switch (KIND) {
		// Transposed groups: each output group has as many rows as the input has columns.
		case 0u: { return vec2<u32>((row / P.in_cols) * P.cols + col, row % P.in_cols); }
		case 1u: {
			return vec2<u32>((row + P.in_rows - P.p0) % P.in_rows, (col + P.in_cols - P.p1) % P.in_cols);
		}
		case 2u: {
			let number = row * P.cols + col;
			return vec2<u32>(number / P.in_cols, number % P.in_cols);
		}
		// Split columns.
		case 3u: {
			let part = (row / P.p0) % P.p1;
			return vec2<u32>(row / (P.p0 * P.p1) * P.p0 + row % P.p0, part * P.cols + col);
		}
		// Merged columns.
		case 4u: {
			let part = col / P.in_cols;
			return vec2<u32>((row / P.p0 * P.p1 + part) * P.p0 + row % P.p0, col % P.in_cols);
		}
		default: { return under_window(row, col); }
	}
}

// Word `word` of an output row.
fn word_of(row: u32, word: u32) -> u32 {
	if (BYTES == 0u) {
		let origin = source(row, word);
		if (origin.x >= P.in_rows) {
			return 0u;
		}
		return x[origin.x * P.stride + origin.y];
	}
	var values = vec4<i32>();
	for (var i = 0u; i < 4u; i++) {
		let col = word * 4u + i;
		if (col < P.cols) {
			let origin = source(row, col);
			if (origin.x < P.in_rows) {
				values[i] = byte_of(x[origin.x * P.stride + origin.y / 4u], origin.y & 3u);
			}
		}
	}
	return pack_bytes(values);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let at = place(group, local, P.log_width);
	if (at.y >= P.words) {
		return;
	}
	for (var row = at.x; row < P.rows; row += P.row_step) {
		y[row * P.out_stride + at.y] = word_of(row, at.y);
	}
}
