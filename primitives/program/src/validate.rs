// SPDX-License-Identifier: Apache-2.0

//! Validation of a program: after it, no instruction can read what is not there, leave 32 bits, or need unbounded memory.

use crate::{
	arbiter::max_dependencies,
	cost::{op_cost, Cost},
	error::{bound, Place, Reason, ValidateError},
	op::Op,
	program::{Program, Role, TensorId, MAX_INPUTS, MAX_INSTRUCTIONS, MAX_TENSORS},
	range::prove,
	tensor::{Element, TensorDecl, MAX_ROWS, MAX_ROW_BYTES},
};
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// Most elements of one tensor: positions and byte offsets fit 32 bits on every device.
pub const MAX_ELEMENTS: u64 = 1 << 28;
/// Most bytes of all tensors of a program together.
pub const MAX_PROGRAM_TENSOR_BYTES: u64 = 1 << 36;
/// Most weighted operations of one run of a program.
pub const MAX_PROGRAM_COST: u64 = 1 << 46;

/// Most input blocks that one block of an output may depend on: bounds the last step of a dispute.
pub const MAX_BLOCK_DEPENDENCIES: u64 = 4096;

/// What validation found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
	/// Cost of one run.
	pub cost: Cost,
	/// Bytes of all tensors, inputs included.
	pub total_bytes: u64,
	/// Most bytes alive at once when tensors are dropped after their last use.
	pub peak_bytes: u64,
	/// Most input blocks that any output block of any instruction depends on.
	pub max_dependencies: u64,
	/// For each tensor the last instruction that reads it; `None` for outputs and tensors that nothing reads.
	pub last_use: Vec<Option<u32>>,
}

/// Validates a program.
///
/// # Errors
/// The first fault: where it is, which bound is broken and by which values.
pub fn validate(program: &Program) -> Result<ProgramInfo, ValidateError> {
	counts(program)?;
	let mut total_bytes = 0u64;
	for (n, decl) in program.tensors.iter().enumerate() {
		check_decl(decl).map_err(|r| r.at(Place::Tensor(n as u32)))?;
		total_bytes = total_bytes.saturating_add(decl.size());
	}
	bound("bytes of all tensors", total_bytes, 0, MAX_PROGRAM_TENSOR_BYTES)
		.map_err(|r| r.at(Place::Whole))?;

	let mut written = vec![false; program.tensors.len()];
	inputs(program, &mut written)?;
	let (mut cost, mut max_dependencies) = (Cost::default(), 0);
	for n in 0..program.instructions.len() {
		let (more, blocks) = instruction(program, n, &mut written)?;
		cost = cost.plus(more);
		max_dependencies = blocks.max(max_dependencies);
	}
	bound("weighted operations", cost.total(), 0, MAX_PROGRAM_COST).map_err(|r| r.at(Place::Whole))?;
	if let Some(tensor) = written.iter().position(|w| !w) {
		let tensor = tensor as u32;
		return Err(Reason::Unwritten { tensor }.at(Place::Tensor(tensor)));
	}
	outputs(program)?;
	products(program)?;
	let last_use = last_use(program);
	Ok(ProgramInfo {
		cost,
		total_bytes,
		peak_bytes: peak_bytes(program, &last_use),
		max_dependencies,
		last_use,
	})
}

fn counts(program: &Program) -> Result<(), ValidateError> {
	let most = [
		("tensors", program.tensors.len(), MAX_TENSORS),
		("instructions", program.instructions.len(), MAX_INSTRUCTIONS),
		("inputs", program.inputs.len(), MAX_INPUTS),
		("state tensors", program.state.len(), MAX_INPUTS),
		("outputs", program.outputs.len(), MAX_INPUTS),
	];
	for (what, got, most) in most {
		if got > most {
			let (got, most) = (got as u64, most as u64);
			return Err(Reason::TooMany { what, got, most }.at(Place::Whole));
		}
	}
	Ok(())
}

/// Checks the sizes and the range of a declaration alone.
pub(crate) fn check_decl(d: &TensorDecl) -> Result<(), Reason> {
	bound("rows", d.rows, 1, MAX_ROWS)?;
	bound("columns", d.cols, 1, MAX_ROW_BYTES / d.element.bytes())?;
	bound("elements", d.elements(), 1, MAX_ELEMENTS)?;
	let (lo, hi) = d.element.limits();
	bound("the declared lower end", d.lo, lo, d.hi)?;
	bound("the declared upper end", d.hi, d.lo, hi)
}

/// Marks a tensor as written, once.
fn write(written: &mut [bool], id: TensorId) -> Result<(), Reason> {
	match written.get_mut(id.0 as usize) {
		None => Err(Reason::Unwritten { tensor: id.0 }),
		Some(true) => Err(Reason::WrittenTwice { tensor: id.0 }),
		Some(slot) => {
			*slot = true;
			Ok(())
		}
	}
}

fn inputs(program: &Program, written: &mut [bool]) -> Result<(), ValidateError> {
	let mut roles: Vec<(u8, u16)> = Vec::new();
	for (n, input) in program.inputs.iter().enumerate() {
		let place = || Place::Input(n as u32);
		write(written, input.tensor).map_err(|r| r.at(place()))?;
		let role = match input.role {
			Role::State(i) => (0, i),
			Role::Data(i) => (1, i),
		};
		if roles.contains(&role) {
			return Err(Reason::Shape {
				rule: "every state tensor and data set is an input once",
				got: alloc::format!("{:?} again", input.role),
			}
			.at(place()));
		}
		roles.push(role);
	}
	Ok(())
}

/// Cost of an instruction and its block dependencies.
fn instruction(program: &Program, n: usize, written: &mut [bool]) -> Result<(Cost, u64), ValidateError> {
	let Some(i) = program.instructions.get(n) else {
		return Ok((Cost::default(), 0));
	};
	let place = || Place::Instruction(n as u32, i.op.kind());
	let expected = i.op.kind().inputs();
	bound(
		"the number of inputs",
		i.inputs.len() as u64,
		expected as u64,
		expected as u64,
	)
	.map_err(|r| r.at(place()))?;
	let mut decls = Vec::with_capacity(expected);
	for id in &i.inputs {
		match (program.tensor(*id), written.get(id.0 as usize)) {
			(Some(decl), Some(true)) => decls.push(decl),
			_ => return Err(Reason::Unwritten { tensor: id.0 }.at(place())),
		}
	}
	let Some(out) = program.tensor(i.output) else {
		return Err(Reason::Unwritten { tensor: i.output.0 }.at(place()));
	};
	write(written, i.output).map_err(|r| r.at(place()))?;
	prove(&i.op, &decls, out).map_err(|r| r.at(place()))?;
	let blocks = max_dependencies(&i.op, &decls, out);
	bound(
		"input blocks of one output block",
		blocks,
		0,
		MAX_BLOCK_DEPENDENCIES,
	)
	.map_err(|r| r.at(place()))?;
	Ok((op_cost(&i.op, &decls, out), blocks))
}

fn outputs(program: &Program) -> Result<(), ValidateError> {
	let lists = [("state", &program.state), ("outputs", &program.outputs)];
	for (name, list) in lists {
		for (n, id) in list.iter().enumerate() {
			if program.tensor(*id).is_none() {
				return Err(Reason::Unwritten { tensor: id.0 }.at(Place::Output(name)));
			}
			if list.iter().take(n).any(|other| other == id) {
				return Err(Reason::WrittenTwice { tensor: id.0 }.at(Place::Output(name)));
			}
		}
	}
	for (name, id) in [("loss", program.loss), ("metric", program.metric)] {
		let Some(id) = id else { continue };
		let Some(decl) = program.tensor(id) else {
			return Err(Reason::Unwritten { tensor: id.0 }.at(Place::Output(name)));
		};
		if (decl.element, decl.rows, decl.cols) != (Element::I32, 1, 1) {
			return Err(Reason::Shape {
				rule: "loss and metric are I32 scalars",
				got: alloc::format!("{:?} [{}, {}]", decl.element, decl.rows, decl.cols),
			}
			.at(Place::Output(name)));
		}
	}
	Ok(())
}

/// Every product is read by something, and computed once: MACs that nobody has to spend must not be counted.
fn products(program: &Program) -> Result<(), ValidateError> {
	let mut read: BTreeSet<TensorId> = program
		.instructions
		.iter()
		.flat_map(|i| i.inputs.iter().copied())
		.collect();
	read.extend(program.results());
	let mut seen = BTreeSet::new();
	for (n, i) in (0u32..).zip(&program.instructions) {
		if !matches!(i.op, Op::Product | Op::GroupProduct { .. }) {
			continue;
		}
		let got = alloc::format!("operands {:?}, output {}", i.inputs, i.output.0);
		let rule = if !read.contains(&i.output) {
			"the output of a product is read, or a result"
		} else if !seen.insert(&i.inputs) {
			"a product is computed once"
		} else {
			continue;
		};
		return Err(Reason::Shape { rule, got }.at(Place::Instruction(n, i.op.kind())));
	}
	Ok(())
}

fn last_use(program: &Program) -> Vec<Option<u32>> {
	let mut last = vec![None; program.tensors.len()];
	for (n, i) in program.instructions.iter().enumerate() {
		for id in &i.inputs {
			if let Some(slot) = last.get_mut(id.0 as usize) {
				*slot = Some(n as u32);
			}
		}
	}
	for id in program.results() {
		if let Some(slot) = last.get_mut(id.0 as usize) {
			*slot = None;
		}
	}
	last
}

fn peak_bytes(program: &Program, last_use: &[Option<u32>]) -> u64 {
	let size = |id: &TensorId| program.tensor(*id).map_or(0, TensorDecl::size);
	let mut live: u64 = program
		.inputs
		.iter()
		.map(|i| size(&i.tensor))
		.fold(0, u64::saturating_add);
	let mut peak = live;
	for (n, i) in program.instructions.iter().enumerate() {
		live = live.saturating_add(size(&i.output));
		peak = peak.max(live);
		for (at, id) in i.inputs.iter().enumerate() {
			let repeated = i.inputs.iter().take(at).any(|other| other == id);
			if !repeated && last_use.get(id.0 as usize) == Some(&Some(n as u32)) {
				live = live.saturating_sub(size(id));
			}
		}
	}
	peak
}
