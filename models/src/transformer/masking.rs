// SPDX-License-Identifier: Apache-2.0

//! Masked-token prediction: which tokens an encoder does not get to see, and which of its losses count.

use crate::builder::Builder;
use poaiw_program::{Element, Op, Reason, TensorId};

/// Values of the random word that decides about a token.
const WORDS: u32 = 1 << 16;
/// The evaluation hides one token of so many.
const EVERY: u32 = 7;
/// The first token that it hides: a window has at least two.
const FIRST: u32 = 1;

/// Tokens of a training step, some of which are hidden.
pub(super) struct Hidden {
	/// What the model sees.
	pub(super) inputs: TensorId,
	/// 1 for every token that it is asked for, 0 for the others.
	pub(super) asked: TensorId,
}

/// Tokens that a step of `rows` tokens asks for on average, rounded up, where `share` of 65,536 are hidden.
pub(super) fn expected(rows: u32, share: u32) -> u32 {
	(u64::from(rows) * u64::from(share))
		.div_ceil(WORDS.into())
		.clamp(1, rows.into()) as u32
}

/// Tokens that the evaluation hides of `rows`, which are two or more.
pub(super) fn measured(rows: u32) -> u32 {
	rows.saturating_sub(FIRST).div_ceil(EVERY)
}

/// A column of equal words.
fn column(b: &mut Builder, value: i32, rows: u32) -> Result<TensorId, Reason> {
	b.emit(Op::Constant { value }, &[], Element::I32, rows, 1)
}

/// Hides about `share` of 65,536 tokens by keyed random words. As in BERT, of ten hidden tokens eight show the mask token,
/// one shows a token from elsewhere in the batch, and one shows itself: embeddings are made from visible tokens, whose
/// rows would otherwise never have been asked for anything.
pub(super) fn hide(b: &mut Builder, tokens: TensorId, mask: i32, share: u32) -> Result<Hidden, Reason> {
	let rows = b.decl(tokens).rows;
	let op = Op::RandomUniform { scale: 1, shift: 0 };
	let random = b.emit(op, &[], Element::I32, rows, 1)?;
	// Above zero for the upper `share` of the words -2^15 to 2^15 - 1.
	let upper = |b: &mut Builder, share: u32| b.raise(random, share as i32 + 1 - (1 << 15));
	let masked = upper(b, share * 8 / 10)?;
	let replaced = upper(b, share * 9 / 10)?;
	let hidden = upper(b, share)?;

	let op = Op::Roll {
		down: rows / 2,
		right: 0,
	};
	let others = b.map(op, &[tokens])?;
	let inputs = b.map(Op::Select, &[replaced, others, tokens])?;
	let mask = column(b, mask, rows)?;
	Ok(Hidden {
		inputs: b.map(Op::Select, &[masked, mask, inputs])?,
		asked: b.map(Op::Clip { lo: 0, hi: 1 }, &[hidden])?,
	})
}

/// Hides every seventh token of the held-out windows. Gives what the model sees, and the rows of the hidden tokens.
pub(super) fn hide_measured(b: &mut Builder, tokens: TensorId, mask: i32) -> Result<[TensorId; 2], Reason> {
	let rows = b.decl(tokens).rows;
	let distance = b.iota(rows, 1, EVERY, -(FIRST as i32))?;
	let visible = b.map(Op::Abs, &[distance])?;
	let mask = column(b, mask, rows)?;
	let inputs = b.map(Op::Select, &[visible, tokens, mask])?;

	let count = measured(rows);
	let number = b.iota(count, 1, count, 0)?;
	let every = b.constant(EVERY as i32)?;
	let first = b.map(Op::Multiply { shift: 0 }, &[number, every])?;
	Ok([inputs, b.raise(first, FIRST as i32)?])
}

/// The mean of the losses that were asked for; 0 in a step that asked for none.
pub(super) fn mean_loss(b: &mut Builder, losses: TensorId, asked: TensorId) -> Result<TensorId, Reason> {
	let losses = b.map(Op::Multiply { shift: 0 }, &[losses, asked])?;
	let (sum, count, one) = (b.sum(losses)?, b.sum(asked)?, b.constant(1)?);
	let count = b.map(Op::Max, &[count, one])?;
	b.map(Op::RowDivide { shift: 0 }, &[sum, count])
}
