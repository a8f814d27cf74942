// SPDX-License-Identifier: Apache-2.0

//! Every operation: the executor gives the bits of all arbiter blocks, inside the proven range, from the stated blocks.

mod common;

use codec::{Decode, Encode};
use common::{random_tensor, sample, Case, Rng};
use poaiw_commitment::BLOCK_BYTES;
use poaiw_program::{
	arbiter::{
		all_blocks, block, dependencies, max_dependencies, region, ArbiterError, BlockId, BlockSource,
		Question, TensorBlocks,
	},
	arith::{rsh, sh, Checked, Word},
	cost::op_cost,
	execute_op, Op, OpKind, Tensor, TensorDecl,
};
use proptest::prelude::*;
use std::{cell::RefCell, collections::BTreeSet};

fn question<'a>(case: &'a Case, decls: &'a [&'a TensorDecl]) -> Question<'a> {
	Question {
		op: &case.op,
		context: &case.context,
		inputs: decls,
		out: &case.out,
	}
}

/// Gives only the allowed blocks, and notes which are asked for.
struct Watched<'a> {
	blocks: &'a TensorBlocks,
	allowed: BTreeSet<BlockId>,
	asked: RefCell<BTreeSet<BlockId>>,
}

impl BlockSource for Watched<'_> {
	fn block(&self, id: BlockId) -> Option<&[u8; BLOCK_BYTES]> {
		self.asked.borrow_mut().insert(id);
		self.allowed
			.contains(&id)
			.then(|| self.blocks.block(id))
			.flatten()
	}
}

fn check(kind: OpKind, seed: u32) -> Result<(), TestCaseError> {
	let case = sample(kind, seed);
	prop_assert_eq!(case.op.kind(), kind);
	let decls = case.decl_refs();
	let q = question(&case, &decls);
	let blocks = TensorBlocks::new(&case.tensor_refs()).unwrap();
	let fast = execute_op(&case.op, &case.context, &case.tensor_refs(), &case.out).unwrap();
	fast.check(&case.out)
		.map_err(|e| TestCaseError::fail(format!("{:?}: {e}", case.op)))?;
	let defined = all_blocks(&q, &blocks).unwrap_or_else(|e| panic!("{:?} {:?}: {e}", case.op, case.decls));
	prop_assert_eq!(&fast.to_bytes(), &defined, "{:?} {:?}", case.op, case.decls);

	// One block alone, from nothing but the blocks that it is said to depend on.
	let mut rng = Rng(seed ^ 0x5bd1);
	let (row, col) = (rng.below(case.out.block_rows()), rng.below(case.out.block_cols()));
	let ids = dependencies(&q, row, col, &blocks).unwrap();
	prop_assert!(
		ids.len() as u64 <= max_dependencies(&case.op, &decls, &case.out),
		"{ids:?}"
	);
	let source = Watched {
		blocks: &blocks,
		allowed: ids.iter().copied().collect(),
		asked: RefCell::default(),
	};
	let alone = block(&q, row, col, &source).unwrap();
	prop_assert_eq!(alone, fast.block(row, col).unwrap());
	let asked = source.asked.into_inner();
	prop_assert!(asked.iter().all(|id| ids.contains(id)));

	// Without a block that it asks for there is an error and no answer.
	if let Some(id) = asked.iter().nth(rng.below(asked.len() as u32) as usize) {
		let mut allowed: BTreeSet<BlockId> = ids.into_iter().collect();
		allowed.remove(id);
		let source = Watched {
			blocks: &blocks,
			allowed,
			asked: RefCell::default(),
		};
		prop_assert_eq!(block(&q, row, col, &source), Err(ArbiterError::Missing(*id)));
	}
	Ok(())
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn executor_should_equal_all_arbiter_blocks_for_every_operation(seed: u32) {
		for kind in OpKind::ALL {
			check(*kind, seed)?;
		}
	}

	#[test]
	fn a_tile_of_a_product_should_equal_that_part_of_the_block(seed: u32) {
		let case = sample(OpKind::Product, seed);
		let decls = case.decl_refs();
		let q = question(&case, &decls);
		let blocks = TensorBlocks::new(&case.tensor_refs()).unwrap();
		let whole = execute_op(&case.op, &case.context, &case.tensor_refs(), &case.out).unwrap();
		let mut rng = Rng(seed);
		let (top, left) = (rng.below(case.out.rows.div_ceil(16)) * 16, rng.below(case.out.cols.div_ceil(16)) * 16);
		let (bottom, right) = ((top + 16).min(case.out.rows), (left + 16).min(case.out.cols));
		let tile = region(&q, top..bottom, left..right, &blocks).unwrap();
		let mut expected = Vec::new();
		for row in top..bottom {
			for col in left..right {
				expected.push(whole.at((row * case.out.cols + col) as usize).unwrap());
			}
		}
		prop_assert_eq!(tile, expected);
	}

	#[test]
	fn shifts_should_be_the_rounded_quotient(x: i32, s in 0u32..32, n in 0i32..40) {
		let exact = (i128::from(x) * 2 + (1 << s)).div_euclid(1 << (s + 1));
		prop_assert_eq!(i128::from(rsh(x, s)), exact);
		prop_assert_eq!(rsh(Checked::of(x), s).get().map(i128::from), Some(exact));
		// To the left: exact, or saturated at 2^30 rounded down to the step.
		let limit = (1i128 << 30) >> n.min(30);
		let left = i128::from(x).clamp(-limit, limit) << n.min(30);
		prop_assert_eq!(i128::from(sh(x, -n)), if n == 0 { x.into() } else { left });
		prop_assert_eq!(sh(Checked::of(x), -n).get(), Some(sh(x, -n)));
	}
}

#[test]
fn values_outside_of_their_range_should_be_reported_and_not_computed_with() {
	let case = sample(OpKind::Add, 5);
	let decls = case.decl_refs();
	let mut words = case.tensors[0].i32s().unwrap().to_vec();
	words[0] = i32::MAX;
	let forged = Tensor::from_i32(case.tensors[0].rows(), case.tensors[0].cols(), words).unwrap();
	let blocks = TensorBlocks::new(&[&forged, &case.tensors[1]]).unwrap();
	let got = block(&question(&case, &decls), 0, 0, &blocks);
	assert_eq!(
		got,
		Err(ArbiterError::Range {
			input: 0,
			row: 0,
			col: 0,
			value: i32::MAX
		})
	);
}

#[test]
fn checked_words_should_keep_the_mark_of_an_overflow() {
	let max = Checked::of(i32::MAX);
	for bad in [
		max.plus(Checked::of(1)),
		Checked::of(i32::MIN).minus(Checked::of(1)),
		max.times(Checked::of(2)),
		Checked::of(1 << 30).shl(1),
	] {
		assert_eq!(bad.get(), None);
		assert_eq!(bad.clip(0, 1).minus(Checked::of(0)).get(), None);
	}
}

#[test]
fn instructions_that_are_not_valid_should_have_no_blocks() {
	let case = sample(OpKind::Relu, 9);
	let blocks = TensorBlocks::new(&case.tensor_refs()).unwrap();
	let invalid = |input: TensorDecl, out: TensorDecl| {
		let decls = [&input];
		let q = Question {
			op: &case.op,
			context: &case.context,
			inputs: &decls,
			out: &out,
		};
		assert!(matches!(
			dependencies(&q, 0, 0, &blocks),
			Err(ArbiterError::Invalid(_))
		));
		block(&q, 0, 0, &blocks).is_err()
	};
	let (input, out) = (case.decls[0], case.out);
	assert!(invalid(
		TensorDecl {
			rows: u32::MAX,
			..input
		},
		TensorDecl {
			rows: u32::MAX,
			..out
		}
	));
	assert!(invalid(
		TensorDecl { rows: 0, ..input },
		TensorDecl { rows: 0, ..out }
	));
	assert!(invalid(
		TensorDecl {
			cols: input.cols + 1,
			..input
		},
		out
	));
	assert!(invalid(
		TensorDecl {
			lo: 1,
			hi: 0,
			..input
		},
		out
	));
	assert!(invalid(
		input,
		TensorDecl {
			hi: out.hi - 1,
			..out
		}
	));
}

#[test]
fn blocks_that_do_not_exist_should_be_refused() {
	let case = sample(OpKind::Relu, 9);
	let decls = case.decl_refs();
	let q = question(&case, &decls);
	let blocks = TensorBlocks::new(&case.tensor_refs()).unwrap();
	let rows = case.out.block_rows();
	assert_eq!(
		block(&q, rows, 0, &blocks),
		Err(ArbiterError::NoBlock { row: rows, col: 0 })
	);
	let cols = case.out.block_cols();
	assert_eq!(
		block(&q, 0, cols, &blocks),
		Err(ArbiterError::NoBlock { row: 0, col: cols })
	);
	assert!(region(&q, 0..0, 0..1, &blocks).is_err());
	assert!(region(&q, 0..case.out.rows + 1, 0..1, &blocks).is_err());
	assert!(region(&q, u32::MAX..u32::MAX, 0..1, &blocks).is_err());
}

const SOURCE: &str = include_str!("../src/op/mod.rs");

/// The doc comment over a variant of `Op`, found by its codec index.
fn documentation(kind: OpKind, index: usize) -> String {
	let marker = format!("#[codec(index = {index})]\n\t{}", kind.name());
	let at = SOURCE
		.find(&marker)
		.unwrap_or_else(|| panic!("{} has no codec index {index}", kind.name()));
	let next = SOURCE[at + marker.len()..].chars().next();
	assert!(
		next.is_some_and(|c| !c.is_alphanumeric()),
		"{} is another kind",
		kind.name()
	);
	let lines = SOURCE[..at].trim_end().lines().rev();
	lines
		.take_while(|line| line.trim_start().starts_with("///"))
		.collect::<Vec<_>>()
		.join("\n")
}

#[test]
fn every_operation_should_have_documentation_cost_codec_and_sample() {
	for (index, kind) in OpKind::ALL.iter().enumerate() {
		let doc = documentation(*kind, index);
		let all_at_once = doc.contains("Formula, ranges, blocks, cost: as [`Op::");
		for part in ["Formula:", "Ranges:", "Blocks:", "Cost:"] {
			assert!(
				all_at_once || doc.contains(part),
				"{} lacks `{part}`",
				kind.name()
			);
		}
		let case = sample(*kind, index as u32);
		assert_eq!(case.op.kind(), *kind);
		assert_eq!(case.decls.len(), kind.inputs(), "{}", kind.name());
		assert_eq!(usize::from(case.op.encode()[0]), index, "{}", kind.name());
		assert_eq!(Op::decode(&mut &case.op.encode()[..]).unwrap(), case.op);
		let cost = op_cost(&case.op, &case.decl_refs(), &case.out);
		assert!(cost.total() > 0, "{} is free", kind.name());
		assert_eq!(
			cost.product_macs > 0,
			matches!(kind, OpKind::Product | OpKind::GroupProduct)
		);
		check(*kind, 1).unwrap();
	}
}

#[test]
fn kinds_should_be_listed_in_codec_order_and_nothing_beyond_them_decoded() {
	let (_, list) = SOURCE.split_once("//! The kinds, in codec order:").unwrap();
	let (list, _) = list.split_once("`.").unwrap();
	let listed: Vec<&str> = list
		.split([',', '\n'])
		.map(|name| name.trim_matches(|c: char| !c.is_alphanumeric()))
		.filter(|name| !name.is_empty())
		.collect();
	let all: Vec<&str> = OpKind::ALL.iter().map(|kind| kind.name()).collect();
	assert_eq!(listed, all);
	for index in all.len()..256 {
		let mut bytes = vec![index as u8];
		bytes.resize(64, 0);
		assert!(Op::decode(&mut &bytes[..]).is_err(), "{index}");
	}
}

#[test]
fn operands_of_another_type_or_size_should_be_an_error() {
	let mut rng = Rng(3);
	for kind in OpKind::ALL {
		let case = sample(*kind, 77);
		if case.decls.is_empty() {
			continue;
		}
		assert!(
			execute_op(&case.op, &case.context, &[], &case.out).is_err(),
			"{}",
			kind.name()
		);
		if matches!(kind, OpKind::Transpose) {
			continue;
		}
		let mut decl = case.decls[0];
		decl.rows += 1;
		decl.cols += 1;
		let grown = random_tensor(&mut rng, &decl);
		let mut refs = case.tensor_refs();
		refs[0] = &grown;
		// Never a panic; a result only where the sizes of the output don't follow from the first input.
		let _ = execute_op(&case.op, &case.context, &refs, &case.out);
	}
}
