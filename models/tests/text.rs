// SPDX-License-Identifier: Apache-2.0

//! Texts, vocabularies and transformer descriptions: what does not fit is named with a remedy.

use poaiw_models::{
	card::Card,
	text::{read_text, Corpus, Vocabulary},
	transformer::{compile, matrices},
	Architecture, Task, TaskManifest,
};
use poaiw_program::{Element, Tensor};
use proptest::prelude::*;
use std::{
	fs,
	path::{Path, PathBuf},
};
use tempfile::tempdir;

fn example() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/char-transformer")
}

const MODEL: &str = "[model]\nkind = \"transformer\"\nlayers = 1\nwidth = 16\nheads = 2\ncontext = 8\n\
	[training]\nbatch = 2\nsteps = 4\nsteps_per_segment = 2\n[optimiser]\nkind = \"adam\"\nrate = 0.003\n";

fn refused(from: &str, to: &str, why: &[&str]) {
	assert!(MODEL.contains(from), "the model has no `{from}`");
	let error = Architecture::from_toml(&MODEL.replace(from, to))
		.expect_err(to)
		.to_string();
	for part in why {
		assert!(error.contains(part), "`{error}` does not say `{part}`");
	}
}

#[test]
fn faulty_transformers_should_be_named_with_a_remedy() {
	Architecture::from_toml(MODEL).unwrap();
	refused("layers = 1", "layers = 0", &["`model.layers` is 0", "1 to 48"]);
	refused("width = 16", "width = 4", &["`model.width` is 4", "8 to 8192"]);
	refused(
		"heads = 2",
		"heads = 3",
		&["`model.heads` is 3", "divisor of model.width, 16"],
	);
	refused("heads = 2", "heads = 0", &["`model.heads` is 0"]);
	refused(
		"context = 8",
		"context = 1",
		&["`model.context` is 1", "2 to 4096"],
	);
	refused(
		"heads = 2",
		"heads = 2\nfeed_forward = 70000",
		&["`model.feed_forward` is 70000"],
	);
	refused(
		"heads = 2",
		"heads = 2\nattention_bits = 9",
		&["`model.attention_bits` is 9", "7 to 8"],
	);
	for bits in ["0", "6", "8", "12", "14"] {
		refused(
			"heads = 2",
			&format!("heads = 2\ngradient_bits = {bits}"),
			&[&format!("`model.gradient_bits` is {bits}"), "7 or 13"],
		);
	}
	refused("heads = 2", "heads = 2\nmask = \"none\"", &["none", "activation"]);
	refused(
		"heads = 2",
		"heads = 2\ndropout = 0.1",
		&["dropout", "unknown field"],
	);
	refused(
		"heads = 2",
		"heads = 2\nheld_out_windows = 0",
		&["`model.held_out_windows` is 0"],
	);
	refused(
		"steps = 4",
		"steps = 4\nepochs = 2",
		&["`training.steps`", "either"],
	);
	refused("steps = 4\n", "", &["`training.epochs` is missing", "either"]);
	refused("steps = 4", "steps = 0", &["`training.steps` is 0"]);
	refused("rate = 0.003", "rate = 0.07", &["`optimiser.rate` is 0.07"]);
	refused(
		"rate = 0.003",
		"rate = 0.003\nweight_decay = 1.0",
		&["`optimiser.weight_decay`"],
	);
}

#[test]
fn programs_of_decoders_should_stay_the_same_when_encoders_change() {
	for (manifest, expected) in [
		(
			"quick.toml",
			"88ef6253ba9342670c124022941d84aa5ef6a37769de2bff6f3fc8287e86a6c1",
		),
		(
			"alice.toml",
			"24fd12dd47b2449d595484a70466a80af111b8573db2100e8e7187691f0a4458",
		),
	] {
		let task = Task::from_file(&example().join(manifest)).unwrap();
		let hash: String = task.workload.hash().iter().map(|b| format!("{b:02x}")).collect();
		assert_eq!(hash, expected, "{manifest}");
	}
}

fn corpus(tokens: usize) -> Corpus {
	let text: String = "the quick brown fox. ".chars().cycle().take(tokens).collect();
	Corpus::from_text(&text, Vocabulary::of_characters(&text).unwrap()).unwrap()
}

#[test]
fn texts_that_are_too_short_for_the_model_should_be_refused() {
	let says = |model: &str, tokens: usize, why: &str| {
		let error = compile(&Architecture::from_toml(model).unwrap(), &corpus(tokens)).unwrap_err();
		assert!(error.to_string().contains(why), "`{error}` does not say `{why}`");
	};
	compile(&Architecture::from_toml(MODEL).unwrap(), &corpus(90)).unwrap();
	says(MODEL, 50, "the held-out part has 5 tokens: a window needs 9");
	says(MODEL, 9, "the training part has 8 tokens");
	says(
		&MODEL.replace("batch = 2", "batch = 80"),
		90,
		"the training set has 73 examples",
	);
	let mlp = MODEL.replace(
		"kind = \"transformer\"\nlayers = 1\nwidth = 16\nheads = 2\ncontext = 8",
		"kind = \"mlp\"\nlayers = [2, 2]",
	);
	says(&mlp, 90, "`model.kind` is mlp");
	says(
		&MODEL.replace("steps = 4", "steps = 90000"),
		90,
		"at this peak rate give at most 85332 steps",
	);
	let long = MODEL
		.replace("context = 8", "context = 4096")
		.replace("batch = 2", "batch = 5");
	says(&long, 90_000, "at most 4");
}

#[test]
fn vocabularies_should_round_trip_and_name_what_they_lack() {
	let vocabulary = Vocabulary::of_characters("héllo wörld\n").unwrap();
	let tokens = vocabulary.encode("wöh\n").unwrap();
	assert_eq!(vocabulary.decode(&tokens).unwrap(), "wöh\n");
	// By rising code point.
	assert_eq!(
		vocabulary.encode("\n dhlorwéö").unwrap(),
		(0..10).collect::<Vec<i32>>()
	);
	let says = |error: poaiw_models::ModelError, why: &str| {
		assert!(error.to_string().contains(why), "`{error}` does not say `{why}`");
	};
	says(vocabulary.encode("wx").unwrap_err(), "without 'x', character 2");
	says(vocabulary.decode(&[10]).unwrap_err(), "without token 10");
	says(vocabulary.decode(&[-1]).unwrap_err(), "without token -1");
	says(Vocabulary::of_characters("").unwrap_err(), "0 characters");
	says(
		Vocabulary::from_characters(vec!['b', 'a']).unwrap_err(),
		"not in order",
	);
	says(
		Vocabulary::from_characters(vec!['a', 'a']).unwrap_err(),
		"not in order",
	);
	says(
		Vocabulary::train_bpe("abc", 256).unwrap_err(),
		"`data.vocabulary` is 256",
	);
	says(
		Vocabulary::from_tokenizer_json("{}".into()).unwrap_err(),
		"give a tokenizer.json",
	);
	let two = Vocabulary::of_characters("ab").unwrap();
	says(
		Corpus::new(two, vec![0, 2], vec![]).unwrap_err(),
		"without token 2",
	);
}

#[test]
fn learning_byte_pairs_should_give_the_same_vocabulary_every_time() {
	let text = fs::read_to_string(example().join("alice.txt")).unwrap();
	let json = || match Vocabulary::train_bpe(&text, 400).unwrap() {
		Vocabulary::Tokenizer { json, .. } => json,
		Vocabulary::Characters(_) => panic!("no byte pairs"),
	};
	assert_eq!(json(), json());
	let vocabulary = Vocabulary::from_tokenizer_json(json()).unwrap();
	let tokens = vocabulary.encode(&text).unwrap();
	assert!(tokens.len() * 10 < text.len() * 7, "{} tokens", tokens.len());
	assert_eq!(vocabulary.decode(&tokens).unwrap(), text);
	let corpus = Corpus::from_text(&text, vocabulary).unwrap();
	let tensors = corpus.tensors(&Architecture::from_toml(MODEL).unwrap()).unwrap();
	assert_eq!(tensors[0].element(), Element::I32);
}

#[test]
fn text_files_that_cannot_be_read_should_be_named() {
	let folder = tempdir().unwrap();
	let folder = folder.path();
	let says = |bytes: &[u8], why: &str| {
		let path = folder.join("a.txt");
		fs::write(&path, bytes).unwrap();
		let error = read_text(&path).unwrap_err().to_string();
		assert!(
			error.contains(why) && error.contains("a.txt"),
			"`{error}` does not say `{why}`"
		);
	};
	says(b"", "an empty text");
	says(b"abc\xff", "byte 3 is not UTF-8");
	assert!(read_text(&folder.join("b.txt"))
		.unwrap_err()
		.to_string()
		.contains("b.txt"));
}

#[test]
fn fields_of_other_formats_should_be_refused_in_a_text_task() {
	let text = fs::read_to_string(example().join("quick.toml")).unwrap();
	TaskManifest::from_toml(&text).unwrap();
	let says = |line: &str, why: &[&str]| {
		let faulty = text.replace("format = \"text\"", &format!("format = \"text\"\n{line}"));
		let error = TaskManifest::from_toml(&faulty).expect_err(line).to_string();
		for part in why {
			assert!(error.contains(part), "`{error}` does not say `{part}`");
		}
	};
	says("classes = 10", &["`data.classes` is given", "leave it out"]);
	says(
		"held_out = { every = 5 }",
		&["`data.held_out` is given", "last tenth"],
	);
	says("labels = \"x\"", &["`data.labels` is x"]);
	says("vocabulary = 300", &["`data.tokenizer` is char", "bpe"]);
	says(
		"tokenizer = \"bpe\"",
		&["`data.tokenizer` is bpe", "data.vocabulary"],
	);
	says(
		"tokenizer = \"bpe\"\nvocabulary = 300\ntokenizer_file = \"t.json\"",
		&["`data.tokenizer` is bpe", "either"],
	);
	says("tokenizer = \"word\"", &["word"]);
	let digits = fs::read_to_string(example().join("../digits/digits.toml")).unwrap();
	let with = digits.replace("format = \"csv\"", "format = \"csv\"\ntokenizer = \"char\"");
	let error = TaskManifest::from_toml(&with).unwrap_err().to_string();
	assert!(error.contains("`data.tokenizer` is given"), "{error}");
}

#[test]
fn a_card_should_survive_the_way_through_a_tensor() {
	let vocabulary = Vocabulary::of_characters("aé€\u{1f600}\n\"").unwrap();
	let card = Card::new(Architecture::from_toml(MODEL).unwrap(), &vocabulary);
	let tensor = card.to_tensor().unwrap();
	let back = Card::from_tensor(&tensor).unwrap().unwrap();
	assert_eq!(back.architecture, card.architecture);
	assert_eq!(
		back.vocabulary().unwrap().encode("é\u{1f600}").unwrap(),
		vocabulary.encode("é\u{1f600}").unwrap()
	);
	let words = Tensor::from_i32(1, 1, vec![3]).unwrap();
	assert!(Card::from_tensor(&words).unwrap().is_none());
	let bytes = |text: &str| {
		let values: Vec<i8> = text.bytes().map(|b| b as i8).collect();
		Card::from_tensor(&Tensor::from_i8(1, values.len() as u32, values).unwrap())
	};
	assert!(bytes("no card").unwrap().is_none());
	assert!(bytes("# PoAIW model card\na = 1").is_err());
}

#[test]
fn matrices_should_be_those_of_the_model() {
	let architecture = Architecture::from_toml(MODEL).unwrap();
	let poaiw_models::architecture::Model::Transformer(model) = &architecture.model else {
		panic!("no transformer")
	};
	let sizes: Vec<(String, u32, u32, bool)> = matrices(model, 30)
		.into_iter()
		.map(|m| (m.name, m.rows, m.cols, m.decays))
		.collect();
	let expected = [
		("tok", 30, 16, false),
		("pos", 8, 16, false),
		("head", 30, 16, true),
		("q0", 16, 16, true),
		("k0", 16, 16, true),
		("v0", 16, 16, true),
		("o0", 16, 16, true),
		("u0", 64, 16, true),
		("d0", 16, 64, true),
	];
	let expected: Vec<_> = expected.map(|(n, r, c, d)| (n.to_string(), r, c, d)).into();
	assert_eq!(sizes, expected);
}

#[test]
fn larger_models_should_keep_every_bound() {
	let corpus = corpus(40_000);
	for (layers, width, heads, context, batch, bits, gradient_bits) in [
		(4, 256, 8, 256, 16, 7, 7),
		(4, 256, 8, 256, 16, 8, 7),
		(4, 256, 8, 256, 64, 8, 13),
		(12, 768, 12, 512, 8, 7, 7),
		(12, 768, 12, 512, 8, 8, 13),
		(2, 2048, 16, 1024, 4, 7, 7),
		(2, 2048, 16, 1024, 4, 8, 13),
		(48, 64, 4, 64, 16, 8, 7),
		(24, 64, 4, 64, 16, 8, 13),
	] {
		let model = format!(
			"[model]\nkind = \"transformer\"\nlayers = {layers}\nwidth = {width}\nheads = {heads}\ncontext = {context}\n\
			attention_bits = {bits}\ngradient_bits = {gradient_bits}\nheld_out_windows = 2\n[training]\nbatch = {batch}\nsteps = 4\nsteps_per_segment = 2\n\
			[optimiser]\nkind = \"adam\"\nrate = 0.003"
		);
		let workload = compile(&Architecture::from_toml(&model).unwrap(), &corpus);
		let info = workload
			.unwrap_or_else(|e| panic!("{model}: {e}"))
			.validate()
			.unwrap();
		println!(
			"{layers} x {width}, context {context}: {:.1} GMAC a step, {} MiB",
			info.step.cost.product_macs as f64 / 1e9,
			info.memory_bytes >> 20
		);
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn any_small_transformer_should_compile_or_be_refused_with_a_reason(
		layers in 1u32..3,
		head in 1u32..40,
		heads in 1u32..5,
		context in 2u32..40,
		batch in 1u32..20,
		bits in 7u32..9,
		gradient_bits in prop::sample::select(vec![7u32, 13]),
		optimiser in 0usize..3,
	) {
		let optimiser = ["kind = \"adam\"\nrate = 0.003", "kind = \"l1-adam\"\nrate = 0.003", "kind = \"sgd\"\nrate = 0.1"][optimiser];
		let model = format!(
			"[model]\nkind = \"transformer\"\nlayers = {layers}\nwidth = {}\nheads = {heads}\ncontext = {context}\n\
			attention_bits = {bits}\ngradient_bits = {gradient_bits}\nfeed_forward = 24\n[training]\nbatch = {batch}\nsteps = 4\nsteps_per_segment = 2\n\
			[optimiser]\n{optimiser}",
			head * heads
		);
		match Architecture::from_toml(&model) {
			Ok(architecture) => prop_assert!(compile(&architecture, &corpus(1000)).is_ok()),
			Err(error) => prop_assert!(error.to_string().contains("model.width"), "{}", error),
		}
	}

	#[test]
	fn altered_cards_should_never_panic(at: usize, with: i8) {
		let vocabulary = Vocabulary::of_characters("abc").unwrap();
		let card = Card::new(Architecture::from_toml(MODEL).unwrap(), &vocabulary).to_tensor().unwrap();
		let mut values = card.i8s().unwrap().to_vec();
		let at = at % values.len();
		values[at] = with;
		let altered = Tensor::from_i8(card.rows(), card.cols(), values).unwrap();
		if let Ok(Some(card)) = Card::from_tensor(&altered) {
			let _ = card.vocabulary();
		}
	}
}
