// SPDX-License-Identifier: Apache-2.0

//! Static cost: multiply-accumulates of products, and element operations weighted into the same unit.

use crate::{
	op::{Op, Rounding},
	program::Program,
	tensor::TensorDecl,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// What a program costs when it runs once.
#[derive(
	Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Cost {
	/// Multiply-accumulates of products, sizes unpadded: what fees and credit are counted in.
	pub product_macs: u64,
	/// Everything else, weighted by [`op_cost`].
	pub element_ops: u64,
}

impl Cost {
	/// Sum of both parts.
	pub fn total(&self) -> u64 {
		self.product_macs.saturating_add(self.element_ops)
	}

	/// Component-wise sum, saturating.
	pub fn plus(self, other: Cost) -> Cost {
		Cost {
			product_macs: self.product_macs.saturating_add(other.product_macs),
			element_ops: self.element_ops.saturating_add(other.element_ops),
		}
	}

	/// Cost of running `times` times, saturating.
	pub fn times(self, times: u64) -> Cost {
		Cost {
			product_macs: self.product_macs.saturating_mul(times),
			element_ops: self.element_ops.saturating_mul(times),
		}
	}
}

/// Weight of one element, and whether the elements of the first input (instead of the output's) are counted.
fn weight(op: &Op) -> (u64, bool) {
	match op {
		Op::Constant { .. }
		| Op::Transpose
		| Op::GatherRows
		| Op::Add
		| Op::Sub
		| Op::Abs
		| Op::Clip { .. }
		| Op::Decay { .. }
		| Op::ExcessBits { .. }
		| Op::Relu
		| Op::ReluGrad
		| Op::Equal
		| Op::Min
		| Op::Max
		| Op::Select
		| Op::RoundShift { .. }
		| Op::LeakyRelu { .. }
		| Op::LeakyReluGrad { .. }
		| Op::Roll { .. }
		| Op::Reshape
		| Op::SplitColumns { .. }
		| Op::MergeColumns { .. }
		| Op::GroupTranspose { .. }
		| Op::GatherElements
		| Op::Iota { .. }
		| Op::StepIndices { .. }
		| Op::Patches(_) => (1, false),
		Op::RandomUniform { .. } => (8, false),
		Op::BatchIndices { .. } => (128, false),
		Op::Schedule { .. } => (16, false),
		// Counted by depth, or by both tensors: see `op_cost`.
		Op::Product | Op::GroupProduct { .. } | Op::ScatterAddRows => (1, false),
		Op::Ema { .. } | Op::Rescale { .. } | Op::Multiply { .. } | Op::Centre => (2, false),
		Op::MaxAbsPartials
		| Op::MaxReduce
		| Op::RowMaxAbs
		| Op::SumPartials
		| Op::SumReduce
		| Op::Argmax
		| Op::RowSum
		| Op::RowMax
		| Op::RowSumSquares
		| Op::PatchesGradient(_) => (1, true),
		Op::Requantise { rounding } | Op::RequantiseWide { rounding } => match rounding {
			Rounding::HalfUp => (2, false),
			Rounding::Keyed => (8, false),
		},
		Op::SoftmaxGradient | Op::Softmax { .. } => (32, false),
		Op::CrossEntropy => (32, true),
		Op::BiasCorrection | Op::RowDivide { .. } | Op::AdamCorrection => (4, false),
		Op::RmsFactor | Op::RmsExponent => (4, true),
		Op::Sgd { .. } | Op::SoftmaxBackward { .. } => (6, false),
		Op::RmsNorm | Op::RmsNormGradient { .. } => (8, false),
		Op::L1Adam { .. } | Op::Gelu | Op::AdamSquare { .. } => (24, false),
		Op::Adam { .. } => (48, false),
	}
}

/// Cost of one instruction; `inputs` and `out` as in its validation.
pub fn op_cost(op: &Op, inputs: &[&TensorDecl], out: &TensorDecl) -> Cost {
	let (weight, of_input) = weight(op);
	let element_ops = match (op, inputs.first()) {
		// A product is paid for whether or not tickets are drawn from it.
		(Op::Product | Op::GroupProduct { .. }, Some(a)) => {
			return Cost {
				product_macs: out.elements().saturating_mul(a.cols.into()),
				element_ops: 0,
			}
		}
		(Op::ScatterAddRows, Some(x)) => out.elements().saturating_add(x.elements()),
		(_, Some(x)) if of_input => x.elements().saturating_mul(weight),
		_ => out.elements().saturating_mul(weight),
	};
	Cost {
		product_macs: 0,
		element_ops,
	}
}

/// Cost of a program that runs once. Tensors that don't exist count as nothing: validate first.
pub fn cost(program: &Program) -> Cost {
	let mut sum = Cost::default();
	for i in &program.instructions {
		let inputs: Option<alloc::vec::Vec<&TensorDecl>> =
			i.inputs.iter().map(|id| program.tensor(*id)).collect();
		if let (Some(inputs), Some(out)) = (inputs, program.tensor(i.output)) {
			sum = sum.plus(op_cost(&i.op, &inputs, out));
		}
	}
	sum
}
