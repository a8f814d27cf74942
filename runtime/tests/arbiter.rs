// SPDX-License-Identifier: Apache-2.0

//! The arbiter inside the wasm runtime gives the bits of the executor, for every operation.

#[path = "../../primitives/program/tests/common/mod.rs"]
mod samples;

use codec::{DecodeAll, Encode};
use poaiw_primitives::program::{
	arbiter::{dependencies, BlockId, BlockSource, Case, Opened, Question, TensorBlocks},
	execute_op, OpKind,
};
use polkadot_sdk::*;
use samples::{sample, Rng};
use sc_executor::WasmExecutor;
use sp_core::traits::{CallContext, CodeExecutor, FetchRuntimeCode, RuntimeCode};
use std::borrow::Cow;

/// Samples of each operation.
const SAMPLES: u32 = 6;

struct Wasm(&'static [u8]);

impl FetchRuntimeCode for Wasm {
	fn fetch_runtime_code(&self) -> Option<Cow<'_, [u8]>> {
		Some(self.0.into())
	}
}

/// The chain's code, called as a node calls it.
struct Chain {
	executor: WasmExecutor,
	wasm: Wasm,
}

impl Chain {
	fn new() -> Self {
		let wasm = poaiw_runtime::WASM_BINARY.expect("the runtime was built to wasm");
		Self {
			executor: WasmExecutor::builder().build(),
			wasm: Wasm(wasm),
		}
	}

	fn arbitrate(&self, case: &Case) -> Result<Vec<u8>, String> {
		let code = RuntimeCode {
			code_fetcher: &self.wasm,
			heap_pages: None,
			hash: vec![1],
		};
		let mut state = sp_io::TestExternalities::default();
		let (answer, _) = self.executor.call(
			&mut state.ext(),
			&code,
			"ArbiterApi_arbitrate",
			&case.encode(),
			CallContext::Offchain,
		);
		let answer = answer.expect("the runtime API answers");
		Result::<Vec<u8>, Vec<u8>>::decode_all(&mut &answer[..])
			.expect("the answer decodes")
			.map_err(|text| String::from_utf8(text).expect("errors are words"))
	}
}

/// A random block of a sample with the blocks that it depends on, and the executor's bytes of it.
fn case(kind: OpKind, seed: u32) -> (Case, Vec<u8>) {
	let sample = sample(kind, seed);
	let decls = sample.decl_refs();
	let blocks = TensorBlocks::new(&sample.tensor_refs()).expect("samples are small");
	let mut rng = Rng(seed);
	let (row, col) = (
		rng.below(sample.out.block_rows()),
		rng.below(sample.out.block_cols()),
	);
	let question = Question {
		op: &sample.op,
		context: &sample.context,
		inputs: &decls,
		out: &sample.out,
	};
	let needed = dependencies(&question, row, col, &blocks).expect("samples are valid");
	let open = |id: BlockId| Opened {
		input: id.input as u32,
		row: id.row,
		col: id.col,
		bytes: blocks.block(id).expect("the block exists").to_vec(),
	};
	let case = Case {
		op: sample.op,
		context: sample.context,
		inputs: sample.decls.clone(),
		out: sample.out,
		row,
		col,
		blocks: needed.into_iter().map(open).collect(),
	};
	let whole = execute_op(&sample.op, &sample.context, &sample.tensor_refs(), &sample.out)
		.expect("the executor takes every sample");
	let expected = whole.block(row, col).expect("the block exists").to_vec();
	(case, expected)
}

#[test]
fn wasm_arbiter_should_give_the_executors_bits_for_every_operation() {
	let chain = Chain::new();
	for kind in OpKind::ALL {
		for seed in 0..SAMPLES {
			let (case, expected) = case(*kind, seed);
			let got = chain
				.arbitrate(&case)
				.unwrap_or_else(|e| panic!("{} with seed {seed}: {e}", kind.name()));
			assert!(got == expected, "{} with seed {seed}: other bits", kind.name());
		}
	}
}

#[test]
fn wasm_arbiter_should_refuse_in_words_when_blocks_are_missing_repeated_or_cut() {
	let chain = Chain::new();
	let (whole, _) = case(OpKind::Add, 1);
	let refused = |change: fn(&mut Case)| {
		let mut case = whole.clone();
		change(&mut case);
		chain.arbitrate(&case).expect_err("the case is refused")
	};
	let missing = refused(|case| {
		case.blocks.pop();
	});
	assert!(missing.contains("is needed and was not given"), "{missing}");
	let repeated = refused(|case| case.blocks.push(case.blocks[0].clone()));
	assert!(repeated.contains("given twice"), "{repeated}");
	let cut = refused(|case| {
		case.blocks[0].bytes.pop();
	});
	assert!(cut.contains("8191 bytes"), "{cut}");
	let flood = refused(|case| {
		case.blocks[0].bytes.clear();
		case.blocks = vec![case.blocks[0].clone(); 4097];
	});
	assert!(flood.contains("4097 input blocks"), "{flood}");
	let invalid = refused(|case| case.out.rows += 1);
	assert!(invalid.contains("the instruction is refused"), "{invalid}");
}
