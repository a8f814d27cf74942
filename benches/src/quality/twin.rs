// SPDX-License-Identifier: Apache-2.0

//! What a float32 twin is given: a specification in JSON, and tensors beside it.

use super::integer::Job;
use anyhow::{anyhow, Context as _, Result};
use poaiw_models::{
	architecture::{Architecture, Optimiser},
	parameters::Parameters,
};
use poaiw_program::{execute_op, Context, Op, Tensor};
use safetensors::{tensor::TensorView, Dtype};
use serde_json::{json, Value};
use std::{fs, path::Path};

/// A named array.
#[derive(Clone, Debug)]
pub struct Array {
	name: String,
	dtype: Dtype,
	shape: Vec<usize>,
	bytes: Vec<u8>,
}

impl Array {
	/// Words.
	pub fn words(name: &str, shape: Vec<usize>, values: &[i32]) -> Self {
		Self {
			name: name.into(),
			dtype: Dtype::I32,
			shape,
			bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
		}
	}

	/// Floats.
	pub fn floats(name: &str, shape: Vec<usize>, values: impl IntoIterator<Item = f32>) -> Self {
		Self {
			name: name.into(),
			dtype: Dtype::F32,
			shape,
			bytes: values.into_iter().flat_map(f32::to_le_bytes).collect(),
		}
	}
}

/// The first weights that a seed gives, in the order of the state, as floats.
///
/// # Errors
/// If the initial program fails.
pub fn weights(job: &Job, optimiser: &Optimiser, names: &[String], seed: [u8; 32]) -> Result<Vec<Array>> {
	let parameters = Parameters {
		matrices: &[],
		optimiser,
	};
	let state = job.initial(seed)?;
	let masters = state.iter().step_by(parameters.tensors_per_matrix());
	let scale = 2f32.powi(optimiser.weight_unit());
	names
		.iter()
		.zip(masters)
		.map(|(name, master)| {
			let values = master
				.i32s()
				.ok_or_else(|| anyhow!("weights `{name}` are no words"))?;
			let shape = vec![master.rows() as usize, master.cols() as usize];
			Ok(Array::floats(
				name,
				shape,
				values.iter().map(|x| *x as f32 * scale),
			))
		})
		.collect()
}

/// The row numbers that every step draws, `[steps, batch]`.
///
/// # Errors
/// If the step draws none.
pub fn batches(job: &Job, seed: [u8; 32]) -> Result<Array> {
	let program = &job.workload.step;
	let (number, drawing) = (0u32..)
		.zip(&program.instructions)
		.find(|(_, i)| matches!(i.op, Op::BatchIndices { .. }))
		.context("the step draws no batch")?;
	let decl = program
		.tensor(drawing.output)
		.context("the batch has no declaration")?;
	let mut all = Vec::new();
	for step in 0..job.workload.steps {
		let context = Context {
			seed,
			step,
			instruction: number,
		};
		let drawn = execute_op(&drawing.op, &context, &[], decl).map_err(|e| anyhow!("{e}"))?;
		all.extend_from_slice(drawn.i32s().unwrap_or_default());
	}
	Ok(Array::words(
		"index",
		vec![job.workload.steps as usize, decl.rows as usize],
		&all,
	))
}

/// A column of labels or other words.
///
/// # Errors
/// If the tensor does not hold words.
pub fn labels(name: &str, tensor: &Tensor) -> Result<Array> {
	let values = tensor.i32s().ok_or_else(|| anyhow!("`{name}` are no words"))?;
	Ok(Array::words(name, vec![values.len()], values))
}

/// Settings that all twins share.
pub fn training(architecture: &Architecture, steps: u32, rates: &[f64]) -> Value {
	let weight_decay = match architecture.optimiser {
		Optimiser::Adam { weight_decay, .. } | Optimiser::L1Adam { weight_decay, .. } => weight_decay,
		Optimiser::Sgd { .. } => 0.0,
	};
	json!({
		"steps": steps,
		"batch": architecture.training.batch,
		"warmup": architecture.schedule.warmup_steps,
		"floor": architecture.schedule.floor,
		"weight_decay": weight_decay,
		"rates": rates,
	})
}

/// Joins two JSON objects.
pub fn join(mut a: Value, b: Value) -> Value {
	if let (Some(into), Value::Object(from)) = (a.as_object_mut(), b) {
		into.extend(from);
	}
	a
}

/// Writes `spec.json` and `spec.safetensors`; gives the hash of the two.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, spec: &Value, arrays: &[Array]) -> Result<[u8; 32]> {
	let views: Vec<(&str, TensorView<'_>)> = arrays
		.iter()
		.map(|a| {
			Ok((
				a.name.as_str(),
				TensorView::new(a.dtype, a.shape.clone(), &a.bytes)?,
			))
		})
		.collect::<Result<_>>()?;
	let tensors = safetensors::serialize(views, None)?;
	let spec = serde_json::to_vec_pretty(spec)?;
	fs::write(folder.join("spec.json"), &spec)?;
	fs::write(folder.join("spec.safetensors"), &tensors)?;
	Ok(poaiw_commitment::hash(&[&spec, &tensors]))
}
