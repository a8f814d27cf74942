// SPDX-License-Identifier: Apache-2.0

//! Random valid instructions on whole rows, stacked products, and Adam.

use super::{ranged_bytes, scalar, words, Rng, Shape};
use poaiw_program::{normalise::Width, Element, Op, OpKind, Rounding, TensorDecl};

/// An instruction of a kind that this file knows.
pub fn shape_of(kind: OpKind, rng: &mut Rng, r: u32, c: u32, k: u32) -> Option<Shape> {
	use Element::{I32, I8};
	let row = words(r, c, -(1 << 30), 1 << 30);
	let number = |lo, hi| words(r, 1, lo, hi);
	let rate = scalar(0, 65536);
	Some(match kind {
		OpKind::RowSum if rng.below(2) == 0 => (Op::RowSum, vec![ranged_bytes(r, k, -128, 127)], I32, r, 1),
		OpKind::RowSum => {
			let most = i32::MAX / c as i32;
			(Op::RowSum, vec![words(r, c, -most, most)], I32, r, 1)
		}
		OpKind::RowMax => (Op::RowMax, vec![words(r, c, i32::MIN, i32::MAX)], I32, r, 1),
		OpKind::RowSumSquares if rng.below(2) == 0 => {
			(Op::RowSumSquares, vec![ranged_bytes(r, k, -128, 127)], I32, r, 1)
		}
		OpKind::RowSumSquares => {
			let most = f64::from(i32::MAX / c as i32).sqrt() as i32;
			(Op::RowSumSquares, vec![words(r, c, -most, most)], I32, r, 1)
		}
		OpKind::RowDivide => {
			let shift = rng.below(17);
			let most = i32::MAX >> shift;
			let inputs = vec![words(r, c, -most - 1, most), number(1, i32::MAX)];
			(Op::RowDivide { shift }, inputs, I32, r, c)
		}
		OpKind::GroupProduct => return Some(stacked(rng, k)),
		OpKind::RequantiseWide => {
			let keyed = rng.below(2) == 0;
			let (rounding, most) = if keyed {
				(Rounding::Keyed, 30)
			} else {
				(Rounding::HalfUp, 31)
			};
			let shift = if rng.below(2) == 0 {
				scalar(0, most)
			} else {
				number(0, most)
			};
			let x = if keyed {
				words(r, k, -(1 << 30), 1 << 30)
			} else {
				words(r, k, i32::MIN, i32::MAX)
			};
			(Op::RequantiseWide { rounding }, vec![x, shift], I8, r, k)
		}
		OpKind::Softmax => {
			let bits = rng.below(31);
			let e = if rng.below(2) == 0 {
				scalar(-60, 30)
			} else {
				number(-60, 30)
			};
			let z = words(r, c, -(1 << bits), (1 << bits) - 1);
			let top = 1 + rng.below(127);
			(Op::Softmax { top }, vec![z, number(1, c as i32), e], I8, r, c)
		}
		OpKind::SoftmaxBackward => {
			let top = 1 + rng.below(127) as i32;
			let limit = (i32::MAX / top / (c as i32).max(2)).min(i32::MAX >> rng.below(31));
			let inputs = vec![
				ranged_bytes(r, c, 0, top),
				words(r, c, -limit, limit),
				number(1, i32::MAX),
			];
			(Op::SoftmaxBackward { limit }, inputs, I32, r, c)
		}
		OpKind::RmsNorm => (Op::RmsNorm, vec![row], I32, r, c),
		OpKind::RmsFactor => (Op::RmsFactor, vec![row], I32, r, 1),
		OpKind::RmsExponent => (Op::RmsExponent, vec![row], I32, r, 1),
		OpKind::RmsNormGradient => return Some(gradient(rng, r, c)),
		OpKind::Centre => (Op::Centre, vec![row], I32, r, c),
		OpKind::Gelu => (Op::Gelu, vec![row], I32, r, c),
		OpKind::AdamSquare => {
			let op = Op::AdamSquare {
				floor: rng.below(2) == 0,
			};
			(op, vec![words(r, c, i32::MIN, i32::MAX), row], I32, r, c)
		}
		OpKind::Adam => {
			let op = Op::Adam {
				limit: rng.between(1, 1 << 28),
				decay: rng.below(256),
				floor: rng.below(2) == 0,
			};
			let w = words(r, c, -(1 << 28), 1 << 28);
			let m = words(r, c, -i32::MAX, i32::MAX);
			let v = words(r, c, i32::MIN, i32::MAX);
			(op, vec![w, m, v, rate, scalar(0, 65535)], I32, r, c)
		}
		OpKind::AdamCorrection => (Op::AdamCorrection, vec![scalar(0, 1 << 30); 2], I32, 1, 1),
		_ => return None,
	})
}

/// Stacks whose groups are smaller and larger than blocks, aligned to them and not.
fn stacked(rng: &mut Rng, k: u32) -> Shape {
	let groups = 1 + rng.below(9);
	let mut side = || {
		if rng.below(3) == 0 {
			16 * (1 + rng.below(3))
		} else {
			1 + rng.below(40)
		}
	};
	let (m, n) = (side(), side() * 4 / 3);
	let inputs = vec![
		ranged_bytes(groups * m, k, -127, 127),
		ranged_bytes(groups * n, k, -127, 127),
	];
	(Op::GroupProduct { groups }, inputs, Element::I32, groups * m, n)
}

/// The widest gradient whose sum over a row of normalised values fits.
fn gradient(rng: &mut Rng, r: u32, c: u32) -> Shape {
	let y = Width::of(c).most();
	let mut most = 16;
	while (i64::from(c) * i64::from(y / 8 + 1)) << most > i64::from(i32::MAX) - i64::from(c) {
		most -= 1;
	}
	// Half of what is left over goes into the factor.
	let bits = rng.below(most.min(12) + 1);
	let inputs: Vec<TensorDecl> = vec![
		words(r, c, -(1 << bits), 1 << bits),
		words(r, c, -y, y),
		words(r, 1, 0, 46340),
		words(r, 1, 0, 60),
		scalar(0, 60),
	];
	(Op::RmsNormGradient { bits }, inputs, Element::I32, r, c)
}
