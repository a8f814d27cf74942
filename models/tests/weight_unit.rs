// SPDX-License-Identifier: Apache-2.0

//! Rates above 0.0039: the unit of the master weights is coarser, and everything that reads them knows it.

mod pairs;

use pairs::{corpus, description, trained, Job};
use poaiw_models::{
	embed::TextEncoder,
	export,
	safetensors_file::TensorFile,
	sample::{LanguageModel, Sampling},
};
use poaiw_program::{initial_state, Tensor};
use std::path::Path;

const FINE: &str = "rate = 0.0039";
const COARSE: &str = "rate = 0.008";

fn job(kind: &str, steps: u32, rate: &str) -> Job {
	Job::new(&description(kind, steps, "").replace(FINE, rate), &corpus())
}

fn initial(job: &Job) -> Vec<Tensor> {
	let info = job.workload.validate().unwrap();
	initial_state(&job.workload, &info, [3; 32]).unwrap()
}

#[test]
fn first_weights_should_be_the_same_numbers_in_any_unit() {
	let [fine, coarse] = [FINE, COARSE].map(|rate| job("transformer", 4, rate));
	assert_eq!(fine.architecture.optimiser.weight_unit(), -24);
	assert_eq!(coarse.architecture.optimiser.weight_unit(), -22);
	let pairs = initial(&fine).into_iter().zip(initial(&coarse));
	let mut compared = 0;
	for (fine, coarse) in pairs.step_by(3) {
		let (fine, coarse) = (fine.i32s().unwrap(), coarse.i32s().unwrap());
		// The optimiser's scalars have no unit.
		if fine.len() == 1 {
			continue;
		}
		for (fine, coarse) in fine.iter().zip(coarse) {
			// The scale of the first weights has 15 bits.
			let difference = (f64::from(*fine) / 4.0 - f64::from(*coarse)).abs();
			assert!(
				difference <= 2.0 + f64::from(fine.unsigned_abs()) / 4e4,
				"{fine} {coarse}"
			);
			compared += 1;
		}
	}
	assert!(compared > 10_000, "{compared}");
}

#[test]
fn a_decoder_should_learn_and_be_exported_in_a_coarser_unit() {
	let job = job("transformer", 400, COARSE);
	let run = job.train(1).pop().unwrap();
	let record = run.record.evaluation.unwrap();
	// Every letter is decided by its capital, no capital by anything.
	assert!(2 * record.hits > record.total, "{record:?}");
	let trained = trained(&run);
	let bytes = export::language_model(trained.card().clone(), run.state.clone()).unwrap();
	let file = TensorFile::from_bytes(Path::new("x"), bytes).unwrap();
	for (matrix, tensor) in trained.named_weights() {
		let exported = file.floats(&matrix.name).unwrap().values;
		let unit = f64::from(1 << 22);
		let weights = tensor.i32s().unwrap().iter();
		let expected: Vec<f32> = weights.map(|w| (f64::from(*w) / unit) as f32).collect();
		assert_eq!(exported, expected, "{}", matrix.name);
	}
	// Generation reads the weights in the same unit as the evaluation.
	let model = LanguageModel::new(trained.card().clone(), run.state.clone()).unwrap();
	let greedy = Sampling {
		temperature: 0.0,
		seed: 1,
	};
	let text = model.sample("Aa", 12, greedy).unwrap();
	let mut pairs = text.as_bytes().chunks_exact(2);
	assert!(pairs.all(|p| p[0].to_ascii_lowercase() == p[1]), "{text}");
}

#[test]
fn an_encoder_should_embed_in_a_coarser_unit() {
	let run = job("encoder", 300, COARSE).train(1).pop().unwrap();
	let encoder = TextEncoder::trained(&trained(&run)).unwrap();
	let vectors = encoder.embed(&["AaBb", "AaBb", "CcDd"]).unwrap();
	let cosine = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
	assert!(cosine(&vectors[0], &vectors[1]) > 0.99);
	assert!(cosine(&vectors[0], &vectors[2]) < 0.99);
}
