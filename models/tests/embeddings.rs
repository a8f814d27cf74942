// SPDX-License-Identifier: Apache-2.0

//! Embeddings by an encoder that a task has trained: alone or in company, here or as an inference task, from a downloaded
//! result.

mod downloaded;
mod pairs;

use pairs::{corpus, description, trained, Job};
use poaiw_models::{
	card::Card,
	embed::TextEncoder,
	encoder::embedding,
	export,
	inference::{join, Joined, Packing, Request},
	safetensors_file::TensorFile,
	sample::LanguageModel,
	trained::Trained,
	TaskManifest,
};
use poaiw_program::{interpreter::run_segment, random::mix, Op, SegmentOutput, Tensor};
use std::{fs, path::Path, sync::OnceLock};
use tempfile::{tempdir, TempDir};

fn run() -> &'static SegmentOutput {
	static RUN: OnceLock<SegmentOutput> = OnceLock::new();
	RUN.get_or_init(|| {
		let job = Job::new(&description("encoder", 60, ""), &corpus());
		job.train(1).pop().unwrap()
	})
}

fn encoder() -> &'static TextEncoder {
	static ENCODER: OnceLock<TextEncoder> = OnceLock::new();
	ENCODER.get_or_init(|| TextEncoder::trained(&trained(run())).unwrap())
}

/// Random sequences of 1 to 16 tokens of the vocabulary.
fn requests(count: u32, seed: u32) -> Vec<Request> {
	let sequence = |n: u32| {
		let of = |at: u32| mix(mix(seed ^ n) ^ at);
		(0..1 + of(99) % 16).map(|at| of(at) % 16).collect()
	};
	let request = |n: u32| Request {
		sequences: (0..1 + n % 3).map(|s| sequence(8 * n + s)).collect(),
	};
	(0..count).map(request).collect()
}

fn packing(lengths: &[u32], tokens: u32) -> Packing {
	Packing {
		lengths: lengths.to_vec(),
		tokens,
	}
}

fn outputs(requests: &[Request], packing: &Packing) -> Vec<Vec<Vec<i32>>> {
	encoder()
		.prepared()
		.run(&join(requests, packing).unwrap())
		.unwrap()
}

fn length(vector: &[f32]) -> f32 {
	vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

#[test]
fn a_texts_bits_should_not_depend_on_its_neighbours_or_its_padding() {
	let all = requests(10, 2);
	let joined = outputs(&all, &packing(&[8, 16], 64));
	for (n, request) in all.iter().enumerate() {
		let alone = std::slice::from_ref(request);
		for other in [packing(&[16], 1), packing(&[16], 200), packing(&[4, 9, 16], 48)] {
			assert_eq!(outputs(alone, &other)[0], joined[n], "request {n}, {other:?}");
		}
	}
	let reversed: Vec<Request> = all.iter().rev().cloned().collect();
	let mut turned = outputs(&reversed, &packing(&[11, 16], 96));
	turned.reverse();
	assert_eq!(turned, joined);
}

#[test]
fn every_token_of_a_text_should_count() {
	let texts = ["AaBbCc", "AaBbCd", "BaBbCc", "BbAaCc", "AaBb"];
	let vectors = encoder().embed(&texts).unwrap();
	for (n, vector) in vectors.iter().enumerate() {
		assert_eq!(vector.len(), 32);
		assert!((length(vector) - 1.0).abs() < 0.01, "length {}", length(vector));
		for other in &vectors[..n] {
			assert_ne!(vector, other);
		}
	}
	assert_eq!(encoder().embed(&texts[2..3]).unwrap()[0], vectors[2]);
}

#[test]
fn an_inference_task_should_leave_the_outputs_of_a_local_run() {
	let all = requests(6, 3);
	let Joined { buckets, places } = join(&all, &packing(&[16], 64)).unwrap();
	let task = encoder().prepared().inference(&buckets[0]).unwrap();
	let info = task.workload.validate().unwrap();
	assert_eq!((info.training_segments, info.segments), (0, buckets[0].batches()));
	assert!(info.segments > 1);
	let program = task.workload.evaluate.as_ref().unwrap();
	let products = program
		.instructions
		.iter()
		.filter(|i| i.op == Op::Product)
		.count();
	assert_eq!(
		products, 6,
		"one for every matrix of the block, none for the head"
	);
	let run = |n| run_segment(&task.workload, [1; 32], vec![], &task.data, n, &mut ()).unwrap();
	let segments: Vec<_> = (0..info.segments).map(run).collect();
	let local = outputs(&all, &packing(&[16], 64));
	for (request, places) in local.iter().zip(&places) {
		for (row, place) in request.iter().zip(places) {
			let output = &segments[place.batch as usize].outputs[0];
			let start = place.row as usize * row.len();
			assert_eq!(&output.i32s().unwrap()[start..start + row.len()], row.as_slice());
		}
	}
}

/// The result that a folder has.
fn save(folder: &TempDir, state: &[Tensor], outputs: &[Tensor]) {
	downloaded::save(folder.path(), &[0; 32], state, outputs);
}

#[test]
fn a_downloaded_encoder_should_embed_as_the_trained_one_and_refuse_to_continue_texts() {
	let folder = tempdir().unwrap();
	save(&folder, &run().state, &run().outputs);
	let opened = TextEncoder::open(folder.path()).unwrap();
	let texts = ["AaBbCc", "Hh"];
	assert_eq!(opened.embed(&texts).unwrap(), encoder().embed(&texts).unwrap());

	let error = LanguageModel::from_folder(folder.path()).unwrap_err().to_string();
	for part in ["`model.kind` is encoder", "poaiw model embed", "transformer"] {
		assert!(error.contains(part), "`{error}` does not say `{part}`");
	}
	let mut flipped = fs::read(folder.path().join("state-000.bin")).unwrap();
	flipped[5] ^= 1;
	fs::write(folder.path().join("state-000.bin"), &flipped).unwrap();
	let error = TextEncoder::open(folder.path()).unwrap_err().to_string();
	assert!(error.contains("its commitment is"), "{error}");
}

#[test]
fn results_that_are_no_encoder_should_be_refused_with_a_remedy() {
	let job = Job::new(&description("transformer", 2, ""), &corpus());
	let decoder = job.train(1).pop().unwrap();
	let folder = tempdir().unwrap();
	let says = |why: &[&str]| {
		let error = TextEncoder::open(folder.path()).unwrap_err().to_string();
		for part in why {
			assert!(error.contains(part), "`{error}` does not say `{part}`");
		}
	};
	says(&["config.json"]);
	save(&folder, &decoder.state, &decoder.outputs);
	says(&["`model.kind` is transformer", "poaiw model sample", "encoder"]);
	save(&folder, &decoder.state, &decoder.outputs[..1]);
	says(&["there is no model card"]);
	// The state of a decoder has no embedding of a mask token.
	save(&folder, &decoder.state, &run().outputs);
	says(&["`tok`", "don't belong together"]);
	save(&folder, &run().state[..6], &run().outputs);
	says(&["it has 6 tensors where the model has 27"]);
}

#[test]
fn texts_that_do_not_fit_the_model_should_be_refused() {
	let says = |texts: &[&str], why: &str| {
		let error = encoder().embed(texts).unwrap_err().to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	says(&[], "`texts` is none");
	says(&["Aa", ""], "`text` is empty");
	says(&["Aa", "Az"], "without 'z', character 2");
	says(&["AaBbCcDdAaBbCcDdE"], "the model has 16 positions");
	// The mask token is no token of a text.
	let request = Request {
		sequences: vec![vec![16]],
	};
	let joined = join(&[request], &packing(&[4], 4)).unwrap();
	let error = encoder().prepared().run(&joined).unwrap_err().to_string();
	assert!(error.contains("tokens 0 to 15"), "{error}");
}

#[test]
fn an_inference_manifest_should_build_from_a_result() {
	let folder = tempdir().unwrap();
	save(&folder, &run().state, &run().outputs);
	let build = |lines: &str, inference: &str| {
		fs::write(folder.path().join("lines.txt"), lines).unwrap();
		let text = format!(
			"title = \"t\"\nclass = \"inference\"\n[inference]\nmodel = \".\"\n{inference}\n\
			[data]\nfile = \"lines.txt\"\nformat = \"lines\"\n[price]\ntip_per_gmac = 1\nmax_total = 1\n\
			[verification]\nsampled = 1\nverifiers = 1\n[terms]\ndeadline_blocks = 9\n"
		);
		TaskManifest::from_toml(&text).and_then(|manifest| manifest.build(folder.path()))
	};
	let lines = "AaBb\nHh\nGgFfEe\n";
	let task = build(lines, "length = 8\nbatch = 2").unwrap();
	assert_eq!((task.info.segments, task.workload.evaluations), (2, 2));
	let first = run_segment(&task.workload, [1; 32], vec![], &task.data, 0, &mut ()).unwrap();
	let rows: Vec<Vec<f32>> = first.outputs[0]
		.i32s()
		.unwrap()
		.chunks(32)
		.map(embedding)
		.collect();
	assert_eq!(rows, encoder().embed(&["AaBb", "Hh"]).unwrap());

	for (lines, inference, why) in [
		("Aa\nAz\n", "length = 8\nbatch = 2", "row 2"),
		("Aa\n\nBb\n", "length = 8\nbatch = 2", "row 2"),
		(lines, "length = 4\nbatch = 2", "row 3"),
		(lines, "length = 17\nbatch = 2", "the model has 16 positions"),
	] {
		let error = build(lines, inference).expect_err(why).to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	}
}

#[test]
fn an_encoder_should_be_exported_with_its_card_and_the_row_of_its_mask_token() {
	let card = Card::from_tensor(&run().outputs[1]).unwrap().unwrap();
	let bytes = export::language_model(card, run().state.clone()).unwrap();
	let file = TensorFile::from_bytes(Path::new("x"), bytes.clone()).unwrap();
	let expected = ["d0", "head", "k0", "o0", "pos", "q0", "tok", "u0", "v0"];
	let mut names = file.names();
	names.sort_unstable();
	assert_eq!(names, expected);
	assert_eq!(file.floats("tok").unwrap().shape, [17, 32]);
	assert_eq!(file.floats("head").unwrap().shape, [16, 32]);
	let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
	let card = &metadata.metadata().clone().unwrap()[export::CARD];
	let card: serde_json::Value = serde_json::from_str(card).unwrap();
	assert_eq!(card["architecture"]["model"]["kind"], "encoder");
	assert_eq!(card["architecture"]["model"]["masked_share"], 0.15);
	// The same from a folder.
	let folder = tempdir().unwrap();
	save(&folder, &run().state, &run().outputs);
	assert_eq!(export::from_folder(folder.path(), None).unwrap(), bytes);
	assert!(Trained::from_folder(folder.path()).is_ok());
}
