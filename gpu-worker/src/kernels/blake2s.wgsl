// SPDX-License-Identifier: Apache-2.0

// BLAKE2s-256. A state is eight words (two vectors), a block sixteen (four vectors). Unrolled, registers only.

struct Hash {
	lo: vec4<u32>,
	hi: vec4<u32>,
}

const IV_LO = vec4<u32>(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au);
const IV_HI = vec4<u32>(0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u);

// The state before the first block; `key_bytes` is 0 or 32. A key is the first block, padded with zeros.
fn blake2s_begin(key_bytes: u32) -> Hash {
	return Hash(IV_LO ^ vec4<u32>(0x01010020u ^ (key_bytes << 8u), 0u, 0u, 0u), IV_HI);
}

fn rotr(x: vec4<u32>, by: u32) -> vec4<u32> {
	return (x >> vec4<u32>(by)) | (x << vec4<u32>(32u - by));
}

// One block. `bytes` counts all bytes up to the end of this block, without its padding.
fn blake2s_block(h: Hash, m0: vec4<u32>, m1: vec4<u32>, m2: vec4<u32>, m3: vec4<u32>, bytes: u32, last: bool) -> Hash {
	var a = h.lo;
	var b = h.hi;
	var c = IV_LO;
	var d = IV_HI ^ vec4<u32>(bytes, 0u, select(0u, 0xffffffffu, last), 0u);

	// Round 0: columns, then diagonals.
	a = a + b + vec4<u32>(m0.x, m0.z, m1.x, m1.z);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.y, m0.w, m1.y, m1.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m2.x, m2.z, m3.x, m3.z);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.y, m2.w, m3.y, m3.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 1: columns, then diagonals.
	a = a + b + vec4<u32>(m3.z, m1.x, m2.y, m3.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.z, m2.x, m3.w, m1.z);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m0.y, m0.x, m2.w, m1.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m3.x, m0.z, m1.w, m0.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 2: columns, then diagonals.
	a = a + b + vec4<u32>(m2.w, m3.x, m1.y, m3.w);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.x, m0.x, m0.z, m3.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m2.z, m0.w, m1.w, m2.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m3.z, m1.z, m0.y, m1.x);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 3: columns, then diagonals.
	a = a + b + vec4<u32>(m1.w, m0.w, m3.y, m2.w);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.y, m0.y, m3.x, m3.z);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m0.z, m1.y, m1.x, m3.w);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m1.z, m2.z, m0.x, m2.x);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 4: columns, then diagonals.
	a = a + b + vec4<u32>(m2.y, m1.y, m0.z, m2.z);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.x, m1.w, m1.x, m3.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m3.z, m2.w, m1.z, m0.w);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.y, m3.x, m2.x, m3.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 5: columns, then diagonals.
	a = a + b + vec4<u32>(m0.z, m1.z, m0.x, m2.x);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m3.x, m2.z, m2.w, m0.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m1.x, m1.w, m3.w, m0.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m3.y, m1.y, m3.z, m2.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 6: columns, then diagonals.
	a = a + b + vec4<u32>(m3.x, m0.y, m3.z, m1.x);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m1.y, m3.w, m3.y, m2.z);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m0.x, m1.z, m2.y, m2.x);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m1.w, m0.w, m0.z, m2.w);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 7: columns, then diagonals.
	a = a + b + vec4<u32>(m3.y, m1.w, m3.x, m0.w);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.w, m3.z, m0.y, m2.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m1.y, m3.w, m2.x, m0.z);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.x, m1.x, m1.z, m2.z);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 8: columns, then diagonals.
	a = a + b + vec4<u32>(m1.z, m3.z, m2.w, m0.x);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m3.w, m2.y, m0.w, m2.x);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m3.x, m3.y, m0.y, m2.z);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.z, m1.w, m1.x, m1.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;

	// Round 9: columns, then diagonals.
	a = a + b + vec4<u32>(m2.z, m2.x, m1.w, m0.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m0.z, m1.x, m1.z, m1.y);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.yzwx;
	c = c.zwxy;
	d = d.wxyz;
	a = a + b + vec4<u32>(m3.w, m2.y, m0.w, m3.y);
	d = rotr(d ^ a, 16u);
	c = c + d;
	b = rotr(b ^ c, 12u);
	a = a + b + vec4<u32>(m2.w, m3.z, m3.x, m0.x);
	d = rotr(d ^ a, 8u);
	c = c + d;
	b = rotr(b ^ c, 7u);
	b = b.wxyz;
	c = c.zwxy;
	d = d.yzwx;
	return Hash(h.lo ^ a ^ c, h.hi ^ b ^ d);
}
