// SPDX-License-Identifier: Apache-2.0

//! Random valid instructions that move, gather and add up elements, and the arithmetic between two tensors.

use super::{spread, words, Rng, Shape};
use poaiw_program::{Element, Op, OpKind, TensorDecl, Window};

/// A matrix of either type, with the whole range of the type.
fn either(rng: &mut Rng, rows: u32, cols: u32) -> TensorDecl {
	let element = if rng.below(2) == 0 {
		Element::I8
	} else {
		Element::I32
	};
	let (lo, hi) = element.limits();
	TensorDecl::new(element, rows, cols, lo, hi)
}

/// A random window over images that it fits.
fn window(rng: &mut Rng) -> Window {
	let kernel = 1 + rng.below(5);
	let padding = rng.below(kernel);
	let least = kernel.saturating_sub(2 * padding).max(1);
	Window {
		height: least + rng.below(9),
		width: least + rng.below(9),
		kernel,
		stride: 1 + rng.below(3),
		padding,
	}
}

pub fn shape_of(kind: OpKind, rng: &mut Rng, r: u32, c: u32, k: u32) -> Shape {
	use Element::I32;
	let any = words(r, c, i32::MIN, i32::MAX);
	match kind {
		OpKind::Multiply => {
			let bits = rng.below(31);
			let a = words(r, c, -(1 << bits), 1 << bits);
			let other = 1 << (30 - bits);
			let b = spread(rng, words(r, c, -other, other));
			let shift = rng.below(32);
			(Op::Multiply { shift }, vec![a, b], I32, r, c)
		}
		OpKind::Min => (Op::Min, vec![any, spread(rng, any)], I32, r, c),
		OpKind::Max => (Op::Max, vec![any, spread(rng, any)], I32, r, c),
		OpKind::Select => (Op::Select, vec![any, any, any], I32, r, c),
		OpKind::RoundShift => {
			let shift = rng.below(32);
			(Op::RoundShift { shift }, vec![any], I32, r, c)
		}
		OpKind::LeakyRelu => {
			let shift = 1 + rng.below(31);
			(Op::LeakyRelu { shift }, vec![any], I32, r, c)
		}
		OpKind::LeakyReluGrad => {
			let shift = 1 + rng.below(31);
			(
				Op::LeakyReluGrad { shift },
				vec![any, either(rng, r, c)],
				I32,
				r,
				c,
			)
		}
		OpKind::Iota => {
			let op = Op::Iota {
				divisor: 1 + rng.below(2 * c),
				modulus: 1 + rng.below(3 * r),
				offset: rng.value(-(1 << 30), 1 << 30),
			};
			(op, vec![], I32, r, c)
		}
		OpKind::StepIndices => {
			let population = k + rng.below(5000);
			(Op::StepIndices { population }, vec![], I32, k, 1)
		}
		OpKind::GatherElements => {
			let (n, m) = (1 + rng.below(40), 1 + rng.below(600));
			let index = words(r, c, 0, (n * m) as i32 - 1);
			(Op::GatherElements, vec![either(rng, n, m), index], I32, r, c)
		}
		OpKind::ScatterAddRows => {
			let to = 1 + rng.below(50);
			let most = i32::MAX / r as i32;
			let x = words(r, c, -most, most);
			(
				Op::ScatterAddRows,
				vec![x, words(r, 1, 0, to as i32 - 1)],
				I32,
				to,
				c,
			)
		}
		OpKind::Patches | OpKind::PatchesGradient => windows(kind, rng),
		_ => moved(kind, rng, r, c),
	}
}

fn windows(kind: OpKind, rng: &mut Rng) -> Shape {
	let window = window(rng);
	let (n, channels) = (1 + rng.below(3), 1 + rng.below(40));
	let (image, patch) = (
		(n * window.height * window.width, channels),
		(
			n * window.out_height() * window.out_width(),
			window.kernel * window.kernel * channels,
		),
	);
	if kind == OpKind::Patches {
		let x = either(rng, image.0, image.1);
		return (Op::Patches(window), vec![x], x.element, patch.0, patch.1);
	}
	let most = i32::MAX / (window.kernel * window.kernel) as i32;
	let x = words(patch.0, patch.1, -most, most);
	(
		Op::PatchesGradient(window),
		vec![x],
		Element::I32,
		image.0,
		image.1,
	)
}

fn moved(kind: OpKind, rng: &mut Rng, r: u32, c: u32) -> Shape {
	// Groups of few rows and parts of few columns, and others that cross the edges of blocks.
	let mut few = |small, large| {
		let most = if rng.below(2) == 0 { small } else { large };
		1 + rng.below(most)
	};
	let (rows, parts, groups, narrow) = (few(4, 40), few(4, 24), few(3, 30), few(5, 150));
	match kind {
		OpKind::Roll => {
			let op = Op::Roll {
				down: rng.below(r),
				right: rng.below(c),
			};
			let x = either(rng, r, c);
			(op, vec![x], x.element, r, c)
		}
		OpKind::Reshape => {
			let x = either(rng, r * parts, narrow * rows);
			let (to_rows, to_cols) = match rng.below(3) {
				0 => (r, parts * narrow * rows),
				1 => (r * rows, parts * narrow),
				_ => (r * parts * rows, narrow),
			};
			(Op::Reshape, vec![x], x.element, to_rows, to_cols)
		}
		OpKind::SplitColumns => {
			let x = either(rng, groups * rows, parts * narrow);
			let op = Op::SplitColumns { rows, parts };
			(op, vec![x], x.element, groups * parts * rows, narrow)
		}
		OpKind::MergeColumns => {
			let x = either(rng, groups * parts * rows, narrow);
			let op = Op::MergeColumns { rows, parts };
			(op, vec![x], x.element, groups * rows, parts * narrow)
		}
		OpKind::GroupTranspose => {
			let x = either(rng, groups * rows, narrow);
			(
				Op::GroupTranspose { groups },
				vec![x],
				x.element,
				groups * narrow,
				rows,
			)
		}
		_ => panic!("{} has no sample", kind.name()),
	}
}
