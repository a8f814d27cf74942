// SPDX-License-Identifier: Apache-2.0

//! Writes programs instruction by instruction; every tensor gets the range that validation would prove for it.

use crate::{error::ModelError, layers::Operand};
use poaiw_program::{
	range::{output_range, MAX_REDUCE},
	Element, Input, Instruction, Op, Program, Reason, Role, Rounding, TensorDecl, TensorId,
};

/// Names the part of a model that could not be written.
pub(crate) fn emit<T>(place: &str, result: Result<T, Reason>) -> Result<T, ModelError> {
	let place = place.to_string();
	result.map_err(|reason| ModelError::Emit { place, reason })
}

/// An `i32` tensor with a power-of-two exponent: value = mantissa · 2^exponent.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
	/// The mantissas.
	pub mantissa: TensorId,
	/// The exponent, a scalar.
	pub exponent: TensorId,
}

/// A program under construction.
#[derive(Debug, Default)]
pub struct Builder {
	program: Program,
	constants: Vec<(i32, TensorId)>,
}

impl Builder {
	/// An empty program.
	pub fn new() -> Self {
		Self::default()
	}

	/// The program.
	pub fn finish(self) -> Program {
		self.program
	}

	/// The program so far.
	pub fn program(&mut self) -> &mut Program {
		&mut self.program
	}

	/// The declaration of a tensor of this program.
	pub fn decl(&self, id: TensorId) -> TensorDecl {
		self.program.tensors[id.0 as usize]
	}

	fn declare(&mut self, decl: TensorDecl) -> TensorId {
		let id = TensorId(self.program.tensors.len() as u32);
		self.program.tensors.push(decl);
		id
	}

	/// An input.
	pub fn input(&mut self, role: Role, decl: TensorDecl) -> TensorId {
		let tensor = self.declare(decl);
		self.program.inputs.push(Input { role, tensor });
		tensor
	}

	/// Appends an instruction whose output has these sizes; its range is the proven one.
	///
	/// # Errors
	/// If the operation refuses the inputs: the rule or bound that does not hold.
	pub fn emit(
		&mut self,
		op: Op,
		inputs: &[TensorId],
		element: Element,
		rows: u32,
		cols: u32,
	) -> Result<TensorId, Reason> {
		let decls: Vec<TensorDecl> = inputs.iter().map(|id| self.decl(*id)).collect();
		let refs: Vec<&TensorDecl> = decls.iter().collect();
		let (lo, hi) = element.limits();
		let mut out = TensorDecl::new(element, rows, cols, lo, hi);
		let range = output_range(&op, &refs, &out)?;
		// An interval of a word operation fits a word, or the operation would have refused.
		out.lo = range.lo.clamp(lo.into(), hi.into()) as i32;
		out.hi = range.hi.clamp(lo.into(), hi.into()) as i32;
		let output = self.declare(out);
		let inputs = inputs.to_vec();
		self.program.instructions.push(Instruction { op, inputs, output });
		Ok(output)
	}

	/// An operation on words that keeps the sizes of its first input.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn map(&mut self, op: Op, inputs: &[TensorId]) -> Result<TensorId, Reason> {
		let first = self.decl(inputs[0]);
		self.emit(op, inputs, Element::I32, first.rows, first.cols)
	}

	/// A constant scalar; equal ones are shared.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn constant(&mut self, value: i32) -> Result<TensorId, Reason> {
		if let Some((_, id)) = self.constants.iter().find(|(v, _)| *v == value) {
			return Ok(*id);
		}
		let id = self.emit(Op::Constant { value }, &[], Element::I32, 1, 1)?;
		self.constants.push((value, id));
		Ok(id)
	}

	/// Rows of `x` named by `index`.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn gather(&mut self, x: TensorId, index: TensorId) -> Result<TensorId, Reason> {
		let (x_decl, rows) = (self.decl(x), self.decl(index).rows);
		self.emit(Op::GatherRows, &[x, index], x_decl.element, rows, x_decl.cols)
	}

	/// `xᵀ`.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn transpose(&mut self, x: TensorId) -> Result<TensorId, Reason> {
		let d = self.decl(x);
		self.emit(Op::Transpose, &[x], d.element, d.cols, d.rows)
	}

	/// `a · bᵀ`, exponents added.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn product(&mut self, a: Scaled, b: Scaled) -> Result<Scaled, Reason> {
		let (rows, cols) = (self.decl(a.mantissa).rows, self.decl(b.mantissa).rows);
		Ok(Scaled {
			mantissa: self.emit(Op::Product, &[a.mantissa, b.mantissa], Element::I32, rows, cols)?,
			exponent: self.map(Op::Add, &[a.exponent, b.exponent])?,
		})
	}

	/// The largest magnitude of a tensor of words: partials, as often as needed, and their maximum.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn max_abs(&mut self, x: TensorId) -> Result<TensorId, Reason> {
		let partials = self.partials(Op::MaxAbsPartials, x)?;
		self.emit(Op::MaxReduce, &[partials], Element::I32, 1, 1)
	}

	/// The sum of a tensor of words.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn sum(&mut self, x: TensorId) -> Result<TensorId, Reason> {
		let partials = self.partials(Op::SumPartials, x)?;
		self.emit(Op::SumReduce, &[partials], Element::I32, 1, 1)
	}

	fn partials(&mut self, op: Op, mut x: TensorId) -> Result<TensorId, Reason> {
		loop {
			let blocks = self.decl(x).blocks() as u32;
			x = self.emit(op, &[x], Element::I32, blocks, 1)?;
			if blocks <= MAX_REDUCE {
				return Ok(x);
			}
		}
	}

	/// Int7 mantissas with one exponent for the tensor.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn requantise(&mut self, x: Scaled, rounding: Rounding) -> Result<Scaled, Reason> {
		self.quantise(x, rounding, Operand::Narrow)
	}

	/// Int7 mantissas with an exponent of its own for every row, which is dropped: enough where only comparisons inside
	/// of a row follow. A row's result does not depend on its neighbours.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn requantise_rows(&mut self, x: TensorId) -> Result<TensorId, Reason> {
		let d = self.decl(x);
		let max = self.emit(Op::RowMaxAbs, &[x], Element::I32, d.rows, 1)?;
		let shift = self.map(
			Op::ExcessBits {
				bits: Operand::Narrow.bits(),
			},
			&[max],
		)?;
		let op = Op::Requantise {
			rounding: Rounding::HalfUp,
		};
		self.emit(op, &[x, shift], Element::I8, d.rows, d.cols)
	}
}
