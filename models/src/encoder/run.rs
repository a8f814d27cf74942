// SPDX-License-Identifier: Apache-2.0

//! An encoder with its tensors in place, to be run here ([`Session`]) or written down as an inference task.

use super::{program, session::Session, Encoder, Linear, Norm, OUTPUT_UNIT};
use crate::{
	architecture::Transformer,
	error::{field, ModelError},
	inference::{Bucket, Joined},
	optimiser::WEIGHT_LIMIT,
	trained::Trained,
	transformer::{embedding_program, embedding_reads},
};
use poaiw_program::{
	CheckedData, DataDecl, Element, LossUnit, Program, Tensor, TensorDecl, TensorError, Workload,
};

/// A tensor and the declaration of the data set that it is.
#[derive(Clone, Debug)]
pub(super) struct Set {
	decl: TensorDecl,
	pub(super) tensor: Tensor,
}

/// What programs are written for.
#[derive(Clone, Debug)]
enum Network {
	/// A published model.
	Published(Box<Encoder>),
	/// A model that a task has trained.
	Trained {
		model: Box<Transformer>,
		/// Exponent of the unit of its weights.
		weight_unit: i32,
		/// Tokens that texts have: all but the mask token.
		vocabulary: u32,
	},
}

impl Network {
	fn vocabulary(&self) -> u32 {
		match self {
			Self::Published(encoder) => encoder.vocabulary,
			Self::Trained { vocabulary, .. } => *vocabulary,
		}
	}

	/// Tokens of the longest sequence.
	fn positions(&self) -> u32 {
		match self {
			Self::Published(encoder) => encoder.positions,
			Self::Trained { model, .. } => model.context,
		}
	}

	fn write(&self, bucket: &Bucket, decls: &[TensorDecl]) -> Result<Program, ModelError> {
		match self {
			Self::Published(encoder) => program::write(encoder, bucket, decls),
			Self::Trained {
				model, weight_unit, ..
			} => embedding_program((model, *weight_unit), bucket, decls),
		}
	}
}

/// An encoder whose tensors are in place.
#[derive(Clone, Debug)]
pub struct Prepared {
	network: Network,
	pub(super) weights: Vec<Set>,
}

/// An inference task: what is computed, and on what.
#[derive(Clone, Debug)]
pub struct Inference {
	/// The programs.
	pub workload: Workload,
	/// Their data sets, checked.
	pub data: CheckedData,
}

/// Collects tensors in the order in which the program takes them.
struct Sets(Vec<Set>);

impl Sets {
	/// A data set whose declared range is that of its values.
	fn push(&mut self, tensor: Tensor) {
		let bytes = tensor.i8s().into_iter().flatten().map(|x| i32::from(*x));
		let words = tensor.i32s().into_iter().flatten().copied();
		let range = |(lo, hi): (i32, i32), x: i32| (lo.min(x), hi.max(x));
		let (lo, hi) = bytes.chain(words).fold((i32::MAX, i32::MIN), range);
		let decl = TensorDecl::new(tensor.element(), tensor.rows(), tensor.cols(), lo, hi);
		self.0.push(Set { decl, tensor });
	}

	fn words(&mut self, rows: u32, values: &[i32]) -> Result<(), TensorError> {
		let cols = values.len() as u32 / rows.max(1);
		self.push(Tensor::from_i32(rows, cols, values.to_vec())?);
		Ok(())
	}

	fn linear(&mut self, linear: &Linear) -> Result<(), TensorError> {
		let rows = linear.exponents.len() as u32;
		let cols = linear.mantissas.len() as u32 / rows.max(1);
		self.push(Tensor::from_i8(rows, cols, linear.mantissas.clone())?);
		self.words(1, &linear.exponents)?;
		linear.bias.iter().try_for_each(|bias| self.words(1, bias))
	}

	fn norm(&mut self, norm: &Norm) -> Result<(), TensorError> {
		self.words(1, &norm.gain)?;
		self.words(1, &norm.bias)
	}
}

fn fault(error: TensorError) -> ModelError {
	field(
		"model",
		"tensors",
		format!("{error}: use a smaller model or batch"),
	)
}

impl Encoder {
	/// Puts all tensors in place.
	///
	/// # Errors
	/// If a tensor is larger than a commitment may be.
	pub fn prepare(self) -> Result<Prepared, ModelError> {
		let weights = self.sets().map_err(fault)?;
		Ok(Prepared {
			network: Network::Published(Box::new(self)),
			weights,
		})
	}

	fn sets(&self) -> Result<Vec<Set>, TensorError> {
		let mut all = Sets(Vec::new());
		all.words(self.vocabulary, &self.words)?;
		all.words(self.positions, &self.places)?;
		all.norm(&self.embedding_norm)?;
		for layer in &self.layers {
			for linear in [&layer.query, &layer.key, &layer.value, &layer.output] {
				all.linear(linear)?;
			}
			all.norm(&layer.attention_norm)?;
			all.linear(&layer.up)?;
			all.linear(&layer.down)?;
			all.norm(&layer.output_norm)?;
		}
		Ok(all.0)
	}
}

impl Prepared {
	/// The encoder that a task has trained.
	///
	/// # Errors
	/// If the model is no encoder.
	pub fn trained(trained: &Trained) -> Result<Self, ModelError> {
		let model = trained.encoder()?;
		let all = trained.named_weights().enumerate();
		let read = all.filter(|(n, _)| embedding_reads(*n));
		let weights = read.map(|(_, (matrix, tensor))| Set {
			// The whole range, so that the program does not depend on the weights.
			decl: TensorDecl::new(
				Element::I32,
				matrix.rows,
				matrix.cols,
				-WEIGHT_LIMIT,
				WEIGHT_LIMIT,
			),
			tensor: tensor.clone(),
		});
		Ok(Self {
			weights: weights.collect(),
			network: Network::Trained {
				model: Box::new(model.clone()),
				weight_unit: trained.weight_unit(),
				vocabulary: trained.vocabulary().size(),
			},
		})
	}

	/// Tokens and lengths of a bucket as data sets.
	pub(super) fn requests(&self, bucket: &Bucket) -> Result<[Set; 2], ModelError> {
		let (vocabulary, positions) = (self.network.vocabulary(), self.network.positions());
		if bucket.length > positions {
			let remedy = format!("the model has {positions} positions: give no longer sequences");
			return Err(field("sequence length", bucket.length, remedy));
		}
		let known = |token: &&i32| u32::try_from(**token).is_ok_and(|token| token < vocabulary);
		if let Some(token) = bucket.tokens.iter().find(|token| !known(token)) {
			let most = vocabulary.saturating_sub(1);
			let remedy = format!("the model has tokens 0 to {most}: use its own tokenizer");
			return Err(field("token", token, remedy));
		}
		let set = |values: &[i32], lo, hi: u32| -> Result<Set, ModelError> {
			let rows = values.len() as u32;
			let tensor = Tensor::from_i32(rows, 1, values.to_vec()).map_err(fault)?;
			// The whole range, so that the program does not depend on the request.
			let decl = TensorDecl::new(Element::I32, rows, 1, lo, hi as i32);
			Ok(Set { decl, tensor })
		};
		Ok([
			set(&bucket.tokens, 0, vocabulary.saturating_sub(1))?,
			set(&bucket.lengths, 1, bucket.length)?,
		])
	}

	/// The program of one batch of a bucket.
	pub(super) fn write(&self, bucket: &Bucket, requests: &[Set; 2]) -> Result<Program, ModelError> {
		let decls: Vec<TensorDecl> = requests.iter().chain(&self.weights).map(|set| set.decl).collect();
		self.network.write(bucket, &decls)
	}

	/// The inference of all sequences of a bucket as a task: one evaluation for each batch.
	///
	/// # Errors
	/// If a token is not in the vocabulary, a sequence is too long, or a program breaks a bound.
	pub fn inference(&self, bucket: &Bucket) -> Result<Inference, ModelError> {
		let requests = self.requests(bucket)?;
		let evaluate = Some(self.write(bucket, &requests)?);
		let mut data = Vec::with_capacity(self.weights.len() + requests.len());
		for set in requests.iter().chain(&self.weights) {
			data.push(DataDecl {
				tensor: set.decl,
				root: set.tensor.root().map_err(fault)?,
			});
		}
		let workload = Workload {
			init: Program::default(),
			step: Program::default(),
			evaluate,
			data,
			steps: 0,
			steps_per_segment: 1,
			evaluations: bucket.batches(),
			loss: LossUnit::NONE,
			metric_total: 0,
		};
		workload.validate()?;
		let all = requests.iter().chain(&self.weights);
		let sets = all.map(|set| set.tensor.clone()).collect();
		let data = CheckedData::new(&workload, sets).map_err(|e| {
			let remedy = format!("{e}: report this as a fault of the compiler");
			field("model", "data sets", remedy)
		})?;
		Ok(Inference { workload, data })
	}

	/// Runs joined requests here; gives the output row of every sequence of every request. Who runs more than once is
	/// faster with a [`Session`].
	///
	/// # Errors
	/// As [`Prepared::inference`].
	pub fn run(&self, joined: &Joined) -> Result<Vec<Vec<Vec<i32>>>, ModelError> {
		self.session().run(joined)
	}

	/// Keeps what runs share.
	pub fn session(&self) -> Session<'_> {
		Session::new(self)
	}
}

/// An output row as floats of length 1.
pub fn embedding(row: &[i32]) -> Vec<f32> {
	let scale = 2f64.powi(OUTPUT_UNIT) / (row.len() as f64).sqrt();
	row.iter().map(|x| (f64::from(*x) * scale) as f32).collect()
}
