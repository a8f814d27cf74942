// SPDX-License-Identifier: Apache-2.0

//! The values of a program's tensors during a run: what it is given, and what it leaves.

use crate::{
	execute::{ExecError, Vectors},
	plan::{Constant, Right},
	program::{Program, Role, TensorId},
	tensor::Tensor,
};
use alloc::vec::Vec;
use poaiw_work::gemm::Packed;

/// A value during a run.
enum Slot<'a> {
	Owned(Tensor),
	Borrowed(&'a Tensor),
	Constant(&'a Constant<'a>),
}

impl Slot<'_> {
	/// The value: what was only borrowed is copied.
	fn into_tensor(self) -> Tensor {
		match self {
			Slot::Owned(t) => t,
			Slot::Borrowed(t) => t.clone(),
			Slot::Constant(c) => c.tensor().clone(),
		}
	}

	fn get(&self) -> &Tensor {
		match self {
			Slot::Owned(t) => t,
			Slot::Borrowed(t) => t,
			Slot::Constant(c) => c.tensor(),
		}
	}
}

/// What a program leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramOutput {
	/// The next state.
	pub state: Vec<Tensor>,
	/// The loss.
	pub loss: Option<i32>,
	/// The metric.
	pub metric: Option<i32>,
	/// The outputs.
	pub outputs: Vec<Tensor>,
}

/// An input of a program: its own tensor or one that outlives the run.
pub enum Given<'a> {
	/// State of this number.
	State(u16, Tensor),
	/// State of this number, not taken over.
	StateRef(u16, &'a Tensor),
	/// Data set of this number.
	Data(u16, &'a Tensor),
	/// Data set of this number, packed for the products that read it.
	Constant(u16, &'a Constant<'a>),
}

/// The values that there are, by the number of the tensor.
pub(crate) struct Slots<'a>(Vec<Option<Slot<'a>>>);

impl<'a> Slots<'a> {
	/// The values of a program's inputs.
	///
	/// # Errors
	/// If a value does not have the declared sizes.
	pub(crate) fn new(program: &Program, given: Vec<Given<'a>>) -> Result<Self, ExecError> {
		let mut slots = Vec::new();
		slots.resize_with(program.tensors.len(), || None);
		place_inputs(program, &mut slots, given)?;
		Ok(Self(slots))
	}

	/// The value of a tensor.
	pub(crate) fn get(&self, id: TensorId) -> Option<&Tensor> {
		self.0
			.get(id.0 as usize)
			.and_then(|slot| slot.as_ref())
			.map(Slot::get)
	}

	/// The right operand of a product as a constant has it packed.
	pub(crate) fn packed(&self, right: &Right, vectors: Vectors) -> Option<&Packed> {
		match self.0.get(right.operand.tensor.0 as usize)? {
			Some(Slot::Constant(constant)) => constant.packed(right, vectors),
			_ => None,
		}
	}

	/// Gives a tensor its value.
	pub(crate) fn put(&mut self, id: TensorId, value: Tensor) {
		if let Some(slot) = self.0.get_mut(id.0 as usize) {
			*slot = Some(Slot::Owned(value));
		}
	}

	/// Forgets a value; gives its memory, unless it was only borrowed.
	pub(crate) fn drop(&mut self, id: TensorId) -> Option<Tensor> {
		match self.0.get_mut(id.0 as usize).and_then(Option::take) {
			Some(Slot::Owned(tensor)) => Some(tensor),
			_ => None,
		}
	}

	/// What the program leaves.
	///
	/// # Errors
	/// If a tensor that it should leave has no value.
	pub(crate) fn finish(self, program: &Program) -> Result<ProgramOutput, ExecError> {
		collect(program, self.0)
	}
}

fn place_inputs<'a>(
	program: &Program,
	slots: &mut [Option<Slot<'a>>],
	given: Vec<Given<'a>>,
) -> Result<(), ExecError> {
	for value in given {
		let (role, slot) = match value {
			Given::State(n, t) => (Role::State(n), Slot::Owned(t)),
			Given::StateRef(n, t) => (Role::State(n), Slot::Borrowed(t)),
			Given::Data(n, t) => (Role::Data(n), Slot::Borrowed(t)),
			Given::Constant(n, c) => (Role::Data(n), Slot::Constant(c)),
		};
		// A program need not read everything that there is.
		let Some(input) = program.inputs.iter().find(|i| i.role == role) else {
			continue;
		};
		let (Some(decl), Some(place)) = (
			program.tensor(input.tensor),
			slots.get_mut(input.tensor.0 as usize),
		) else {
			return Err(ExecError::Input { role });
		};
		let t = slot.get();
		if (t.element(), t.rows(), t.cols()) != (decl.element, decl.rows, decl.cols) {
			return Err(ExecError::Input { role });
		}
		*place = Some(slot);
	}
	Ok(())
}

fn collect(program: &Program, mut slots: Vec<Option<Slot<'_>>>) -> Result<ProgramOutput, ExecError> {
	let missing = || ExecError::Missing {
		instruction: program.instructions.len() as u32,
	};
	let scalar = |id: &Option<TensorId>| -> Result<Option<i32>, ExecError> {
		let Some(id) = id else { return Ok(None) };
		let slot = slots.get(id.0 as usize).and_then(|s| s.as_ref());
		Ok(slot.ok_or_else(missing)?.get().scalar())
	};
	let (loss, metric) = (scalar(&program.loss)?, scalar(&program.metric)?);
	// A tensor may be an output and a part of the state; no list names one twice.
	let outputs = program.outputs.iter().map(|id| {
		let slot = slots.get_mut(id.0 as usize);
		if program.state.contains(id) {
			slot.and_then(|s| s.as_ref()).map(|s| s.get().clone())
		} else {
			slot.and_then(Option::take).map(Slot::into_tensor)
		}
	});
	let outputs = outputs.collect::<Option<_>>().ok_or_else(missing)?;
	let state = program.state.iter().map(|id| {
		let slot = slots.get_mut(id.0 as usize).and_then(Option::take);
		slot.map(Slot::into_tensor)
	});
	Ok(ProgramOutput {
		state: state.collect::<Option<_>>().ok_or_else(missing)?,
		loss,
		metric,
		outputs,
	})
}
