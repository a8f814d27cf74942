// SPDX-License-Identifier: Apache-2.0

//! The cases that are trained: what the integer model is, and what its float32 twin is given.

use super::{
	cached,
	integer::{self, Job, Score},
	python, source,
	twin::{self, Array},
	Bench,
};
use anyhow::{bail, Context, Result};
use poaiw_models::{
	architecture::Model,
	classifier,
	dataset::{Encoding, Examples, HeldOut},
	idx,
	text::{read_text, Corpus, Vocabulary},
	transformer, Architecture, TaskManifest,
};
use serde_json::{json, Value};
use std::{fs, ops::Range, path::Path, time::Duration};

/// A case that is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
	/// Its name.
	pub name: &'static str,
	/// For people.
	pub title: &'static str,
	/// What its score is.
	pub score: Score,
	/// Learning rates that the float32 twin may choose from.
	pub rates: &'static [f64],
	/// Seeds, if no number is asked for.
	pub seeds: u32,
	kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
	Digits,
	Images,
	Text,
}

/// Rates for classifiers.
const RATES: &[f64] = &[0.0005, 0.001, 0.002, 0.004, 0.008];
/// Rates for transformers.
const TEXT_RATES: &[f64] = &[0.002, 0.003, 0.004];

/// Every trained case.
pub const CASES: &[Case] = &[
	Case {
		name: "digits",
		title: "digits, MLP 64-512-512-10",
		score: Score::Accuracy,
		rates: RATES,
		seeds: 3,
		kind: Kind::Digits,
	},
	Case {
		name: "mnist-mlp",
		title: "MNIST 8,000/2,000, MLP 784-256-128-10",
		score: Score::Accuracy,
		rates: RATES,
		seeds: 3,
		kind: Kind::Images,
	},
	Case {
		name: "mnist-conv",
		title: "MNIST 8,000/2,000, conv 16-32, dense 128-10",
		score: Score::Accuracy,
		rates: RATES,
		seeds: 3,
		kind: Kind::Images,
	},
	Case {
		name: "char-2",
		title: "Shakespeare by characters, transformer, 2 layers",
		score: Score::Loss,
		rates: TEXT_RATES,
		seeds: 3,
		kind: Kind::Text,
	},
	Case {
		name: "char-4",
		title: "Shakespeare by characters, transformer, 4 layers",
		score: Score::Loss,
		rates: TEXT_RATES,
		seeds: 3,
		kind: Kind::Text,
	},
	Case {
		name: "char-256",
		title: "Shakespeare, transformer, 4 layers of 192, windows of 256",
		score: Score::Loss,
		rates: TEXT_RATES,
		// Two cores take half an hour for the first seed, a quarter of an hour for others.
		seeds: 1,
		kind: Kind::Text,
	},
];

/// A case with its data.
pub struct Prepared {
	/// Which.
	pub case: Case,
	/// The integer model.
	pub job: Job,
	architecture: Architecture,
	/// Names of the matrices, in the order of the state.
	names: Vec<String>,
	/// What of the twin's specification is special to the model.
	model: Value,
	/// The twin's data.
	arrays: Vec<Array>,
}

/// Results of one seed.
#[derive(Clone, Debug)]
pub struct Pair {
	/// The seed.
	pub seed: u32,
	/// The integer model.
	pub integer: integer::Run,
	/// Its twin.
	pub float: python::Run,
}

/// Times of a training step.
#[derive(Clone, Copy, Debug)]
pub struct Times {
	/// Milliseconds, integers.
	pub integer: f64,
	/// Milliseconds, PyTorch.
	pub float: f64,
}

fn read_architecture(path: &Path) -> Result<Architecture> {
	let text = fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
	Ok(Architecture::from_toml(&text)?)
}

/// Seed of a task from its number.
fn seed_bytes(seed: u32) -> [u8; 32] {
	[seed as u8; 32]
}

impl Case {
	/// Reads the data and compiles the model.
	///
	/// # Errors
	/// If data is missing or the model does not compile.
	pub fn prepare(&self, bench: &Bench) -> Result<Prepared> {
		let file = source().join(format!("{}.toml", self.name));
		match self.kind {
			Kind::Digits => {
				let folder = source().join("../../examples/digits");
				let manifest = TaskManifest::from_file(&folder.join("digits.toml"))?;
				let (examples, exponent) = manifest.data.read(&folder)?;
				let architecture = manifest
					.architecture
					.clone()
					.context("the digits task has no architecture")?;
				let scale = 2f32.powi(exponent);
				let raw: Vec<f32> = examples.values.iter().map(|x| f32::from(*x) * scale).collect();
				let held_out = manifest
					.data
					.held_out
					.context("the digits task holds nothing out")?;
				self.classifier(architecture, &examples, exponent, &raw, &held_out)
			}
			Kind::Images => {
				let images = bench.file("t10k-images-idx3-ubyte.gz")?;
				let labels = bench.file("t10k-labels-idx1-ubyte.gz")?;
				// Mean of about 0 and deviation of about 1, in 6 bits; the twin gets all 8 bits.
				let encoding = Encoding {
					offset: 33,
					shift: 2,
					exponent: -4,
				};
				let examples = idx::read_labelled(&images, &labels, &encoding, 10)?;
				let bytes = idx::read_idx(&images)?.bytes;
				let raw: Vec<f32> = bytes.iter().map(|x| (f32::from(*x) - 33.0) / 64.0).collect();
				let held_out = HeldOut {
					every: 5,
					remainder: 0,
				};
				self.classifier(
					read_architecture(&file)?,
					&examples,
					encoding.exponent,
					&raw,
					&held_out,
				)
			}
			Kind::Text => {
				let text = read_text(&bench.file("shakespeare.txt")?)?;
				let corpus = Corpus::from_text(&text, Vocabulary::of_characters(&text)?)?;
				self.text(read_architecture(&file)?, &corpus)
			}
		}
	}

	fn classifier(
		&self,
		architecture: Architecture,
		examples: &Examples,
		exponent: i32,
		raw: &[f32],
		held_out: &HeldOut,
	) -> Result<Prepared> {
		let classes = 10;
		let split = examples.split(held_out, classes, exponent)?;
		let workload = classifier::compile(&architecture, &split)?;
		let (matrices, model) = match &architecture.model {
			Model::Mlp { layers } => (layers.len() - 1, json!({"convolutions": []})),
			Model::Conv(conv) => (
				conv.convolutions.len() + conv.dense.len(),
				json!({"convolutions": conv.convolutions, "input": conv.input}),
			),
			other => bail!("{} is no classifier", other.kind()),
		};
		let width = examples.features as usize;
		let mut parts = [Vec::new(), Vec::new()];
		for (n, row) in (0u32..).zip(raw.chunks_exact(width)) {
			let part = usize::from(n % held_out.every == held_out.remainder);
			parts[part].extend_from_slice(row);
		}
		let [train, test] = parts;
		let values = |name: &str, x: Vec<f32>| Array::floats(name, vec![x.len() / width, width], x);
		let arrays = vec![
			values("train_x", train),
			twin::labels("train_y", &split.tensors[1])?,
			values("test_x", test),
			twin::labels("test_y", &split.tensors[3])?,
		];
		let common = json!({"kind": "classifier", "matrices": matrices});
		Ok(Prepared {
			case: *self,
			job: Job::new(workload, split.tensors.into())?,
			architecture,
			names: (0..matrices).map(|n| format!("layer{n}")).collect(),
			model: twin::join(common, model),
			arrays,
		})
	}

	fn text(&self, architecture: Architecture, corpus: &Corpus) -> Result<Prepared> {
		let workload = transformer::compile(&architecture, corpus)?;
		let Model::Transformer(model) = &architecture.model else {
			bail!(
				"{} has no twin in floats that reads text",
				architecture.model.kind()
			);
		};
		let matrices = transformer::matrices(model, corpus.vocabulary().size());
		let fixed: Vec<&str> = matrices
			.iter()
			.filter(|m| !m.decays)
			.map(|m| m.name.as_str())
			.collect();
		// The integer model divides scores by the power of two next to the root of the head's width.
		let scale = 0.5f64.powi(model.head_width().next_power_of_two().ilog2().div_ceil(2) as i32);
		let spec = json!({
			"kind": "transformer",
			"layers": model.layers,
			"width": model.width,
			"heads": model.heads,
			"context": model.context,
			"held_out_windows": workload.metric_total / model.context,
			"scale": scale,
			"no_decay": fixed,
		});
		let tokens = |name: &str, x: &[i32]| Array::words(name, vec![x.len()], x);
		let arrays = vec![
			tokens("train", corpus.train()),
			tokens("held_out", corpus.held_out()),
		];
		let names = matrices.into_iter().map(|m| m.name).collect();
		Ok(Prepared {
			case: *self,
			job: Job::new(workload, corpus.tensors(&architecture)?)?,
			architecture,
			names,
			model: spec,
			arrays,
		})
	}
}

impl Prepared {
	/// Number of weights.
	pub fn parameters(&self) -> u64 {
		let step = self.job.info.state.len() / self.names.len().max(1);
		let masters = self.job.info.state.iter().step_by(step.max(1));
		masters.take(self.names.len()).map(|d| d.elements()).sum()
	}

	/// Steps of a training.
	pub fn steps(&self) -> u32 {
		self.job.workload.steps
	}

	/// Writes what the twin is given; gives its hash.
	fn write_twin(&self, folder: &Path, seed: u32) -> Result<[u8; 32]> {
		let bytes = seed_bytes(seed);
		let optimiser = &self.architecture.optimiser;
		let mut arrays = twin::weights(&self.job, optimiser, &self.names, bytes)?;
		arrays.push(twin::batches(&self.job, bytes)?);
		arrays.extend(self.arrays.iter().cloned());
		let training = twin::training(&self.architecture, self.steps(), self.case.rates);
		twin::write(folder, &twin::join(self.model.clone(), training), &arrays)
	}

	/// Trains the integer model and its twin. The twin tries every rate with the first seed and keeps the best.
	///
	/// # Errors
	/// If one of them fails.
	pub fn pairs(&self, bench: &Bench, seeds: Range<u32>, threads: usize) -> Result<Vec<Pair>> {
		let mut pairs: Vec<Pair> = Vec::new();
		for seed in seeds {
			let folder = bench.folder(self.case.name, seed)?;
			let (name, steps) = (self.case.name, self.steps());
			println!("{name}, seed {seed}: {steps} steps");
			let every = (steps / 5).max(1);
			let key = poaiw_commitment::hash(&[&self.job.workload.hash(), &seed_bytes(seed)]);
			let integer = cached(&folder.join("integer.json"), &key, || {
				let run = self.job.train(seed_bytes(seed), self.case.score, |step, loss| {
					if (step + 1) % every == 0 {
						println!("  integers, step {}: loss {loss:.4}", step + 1);
					}
				})?;
				println!("  integers: {:.4}", run.score);
				Ok(run)
			})?;
			let spec = self.write_twin(&folder, seed)?;
			let chosen: Vec<String> = pairs
				.first()
				.map(|p| p.float.rate.to_string())
				.into_iter()
				.collect();
			let key = poaiw_commitment::hash(&[&spec, &python::source_hash()?, chosen.concat().as_bytes()]);
			let float = cached(&folder.join("float.json"), &key, || {
				bench.baseline("train", &folder, threads, &chosen)
			})?;
			pairs.push(Pair { seed, integer, float });
		}
		Ok(pairs)
	}

	/// Times of a training step, one after the other on the same cores.
	///
	/// # Errors
	/// If one of them fails.
	pub fn times(&self, bench: &Bench, threads: usize) -> Result<Times> {
		let folder = bench.folder(self.case.name, 1)?;
		self.write_twin(&folder, 1)?;
		let integer = self.job.step_time(Duration::from_secs(5))?.as_secs_f64() * 1000.0;
		let float: python::Speed = bench.baseline("speed", &folder, threads, &[])?;
		Ok(Times {
			integer,
			float: float.milliseconds,
		})
	}
}
