// SPDX-License-Identifier: Apache-2.0

//! What all classifiers share: a chain of layers with ReLU between them becomes the initial state, one training step, and
//! the evaluation, as programs. [`crate::mlp`] and [`crate::conv`] say which layers.

use crate::{
	architecture::{Architecture, Model},
	builder::{emit, Builder, Scaled},
	conv,
	dataset::Split,
	error::{field, ModelError},
	mlp,
	optimiser::{begin, update},
	parameters::{limit_of, Matrix, Parameters},
};
use poaiw_program::{
	op::Window, tensor::MAX_ROWS, DataDecl, Element, LossUnit, Op, Program, Reason, Role, Rounding,
	TensorDecl, TensorId, Workload,
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

/// A layer with weights. Its input has `rows()` rows for each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
	/// Every output sees every input.
	Dense {
		/// Values of an image on the way in.
		inputs: u32,
		/// Values on the way out.
		outputs: u32,
	},
	/// A product of image patches with filters.
	Convolution {
		/// The image and the window that moves over it.
		window: Window,
		/// Channels of the image.
		channels: u32,
		/// Channels on the way out.
		filters: u32,
	},
}

impl Layer {
	/// (rows, cols) of the weight matrix.
	pub(crate) fn matrix(&self) -> (u32, u32) {
		match *self {
			Layer::Dense { inputs, outputs } => (outputs, inputs),
			Layer::Convolution {
				window,
				channels,
				filters,
			} => (
				filters,
				window
					.kernel
					.saturating_mul(window.kernel)
					.saturating_mul(channels),
			),
		}
	}

	/// (rows, cols) of one image on the way in.
	pub(crate) fn input(&self) -> (u32, u32) {
		match *self {
			Layer::Dense { inputs, .. } => (1, inputs),
			Layer::Convolution { window, channels, .. } => {
				(window.height.saturating_mul(window.width), channels)
			}
		}
	}

	/// Rows of one image on the way out.
	fn output_rows(&self) -> u32 {
		match self {
			Layer::Dense { .. } => 1,
			Layer::Convolution { window, .. } => {
				let (height, width) = conv::output_size(window);
				height.saturating_mul(width)
			}
		}
	}
}

/// The weight matrices of a chain of layers.
fn matrices(layers: &[Layer]) -> Vec<Matrix> {
	let matrix = |(n, layer): (usize, &Layer)| {
		let (rows, cols) = layer.matrix();
		// The last layer starts smaller: a small first loss, no saturated softmax.
		let fan_in = if n + 1 == layers.len() {
			u64::from(cols).saturating_mul(4)
		} else {
			(u64::from(cols) / 2).max(1)
		};
		Matrix {
			name: format!("layer{n}"),
			rows,
			cols,
			limit: limit_of(fan_in),
			decays: true,
		}
	};
	layers.iter().enumerate().map(matrix).collect()
}

/// Shapes and settings that the three programs share.
struct Classifier<'a> {
	architecture: &'a Architecture,
	layers: Vec<Layer>,
	matrices: Vec<Matrix>,
	data: Vec<DataDecl>,
	/// Exponent of the unit of the input values.
	input_exponent: i32,
	steps: u32,
}

/// Compiles an architecture for a classification data set.
///
/// # Errors
/// If the model is no classifier, its sizes don't fit the data, or a program breaks a bound.
pub fn compile(architecture: &Architecture, data: &Split) -> Result<Workload, ModelError> {
	architecture.check()?;
	let layers = match &architecture.model {
		Model::Mlp { layers } => mlp::layers(layers, data)?,
		Model::Conv(model) => conv::layers(model, data)?,
		other => {
			let remedy = "labelled examples train a classifier: give mlp or conv, or a text as data";
			return Err(field("model.kind", other.kind(), remedy.into()));
		}
	};
	let decls = data.declarations()?;
	let examples = decls[usize::from(TRAIN_IMAGES)].tensor.rows;
	let steps = architecture.total_steps(examples)?;
	let classifier = Classifier {
		architecture,
		matrices: matrices(&layers),
		layers,
		data: decls,
		input_exponent: data.exponent,
		steps,
	};
	let (step, loss) = classifier.step()?;
	let workload = Workload {
		init: emit("the initial state", classifier.parameters().initial())?,
		step,
		evaluate: Some(emit("the evaluation", classifier.evaluate())?),
		steps,
		steps_per_segment: architecture.training.steps_per_segment.min(steps),
		evaluations: 1,
		loss: LossUnit {
			divisor: architecture.training.batch.saturating_mul(LOSS_ONE),
			lo: loss.lo,
			hi: loss.hi,
		},
		metric_total: classifier.data[usize::from(TEST_IMAGES)].tensor.rows,
		data: classifier.data,
	};
	workload.validate()?;
	Ok(workload)
}

/// Another shape of the same elements; nothing is emitted where it is the same.
fn reshape(b: &mut Builder, x: TensorId, (rows, cols): (u32, u32)) -> Result<TensorId, Reason> {
	let d = b.decl(x);
	if (d.rows, d.cols) == (rows, cols) {
		return Ok(x);
	}
	b.emit(Op::Reshape, &[x], d.element, rows, cols)
}

/// What a layer multiplies with its weights: the images, or the patches of the images. Gives [rows, inputs] of int7.
fn operand(b: &mut Builder, layer: &Layer, images: u32, x: TensorId) -> Result<TensorId, Reason> {
	let (rows, cols) = layer.input();
	let x = reshape(b, x, (images.saturating_mul(rows), cols))?;
	let Layer::Convolution { window, .. } = layer else {
		return Ok(x);
	};
	let rows = images.saturating_mul(layer.output_rows());
	let element = b.decl(x).element;
	b.emit(Op::Patches(*window), &[x], element, rows, layer.matrix().1)
}

impl Classifier<'_> {
	fn parameters(&self) -> Parameters<'_> {
		Parameters {
			matrices: &self.matrices,
			optimiser: &self.architecture.optimiser,
		}
	}

	fn data(&self, b: &mut Builder, number: u16) -> TensorId {
		b.input(Role::Data(number), self.data[usize::from(number)].tensor)
	}

	/// Int7 weights for the products.
	fn quantised(&self, b: &mut Builder, weights: TensorId) -> Result<Scaled, Reason> {
		let exponent = b.constant(self.architecture.optimiser.weight_unit())?;
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
		let parameters = self.parameters();
		let inputs = parameters.inputs(b);
		let optimiser = &self.architecture.optimiser;
		let shared = begin(
			b,
			optimiser,
			&self.architecture.schedule,
			self.steps,
			parameters.first_scalar(),
		)?;

		let (images, labels) = (self.data(b, TRAIN_IMAGES), self.data(b, TRAIN_LABELS));
		let population = b.decl(images).rows;
		let index = b.emit(Op::BatchIndices { population }, &[], Element::I32, batch, 1)?;
		let labels = b.gather(labels, index)?;
		let x = Scaled {
			mantissa: b.gather(images, index)?,
			exponent: b.constant(self.input_exponent)?,
		};

		// Forward: activations[i] is what layer i is given, operands[i] what it multiplies with its weights.
		let (mut weights, mut activations, mut operands) = (Vec::new(), vec![x], Vec::new());
		let mut logits = x;
		for (n, (layer, state)) in self.layers.iter().zip(&inputs).enumerate() {
			let w = self.quantised(b, state[0])?;
			let given = Scaled {
				mantissa: operand(b, layer, batch, activations[n].mantissa)?,
				..activations[n]
			};
			weights.push(w);
			operands.push(given);
			logits = b.product(given, w)?;
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
				gradient = self.backward(b, n, g, weights[n], activations[n].mantissa)?;
			}
			let of_weights = weight_gradient(b, g, operands[n])?;
			let (master, moments) = (inputs[n][0], &inputs[n][1..]);
			next[n] = update(b, optimiser, &shared, master, moments, of_weights, true)?;
		}
		let mut state = next.concat();
		state.extend(&shared.scalars);
		Ok((state, loss))
	}

	/// Gradient of what layer `n - 1` gave, from that of what layer `n` gave.
	fn backward(
		&self,
		b: &mut Builder,
		n: usize,
		g: Scaled,
		weights: Scaled,
		activation: TensorId,
	) -> Result<Scaled, Reason> {
		let transposed = Scaled {
			mantissa: b.transpose(weights.mantissa)?,
			..weights
		};
		let mut gradient = b.product(g, transposed)?;
		if let Some(Layer::Convolution { window, .. }) = self.layers.get(n) {
			let batch = self.architecture.training.batch;
			let (rows, cols) = self.layers[n].input();
			let rows = batch.saturating_mul(rows);
			let op = Op::PatchesGradient(*window);
			gradient.mantissa = b.emit(op, &[gradient.mantissa], Element::I32, rows, cols)?;
		}
		let given = b.decl(activation);
		gradient.mantissa = reshape(b, gradient.mantissa, (given.rows, given.cols))?;
		gradient.mantissa = b.map(Op::ReluGrad, &[gradient.mantissa, activation])?;
		Ok(gradient)
	}

	/// Predictions for the held-out set and how many are right. Every image has its own exponent, so that a prediction
	/// does not depend on the images beside it. Large sets go through in parts, each of which gives an output.
	fn evaluate(&self) -> Result<Program, Reason> {
		let mut b = Builder::new();
		let masters = self.parameters().weights(&mut b);
		let (images, labels) = (self.data(&mut b, TEST_IMAGES), self.data(&mut b, TEST_LABELS));
		let rows = b.decl(images).rows;
		let per_image = self.layers.iter().map(|l| l.input().0.max(l.output_rows())).max();
		let part = (MAX_ROWS / per_image.unwrap_or(1).max(1)).max(1);
		let (mut weights, mut outputs, mut counts) = (Vec::new(), Vec::new(), Vec::new());
		for first in (0..rows).step_by(part as usize) {
			let count = part.min(rows - first);
			let (mut x, mut y) = (images, labels);
			if count < rows {
				let index = b.iota(count, 1, count, first as i32)?;
				(x, y) = (b.gather(images, index)?, b.gather(labels, index)?);
			}
			let predictions = self.predict(&mut b, &masters, &mut weights, x)?;
			let hits = b.map(Op::Equal, &[predictions, y])?;
			counts.push(b.sum(hits)?);
			outputs.push(predictions);
		}
		let mut total = counts.remove(0);
		for count in counts {
			total = b.map(Op::Add, &[total, count])?;
		}
		let hi = rows as i32;
		let metric = b.map(Op::Clip { lo: 0, hi }, &[total])?;
		let mut program = b.finish();
		program.outputs = outputs;
		program.metric = Some(metric);
		Ok(program)
	}

	/// The class of every image. `weights` are the int7 weights of the layers that were used before.
	fn predict(
		&self,
		b: &mut Builder,
		masters: &[TensorId],
		weights: &mut Vec<Scaled>,
		images: TensorId,
	) -> Result<TensorId, Reason> {
		let count = b.decl(images).rows;
		let mut x = images;
		for (n, (layer, master)) in self.layers.iter().zip(masters).enumerate() {
			if weights.len() == n {
				weights.push(self.quantised(b, *master)?);
			}
			let w = weights[n];
			let given = operand(b, layer, count, x)?;
			let (rows, outputs) = (b.decl(given).rows, b.decl(w.mantissa).rows);
			x = b.emit(Op::Product, &[given, w.mantissa], Element::I32, rows, outputs)?;
			if n + 1 < masters.len() {
				let positive = b.map(Op::Relu, &[x])?;
				let of_image = layer.output_rows().saturating_mul(outputs);
				let image = reshape(b, positive, (count, of_image))?;
				x = b.requantise_rows(image)?;
			}
		}
		b.emit(Op::Argmax, &[x], Element::I32, count, 1)
	}
}

/// `gᵀ · a` as a product of int7 matrices: [outputs, rows] and [inputs, rows].
fn weight_gradient(b: &mut Builder, g: Scaled, a: Scaled) -> Result<Scaled, Reason> {
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
