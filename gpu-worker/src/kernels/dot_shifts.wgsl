// SPDX-License-Identifier: Apache-2.0

// Dot product of four signed bytes by shifts: for drivers whose packed dot product gives wrong bits.
fn dot4(a: u32, b: u32) -> i32 {
	let x = vec4<i32>(vec4<u32>(a) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
	let y = vec4<i32>(vec4<u32>(b) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
	let p = x * y;
	return p.x + p.y + p.z + p.w;
}
