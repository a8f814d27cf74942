// SPDX-License-Identifier: Apache-2.0

//! Random valid instructions of every kind, with values that include the ends of their ranges.

#![allow(dead_code)]

mod movement;
mod rows;

use poaiw_program::{
	random::mix, range::output_range, softmax, validate, Context, Element, Input, Instruction, Op, OpKind,
	Program, Role, Rounding, Tensor, TensorDecl, TensorId,
};

/// A small generator: what it gives depends on the seed alone.
pub struct Rng(pub u32);

impl Rng {
	pub fn next(&mut self) -> u32 {
		self.0 = self.0.wrapping_add(0x9e37_79b9);
		mix(self.0)
	}

	pub fn below(&mut self, n: u32) -> u32 {
		self.next() % n.max(1)
	}

	pub fn between(&mut self, lo: i32, hi: i32) -> i32 {
		let span = (i64::from(hi) - i64::from(lo) + 1) as u64;
		(i64::from(lo) + (u64::from(self.next()) % span) as i64) as i32
	}

	/// A value of a range: its ends, around zero, of a random bit length, or uniform.
	pub fn value(&mut self, lo: i32, hi: i32) -> i32 {
		let x = match self.below(8) {
			0 => lo,
			1 => hi,
			2 => self.between(-2, 2),
			3 | 4 => (self.next() as i32) >> self.below(32),
			_ => self.between(lo, hi),
		};
		x.clamp(lo, hi)
	}
}

/// One instruction with the values of its inputs.
pub struct Case {
	pub op: Op,
	pub context: Context,
	pub decls: Vec<TensorDecl>,
	pub tensors: Vec<Tensor>,
	pub out: TensorDecl,
}

impl Case {
	pub fn decl_refs(&self) -> Vec<&TensorDecl> {
		self.decls.iter().collect()
	}

	pub fn tensor_refs(&self) -> Vec<&Tensor> {
		self.tensors.iter().collect()
	}
}

pub fn random_tensor(rng: &mut Rng, d: &TensorDecl) -> Tensor {
	let n = d.elements() as usize;
	// Now and then a tensor of zeros, or one where nearly all is at the ends.
	let style = rng.below(6);
	let mut pick = || match style {
		0 => 0.clamp(d.lo, d.hi),
		1 if rng.below(2) == 0 => d.lo,
		1 => d.hi,
		_ => rng.value(d.lo, d.hi),
	};
	match d.element {
		Element::I8 => Tensor::from_i8(d.rows, d.cols, (0..n).map(|_| pick() as i8).collect()),
		Element::I32 => Tensor::from_i32(d.rows, d.cols, (0..n).map(|_| pick()).collect()),
	}
	.unwrap()
}

pub fn words(rows: u32, cols: u32, lo: i32, hi: i32) -> TensorDecl {
	TensorDecl::new(Element::I32, rows, cols, lo, hi)
}

/// One number, one for every row, for every column, or for every element.
pub fn spread(rng: &mut Rng, whole: TensorDecl) -> TensorDecl {
	TensorDecl {
		rows: if rng.below(2) == 0 { 1 } else { whole.rows },
		cols: if rng.below(2) == 0 { 1 } else { whole.cols },
		..whole
	}
}

fn bytes(rows: u32, cols: u32) -> TensorDecl {
	TensorDecl::new(Element::I8, rows, cols, -63, 63)
}

/// The widest symmetric range that an operation takes.
const WIDE: (i32, i32) = (-i32::MAX, i32::MAX);

/// A random valid instruction of a kind. Sizes cross block edges in both directions.
pub fn sample(kind: OpKind, seed: u32) -> Case {
	let mut rng = Rng(seed);
	let (r, c) = (1 + rng.below(40), 1 + rng.below(300));
	let k = 1 + rng.below(700);
	let (op, decls, element, rows, cols) = shape_of(kind, &mut rng, r, c, k);
	let (lo, hi) = element.limits();
	let mut out = TensorDecl::new(element, rows, cols, lo, hi);
	let refs: Vec<&TensorDecl> = decls.iter().collect();
	let range = output_range(&op, &refs, &out).unwrap_or_else(|e| panic!("{op:?} {decls:?}: {e}"));
	(out.lo, out.hi) = (range.lo as i32, range.hi as i32);
	let tensors = decls.iter().map(|d| random_tensor(&mut rng, d)).collect();
	let context = Context {
		seed: [rng.below(256) as u8; 32],
		step: rng.below(1000),
		instruction: rng.below(50),
	};
	Case {
		op,
		context,
		decls,
		tensors,
		out,
	}
}

type Shape = (Op, Vec<TensorDecl>, Element, u32, u32);

fn shape_of(kind: OpKind, rng: &mut Rng, r: u32, c: u32, k: u32) -> Shape {
	use Element::{I32, I8};
	let (lo, hi) = WIDE;
	let wide = words(r, c, lo, hi);
	let half = words(r, c, -(1 << 30), (1 << 30) - 1);
	let scalar = |lo, hi| words(1, 1, lo, hi);
	let exponent = scalar(-60, 30);
	let blocks = wide.blocks() as u32;
	match kind {
		OpKind::Constant => (
			Op::Constant {
				value: rng.value(i32::MIN, i32::MAX),
			},
			vec![],
			I32,
			r,
			c,
		),
		OpKind::RandomUniform => {
			let op = Op::RandomUniform {
				scale: 1 + rng.below(32768),
				shift: rng.below(32),
			};
			(op, vec![], I32, r, c)
		}
		OpKind::BatchIndices => (
			Op::BatchIndices {
				population: r + rng.below(5000),
			},
			vec![],
			I32,
			r,
			1,
		),
		OpKind::Schedule => {
			let warmup = rng.below(200);
			let peak = rng.below(65537);
			let op = Op::Schedule {
				peak,
				floor: rng.below(peak + 1),
				warmup,
				total: warmup + 1 + rng.below(3000),
			};
			(op, vec![], I32, 1, 1)
		}
		OpKind::Product => (Op::Product, vec![bytes(r, k), bytes(c, k)], I32, r, c),
		OpKind::Transpose if rng.below(2) == 0 => (Op::Transpose, vec![bytes(r, k)], I8, k, r),
		OpKind::Transpose => (Op::Transpose, vec![words(r, c, i32::MIN, i32::MAX)], I32, c, r),
		OpKind::GatherRows => {
			let n = 1 + rng.below(90);
			let index = words(r, 1, 0, n as i32 - 1);
			if rng.below(2) == 0 {
				(Op::GatherRows, vec![bytes(n, k), index], I8, r, k)
			} else {
				(
					Op::GatherRows,
					vec![words(n, c, i32::MIN, i32::MAX), index],
					I32,
					r,
					c,
				)
			}
		}
		OpKind::Add => (Op::Add, vec![half, spread(rng, half)], I32, r, c),
		OpKind::Sub => (Op::Sub, vec![half, spread(rng, half)], I32, r, c),
		OpKind::Abs => (Op::Abs, vec![wide], I32, r, c),
		OpKind::Clip => {
			let a = rng.value(i32::MIN, i32::MAX);
			let b = rng.value(i32::MIN, i32::MAX);
			let op = Op::Clip {
				lo: a.min(b),
				hi: a.max(b),
			};
			(op, vec![words(r, c, i32::MIN, i32::MAX)], I32, r, c)
		}
		OpKind::Ema => (
			Op::Ema {
				shift: 1 + rng.below(30),
			},
			vec![half, half],
			I32,
			r,
			c,
		),
		OpKind::Decay => (
			Op::Decay {
				shift: 1 + rng.below(31),
			},
			vec![words(r, c, 0, i32::MAX)],
			I32,
			r,
			c,
		),
		OpKind::ExcessBits => (
			Op::ExcessBits { bits: rng.below(32) },
			vec![words(r, c, 0, i32::MAX)],
			I32,
			r,
			c,
		),
		OpKind::MaxAbsPartials => (Op::MaxAbsPartials, vec![wide], I32, blocks, 1),
		OpKind::MaxReduce => (Op::MaxReduce, vec![words(k, 1, i32::MIN, i32::MAX)], I32, 1, 1),
		OpKind::RowMaxAbs => (Op::RowMaxAbs, vec![wide], I32, r, 1),
		OpKind::SumPartials => (
			Op::SumPartials,
			vec![words(r, c, -(1 << 20), (1 << 20) - 1)],
			I32,
			blocks,
			1,
		),
		OpKind::SumReduce => (Op::SumReduce, vec![words(k, 1, -(1 << 21), 1 << 20)], I32, 1, 1),
		OpKind::Requantise => {
			let keyed = rng.below(2) == 0;
			let most = if keyed { 30 } else { 31 };
			let shift = if rng.below(2) == 0 {
				scalar(0, most)
			} else {
				words(r, 1, 0, most)
			};
			let rounding = if keyed { Rounding::Keyed } else { Rounding::HalfUp };
			let x = if keyed {
				words(r, k, -(1 << 30), 1 << 30)
			} else {
				words(r, k, i32::MIN, i32::MAX)
			};
			(Op::Requantise { rounding }, vec![x, shift], I8, r, k)
		}
		OpKind::Rescale => {
			let op = Op::Rescale {
				unit: rng.between(-60, 30),
				limit: rng.between(1, 1 << 30),
			};
			(op, vec![wide, spread(rng, words(r, c, -60, 30))], I32, r, c)
		}
		OpKind::Relu => (Op::Relu, vec![words(r, c, i32::MIN, i32::MAX)], I32, r, c),
		OpKind::ReluGrad => {
			let activation = if rng.below(2) == 0 { bytes(r, c) } else { wide };
			(Op::ReluGrad, vec![wide, activation], I32, r, c)
		}
		OpKind::SoftmaxGradient | OpKind::CrossEntropy => {
			let bits = rng.below(31);
			let z = words(r, c, -(1 << bits), (1 << bits) - 1);
			let inputs = vec![z, words(r, 1, 0, c as i32 - 1), exponent];
			if kind == OpKind::CrossEntropy {
				(Op::CrossEntropy, inputs, I32, r, 1)
			} else {
				(Op::SoftmaxGradient, inputs, I32, r, c)
			}
		}
		OpKind::BiasCorrection => (Op::BiasCorrection, vec![scalar(0, 1 << 30); 2], I32, 1, 1),
		OpKind::L1Adam => {
			let op = Op::L1Adam {
				limit: rng.between(1, 1 << 28),
				decay: rng.below(256),
			};
			let w = words(r, c, -(1 << 28), 1 << 28);
			let v = words(r, c, 0, i32::MAX);
			(
				op,
				vec![w, wide, v, scalar(0, 65536), scalar(0, 65535)],
				I32,
				r,
				c,
			)
		}
		OpKind::Sgd => {
			let op = Op::Sgd {
				shift: 4 + rng.below(28),
				limit: rng.between(1, 1 << 28),
			};
			let any = words(r, c, i32::MIN, i32::MAX);
			(
				op,
				vec![words(r, c, -(1 << 28), 1 << 28), any, scalar(0, 65536)],
				I32,
				r,
				c,
			)
		}
		OpKind::Argmax => (Op::Argmax, vec![words(r, c, i32::MIN, i32::MAX)], I32, r, 1),
		OpKind::Equal => {
			let few = words(r, c, -1, 1);
			(Op::Equal, vec![few, few], I32, r, c)
		}
		_ => rows::shape_of(kind, rng, r, c, k).unwrap_or_else(|| movement::shape_of(kind, rng, r, c, k)),
	}
}

/// The largest cross-entropy of ten classes: used as a known bound in tests.
pub fn loss_bound() -> i32 {
	softmax::cross_entropy_max(10)
}

pub const MAX: i32 = i32::MAX;
pub const MIN: i32 = i32::MIN;

pub fn ranged_bytes(rows: u32, cols: u32, lo: i32, hi: i32) -> TensorDecl {
	TensorDecl::new(Element::I8, rows, cols, lo, hi)
}

pub fn scalar(lo: i32, hi: i32) -> TensorDecl {
	TensorDecl::scalar(lo, hi)
}

/// Validation refuses a program of this instruction, names it, and says `why`.
pub fn refused(op: Op, inputs: &[TensorDecl], out: TensorDecl, why: &str) {
	let text = match validate(&single(op, inputs, out)) {
		Ok(_) => panic!("{op:?} {inputs:?} is accepted, though {why}"),
		Err(e) => e.to_string(),
	};
	assert!(text.contains(why), "{op:?}: `{text}` does not say `{why}`");
	assert!(
		text.contains(&format!("instruction 0 ({})", op.kind().name())),
		"{text}"
	);
}

/// A program of one instruction on data sets 0, 1, 2, …
pub fn single(op: Op, inputs: &[TensorDecl], out: TensorDecl) -> Program {
	let mut tensors = inputs.to_vec();
	tensors.push(out);
	let ids: Vec<TensorId> = (0..inputs.len() as u32).map(TensorId).collect();
	let output = TensorId(inputs.len() as u32);
	Program {
		tensors,
		inputs: ids
			.iter()
			.map(|id| Input {
				role: Role::Data(id.0 as u16),
				tensor: *id,
			})
			.collect(),
		instructions: vec![Instruction {
			op,
			inputs: ids,
			output,
		}],
		outputs: vec![output],
		..Program::default()
	}
}
