// SPDX-License-Identifier: Apache-2.0

//! The sequences of a batch inside of a program: which rows are tokens and which are padding, and the mean of a
//! sequence's rows.

use crate::{attention::Heads, builder::Builder, inference::Bucket};
use poaiw_program::{Element, Op, Reason, Role, TensorDecl, TensorId};

/// Data sets before the tensors of the model: tokens and lengths.
pub(crate) const REQUESTS: u16 = 2;

/// Data set inputs, taken one after the other.
pub(crate) struct Inputs<'a> {
	decls: &'a [TensorDecl],
	next: u16,
}

impl<'a> Inputs<'a> {
	/// From the declarations of all data sets.
	pub(crate) fn new(decls: &'a [TensorDecl]) -> Self {
		Self { decls, next: 0 }
	}

	/// The next one.
	pub(crate) fn take(&mut self, b: &mut Builder) -> Result<TensorId, Reason> {
		let number = self.next;
		self.next += 1;
		let decl = self
			.decls
			.get(usize::from(number))
			.copied()
			.ok_or(Reason::Shape {
				rule: "every tensor of the model is a data set",
				got: format!("data set {number} of {}", self.decls.len()),
			})?;
		Ok(b.input(Role::Data(number), decl))
	}

	/// The rows of the next one that belong to this batch.
	fn batch(&mut self, b: &mut Builder, rows: u32) -> Result<TensorId, Reason> {
		let all = self.take(b)?;
		let population = b.decl(all).rows;
		let index = b.emit(Op::StepIndices { population }, &[], Element::I32, rows, 1)?;
		b.gather(all, index)
	}
}

/// Sequences of one length, the rest of which is padding.
pub(crate) struct Sequences {
	/// Token of every row.
	pub(crate) tokens: TensorId,
	/// Place of every row in its sequence.
	pub(crate) positions: TensorId,
	/// 1 for every row behind the end of its sequence, 0 for the others.
	pub(crate) padding: TensorId,
	/// Tokens of every sequence.
	lengths: TensorId,
	/// Sequence of every row.
	of_rows: TensorId,
	/// Sequence of every row of a head.
	of_heads: TensorId,
	count: u32,
}

impl Sequences {
	/// Reads the batch of this step from the first two data sets, tokens and lengths.
	pub(crate) fn read(
		b: &mut Builder,
		inputs: &mut Inputs<'_>,
		bucket: &Bucket,
		heads: &Heads,
	) -> Result<Self, Reason> {
		let rows = bucket.sequences * bucket.length;
		let tokens = inputs.batch(b, rows)?;
		let lengths = inputs.batch(b, bucket.sequences)?;
		let of_rows = b.iota(rows, bucket.length, bucket.sequences, 0)?;
		let of_heads = b.iota(heads.rows(), heads.heads * bucket.length, bucket.sequences, 0)?;
		let positions = b.iota(rows, 1, bucket.length, 0)?;
		let length = b.gather(lengths, of_rows)?;
		Ok(Self {
			tokens,
			positions,
			padding: padding(b, positions, length)?,
			lengths,
			of_rows,
			of_heads,
			count: bucket.sequences,
		})
	}

	/// For every row of a head the number of tokens that it sees: those of its sequence.
	pub(crate) fn visible(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		b.gather(self.lengths, self.of_heads)
	}

	/// 1 for every row of a sequence, 0 for its padding.
	pub(crate) fn kept(&self, b: &mut Builder) -> Result<TensorId, Reason> {
		let (minus, one) = (b.constant(-1)?, b.constant(1)?);
		let negative = b.map(Op::Multiply { shift: 0 }, &[self.padding, minus])?;
		b.map(Op::Add, &[negative, one])
	}

	/// The sum over the kept rows of a sequence, divided by its root mean square: the direction of their mean, unit 2^-10,
	/// `[sequences, columns]`. Rows lose `shift` bits before they are added.
	pub(crate) fn pool(
		&self,
		b: &mut Builder,
		x: TensorId,
		kept: TensorId,
		shift: u32,
	) -> Result<TensorId, Reason> {
		let rows = b.map(Op::Multiply { shift }, &[x, kept])?;
		let cols = b.decl(rows).cols;
		let inputs = [rows, self.of_rows];
		let sum = b.emit(Op::ScatterAddRows, &inputs, Element::I32, self.count, cols)?;
		b.map(Op::RmsNorm, &[sum])
	}
}

fn padding(b: &mut Builder, position: TensorId, length: TensorId) -> Result<TensorId, Reason> {
	let behind = b.map(Op::Sub, &[position, length])?;
	let one = b.constant(1)?;
	let behind = b.map(Op::Add, &[behind, one])?;
	b.map(Op::Clip { lo: 0, hi: 1 }, &[behind])
}
