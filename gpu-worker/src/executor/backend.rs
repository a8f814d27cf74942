// SPDX-License-Identifier: Apache-2.0

//! Programs on a device: tensors stay there between instructions and steps.

use super::ProductSink;
use crate::{
	device::DeviceError,
	kernels::{ops::OpKernels, Matrix, Pool},
};
use poaiw_program::{
	run::Evaluated, CheckedData, Context, Op, ProductSite, Program, Role, StepBackend, Tensor, TensorDecl,
	TensorId, Workload, WorkloadInfo,
};
use poaiw_work::Dims;
use std::fmt::{Debug, Display};

/// Why a program could not be executed on a device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError<E: Debug + Display> {
	/// The device failed.
	#[error(transparent)]
	Device(#[from] DeviceError),
	/// The sink of the products failed.
	#[error("{0}")]
	Sink(E),
	/// The program does not fit its tensors: excluded by validation.
	#[error("instruction {instruction}: {what}")]
	Program {
		/// The instruction.
		instruction: u32,
		/// What does not fit.
		what: String,
	},
}

/// Runs the programs of one workload with one seed on a device.
pub struct GpuBackend<'a, S: ProductSink> {
	ops: OpKernels,
	workload: &'a Workload,
	info: &'a WorkloadInfo,
	seed: [u8; 32],
	data: Vec<Matrix>,
	state: Vec<Matrix>,
	sink: S,
}

/// What a program left on the device.
struct Left {
	state: Vec<Matrix>,
	/// Loss, metric, outputs: whatever of them the program has.
	loss: Option<Matrix>,
	metric: Option<Matrix>,
	outputs: Vec<Matrix>,
}

impl<'a, S: ProductSink> GpuBackend<'a, S>
where
	S::Error: Debug + Display,
{
	/// A backend without a state; uploads the data.
	///
	/// # Errors
	/// If a tensor does not fit the device.
	pub fn new(
		pool: Pool,
		workload: &'a Workload,
		info: &'a WorkloadInfo,
		seed: [u8; 32],
		data: &CheckedData,
		sink: S,
	) -> Result<Self, GpuError<S::Error>> {
		if !data.belongs_to(workload) {
			return Err(DeviceError::Sizes("the data belongs to another workload".into()).into());
		}
		let data = data
			.sets()
			.iter()
			.map(|t| upload(&pool, t))
			.collect::<Result<_, _>>()?;
		Ok(Self {
			ops: OpKernels::new(pool)?,
			workload,
			info,
			seed,
			data,
			state: Vec::new(),
			sink,
		})
	}

	/// What gets the products.
	pub fn sink(&mut self) -> &mut S {
		&mut self.sink
	}

	fn pool(&self) -> &Pool {
		self.ops.pool()
	}

	fn run(
		&mut self,
		program: &Program,
		last_use: &[Option<u32>],
		segment: u32,
		step: u32,
	) -> Result<Left, GpuError<S::Error>> {
		let mut slots: Vec<Option<Matrix>> = vec![None; program.tensors.len()];
		self.place_inputs(program, &mut slots)?;
		let gpu = self.pool().gpu().clone();
		let mut recorder = gpu.record();
		for (number, instruction) in (0u32..).zip(&program.instructions) {
			let fault = |what: &str| GpuError::Program {
				instruction: number,
				what: what.into(),
			};
			let inputs: Vec<Matrix> = instruction
				.inputs
				.iter()
				.map(|id| slots.get(id.0 as usize).cloned().flatten())
				.collect::<Option<_>>()
				.ok_or_else(|| fault("an input has no value"))?;
			let out = program
				.tensor(instruction.output)
				.ok_or_else(|| fault("the output is not declared"))?;
			let context = Context {
				seed: self.seed,
				step,
				instruction: number,
			};
			let value = if let (Op::Product, [a, b]) = (&instruction.op, inputs.as_slice()) {
				let done = std::mem::replace(&mut recorder, gpu.record());
				done.submit();
				self.product(
					ProductSite {
						segment,
						step,
						instruction: number,
					},
					a,
					b,
					out,
				)?
			} else {
				let inputs: Vec<&Matrix> = inputs.iter().collect();
				self.ops
					.record(&mut recorder, &instruction.op, &context, &inputs, out)?
			};
			*slots
				.get_mut(instruction.output.0 as usize)
				.ok_or_else(|| fault("the output is not declared"))? = Some(value);
			for id in &instruction.inputs {
				if last_use.get(id.0 as usize) == Some(&Some(number)) {
					if let Some(slot) = slots.get_mut(id.0 as usize) {
						*slot = None;
					}
				}
			}
		}
		recorder.submit();
		collect(program, &slots)
	}

	fn place_inputs(
		&self,
		program: &Program,
		slots: &mut [Option<Matrix>],
	) -> Result<(), GpuError<S::Error>> {
		for input in &program.inputs {
			let value = match input.role {
				Role::State(n) => self.state.get(usize::from(n)),
				Role::Data(n) => self.data.get(usize::from(n)),
			};
			let (Some(value), Some(slot)) = (value, slots.get_mut(input.tensor.0 as usize)) else {
				let what = format!("{:?} is not given: load a state first", input.role);
				return Err(GpuError::Program { instruction: 0, what });
			};
			*slot = Some(value.clone());
		}
		Ok(())
	}

	fn product(
		&mut self,
		site: ProductSite,
		a: &Matrix,
		b: &Matrix,
		out: &TensorDecl,
	) -> Result<Matrix, GpuError<S::Error>> {
		let dims = Dims::new(a.rows(), b.rows(), a.row_bytes()).map_err(|error| GpuError::Program {
			instruction: site.instruction,
			what: error.to_string(),
		})?;
		let c = self.pool().elements(out.element, out.rows, out.cols)?;
		self.sink
			.product(site, (a, b), &c, dims)
			.map_err(GpuError::Sink)?;
		Ok(c)
	}

	fn scalar(&self, matrix: &Matrix) -> Result<i32, DeviceError> {
		Ok(self
			.pool()
			.gpu()
			.read(matrix.buffer(), 1)?
			.first()
			.copied()
			.unwrap_or(0) as i32)
	}
}

fn collect<E: Debug + Display>(program: &Program, slots: &[Option<Matrix>]) -> Result<Left, GpuError<E>> {
	let get = |id: &TensorId| {
		slots
			.get(id.0 as usize)
			.cloned()
			.flatten()
			.ok_or_else(|| GpuError::Program {
				instruction: program.instructions.len() as u32,
				what: format!("tensor {} is asked for and has no value", id.0),
			})
	};
	Ok(Left {
		state: program.state.iter().map(get).collect::<Result<_, _>>()?,
		loss: program.loss.as_ref().map(get).transpose()?,
		metric: program.metric.as_ref().map(get).transpose()?,
		outputs: program.outputs.iter().map(get).collect::<Result<_, _>>()?,
	})
}

fn upload(pool: &Pool, tensor: &Tensor) -> Result<Matrix, DeviceError> {
	pool.upload_tensor(tensor)
}

/// Downloads tensors whose declarations are known.
fn download(pool: &Pool, decls: &[TensorDecl], matrices: &[Matrix]) -> Result<Vec<Tensor>, DeviceError> {
	let wanted: Vec<&Matrix> = matrices.iter().collect();
	let bytes = pool.download(&wanted)?;
	let fit = |(decl, bytes): (&TensorDecl, Vec<u8>)| {
		// A value outside of its proven range can only come from a wrong device.
		Tensor::from_bytes(decl, &bytes).map_err(|error| DeviceError::WrongAnswer {
			name: pool.gpu().name().into(),
			driver: pool.gpu().driver(),
			what: error.to_string(),
		})
	};
	decls.iter().zip(bytes).map(fit).collect()
}

impl<S: ProductSink> StepBackend for GpuBackend<'_, S>
where
	S::Error: Debug + Display,
{
	type Error = GpuError<S::Error>;

	fn load_state(&mut self, state: Vec<Tensor>) -> Result<(), Self::Error> {
		self.state = state
			.iter()
			.map(|t| upload(self.pool(), t))
			.collect::<Result<_, _>>()?;
		Ok(())
	}

	fn run_step(&mut self, segment: u32, step: u32) -> Result<i32, Self::Error> {
		let (workload, info) = (self.workload, self.info);
		let left = self.run(&workload.step, &info.step.last_use, segment, step)?;
		let loss = left.loss.ok_or(GpuError::Program {
			instruction: 0,
			what: "the step has no loss".into(),
		})?;
		self.state = left.state;
		let loss = self.scalar(&loss)?;
		self.sink.step_done().map_err(GpuError::Sink)?;
		Ok(loss)
	}

	fn state(&mut self) -> Result<Vec<Tensor>, Self::Error> {
		Ok(download(self.pool(), &self.info.state, &self.state)?)
	}

	fn evaluate(&mut self, segment: u32, run: u32) -> Result<Evaluated, Self::Error> {
		let (workload, info) = (self.workload, self.info);
		let (Some(program), Some(info)) = (&workload.evaluate, &info.evaluate) else {
			return Err(GpuError::Program {
				instruction: 0,
				what: "the workload has no evaluation".into(),
			});
		};
		let step = workload.evaluation_step(run);
		let left = self.run(program, &info.last_use, segment, step)?;
		let decls: Vec<TensorDecl> = program
			.outputs
			.iter()
			.filter_map(|id| program.tensor(*id).copied())
			.collect();
		let outputs = download(self.pool(), &decls, &left.outputs)?;
		let metric = left.metric.map(|m| self.scalar(&m)).transpose()?;
		self.sink.step_done().map_err(GpuError::Sink)?;
		Ok(Evaluated { outputs, metric })
	}
}
