// SPDX-License-Identifier: Apache-2.0

//! Validation of whole programs: declarations, order, sizes in all, encodings.

mod common;

use codec::Encode;
use common::{ranged_bytes as bytes, single, words, MAX, MIN};
use poaiw_program::{
	cost,
	program::{MAX_ENCODED_BYTES, MAX_INSTRUCTIONS},
	validate, DecodeError, Input, Instruction, Op, Program, Role, TensorDecl, TensorId,
};
use proptest::prelude::*;

fn refused_program(program: &Program, why: &str) {
	let text = validate(program).expect_err(why).to_string();
	assert!(text.contains(why), "`{text}` does not say `{why}`");
}

#[test]
fn declarations_should_be_bounded() {
	let with = |d: TensorDecl| single(Op::Relu, &[d], d);
	refused_program(&with(words(0, 1, 0, 1)), "tensor 0: rows is 0");
	refused_program(&with(words(1 << 21, 1, 0, 1)), "rows is 2097152");
	refused_program(&with(words(1, 0, 0, 1)), "columns is 0");
	refused_program(&with(words(1, (1 << 20) + 1, 0, 1)), "columns is 1048577");
	refused_program(&with(words(1 << 20, 1 << 20, 0, 1)), "elements is 1099511627776");
	refused_program(&with(words(1, 1, 2, 1)), "the declared lower end is 2");
	refused_program(&with(bytes(1, 1, -129, 1)), "the declared lower end is -129");
	refused_program(&with(bytes(1, 1, 0, 128)), "the declared upper end is 128");
	// Sizes that are allowed one by one are bounded together.
	let large = words(1 << 10, 1 << 18, 0, 1);
	let mut program = single(Op::Relu, &[large], large);
	for n in 0..70 {
		program.tensors.push(large);
		program.instructions.push(Instruction {
			op: Op::Relu,
			inputs: vec![TensorId(0)],
			output: TensorId(2 + n),
		});
	}
	refused_program(&program, "bytes of all tensors");
	// As are operations on small tensors.
	let (m, k) = (1 << 14, 131_071);
	let mut program = single(Op::Product, &[bytes(m, 1 << 14, 0, 1); 2], words(m, m, 0, MAX));
	program.tensors[0] = bytes(1 << 11, k, 0, 1);
	program.tensors[1] = bytes(1 << 11, k, 0, 1);
	program.tensors[2] = words(1 << 11, 1 << 11, 0, MAX);
	for n in 0..300 {
		program.tensors.push(words(1 << 11, 1 << 11, 0, MAX));
		let mut more = program.instructions[0].clone();
		more.output = TensorId(3 + n);
		program.instructions.push(more);
	}
	refused_program(&program, "weighted operations");
}

#[test]
fn every_tensor_should_be_written_once_before_it_is_read() {
	let d = words(2, 2, 0, 1);
	let good = single(Op::Relu, &[d], d);
	assert_eq!(cost(&good).element_ops, 4);
	let info = validate(&good).unwrap();
	assert_eq!((info.total_bytes, info.peak_bytes), (32, 32));

	let mut p = good.clone();
	p.instructions[0].output = TensorId(0);
	refused_program(&p, "tensor 0 is written twice");
	let mut p = good.clone();
	p.instructions[0].inputs = vec![TensorId(1)];
	refused_program(&p, "tensor 1 has no value here");
	let mut p = good.clone();
	p.instructions[0].inputs = vec![TensorId(u32::MAX)];
	refused_program(&p, "tensor 4294967295 has no value here");
	let mut p = good.clone();
	p.instructions[0].output = TensorId(9);
	refused_program(&p, "tensor 9 has no value here");
	let mut p = good.clone();
	p.instructions[0].inputs.push(TensorId(0));
	refused_program(&p, "the number of inputs is 2");
	let mut p = good.clone();
	p.tensors.push(d);
	refused_program(&p, "tensor 2: tensor 2 has no value here");
	let mut p = good.clone();
	p.inputs.push(p.inputs[0]);
	refused_program(&p, "input 1: tensor 0 is written twice");
	let mut p = good.clone();
	p.tensors.push(d);
	p.inputs.push(Input {
		role: Role::Data(0),
		tensor: TensorId(2),
	});
	refused_program(&p, "is an input once");
	let mut p = good.clone();
	p.state = vec![TensorId(7)];
	refused_program(&p, "output `state`: tensor 7");
	p.state = vec![TensorId(1), TensorId(1)];
	refused_program(&p, "output `state`: tensor 1 is written twice");
	let mut p = good.clone();
	p.loss = Some(TensorId(1));
	refused_program(&p, "loss and metric are I32 scalars");
	p.loss = None;
	p.metric = Some(TensorId(8));
	refused_program(&p, "output `metric`: tensor 8");
	let mut p = good.clone();
	p.instructions = vec![good.instructions[0].clone(); MAX_INSTRUCTIONS + 1];
	refused_program(&p, "16385 instructions, at most 16384");
}

#[test]
fn products_that_nobody_has_to_compute_should_be_refused() {
	let (a, b, out) = (bytes(2, 9, -63, 63), bytes(3, 9, -63, 63), words(2, 3, MIN, MAX));
	let mut p = single(Op::Product, &[a, b], out);
	assert!(validate(&p).is_ok());
	let mut twice = p.clone();
	twice.tensors.push(out);
	twice.instructions.push(Instruction {
		output: TensorId(3),
		..p.instructions[0].clone()
	});
	twice.outputs.push(TensorId(3));
	refused_program(&twice, "instruction 1 (Product): a product is computed once");
	p.outputs.clear();
	refused_program(
		&p,
		"instruction 0 (Product): the output of a product is read, or a result",
	);
}

#[test]
fn encodings_should_be_canonical_and_bounded() {
	let d = words(2, 2, 0, 1);
	let program = single(Op::Relu, &[d], d);
	let bytes = program.encode();
	assert_eq!(Program::from_bytes(&bytes), Ok(program));
	let mut longer = bytes.clone();
	longer.push(0);
	assert_eq!(Program::from_bytes(&longer), Err(DecodeError::Malformed));
	assert_eq!(
		Program::from_bytes(&bytes[..bytes.len() - 1]),
		Err(DecodeError::Malformed)
	);
	let got = MAX_ENCODED_BYTES + 1;
	assert_eq!(
		Program::from_bytes(&vec![0; got]),
		Err(DecodeError::TooLong { got })
	);
	// A count of 2^30 tensors with nothing behind it must not allocate.
	assert_eq!(
		Program::from_bytes(&[0xfe, 0xff, 0xff, 0xff]),
		Err(DecodeError::Malformed)
	);
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn random_bytes_should_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
		if let Ok(program) = Program::from_bytes(&bytes) {
			let _ = validate(&program);
			let _ = cost(&program);
		}
	}

	/// A decoder sees more of random bytes when counts are small.
	#[test]
	fn random_small_programs_should_never_panic(
		seeds in proptest::collection::vec(any::<u32>(), 1..6),
		ids in proptest::collection::vec(0u32..9, 12),
	) {
		let mut program = Program::default();
		for (n, seed) in seeds.iter().enumerate() {
			let kinds = poaiw_program::OpKind::ALL;
			let case = common::sample(kinds[*seed as usize % kinds.len()], *seed);
			program.tensors.extend(&case.decls);
			program.tensors.push(case.out);
			let inputs = ids.iter().skip(n).take(case.decls.len()).map(|id| TensorId(*id)).collect();
			program.instructions.push(Instruction { op: case.op, inputs, output: TensorId(ids[11 - n]) });
		}
		program.inputs.push(Input { role: Role::State(0), tensor: TensorId(ids[0]) });
		let _ = validate(&program);
		let _ = cost(&program);
	}
}
