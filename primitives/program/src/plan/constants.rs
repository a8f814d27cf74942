// SPDX-License-Identifier: Apache-2.0

//! Data sets that stay the same from run to run, with what the products of a plan need of them packed once.

use super::{run::pack_right, Plan, Right, SPARE_BYTES};
use crate::{
	execute::Vectors,
	program::{Program, Role},
	slots::Given,
	tensor::{Tensor, TensorDecl},
};
use alloc::vec::Vec;
use poaiw_work::gemm::Packed;

/// A data set that does not change, given by [`Given::Constant`].
#[derive(Clone, Debug)]
pub struct Constant<'a> {
	tensor: &'a Tensor,
	vectors: Vectors,
	/// Whether it is packed for left operands in two parts, and the packed operand.
	packed: Vec<(bool, Packed)>,
}

impl<'a> Constant<'a> {
	/// The data set.
	pub fn tensor(&self) -> &'a Tensor {
		self.tensor
	}

	/// The operand packed for such products, if the plan that this was made for has some.
	pub(crate) fn packed(&self, right: &Right, vectors: Vectors) -> Option<&Packed> {
		let fits = !right.operand.flipped && vectors == self.vectors;
		let mut packed = self.packed.iter();
		let found = packed.find(|(parts, _)| fits && *parts == right.parts)?;
		Some(&found.1)
	}
}

/// The data sets of a program, by their numbers.
#[derive(Clone, Debug)]
pub struct Constants<'a>(Vec<(u16, Constant<'a>)>);

impl<'a> Constants<'a> {
	/// Packs what the products of a plan read as their right operands, up to twice the bytes of all sets and a bit. Other
	/// plans and vectors can be given the same constants: they pack for themselves what is not there.
	pub fn new(
		program: &Program,
		plan: &Plan,
		vectors: Vectors,
		sets: impl IntoIterator<Item = (u16, &'a Tensor)>,
	) -> Self {
		let rights: Vec<Right> = plan.items.iter().flat_map(|item| item.rights()).collect();
		let sets: Vec<(u16, &'a Tensor)> = sets.into_iter().collect();
		let size = |set: &Tensor| TensorDecl::new(set.element(), set.rows(), set.cols(), 0, 0).size();
		let bytes = sets.iter().map(|(_, set)| size(set)).fold(0, u64::saturating_add);
		// Narrow operands take more than that when they are packed.
		let mut room = bytes.saturating_mul(2).saturating_add(SPARE_BYTES);
		let constant = |(n, tensor): (u16, &'a Tensor)| {
			let input = program.inputs.iter().find(|i| i.role == Role::Data(n));
			let packed = |parts: bool| {
				let of_this = |right: &&Right| {
					input.is_some_and(|i| i.tensor == right.operand.tensor)
						&& !right.operand.flipped
						&& right.parts == parts
				};
				let right = rights.iter().find(of_this)?;
				let mut packed = Packed::default();
				if room == 0 {
					return None;
				}
				// What can't be packed is refused when it is run.
				pack_right(right, tensor, vectors, &mut packed).ok()?;
				room = room.saturating_sub(packed.bytes() as u64);
				Some((parts, packed))
			};
			let constant = Constant {
				tensor,
				vectors,
				packed: [false, true].into_iter().filter_map(packed).collect(),
			};
			(n, constant)
		};
		Self(sets.into_iter().map(constant).collect())
	}

	/// All of them as inputs of a run.
	pub fn given(&self) -> impl Iterator<Item = Given<'_>> {
		self.0.iter().map(|(n, constant)| Given::Constant(*n, constant))
	}
}
