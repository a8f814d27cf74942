// SPDX-License-Identifier: Apache-2.0

//! The CPU executor of whole programs, and of segments on top of it.

use crate::{
	execute::{execute_op_with, Buffers, ExecError},
	op::Op,
	program::{Program, Role, TensorId},
	random::Context,
	run::{
		check_state, drive_segment, Control, Evaluated, Observer, Product, ProductSite, RunError,
		SegmentOutput, StepBackend,
	},
	tensor::Tensor,
	trace::state_root,
	validate::ProgramInfo,
	workload::{Workload, WorkloadInfo},
};
use alloc::vec::Vec;

/// A value during a run.
enum Slot<'a> {
	Owned(Tensor),
	Borrowed(&'a Tensor),
}

impl Slot<'_> {
	/// The value: what was only borrowed is copied.
	fn into_tensor(self) -> Tensor {
		match self {
			Slot::Owned(t) => t,
			Slot::Borrowed(t) => t.clone(),
		}
	}

	fn get(&self) -> &Tensor {
		match self {
			Slot::Owned(t) => t,
			Slot::Borrowed(t) => t,
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
}

/// Runs a validated program once. `before` is told the index and the inputs of every instruction before it runs.
///
/// Tensors are dropped after their last use.
///
/// # Errors
/// If an input is missing, or an instruction does not fit its tensors: excluded by validation.
pub fn run_program(
	program: &Program,
	info: &ProgramInfo,
	context: Context,
	given: Vec<Given<'_>>,
	before: impl FnMut(u32, &[&Tensor]),
) -> Result<ProgramOutput, ExecError> {
	run_program_with(&mut Buffers::default(), program, info, context, given, before)
}

/// As [`run_program`], into memory that `buffers` keeps from earlier runs.
///
/// # Errors
/// As [`run_program`].
pub fn run_program_with(
	buffers: &mut Buffers,
	program: &Program,
	info: &ProgramInfo,
	context: Context,
	given: Vec<Given<'_>>,
	mut before: impl FnMut(u32, &[&Tensor]),
) -> Result<ProgramOutput, ExecError> {
	let mut slots: Vec<Option<Slot<'_>>> = Vec::new();
	slots.resize_with(program.tensors.len(), || None);
	place_inputs(program, &mut slots, given)?;
	for (n, i) in (0u32..).zip(&program.instructions) {
		let missing = || ExecError::Missing { instruction: n };
		let inputs: Vec<&Tensor> = i
			.inputs
			.iter()
			.map(|id| slots.get(id.0 as usize).and_then(|s| s.as_ref()).map(Slot::get))
			.collect::<Option<_>>()
			.ok_or_else(missing)?;
		before(n, &inputs);
		let out = program.tensor(i.output).ok_or_else(missing)?;
		let context = Context {
			instruction: n,
			..context
		};
		let value = execute_op_with(buffers, &i.op, &context, &inputs, out)?;
		*slots.get_mut(i.output.0 as usize).ok_or_else(missing)? = Some(Slot::Owned(value));
		for id in &i.inputs {
			if info.last_use.get(id.0 as usize) == Some(&Some(n)) {
				if let Some(Slot::Owned(tensor)) = slots.get_mut(id.0 as usize).and_then(Option::take) {
					buffers.recycle(tensor);
				}
			}
		}
	}
	collect(program, slots)
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

/// Data sets that were checked against a workload: layout, range of every value, and commitment.
#[derive(Clone, Debug)]
pub struct CheckedData {
	sets: Vec<Tensor>,
	input_root: [u8; 32],
}

impl CheckedData {
	/// Checks data sets.
	///
	/// # Errors
	/// [`RunError::Count`], [`RunError::Tensor`] with the value that is out of range, or [`RunError::DataRoot`].
	pub fn new(workload: &Workload, sets: Vec<Tensor>) -> Result<Self, RunError> {
		if sets.len() != workload.data.len() {
			return Err(RunError::Count {
				what: "data sets",
				expected: workload.data.len(),
				got: sets.len(),
			});
		}
		for (n, (set, decl)) in sets.iter().zip(&workload.data).enumerate() {
			set.check(&decl.tensor)?;
			if set.root()? != decl.root {
				return Err(RunError::DataRoot { set: n });
			}
		}
		Ok(Self {
			sets,
			input_root: workload.input_root(),
		})
	}

	/// The data sets.
	pub fn sets(&self) -> &[Tensor] {
		&self.sets
	}

	/// Whether it was checked against the same data declarations.
	pub fn belongs_to(&self, workload: &Workload) -> bool {
		self.input_root == workload.input_root() && self.sets.len() == workload.data.len()
	}
}

/// The CPU backend of a run.
pub struct Interpreter<'a, O: Observer> {
	workload: &'a Workload,
	info: &'a WorkloadInfo,
	seed: [u8; 32],
	data: &'a CheckedData,
	state: Vec<Tensor>,
	buffers: Buffers,
	observer: O,
}

impl<'a, O: Observer> Interpreter<'a, O> {
	/// An interpreter without a state. `info` is the validation of `workload`, whose data `data` is.
	///
	/// # Errors
	/// [`RunError::DataRoot`] if the data was checked against another workload.
	pub fn new(
		workload: &'a Workload,
		info: &'a WorkloadInfo,
		seed: [u8; 32],
		data: &'a CheckedData,
		observer: O,
	) -> Result<Self, RunError> {
		if !data.belongs_to(workload) {
			return Err(RunError::DataRoot { set: 0 });
		}
		Ok(Self {
			workload,
			info,
			seed,
			data,
			state: Vec::new(),
			buffers: Buffers::default(),
			observer,
		})
	}

	/// The observer.
	pub fn observer(&mut self) -> &mut O {
		&mut self.observer
	}

	fn run(
		&mut self,
		program: &Program,
		info: &ProgramInfo,
		segment: u32,
		step: u32,
		consume: bool,
	) -> Result<ProgramOutput, ExecError> {
		let taken = if consume {
			core::mem::take(&mut self.state)
		} else {
			Vec::new()
		};
		let owned = (0u16..).zip(taken).map(|(n, t)| Given::State(n, t));
		let kept = (0u16..).zip(&self.state).map(|(n, t)| Given::StateRef(n, t));
		let data = (0u16..).zip(self.data.sets()).map(|(n, t)| Given::Data(n, t));
		let given = owned.chain(kept).chain(data).collect();
		let context = Context {
			seed: self.seed,
			step,
			instruction: 0,
		};
		let observer = &mut self.observer;
		run_program_with(
			&mut self.buffers,
			program,
			info,
			context,
			given,
			|instruction, inputs| {
				let is_product = program
					.instructions
					.get(instruction as usize)
					.is_some_and(|i| matches!(i.op, Op::Product));
				let [a, b] = inputs else { return };
				if let (true, Some(left), Some(right)) = (is_product, a.i8s(), b.i8s()) {
					let site = ProductSite {
						segment,
						step,
						instruction,
					};
					let product = Product {
						a: left,
						b: right,
						m: a.rows(),
						n: b.rows(),
						k: a.cols(),
					};
					observer.product(site, product);
				}
			},
		)
	}
}

impl<O: Observer> StepBackend for Interpreter<'_, O> {
	type Error = ExecError;

	fn load_state(&mut self, state: Vec<Tensor>) -> Result<(), ExecError> {
		self.state = state;
		Ok(())
	}

	fn run_step(&mut self, segment: u32, step: u32) -> Result<i32, ExecError> {
		let (workload, info) = (self.workload, self.info);
		let done = self.run(&workload.step, &info.step, segment, step, true)?;
		self.state = done.state;
		done.loss.ok_or(ExecError::Missing { instruction: 0 })
	}

	fn state(&mut self) -> Result<Vec<Tensor>, ExecError> {
		Ok(self.state.clone())
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> Result<Evaluated, ExecError> {
		let (workload, info) = (self.workload, self.info);
		let (Some(program), Some(info)) = (&workload.evaluate, &info.evaluate) else {
			return Err(ExecError::Missing { instruction: 0 });
		};
		let step = workload.evaluation_step(run);
		let done = self.run(program, info, segment, step, false)?;
		Ok(Evaluated {
			outputs: done.outputs,
			metric: done.metric,
		})
	}
}

/// Re-executes one segment on the CPU from a given state: validation, state check, steps, record.
///
/// # Errors
/// If the workload is not valid, the state or data is not the workload's, or the observer stops the run.
pub fn run_segment<O: Observer>(
	workload: &Workload,
	seed: [u8; 32],
	state: Vec<Tensor>,
	data: &CheckedData,
	segment: u32,
	observer: &mut O,
) -> Result<SegmentOutput, RunError> {
	let info = workload.validate().map_err(RunError::Invalid)?;
	check_state(&info, &state)?;
	let before = state_root(&state)?;
	let shared = Shared(core::cell::RefCell::new(observer));
	let mut backend = Interpreter::new(workload, &info, seed, data, &shared)?;
	backend.load_state(state).map_err(RunError::Backend)?;
	drive_segment(&mut backend, workload, segment, before, |step, loss| {
		shared.0.borrow_mut().step_done(step, loss)
	})
}

/// Lets the backend (products) and the driver (steps) tell the same observer.
struct Shared<'a, O>(core::cell::RefCell<&'a mut O>);

impl<O: Observer> Observer for &Shared<'_, O> {
	fn product(&mut self, site: ProductSite, product: Product<'_>) {
		self.0.borrow_mut().product(site, product);
	}

	fn step_done(&mut self, step: u32, loss: i32) -> Control {
		self.0.borrow_mut().step_done(step, loss)
	}
}

/// The whole run on one backend, from a loaded state: every segment in order goes to `sink`.
///
/// # Errors
/// As [`drive_segment`].
pub fn run_all<B: StepBackend>(
	backend: &mut B,
	workload: &Workload,
	info: &WorkloadInfo,
	initial_state_root: [u8; 32],
	mut step_done: impl FnMut(u32, i32) -> Control,
	mut sink: impl FnMut(SegmentOutput),
) -> Result<(), RunError<B::Error>> {
	let mut root = initial_state_root;
	for segment in 0..info.segments {
		let output = drive_segment(backend, workload, segment, root, &mut step_done)?;
		root = output.record.state_after;
		sink(output);
	}
	Ok(())
}
