// SPDX-License-Identifier: Apache-2.0

// Dot product of four signed bytes: the driver's.
fn dot4(a: u32, b: u32) -> i32 {
	return dot4I8Packed(a, b);
}
