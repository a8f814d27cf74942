// SPDX-License-Identifier: Apache-2.0

//! The matrices of a transformer: names, sizes, first values, and places in the state.

use crate::{
	architecture::{Objective, Transformer},
	parameters::{limit_of, Matrix},
};

/// Places of the matrices in the state.
pub(super) const TOKENS: usize = 0;
pub(super) const POSITIONS: usize = 1;
pub(super) const HEAD: usize = 2;
pub(super) const FIRST_BLOCK: usize = 3;

/// Matrices of a block, in the order of the state.
#[derive(Clone, Copy)]
pub(super) enum Part {
	Query,
	Key,
	Value,
	Output,
	Up,
	Down,
}

const PARTS: [(Part, &str); 6] = [
	(Part::Query, "q"),
	(Part::Key, "k"),
	(Part::Value, "v"),
	(Part::Output, "o"),
	(Part::Up, "u"),
	(Part::Down, "d"),
];

/// Place of a matrix of a block.
pub(super) fn place(layer: u32, part: Part) -> usize {
	FIRST_BLOCK + layer as usize * PARTS.len() + part as usize
}

/// The matrices of a model with a vocabulary of this size, in the order of the state, all stored `[out, in]`. An encoder has
/// an embedding for one more token, the mask token, which it never predicts.
pub fn matrices(model: &Transformer, vocabulary: u32) -> Vec<Matrix> {
	let (width, inner) = (model.width, model.feed_forward());
	let matrix = |name: String, rows, cols, limit, decays| Matrix {
		name,
		rows,
		cols,
		limit,
		decays,
	};
	let (known, of_positions) = match model.objective() {
		Objective::NextToken => (vocabulary, 1 << 21),
		// All rows see the same tokens: only positions tell neighbours from others, so they start as large as tokens.
		Objective::MaskedToken { .. } => (vocabulary.saturating_add(1), 1 << 22),
	};
	let mut all = vec![
		matrix("tok".into(), known, width, 1 << 22, false),
		matrix("pos".into(), model.context, width, of_positions, false),
		// The head starts smaller: a small first loss, no saturated softmax.
		matrix("head".into(), vocabulary, width, limit_of(width.into()) / 2, true),
	];
	for layer in 0..model.layers {
		for (part, name) in PARTS {
			let (rows, cols) = match part {
				Part::Up => (inner, width),
				Part::Down => (width, inner),
				_ => (width, width),
			};
			// What is added to the residual stream starts smaller in deeper models.
			let depth = match part {
				Part::Output | Part::Down => 2 * u64::from(model.layers),
				_ => 1,
			};
			let limit = limit_of(u64::from(cols) * depth);
			all.push(matrix(format!("{name}{layer}"), rows, cols, limit, true));
		}
	}
	all
}
