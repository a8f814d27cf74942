// SPDX-License-Identifier: Apache-2.0

//! The integer side: whole trainings on the CPU, and the time of a step.

use anyhow::{anyhow, Result};
use poaiw_program::{
	initial_state, interpreter::run_all, state_root, CheckedData, Control, Interpreter, StepBackend, Tensor,
	Workload, WorkloadInfo,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A workload with its data, ready to run.
#[derive(Debug)]
pub struct Job {
	/// What is computed.
	pub workload: Workload,
	/// Its validation.
	pub info: WorkloadInfo,
	/// Its data sets.
	pub data: CheckedData,
}

/// How the evaluation becomes a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
	/// Share of hits.
	Accuracy,
	/// Mean of the first output, whose unit is 2^-12 nats.
	Loss,
}

/// What a training came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
	/// Held-out score.
	pub score: f64,
	/// Loss of every step in nats.
	pub losses: Vec<f64>,
}

impl Job {
	/// A job of a workload and its data sets.
	///
	/// # Errors
	/// If the workload is not valid, or the data is not its data.
	pub fn new(workload: Workload, sets: Vec<Tensor>) -> Result<Self> {
		let info = workload.validate().map_err(|e| anyhow!("{e}"))?;
		let data = CheckedData::new(&workload, sets).map_err(|e| anyhow!("{e}"))?;
		Ok(Self { workload, info, data })
	}

	/// The state before the first step.
	///
	/// # Errors
	/// If the initial program fails, which validation excludes.
	pub fn initial(&self, seed: [u8; 32]) -> Result<Vec<Tensor>> {
		initial_state(&self.workload, &self.info, seed).map_err(|e| anyhow!("{e}"))
	}

	fn backend(&self, seed: [u8; 32]) -> Result<Interpreter<'_, ()>> {
		let mut backend =
			Interpreter::new(&self.workload, &self.info, seed, &self.data, ()).map_err(|e| anyhow!("{e}"))?;
		backend
			.load_state(self.initial(seed)?)
			.map_err(|e| anyhow!("{e}"))?;
		Ok(backend)
	}

	/// Trains and evaluates. `progress` is told the number of every step and its loss in nats.
	///
	/// # Errors
	/// If the run fails.
	pub fn train(&self, seed: [u8; 32], score: Score, mut progress: impl FnMut(u32, f64)) -> Result<Run> {
		let mut backend = self.backend(seed)?;
		let root = state_root(&self.initial(seed)?).map_err(|e| anyhow!("{e}"))?;
		let (mut losses, mut last) = (Vec::new(), None);
		let divisor = f64::from(self.workload.loss.divisor.max(1));
		let step_done = |step, raw| {
			let loss = f64::from(raw) / divisor;
			losses.push(loss);
			progress(step, loss);
			Control::Continue
		};
		run_all(
			&mut backend,
			&self.workload,
			&self.info,
			root,
			step_done,
			|segment| last = Some(segment),
		)
		.map_err(|e| anyhow!("{e}"))?;
		let last = last.ok_or_else(|| anyhow!("the workload has no segments"))?;
		let score = match score {
			Score::Accuracy => {
				let evaluation = last
					.record
					.evaluation
					.ok_or_else(|| anyhow!("the workload has no evaluation"))?;
				f64::from(evaluation.hits) / f64::from(evaluation.total.max(1))
			}
			Score::Loss => {
				let all = last
					.outputs
					.first()
					.and_then(Tensor::i32s)
					.ok_or_else(|| anyhow!("the evaluation gives no losses"))?;
				all.iter().map(|x| f64::from(*x)).sum::<f64>() / all.len().max(1) as f64 / 4096.0
			}
		};
		Ok(Run { score, losses })
	}

	/// Median time of a training step.
	///
	/// # Errors
	/// If a step fails.
	pub fn step_time(&self, at_least: Duration) -> Result<Duration> {
		let mut backend = self.backend([1; 32])?;
		let warm_up = 10u32.min(self.workload.steps.saturating_sub(1));
		let mut times = Vec::new();
		let begin = Instant::now();
		for step in 0..self.workload.steps {
			let start = Instant::now();
			backend.run_step(0, step).map_err(|e| anyhow!("{e}"))?;
			if step >= warm_up {
				times.push(start.elapsed());
			}
			if begin.elapsed() > at_least && times.len() >= 10 {
				break;
			}
		}
		times.sort();
		times
			.get(times.len() / 2)
			.copied()
			.ok_or_else(|| anyhow!("the workload has too few steps"))
	}
}
