// SPDX-License-Identifier: Apache-2.0

//! Executes the items of a plan.

use super::{
	stage::{Home, Stage},
	strips::{all_strips, allocate, cut, Bench, Shared, Stored},
	Arg, Item, Node, Right,
};
use crate::{
	execute::{
		execute_op_with,
		product::{kernel, operand},
		Buffers, ExecError, Vectors, View,
	},
	op::{Op, OpKind, OPERAND_MAX},
	program::Program,
	random::Context,
	slots::Slots,
	tensor::{Element, Tensor, TensorDecl},
};
use alloc::vec::Vec;
use poaiw_work::gemm::Packed;

/// Work of a stage, in additions, below which a second core costs more time than it saves.
const GRAIN: u64 = 1 << 16;

/// Memory of a stage run that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workshop {
	benches: Vec<Bench>,
	packed: Vec<Packed>,
}

/// Runs an item; its outputs are put into `slots`.
///
/// # Errors
/// If a tensor has no value, or an operation refuses its inputs: excluded by validation.
pub(crate) fn run(
	item: &Item,
	program: &Program,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
) -> Result<(), ExecError> {
	match item {
		Item::One(node) => one(node, program, context, slots, buffers),
		Item::Stage(stage) => {
			let mut workshop = core::mem::take(buffers.workshop());
			let done = stage_with(stage, context, slots, buffers, &mut workshop);
			*buffers.workshop() = workshop;
			done
		}
	}
}

fn at(context: &Context, node: &Node) -> Context {
	Context {
		instruction: node.instruction,
		..*context
	}
}

fn missing(node: &Node) -> ExecError {
	ExecError::Missing {
		instruction: node.instruction,
	}
}

fn refused(node: &Node) -> ExecError {
	ExecError::Operands { op: node.op.kind() }
}

fn one(
	node: &Node,
	program: &Program,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
) -> Result<(), ExecError> {
	let flipped = flipped((&node.op, node.instruction), &node.inputs, slots, buffers)?;
	let mut inputs = Vec::with_capacity(node.inputs.len());
	for (arg, flipped) in node.inputs.iter().zip(&flipped) {
		let given = slots.get(arg.tensor).ok_or_else(|| missing(node))?;
		inputs.push(flipped.as_ref().unwrap_or(given));
	}
	let out = program.tensor(node.output).ok_or_else(|| missing(node))?;
	let mut run = |inputs: &[&Tensor]| execute_op_with(buffers, &node.op, &at(context, node), inputs, out);
	let value = match (node.low, inputs.as_slice()) {
		(Some(low), &[high, right, part]) => {
			let (high, part) = (run(&[high, right])?, run(&[part, right])?);
			let sum = sum_of_parts(&high, &part, low.scale.into()).ok_or_else(|| refused(node))?;
			buffers.recycle(high);
			buffers.recycle(part);
			sum
		}
		_ => run(&inputs)?,
	};
	for tensor in flipped.into_iter().flatten() {
		buffers.recycle(tensor);
	}
	slots.put(node.output, value);
	Ok(())
}

/// `scale · high + low`, modulo 2^32 as all that validation has proven to fit.
fn sum_of_parts(high: &Tensor, low: &Tensor, scale: i32) -> Option<Tensor> {
	let pairs = high.i32s()?.iter().zip(low.i32s()?);
	let sum = pairs.map(|(high, low)| high.wrapping_mul(scale).wrapping_add(*low));
	Tensor::from_i32(high.rows(), high.cols(), sum.collect()).ok()
}

/// The operands of a product that are flipped, as they are: for who wants to see them.
pub(crate) fn flipped(
	(product, instruction): (&Op, u32),
	operands: &[Arg],
	slots: &Slots<'_>,
	buffers: &mut Buffers,
) -> Result<Vec<Option<Tensor>>, ExecError> {
	let flip = |arg: &Arg| {
		if !arg.flipped {
			return Ok(None);
		}
		let x = slots.get(arg.tensor).ok_or(ExecError::Missing { instruction })?;
		let (op, groups) = match *product {
			Op::GroupProduct { groups } => (Op::GroupTranspose { groups }, groups.max(1)),
			_ => (Op::Transpose, 1),
		};
		let (rows, cols) = (x.cols().saturating_mul(groups), x.rows() / groups);
		let (lo, hi) = Element::I8.limits();
		let out = TensorDecl::new(Element::I8, rows, cols, lo, hi);
		let context = Context {
			seed: [0; 32],
			step: 0,
			instruction,
		};
		execute_op_with(buffers, &op, &context, &[x], &out).map(Some)
	};
	operands.iter().map(flip).collect()
}

fn stage_with(
	stage: &Stage,
	context: &Context,
	slots: &mut Slots<'_>,
	buffers: &mut Buffers,
	workshop: &mut Workshop,
) -> Result<(), ExecError> {
	let threads = match stage.weight < GRAIN {
		true => 1,
		false => buffers.threads(),
	};
	let numbers = pack(stage, slots, buffers.vectors(), &mut workshop.packed)?;
	let packed = stage.nodes.iter().zip(&numbers).map(|(member, number)| {
		let constant = || slots.packed(&member.node.right()?, buffers.vectors());
		number.and_then(|n| workshop.packed.get(n)).or_else(constant)
	});
	let packed = packed.collect();
	let kept = || stage.tensors.iter().filter(|t| matches!(t.home, Home::Stored(_)));
	let mut stored = Vec::new();
	for tensor in kept() {
		match allocate(tensor, buffers) {
			Some(memory) => stored.push(memory),
			// Not reached: sizes of validated tensors fit a `usize`.
			None => return Err(ExecError::Missing { instruction: 0 }),
		}
	}
	let shared = Shared {
		stage,
		contexts: stage.nodes.iter().map(|n| at(context, &n.node)).collect(),
		slots,
		packed,
		vectors: buffers.vectors(),
	};
	let strips = cut(stage, threads, &mut stored);
	if workshop.benches.len() < threads {
		workshop.benches.resize_with(threads, Bench::default);
	}
	let benches = workshop.benches.get_mut(..threads).unwrap_or_default();
	let failed = all_strips(&shared, strips, benches);
	benches.iter_mut().for_each(Bench::trim);
	if let Some(member) = failed.and_then(|n| stage.nodes.get(n)) {
		return Err(refused(&member.node));
	}
	for (tensor, stored) in kept().zip(stored) {
		let decl = &tensor.decl;
		let value = match stored {
			Stored::Bytes(values) => Tensor::from_i8(decl.rows, decl.cols, values),
			Stored::Words(values) => Tensor::from_i32(decl.rows, decl.cols, values),
		};
		// The length is that of the declaration.
		if let Ok(value) = value {
			slots.put(tensor.tensor, value);
		}
	}
	Ok(())
}

/// Packs the right operand of every product that no constant has packed, each operand once; gives the number of every
/// member's one.
fn pack(
	stage: &Stage,
	slots: &Slots<'_>,
	vectors: Vectors,
	packed: &mut Vec<Packed>,
) -> Result<Vec<Option<usize>>, ExecError> {
	let mut done: Vec<Right> = Vec::new();
	let mut numbers = Vec::with_capacity(stage.nodes.len());
	for member in &stage.nodes {
		let right = member.node.right();
		let Some(right) = right.filter(|right| slots.packed(right, vectors).is_none()) else {
			numbers.push(None);
			continue;
		};
		let number = done.iter().position(|other| *other == right);
		numbers.push(Some(number.unwrap_or(done.len())));
		if number.is_none() {
			done.push(right);
		}
	}
	if packed.len() < done.len() {
		packed.resize_with(done.len(), Packed::default);
	}
	for (right, packed) in done.iter().zip(packed) {
		let tensor = slots.get(right.operand.tensor);
		let tensor = tensor.ok_or(ExecError::Operands { op: OpKind::Product })?;
		pack_right(right, tensor, vectors, packed)?;
	}
	Ok(numbers)
}

/// Packs a right operand.
pub(super) fn pack_right(
	right: &Right,
	tensor: &Tensor,
	vectors: Vectors,
	packed: &mut Packed,
) -> Result<(), ExecError> {
	let operands = || ExecError::Operands { op: OpKind::Product };
	let matrix = operand(View::of(tensor), right.operand.flipped).ok_or_else(operands)?;
	let (kernel, most) = (kernel(vectors), OPERAND_MAX as u8);
	let done = match right.parts {
		true => packed.pack_for_parts(kernel, matrix, most),
		false => packed.pack(kernel, matrix, most),
	};
	done.map_err(|_| operands())
}
