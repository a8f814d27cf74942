// SPDX-License-Identifier: Apache-2.0

// Number of a thread in a grid of workgroups of 64 that may be folded into two dimensions.
fn thread_number(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
	return (group.y * groups.x + group.x) * 64u + local;
}

// First row and column of a thread in a plane that workgroups of 64 cover, 2^log_width threads side by side.
fn place(group: vec3<u32>, local: u32, log_width: u32) -> vec2<u32> {
	let by = log_width & 31u;
	return vec2<u32>(group.y * (64u >> by) + (local >> by), (group.x << by) + (local & ((1u << by) - 1u)));
}

// Sign-extended byte `at` (0 to 3) of a word.
fn byte_of(word: u32, at: u32) -> i32 {
	return i32(word << ((24u - 8u * at) & 31u)) >> 24u;
}

// Four signed bytes of a word.
fn bytes_of(word: u32) -> vec4<i32> {
	return (vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u))) >> vec4<u32>(24u);
}

// Packs the low bytes of four words.
fn pack_bytes(x: vec4<i32>) -> u32 {
	let y = vec4<u32>(x) & vec4<u32>(255u);
	return y.x | (y.y << 8u) | (y.z << 16u) | (y.w << 24u);
}
