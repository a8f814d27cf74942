// SPDX-License-Identifier: Apache-2.0

//! The CPU executor of whole programs, and of segments on top of it.

use crate::{
	execute::{execute_op_with, Buffers, ExecError},
	op::Op,
	plan::{self, Constants, Factors, Item, Plan},
	program::Program,
	random::Context,
	run::{
		check_state, drive_segment, Control, Evaluated, Observer, Product, ProductSite, RunError,
		SegmentOutput, StepBackend,
	},
	slots::Slots,
	tensor::Tensor,
	trace::state_root,
	validate::ProgramInfo,
	workload::{Workload, WorkloadInfo},
};
use alloc::vec::Vec;

pub use crate::slots::{Given, ProgramOutput};

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
	let mut slots = Slots::new(program, given)?;
	for (n, i) in (0u32..).zip(&program.instructions) {
		let missing = || ExecError::Missing { instruction: n };
		let inputs: Vec<&Tensor> = i
			.inputs
			.iter()
			.map(|id| slots.get(*id))
			.collect::<Option<_>>()
			.ok_or_else(missing)?;
		before(n, &inputs);
		let out = program.tensor(i.output).ok_or_else(missing)?;
		let context = Context {
			instruction: n,
			..context
		};
		let value = execute_op_with(buffers, &i.op, &context, &inputs, out)?;
		slots.put(i.output, value);
		for id in &i.inputs {
			if info.last_use.get(id.0 as usize) == Some(&Some(n)) {
				if let Some(tensor) = slots.drop(*id) {
					buffers.recycle(tensor);
				}
			}
		}
	}
	slots.finish(program)
}

/// As [`run_program`], by a [`Plan`] of the program: the same bits, faster. `observe` is shown the operands of the products
/// for which `wants` says yes, by the index of the instruction, before they are computed.
///
/// # Errors
/// As [`run_program`].
pub fn run_planned(
	buffers: &mut Buffers,
	program: &Program,
	plan: &Plan,
	context: Context,
	given: Vec<Given<'_>>,
	wants: impl Fn(u32) -> bool,
	mut observe: impl FnMut(u32, Product<'_>),
) -> Result<ProgramOutput, ExecError> {
	let mut slots = Slots::new(program, given)?;
	let items = plan.items.iter().zip(&plan.dead);
	let mut items: Vec<_> = items.collect();
	let mut rest = items.as_mut_slice();
	while let Some((first, _)) = rest.first() {
		show(first, &slots, buffers, &wants, &mut observe)?;
		let wanted = |item: &Item| item.products().any(|product| wants(product.instruction));
		let count = rest.iter().skip(1).take_while(|(item, _)| !wanted(item)).count() + 1;
		let (now, after) = rest.split_at_mut(count);
		rest = after;
		let mut all = || {
			for (item, dead) in &*now {
				plan::run::run(item, program, &context, &mut slots, buffers)?;
				for id in *dead {
					if let Some(tensor) = slots.drop(*id) {
						buffers.recycle(tensor);
					}
				}
			}
			Ok(())
		};
		#[cfg(feature = "std")]
		// Once for all of them: handing over every single stage to the pool takes longer than many stages do.
		rayon::scope(|_| all())?;
		#[cfg(not(feature = "std"))]
		all()?;
	}
	slots.finish(program)
}

/// Shows the products of an item that are wanted.
fn show(
	item: &Item,
	slots: &Slots<'_>,
	buffers: &mut Buffers,
	wants: impl Fn(u32) -> bool,
	mut observe: impl FnMut(u32, Product<'_>),
) -> Result<(), ExecError> {
	for Factors {
		instruction,
		operands,
	} in item.products().filter(|product| wants(product.instruction))
	{
		let flipped = plan::run::flipped((&Op::Product, instruction), &operands, slots, buffers)?;
		let mut operands = operands.iter().zip(&flipped).map(|(arg, flipped)| match flipped {
			Some(tensor) => Some(tensor),
			None => slots.get(arg.tensor),
		});
		let (Some(Some(a)), Some(Some(b))) = (operands.next(), operands.next()) else {
			return Err(ExecError::Missing { instruction });
		};
		if let (Some(left), Some(right)) = (a.i8s(), b.i8s()) {
			let product = Product {
				a: left,
				b: right,
				m: a.rows(),
				n: b.rows(),
				k: a.cols(),
			};
			observe(instruction, product);
		}
		for tensor in flipped.into_iter().flatten() {
			buffers.recycle(tensor);
		}
	}
	Ok(())
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

/// A plan, and the data sets as it wants them.
struct Planned<'a> {
	plan: Plan,
	data: Constants<'a>,
}

/// The CPU backend of a run.
pub struct Interpreter<'a, O: Observer> {
	workload: &'a Workload,
	seed: [u8; 32],
	data: &'a CheckedData,
	state: Vec<Tensor>,
	/// The programs that ran before.
	step: Option<Planned<'a>>,
	evaluation: Option<Planned<'a>>,
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
		_validated: &'a WorkloadInfo,
		seed: [u8; 32],
		data: &'a CheckedData,
		observer: O,
	) -> Result<Self, RunError> {
		if !data.belongs_to(workload) {
			return Err(RunError::DataRoot { set: 0 });
		}
		Ok(Self {
			workload,
			seed,
			data,
			state: Vec::new(),
			step: None,
			evaluation: None,
			buffers: Buffers::default(),
			observer,
		})
	}

	/// The observer.
	pub fn observer(&mut self) -> &mut O {
		&mut self.observer
	}

	fn plan(&self, program: &Program) -> Planned<'a> {
		let plan = Plan::new(program);
		let sets = (0u16..).zip(self.data.sets());
		let data = Constants::new(program, &plan, self.buffers.vectors(), sets);
		Planned { plan, data }
	}

	fn run(
		&mut self,
		(program, Planned { plan, data }): (&Program, &Planned<'_>),
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
		let given = owned.chain(kept).chain(data.given()).collect();
		let context = Context {
			seed: self.seed,
			step,
			instruction: 0,
		};
		let site = |instruction| ProductSite {
			segment,
			step,
			instruction,
		};
		let observer = core::cell::RefCell::new(&mut self.observer);
		run_planned(
			&mut self.buffers,
			program,
			plan,
			context,
			given,
			|instruction| observer.borrow().wants(site(instruction)),
			|instruction, product| observer.borrow_mut().product(site(instruction), product),
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
		let workload = self.workload;
		let plan = self.step.take().unwrap_or_else(|| self.plan(&workload.step));
		let done = self.run((&workload.step, &plan), segment, step, true);
		self.step = Some(plan);
		let done = done?;
		self.state = done.state;
		done.loss.ok_or(ExecError::Missing { instruction: 0 })
	}

	fn state(&mut self) -> Result<Vec<Tensor>, ExecError> {
		Ok(self.state.clone())
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> Result<Evaluated, ExecError> {
		let workload = self.workload;
		let Some(program) = &workload.evaluate else {
			return Err(ExecError::Missing { instruction: 0 });
		};
		let step = workload.evaluation_step(run);
		let plan = self.evaluation.take().unwrap_or_else(|| self.plan(program));
		let done = self.run((program, &plan), segment, step, false);
		self.evaluation = Some(plan);
		let done = done?;
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
	fn wants(&self, site: ProductSite) -> bool {
		self.0.borrow().wants(site)
	}

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
