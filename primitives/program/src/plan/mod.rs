// SPDX-License-Identifier: Apache-2.0

//! How a program runs fast on a CPU: instructions that work row by row are joined into stages, and a stage goes through
//! its tensors strip by strip, so that what one instruction writes is still in the cache when the next one reads it, and
//! what only they need is never stored.
//!
//! A plan changes the order of instructions and where their outputs live, and no bit of them: all operations are pure.
//! The reference is [`crate::interpreter::run_program`], which executes one instruction after the other.
//!
//! [`local`] knows which rows an operation needs, [`stage`] joins instructions, [`strips`] and [`run`] execute them.

mod local;
pub(crate) mod run;
mod stage;
mod strips;

use crate::{
	op::Op,
	program::{Program, TensorId},
	tensor::{Element, TensorDecl},
};
use alloc::{collections::BTreeSet, vec, vec::Vec};
use local::{local, Local};
pub(crate) use stage::Stage;

/// Bytes of a strip: most of a second-level cache, as some of it is read by every strip.
const STRIP_BYTES: u64 = 192 << 10;
/// Most bytes of a packed operand for each of its values.
const PACKED_BYTES: u64 = 4;
/// Memory that a plan may need beyond twice what its program needs in its own order.
const SPARE_BYTES: u64 = 256 << 20;
/// Elements up to which an instruction is so small that it runs by itself, before the stages that may need it.
const SMALL: u64 = 64;

/// An input of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
	/// Inputs.
	pub(crate) inputs: Vec<Arg>,
	/// Output.
	pub(crate) output: TensorId,
	local: Option<Local>,
	small: bool,
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
		let nodes = |flips: &[Option<TensorId>]| nodes(program, flips);
		let items = stage::schedule(program, nodes(&flips(program, &kept)), &kept, strip_bytes);
		let joined = Self::of(program, items, &kept);
		let own = nodes(&[]).into_iter().map(Item::One).collect();
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
			let packed = item
				.products()
				.filter_map(|node| node.inputs.get(1).map(|a| a.tensor));
			let packed: BTreeSet<TensorId> = packed.collect();
			let packed = packed
				.iter()
				.map(size)
				.fold(0, u64::saturating_add)
				.saturating_mul(PACKED_BYTES);
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

	/// Its products.
	pub(crate) fn products(&self) -> impl Iterator<Item = &Node> {
		let (one, stage) = match self {
			Item::One(node) => (Some(node), None),
			Item::Stage(stage) => (None, Some(stage.nodes.iter().map(|n| &n.node))),
		};
		let all = one.into_iter().chain(stage.into_iter().flatten());
		all.filter(|node| matches!(node.op, Op::Product))
	}
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
			small,
		});
	}
	nodes
}

fn flip(flips: &[Option<TensorId>], id: TensorId) -> Option<TensorId> {
	flips.get(id.0 as usize).copied().flatten()
}

/// What reads a tensor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
	Nothing,
	/// Products alone.
	Products,
	/// Products of so many groups alone.
	Groups(u32),
	Others,
}

/// For every tensor that is the transpose of another one, and that only products read, the other one.
fn flips(program: &Program, kept: &[bool]) -> Vec<Option<TensorId>> {
	let mut readers = vec![Readers::Nothing; program.tensors.len()];
	for i in &program.instructions {
		let reader = match i.op {
			Op::Product => Readers::Products,
			Op::GroupProduct { groups } => Readers::Groups(groups),
			_ => Readers::Others,
		};
		for id in &i.inputs {
			if let Some(all) = readers.get_mut(id.0 as usize) {
				*all = match *all {
					Readers::Nothing => reader,
					same if same == reader => same,
					_ => Readers::Others,
				};
			}
		}
	}
	let mut flips = vec![None; program.tensors.len()];
	for i in &program.instructions {
		let wanted = match i.op {
			Op::Transpose => Readers::Products,
			Op::GroupTranspose { groups } => Readers::Groups(groups),
			_ => continue,
		};
		let at = i.output.0 as usize;
		let bytes = program.tensor(i.output).is_some_and(|d| d.element == Element::I8);
		let fits = bytes && kept.get(at) == Some(&false) && readers.get(at) == Some(&wanted);
		if let (true, Some(flip), [from]) = (fits, flips.get_mut(at), i.inputs.as_slice()) {
			*flip = Some(*from);
		}
	}
	flips
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
