// SPDX-License-Identifier: Apache-2.0

//! Every operation, element by element.

use super::{
	movement::sums,
	rows::{by_row, group_product},
	ArbiterError, Question, Reader,
};
use crate::{
	adam::{adam, adam_correction, adam_square, Update},
	arith::{self, Checked, Word},
	gelu::gelu,
	movement::origin,
	op::{Op, Rounding, OPERAND_MAX, WIDE_MAX},
	random::{batch_position, schedule, RandomKey},
	rows::divide,
	softmax::{cross_entropy, exp2n, probability, tlog2},
	tensor::{Element, TILE_ROWS},
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

type Result<T> = core::result::Result<T, ArbiterError>;

/// The elements of a region of the output, row-major. The instruction is valid and the region lies inside one block.
pub(super) fn compute(
	q: &Question<'_>,
	rows: Range<u32>,
	cols: Range<u32>,
	reader: &Reader<'_>,
) -> Result<Vec<i32>> {
	match q.op {
		Op::Product => return product(q, rows, cols, reader),
		Op::ScatterAddRows | Op::PatchesGradient(_) => return sums(q, rows, cols, reader),
		Op::GroupProduct { groups } => return group_product(q, *groups, rows, cols, reader),
		_ => (),
	}
	let mut out = Vec::with_capacity(rows.len().saturating_mul(cols.len()));
	let key = random_key(q);
	for row in rows {
		if let Some(words) = by_row(q, row, cols.clone(), reader) {
			for (col, word) in cols.clone().zip(words?) {
				out.push(whole(q, row, col, word)?);
			}
			continue;
		}
		match q.op {
			Op::SoftmaxGradient => softmax_row(row, cols.clone(), reader, &mut out)?,
			_ => {
				for col in cols.clone() {
					let word = element(q, &key, row, col, reader)?;
					out.push(whole(q, row, col, word)?);
				}
			}
		}
	}
	Ok(out)
}

/// The value of a word that no step has overflown.
fn whole(q: &Question<'_>, row: u32, col: u32, word: Checked) -> Result<i32> {
	let op = q.op.kind();
	word.get().ok_or(ArbiterError::Overflow { op, row, col })
}

/// Key of the random bits of all elements of the output.
fn random_key(q: &Question<'_>) -> RandomKey {
	match *q.op {
		Op::BatchIndices { population } => {
			let (epoch, _) = batch_position(q.context.step, q.out.rows, population);
			q.context.epoch_key(epoch)
		}
		_ => q.context.key(),
	}
}

/// One element of an operation that is computed element by element.
fn element(q: &Question<'_>, key: &RandomKey, row: u32, col: u32, x: &Reader<'_>) -> Result<Checked> {
	let at = |input| x.get(input, row, col).map(Checked::of);
	let scalar = |input| x.get(input, 0, 0).map(Checked::of);
	let spread = |input| x.spread(input, row, col).map(Checked::of);
	Ok(match *q.op {
		Op::Constant { .. }
		| Op::RandomUniform { .. }
		| Op::BatchIndices { .. }
		| Op::Schedule { .. }
		| Op::Iota { .. }
		| Op::StepIndices { .. } => source(q, key, row, col),
		Op::Transpose => Checked::of(x.get(0, col, row)?),
		Op::GatherRows => {
			let from = x.get(1, row, 0)?;
			// The reader has checked the index against its range, and validation the range against the rows.
			Checked::of(x.get(0, from.max(0) as u32, col)?)
		}
		Op::GatherElements => {
			let cols = x.decl(0)?.cols.max(1);
			let from = x.get(1, row, col)?.max(0) as u32;
			Checked::of(x.get(0, from / cols, from % cols)?)
		}
		Op::Roll { .. }
		| Op::Reshape
		| Op::SplitColumns { .. }
		| Op::MergeColumns { .. }
		| Op::GroupTranspose { .. }
		| Op::Patches(_) => match origin(q.op, x.decl(0)?, q.out, row, col) {
			Some((row, col)) => Checked::of(x.get(0, row, col)?),
			None => Checked::of(0),
		},
		Op::Add => at(0)?.plus(spread(1)?),
		Op::Sub => at(0)?.minus(spread(1)?),
		Op::Multiply { shift } => arith::multiply(at(0)?, spread(1)?, shift),
		Op::Min => Checked::of(at(0)?.value().min(spread(1)?.value())),
		Op::Max => Checked::of(at(0)?.value().max(spread(1)?.value())),
		Op::Select => {
			if x.get(0, row, col)? > 0 {
				at(1)?
			} else {
				at(2)?
			}
		}
		Op::RoundShift { shift } => arith::rsh(at(0)?, shift),
		Op::LeakyRelu { shift } => arith::leaky(at(0)?, x.get(0, row, col)?, shift),
		Op::LeakyReluGrad { shift } => arith::leaky(at(0)?, x.get(1, row, col)?, shift),
		Op::Abs => arith::magnitude(at(0)?),
		Op::Clip { lo, hi } => at(0)?.clip(lo, hi),
		Op::Ema { shift } => arith::ema(at(0)?, at(1)?, shift),
		Op::Decay { shift } => arith::decay(at(0)?, shift),
		Op::ExcessBits { bits } => at(0)?.map(|x| arith::excess_bits(x, bits)),
		Op::MaxAbsPartials | Op::SumPartials => partial(q, row, x)?,
		Op::MaxReduce | Op::SumReduce | Op::RowMaxAbs | Op::Argmax => reduction(q, row, x)?,
		Op::Requantise { rounding } | Op::RequantiseWide { rounding } => {
			let limit = match q.op {
				Op::RequantiseWide { .. } => WIDE_MAX,
				_ => OPERAND_MAX,
			};
			let shift = if x.decl(1)?.rows == 1 {
				x.get(1, 0, 0)?
			} else {
				x.get(1, row, 0)?
			};
			match rounding {
				Rounding::HalfUp => arith::requantise_half_up(at(0)?, shift, limit),
				Rounding::Keyed => {
					let random = key.at(position(q, row, col));
					arith::requantise_keyed(at(0)?, shift, random, limit)
				}
			}
		}
		Op::Rescale { unit, limit } => {
			let by = Checked::of(unit).minus(spread(1)?);
			arith::rescale(at(0)?, by.value(), limit)
		}
		Op::Relu => at(0)?.map(|x| x.max(0)),
		Op::ReluGrad => {
			if x.get(1, row, col)? > 0 {
				at(0)?
			} else {
				Checked::of(0)
			}
		}
		Op::CrossEntropy => loss(row, x)?,
		Op::BiasCorrection => arith::bias_correction(at(0)?, at(1)?),
		Op::L1Adam { limit, decay } => {
			arith::l1_adam(at(0)?, at(1)?, at(2)?, scalar(3)?, scalar(4)?, limit, decay)
		}
		Op::Adam { limit, decay, floor } => {
			let by = Update {
				rate: scalar(3)?,
				correction: scalar(4)?,
				limit,
				decay,
				floor,
			};
			adam(at(0)?, at(1)?, x.get(2, row, col)?, &by)
		}
		Op::AdamSquare { floor } => Checked::of(adam_square(x.get(0, row, col)?, x.get(1, row, col)?, floor)),
		Op::AdamCorrection => adam_correction(at(0)?, at(1)?),
		Op::RowDivide { shift } => divide(at(0)?, shift, x.get(1, row, 0)?),
		Op::Gelu => gelu(at(0)?),
		Op::Sgd { shift, limit } => arith::sgd(at(0)?, at(1)?, scalar(2)?, shift, limit),
		Op::Equal => Checked::of(i32::from(x.get(0, row, col)? == x.get(1, row, col)?)),
		// Computed by the row or by the region; never reached from `compute`.
		Op::Product
		| Op::GroupProduct { .. }
		| Op::ScatterAddRows
		| Op::PatchesGradient(_)
		| Op::SoftmaxGradient
		| Op::RowSum
		| Op::RowMax
		| Op::RowSumSquares
		| Op::Softmax { .. }
		| Op::SoftmaxBackward { .. }
		| Op::RmsNorm
		| Op::RmsFactor
		| Op::RmsExponent
		| Op::RmsNormGradient { .. }
		| Op::Centre => {
			return Err(ArbiterError::Overflow {
				op: q.op.kind(),
				row,
				col,
			})
		}
	})
}

fn position(q: &Question<'_>, row: u32, col: u32) -> u32 {
	row.wrapping_mul(q.out.cols).wrapping_add(col)
}

fn source(q: &Question<'_>, key: &RandomKey, row: u32, col: u32) -> Checked {
	match *q.op {
		Op::Constant { value } => Checked::of(value),
		Op::RandomUniform { scale, shift } => {
			arith::random_uniform(key.at(position(q, row, col)), scale, shift)
		}
		Op::BatchIndices { population } => {
			let (_, first) = batch_position(q.context.step, q.out.rows, population);
			let place = key.permute(first.wrapping_add(row), population);
			Checked::of(place as i32)
		}
		Op::StepIndices { population } => {
			let (_, first) = batch_position(q.context.step, q.out.rows, population);
			Checked::of(first.wrapping_add(row) as i32)
		}
		Op::Iota {
			divisor,
			modulus,
			offset,
		} => arith::iota(position(q, row, col), divisor, modulus, offset),
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => Checked::of(schedule(q.context.step, peak, floor, warmup, total) as i32),
		_ => Checked::of(0),
	}
}

/// One partial: a fold over one block of the input.
fn partial(q: &Question<'_>, number: u32, x: &Reader<'_>) -> Result<Checked> {
	let decl = x.decl(0)?;
	let per_row = decl.block_cols().max(1);
	let width = Element::I32.block_cols();
	let top = (number / per_row).saturating_mul(TILE_ROWS as u32);
	let left = (number % per_row).saturating_mul(width);
	let mut acc = Checked::of(0);
	for row in top..top.saturating_add(TILE_ROWS as u32).min(decl.rows) {
		x.each(0, row, left..left.saturating_add(width).min(decl.cols), |value| {
			acc = match q.op {
				Op::SumPartials => acc.plus(Checked::of(value)),
				_ => largest(acc, Checked::of(value)),
			}
		})?;
	}
	Ok(acc)
}

/// The larger of a magnitude and the magnitude of a value.
fn largest(acc: Checked, value: Checked) -> Checked {
	let value = arith::magnitude(value);
	// A marked value must win, so that its mark is seen.
	if value.get().is_none() || (acc.get().is_some() && value.value() > acc.value()) {
		value
	} else {
		acc
	}
}

/// Reductions of a whole column or of a row.
fn reduction(q: &Question<'_>, row: u32, x: &Reader<'_>) -> Result<Checked> {
	let decl = x.decl(0)?;
	let mut acc = Checked::of(0);
	match q.op {
		Op::RowMaxAbs => x.each(0, row, 0..decl.cols, |v| acc = largest(acc, Checked::of(v)))?,
		Op::Argmax => {
			let (mut best, mut at) = (None, 0);
			x.each(0, row, 0..decl.cols, |v| {
				if best.is_none_or(|b| v > b) {
					(best, acc) = (Some(v), Checked::of(at));
				}
				at += 1;
			})?;
		}
		Op::SumReduce => {
			for i in 0..decl.rows {
				acc = acc.plus(Checked::of(x.get(0, i, 0)?));
			}
		}
		_ => {
			let mut best = x.get(0, 0, 0)?;
			for i in 1..decl.rows {
				best = best.max(x.get(0, i, 0)?);
			}
			acc = Checked::of(best);
		}
	}
	Ok(acc)
}

/// The terms of a row's softmax: distances' logarithms, exponentials, and their sum.
struct Softmax {
	logs: Vec<u32>,
	terms: Vec<u32>,
	sum: u32,
}

fn softmax(row: u32, x: &Reader<'_>) -> Result<Softmax> {
	let z = x.row(0, row)?;
	let e = x.get(2, 0, 0)?;
	let max = z.iter().copied().max().unwrap_or_default();
	// The difference of two words always fits an unsigned word.
	let logs: Vec<u32> = z.iter().map(|z| tlog2(max.abs_diff(*z), e)).collect();
	let terms: Vec<u32> = logs.iter().map(|t| exp2n(*t)).collect();
	// At most 65,535 terms of at most 2^15.
	let sum = terms.iter().fold(0u32, |a, t| a.saturating_add(*t));
	Ok(Softmax { logs, terms, sum })
}

fn softmax_row(row: u32, cols: Range<u32>, x: &Reader<'_>, out: &mut Vec<i32>) -> Result<()> {
	let s = softmax(row, x)?;
	let label = x.get(1, row, 0)?;
	for col in cols {
		let term = s.terms.get(col as usize).copied().unwrap_or_default();
		let target = if i64::from(label) == i64::from(col) {
			65536
		} else {
			0
		};
		out.push(probability(term, s.sum).saturating_sub(target));
	}
	Ok(())
}

fn loss(row: u32, x: &Reader<'_>) -> Result<Checked> {
	let s = softmax(row, x)?;
	let label = usize::try_from(x.get(1, row, 0)?).unwrap_or_default();
	let log = s.logs.get(label).copied().unwrap_or_default();
	Ok(Checked::of(cross_entropy(s.sum, log)))
}

/// A region of a product, one block column of the operands after the other: every element is read once, and no more
/// than one block of each row is held.
pub(super) fn product(
	q: &Question<'_>,
	rows: Range<u32>,
	cols: Range<u32>,
	x: &Reader<'_>,
) -> Result<Vec<i32>> {
	let (depth, width) = (x.decl(0)?.cols, Element::I8.block_cols());
	let mut sums = vec![0i64; rows.len().saturating_mul(cols.len())];
	for start in (0..depth).step_by(width as usize) {
		let part = start..start.saturating_add(width).min(depth);
		let read = |input, rows: Range<u32>| -> Result<Vec<Vec<i32>>> {
			let mut all = Vec::with_capacity(rows.len());
			for row in rows {
				let mut values = Vec::with_capacity(part.len());
				x.each(input, row, part.clone(), |v| values.push(v))?;
				all.push(values);
			}
			Ok(all)
		};
		let (left, right) = (read(0, rows.clone())?, read(1, cols.clone())?);
		for (a, sums) in left.iter().zip(sums.chunks_mut(cols.len().max(1))) {
			for (b, sum) in right.iter().zip(sums) {
				// 512 products of bytes fit a word, and 2^22 of them fit 64 bits.
				let dot = a
					.iter()
					.zip(b)
					.fold(0i32, |s, (a, b)| s.wrapping_add(a.wrapping_mul(*b)));
				*sum = sum.saturating_add(dot.into());
			}
		}
	}
	let width = cols.len().max(1);
	let mut out = Vec::with_capacity(sums.len());
	for (at, sum) in sums.into_iter().enumerate() {
		out.push(i32::try_from(sum).map_err(|_| ArbiterError::Overflow {
			op: q.op.kind(),
			row: rows.start.saturating_add((at / width) as u32),
			col: cols.start.saturating_add((at % width) as u32),
		})?);
	}
	Ok(out)
}
