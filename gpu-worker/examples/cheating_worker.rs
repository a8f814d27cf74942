// SPDX-License-Identifier: Apache-2.0

//! The adversary of the end-to-end tests: a worker that runs its task honestly, then changes one weight of the final
//! state, stores that state, and attests to it. Its trace is consistent in itself; only re-execution finds it out.
//!
//! Command line as of `poaiw-worker run`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use poaiw_program::{run::Evaluated, Element, StepBackend, Tensor, TensorDecl};
use poaiw_worker::{
	commands,
	config::{RunArgs, Settings},
	session::{engine::AnyBackend, run, Description, Engine, EngineFactory, Job},
};

#[derive(Parser)]
struct Cli {
	#[command(subcommand)]
	command: Command,
}

#[derive(Subcommand)]
enum Command {
	/// Work dishonestly until Ctrl-C.
	Run(RunArgs),
}

/// An engine whose backends lie about the last state.
struct Cheat(Box<dyn Engine>);

impl Engine for Cheat {
	fn describe(&self) -> Description {
		self.0.describe()
	}

	fn backend<'a>(&'a mut self, job: &'a Job) -> anyhow::Result<AnyBackend<'a>> {
		let (last, layout) = (job.parts.workload.steps.saturating_sub(1), &job.parts.info.state);
		Ok(Box::new(Liar {
			inner: self.0.backend(job)?,
			layout,
			last,
			over: false,
			lied: false,
		}))
	}

	fn synthetic(&mut self) -> anyhow::Result<bool> {
		self.0.synthetic()
	}
}

struct Liar<'a> {
	inner: AnyBackend<'a>,
	layout: &'a [TensorDecl],
	/// Number of the last step.
	last: u32,
	/// The last step is done.
	over: bool,
	/// The state was changed.
	lied: bool,
}

impl StepBackend for Liar<'_> {
	type Error = anyhow::Error;

	fn load_state(&mut self, state: Vec<Tensor>) -> anyhow::Result<()> {
		self.inner.load_state(state)
	}

	fn run_step(&mut self, segment: u32, step: u32) -> anyhow::Result<i32> {
		let loss = self.inner.run_step(segment, step)?;
		self.over = step == self.last;
		Ok(loss)
	}

	fn state(&mut self) -> anyhow::Result<Vec<Tensor>> {
		let mut state = self.inner.state()?;
		if self.over && !self.lied {
			let (tensor, decl) = state
				.first_mut()
				.zip(self.layout.first())
				.context("the state is empty")?;
			*tensor = flipped(tensor, decl)?;
			// The evaluation runs on the changed state, so that the rest of the trace follows from it.
			self.inner.load_state(state.clone())?;
			self.lied = true;
			tracing::warn!("one weight of the final state was changed");
		}
		Ok(state)
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> anyhow::Result<Evaluated> {
		self.inner.evaluate(segment, run)
	}
}

/// The tensor with its first element changed by one, inside of its declared range.
fn flipped(tensor: &Tensor, decl: &TensorDecl) -> anyhow::Result<Tensor> {
	let value = tensor.at(0).context("the tensor is empty")?;
	let changed = if value < decl.hi { value + 1 } else { value - 1 };
	let mut bytes = tensor.to_bytes();
	match tensor.element() {
		Element::I8 => bytes[..1].copy_from_slice(&(changed as i8).to_le_bytes()),
		Element::I32 => bytes[..4].copy_from_slice(&changed.to_le_bytes()),
	}
	Ok(Tensor::from_bytes(decl, &bytes)?)
}

fn main() -> anyhow::Result<()> {
	let Command::Run(args) = Cli::parse().command;
	let settings = Settings::new(&args, false)?;
	commands::start_log(&settings)?;
	let honest = run::engine_of(&settings);
	let factory: EngineFactory = Box::new(move |desk| Ok(Box::new(Cheat(honest(desk)?))));
	let runtime = tokio::runtime::Runtime::new()?;
	let done = runtime.block_on(run::run(settings, factory));
	runtime.shutdown_background();
	done
}
