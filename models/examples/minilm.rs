// SPDX-License-Identifier: Apache-2.0

//! Embeds the lines of a file with a sentence encoder in integers, and compares speed and direction with floats:
//!
//! ```text
//! cargo run --release -p poaiw-models --example minilm -- MODEL SENTENCES.txt [REFERENCE.json [REPETITIONS [STEP]]]
//! ```
//! `MODEL` is a folder as `sentence-transformers` publishes it, `REFERENCE.json` a list with one embedding for each line.
//! Prints one JSON object.

use poaiw_models::{
	encoder::embedding,
	import::SentenceEncoder,
	inference::{join, Packing, Request},
};
use serde_json::{json, Value};
use std::{error::Error, fs, path::Path, time::Instant};

/// Tokens of a batch: its tensors stay in the caches.
const BATCH_TOKENS: u32 = 1024;
/// Sequences are padded to a multiple of this, if nothing else is given.
const LENGTH_STEP: u32 = 4;

fn cosine(a: &[f32], b: &[f32]) -> f64 {
	let dot = |a: &[f32], b: &[f32]| {
		a.iter()
			.zip(b)
			.map(|(a, b)| f64::from(*a) * f64::from(*b))
			.sum::<f64>()
	};
	dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn main() -> Result<(), Box<dyn Error>> {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let [model, sentences, rest @ ..] = arguments.as_slice() else {
		return Err("give MODEL SENTENCES.txt [REFERENCE.json [REPETITIONS [STEP]]]".into());
	};
	let begun = Instant::now();
	let SentenceEncoder { encoder, tokens } = SentenceEncoder::open(Path::new(model))?;
	let model = encoder.prepare()?;
	let loading = begun.elapsed().as_secs_f64();
	let text = fs::read_to_string(sentences)?;
	let requests = text
		.lines()
		.map(|line| {
			Ok(Request {
				sequences: vec![tokens.encode(line)?],
			})
		})
		.collect::<Result<Vec<_>, poaiw_models::ModelError>>()?;
	let longest = requests
		.iter()
		.flat_map(|r| &r.sequences)
		.map(Vec::len)
		.max()
		.unwrap_or(1) as u32;
	let step: u32 = rest.get(2).map_or(Ok(LENGTH_STEP), |n| n.parse())?;
	let packing = Packing {
		lengths: (1..=longest.div_ceil(step)).map(|n| n * step).collect(),
		tokens: BATCH_TOKENS,
	};
	let repetitions: u32 = rest.get(1).map_or(Ok(1), |n| n.parse())?;
	let (mut session, mut best, mut rows) = (model.session(), f64::INFINITY, Vec::new());
	for _ in 0..repetitions {
		let begun = Instant::now();
		let joined = join(&requests, &packing)?;
		rows = session.run(&joined)?;
		best = best.min(begun.elapsed().as_secs_f64());
	}
	let embeddings: Vec<Vec<f32>> = rows.iter().flatten().map(|row| embedding(row)).collect();
	let mut report = json!({
		"sentences": embeddings.len(),
		"tokens": requests.iter().flat_map(|r| &r.sequences).map(Vec::len).sum::<usize>(),
		"loading_seconds": loading,
		"seconds": best,
		"sentences_per_second": embeddings.len() as f64 / best,
	});
	if let Some(path) = rest.first() {
		let reference: Vec<Vec<f32>> = serde_json::from_str(&fs::read_to_string(path)?)?;
		if reference.len() != embeddings.len() {
			return Err(format!("{} embeddings for {} lines", reference.len(), embeddings.len()).into());
		}
		let all: Vec<f64> = embeddings
			.iter()
			.zip(&reference)
			.map(|(a, b)| cosine(a, b))
			.collect();
		report["cosine_mean"] = Value::from(all.iter().sum::<f64>() / all.len() as f64);
		report["cosine_min"] = Value::from(all.iter().copied().fold(f64::INFINITY, f64::min));
	}
	println!("{report:#}");
	Ok(())
}
