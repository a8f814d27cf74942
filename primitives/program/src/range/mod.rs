// SPDX-License-Identifier: Apache-2.0

//! Proof of bounds, operation by operation: shapes, parameters, and the interval of the output from those of the inputs.
//!
//! All interval arithmetic is in `i128`, so that it cannot overflow itself; an interval that leaves 32 bits on the way is
//! refused with the bound it broke.

mod interval;
mod movement;
mod normalise;
mod pointwise;
mod rows;
mod training;

use crate::{
	arith,
	error::{bound, saturated, Reason},
	op::{Op, OPERAND_MAX, WIDE_MAX},
	tensor::{Element, TensorDecl},
};
use alloc::{format, string::String};
pub use interval::Interval;
use movement::{counts, indexed, moved, windows};
use normalise::{attention, attention_backward, centre, gelu, rms, rms_gradient};
use pointwise::{binary, gate, select, unary};
use rows::{group_product, row_divide, row_reduction};
use training::{adam_square, optimiser, requantise, rescale, softmax};

/// Most columns of the operands of a product: what the exact int8 product takes.
pub const MAX_DEPTH: u32 = poaiw_work::gemm::MAX_DEPTH as u32;
/// Most elements of the input of `MaxReduce` and `SumReduce`.
pub const MAX_REDUCE: u32 = 1024;
/// Largest magnitude of an exponent.
pub const MAX_EXPONENT: i32 = 1 << 20;
/// Largest magnitude of a weight that an optimiser reads or writes.
pub const MAX_WEIGHT: i32 = 1 << 28;
/// Most columns of an operation that reads whole rows: loops on devices stay below 65,536 rounds.
pub const MAX_ROW: u32 = 65535;

type Decl = TensorDecl;

fn shape(ok: bool, rule: &'static str, decls: &[&Decl]) -> Result<(), Reason> {
	if ok {
		return Ok(());
	}
	let mut got = String::new();
	for d in decls {
		if !got.is_empty() {
			got.push_str(", ");
		}
		got.push_str(&format!("{:?} [{}, {}]", d.element, d.rows, d.cols));
	}
	Err(Reason::Shape { rule, got })
}

fn is(d: &Decl, element: Element, rows: u32, cols: u32) -> bool {
	(d.element, d.rows, d.cols) == (element, rows, cols)
}

fn word(d: &Decl) -> bool {
	d.element == Element::I32
}

fn scalar(d: &Decl) -> bool {
	is(d, Element::I32, 1, 1)
}

/// Whether `d` can stand beside every row and column of `out`.
fn spread(d: &Decl, out: &Decl) -> bool {
	word(d) && (d.rows == 1 || d.rows == out.rows) && (d.cols == 1 || d.cols == out.cols)
}

fn negatable(what: &'static str, d: &Decl) -> Result<(), Reason> {
	bound(what, d.lo, i64::from(i32::MIN) + 1, i32::MAX)
}

fn within(what: &'static str, d: &Decl, least: i32, most: i32) -> Result<(), Reason> {
	bound(what, d.lo, least, most)?;
	bound(what, d.hi, least, most)
}

/// Proves that an instruction stays inside of the declared range of its output.
///
/// # Errors
/// As [`output_range`], or [`Reason::Range`] with what the output may reach.
pub fn prove(op: &Op, inputs: &[&Decl], out: &Decl) -> Result<(), Reason> {
	let range = output_range(op, inputs, out)?;
	if range.lo >= out.lo.into() && range.hi <= out.hi.into() {
		return Ok(());
	}
	Err(Reason::Range {
		lo: saturated(range.lo),
		hi: saturated(range.hi),
		declared_lo: out.lo,
		declared_hi: out.hi,
	})
}

/// Checks shapes and parameters of one instruction and proves the interval of its output.
///
/// `inputs` has the number of tensors that the kind asks for; every declaration is itself sound (`lo <= hi`, sizes bounded).
///
/// # Errors
/// The rule or bound that does not hold.
pub fn output_range(op: &Op, inputs: &[&Decl], out: &Decl) -> Result<Interval, Reason> {
	match (op, inputs) {
		(Op::Constant { .. } | Op::RandomUniform { .. } | Op::Schedule { .. }, []) => source(op, out),
		(Op::BatchIndices { .. } | Op::StepIndices { .. } | Op::Iota { .. }, []) => counts(op, out),
		(Op::Product, [a, b]) => product(a, b, out),
		(Op::Transpose, [x]) => {
			shape(
				is(out, x.element, x.cols, x.rows),
				"the output is the input's type with rows and columns exchanged",
				&[x, out],
			)?;
			Ok(Interval::of(x))
		}
		(Op::GatherRows | Op::GatherElements | Op::ScatterAddRows, [x, index]) => indexed(op, x, index, out),
		(
			Op::Roll { .. }
			| Op::Reshape
			| Op::SplitColumns { .. }
			| Op::MergeColumns { .. }
			| Op::GroupTranspose { .. },
			[x],
		) => moved(op, x, out),
		(Op::Patches(window) | Op::PatchesGradient(window), [x]) => windows(op, window, x, out),
		(
			Op::Add | Op::Sub | Op::Multiply { .. } | Op::Min | Op::Max | Op::Equal | Op::Ema { .. },
			[a, b],
		) => binary(op, a, b, out),
		(Op::Select, [condition, a, b]) => select(condition, a, b, out),
		(
			Op::Abs
			| Op::Clip { .. }
			| Op::Decay { .. }
			| Op::ExcessBits { .. }
			| Op::Relu
			| Op::RoundShift { .. }
			| Op::LeakyRelu { .. },
			[x],
		) => unary(op, x, out),
		(
			Op::MaxAbsPartials | Op::SumPartials | Op::MaxReduce | Op::SumReduce | Op::RowMaxAbs | Op::Argmax,
			[x],
		) => reduction(op, x, out),
		(Op::Requantise { rounding }, [x, s]) => requantise(*rounding, OPERAND_MAX, x, s, out),
		(Op::RequantiseWide { rounding }, [x, s]) => requantise(*rounding, WIDE_MAX, x, s, out),
		(Op::Rescale { unit, limit }, [x, e]) => rescale(*unit, *limit, x, e, out),
		(Op::ReluGrad | Op::LeakyReluGrad { .. }, [g, a]) => gate(op, g, a, out),
		(Op::SoftmaxGradient | Op::CrossEntropy, [z, labels, e]) => softmax(op, z, labels, e, out),
		(Op::BiasCorrection | Op::AdamCorrection, [p1, p2]) => {
			shape(
				scalar(p1) && scalar(p2) && scalar(out),
				"two I32 scalars give an I32 scalar",
				&[p1, p2, out],
			)?;
			within("a power of beta", p1, 0, 1 << 30)?;
			within("a power of beta", p2, 0, 1 << 30)?;
			Ok(Interval::new(0, 65535))
		}
		(Op::L1Adam { .. } | Op::Adam { .. } | Op::Sgd { .. }, _) => optimiser(op, inputs, out),
		(Op::AdamSquare { floor }, [v, g]) => adam_square(*floor, v, g, out),
		(Op::RowSum | Op::RowMax | Op::RowSumSquares, [x]) => row_reduction(op, x, out),
		(Op::RowDivide { shift }, [x, d]) => row_divide(*shift, x, d, out),
		(Op::GroupProduct { groups }, [a, b]) => group_product(*groups, a, b, out),
		(Op::Softmax { top }, [z, visible, e]) => attention(*top, z, visible, e, out),
		(Op::SoftmaxBackward { limit }, [p, g, sum]) => attention_backward(*limit, p, g, sum, out),
		(Op::RmsNorm | Op::RmsFactor | Op::RmsExponent, [x]) => rms(op, x, out),
		(Op::RmsNormGradient { bits }, &[g, y, f, e, most]) => rms_gradient(*bits, [g, y, f, e, most], out),
		(Op::Centre, [x]) => centre(x, out),
		(Op::Gelu, [x]) => gelu(x, out),
		_ => Err(Reason::Bound {
			what: "the number of inputs",
			got: inputs.len() as i64,
			least: op.kind().inputs() as i64,
			most: op.kind().inputs() as i64,
		}),
	}
}

fn source(op: &Op, out: &Decl) -> Result<Interval, Reason> {
	shape(word(out), "the output is I32", &[out])?;
	match *op {
		Op::Constant { value } => Ok(Interval::new(value, value)),
		Op::RandomUniform { scale, shift } => {
			bound("scale", scale, 1, 32768)?;
			bound("shift", shift, 0, 31)?;
			Ok(Interval::new(
				arith::random_uniform::<i32>(0, scale, shift),
				arith::random_uniform::<i32>(u32::MAX, scale, shift),
			))
		}
		Op::Schedule {
			peak,
			floor,
			warmup,
			total,
		} => {
			shape(scalar(out), "the output is an I32 scalar", &[out])?;
			bound("peak", peak, 0, 65536)?;
			bound("floor", floor, 0, peak)?;
			bound("total", total, 1, u32::MAX)?;
			bound("warmup", warmup, 0, total - 1)?;
			bound("peak * total", i128::from(peak) * i128::from(total), 0, u32::MAX)?;
			Ok(Interval::new(0, peak))
		}
		_ => Err(Reason::Shape {
			rule: "not a source",
			got: String::new(),
		}),
	}
}

fn product(a: &Decl, b: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		a.element == Element::I8
			&& b.element == Element::I8
			&& a.cols == b.cols
			&& is(out, Element::I32, a.rows, b.rows),
		"I8 [m, k] and I8 [n, k] give I32 [m, n]",
		&[a, b, out],
	)?;
	within("an operand of a product", a, -OPERAND_MAX, OPERAND_MAX)?;
	within("an operand of a product", b, -OPERAND_MAX, OPERAND_MAX)?;
	bound("k", a.cols, 1, MAX_DEPTH)?;
	let (a_range, b_range) = (Interval::of(a), Interval::of(b));
	let k = i128::from(a.cols);
	// Any order of additions stays within this, not only the whole sum.
	let most = k * a_range.magnitude() * b_range.magnitude();
	bound("k * max|a| * max|b|", most, 0, i32::MAX)?;
	Ok(a_range.times(b_range).times(Interval::new(k, k)))
}

fn reduction(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(word(x) && word(out), "input and output are I32", &[x, out])?;
	if matches!(op, Op::RowMaxAbs | Op::Argmax) {
		bound("columns of a row reduction", x.cols, 1, MAX_ROW)?;
	}
	let range = Interval::of(x);
	let max_abs = || -> Result<Interval, Reason> {
		negatable("the input", x)?;
		Ok(Interval::new(0, range.magnitude()))
	};
	match op {
		Op::MaxAbsPartials | Op::SumPartials => {
			let rule = "the output is I32 [blocks of the input, 1]";
			shape(
				u64::from(out.rows) == x.blocks() && out.cols == 1,
				rule,
				&[x, out],
			)?;
			if matches!(op, Op::MaxAbsPartials) {
				return max_abs();
			}
			let count = i128::from(x.rows.min(16)) * i128::from(x.cols.min(128));
			// A block at the edge has fewer elements: the interval contains every smaller sum of the same sign.
			let sums = Interval::new(range.lo.min(range.lo * count), range.hi.max(range.hi * count));
			sums.word("the sum of a block")
		}
		Op::MaxReduce | Op::SumReduce => {
			shape(
				x.cols == 1 && scalar(out),
				"I32 [n, 1] gives an I32 scalar",
				&[x, out],
			)?;
			bound("the length of the input", x.rows, 1, MAX_REDUCE)?;
			if matches!(op, Op::MaxReduce) {
				return Ok(range);
			}
			let n = i128::from(x.rows);
			// Partial sums too, in any order.
			Interval::new(range.lo.min(range.lo * n), range.hi.max(range.hi * n)).word("the sum")?;
			Ok(Interval::new(range.lo * n, range.hi * n))
		}
		Op::RowMaxAbs => {
			shape(
				is(out, Element::I32, x.rows, 1),
				"I32 [r, c] gives I32 [r, 1]",
				&[x, out],
			)?;
			max_abs()
		}
		_ => {
			shape(
				is(out, Element::I32, x.rows, 1),
				"I32 [r, c] gives I32 [r, 1]",
				&[x, out],
			)?;
			Ok(Interval::new(0, x.cols.saturating_sub(1)))
		}
	}
}
