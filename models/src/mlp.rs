// SPDX-License-Identifier: Apache-2.0

//! The multilayer perceptron: one training step, the initial weights, and the evaluation, as programs.

use crate::{
	architecture::{Architecture, Model},
	builder::{Builder, Scaled},
	dataset::Split,
	error::{field, ModelError},
	optimiser::{begin, scalar_state, state_of, update, WEIGHT_LIMIT, WEIGHT_UNIT},
};
use poaiw_program::{
	DataDecl, Element, LossUnit, Op, Program, Reason, Role, Rounding, TensorDecl, TensorId, Workload,
};

/// Data sets of a classifier, by their number in the workload.
const TRAIN_IMAGES: u16 = 0;
const TRAIN_LABELS: u16 = 1;
const TEST_IMAGES: u16 = 2;
const TEST_LABELS: u16 = 3;

/// Exponent of the unit of the softmax gradient.
const GRADIENT_UNIT: i32 = -16;
/// Unit of the cross-entropy: 2^-12 nats.
const LOSS_ONE: u32 = 1 << 12;

/// Shapes and settings that the three programs share.
struct Mlp<'a> {
	architecture: &'a Architecture,
	/// (rows, cols) of every weight matrix.
	matrices: Vec<(u32, u32)>,
	data: Vec<DataDecl>,
	/// Exponent of the unit of the input values.
	input_exponent: i32,
	steps: u32,
}

/// Compiles an architecture for a classification data set.
///
/// # Errors
/// If the widths don't fit the data, or a program breaks a bound.
pub fn compile(architecture: &Architecture, data: &Split) -> Result<Workload, ModelError> {
	architecture.check()?;
	let Model::Mlp { layers } = &architecture.model;
	let (inputs, classes) = (layers[0], layers[layers.len() - 1]);
	if inputs != data.features {
		return Err(field(
			"model.layers[0]",
			inputs,
			format!(
				"the data has {} values in each example: make the first width equal",
				data.features
			),
		));
	}
	if classes != data.classes {
		return Err(field(
			&format!("model.layers[{}]", layers.len() - 1),
			classes,
			format!("the data has {} classes: make the last width equal", data.classes),
		));
	}
	let decls = data.declarations()?;
	let per_epoch = decls[0].tensor.rows / architecture.training.batch;
	if per_epoch == 0 {
		return Err(field(
			"training.batch",
			architecture.training.batch,
			format!(
				"the training set has {} examples: make the batch no larger",
				decls[0].tensor.rows
			),
		));
	}
	let steps = per_epoch.saturating_mul(architecture.training.epochs);
	let mlp = Mlp {
		architecture,
		matrices: layers.windows(2).map(|w| (w[1], w[0])).collect(),
		data: decls,
		input_exponent: data.exponent,
		steps,
	};
	let (step, loss) = mlp.step()?;
	let workload = Workload {
		init: emit("the initial state", mlp.init())?,
		step,
		evaluate: Some(emit("the evaluation", mlp.evaluate())?),
		steps,
		steps_per_segment: architecture.training.steps_per_segment.min(steps),
		loss: LossUnit {
			divisor: architecture.training.batch.saturating_mul(LOSS_ONE),
			lo: loss.lo,
			hi: loss.hi,
		},
		metric_total: mlp.data[usize::from(TEST_IMAGES)].tensor.rows,
		data: mlp.data,
	};
	workload.validate()?;
	Ok(workload)
}

fn emit<T>(place: &str, result: Result<T, Reason>) -> Result<T, ModelError> {
	let place = place.to_string();
	result.map_err(|reason| ModelError::Emit { place, reason })
}

/// `scale` and `shift` of a uniform distribution in ±sqrt(3 / fan_in): standard deviation 1/sqrt(fan_in).
fn uniform(fan_in: u32) -> Op {
	// The limit in units of 2^-24, in integers: sqrt(3 * 2^48 / fan_in).
	let limit = ((3u64 << 48) / u64::from(fan_in.max(1))).isqrt();
	// limit = scale * 2^(15 - shift) with the largest scale that has 15 bits.
	let mut shift = 0;
	while shift < 31 && (limit << shift) >> 15 <= 1 << 14 {
		shift += 1;
	}
	Op::RandomUniform {
		scale: ((limit << shift) >> 15).clamp(1, 32768) as u32,
		shift,
	}
}

impl Mlp<'_> {
	fn weights(&self, (rows, cols): (u32, u32)) -> TensorDecl {
		TensorDecl::new(Element::I32, rows, cols, -WEIGHT_LIMIT, WEIGHT_LIMIT)
	}

	/// State tensors of one matrix: itself and the optimiser's.
	fn matrix_state(&self, size: (u32, u32)) -> Vec<TensorDecl> {
		let mut all = vec![self.weights(size)];
		all.extend(state_of(&self.architecture.optimiser, size.0, size.1));
		all
	}

	fn init(&self) -> Result<Program, Reason> {
		let mut b = Builder::new();
		let mut state = Vec::new();
		for (n, (rows, cols)) in self.matrices.iter().enumerate() {
			let last = n + 1 == self.matrices.len();
			// The last layer starts smaller: a small first loss, no saturated softmax.
			let fan_in = if last {
				cols.saturating_mul(4)
			} else {
				(cols / 2).max(1)
			};
			state.push(b.emit(uniform(fan_in), &[], Element::I32, *rows, *cols)?);
			for d in state_of(&self.architecture.optimiser, *rows, *cols) {
				state.push(b.emit(Op::Constant { value: 0 }, &[], d.element, d.rows, d.cols)?);
			}
		}
		for (_, value) in scalar_state(&self.architecture.optimiser) {
			state.push(b.emit(Op::Constant { value }, &[], Element::I32, 1, 1)?);
		}
		let mut program = b.finish();
		program.state = state;
		Ok(program)
	}

	/// State inputs of every matrix: [weights, optimiser's state...].
	fn state_inputs(&self, b: &mut Builder, only_weights: bool) -> Vec<Vec<TensorId>> {
		let mut number = 0u16;
		let mut all = Vec::new();
		for size in &self.matrices {
			let mut ids = Vec::new();
			for (n, decl) in self.matrix_state(*size).into_iter().enumerate() {
				if n == 0 || !only_weights {
					ids.push(b.input(Role::State(number), decl));
				}
				number += 1;
			}
			all.push(ids);
		}
		all
	}

	fn data(&self, b: &mut Builder, number: u16) -> TensorId {
		b.input(Role::Data(number), self.data[usize::from(number)].tensor)
	}

	/// Int7 weights for the products.
	fn quantised(&self, b: &mut Builder, weights: TensorId) -> Result<Scaled, Reason> {
		let exponent = b.constant(WEIGHT_UNIT)?;
		let master = Scaled {
			mantissa: weights,
			exponent,
		};
		b.requantise(master, Rounding::HalfUp)
	}

	fn step(&self) -> Result<(Program, TensorDecl), ModelError> {
		let mut b = Builder::new();
		let result = self.write_step(&mut b);
		let (state, loss) = emit("the training step", result)?;
		let decl = b.decl(loss);
		let mut program = b.finish();
		program.state = state;
		program.loss = Some(loss);
		Ok((program, decl))
	}

	fn write_step(&self, b: &mut Builder) -> Result<(Vec<TensorId>, TensorId), Reason> {
		let batch = self.architecture.training.batch;
		let inputs = self.state_inputs(b, false);
		let first_scalar = inputs.iter().map(|i| i.len() as u16).sum();
		let optimiser = &self.architecture.optimiser;
		let shared = begin(
			b,
			optimiser,
			&self.architecture.schedule,
			self.steps,
			first_scalar,
		)?;

		let (images, labels) = (self.data(b, TRAIN_IMAGES), self.data(b, TRAIN_LABELS));
		let population = b.decl(images).rows;
		let index = b.emit(Op::BatchIndices { population }, &[], Element::I32, batch, 1)?;
		let labels = b.gather(labels, index)?;
		let x = Scaled {
			mantissa: b.gather(images, index)?,
			exponent: b.constant(self.input_exponent)?,
		};

		// Forward: activations[i] is the input of layer i.
		let mut weights = Vec::new();
		let mut activations = vec![x];
		let mut logits = x;
		for (n, layer) in inputs.iter().enumerate() {
			let w = self.quantised(b, layer[0])?;
			weights.push(w);
			logits = b.product(activations[n], w)?;
			if n + 1 < inputs.len() {
				let positive = Scaled {
					mantissa: b.map(Op::Relu, &[logits.mantissa])?,
					..logits
				};
				activations.push(b.requantise(positive, Rounding::HalfUp)?);
			}
		}
		let of_softmax = [logits.mantissa, labels, logits.exponent];
		let losses = b.emit(Op::CrossEntropy, &of_softmax, Element::I32, batch, 1)?;
		let loss = b.sum(losses)?;

		// Backward; the mean over the batch is in the exponent.
		let mut gradient = Scaled {
			mantissa: b.map(Op::SoftmaxGradient, &of_softmax)?,
			exponent: b.constant(GRADIENT_UNIT - batch.next_power_of_two().ilog2() as i32)?,
		};
		let mut next = vec![Vec::new(); inputs.len()];
		for n in (0..inputs.len()).rev() {
			let g = b.requantise(gradient, Rounding::Keyed)?;
			if n > 0 {
				let transposed = Scaled {
					mantissa: b.transpose(weights[n].mantissa)?,
					..weights[n]
				};
				gradient = b.product(g, transposed)?;
				gradient.mantissa = b.map(Op::ReluGrad, &[gradient.mantissa, activations[n].mantissa])?;
			}
			let of_weights = self.weight_gradient(b, g, activations[n])?;
			next[n] = update(b, optimiser, &shared, inputs[n][0], &inputs[n][1..], of_weights)?;
		}
		let mut state = next.concat();
		state.extend(&shared.scalars);
		Ok((state, loss))
	}

	/// `gᵀ · a` as a product of int7 matrices: [out, batch] and [in, batch].
	fn weight_gradient(&self, b: &mut Builder, g: Scaled, a: Scaled) -> Result<Scaled, Reason> {
		let left = Scaled {
			mantissa: b.transpose(g.mantissa)?,
			..g
		};
		let right = Scaled {
			mantissa: b.transpose(a.mantissa)?,
			..a
		};
		b.product(left, right)
	}

	/// Predictions for the held-out set and how many are right. Every row has its own exponent, so that a prediction
	/// does not depend on the rows beside it.
	fn evaluate(&self) -> Result<Program, Reason> {
		let mut b = Builder::new();
		let inputs = self.state_inputs(&mut b, true);
		let (images, labels) = (self.data(&mut b, TEST_IMAGES), self.data(&mut b, TEST_LABELS));
		let rows = b.decl(images).rows;
		let mut x = images;
		for (n, layer) in inputs.iter().enumerate() {
			let w = self.quantised(&mut b, layer[0])?;
			let cols = b.decl(w.mantissa).rows;
			let z = b.emit(Op::Product, &[x, w.mantissa], Element::I32, rows, cols)?;
			x = z;
			if n + 1 < inputs.len() {
				let positive = b.map(Op::Relu, &[z])?;
				x = b.requantise_rows(positive)?;
			}
		}
		let predictions = b.emit(Op::Argmax, &[x], Element::I32, rows, 1)?;
		let hits = b.map(Op::Equal, &[predictions, labels])?;
		let count = b.sum(hits)?;
		let metric = b.map(
			Op::Clip {
				lo: 0,
				hi: rows as i32,
			},
			&[count],
		)?;
		let mut program = b.finish();
		program.outputs = vec![predictions];
		program.metric = Some(metric);
		Ok(program)
	}
}
