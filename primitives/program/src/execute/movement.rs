// SPDX-License-Identifier: Apache-2.0

//! Operations that move elements, and add up moved elements.

use super::{
	buffers::Item,
	lanes::{Job, Out},
};
use crate::{
	movement::{runs, Size},
	op::{Op, Window},
};

/// Edge of the squares that a transposition copies first: the lines of a matrix lie so far apart that they would push
/// each other out of the cache.
const TILE: usize = 64;
/// Edge of the squares that are transposed in registers.
const EDGE: usize = 8;

/// `[groups * rows, cols]` to `[groups * cols, rows]`: each of the stacked matrices by itself. The unit is a matrix, or
/// with a single one 64 rows of the output.
struct Transposed<'a, T> {
	x: &'a [T],
	rows: usize,
	cols: usize,
}

impl<T: Square> Job for Transposed<'_, T> {
	type Out = T;
	#[inline(always)]
	fn run(&self, first: usize, out: &mut [T]) {
		let (rows, cols) = (self.rows.max(1), self.cols.max(1));
		let area = rows * cols;
		// The first part of a matrix may be one that begins inside of it.
		let mut left = first % area / rows;
		let mut rest = out;
		for x in self.x.get(first / area * area..).unwrap_or_default().chunks(area) {
			let (out, after) = rest.split_at_mut(rest.len().min((cols - left) * rows));
			for (n, out) in out.chunks_mut(rows * TILE).enumerate() {
				for top in (0..rows).step_by(TILE) {
					tile(x, cols, top, left + n * TILE, rows, out);
				}
			}
			(left, rest) = (0, after);
			if rest.is_empty() {
				break;
			}
		}
	}
}

/// Writes the part of `x` from [`top`, `left`] on as columns from `top` on of at most 64 lines of the output.
#[inline(always)]
fn tile<T: Square>(x: &[T], cols: usize, top: usize, left: usize, rows: usize, out: &mut [T]) {
	let tall = (rows - top).min(TILE);
	let wide = (out.len() / rows).min(TILE);
	let mut copy = [[T::default(); TILE]; TILE];
	for (r, copy) in copy.iter_mut().enumerate().take(tall) {
		let from = (top + r) * cols + left;
		if let (Some(to), Some(from)) = (copy.get_mut(..wide), x.get(from..from + wide)) {
			to.copy_from_slice(from);
		}
	}
	for (c, lines) in out.chunks_mut(rows * EDGE).enumerate() {
		for (r, copy) in copy
			.as_chunks::<EDGE>()
			.0
			.iter()
			.enumerate()
			.take(tall.div_ceil(EDGE))
		{
			let square = copy
				.each_ref()
				.map(|row| row.as_chunks::<EDGE>().0.get(c).copied().unwrap_or_default());
			let start = top + r * EDGE;
			let end = rows.min(start + EDGE);
			for (line, from) in lines.chunks_mut(rows).zip(&T::transposed(square)) {
				if let (Some(to), Some(from)) = (line.get_mut(start..end), from.get(..end - start)) {
					to.copy_from_slice(from);
				}
			}
		}
	}
}

/// Elements whose 8 × 8 squares can be transposed.
pub trait Square: Item {
	/// The transposed square.
	fn transposed(x: [[Self; EDGE]; EDGE]) -> [[Self; EDGE]; EDGE];
}

impl Square for i32 {
	#[inline(always)]
	fn transposed(x: [[i32; EDGE]; EDGE]) -> [[i32; EDGE]; EDGE] {
		let mut out = x;
		for (c, out) in out.iter_mut().enumerate() {
			for (to, x) in out.iter_mut().zip(&x) {
				*to = x.get(c).copied().unwrap_or_default();
			}
		}
		out
	}
}

impl Square for i8 {
	/// Eight bytes to a word; then blocks of 1, 2 and 4 bytes change places.
	#[inline(always)]
	fn transposed(x: [[i8; EDGE]; EDGE]) -> [[i8; EDGE]; EDGE] {
		let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] =
			x.map(|row| u64::from_le_bytes(row.map(|x| x as u8)));
		const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
		const PAIRS: u64 = 0x0000_ffff_0000_ffff;
		const HALVES: u64 = 0x0000_0000_ffff_ffff;
		for (x, y) in [
			(&mut a, &mut b),
			(&mut c, &mut d),
			(&mut e, &mut f),
			(&mut g, &mut h),
		] {
			exchange(x, y, 8, BYTES);
		}
		for (x, y) in [
			(&mut a, &mut c),
			(&mut b, &mut d),
			(&mut e, &mut g),
			(&mut f, &mut h),
		] {
			exchange(x, y, 16, PAIRS);
		}
		for (x, y) in [
			(&mut a, &mut e),
			(&mut b, &mut f),
			(&mut c, &mut g),
			(&mut d, &mut h),
		] {
			exchange(x, y, 32, HALVES);
		}
		[a, b, c, d, e, f, g, h].map(|x| x.to_le_bytes().map(|x| x as i8))
	}
}

/// Exchanges the upper parts of `x` with the lower parts of `y`.
#[inline(always)]
fn exchange(x: &mut u64, y: &mut u64, by: u32, mask: u64) {
	let difference = ((*x >> by) ^ *y) & mask;
	*y ^= difference;
	*x ^= difference << by;
}

/// Each of stacked matrices of `rows` rows to its transpose.
pub fn transpose<T: Square>(x: &[T], rows: u32, cols: u32, to: &mut Out<'_, T>) -> Option<()> {
	let (rows, cols) = (rows as usize, cols as usize);
	let unit = if rows * cols == x.len() {
		rows * TILE
	} else {
		rows * cols
	};
	to.fill(x.len(), unit, 1, &Transposed { x, rows, cols })
}

/// The rows of `x` that `index` names; `None` if one does not exist.
pub fn gather<T: Item>(x: &[T], cols: u32, index: &[i32], to: &mut Out<'_, T>) -> Option<()> {
	let cols = cols as usize;
	if to.values.len() != index.len().checked_mul(cols)? {
		return None;
	}
	for (to, i) in to.values.chunks_exact_mut(cols.max(1)).zip(index) {
		let start = usize::try_from(*i).ok()?.checked_mul(cols)?;
		to.copy_from_slice(x.get(start..start.checked_add(cols)?)?);
	}
	Some(())
}

/// Operations that only move elements of `x`, by their runs. `out` has the sizes of what is written.
pub fn moved<T: Square>(op: &Op, x: &[T], size: Size, out: Size, to: &mut Out<'_, T>) -> Option<()> {
	if let Op::GroupTranspose { .. } = op {
		// By squares: a run here is a column, and columns are slow to read.
		return transpose(x, out.1, size.1, to);
	}
	let mut rest = &mut *to.values;
	if matches!(op, Op::Reshape) {
		return (rest.len() == x.len()).then(|| rest.copy_from_slice(x));
	}
	let mut inside = true;
	for row in 0..out.0 {
		runs(op, size, out, row, 0..out.1, |run| {
			let len = rest.len().min(run.len as usize);
			let (now, after) = core::mem::take(&mut rest).split_at_mut(len);
			rest = after;
			match run.from {
				Some(from) => match part(x, from, run.len) {
					Some(part) if part.len() == now.len() => now.copy_from_slice(part),
					_ => inside = false,
				},
				None => now.fill(T::default()),
			}
		});
		if !inside {
			return None;
		}
	}
	rest.is_empty().then_some(())
}

fn part<T>(x: &[T], from: u64, len: u32) -> Option<&[T]> {
	let from = usize::try_from(from).ok()?;
	x.get(from..from.checked_add(len as usize)?)
}

/// [`Op::PatchesGradient`]: every patch is added to where [`Op::Patches`] has it from.
pub fn patches_gradient(
	window: Window,
	x: &[i32],
	size: Size,
	out: Size,
	to: &mut Out<'_, i32>,
) -> Option<()> {
	let sums = &mut *to.values;
	sums.fill(0);
	let mut inside = true;
	for (row, patch) in (0u32..).zip(x.chunks((size.1 as usize).max(1))) {
		let mut rest = patch;
		runs(&Op::Patches(window), out, size, row, 0..size.1, |run| {
			let (from, after) = rest.split_at(rest.len().min(run.len as usize));
			rest = after;
			let Some(start) = run.from.and_then(|at| usize::try_from(at).ok()) else {
				return;
			};
			match sums.get_mut(start..start.saturating_add(from.len())) {
				Some(to) => add_to(to, from),
				None => inside = false,
			}
		});
	}
	inside.then_some(())
}

/// [`Op::ScatterAddRows`]; `None` if the index names a row that does not exist.
pub fn scatter(x: &[i32], cols: u32, index: &[i32], to: &mut Out<'_, i32>) -> Option<()> {
	let cols = (cols as usize).max(1);
	let sums = &mut *to.values;
	sums.fill(0);
	for (from, row) in x.chunks(cols).zip(index) {
		let start = usize::try_from(*row).ok()?.checked_mul(cols)?;
		add_to(sums.get_mut(start..start.checked_add(cols)?)?, from);
	}
	Some(())
}

fn add_to(to: &mut [i32], from: &[i32]) {
	for (to, x) in to.iter_mut().zip(from) {
		*to = to.wrapping_add(*x);
	}
}

/// [`Op::GatherElements`]; `None` if the index names an element that does not exist.
pub fn gather_elements<T: Copy + Into<i32>>(x: &[T], index: &[i32], to: &mut Out<'_, i32>) -> Option<()> {
	if to.values.len() != index.len() {
		return None;
	}
	for (to, at) in to.values.iter_mut().zip(index) {
		*to = (*x.get(usize::try_from(*at).ok()?)?).into();
	}
	Some(())
}
