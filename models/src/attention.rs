// SPDX-License-Identifier: Apache-2.0

//! Attention and its gradient as instructions. Queries, keys and values are stacked by sequence and head.

use crate::{
	builder::{Builder, Scaled},
	layers::Operand,
};
use poaiw_program::{Element, Op, Reason, TensorId};

/// Left shift before the division by the sum of attention weights.
const DIVIDE_SHIFT: u32 = 9;
/// Bits of the gradient of an attention's output before it is shifted left and divided.
const ATTENTION_GRADIENT_BITS: u32 = 21;
/// Most bits of the gradient of attention weights.
const WEIGHT_GRADIENT_BITS: u32 = 15;

/// Sizes of an attention: `sequences * length` rows, `heads` heads in each row.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
	/// Sequences.
	pub sequences: u32,
	/// Tokens of a sequence.
	pub length: u32,
	/// Heads.
	pub heads: u32,
	/// Width of a head.
	pub width: u32,
	/// Operands of the products inside of the attention.
	pub operand: Operand,
}

/// What the gradient of an attention needs; matrices are stacked by sequence and head.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
	/// Queries.
	pub q: Scaled,
	/// Keys.
	pub k: Scaled,
	/// Values.
	pub v: Scaled,
	/// Attention weights relative to each row's largest.
	pub weights: TensorId,
	/// Their sum by row.
	pub sum: TensorId,
}

impl Heads {
	/// Stacked matrices.
	pub fn groups(&self) -> u32 {
		self.sequences * self.heads
	}

	/// Rows of all stacked matrices.
	pub fn rows(&self) -> u32 {
		self.groups() * self.length
	}

	/// Exponent of the factor of the scores: `2^scale` is about `1 / sqrt(width)`.
	pub fn scale(&self) -> i32 {
		-(self.width.next_power_of_two().ilog2().div_ceil(2) as i32)
	}
}

impl Builder {
	/// The transpose of each stacked matrix.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn group_transpose(&mut self, x: TensorId, groups: u32) -> Result<TensorId, Reason> {
		let d = self.decl(x);
		let op = Op::GroupTranspose { groups };
		self.emit(op, &[x], d.element, groups * d.cols, d.rows / groups.max(1))
	}

	/// `a · bᵀ` for each pair of stacked matrices.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn group_product(&mut self, a: TensorId, b: TensorId, groups: u32) -> Result<TensorId, Reason> {
		let (rows, cols) = (self.decl(a).rows, self.decl(b).rows / groups.max(1));
		self.emit(Op::GroupProduct { groups }, &[a, b], Element::I32, rows, cols)
	}

	/// Cuts rows into heads, stacked by sequence and head.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn split_heads(&mut self, x: TensorId, heads: &Heads) -> Result<TensorId, Reason> {
		let d = self.decl(x);
		let op = Op::SplitColumns {
			rows: heads.length,
			parts: heads.heads,
		};
		self.emit(op, &[x], d.element, d.rows * heads.heads, d.cols / heads.heads)
	}

	/// Undoes [`Builder::split_heads`].
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn merge_heads(&mut self, x: TensorId, heads: &Heads) -> Result<TensorId, Reason> {
		let d = self.decl(x);
		let op = Op::MergeColumns {
			rows: heads.length,
			parts: heads.heads,
		};
		self.emit(op, &[x], d.element, d.rows / heads.heads, d.cols * heads.heads)
	}

	/// Attention weights of stacked queries and keys, and their sums by row. Row `t` of a sequence sees the first
	/// `visible[t]` tokens of it.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn attend(
		&mut self,
		heads: &Heads,
		[q, k]: [Scaled; 2],
		visible: TensorId,
	) -> Result<(TensorId, TensorId), Reason> {
		let scores = self.group_product(q.mantissa, k.mantissa, heads.groups())?;
		let exponent = self.map(Op::Add, &[q.exponent, k.exponent])?;
		let exponent = self.raise(exponent, heads.scale())?;
		let d = self.decl(scores);
		let op = Op::Softmax {
			top: heads.operand.limit(),
		};
		let weights = self.emit(op, &[scores, visible, exponent], Element::I8, d.rows, d.cols)?;
		let sum = self.emit(Op::RowSum, &[weights], Element::I32, d.rows, 1)?;
		// The row's largest weight is never zero, which no interval of a sum can prove.
		let one = self.constant(1)?;
		Ok((weights, self.map(Op::Max, &[sum, one])?))
	}

	/// Means of stacked values by attention weights.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn attention_output(
		&mut self,
		heads: &Heads,
		(weights, sum): (TensorId, TensorId),
		v: Scaled,
	) -> Result<Scaled, Reason> {
		let values = self.group_transpose(v.mantissa, heads.groups())?;
		let total = self.group_product(weights, values, heads.groups())?;
		let mut shift = DIVIDE_SHIFT;
		while shift > 0 && u64::from(self.magnitude(total)) << shift > i32::MAX as u64 {
			shift -= 1;
		}
		let mantissa = self.map(Op::RowDivide { shift }, &[total, sum])?;
		Ok(Scaled {
			mantissa,
			exponent: self.raise(v.exponent, -(shift as i32))?,
		})
	}

	/// Gradients of queries, keys and values (rows of tokens again) from that of an attention's output; `halves` says
	/// whether gradients enter products as two operands.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn attention_gradient(
		&mut self,
		heads: &Heads,
		attention: &Attention,
		gradient: Scaled,
		halves: bool,
	) -> Result<[Scaled; 3], Reason> {
		let groups = heads.groups();
		let filled = self.fill(gradient, ATTENTION_GRADIENT_BITS)?;
		let stacked = self.split_heads(filled.mantissa, heads)?;
		let op = Op::RowDivide { shift: DIVIDE_SHIFT };
		let divided = Scaled {
			mantissa: self.map(op, &[stacked, attention.sum])?,
			exponent: self.raise(filled.exponent, -(DIVIDE_SHIFT as i32))?,
		};
		// The gradient of the sum over tokens, whose division by the sum of weights is done.
		let g = self.quantise_gradient(divided, heads.operand, halves)?;

		let weights = self.group_transpose(attention.weights, groups)?;
		let dv = self.product_of_halves(g, |b, half| {
			let columns = b.group_transpose(half.mantissa, groups)?;
			Ok(Scaled {
				mantissa: b.group_product(weights, columns, groups)?,
				..half
			})
		})?;
		let of_weights =
			self.product_of_halves(g, |b, half| b.scaled_group_product(half, attention.v, groups))?;
		let of_scores = self.softmax_gradient(heads, attention, of_weights)?;
		let s = self.quantise_gradient(of_scores, heads.operand, halves)?;

		let keys = self.group_transposed(attention.k, groups)?;
		let dq = self.product_of_halves(s, |b, half| b.scaled_group_product(half, keys, groups))?;
		let queries = self.group_transposed(attention.q, groups)?;
		let dk = self.product_of_halves(s, |b, half| {
			let columns = b.group_transposed(half, groups)?;
			b.scaled_group_product(columns, queries, groups)
		})?;
		let mut merged = [dq, dk, dv];
		for x in &mut merged {
			x.mantissa = self.merge_heads(x.mantissa, heads)?;
		}
		Ok(merged)
	}

	/// Gradient of the scores from that of the weights.
	fn softmax_gradient(
		&mut self,
		heads: &Heads,
		attention: &Attention,
		of_weights: Scaled,
	) -> Result<Scaled, Reason> {
		let mut bits = WEIGHT_GRADIENT_BITS;
		let most = u64::from(heads.length) * u64::from(heads.operand.limit());
		while bits > 1 && most << bits > i32::MAX as u64 {
			bits -= 1;
		}
		let of_weights = self.fill(of_weights, bits)?;
		let op = Op::SoftmaxBackward { limit: 1 << bits };
		let d = self.decl(of_weights.mantissa);
		let inputs = [attention.weights, of_weights.mantissa, attention.sum];
		Ok(Scaled {
			mantissa: self.emit(op, &inputs, Element::I32, d.rows, d.cols)?,
			exponent: self.raise(of_weights.exponent, heads.scale())?,
		})
	}

	fn group_transposed(&mut self, x: Scaled, groups: u32) -> Result<Scaled, Reason> {
		Ok(Scaled {
			mantissa: self.group_transpose(x.mantissa, groups)?,
			..x
		})
	}

	fn scaled_group_product(&mut self, a: Scaled, b: Scaled, groups: u32) -> Result<Scaled, Reason> {
		Ok(Scaled {
			mantissa: self.group_product(a.mantissa, b.mantissa, groups)?,
			exponent: self.map(Op::Add, &[a.exponent, b.exponent])?,
		})
	}
}
