// SPDX-License-Identifier: Apache-2.0

//! Reads a matrix in either layout as octets: eight rows times a chunk of sixteen values, turned into four vectors, each
//! with one word (four values) of every row.
//!
//! Unsafe: vector loads and stores through pointers, a call only after the processor was asked for AVX2.

use super::{Layout, Matrix};
use core::{arch::x86_64::*, ops::Range};

/// Values of a row in an octet: what packing and blocking divide the depth by.
pub(super) const CHUNK: usize = 16;
/// Rows of an octet.
pub(super) const OCTET: usize = 8;
/// Rows read at once where the depth is what is contiguous.
const BLOCK: usize = 16;

/// Word w (values 4 w to 4 w + 3) of eight rows, for w = 0 to 3.
pub(super) type Octet = [__m256i; 4];

/// Takes octets as they are read.
pub(super) trait Sink {
	/// Where the chunks of some octet go.
	type Place: Copy;

	/// Where those of the octet of this number go.
	fn place(&self, octet: usize) -> Self::Place;

	/// Takes one chunk.
	///
	/// # Safety
	/// The processor must have AVX2, and what else the sink needs.
	unsafe fn put(&mut self, place: Self::Place, chunk: usize, octet: Octet);
}

/// Reads all octets of some rows and chunks of some depths, counted from 0; what is missing at the ends is zero.
///
/// # Panics
/// If the matrix has not these rows and depths.
///
/// # Safety
/// The processor must have AVX2, and what else the sink needs.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn read(m: Matrix<'_>, rows: Range<usize>, depths: Range<usize>, sink: &mut impl Sink) {
	// What makes the loads below sound.
	assert!(rows.end <= m.rows && depths.end <= m.depth && m.data.len() == m.rows * m.depth);
	// SAFETY: checked, and given by the caller.
	unsafe {
		match m.layout {
			Layout::ByRow => by_row(m, rows, depths, sink),
			Layout::ByDepth => by_depth(m, rows, depths, sink),
		}
	}
}

/// # Safety
/// As [`read`]; the matrix has these rows and depths.
#[target_feature(enable = "avx2")]
unsafe fn by_row(m: Matrix<'_>, rows: Range<usize>, depths: Range<usize>, sink: &mut impl Sink) {
	let chunks = depths.len().div_ceil(CHUNK);
	for (octet, row) in rows.clone().step_by(OCTET).enumerate() {
		let (place, here) = (sink.place(octet), OCTET.min(rows.end - row));
		let line = &m.data[row * m.depth + depths.start..];
		let direct = if here == OCTET { depths.len() / CHUNK } else { 0 };
		// SAFETY: eight rows with sixteen values for each of these chunks lie in the data; the copy has eight lines of
		// sixteen and more.
		unsafe {
			turn_all((line.as_ptr(), m.depth), direct, place, sink);
			for chunk in direct..chunks {
				let width = CHUNK.min(depths.len() - chunk * CHUNK);
				let edge = copy(&line[chunk * CHUNK..], m.depth, here, width);
				sink.put(place, chunk, turn(edge.as_ptr().cast(), CHUNK));
			}
		}
	}
}

/// The first chunks of eight rows. (A function of its own, so that its loop has all registers.)
///
/// # Safety
/// As [`read`]; from each of eight lines, `stride` apart, sixteen values for each chunk can be read.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn turn_all<S: Sink>(
	(from, stride): (*const i8, usize),
	chunks: usize,
	place: S::Place,
	sink: &mut S,
) {
	for chunk in 0..chunks {
		// SAFETY: given by the caller.
		unsafe { sink.put(place, chunk, turn(from.add(chunk * CHUNK), stride)) };
	}
}

/// By chunks outside and rows inside, so that memory is read in its order.
///
/// # Safety
/// As [`read`]; the matrix has these rows and depths.
#[target_feature(enable = "avx2")]
unsafe fn by_depth(m: Matrix<'_>, rows: Range<usize>, depths: Range<usize>, sink: &mut impl Sink) {
	for (chunk, depth) in depths.clone().step_by(CHUNK).enumerate() {
		let here = CHUNK.min(depths.end - depth);
		let direct = if here == CHUNK { rows.len() / BLOCK } else { 0 };
		let line = &m.data[depth * m.rows + rows.start..];
		// SAFETY: sixteen lines with sixteen values for each of these blocks lie in the data; the copy has sixteen lines
		// of sixteen.
		unsafe {
			interleave_all((line.as_ptr(), m.rows), direct, chunk, sink);
			for block in direct..rows.len().div_ceil(BLOCK) {
				let width = BLOCK.min(rows.len() - block * BLOCK);
				let edge = copy(&line[block * BLOCK..], m.rows, here, width);
				let [first, second] = interleave(edge.as_ptr().cast(), BLOCK);
				sink.put(sink.place(2 * block), chunk, first);
				if width > OCTET {
					sink.put(sink.place(2 * block + 1), chunk, second);
				}
			}
		}
	}
}

/// The first blocks of sixteen rows.
///
/// # Safety
/// As [`read`]; from each of sixteen lines, `stride` apart, sixteen values for each block can be read.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn interleave_all(
	(from, stride): (*const i8, usize),
	blocks: usize,
	chunk: usize,
	sink: &mut impl Sink,
) {
	for block in 0..blocks {
		// SAFETY: given by the caller.
		unsafe {
			let [first, second] = interleave(from.add(block * BLOCK), stride);
			sink.put(sink.place(2 * block), chunk, first);
			sink.put(sink.place(2 * block + 1), chunk, second);
		}
	}
}

/// A few lines of at most sixteen values, and zeros around them.
#[cold]
fn copy(from: &[i8], stride: usize, lines: usize, width: usize) -> [[i8; 16]; 16] {
	let mut to = [[0; 16]; 16];
	for (i, to) in to.iter_mut().enumerate().take(lines) {
		to[..width].copy_from_slice(&from[i * stride..][..width]);
	}
	to
}

/// Eight rows of sixteen values each.
///
/// # Safety
/// From each of eight lines, `stride` apart, sixteen values can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn turn(from: *const i8, stride: usize) -> Octet {
	// SAFETY: given by the caller; unaligned loads.
	let line = |i: usize| unsafe { _mm_loadu_si128(from.add(i * stride).cast()) };
	let lines = |i: usize| _mm256_inserti128_si256(_mm256_castsi128_si256(line(i)), line(i + 4), 1);
	let (x, y, z, w) = (lines(0), lines(1), lines(2), lines(3));
	let (xy, zw) = (_mm256_unpacklo_epi32(x, y), _mm256_unpacklo_epi32(z, w));
	let (xy_high, zw_high) = (_mm256_unpackhi_epi32(x, y), _mm256_unpackhi_epi32(z, w));
	[
		_mm256_unpacklo_epi64(xy, zw),
		_mm256_unpackhi_epi64(xy, zw),
		_mm256_unpacklo_epi64(xy_high, zw_high),
		_mm256_unpackhi_epi64(xy_high, zw_high),
	]
}

/// Sixteen rows, of which the values of one depth lie side by side.
///
/// # Safety
/// From each of sixteen lines, `stride` apart, sixteen values can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn interleave(from: *const i8, stride: usize) -> [Octet; 2] {
	let words: [[__m256i; 2]; 4] = core::array::from_fn(|word| {
		// SAFETY: given by the caller; unaligned loads.
		let line = |i: usize| unsafe { _mm_loadu_si128(from.add((4 * word + i) * stride).cast()) };
		let (x, y, z, w) = (line(0), line(1), line(2), line(3));
		let (xy, zw) = (_mm_unpacklo_epi8(x, y), _mm_unpacklo_epi8(z, w));
		let (xy_high, zw_high) = (_mm_unpackhi_epi8(x, y), _mm_unpackhi_epi8(z, w));
		[
			_mm256_set_m128i(_mm_unpackhi_epi16(xy, zw), _mm_unpacklo_epi16(xy, zw)),
			_mm256_set_m128i(
				_mm_unpackhi_epi16(xy_high, zw_high),
				_mm_unpacklo_epi16(xy_high, zw_high),
			),
		]
	});
	[words.map(|word| word[0]), words.map(|word| word[1])]
}

/// Whether all values of the octets noted are of some magnitude at most.
pub(super) struct Limit {
	most: __m256i,
	largest: __m256i,
}

impl Limit {
	#[inline]
	#[target_feature(enable = "avx2")]
	pub(super) fn new(most: u8) -> Self {
		Self {
			most: _mm256_set1_epi8(most as i8),
			largest: _mm256_setzero_si256(),
		}
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	pub(super) fn note(&mut self, octet: Octet) {
		for x in octet {
			// The magnitude of −128 comes out as the byte 128.
			self.largest = _mm256_max_epu8(self.largest, _mm256_abs_epi8(x));
		}
	}

	#[inline]
	#[target_feature(enable = "avx2")]
	pub(super) fn holds(&self) -> bool {
		let largest = _mm256_max_epu8(self.largest, self.most);
		_mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, self.most)) == -1
	}
}

/// Writes vectors to words `pitch` apart.
///
/// # Panics
/// If there are not so many words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn put<const N: usize>(to: &mut [u32], pitch: usize, vectors: [__m256i; N]) {
	let to = &mut to[..(N - 1) * pitch + 8];
	for (i, x) in vectors.into_iter().enumerate() {
		// SAFETY: eight words, 32 bytes, of those checked above; unaligned.
		unsafe { _mm256_storeu_si256(to.as_mut_ptr().add(i * pitch).cast(), x) };
	}
}

/// As [`put`], four words of each vector: the first four, or the last.
///
/// # Panics
/// If there are not so many words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn put_half<const N: usize>(to: &mut [u32], pitch: usize, vectors: [__m256i; N], last: bool) {
	let to = &mut to[..(N - 1) * pitch + 4];
	for (i, x) in vectors.into_iter().enumerate() {
		let half = if last {
			_mm256_extracti128_si256(x, 1)
		} else {
			_mm256_castsi256_si128(x)
		};
		// SAFETY: four words, sixteen bytes, of those checked above; unaligned.
		unsafe { _mm_storeu_si128(to.as_mut_ptr().add(i * pitch).cast(), half) };
	}
}

/// The first eight words.
///
/// # Panics
/// If there are no eight words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn get(from: &[u32]) -> __m256i {
	let from = &from[..8];
	// SAFETY: eight words, 32 bytes; unaligned.
	unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// The first four words.
///
/// # Panics
/// If there are no four words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn get_half(from: &[u32]) -> __m128i {
	let from = &from[..4];
	// SAFETY: four words, sixteen bytes; unaligned.
	unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

/// Asks for the lines of C that a tile will be written to, so that its stores need not wait for memory.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn fetch<const ROWS: usize>(c: *mut i32, stride: usize) {
	for row in 0..ROWS {
		_mm_prefetch(c.wrapping_add(row * stride).cast(), _MM_HINT_T0);
	}
}

/// Largest magnitude, if the processor has AVX2.
pub(super) fn magnitude(x: &[i8]) -> Option<u8> {
	#[target_feature(enable = "avx2")]
	fn with_avx2(x: &[i8]) -> u8 {
		super::matrix::plain_magnitude(x)
	}
	// SAFETY: the processor was asked.
	std::is_x86_feature_detected!("avx2").then(|| unsafe { with_avx2(x) })
}
