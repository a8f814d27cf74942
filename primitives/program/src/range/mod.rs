// SPDX-License-Identifier: Apache-2.0

//! Proof of bounds, operation by operation: shapes, parameters, and the interval of the output from those of the inputs.
//!
//! All interval arithmetic is in `i128`, so that it cannot overflow itself; an interval that leaves 32 bits on the way is
//! refused with the bound it broke.

mod interval;
mod training;

use crate::{
	arith,
	error::{bound, saturated, Reason},
	op::{Op, OPERAND_MAX},
	tensor::{Element, TensorDecl},
};
use alloc::{format, string::String};
pub use interval::Interval;
use training::{optimiser, requantise, rescale, softmax};

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
		(
			Op::Constant { .. } | Op::RandomUniform { .. } | Op::BatchIndices { .. } | Op::Schedule { .. },
			[],
		) => source(op, out),
		(Op::Product, [a, b]) => product(a, b, out),
		(Op::Transpose, [x]) => {
			shape(
				is(out, x.element, x.cols, x.rows),
				"the output is the input's type with rows and columns exchanged",
				&[x, out],
			)?;
			Ok(Interval::of(x))
		}
		(Op::GatherRows, [x, index]) => {
			shape(
				is(index, Element::I32, out.rows, 1) && is(out, x.element, out.rows, x.cols),
				"x [n, c] and I32 index [r, 1] give [r, c] of the type of x",
				&[x, index, out],
			)?;
			within("an index of rows", index, 0, x.rows.saturating_sub(1) as i32)?;
			Ok(Interval::of(x))
		}
		(Op::Add | Op::Sub | Op::Equal | Op::Ema { .. }, [a, b]) => binary(op, a, b, out),
		(Op::Abs | Op::Clip { .. } | Op::Decay { .. } | Op::ExcessBits { .. } | Op::Relu, [x]) => {
			unary(op, x, out)
		}
		(
			Op::MaxAbsPartials | Op::SumPartials | Op::MaxReduce | Op::SumReduce | Op::RowMaxAbs | Op::Argmax,
			[x],
		) => reduction(op, x, out),
		(Op::Requantise { rounding }, [x, s]) => requantise(*rounding, x, s, out),
		(Op::Rescale { unit, limit }, [x, e]) => rescale(*unit, *limit, x, e, out),
		(Op::ReluGrad, [g, a]) => {
			shape(
				word(g) && g.same_layout(out) && (a.rows, a.cols) == (g.rows, g.cols),
				"an I32 gradient [r, c] and an activation [r, c] give I32 [r, c]",
				&[g, a, out],
			)?;
			Ok(Interval::of(g).hull(Interval::new(0, 0)))
		}
		(Op::SoftmaxGradient | Op::CrossEntropy, [z, labels, e]) => softmax(op, z, labels, e, out),
		(Op::BiasCorrection, [p1, p2]) => {
			shape(
				scalar(p1) && scalar(p2) && scalar(out),
				"two I32 scalars give an I32 scalar",
				&[p1, p2, out],
			)?;
			within("a power of beta", p1, 0, 1 << 30)?;
			within("a power of beta", p2, 0, 1 << 30)?;
			Ok(Interval::new(0, 65535))
		}
		(Op::L1Adam { .. } | Op::Sgd { .. }, _) => optimiser(op, inputs, out),
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
		Op::BatchIndices { population } => {
			shape(out.cols == 1, "the output is I32 [batch, 1]", &[out])?;
			bound("population", population, 1, 1 << 30)?;
			bound("the batch (rows of the output)", out.rows, 1, population)?;
			Ok(Interval::new(0, population - 1))
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
	let corners = [
		a_range.lo * b_range.lo,
		a_range.lo * b_range.hi,
		a_range.hi * b_range.lo,
		a_range.hi * b_range.hi,
	];
	let lo = corners.iter().min().copied().unwrap_or_default();
	let hi = corners.iter().max().copied().unwrap_or_default();
	Ok(Interval::new(k * lo, k * hi))
}

fn binary(op: &Op, a: &Decl, b: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(a) && a.same_layout(b) && a.same_layout(out),
		"both inputs and the output are I32 of the same size",
		&[a, b, out],
	)?;
	let (x, y) = (Interval::of(a), Interval::of(b));
	match *op {
		Op::Add => x.plus(y).word("the sum"),
		Op::Sub => x.minus(y).word("the difference"),
		Op::Ema { shift } => {
			bound("shift", shift, 1, 30)?;
			y.minus(x).word("value - average")?;
			// a + rsh(v - a, s) with s >= 1 lies between a and v.
			Ok(x.hull(y))
		}
		_ => Ok(Interval::new(0, 1)),
	}
}

fn unary(op: &Op, x: &Decl, out: &Decl) -> Result<Interval, Reason> {
	shape(
		word(x) && x.same_layout(out),
		"input and output are I32 of the same size",
		&[x, out],
	)?;
	let range = Interval::of(x);
	match *op {
		Op::Abs => {
			negatable("the input", x)?;
			let least = if range.lo <= 0 && range.hi >= 0 {
				0
			} else {
				range.lo.abs().min(range.hi.abs())
			};
			Ok(Interval::new(least, range.magnitude()))
		}
		Op::Clip { lo, hi } => {
			bound("lo", lo, i32::MIN, hi)?;
			Ok(range.clamp(lo, hi))
		}
		Op::Decay { shift } => {
			bound("shift", shift, 1, 31)?;
			bound("the input", x.lo, 0, i32::MAX)?;
			range.rising(|x| arith::decay(x, shift))
		}
		Op::ExcessBits { bits } => {
			bound("bits", bits, 0, 31)?;
			bound("the input", x.lo, 0, i32::MAX)?;
			range.rising(|x| arith::excess_bits(x, bits))
		}
		_ => range.rising(|x| x.max(0)),
	}
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
