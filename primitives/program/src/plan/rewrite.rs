// SPDX-License-Identifier: Apache-2.0

//! Instructions that products do by themselves: transposes of their operands, which they read where they lie, and the
//! sum of the products of a high and a low part, `scale · (high · bᵀ) + low · bᵀ`, which is one product of an operand of
//! more bits.

use super::{Low, Node};
use crate::{
	op::Op,
	program::{Program, TensorId},
	tensor::Element,
};
use alloc::{vec, vec::Vec};

/// The tensor whose transpose another one is, if that is left out.
pub(super) fn flip(flips: &[Option<TensorId>], id: TensorId) -> Option<TensorId> {
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
pub(super) fn flips(program: &Program, kept: &[bool]) -> Vec<Option<TensorId>> {
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

/// Which instruction of the list writes a tensor, if exactly one instruction reads it.
fn writers(program: &Program, nodes: &[Node]) -> Vec<Option<usize>> {
	let mut readers = vec![0usize; program.tensors.len()];
	for arg in nodes.iter().flat_map(|node| &node.inputs) {
		if let Some(count) = readers.get_mut(arg.tensor.0 as usize) {
			*count += 1;
		}
	}
	let mut writers = vec![None; program.tensors.len()];
	for (n, node) in nodes.iter().enumerate() {
		let at = node.output.0 as usize;
		if let (Some(writer), Some(1)) = (writers.get_mut(at), readers.get(at)) {
			*writer = Some(n);
		}
	}
	writers
}

/// Joins every sum of the products of a high and a low part; what it was made of is left out.
pub(super) fn join_parts(program: &Program, nodes: &mut Vec<Node>, kept: &[bool]) {
	let writers = writers(program, nodes);
	let constants: Vec<(TensorId, i32)> = nodes
		.iter()
		.filter_map(|node| match node.op {
			Op::Constant { value } => Some((node.output, value)),
			_ => None,
		})
		.collect();
	let mut left_out = vec![false; nodes.len()];
	for n in 0..nodes.len() {
		let find = |id: TensorId| {
			let at = writers.get(id.0 as usize).copied().flatten()?;
			(kept.get(id.0 as usize) == Some(&false)).then_some((at, nodes.get(at)?))
		};
		let scale_of = |id: TensorId| constants.iter().find(|(c, _)| *c == id).map(|(_, value)| *value);
		// An addition may spread a row over the other tensor: then the parts have other sizes.
		let sizes = |id: TensorId| program.tensor(id).map(|d| (d.rows, d.cols));
		let alike = |sum: &&Node| {
			sum.inputs
				.iter()
				.all(|arg| sizes(arg.tensor) == sizes(sum.output))
		};
		let sum = nodes.get(n).filter(alike);
		let Some((joined, parts)) = sum.and_then(|sum| parts(sum, find, scale_of)) else {
			continue;
		};
		for at in parts {
			if let Some(out) = left_out.get_mut(at) {
				*out = true;
			}
		}
		if let Some(node) = nodes.get_mut(n) {
			*node = joined;
		}
	}
	let mut left_out = left_out.into_iter();
	nodes.retain(|_| !left_out.next().unwrap_or_default());
}

/// The product that an addition is, and the three instructions that it replaces.
fn parts<'a>(
	sum: &Node,
	find: impl Fn(TensorId) -> Option<(usize, &'a Node)>,
	scale_of: impl Fn(TensorId) -> Option<i32>,
) -> Option<(Node, [usize; 3])> {
	let (Op::Add, [x, y]) = (&sum.op, sum.inputs.as_slice()) else {
		return None;
	};
	let (scaled, times) = find(x.tensor)?;
	let (low_at, low) = find(y.tensor)?;
	let (Op::Multiply { shift: 0 }, [z, factor]) = (&times.op, times.inputs.as_slice()) else {
		return None;
	};
	let scale = u8::try_from(scale_of(factor.tensor)?).ok()?;
	let (high_at, high) = find(z.tensor)?;
	match (&high.op, high.inputs.as_slice(), &low.op, low.inputs.as_slice()) {
		(Op::Product, &[a, right], Op::Product, &[b, same])
			if right == same && high.low.is_none() && low.low.is_none() && high_at != low_at =>
		{
			let low = Low {
				instruction: low.instruction,
				scale,
			};
			let joined = Node {
				instruction: high.instruction,
				op: Op::Product,
				inputs: vec![a, right, b],
				output: sum.output,
				low: Some(low),
				local: high.local.clone().map(|mut local| {
					local.inputs.push(super::local::Part::Whole);
					local
				}),
				small: high.small,
			};
			Some((joined, [scaled, low_at, high_at]))
		}
		_ => None,
	}
}
