// SPDX-License-Identifier: Apache-2.0

//! Panels and blocks around the SIMD kernels.
//!
//! The depth is divided into blocks of at most [`BLOCK_K`], the rows of A into blocks of [`BLOCK_M`]. Both operands are
//! packed as panels: for a block of the depth, a panel has all chunks of sixteen values; of each chunk all words; of
//! each word all rows of the panel. A panel of B stays in the first-level cache while all panels of a block of A, which
//! stays in the second-level cache, pass by.

use super::{
	octets::{self, Limit, Octet, Sink, CHUNK, OCTET},
	Matrix,
};
use alloc::vec::Vec;
use bytemuck::{Pod, Zeroable};
use core::{marker::PhantomData, ops::Range};

/// Most values of a row in one block: a panel of B with them fits the first-level cache.
const BLOCK_K: usize = 1024;
/// Rows of A in one block: whole panels of every kernel.
const BLOCK_M: usize = 192;
/// Rows that are packed at once.
const HALF: usize = OCTET / 2;
/// The largest tile of C.
const TILE: usize = 12 * 32;

/// Packed words, aligned to cache lines.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u32; 16]);

/// A SIMD kernel, and how it wants its operands packed.
///
/// Methods are unsafe because the processor must have the kernel's instructions, AVX2 among them; the types are only
/// named for a [`crate::kernel::Kernel`] that exists, which vouches for that.
pub(super) trait Engine {
	/// Rows of A in a panel: a multiple of four.
	const MR: usize;
	/// Columns of C in one vector. A panel of B has two vectors, or one where that is all that is left.
	const LANES: usize;
	/// Words that a row of A takes for a chunk.
	const WORDS_A: usize;
	/// Words that a row of B takes for a chunk.
	const WORDS_B: usize;
	/// Words that a row of B takes before its chunks.
	const HEAD: usize;

	/// Writes four rows of A, the first or the last ones of an octet, word after word `MR` apart.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	unsafe fn put_a(octet: Octet, last: bool, most_a: u8, to: &mut [u32]);

	/// Writes an octet of B into a panel of `VECTORS` vectors: its words from `at` on, one panel width apart, and its
	/// heads, which are new with the first chunk, from `head` on.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	unsafe fn put_b<const VECTORS: usize>(
		octet: Octet,
		most_a: u8,
		panels: &mut [u32],
		at: usize,
		head: (usize, bool),
	);

	/// Called for every panel of B, of `VECTORS` vectors, when its octets are written.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	#[inline]
	unsafe fn finish<const VECTORS: usize>(_panel: &mut [u32], _most_a: u8) {}

	/// Multiplies panels of A, of `chunks` chunks, with one panel of B of `VECTORS` vectors: written to `c`, whose rows
	/// are `stride` apart, if `fresh`, else added to it.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	unsafe fn column<const VECTORS: usize>(
		operands: (&[u32], &[u32], usize),
		to: (&mut [i32], usize),
		fresh: bool,
	);
}

/// Asserts that the lengths given to [`Engine::column`] belong together.
#[inline]
pub(super) fn check<E: Engine + ?Sized>(
	(a, b, chunks): (&[u32], &[u32], usize),
	(c, stride): (&mut [i32], usize),
	vectors: usize,
) {
	let rows = a.len() / panel_words::<E>(chunks) * E::MR;
	assert!(chunks > 0);
	assert!(b.len() == (E::HEAD + chunks * E::WORDS_B) * vectors * E::LANES);
	assert!(rows == 0 || c.len() >= (rows - 1) * stride + vectors * E::LANES);
}

/// A value of the left operand is larger than was promised.
pub(super) struct TooLarge;

/// A left operand that can be packed for a kernel.
pub(super) trait Operand<E: Engine> {
	/// Values of a row.
	fn depth(&self) -> usize;

	/// Writes a block of it, rows and depths, as panels, for magnitudes up to `most_a`.
	///
	/// # Safety
	/// The processor must have the kernel's instructions.
	unsafe fn write(&self, block: Block, most_a: u8, panels: &mut [u32]) -> Result<(), TooLarge>;
}

/// Rows and depths of a block of A.
pub(super) type Block = (Range<usize>, Range<usize>);

/// Packs the right operand, for a left one of magnitude `most_a` at most.
///
/// # Safety
/// The processor must have the kernel's instructions.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn pack<E: Engine>(b: Matrix<'_>, most_a: u8, memory: &mut Vec<Line>) {
	let padded = b.rows.next_multiple_of(E::LANES);
	let len: usize = blocks(b.depth)
		.map(|depths| padded * row_words::<E>(&depths))
		.sum();
	let mut rest = words(memory, len);
	for depths in blocks(b.depth) {
		let (words, panel) = (row_words::<E>(&depths), 2 * E::LANES * row_words::<E>(&depths));
		let (block, after) = rest.split_at_mut(padded * words);
		// SAFETY: given by the caller.
		unsafe {
			let mut sink = Right::<E> {
				panels: block,
				row_words: words,
				padded,
				most_a,
				engine: PhantomData,
			};
			octets::read(b, 0..b.rows, depths, &mut sink);
			for panel in block.chunks_mut(panel) {
				match panel.len() == 2 * E::LANES * words {
					true => E::finish::<2>(panel, most_a),
					false => E::finish::<1>(panel, most_a),
				}
			}
		}
		rest = after;
	}
}

/// Panels of B.
struct Right<'p, E> {
	panels: &'p mut [u32],
	row_words: usize,
	padded: usize,
	most_a: u8,
	engine: PhantomData<E>,
}

impl<E: Engine> Sink for Right<'_, E> {
	/// Where the heads are, where the first chunk is, and whether the panel has two vectors.
	type Place = (usize, usize, bool);

	#[inline]
	fn place(&self, octet: usize) -> Self::Place {
		let nr = 2 * E::LANES;
		let (start, row) = (octet * OCTET / nr * nr, octet * OCTET % nr);
		let (head, wide) = (start * self.row_words + row, self.padded - start >= nr);
		(head, head + E::HEAD * if wide { nr } else { E::LANES }, wide)
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put(&mut self, (head, at, wide): Self::Place, chunk: usize, octet: Octet) {
		let (head, step) = ((head, chunk == 0), chunk * E::WORDS_B * E::LANES);
		// SAFETY: given by the caller.
		unsafe {
			match wide {
				true => E::put_b::<2>(octet, self.most_a, self.panels, at + 2 * step, head),
				false => E::put_b::<1>(octet, self.most_a, self.panels, at + step, head),
			}
		}
	}
}

/// Some rows of the product with an operand of `n` rows that [`pack`] has packed for the same kernel.
///
/// # Safety
/// The processor must have the kernel's instructions.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply<E: Engine>(
	(packed, n, most_a): (&[Line], usize, u8),
	a: &impl Operand<E>,
	rows: Range<usize>,
	scratch: &mut Vec<Line>,
	c: &mut [i32],
) -> Result<(), TooLarge> {
	let padded = n.next_multiple_of(E::LANES);
	let packed: &[u32] = bytemuck::cast_slice(packed);
	for (start, c) in rows.clone().step_by(BLOCK_M).zip(c.chunks_mut(BLOCK_M * n)) {
		let rows = start..rows.end.min(start + BLOCK_M);
		let mut rest = packed;
		for depths in blocks(a.depth()) {
			let fresh = depths.start == 0;
			let (block, after) = rest.split_at(padded * row_words::<E>(&depths));
			let chunks = depths.len().div_ceil(CHUNK);
			let panels = words(scratch, rows.len().div_ceil(E::MR) * panel_words::<E>(chunks));
			// SAFETY: given by the caller.
			unsafe {
				a.write((rows.clone(), depths), most_a, panels)?;
				block_product::<E>((panels, block, chunks), (c, n), fresh);
			}
			rest = after;
		}
	}
	Ok(())
}

impl<E: Engine> Operand<E> for Matrix<'_> {
	#[inline]
	fn depth(&self) -> usize {
		self.depth
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn write(&self, block: Block, most_a: u8, panels: &mut [u32]) -> Result<(), TooLarge> {
		// SAFETY: given by the caller.
		unsafe {
			fill::<E>(*self, block, most_a, panels, |octet, last, to| {
				E::put_a(octet, last, most_a, to);
			})
		}
	}
}

/// Hands four rows of a block of A after the other to `put`, the first or the last ones of an octet, with the words of
/// the panels from theirs on.
///
/// # Safety
/// The processor must have AVX2, and what else `put` needs.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn fill<E: Engine>(
	a: Matrix<'_>,
	(rows, depths): Block,
	most_a: u8,
	panels: &mut [u32],
	put: impl Fn(Octet, bool, &mut [u32]),
) -> Result<(), TooLarge> {
	let mut sink = Left::<E, _> {
		panels,
		panel_words: panel_words::<E>(depths.len().div_ceil(CHUNK)),
		limit: Limit::new(most_a),
		put,
		engine: PhantomData,
	};
	// SAFETY: given by the caller.
	unsafe { octets::read(a, rows, depths, &mut sink) };
	sink.limit.holds().then_some(()).ok_or(TooLarge)
}

/// Panels of A.
struct Left<'p, E, F> {
	panels: &'p mut [u32],
	panel_words: usize,
	limit: Limit,
	put: F,
	engine: PhantomData<E>,
}

impl<E: Engine, F: Fn(Octet, bool, &mut [u32])> Sink for Left<'_, E, F> {
	/// Where the first chunks of the first four rows are, and of the last ones.
	type Place = [usize; 2];

	#[inline]
	fn place(&self, octet: usize) -> Self::Place {
		[0, HALF].map(|half| {
			let row = octet * OCTET + half;
			row / E::MR * self.panel_words + row % E::MR
		})
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	unsafe fn put(&mut self, places: Self::Place, chunk: usize, octet: Octet) {
		self.limit.note(octet);
		for (i, place) in places.into_iter().enumerate() {
			// The last four rows of an octet may lie behind the end.
			if place < self.panels.len() {
				(self.put)(
					octet,
					i == 1,
					&mut self.panels[place + chunk * E::MR * E::WORDS_A..],
				);
			}
		}
	}
}

/// All panels of a block of A with all panels of a block of B.
///
/// # Safety
/// The processor must have the kernel's instructions.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn block_product<E: Engine>(
	(a, b, chunks): (&[u32], &[u32], usize),
	(c, n): (&mut [i32], usize),
	fresh: bool,
) {
	let nr = 2 * E::LANES;
	let whole = c.len() / n / E::MR;
	let (whole_a, rest_a) = a.split_at(whole * panel_words::<E>(chunks));
	let (whole_c, rest_c) = c.split_at_mut(whole * E::MR * n);
	for (b, column) in b
		.chunks(nr * (E::HEAD + chunks * E::WORDS_B))
		.zip((0..n).step_by(nr))
	{
		let width = nr.min(n - column);
		let whole_c = whole_c.get_mut(column..).unwrap_or_default();
		let rest_c = rest_c.get_mut(column..).unwrap_or_default();
		// SAFETY: given by the caller.
		unsafe {
			if width == nr {
				E::column::<2>((whole_a, b, chunks), (whole_c, n), fresh);
			} else {
				edges::<E>((whole_a, b, chunks), (whole_c, n), width, fresh);
			}
			edges::<E>((rest_a, b, chunks), (rest_c, n), width, fresh);
		}
	}
}

/// Tiles that C has not all of.
///
/// # Safety
/// The processor must have the kernel's instructions.
#[target_feature(enable = "avx2")]
unsafe fn edges<E: Engine>(
	(a, b, chunks): (&[u32], &[u32], usize),
	(c, stride): (&mut [i32], usize),
	width: usize,
	fresh: bool,
) {
	for (a, c) in a
		.chunks_exact(panel_words::<E>(chunks))
		.zip(c.chunks_mut(E::MR * stride))
	{
		let mut tile = [0; TILE];
		let row = if width > E::LANES { 2 * E::LANES } else { E::LANES };
		// SAFETY: given by the caller.
		unsafe {
			if width > E::LANES {
				E::column::<2>((a, b, chunks), (&mut tile, row), true);
			} else {
				E::column::<1>((a, b, chunks), (&mut tile, row), true);
			}
		}
		for (c, sums) in c.chunks_mut(stride).zip(tile.chunks_exact(row)) {
			for (c, sum) in c[..width].iter_mut().zip(sums) {
				*c = if fresh { *sum } else { c.wrapping_add(*sum) };
			}
		}
	}
}

/// The depth in blocks of whole chunks of about the same length.
fn blocks(depth: usize) -> impl Iterator<Item = Range<usize>> {
	let size = depth
		.div_ceil(depth.div_ceil(BLOCK_K).max(1))
		.next_multiple_of(CHUNK);
	(0..depth)
		.step_by(size.max(1))
		.map(move |start| start..depth.min(start + size))
}

/// Words of one packed row of B in a block.
fn row_words<E: Engine>(depths: &Range<usize>) -> usize {
	E::HEAD + depths.len().div_ceil(CHUNK) * E::WORDS_B
}

/// Words of a panel of A: for an odd number of chunks, so that panels do not meet in the same sets of the cache when they
/// are written side by side.
#[inline]
pub(super) fn panel_words<E: Engine + ?Sized>(chunks: usize) -> usize {
	(chunks | 1) * E::MR * E::WORDS_A
}

/// Memory of some words, which hold anything.
fn words(memory: &mut Vec<Line>, len: usize) -> &mut [u32] {
	let lines = len.div_ceil(16);
	if memory.len() < lines {
		memory.resize(lines, Line::zeroed());
	}
	&mut bytemuck::cast_slice_mut(memory)[..len]
}
