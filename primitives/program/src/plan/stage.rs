// SPDX-License-Identifier: Apache-2.0

//! Joins instructions into stages.
//!
//! All tensors of a stage are cut into the same number of units, one after the other from the first row to the last, so
//! that a unit of an output needs nothing but the same unit of what was written in the stage.

use super::{
	local::{gcd, Local, Part},
	memory::{assign, bytes, memory},
	Node,
};
use crate::{
	execute::product::PANEL,
	op::Op,
	program::{Program, TensorId},
	tensor::TensorDecl,
};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};

/// Most bytes of one unit: a strip is at least a unit, and has to stay in a cache.
const MAX_UNIT_BYTES: u64 = 1 << 20;
/// Most bytes of so many units that a panel is filled.
const MAX_PANEL_BYTES: u64 = 8 << 20;

/// Where a tensor of a stage lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
	/// It was there before.
	Given,
	/// It is written, and needed later; its number among the stage's stored tensors.
	Stored(usize),
	/// It is the output of a product, written into the panel of this number for a whole strip, and dropped with it.
	Panel(usize),
	/// It is written into the scratch buffer of this number and type, and dropped with the part of a strip.
	Scratch(usize),
}

/// A tensor that a stage reads or writes by rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StageTensor {
	/// Which.
	pub(crate) tensor: TensorId,
	/// Its declaration.
	pub(crate) decl: TensorDecl,
	/// Rows of a unit.
	pub(crate) rows: u32,
	/// Where it lives.
	pub(crate) home: Home,
}

/// What an instruction of a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
	/// The strip's rows of the stage's tensor of this number.
	Strip(usize),
	/// All of a tensor that was there before.
	Whole(TensorId),
}

/// An instruction of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Member {
	/// The instruction.
	pub(crate) node: Node,
	/// Its inputs.
	pub(crate) sources: Vec<Source>,
	/// Number of its output among the stage's tensors.
	pub(crate) output: usize,
}

/// Instructions that run strip by strip.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
	/// In the order of execution: products first.
	pub(crate) nodes: Vec<Member>,
	/// How many products there are.
	pub(crate) products: usize,
	/// What is read and written by rows.
	pub(crate) tensors: Vec<StageTensor>,
	/// Units.
	pub(crate) units: u32,
	/// Bytes that a unit takes of all memory.
	pub(crate) unit_bytes: u64,
	/// Bytes that a unit takes of what products write.
	pub(crate) panel_bytes: u64,
	/// Work of all units, in additions.
	pub(crate) weight: u64,
	/// Bytes that the products of a strip write; a part of a strip takes half of that in all.
	pub(crate) strip_bytes: u64,
	/// Units of a strip are a multiple of this, so that tiles of products are filled; 1 where there is none.
	pub(crate) product_units: u32,
}

/// A stage to which instructions are added.
pub(super) struct Growing {
	nodes: Vec<(Node, Local)>,
	/// Tensors that are read or written by rows: rows of a unit, and the declaration.
	rows: BTreeMap<TensorId, (u32, TensorDecl)>,
	/// Tensors that are written.
	written: BTreeSet<TensorId>,
	/// Operands of products.
	operands: BTreeMap<TensorId, TensorId>,
	units: u32,
}

fn units(decl: &TensorDecl, rows: u32) -> u32 {
	decl.rows.div_ceil(rows.max(1))
}

impl Stage {
	/// A stage that begins with an instruction, which is given back if it does not work by rows.
	pub(super) fn begin(program: &Program, mut node: Node) -> Result<Growing, Node> {
		let (Some(local), Some(out)) = (node.local.take(), program.tensor(node.output)) else {
			return Err(node);
		};
		let mut stage = Growing {
			nodes: Vec::new(),
			rows: BTreeMap::new(),
			written: BTreeSet::new(),
			operands: BTreeMap::new(),
			units: units(out, local.output),
		};
		match stage.rows_with(program, &node, &local, 1, 1) {
			None => Err(node),
			Some(rows) => {
				stage.take(node, local, rows);
				Ok(stage)
			}
		}
	}
}

type Rows = BTreeMap<TensorId, (u32, TensorDecl)>;

impl Growing {
	fn take(&mut self, node: Node, local: Local, rows: Rows) {
		self.rows = rows;
		if let Some((rows, decl)) = self.rows.get(&node.output) {
			self.units = units(decl, *rows);
		}
		self.written.insert(node.output);
		if matches!(node.op, Op::Product) {
			for arg in &node.inputs {
				self.operands.insert(arg.tensor, node.output);
			}
		}
		self.nodes.push((node, local));
	}

	/// Adds an instruction, or gives it back if it can't run in this stage or has nothing to do with it.
	pub(super) fn add(
		&mut self,
		program: &Program,
		there: &BTreeSet<TensorId>,
		mut node: Node,
	) -> Result<(), Node> {
		let Some(local) = node.local.take() else {
			return Err(node);
		};
		match self.fits(program, there, &node, &local) {
			Some(rows) => {
				self.take(node, local, rows);
				Ok(())
			}
			None => {
				node.local = Some(local);
				Err(node)
			}
		}
	}

	/// The rows of a unit of all tensors with this instruction in the stage.
	fn fits(
		&self,
		program: &Program,
		there: &BTreeSet<TensorId>,
		node: &Node,
		local: &Local,
	) -> Option<Rows> {
		let mut factor = None;
		for (arg, part) in node.inputs.iter().zip(&local.inputs) {
			let written = self.written.contains(&arg.tensor);
			match part {
				Part::Whole if written => return None,
				_ if !written && !there.contains(&arg.tensor) => return None,
				Part::Rows(rows) => {
					if let (None, Some((unit, _))) = (factor, self.rows.get(&arg.tensor)) {
						factor = Some((*unit, *rows));
					}
				}
				Part::Whole => {}
			}
		}
		if let (None, Op::Product) = (factor, &node.op) {
			// Products that share an operand and the sizes of their outputs.
			let shared = node.inputs.iter().find_map(|a| self.operands.get(&a.tensor))?;
			let (rows, decl) = self.rows.get(shared)?;
			if program.tensor(node.output)?.rows != decl.rows {
				return None;
			}
			factor = Some((*rows, 1));
		}
		let (unit, rows) = factor?;
		// So many units of the stage become one, which is so many units of the instruction.
		let rows = rows.max(1);
		let scale = rows / gcd(unit, rows);
		let times = unit.checked_mul(scale)? / rows;
		self.rows_with(program, node, local, scale, times)
	}

	fn rows_with(
		&self,
		program: &Program,
		node: &Node,
		local: &Local,
		scale: u32,
		times: u32,
	) -> Option<Rows> {
		let own = || {
			let of_inputs = node.inputs.iter().zip(&local.inputs);
			let of_inputs = of_inputs.filter_map(|(arg, part)| match part {
				Part::Whole => None,
				Part::Rows(rows) => Some((arg.tensor, *rows)),
			});
			of_inputs.chain([(node.output, local.output)])
		};
		if scale == 1 && !self.nodes.is_empty() {
			// What most candidates fail for, before anything is copied.
			for (tensor, rows) in own() {
				if units(program.tensor(tensor)?, rows.checked_mul(times)?) != self.units {
					return None;
				}
			}
		}
		let mut all = self.rows.clone();
		for (rows, _) in all.values_mut() {
			*rows = rows.checked_mul(scale)?;
		}
		for (tensor, rows) in own() {
			let (rows, decl) = (rows.checked_mul(times)?, *program.tensor(tensor)?);
			if all
				.insert(tensor, (rows, decl))
				.is_some_and(|(before, _)| before != rows)
			{
				return None;
			}
		}
		let count = units(program.tensor(node.output)?, all.get(&node.output)?.0);
		let mut bytes = 0u64;
		for (rows, decl) in all.values() {
			if units(decl, *rows) != count {
				return None;
			}
			bytes = bytes.saturating_add(u64::from(*rows.min(&decl.rows)) * u64::from(decl.row_bytes()));
		}
		let product = matches!(node.op, Op::Product).then_some(&node.output);
		let panel = panel(&all, self.operands.values().chain(product)).min(count);
		(bytes <= MAX_UNIT_BYTES && bytes.saturating_mul(panel.into()) <= MAX_PANEL_BYTES).then_some(all)
	}

	/// The stage; the instruction itself if there is only one.
	pub(super) fn finish(
		mut self,
		users: &BTreeMap<TensorId, usize>,
		kept: &[bool],
		strip_bytes: u64,
	) -> Result<Stage, Node> {
		if self.nodes.len() == 1 {
			if let Some((node, _)) = self.nodes.pop() {
				return Err(node);
			}
		}
		let mut inside: BTreeMap<TensorId, usize> = BTreeMap::new();
		for arg in self.nodes.iter().flat_map(|(node, _)| &node.inputs) {
			*inside.entry(arg.tensor).or_default() += 1;
		}
		let later = |id: &TensorId| kept.get(id.0 as usize) == Some(&true) || users.get(id) != inside.get(id);
		let mut tensors: Vec<StageTensor> = Vec::new();
		let (mut numbers, mut stored) = (BTreeMap::new(), 0);
		for (id, (rows, decl)) in &self.rows {
			numbers.insert(*id, tensors.len());
			let home = match self.written.contains(id) {
				false => Home::Given,
				true if later(id) => {
					stored += 1;
					Home::Stored(stored - 1)
				}
				true => Home::Scratch(0),
			};
			tensors.push(StageTensor {
				tensor: *id,
				decl: *decl,
				// Units of a stage that has one may be longer than a tensor.
				rows: (*rows).min(decl.rows),
				home,
			});
		}
		// The operands of products were there before, so that all products can run first: for many rows, which read their
		// packed operands once, while everything else runs for the few that stay in a cache.
		let is_product = |(node, _): &(Node, Local)| matches!(node.op, Op::Product);
		self.nodes.sort_by_key(|node| !is_product(node));
		let products = self.nodes.iter().filter(|node| is_product(node)).count();
		let product_units = panel(&self.rows, self.operands.values());
		let weight = self.nodes.iter().map(|(node, _)| weight(node, &self.rows)).sum();
		let nodes: Vec<Member> = self
			.nodes
			.into_iter()
			.map(|(node, local)| Member {
				sources: node
					.inputs
					.iter()
					.zip(&local.inputs)
					.map(|(arg, part)| match (part, numbers.get(&arg.tensor)) {
						(Part::Rows(_), Some(number)) => Source::Strip(*number),
						_ => Source::Whole(arg.tensor),
					})
					.collect(),
				output: numbers.get(&node.output).copied().unwrap_or_default(),
				node,
			})
			.collect();
		assign(&nodes, products, &mut tensors);
		let written: BTreeSet<usize> = nodes.iter().take(products).map(|n| n.output).collect();
		let panel_bytes = tensors.iter().enumerate().filter(|(n, _)| written.contains(n));
		Ok(Stage {
			unit_bytes: memory(&tensors),
			panel_bytes: panel_bytes.map(|(_, t)| bytes(t)).sum(),
			nodes,
			products,
			tensors,
			units: self.units,
			weight,
			strip_bytes,
			product_units,
		})
	}
}

/// Units that fill a panel of every product among `outputs`.
fn panel<'a>(rows: &Rows, outputs: impl Iterator<Item = &'a TensorId>) -> u32 {
	let of = |id: &TensorId| {
		rows.get(id)
			.map_or(1, |(rows, _)| (PANEL as u32).div_ceil((*rows).max(1)))
	};
	outputs.map(of).max().unwrap_or(1)
}

/// Work of an instruction in additions of words; a multiply-accumulate takes about an eighth of one.
fn weight(node: &Node, rows: &Rows) -> u64 {
	let out = rows.get(&node.output).map_or(0, |(_, d)| d.elements());
	let first = node.inputs.first().and_then(|a| rows.get(&a.tensor));
	match node.op {
		Op::Product | Op::GroupProduct { .. } => out.saturating_mul(16),
		_ => out.max(first.map_or(0, |(_, d)| d.elements())),
	}
}
