// SPDX-License-Identifier: Apache-2.0

//! A plan changes no bit: random programs of operations that hang together by rows, run one instruction after the other
//! and by their plan.

mod common;

use common::{random_tensor, Rng};
use poaiw_program::{
	interpreter::{run_planned, run_program_with, Given, ProgramOutput},
	range::output_range,
	validate, Buffers, Constants, Context, Element, Input, Instruction, Op, Plan, Program, Role, Rounding,
	Tensor, TensorDecl, TensorId, Vectors,
};
use proptest::prelude::*;

const CONTEXT: Context = Context {
	seed: [5; 32],
	step: 3,
	instruction: 0,
};

/// A program under construction: every instruction is kept only if its bounds can be proven.
struct Writer {
	program: Program,
	rng: Rng,
}

impl Writer {
	fn new(seed: u32) -> Self {
		Self {
			program: Program::default(),
			rng: Rng(seed),
		}
	}

	fn input(&mut self, decl: TensorDecl) -> TensorId {
		let tensor = TensorId(self.program.tensors.len() as u32);
		self.program.tensors.push(decl);
		let role = Role::Data(self.program.inputs.len() as u16);
		self.program.inputs.push(Input { role, tensor });
		tensor
	}

	fn decl(&self, id: TensorId) -> TensorDecl {
		self.program.tensors[id.0 as usize]
	}

	fn emit(
		&mut self,
		op: Op,
		inputs: &[TensorId],
		(element, rows, cols): (Element, u32, u32),
	) -> Option<TensorId> {
		let decls: Vec<TensorDecl> = inputs.iter().map(|id| self.decl(*id)).collect();
		let (lo, hi) = element.limits();
		let mut out = TensorDecl::new(element, rows, cols, lo, hi);
		let range = output_range(&op, &decls.iter().collect::<Vec<_>>(), &out).ok()?;
		(out.lo, out.hi) = (range.lo as i32, range.hi as i32);
		// A product is computed once.
		let product = |op: &Op| matches!(op, Op::Product | Op::GroupProduct { .. });
		let again = |i: &Instruction| product(&i.op) && i.inputs == inputs;
		if product(&op) && self.program.instructions.iter().any(again) {
			return None;
		}
		let output = TensorId(self.program.tensors.len() as u32);
		self.program.tensors.push(out);
		let inputs = inputs.to_vec();
		self.program.instructions.push(Instruction { op, inputs, output });
		Some(output)
	}

	/// A tensor of these rows and columns, any of them.
	fn pick(&mut self, element: Element, fits: impl Fn(&TensorDecl) -> bool) -> Option<TensorId> {
		let all: Vec<u32> = (0u32..)
			.zip(&self.program.tensors)
			.filter(|(_, d)| d.element == element && fits(d))
			.map(|(n, _)| n)
			.collect();
		let n = self.rng.below(all.len() as u32) as usize;
		all.get(n).map(|n| TensorId(*n))
	}

	/// A product of an operand in two parts, by a scale that a byte may have or not.
	fn sum_of_parts(&mut self, [high, low, b]: [TensorId; 3]) -> Option<TensorId> {
		let sizes = (Element::I32, self.decl(high).rows, self.decl(b).rows);
		let of_low = (Element::I32, self.decl(low).rows, self.decl(b).rows);
		let value = [64, 1, 255, 256, 0, -2][self.rng.below(6) as usize];
		let scale = self.emit(Op::Constant { value }, &[], (Element::I32, 1, 1))?;
		let high = self.emit(Op::Product, &[high, b], sizes)?;
		let high = self.emit(Op::Multiply { shift: 0 }, &[high, scale], sizes)?;
		let low = self.emit(Op::Product, &[low, b], of_low)?;
		self.emit(Op::Add, &[high, low], sizes)
	}

	/// One more instruction; nothing where the choice does not fit.
	fn grow(&mut self) -> Option<TensorId> {
		use Element::{I32, I8};
		let any = |d: &TensorDecl| d.elements() > 1;
		let choice = self.rng.below(24);
		if choice < 9 {
			let x = self.pick(I32, any)?;
			let d = self.decl(x);
			let same = (I32, d.rows, d.cols);
			let column = (I32, d.rows, 1);
			let blocks = (I32, d.blocks() as u32, 1);
			return match choice {
				0 => self.emit(Op::Relu, &[x], same),
				1 => self.emit(Op::RoundShift { shift: 3 }, &[x], same),
				2 => self.emit(Op::Clip { lo: -5000, hi: 9000 }, &[x], same),
				3 => self.emit(Op::RmsNorm, &[x], same),
				4 => self.emit(Op::RowMaxAbs, &[x], column),
				5 => self.emit(Op::Centre, &[x], same),
				6 => {
					let partials = self.emit(Op::MaxAbsPartials, &[x], blocks)?;
					self.emit(Op::MaxReduce, &[partials], (I32, 1, 1))
				}
				7 => self.emit(Op::SumPartials, &[x], blocks),
				_ => self.emit(Op::Gelu, &[x], same),
			};
		}
		match choice {
			9..=12 => {
				let x = self.pick(I32, any)?;
				let d = self.decl(x);
				let beside = |e: &TensorDecl| [1, d.rows].contains(&e.rows) && [1, d.cols].contains(&e.cols);
				let y = self.pick(I32, beside)?;
				let op = match choice {
					9 => Op::Add,
					10 => Op::Sub,
					11 => Op::Max,
					_ => Op::Min,
				};
				self.emit(op, &[x, y], (I32, d.rows, d.cols))
			}
			13..=15 => {
				let x = self.pick(I32, any)?;
				let d = self.decl(x);
				let shift = |e: &TensorDecl| e.cols == 1 && [1, d.rows].contains(&e.rows) && e.lo >= 0;
				let max = self.pick(I32, shift)?;
				let e = self.decl(max);
				let by = self.emit(Op::ExcessBits { bits: 6 }, &[max], (I32, e.rows, 1))?;
				let rounding = match choice {
					13 => Rounding::HalfUp,
					_ => Rounding::Keyed,
				};
				self.emit(Op::Requantise { rounding }, &[x, by], (I8, d.rows, d.cols))
			}
			16 => {
				let x = self.pick(I8, any)?;
				let d = self.decl(x);
				self.emit(Op::Transpose, &[x], (I8, d.cols, d.rows))
			}
			17 | 18 => {
				let a = self.pick(I8, any)?;
				let d = self.decl(a);
				let b = self.pick(I8, |e| e.cols == d.cols)?;
				let n = self.decl(b).rows;
				self.emit(Op::Product, &[a, b], (I32, d.rows, n))
			}
			19 => {
				let a = self.pick(I8, |d| d.rows % 4 == 0)?;
				let d = self.decl(a);
				let groups = 4;
				let x = self.emit(
					Op::GroupTranspose { groups },
					&[a],
					(I8, groups * d.cols, d.rows / groups),
				)?;
				let b = self.pick(I8, |e| e.rows % 4 == 0 && e.cols == d.rows / groups)?;
				let n = self.decl(b).rows / groups;
				self.emit(Op::GroupProduct { groups }, &[x, b], (I32, groups * d.cols, n))
			}
			20 => {
				let x = self.pick(I8, |d| d.rows % 8 == 0 && d.cols % 2 == 0)?;
				let d = self.decl(x);
				let op = Op::SplitColumns { rows: 8, parts: 2 };
				let split = self.emit(op, &[x], (I8, 2 * d.rows, d.cols / 2))?;
				let op = Op::MergeColumns { rows: 8, parts: 2 };
				self.emit(op, &[split], (I8, d.rows, d.cols))
			}
			21 | 22 => {
				let high = self.pick(I8, any)?;
				let d = self.decl(high);
				// A single row is spread over all of them.
				let low = self.pick(I8, |e| [1, d.rows].contains(&e.rows) && e.cols == d.cols)?;
				let b = self.pick(I8, |e| e.cols == d.cols)?;
				self.sum_of_parts([high, low, b])
			}
			_ => {
				let x = self.pick(I32, |d| d.cols % 2 == 0 && d.rows > 1)?;
				let d = self.decl(x);
				self.emit(Op::Reshape, &[x], (I32, d.rows * 2, d.cols / 2))
			}
		}
	}
}

/// A random program with its inputs, and with outputs that pin some of its intermediates.
fn random(seed: u32, rows: u32, cols: u32) -> (Program, Vec<Tensor>) {
	let mut w = Writer::new(seed);
	let words = TensorDecl::new(Element::I32, rows, cols, -100_000, 100_000);
	let bytes = TensorDecl::new(Element::I8, rows, cols, -63, 63);
	let square = TensorDecl::new(Element::I8, cols, cols, -63, 63);
	let row = TensorDecl::new(Element::I8, 1, cols, -63, 63);
	for decl in [
		words,
		words,
		bytes,
		bytes,
		row,
		square,
		TensorDecl::scalar(0, 1 << 20),
	] {
		w.input(decl);
	}
	for _ in 0..40 {
		w.grow();
	}
	let mut program = w.program;
	let read = |id: TensorId| program.instructions.iter().any(|i| i.inputs.contains(&id));
	let given = |id: TensorId| program.inputs.iter().any(|i| i.tensor == id);
	let mut outputs: Vec<TensorId> = (0..program.tensors.len() as u32)
		.map(TensorId)
		.filter(|id| !given(*id) && (!read(*id) || w.rng.below(6) == 0))
		.collect();
	outputs.truncate(64);
	program.outputs = outputs;
	let mut rng = Rng(seed ^ 0x51ed);
	let tensors = program
		.inputs
		.iter()
		.map(|i| random_tensor(&mut rng, &program.tensors[i.tensor.0 as usize]));
	let tensors = tensors.collect();
	(program, tensors)
}

fn given(tensors: &[Tensor]) -> Vec<Given<'_>> {
	(0u16..).zip(tensors).map(|(n, t)| Given::Data(n, t)).collect()
}

fn one_by_one(program: &Program, tensors: &[Tensor]) -> ProgramOutput {
	let info = validate(program).unwrap();
	let mut buffers = Buffers::with(Vectors::Plain);
	run_program_with(&mut buffers, program, &info, CONTEXT, given(tensors), |_, _| ()).unwrap()
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn planned_runs_should_equal_runs_one_by_one(seed: u32, rows in 1u32..90, cols in 1u32..150) {
		let (program, tensors) = random(seed, rows.next_multiple_of(if seed % 2 == 0 { 8 } else { 1 }), cols);
		let expected = one_by_one(&program, &tensors);
		// Strips as they are, and so small that there are many.
		let plans = [Plan::new(&program), Plan::with_strips(&program, 512), Plan::with_strips(&program, 6000)];
		for (vectors, plan) in [Vectors::Plain, Vectors::Narrow, Vectors::Widest].into_iter().zip(&plans)
			.chain([(Vectors::Widest, &plans[0])])
		{
			// More than once, so that memory of the first run is used again; data sets as they are, and as constants.
			let mut buffers = Buffers::with(vectors);
			let constants = |vectors| Constants::new(&program, plan, vectors, (0u16..).zip(&tensors));
			let (own, other) = (constants(vectors), constants(Vectors::Plain));
			for given in [given(&tensors), given(&tensors), own.given().collect(), other.given().collect()] {
				let done = run_planned(&mut buffers, &program, plan, CONTEXT, given, |_| false, |_, _| ());
				let done = done.unwrap();
				prop_assert!(done == expected, "{vectors:?}: {program:?}");
				for tensor in done.outputs {
					buffers.recycle(tensor);
				}
			}
		}
	}

	#[test]
	fn observers_should_see_the_operands_that_the_program_names(seed: u32) {
		let (program, tensors) = random(seed, 48, 64);
		let info = validate(&program).unwrap();
		let mut expected = Vec::new();
		let mut buffers = Buffers::default();
		run_program_with(&mut buffers, &program, &info, CONTEXT, given(&tensors), |n, inputs| {
			if let (Op::Product, [a, b]) = (&program.instructions[n as usize].op, inputs) {
				expected.push((n, a.i8s().unwrap().to_vec(), b.i8s().unwrap().to_vec(), (a.rows(), b.rows())));
			}
		}).unwrap();
		let mut seen = Vec::new();
		let plan = Plan::new(&program);
		let odd = |n: u32| !n.is_multiple_of(3);
		run_planned(&mut buffers, &program, &plan, CONTEXT, given(&tensors), odd, |n, p| {
			seen.push((n, p.a.to_vec(), p.b.to_vec(), (p.m, p.n)));
		}).unwrap();
		expected.retain(|(n, ..)| odd(*n));
		seen.sort();
		prop_assert_eq!(seen, expected);
	}
}

#[test]
fn random_programs_should_have_stages_and_products() {
	let (mut joined, mut products, mut flipped) = (0, 0, 0);
	for seed in 0..200 {
		let (program, _) = random(seed, 48, 64);
		joined += Plan::new(&program).joined().1;
		let of = |op: fn(&Op) -> bool| program.instructions.iter().filter(|i| op(&i.op)).count();
		products += of(|op| matches!(op, Op::Product));
		flipped += of(|op| matches!(op, Op::GroupProduct { .. }));
	}
	assert!(
		joined > 1000 && products > 100 && flipped > 20,
		"{joined} {products} {flipped}"
	);
}

/// A layer as it stands in a training step.
fn layer(rows: u32) -> Program {
	let mut w = Writer::new(1);
	let a = w.input(TensorDecl::new(Element::I8, rows, 64, -63, 63));
	let b = w.input(TensorDecl::new(Element::I8, 96, 64, -63, 63));
	let z = w.emit(Op::Product, &[a, b], (Element::I32, rows, 96)).unwrap();
	let y = w.emit(Op::Relu, &[z], (Element::I32, rows, 96)).unwrap();
	let blocks = w.decl(y).blocks() as u32;
	let partials = w
		.emit(Op::MaxAbsPartials, &[y], (Element::I32, blocks, 1))
		.unwrap();
	let max = w.emit(Op::MaxReduce, &[partials], (Element::I32, 1, 1)).unwrap();
	let shift = w
		.emit(Op::ExcessBits { bits: 6 }, &[max], (Element::I32, 1, 1))
		.unwrap();
	let rounding = Rounding::Keyed;
	let q = w
		.emit(Op::Requantise { rounding }, &[y, shift], (Element::I8, rows, 96))
		.unwrap();
	let t = w.emit(Op::Transpose, &[q], (Element::I8, 96, rows)).unwrap();
	let x = w.input(TensorDecl::new(Element::I8, 32, rows, -63, 63));
	let g = w.emit(Op::Product, &[t, x], (Element::I32, 96, 32)).unwrap();
	w.program.outputs = vec![g];
	w.program
}

#[test]
fn a_layer_should_be_one_stage_up_to_its_largest_magnitude() {
	let program = layer(200);
	validate(&program).unwrap();
	// Product, Relu and MaxAbsPartials; the transpose runs inside of the last product.
	assert_eq!(Plan::new(&program).joined(), (1, 3));
}

/// A layer whose input has two parts, the low one of so many rows.
fn layer_of_parts(rows: u32, low_rows: u32) -> Program {
	let mut w = Writer::new(1);
	let [high, low] = [rows, low_rows].map(|rows| w.input(TensorDecl::new(Element::I8, rows, 64, -63, 63)));
	let b = w.input(TensorDecl::new(Element::I8, 96, 64, -63, 63));
	let scale = w
		.emit(Op::Constant { value: 64 }, &[], (Element::I32, 1, 1))
		.unwrap();
	let sizes = (Element::I32, rows, 96);
	let z = w.emit(Op::Product, &[high, b], sizes).unwrap();
	let z = w.emit(Op::Multiply { shift: 0 }, &[z, scale], sizes).unwrap();
	let y = w
		.emit(Op::Product, &[low, b], (Element::I32, low_rows, 96))
		.unwrap();
	let sum = w.emit(Op::Add, &[z, y], sizes).unwrap();
	let out = w.emit(Op::Relu, &[sum], sizes).unwrap();
	w.program.outputs = vec![out];
	w.program
}

#[test]
fn the_products_of_two_parts_should_be_one() {
	let program = layer_of_parts(100, 100);
	let tensors = tensors_for(&program);
	let plan = Plan::new(&program);
	// The product and Relu.
	assert_eq!(plan.joined(), (1, 2));
	let mut seen = Vec::new();
	let mut buffers = Buffers::default();
	let all = given(&tensors);
	let done = run_planned(
		&mut buffers,
		&program,
		&plan,
		CONTEXT,
		all,
		|_| true,
		|n, product| {
			seen.push((n, product.a.to_vec(), product.b.to_vec()));
		},
	);
	assert_eq!(done.unwrap(), one_by_one(&program, &tensors));
	// Whoever looks sees both, as the program has them.
	let operand = |n: usize| tensors[n].i8s().unwrap().to_vec();
	assert_eq!(seen, [(1, operand(0), operand(2)), (3, operand(1), operand(2))]);
}

#[test]
fn a_low_part_that_is_spread_over_all_rows_should_stay_a_product_of_its_own() {
	let program = layer_of_parts(100, 1);
	let tensors = tensors_for(&program);
	let plan = Plan::new(&program);
	let mut buffers = Buffers::default();
	let all = given(&tensors);
	let done = run_planned(&mut buffers, &program, &plan, CONTEXT, all, |_| false, |_, _| ());
	assert_eq!(done.unwrap(), one_by_one(&program, &tensors));
}

#[test]
fn a_product_that_somebody_else_reads_should_stay() {
	let mut program = layer_of_parts(100, 100);
	let tensors = tensors_for(&program);
	let whole = program.clone();
	for pinned in [1, 2, 3] {
		program.outputs = whole.outputs.clone();
		program.outputs.push(whole.instructions[pinned].output);
		let plan = Plan::new(&program);
		assert_eq!(plan.joined(), (1, 5), "{pinned}");
		let mut buffers = Buffers::default();
		let all = given(&tensors);
		let done = run_planned(&mut buffers, &program, &plan, CONTEXT, all, |_| false, |_, _| ());
		assert_eq!(done.unwrap(), one_by_one(&program, &tensors), "{pinned}");
	}
}

/// Random tensors for all inputs.
fn tensors_for(program: &Program) -> Vec<Tensor> {
	let mut rng = Rng(3);
	let decls = program
		.inputs
		.iter()
		.map(|i| &program.tensors[i.tensor.0 as usize]);
	decls.map(|decl| random_tensor(&mut rng, decl)).collect()
}

#[test]
fn missing_inputs_should_be_errors() {
	let program = layer(64);
	let plan = Plan::new(&program);
	let all = tensors_for(&program);
	for missing in 0..all.len() {
		let given = (0u16..).zip(&all).filter(|(n, _)| usize::from(*n) != missing);
		let given = given.map(|(n, t)| Given::Data(n, t)).collect();
		let mut buffers = Buffers::default();
		let done = run_planned(&mut buffers, &program, &plan, CONTEXT, given, |_| true, |_, _| ());
		assert!(done.is_err(), "input {missing}");
	}
}

/// Many sums over the same tensor, each used up by the next instruction: one after the other they need two tensors.
fn one_after_the_other(count: u32, rows: u32) -> Program {
	let mut w = Writer::new(1);
	let x = w.input(TensorDecl::new(Element::I32, rows, 1 << 10, -9, 9));
	let mut outputs = Vec::new();
	for n in 0..count {
		let raised = Op::Clip {
			lo: -(n as i32),
			hi: 9,
		};
		let y = w.emit(raised, &[x], (Element::I32, rows, 1 << 10)).unwrap();
		// A transpose is no work by rows: what it reads has to be stored.
		let t = w
			.emit(Op::Transpose, &[y], (Element::I32, 1 << 10, rows))
			.unwrap();
		let blocks = w.decl(t).blocks() as u32;
		outputs.push(w.emit(Op::SumPartials, &[t], (Element::I32, blocks, 1)).unwrap());
	}
	w.program.outputs = outputs;
	w.program
}

#[test]
fn a_program_should_run_in_its_own_order_when_a_plan_would_keep_far_more_in_memory() {
	let small = one_after_the_other(60, 64);
	validate(&small).unwrap();
	assert!(Plan::new(&small).joined().1 > 50);
	// 60 tensors of 16 MiB at once, where the program needs three of them.
	let large = one_after_the_other(60, 1 << 12);
	validate(&large).unwrap();
	assert_eq!(Plan::new(&large).joined(), (0, 0));
}
