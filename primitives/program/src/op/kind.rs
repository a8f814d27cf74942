// SPDX-License-Identifier: Apache-2.0

//! Operations without their parameters: names, numbers of inputs, and the list that checklists go through.

use super::Op;

macro_rules! kinds {
	($($kind:ident => $pattern:pat, $inputs:expr;)*) => {
		/// An operation without its parameters: for tables and checklists.
		#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
		#[allow(missing_docs)]
		pub enum OpKind { $($kind),* }

		impl OpKind {
			/// Every kind, in codec order.
			pub const ALL: &'static [OpKind] = &[$(OpKind::$kind),*];

			/// The kind's name, as in the source.
			pub fn name(self) -> &'static str {
				match self { $(OpKind::$kind => stringify!($kind)),* }
			}

			/// Number of input tensors.
			pub fn inputs(self) -> usize {
				match self { $(OpKind::$kind => $inputs),* }
			}
		}

		impl Op {
			/// The operation without its parameters.
			pub fn kind(&self) -> OpKind {
				match self { $($pattern => OpKind::$kind),* }
			}
		}
	};
}

kinds! {
	Constant => Op::Constant { .. }, 0;
	RandomUniform => Op::RandomUniform { .. }, 0;
	BatchIndices => Op::BatchIndices { .. }, 0;
	Schedule => Op::Schedule { .. }, 0;
	Product => Op::Product, 2;
	Transpose => Op::Transpose, 1;
	GatherRows => Op::GatherRows, 2;
	Add => Op::Add, 2;
	Sub => Op::Sub, 2;
	Abs => Op::Abs, 1;
	Clip => Op::Clip { .. }, 1;
	Ema => Op::Ema { .. }, 2;
	Decay => Op::Decay { .. }, 1;
	ExcessBits => Op::ExcessBits { .. }, 1;
	MaxAbsPartials => Op::MaxAbsPartials, 1;
	MaxReduce => Op::MaxReduce, 1;
	RowMaxAbs => Op::RowMaxAbs, 1;
	SumPartials => Op::SumPartials, 1;
	SumReduce => Op::SumReduce, 1;
	Requantise => Op::Requantise { .. }, 2;
	Rescale => Op::Rescale { .. }, 2;
	Relu => Op::Relu, 1;
	ReluGrad => Op::ReluGrad, 2;
	SoftmaxGradient => Op::SoftmaxGradient, 3;
	CrossEntropy => Op::CrossEntropy, 3;
	BiasCorrection => Op::BiasCorrection, 2;
	L1Adam => Op::L1Adam { .. }, 5;
	Sgd => Op::Sgd { .. }, 3;
	Argmax => Op::Argmax, 1;
	Equal => Op::Equal, 2;
	Multiply => Op::Multiply { .. }, 2;
	Min => Op::Min, 2;
	Max => Op::Max, 2;
	Select => Op::Select, 3;
	RoundShift => Op::RoundShift { .. }, 1;
	LeakyRelu => Op::LeakyRelu { .. }, 1;
	LeakyReluGrad => Op::LeakyReluGrad { .. }, 2;
	RowSum => Op::RowSum, 1;
	RowMax => Op::RowMax, 1;
	RowSumSquares => Op::RowSumSquares, 1;
	RowDivide => Op::RowDivide { .. }, 2;
	Roll => Op::Roll { .. }, 1;
	Reshape => Op::Reshape, 1;
	SplitColumns => Op::SplitColumns { .. }, 1;
	MergeColumns => Op::MergeColumns { .. }, 1;
	GroupTranspose => Op::GroupTranspose { .. }, 1;
	GroupProduct => Op::GroupProduct { .. }, 2;
	RequantiseWide => Op::RequantiseWide { .. }, 2;
	GatherElements => Op::GatherElements, 2;
	ScatterAddRows => Op::ScatterAddRows, 2;
	Iota => Op::Iota { .. }, 0;
	StepIndices => Op::StepIndices { .. }, 0;
	Patches => Op::Patches(_), 1;
	PatchesGradient => Op::PatchesGradient(_), 1;
	Softmax => Op::Softmax { .. }, 3;
	SoftmaxBackward => Op::SoftmaxBackward { .. }, 3;
	RmsNorm => Op::RmsNorm, 1;
	RmsFactor => Op::RmsFactor, 1;
	RmsExponent => Op::RmsExponent, 1;
	RmsNormGradient => Op::RmsNormGradient { .. }, 5;
	Centre => Op::Centre, 1;
	Gelu => Op::Gelu, 1;
	AdamSquare => Op::AdamSquare { .. }, 2;
	Adam => Op::Adam { .. }, 5;
	AdamCorrection => Op::AdamCorrection, 2;
}
