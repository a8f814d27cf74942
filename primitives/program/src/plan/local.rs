// SPDX-License-Identifier: Apache-2.0

//! Which rows of its inputs an operation needs for some rows of its output.

use crate::{
	op::Op,
	tensor::{TensorDecl, TILE_ROWS},
};
use alloc::{vec, vec::Vec};
use Part::{Rows, Whole};

/// What an operation reads of an input for one unit of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
	/// All of it.
	Whole,
	/// So many rows, those of the unit.
	Rows(u32),
}

/// An operation as independent units of work, one after the other from the first row to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
	/// What a unit reads, for every input.
	pub(super) inputs: Vec<Part>,
	/// Rows of the output that a unit writes.
	pub(super) output: u32,
}

/// Columns of a block of words.
const BLOCK_COLS: u32 = 128;

/// The smallest units of an operation; `None` if its output can't be computed by rows.
///
/// A product's operands count as a whole: somebody may want to look at them before it is computed.
pub(super) fn local(op: &Op, inputs: &[&TensorDecl], out: &TensorDecl) -> Option<Local> {
	// One row of the output beside one row of this input, or all of the input beside every row.
	let beside = |d: &TensorDecl| match d.rows == out.rows && d.rows > 1 {
		true => Rows(1),
		false => Whole,
	};
	let by_row = |parts: &[Part]| Local {
		inputs: parts.to_vec(),
		output: 1,
	};
	let units = |from: u32, to: u32| Local {
		inputs: vec![Rows(from)],
		output: to,
	};
	Some(match (op, inputs) {
		(
			Op::Abs
			| Op::Clip { .. }
			| Op::Decay { .. }
			| Op::ExcessBits { .. }
			| Op::Relu
			| Op::RoundShift { .. }
			| Op::LeakyRelu { .. }
			| Op::Gelu
			| Op::RmsNorm
			| Op::RmsFactor
			| Op::RmsExponent
			| Op::Centre
			| Op::RowMaxAbs
			| Op::RowSum
			| Op::RowMax
			| Op::RowSumSquares
			| Op::Argmax
			| Op::Roll { down: 0, .. },
			[_],
		) => by_row(&[Rows(1)]),
		(
			Op::Add
			| Op::Sub
			| Op::Multiply { .. }
			| Op::Min
			| Op::Max
			| Op::Rescale { .. }
			| Op::RowDivide { .. }
			| Op::Requantise { .. }
			| Op::RequantiseWide { .. },
			[_, b],
		) => by_row(&[Rows(1), beside(b)]),
		(
			Op::Ema { .. } | Op::Equal | Op::ReluGrad | Op::LeakyReluGrad { .. } | Op::AdamSquare { .. },
			[_, _],
		) => by_row(&[Rows(1); 2]),
		(Op::Select | Op::SoftmaxBackward { .. }, [_, _, _]) => by_row(&[Rows(1); 3]),
		(Op::SoftmaxGradient | Op::CrossEntropy, [_, _, _]) => by_row(&[Rows(1), Rows(1), Whole]),
		(Op::Softmax { .. }, [_, _, e]) => by_row(&[Rows(1), Rows(1), beside(e)]),
		(Op::RmsNormGradient { .. }, [_, _, _, _, _]) => by_row(&[Rows(1), Rows(1), Rows(1), Rows(1), Whole]),
		(Op::Adam { .. } | Op::L1Adam { .. }, [_, _, _, _, _]) => {
			by_row(&[Rows(1), Rows(1), Rows(1), Whole, Whole])
		}
		(Op::Sgd { .. }, [_, _, _]) => by_row(&[Rows(1), Rows(1), Whole]),
		(Op::GatherRows | Op::GatherElements, [_, _]) => by_row(&[Whole, Rows(1)]),
		(Op::Product, [_, _]) => by_row(&[Whole; 2]),
		(Op::MaxAbsPartials | Op::SumPartials, [x]) => units(TILE_ROWS as u32, x.cols.div_ceil(BLOCK_COLS)),
		(&Op::GroupProduct { groups }, [a, b]) => Local {
			inputs: vec![
				Rows(a.rows.checked_div(groups)?),
				Rows(b.rows.checked_div(groups)?),
			],
			output: out.rows.checked_div(groups)?,
		},
		(&Op::GroupTranspose { groups }, [x]) => {
			units(x.rows.checked_div(groups)?, out.rows.checked_div(groups)?)
		}
		(&Op::SplitColumns { rows, parts }, [_]) => units(rows, rows.checked_mul(parts)?),
		(&Op::MergeColumns { rows, parts }, [_]) => units(rows.checked_mul(parts)?, rows),
		(Op::Patches(w), [_]) => units(w.height.checked_mul(w.width)?, patches(w)?),
		(Op::PatchesGradient(w), [_]) => units(patches(w)?, w.height.checked_mul(w.width)?),
		(Op::Reshape, [x]) => {
			let shared = gcd(x.cols, out.cols).max(1);
			units(out.cols / shared, x.cols / shared)
		}
		_ => return None,
	})
}

fn patches(window: &crate::op::Window) -> Option<u32> {
	window.out_height().checked_mul(window.out_width())
}

/// Greatest common divisor.
pub(super) fn gcd(mut a: u32, mut b: u32) -> u32 {
	while b != 0 {
		(a, b) = (b, a % b);
	}
	a
}
