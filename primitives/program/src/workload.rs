// SPDX-License-Identifier: Apache-2.0

//! A workload: the programs of a whole task, its data by commitment, and how it is cut into segments.

use crate::{
	cost::Cost,
	error::{bound, Place, Reason, ValidateError},
	program::{decode_bounded, DecodeError, Program, Role, MAX_INPUTS},
	tensor::TensorDecl,
	validate::{check_decl, validate, ProgramInfo, MAX_PROGRAM_TENSOR_BYTES},
};
use alloc::{borrow::Cow, format, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode};
use poaiw_commitment::{hash, Hash32};
use scale_info::TypeInfo;

/// Most segments of a workload: bounds the trace that verifiers read.
pub const MAX_SEGMENTS: u32 = 4096;
/// Most steps of a workload.
pub const MAX_STEPS: u32 = 1 << 24;
/// Most weighted operations of a whole workload.
pub const MAX_WORKLOAD_COST: u64 = 1 << 56;

/// A data set: sizes, value range, and the commitment to its bytes. Labels are a data set too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DataDecl {
	/// Element type, sizes and the range that every value is checked against when the data is loaded.
	pub tensor: TensorDecl,
	/// `tensor_root` of the bytes.
	pub root: Hash32,
}

/// Unit and range of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct LossUnit {
	/// Loss in its natural unit (nats per example, say) = raw value / `divisor`.
	pub divisor: u32,
	/// Smallest raw value.
	pub lo: i32,
	/// Largest raw value.
	pub hi: i32,
}

impl LossUnit {
	/// That of a workload without training.
	pub const NONE: Self = Self {
		divisor: 1,
		lo: 0,
		hi: 0,
	};
}

/// Everything that decides a task's result, except its seed. Its hash is the program root on chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Workload {
	/// Makes the initial state from the seed.
	pub init: Program,
	/// One training step: state to state, with a loss.
	pub step: Program,
	/// Runs on the final state and leaves it as it is: held-out examples after training, requests in inference.
	pub evaluate: Option<Program>,
	/// Data sets.
	pub data: Vec<DataDecl>,
	/// Number of training steps; 0 in inference, whose `init` and `step` are empty programs.
	pub steps: u32,
	/// Steps of one segment; the last one may have fewer. 1 without training.
	pub steps_per_segment: u32,
	/// Runs of `evaluate`, each a segment of its own whose step number is `steps + run`; 0 without `evaluate`.
	pub evaluations: u32,
	/// Unit and range of the loss.
	pub loss: LossUnit,
	/// Examples that the held-out metric of one evaluation counts; 0 without a metric.
	pub metric_total: u32,
}

/// What validation found out about a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadInfo {
	/// Segments: those with training steps, and one for every evaluation.
	pub segments: u32,
	/// Segments with training steps.
	pub training_segments: u32,
	/// Product MACs (unpadded) of a full training segment.
	pub macs_per_segment: u64,
	/// Product MACs (unpadded) of one evaluation.
	pub evaluation_macs: u64,
	/// Product MACs (unpadded) of the whole run.
	pub product_macs: u64,
	/// Cost of the whole run with element operations.
	pub cost: Cost,
	/// The tensors of the state.
	pub state: Vec<TensorDecl>,
	/// Bytes of the state.
	pub state_bytes: u64,
	/// Bytes of the data sets.
	pub data_bytes: u64,
	/// Most bytes that the executors need at once, data sets included: every tensor of the largest program alive.
	pub memory_bytes: u64,
	/// Findings about `init`.
	pub init: ProgramInfo,
	/// Findings about `step`.
	pub step: ProgramInfo,
	/// Findings about `evaluate`.
	pub evaluate: Option<ProgramInfo>,
}

/// What one segment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
	/// Training steps `first..first + count`.
	Training {
		/// Global number of the first step.
		first: u32,
		/// Number of steps, at least 1.
		count: u32,
	},
	/// An evaluation of the final state.
	Evaluation {
		/// Which one.
		run: u32,
	},
}

impl Workload {
	/// From a SCALE encoding. The result is not validated.
	///
	/// # Errors
	/// See [`decode_bounded`].
	pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
		decode_bounded(bytes)
	}

	/// Hash of the SCALE encoding: the program root of a task.
	pub fn hash(&self) -> Hash32 {
		hash(&[&self.encode()])
	}

	/// Commitment to all data sets: the input root of a task.
	/// `H("PoAIW/inputs/1" ‖ le32(count) ‖ root_0 ‖ root_1 ‖ …)`.
	pub fn input_root(&self) -> Hash32 {
		let count = (self.data.len() as u32).to_le_bytes();
		let roots: Vec<u8> = self.data.iter().flat_map(|d| d.root).collect();
		hash(&[b"PoAIW/inputs/1", &count, &roots])
	}

	/// What a segment does, or `None` if there is no such segment. Meaningful for a validated workload.
	pub fn segment(&self, index: u32) -> Option<SegmentKind> {
		let per = self.steps_per_segment.max(1);
		let training = self.training_segments();
		if index < training {
			let first = index.checked_mul(per)?;
			let count = per.min(self.steps.saturating_sub(first));
			return Some(SegmentKind::Training { first, count });
		}
		let run = index.checked_sub(training)?;
		(run < self.evaluations && self.evaluate.is_some()).then_some(SegmentKind::Evaluation { run })
	}

	/// Number of segments. Meaningful for a validated workload.
	pub fn segments(&self) -> u32 {
		self.training_segments().saturating_add(self.evaluations)
	}

	/// Number of segments with training steps.
	pub fn training_segments(&self) -> u32 {
		self.steps.div_ceil(self.steps_per_segment.max(1))
	}

	/// The step number that operations of evaluation `run` see.
	pub fn evaluation_step(&self, run: u32) -> u32 {
		self.steps.saturating_add(run)
	}

	/// Validates the workload and all of its programs.
	///
	/// # Errors
	/// The first fault: where it is, which bound is broken and by which values.
	pub fn validate(&self) -> Result<WorkloadInfo, ValidateError> {
		let part = |name: &'static str| move |r: Reason| r.at(Place::Part(Cow::Borrowed(name)));
		let evaluations = if self.evaluate.is_some() {
			1..=MAX_SEGMENTS
		} else {
			0..=0
		};
		let fewest_steps = u32::from(self.evaluate.is_none());
		bound("steps", self.steps, fewest_steps, MAX_STEPS).map_err(part("workload"))?;
		bound("steps_per_segment", self.steps_per_segment, 1, self.steps.max(1)).map_err(part("workload"))?;
		bound(
			"evaluations",
			self.evaluations,
			*evaluations.start(),
			*evaluations.end(),
		)
		.map_err(part("workload"))?;
		let (training_segments, segments) = (self.training_segments(), self.segments());
		bound("segments", segments, 1, MAX_SEGMENTS).map_err(part("workload"))?;
		self.check_without_training()?;
		let data_bytes = self.check_data()?;

		let init = within("init", validate(&self.init))?;
		let step = within("step", validate(&self.step))?;
		let evaluate = self
			.evaluate
			.as_ref()
			.map(|p| within("evaluate", validate(p)))
			.transpose()?;

		// No segment re-executes products of the initial program.
		bound("products", init.cost.product_macs, 0, 0).map_err(part("program `init`"))?;
		let state = self.state_layout()?;
		self.check_program("step", &self.step, &state)?;
		self.check_loop(&state)?;
		if let Some(program) = &self.evaluate {
			self.check_program("evaluate", program, &state)?;
		}
		self.check_loss_and_metric()?;

		let evaluation = evaluate.as_ref().map_or(Cost::default(), |p| p.cost);
		let cost = init
			.cost
			.plus(step.cost.times(self.steps.into()))
			.plus(evaluation.times(self.evaluations.into()));
		bound(
			"weighted operations of the whole run",
			cost.total(),
			0,
			MAX_WORKLOAD_COST,
		)
		.map_err(part("workload"))?;
		let programs = [Some(&init), Some(&step), evaluate.as_ref()];
		let largest = programs
			.into_iter()
			.flatten()
			.map(|p| p.total_bytes)
			.max()
			.unwrap_or(0);
		let state_bytes = state.iter().map(TensorDecl::size).fold(0, u64::saturating_add);
		Ok(WorkloadInfo {
			segments,
			training_segments,
			macs_per_segment: step
				.cost
				.product_macs
				.saturating_mul(self.steps_per_segment.into()),
			evaluation_macs: evaluation.product_macs,
			product_macs: cost.product_macs,
			cost,
			state,
			state_bytes,
			data_bytes,
			memory_bytes: largest.saturating_add(data_bytes).saturating_add(state_bytes),
			init,
			step,
			evaluate,
		})
	}

	/// Without steps there is nothing that training would need.
	fn check_without_training(&self) -> Result<(), ValidateError> {
		if self.steps > 0 {
			return Ok(());
		}
		let refuse = |name: &'static str, rule, got| {
			Err(Reason::Shape { rule, got }.at(Place::Part(Cow::Borrowed(name))))
		};
		for (name, program) in [("init", &self.init), ("step", &self.step)] {
			if *program != Program::default() {
				let got = format!("{} instructions", program.instructions.len());
				return refuse(
					name,
					"a workload without steps has empty programs `init` and `step`",
					got,
				);
			}
		}
		if self.loss != LossUnit::NONE {
			let got = format!("{:?}", self.loss);
			return refuse(
				"workload",
				"a workload without steps has the loss unit 1 from 0 to 0",
				got,
			);
		}
		Ok(())
	}

	fn check_data(&self) -> Result<u64, ValidateError> {
		if self.data.len() > MAX_INPUTS {
			let (got, most) = (self.data.len() as u64, MAX_INPUTS as u64);
			return Err(Reason::TooMany {
				what: "data sets",
				got,
				most,
			}
			.at(Place::Whole));
		}
		let mut bytes = 0u64;
		for (n, d) in self.data.iter().enumerate() {
			let place = || Place::Part(Cow::Owned(format!("data set {n}")));
			check_decl(&d.tensor).map_err(|r| r.at(place()))?;
			bytes = bytes.saturating_add(d.tensor.size());
		}
		bound("bytes of all data sets", bytes, 0, MAX_PROGRAM_TENSOR_BYTES)
			.map_err(|r| r.at(Place::Whole))?;
		Ok(bytes)
	}

	/// The state that `init` makes, each tensor with the range that the step declares for it.
	fn state_layout(&self) -> Result<Vec<TensorDecl>, ValidateError> {
		if self.steps == 0 {
			return Ok(Vec::new());
		}
		let place = || Place::Part(Cow::Borrowed("init"));
		if let Some(input) = self.init.inputs.first() {
			return Err(Reason::Shape {
				rule: "the initial program has no inputs: the state comes from the seed alone",
				got: format!("{:?}", input.role),
			}
			.at(place()));
		}
		let layout = |program: &Program| -> Vec<TensorDecl> {
			program
				.state
				.iter()
				.filter_map(|id| program.tensor(*id).copied())
				.collect()
		};
		let (mut state, next) = (layout(&self.init), layout(&self.step));
		bound(
			"state tensors after init",
			state.len() as u64,
			1,
			MAX_INPUTS as u64,
		)
		.map_err(|r| r.at(place()))?;
		bound(
			"state tensors after step",
			next.len() as u64,
			state.len() as u64,
			state.len() as u64,
		)
		.map_err(|r| r.at(Place::Part(Cow::Borrowed("step"))))?;
		for (n, (first, next)) in state.iter_mut().zip(next).enumerate() {
			if !first.same_layout(&next) {
				return Err(Reason::Shape {
					rule: "init and step leave the same state",
					got: format!("tensor {n}: {first:?} and {next:?}"),
				}
				.at(Place::Part(Cow::Borrowed("step"))));
			}
			first.lo = first.lo.min(next.lo);
			first.hi = first.hi.max(next.hi);
		}
		Ok(state)
	}

	/// Inputs of a program exist, with the declared layout, and cover the ranges of what they are given.
	fn check_program(
		&self,
		name: &'static str,
		program: &Program,
		state: &[TensorDecl],
	) -> Result<(), ValidateError> {
		for (n, input) in program.inputs.iter().enumerate() {
			let place = || Place::Part(Cow::Owned(format!("{name}, input {n}")));
			let (given, count) = match input.role {
				Role::State(i) => (state.get(usize::from(i)), state.len()),
				Role::Data(i) => (self.data.get(usize::from(i)).map(|d| &d.tensor), self.data.len()),
			};
			let (Some(given), Some(decl)) = (given, program.tensor(input.tensor)) else {
				return Err(Reason::Shape {
					rule: "an input names an existing state tensor or data set",
					got: format!("{:?} of {count}", input.role),
				}
				.at(place()));
			};
			if !decl.same_layout(given) {
				return Err(Reason::Shape {
					rule: "an input has the sizes of what it is given",
					got: format!("{decl:?} for {given:?}"),
				}
				.at(place()));
			}
			if !decl.covers(given) {
				return Err(Reason::Range {
					lo: given.lo.into(),
					hi: given.hi.into(),
					declared_lo: decl.lo,
					declared_hi: decl.hi,
				}
				.at(place()));
			}
		}
		Ok(())
	}

	/// The evaluation leaves the state alone, and `init` and `step` give nothing but state and loss.
	fn check_loop(&self, state: &[TensorDecl]) -> Result<(), ValidateError> {
		if let Some(program) = &self.evaluate {
			bound(
				"state tensors of the evaluation",
				program.state.len() as u64,
				0,
				0,
			)
			.map_err(|r| r.at(Place::Part(Cow::Borrowed("evaluate"))))?;
		}
		for (name, program) in [("init", &self.init), ("step", &self.step)] {
			bound("outputs", program.outputs.len() as u64, 0, 0)
				.map_err(|r| r.at(Place::Part(Cow::Borrowed(name))))?;
		}
		let bytes = state.iter().map(TensorDecl::size).fold(0, u64::saturating_add);
		let fewest = u64::from(self.steps > 0);
		bound("bytes of the state", bytes, fewest, MAX_PROGRAM_TENSOR_BYTES).map_err(|r| r.at(Place::Whole))
	}

	fn check_loss_range(&self) -> Result<(), ValidateError> {
		let place = |name: &'static str| Place::Part(Cow::Borrowed(name));
		let Some(loss) = self.step.loss.and_then(|id| self.step.tensor(id)) else {
			return Err(Reason::Shape {
				rule: "the step has a loss",
				got: "none".into(),
			}
			.at(place("step")));
		};
		if (self.loss.lo, self.loss.hi) != (loss.lo, loss.hi) {
			return Err(Reason::Range {
				lo: loss.lo.into(),
				hi: loss.hi.into(),
				declared_lo: self.loss.lo,
				declared_hi: self.loss.hi,
			}
			.at(place("loss range of the workload")));
		}
		Ok(())
	}

	fn check_loss_and_metric(&self) -> Result<(), ValidateError> {
		let place = |name: &'static str| Place::Part(Cow::Borrowed(name));
		bound("loss.divisor", self.loss.divisor, 1, u32::MAX).map_err(|r| r.at(place("workload")))?;
		if self.steps > 0 {
			self.check_loss_range()?;
		}
		let metric = self
			.evaluate
			.as_ref()
			.and_then(|p| p.metric.and_then(|id| p.tensor(id)));
		match metric {
			None => bound("metric_total without a metric", self.metric_total, 0, 0),
			Some(metric) => bound("metric_total", self.metric_total, 1, MAX_METRIC)
				.and_then(|()| {
					let all = u64::from(self.metric_total) * u64::from(self.evaluations);
					bound("metric_total of all evaluations", all, 1, MAX_METRIC)
				})
				.and_then(|()| bound("the metric's lower end", metric.lo, 0, 0))
				.and_then(|()| bound("the metric's upper end", metric.hi, 0, self.metric_total)),
		}
		.map_err(|r| r.at(place("evaluate")))
	}
}

/// Largest number of examples that the metrics of all evaluations count.
const MAX_METRIC: u32 = 1 << 30;

/// Names the program that an error is about.
fn within<T>(name: &'static str, result: Result<T, ValidateError>) -> Result<T, ValidateError> {
	result.map_err(|e| {
		let place = match e.place {
			Place::Whole => format!("program `{name}`"),
			Place::Tensor(n) => format!("program `{name}`, tensor {n}"),
			Place::Input(n) => format!("program `{name}`, input {n}"),
			Place::Instruction(n, kind) => format!("program `{name}`, instruction {n} ({})", kind.name()),
			Place::Output(which) => format!("program `{name}`, output `{which}`"),
			Place::Part(part) => format!("program `{name}`, {part}"),
		};
		e.reason.at(Place::Part(Cow::Owned(place)))
	})
}
