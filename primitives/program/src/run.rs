// SPDX-License-Identifier: Apache-2.0

//! Running a workload segment by segment. The CPU interpreter and a GPU executor are [`StepBackend`]s: they compute,
//! and [`drive_segment`] turns what they compute into the one record that the trace commits to.

use crate::{
	error::ValidateError,
	execute::ExecError,
	interpreter::run_program,
	random::Context,
	tensor::{Tensor, TensorError},
	trace::{loss_hash, output_root, state_root, EvaluationRecord, SegmentRecord},
	workload::{SegmentKind, Workload, WorkloadInfo},
};
use alloc::vec::Vec;
use core::fmt;
use poaiw_commitment::Hash32;

/// Names a product of a run, as `WorkSource::Task` of a seal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductSite {
	/// Number of the segment.
	pub segment: u32,
	/// Global step number; [`Workload::evaluation_step`] in an evaluation.
	pub step: u32,
	/// Index in the step program (in the evaluation: in the evaluation program).
	pub instruction: u32,
}

/// The operands of a product: `a` is `m × k`, `b` is `n × k` (stored transposed), both row-major.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
	/// Left operand.
	pub a: &'a [i8],
	/// Right operand, transposed.
	pub b: &'a [i8],
	/// Rows of `a`.
	pub m: u32,
	/// Rows of `b`.
	pub n: u32,
	/// Columns of both.
	pub k: u32,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
	/// Go on.
	Continue,
	/// Stop after this step; the segment is given up.
	Stop,
}

/// Watches a run on the CPU: verifiers compare operands with those that seals name, miners draw tickets from them.
pub trait Observer {
	/// Whether it wants to be shown this product: what nobody wants to see may be computed without its operands ever
	/// lying in memory as they are. Asked some time before the product is due, so the answer must not change during a step;
	/// products are shown in the order in which they are computed, which need not be that of the program.
	fn wants(&self, _site: ProductSite) -> bool {
		true
	}

	/// A product is about to be computed.
	fn product(&mut self, _site: ProductSite, _product: Product<'_>) {}

	/// A step is done.
	fn step_done(&mut self, _step: u32, _loss: i32) -> Control {
		Control::Continue
	}
}

/// Watches nothing.
impl Observer for () {
	fn wants(&self, _site: ProductSite) -> bool {
		false
	}
}

/// What an evaluation computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
	/// The tensors of [`crate::Program::outputs`].
	pub outputs: Vec<Tensor>,
	/// The scalar of [`crate::Program::metric`].
	pub metric: Option<i32>,
}

/// Something that can execute the programs of one workload with one seed and its data already in place.
pub trait StepBackend {
	/// Why it could not.
	type Error;

	/// Takes a state; the next step starts from it.
	///
	/// # Errors
	/// If the tensors are not the workload's state, or the device fails.
	fn load_state(&mut self, state: Vec<Tensor>) -> Result<(), Self::Error>;

	/// Runs global step `step` of `segment` and gives its raw loss.
	///
	/// # Errors
	/// If no state is loaded, or the device fails.
	fn run_step(&mut self, segment: u32, step: u32) -> Result<i32, Self::Error>;

	/// The present state.
	///
	/// # Errors
	/// If no state is loaded, or the device fails.
	fn state(&mut self) -> Result<Vec<Tensor>, Self::Error>;

	/// Runs evaluation `run`, which is `segment`, on the present state, and leaves the state as it is.
	///
	/// # Errors
	/// If no state is loaded, the workload has no evaluation, or the device fails.
	fn evaluate(&mut self, segment: u32, run: u32) -> Result<Evaluated, Self::Error>;
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError<E = ExecError> {
	/// The workload is not valid.
	Invalid(ValidateError),
	/// There is no such segment.
	NoSegment {
		/// Asked for.
		segment: u32,
	},
	/// A tensor does not fit: state, data or output.
	Tensor(TensorError),
	/// The number of tensors is another one.
	Count {
		/// Of what.
		what: &'static str,
		/// Declared.
		expected: usize,
		/// Given.
		got: usize,
	},
	/// A data set is not the one that the workload commits to.
	DataRoot {
		/// Number of the data set.
		set: usize,
	},
	/// The loss left its declared range.
	Loss {
		/// The step.
		step: u32,
		/// Its loss.
		loss: i32,
	},
	/// The metric is missing, or outside of its range.
	Metric {
		/// What the evaluation gave.
		got: Option<i32>,
	},
	/// The observer stopped the run.
	Stopped {
		/// Last step that was done.
		step: u32,
	},
	/// The backend failed.
	Backend(E),
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Invalid(e) => write!(f, "the workload is refused: {e}"),
			Self::NoSegment { segment } => write!(f, "the workload has no segment {segment}"),
			Self::Tensor(e) => write!(f, "{e}"),
			Self::Count { what, expected, got } => {
				write!(f, "{got} {what} where the workload has {expected}")
			}
			Self::DataRoot { set } => write!(
				f,
				"data set {set} is not the one that the workload commits to: fetch it again, or check its source"
			),
			Self::Loss { step, loss } => {
				write!(
					f,
					"the loss {loss} of step {step} is outside of the declared range"
				)
			}
			Self::Metric { got: Some(got) } => {
				write!(f, "the metric {got} is outside of 0 to the number of examples")
			}
			Self::Metric { got: None } => write!(f, "the evaluation gave no metric"),
			Self::Stopped { step } => write!(f, "stopped after step {step}"),
			Self::Backend(e) => write!(f, "{e}"),
		}
	}
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RunError<E> {}

impl<E> From<TensorError> for RunError<E> {
	fn from(e: TensorError) -> Self {
		Self::Tensor(e)
	}
}

/// What a segment leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOutput {
	/// What the trace commits to.
	pub record: SegmentRecord,
	/// State after the segment.
	pub state: Vec<Tensor>,
	/// Raw losses of its steps.
	pub losses: Vec<i32>,
	/// Outputs of an evaluation segment.
	pub outputs: Vec<Tensor>,
}

/// Runs one segment on a backend that holds the state before it, whose root is `state_before`.
///
/// `step_done` is told every step and its loss, and may stop the run.
///
/// # Errors
/// If there is no such segment, the backend fails, or `step_done` stops it.
pub fn drive_segment<B: StepBackend>(
	backend: &mut B,
	workload: &Workload,
	segment: u32,
	state_before: Hash32,
	mut step_done: impl FnMut(u32, i32) -> Control,
) -> Result<SegmentOutput, RunError<B::Error>> {
	let kind = workload.segment(segment).ok_or(RunError::NoSegment { segment })?;
	let (mut losses, mut outputs, mut evaluation) = (Vec::new(), Vec::new(), None);
	match kind {
		SegmentKind::Training { first, count } => {
			for step in first..first.saturating_add(count) {
				let loss = backend.run_step(segment, step).map_err(RunError::Backend)?;
				if !(workload.loss.lo..=workload.loss.hi).contains(&loss) {
					return Err(RunError::Loss { step, loss });
				}
				losses.push(loss);
				if step_done(step, loss) == Control::Stop {
					return Err(RunError::Stopped { step });
				}
			}
		}
		SegmentKind::Evaluation { run } => {
			let evaluated = backend.evaluate(segment, run).map_err(RunError::Backend)?;
			evaluation = Some(EvaluationRecord {
				output_root: output_root(&evaluated.outputs)?,
				hits: hits(workload, evaluated.metric)?,
				total: workload.metric_total,
			});
			outputs = evaluated.outputs;
		}
	}
	let state = backend.state().map_err(RunError::Backend)?;
	let state_after = match kind {
		SegmentKind::Training { .. } => state_root(&state)?,
		SegmentKind::Evaluation { .. } => state_before,
	};
	let record = SegmentRecord {
		index: segment,
		state_before,
		inputs_root: workload.input_root(),
		loss_hash: loss_hash(&losses),
		state_after,
		evaluation,
	};
	Ok(SegmentOutput {
		record,
		state,
		losses,
		outputs,
	})
}

fn hits<E>(workload: &Workload, metric: Option<i32>) -> Result<u32, RunError<E>> {
	if workload.metric_total == 0 {
		return Ok(0);
	}
	metric
		.and_then(|x| u32::try_from(x).ok())
		.filter(|hits| *hits <= workload.metric_total)
		.ok_or(RunError::Metric { got: metric })
}

/// The state before the first step: a function of the workload and the seed alone. `info` is the workload's validation.
///
/// # Errors
/// If an instruction fails, which a validated workload excludes.
pub fn initial_state(
	workload: &Workload,
	info: &WorkloadInfo,
	seed: [u8; 32],
) -> Result<Vec<Tensor>, RunError> {
	let context = Context {
		seed,
		step: Context::INIT_STEP,
		instruction: 0,
	};
	let done =
		run_program(&workload.init, &info.init, context, Vec::new(), |_, _| ()).map_err(RunError::Backend)?;
	Ok(done.state)
}

/// Checks that tensors are a state of the workload: number, layout and ranges.
///
/// # Errors
/// The first difference.
pub fn check_state<E>(info: &WorkloadInfo, state: &[Tensor]) -> Result<(), RunError<E>> {
	if state.len() != info.state.len() {
		return Err(RunError::Count {
			what: "state tensors",
			expected: info.state.len(),
			got: state.len(),
		});
	}
	for (tensor, decl) in state.iter().zip(&info.state) {
		tensor.check(decl)?;
	}
	Ok(())
}
