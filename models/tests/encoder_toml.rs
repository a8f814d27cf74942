// SPDX-License-Identifier: Apache-2.0

//! Descriptions of encoders: every sound one compiles within its bounds, what does not fit is named with a remedy.

mod pairs;

use pairs::{corpus, description};
use poaiw_models::{
	architecture::Model,
	text::{Corpus, Vocabulary},
	transformer::compile,
	Architecture,
};
use proptest::prelude::*;

#[test]
fn faulty_encoders_should_be_named_with_a_remedy() {
	let good = description("encoder", 4, "");
	let says = |from: &str, to: &str, why: &[&str]| {
		assert!(good.contains(from), "the description has no `{from}`");
		let error = Architecture::from_toml(&good.replace(from, to))
			.expect_err(to)
			.to_string();
		for part in why {
			assert!(error.contains(part), "`{error}` does not say `{part}`");
		}
	};
	for share in ["0.0", "0.009", "0.91", "-0.15", "1.5", "inf", "-inf", "nan"] {
		says(
			"heads = 2",
			&format!("heads = 2\nmasked_share = {share}"),
			&["`model.masked_share` is ", "0.01 to 0.9"],
		);
	}
	// The reader of tagged tables names the type, and not the field.
	says(
		"heads = 2",
		"heads = 2\nmasked_share = \"some\"",
		&["\"some\", expected f64"],
	);
	says("layers = 1", "layers = 0", &["`model.layers` is 0", "1 to 48"]);
	says("width = 32", "width = 4", &["`model.width` is 4", "8 to 8192"]);
	says("heads = 2", "heads = 3", &["`model.heads` is 3", "divisor"]);
	says(
		"context = 16",
		"context = 1",
		&["`model.context` is 1", "2 to 4096"],
	);
	says(
		"heads = 2",
		"heads = 2\nattention_bits = 9",
		&["`model.attention_bits` is 9"],
	);
	says(
		"heads = 2",
		"heads = 2\ngradient_bits = 8",
		&["`model.gradient_bits` is 8", "7 or 13"],
	);
	says(
		"held_out_windows = 60",
		"held_out_windows = 0",
		&["`model.held_out_windows` is 0"],
	);
	says(
		"heads = 2",
		"heads = 2\nmask_token = 3",
		&["mask_token", "unknown field"],
	);
	says("kind = \"encoder\"", "kind = \"bert\"", &["bert", "encoder"]);
	says(
		"kind = \"encoder\"",
		"kind = \"transformer\"\nmasked_share = 0.15",
		&["`model.masked_share` is 0.15", "leave it out", "encoder"],
	);
	// A description that was made in Rust and not in TOML.
	let mut architecture = Architecture::from_toml(&good).unwrap();
	let Model::Encoder(model) = &mut architecture.model else {
		panic!("no encoder")
	};
	assert_eq!(model.masked_share, Some(0.15), "the share has a default value");
	model.masked_share = None;
	let error = architecture.check().unwrap_err().to_string();
	assert!(error.contains("`model.masked_share` is missing"), "{error}");
}

#[test]
fn texts_that_do_not_fit_an_encoder_should_be_refused() {
	let long = description("encoder", 4, "")
		.replace("context = 16", "context = 4096")
		.replace("batch = 16", "batch = 5");
	let says = |description: &str, tokens: usize, why: &str| {
		let text: String = "abc".chars().cycle().take(tokens).collect();
		let corpus = Corpus::from_text(&text, Vocabulary::of_characters(&text).unwrap()).unwrap();
		let error = compile(&Architecture::from_toml(description).unwrap(), &corpus)
			.unwrap_err()
			.to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	let good = description("encoder", 4, "");
	says(&good, 100, "the held-out part has 10 tokens: a window needs 17");
	says(&long, 90_000, "at most 4");
	says(
		&good.replace("batch = 16", "batch = 200"),
		200,
		"the training set has 164 examples",
	);
}

#[test]
fn larger_encoders_should_keep_every_bound() {
	let text: String = "the quick brown fox. ".chars().cycle().take(40_000).collect();
	let corpus = Corpus::from_text(&text, Vocabulary::of_characters(&text).unwrap()).unwrap();
	for (layers, width, heads, context, batch, bits, gradient_bits) in [
		(4, 256, 8, 256, 16, 7, 7),
		(4, 256, 8, 256, 64, 8, 13),
		(12, 768, 12, 512, 8, 8, 13),
		(2, 2048, 16, 1024, 4, 8, 7),
		(48, 64, 4, 64, 16, 8, 7),
	] {
		let model = format!(
			"[model]\nkind = \"encoder\"\nlayers = {layers}\nwidth = {width}\nheads = {heads}\ncontext = {context}\n\
			attention_bits = {bits}\ngradient_bits = {gradient_bits}\nheld_out_windows = 2\n[training]\nbatch = {batch}\nsteps = 4\nsteps_per_segment = 2\n\
			[optimiser]\nkind = \"adam\"\nrate = 0.003"
		);
		let workload = compile(&Architecture::from_toml(&model).unwrap(), &corpus);
		workload
			.unwrap_or_else(|e| panic!("{model}: {e}"))
			.validate()
			.unwrap();
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn any_small_encoder_should_compile_or_be_refused_with_a_reason(
		layers in 1u32..3,
		head in 1u32..40,
		heads in 1u32..5,
		context in 2u32..40,
		batch in 1u32..20,
		bits in 7u32..9,
		share in 0.0f64..1.0,
		gradient_bits in prop::sample::select(vec![7u32, 13]),
		optimiser in 0usize..3,
	) {
		let optimiser = ["kind = \"adam\"\nrate = 0.003", "kind = \"l1-adam\"\nrate = 0.003", "kind = \"sgd\"\nrate = 0.1"][optimiser];
		let model = format!(
			"[model]\nkind = \"encoder\"\nlayers = {layers}\nwidth = {}\nheads = {heads}\ncontext = {context}\nmasked_share = {share}\n\
			attention_bits = {bits}\ngradient_bits = {gradient_bits}\nfeed_forward = 24\n[training]\nbatch = {batch}\nsteps = 4\nsteps_per_segment = 2\n\
			[optimiser]\n{optimiser}",
			head * heads
		);
		match Architecture::from_toml(&model) {
			Ok(architecture) => prop_assert!(compile(&architecture, &corpus()).is_ok()),
			Err(error) => {
				let error = error.to_string();
				prop_assert!(error.contains("model.width") || error.contains("model.masked_share"), "{}", error);
			}
		}
	}
}
