// SPDX-License-Identifier: Apache-2.0

//! How a program runs fast on a CPU: instructions that work row by row are joined into stages, and a stage goes through
//! its tensors strip by strip, so that what one instruction writes is still in the cache when the next one reads it, and
//! what only they need is never stored.
//!
//! A plan changes the order of instructions and where their outputs live, and no bit of them: all operations are pure.
//! The reference is [`crate::interpreter::run_program`], which executes one instruction after the other.
//!
//! [`rewrite`] leaves out what products can do by themselves, [`local`] knows which rows an operation needs, [`order`] and
//! [`stage`] join instructions, [`memory`] says where their tensors live, [`strips`] and [`run`] execute them;
//! [`constants`] are packed once for many runs.

mod constants;
mod local;
mod memory;
mod order;
mod rewrite;
pub(crate) mod run;
mod stage;
mod strips;

use crate::{
	op::Op,
	program::{Program, TensorId},
	tensor::TensorDecl,
};
use alloc::{collections::BTreeSet, vec, vec::Vec};
pub use constants::{Constant, Constants};
use local::{local, Local};
use rewrite::{flip, flips, join_parts};
pub(crate) use stage::Stage;

/// Bytes of a strip: most of a second-level cache, as some of it is read by every strip.
const STRIP_BYTES: u64 = 192 << 10;
/// Most bytes of a packed operand for each of its values, and to what its rows are filled up.
const PACKED_BYTES: u64 = 4;
const PACKED_ROWS: u32 = 16;
/// Memory that a plan may need beyond twice what its program needs in its own order.
const SPARE_BYTES: u64 = 256 << 20;
/// Elements up to which an instruction is so small that it runs by itself, before the stages that may need it.
const SMALL: u64 = 64;

/// An input of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arg {
	/// The tensor that is read.
	pub(crate) tensor: TensorId,
	/// Whether it is the transpose of the operand; only for products.
	pub(crate) flipped: bool,
}

/// An instruction of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Node {
	/// Its index in the program.
	pub(crate) instruction: u32,
	/// What is computed.
	pub(crate) op: Op,
	/// Inputs; a product with a low part has it as the third one.
	pub(crate) inputs: Vec<Arg>,
	/// Output.
	pub(crate) output: TensorId,
	/// The product of the low part, if this one is `scale · high · bᵀ + low · bᵀ`.
	pub(crate) low: Option<Low>,
	local: Option<Local>,
	small: bool,
}

/// A product that is added to another one of the same right operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Low {
	/// Its index in the program.
	pub(crate) instruction: u32,
	/// What the other product is multiplied with.
	pub(crate) scale: u8,
}

/// A product as the program has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors {
	/// Its index in the program.
	pub(crate) instruction: u32,
	/// Left and right operand.
	pub(crate) operands: [Arg; 2],
}

/// How the right operand of a product is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
	/// The operand.
	pub(crate) operand: Arg,
	/// Whether it is multiplied with left operands in two parts.
	pub(crate) parts: bool,
}

impl Node {
	/// The right operand, if this is a product.
	pub(crate) fn right(&self) -> Option<Right> {
		match (&self.op, self.inputs.as_slice()) {
			(Op::Product, [_, operand, ..]) => Some(Right {
				operand: *operand,
				parts: self.low.is_some(),
			}),
			_ => None,
		}
	}

	/// The products that it computes: two if there is a low part.
	pub(crate) fn products(&self) -> impl Iterator<Item = Factors> + use<'_> {
		let (high, low) = match (&self.op, self.inputs.as_slice()) {
			(Op::Product, &[high, right]) => (Some([high, right]), None),
			(Op::Product, &[high, right, part]) => (Some([high, right]), Some([part, right])),
			_ => (None, None),
		};
		let high = high.map(|operands| (self.instruction, operands));
		let low = self.low.map(|low| low.instruction).zip(low);
		let all = high.into_iter().chain(low);
		all.map(|(instruction, operands)| Factors {
			instruction,
			operands,
		})
	}
}

/// What runs next.
#[derive(Debug)]
pub(crate) enum Item {
	/// An instruction by itself.
	One(Node),
	/// Instructions strip by strip.
	Stage(Stage),
}

/// A program in the order and the grouping in which it runs.
#[derive(Debug)]
pub struct Plan {
	pub(crate) items: Vec<Item>,
	/// For every item the tensors that nothing reads after it.
	pub(crate) dead: Vec<Vec<TensorId>>,
}

impl Plan {
	/// The plan of a validated program.
	///
	/// Joined instructions keep tensors alive together that the program has one after the other. A program for which that
	/// takes far more memory runs in its own order.
	pub fn new(program: &Program) -> Self {
		Self::with_strips(program, STRIP_BYTES)
	}

	/// [`Plan::new`] with strips of about so many bytes.
	pub fn with_strips(program: &Program, strip_bytes: u64) -> Self {
		let kept = kept(program);
		let mut rewritten = nodes(program, &flips(program, &kept));
		join_parts(program, &mut rewritten, &kept);
		let items = order::schedule(program, rewritten, &kept, strip_bytes);
		let joined = Self::of(program, items, &kept);
		let own = nodes(program, &[]).into_iter().map(Item::One).collect();
		let own = Self::of(program, own, &kept);
		let most = own
			.peak_bytes(program)
			.saturating_mul(2)
			.saturating_add(SPARE_BYTES);
		match joined.peak_bytes(program) <= most {
			true => joined,
			false => own,
		}
	}

	fn of(program: &Program, items: Vec<Item>, kept: &[bool]) -> Self {
		let dead = dead(program, &items, kept);
		Self { items, dead }
	}

	/// Most bytes of tensors that are alive at once.
	fn peak_bytes(&self, program: &Program) -> u64 {
		let size = |id: &TensorId| program.tensor(*id).map_or(0, TensorDecl::size);
		let mut alive: BTreeSet<TensorId> = program.inputs.iter().map(|i| i.tensor).collect();
		let mut bytes = alive.iter().map(size).fold(0, u64::saturating_add);
		let mut peak = bytes;
		for (item, dead) in self.items.iter().zip(&self.dead) {
			for id in item.stores() {
				bytes = bytes.saturating_add(size(&id));
				alive.insert(id);
			}
			let packed: BTreeSet<Right> = item.nodes().filter_map(Node::right).collect();
			let packed = packed.iter().map(|right| {
				let decl = program.tensor(right.operand.tensor);
				decl.map_or(0, |decl| packed_bytes(right, decl))
			});
			let packed = packed.fold(0, u64::saturating_add);
			peak = peak.max(bytes.saturating_add(packed));
			for id in dead.iter().filter(|id| alive.remove(id)) {
				bytes = bytes.saturating_sub(size(id));
			}
		}
		peak
	}

	/// Number of stages and of instructions inside of them: for tests and benches.
	pub fn joined(&self) -> (usize, usize) {
		self.items
			.iter()
			.fold((0, 0), |(stages, count), item| match item {
				Item::One(_) => (stages, count),
				Item::Stage(stage) => (stages + 1, count + stage.nodes.len()),
			})
	}
}

impl Item {
	/// Tensors that it reads, some of them more than once.
	pub(crate) fn reads(&self) -> Vec<TensorId> {
		match self {
			Item::One(node) => node.inputs.iter().map(|a| a.tensor).collect(),
			Item::Stage(stage) => stage
				.nodes
				.iter()
				.flat_map(|n| n.node.inputs.iter().map(|a| a.tensor))
				.collect(),
		}
	}

	/// Tensors that it leaves.
	fn stores(&self) -> Vec<TensorId> {
		match self {
			Item::One(node) => vec![node.output],
			Item::Stage(stage) => {
				let stored = stage
					.tensors
					.iter()
					.filter(|t| matches!(t.home, stage::Home::Stored(_)));
				stored.map(|t| t.tensor).collect()
			}
		}
	}

	/// Its instructions.
	fn nodes(&self) -> impl Iterator<Item = &Node> {
		let (one, stage) = match self {
			Item::One(node) => (Some(node), None),
			Item::Stage(stage) => (None, Some(stage.nodes.iter().map(|n| &n.node))),
		};
		one.into_iter().chain(stage.into_iter().flatten())
	}

	/// Its products.
	pub(crate) fn products(&self) -> impl Iterator<Item = Factors> + use<'_> {
		self.nodes().flat_map(Node::products)
	}

	/// The right operands of the products of a stage: those that are packed.
	fn rights(&self) -> impl Iterator<Item = Right> + use<'_> {
		let stage = matches!(self, Item::Stage(_));
		self.nodes().filter_map(Node::right).filter(move |_| stage)
	}
}

/// Most bytes of a packed operand.
fn packed_bytes(right: &Right, decl: &TensorDecl) -> u64 {
	let (rows, depth) = match right.operand.flipped {
		false => (decl.rows, decl.cols),
		true => (decl.cols, decl.rows),
	};
	let rows = u64::from(rows).next_multiple_of(PACKED_ROWS.into());
	rows.saturating_mul(depth.into()).saturating_mul(PACKED_BYTES)
}

/// Which tensors outlive the run.
fn kept(program: &Program) -> Vec<bool> {
	let mut kept = vec![false; program.tensors.len()];
	for id in program.results() {
		if let Some(kept) = kept.get_mut(id.0 as usize) {
			*kept = true;
		}
	}
	kept
}

/// The instructions; a transpose with an entry in `flips` is left out, and the products that read it read its input.
fn nodes(program: &Program, flips: &[Option<TensorId>]) -> Vec<Node> {
	let of = |id: &TensorId| program.tensor(*id);
	let mut nodes = Vec::with_capacity(program.instructions.len());
	for (instruction, i) in (0u32..).zip(&program.instructions) {
		if flip(flips, i.output).is_some() {
			continue;
		}
		let inputs: Vec<Arg> = i
			.inputs
			.iter()
			.map(|id| match flip(flips, *id) {
				Some(tensor) => Arg {
					tensor,
					flipped: true,
				},
				None => Arg {
					tensor: *id,
					flipped: false,
				},
			})
			.collect();
		let decls: Option<Vec<&TensorDecl>> = inputs.iter().map(|a| of(&a.tensor)).collect();
		let (Some(decls), Some(out)) = (decls, of(&i.output)) else {
			continue;
		};
		let tiny = |d: &&TensorDecl| d.elements() <= SMALL;
		let small = tiny(&out) && decls.iter().all(tiny);
		nodes.push(Node {
			instruction,
			op: i.op,
			local: match small {
				true => None,
				false => local(&i.op, &decls, out),
			},
			inputs,
			output: i.output,
			low: None,
			small,
		});
	}
	nodes
}

/// For every item the tensors that can be dropped after it.
fn dead(program: &Program, items: &[Item], kept: &[bool]) -> Vec<Vec<TensorId>> {
	let mut last = vec![None; program.tensors.len()];
	for (n, item) in items.iter().enumerate() {
		for id in item.reads() {
			if let Some(last) = last.get_mut(id.0 as usize) {
				*last = Some(n);
			}
		}
	}
	let mut dead = vec![Vec::new(); items.len()];
	for ((id, last), kept) in (0u32..).zip(last).zip(kept) {
		if let (Some(dead), false) = (last.and_then(|n| dead.get_mut(n)), kept) {
			dead.push(TensorId(id));
		}
	}
	dead
}
