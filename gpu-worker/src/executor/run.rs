// SPDX-License-Identifier: Apache-2.0

//! A whole run of a task on any backend: segments, checkpoints between and inside them, resume.

use super::checkpoint::{Checkpoint, CheckpointError, CheckpointFile, Identity};
use poaiw_commitment::Hash32;
use poaiw_program::{
	drive_segment, initial_state, run::Evaluated, state_root, Control, RunError, SegmentKind, SegmentOutput,
	SegmentRecord, StepBackend, Tensor, Workload, WorkloadInfo,
};
use std::{
	fmt::{Debug, Display},
	time::{Duration, Instant},
};

/// What is to be run.
pub struct TaskRun<'a> {
	/// The workload and its validation.
	pub workload: &'a Workload,
	/// Findings of the validation.
	pub info: &'a WorkloadInfo,
	/// What it belongs to.
	pub identity: Identity,
	/// Where checkpoints go.
	pub file: CheckpointFile,
	/// Time between checkpoints inside a segment.
	pub every: Duration,
}

/// What a run leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
	/// Root of the initial state.
	pub initial_state_root: Hash32,
	/// One record for each segment.
	pub records: Vec<SegmentRecord>,
	/// Losses of each segment.
	pub losses: Vec<Vec<i32>>,
	/// State after the last segment.
	pub state: Vec<Tensor>,
	/// Outputs of the last evaluation; those before it went to the watcher.
	pub outputs: Vec<Tensor>,
	/// Steps that were taken over from a checkpoint.
	pub resumed_steps: u64,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure<E: Debug + Display> {
	/// The initial state, which is computed on the CPU.
	#[error("initial state: {0}")]
	Initial(RunError),
	/// The run itself.
	#[error("{0}")]
	Run(RunError<E>),
	/// What is told of progress refused.
	#[error("{0}")]
	Watcher(String),
}

/// Told how a run goes on.
pub trait Watcher {
	/// A step is done (or was taken over from a checkpoint).
	fn step(&mut self, step: u32, loss: i32) -> Control;

	/// A segment is done; what it leaves must be kept for verifiers. Called again for segments of a checkpoint only if
	/// they were not done when it was written. The run may be stopped here, too: evaluations have no steps.
	///
	/// # Errors
	/// In words: the run ends.
	fn segment(&mut self, output: &SegmentOutput) -> Result<Control, String>;

	/// A checkpoint is used: so many segments and steps were done before.
	fn resumed(&mut self, segments: u32, steps: u64);
}

/// A backend that repeats the losses of steps that a checkpoint covers, and writes checkpoints.
struct Resumable<'r, B> {
	backend: &'r mut B,
	run: &'r TaskRun<'r>,
	/// Done before: records, losses, root of the state before the running segment.
	records: Vec<SegmentRecord>,
	losses: Vec<Vec<i32>>,
	state_before: Hash32,
	/// Losses of the running segment, the first `replay` of them from a checkpoint.
	running: Vec<i32>,
	replay: usize,
	at: usize,
	last: Instant,
}

impl<B: StepBackend> Resumable<'_, B> {
	/// Writes a checkpoint; a failure is reported and does not stop the run.
	fn save(&mut self) -> Result<(), B::Error> {
		let state = self.backend.state()?.iter().map(Tensor::to_bytes).collect();
		let checkpoint = Checkpoint {
			identity: self.run.identity.clone(),
			records: self.records.clone(),
			losses: self.losses.clone(),
			state_before: self.state_before,
			running: self.running.clone(),
			state,
		};
		if let Err(error) = self.run.file.write(&checkpoint) {
			tracing::warn!(%error, "no checkpoint");
		}
		self.last = Instant::now();
		Ok(())
	}
}

impl<B: StepBackend> StepBackend for Resumable<'_, B> {
	type Error = B::Error;

	fn load_state(&mut self, state: Vec<Tensor>) -> Result<(), B::Error> {
		self.backend.load_state(state)
	}

	fn run_step(&mut self, segment: u32, step: u32) -> Result<i32, B::Error> {
		let known = self
			.running
			.get(self.at)
			.copied()
			.filter(|_| self.at < self.replay);
		self.at += 1;
		if let Some(loss) = known {
			return Ok(loss);
		}
		let loss = self.backend.run_step(segment, step)?;
		self.running.push(loss);
		if self.last.elapsed() >= self.run.every {
			self.save()?;
		}
		Ok(loss)
	}

	fn state(&mut self) -> Result<Vec<Tensor>, B::Error> {
		self.backend.state()
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> Result<Evaluated, B::Error> {
		self.backend.evaluate(segment, run)
	}
}

/// Bytes of the largest checkpoint of a workload.
fn largest(workload: &Workload, info: &WorkloadInfo) -> u64 {
	info.state_bytes
		.saturating_add(u64::from(workload.steps) * 4)
		.saturating_add(u64::from(info.segments) * 512)
		.saturating_add(info.state.len() as u64 * 8)
		.saturating_add(1 << 16)
}

/// A checkpoint that can be used, and its state.
fn resume(run: &TaskRun<'_>) -> Option<(Checkpoint, Vec<Tensor>)> {
	let found = run.file.read(&run.identity, largest(run.workload, run.info));
	let checkpoint = found.unwrap_or_else(|error: CheckpointError| {
		tracing::warn!(%error, "checkpoint not used");
		None
	})?;
	match checkpoint.tensors(&run.info.state) {
		Ok(state) => Some((checkpoint, state)),
		Err(reason) => {
			tracing::warn!(%reason, "checkpoint not used");
			None
		}
	}
}

/// Runs a task from its last checkpoint, or from the beginning.
///
/// # Errors
/// If the backend fails, the watcher stops the run, or a result is out of its range.
pub fn run_task<B: StepBackend>(
	backend: &mut B,
	run: &TaskRun<'_>,
	watcher: &mut impl Watcher,
) -> Result<RunOutcome, RunFailure<B::Error>>
where
	B::Error: Debug + Display,
{
	let (workload, info) = (run.workload, run.info);
	let initial = initial_state(workload, info, run.identity.seed).map_err(RunFailure::Initial)?;
	let initial_state_root = state_root(&initial).map_err(|e| RunFailure::Run(RunError::Tensor(e)))?;
	let mut session = Resumable {
		backend,
		run,
		records: Vec::new(),
		losses: Vec::new(),
		state_before: initial_state_root,
		running: Vec::new(),
		replay: 0,
		at: 0,
		last: Instant::now(),
	};
	let mut state = initial;
	if let Some((checkpoint, kept)) = resume(run) {
		state = kept;
		session.replay = checkpoint.running.len();
		session.records = checkpoint.records;
		session.losses = checkpoint.losses;
		session.running = checkpoint.running;
		session.state_before = checkpoint.state_before;
	}
	let resumed_steps = session.losses.iter().map(|x| x.len() as u64).sum::<u64>() + session.replay as u64;
	if resumed_steps > 0 || !session.records.is_empty() {
		watcher.resumed(session.records.len() as u32, resumed_steps);
	}
	let done: Vec<i32> = session.losses.iter().flatten().copied().collect();
	for (step, loss) in (0u32..).zip(done) {
		watcher.step(step, loss);
	}
	session
		.load_state(state)
		.map_err(|e| RunFailure::Run(RunError::Backend(e)))?;
	let (mut outputs, mut last_state) = (Vec::new(), None);
	for segment in session.records.len() as u32..info.segments {
		let before = session.state_before;
		session.at = 0;
		let driven = drive_segment(&mut session, workload, segment, before, |step, loss| {
			watcher.step(step, loss)
		});
		if let Err(RunError::Stopped { .. }) = driven {
			session
				.save()
				.map_err(|e| RunFailure::Run(RunError::Backend(e)))?;
		}
		let output = driven.map_err(RunFailure::Run)?;
		let control = watcher.segment(&output).map_err(RunFailure::Watcher)?;
		session.records.push(output.record);
		session.losses.push(output.losses);
		session.state_before = output.record.state_after;
		session.running.clear();
		session.replay = 0;
		let evaluation = matches!(workload.segment(segment), Some(SegmentKind::Evaluation { .. }));
		let last = segment + 1 == info.segments;
		// Outputs are not in a checkpoint: a run that was killed after its last evaluation does that one again.
		if !(evaluation && last) {
			session
				.save()
				.map_err(|e| RunFailure::Run(RunError::Backend(e)))?;
		}
		// A training segment that is told to stop does so at its next step.
		if let (Control::Stop, Some(SegmentKind::Evaluation { run }), false) =
			(control, workload.segment(segment), last)
		{
			let step = workload.evaluation_step(run);
			return Err(RunFailure::Run(RunError::Stopped { step }));
		}
		outputs = output.outputs;
		last_state = Some(output.state);
	}
	let state = match last_state {
		Some(state) => state,
		None => session
			.state()
			.map_err(|e| RunFailure::Run(RunError::Backend(e)))?,
	};
	let Resumable { records, losses, .. } = session;
	Ok(RunOutcome {
		initial_state_root,
		records,
		losses,
		state,
		outputs,
		resumed_steps,
	})
}
