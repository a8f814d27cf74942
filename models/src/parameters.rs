// SPDX-License-Identifier: Apache-2.0

//! The matrices of a model: their names, first values, and places in the state.

use crate::{
	architecture::{Optimiser, FINEST_UNIT},
	builder::Builder,
	optimiser::{scalar_state, state_of, WEIGHT_LIMIT},
};
use poaiw_program::{Element, Op, Program, Reason, Role, TensorDecl, TensorId};

/// One matrix of weights, `[out, in]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
	/// Its name.
	pub name: String,
	/// Rows: outputs of the layer, or entries of an embedding.
	pub rows: u32,
	/// Columns: inputs of the layer, or width of an embedding.
	pub cols: u32,
	/// First values are uniform in plus or minus this, unit 2^-24.
	pub limit: u64,
	/// Whether weight decay acts on it.
	pub decays: bool,
}

/// Limit of a uniform distribution of standard deviation 1/sqrt(fan_in), unit 2^-24: sqrt(3 / fan_in).
pub fn limit_of(fan_in: u64) -> u64 {
	((3u64 << 48) / fan_in.max(1)).isqrt()
}

/// The operation that draws values uniform in about plus or minus `limit`.
pub fn uniform(limit: u64) -> Op {
	// limit = scale * 2^(15 - shift) with the largest scale that has 15 bits.
	let mut shift = 0;
	while shift < 31 && (limit << shift) >> 15 <= 1 << 14 {
		shift += 1;
	}
	Op::RandomUniform {
		scale: ((limit << shift) >> 15).clamp(1, 32768) as u32,
		shift,
	}
}

/// All matrices of a model in the order of the state, with the optimiser whose tensors stand between them.
///
/// The state is, matrix by matrix, the matrix and the optimiser's tensors for it; then the optimiser's scalars.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
	/// The matrices.
	pub matrices: &'a [Matrix],
	/// The optimiser.
	pub optimiser: &'a Optimiser,
}

impl Parameters<'_> {
	/// State tensors of one matrix: itself and the optimiser's.
	fn state_of(&self, matrix: &Matrix) -> Vec<TensorDecl> {
		let own = TensorDecl::new(
			Element::I32,
			matrix.rows,
			matrix.cols,
			-WEIGHT_LIMIT,
			WEIGHT_LIMIT,
		);
		let mut all = vec![own];
		all.extend(state_of(self.optimiser, matrix.rows, matrix.cols));
		all
	}

	/// Number of state tensors of one matrix.
	pub fn tensors_per_matrix(&self) -> usize {
		1 + state_of(self.optimiser, 1, 1).len()
	}

	/// Number of the first scalar of the optimiser in the state.
	pub fn first_scalar(&self) -> u16 {
		(self.matrices.len() * self.tensors_per_matrix()) as u16
	}

	/// The program that draws the first state.
	///
	/// # Errors
	/// If a matrix is out of bounds.
	pub fn initial(&self) -> Result<Program, Reason> {
		let mut b = Builder::new();
		let mut state = Vec::new();
		for matrix in self.matrices {
			let op = uniform(matrix.limit >> (self.optimiser.weight_unit() - FINEST_UNIT));
			state.push(b.emit(op, &[], Element::I32, matrix.rows, matrix.cols)?);
			for d in state_of(self.optimiser, matrix.rows, matrix.cols) {
				state.push(b.emit(Op::Constant { value: 0 }, &[], d.element, d.rows, d.cols)?);
			}
		}
		for (_, value) in scalar_state(self.optimiser) {
			state.push(b.emit(Op::Constant { value }, &[], Element::I32, 1, 1)?);
		}
		let mut program = b.finish();
		program.state = state;
		Ok(program)
	}

	/// Inputs for the whole state of every matrix: `[weights, optimiser's tensors...]`.
	pub fn inputs(&self, b: &mut Builder) -> Vec<Vec<TensorId>> {
		let mut number = 0u16;
		let per_matrix = |matrix: &Matrix| {
			let inputs = self.state_of(matrix).into_iter().map(|decl| {
				let id = b.input(Role::State(number), decl);
				number += 1;
				id
			});
			inputs.collect()
		};
		self.matrices.iter().map(per_matrix).collect()
	}

	/// Inputs for the weights alone.
	pub fn weights(&self, b: &mut Builder) -> Vec<TensorId> {
		let step = self.tensors_per_matrix() as u16;
		let mut number = 0u16;
		let per_matrix = |matrix: &Matrix| {
			let decl = self.state_of(matrix).swap_remove(0);
			let id = b.input(Role::State(number), decl);
			number += step;
			id
		};
		self.matrices.iter().map(per_matrix).collect()
	}
}
