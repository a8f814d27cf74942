// SPDX-License-Identifier: Apache-2.0

//! Manifests and data files: what is wrong is said with field, value and remedy.

use poaiw_models::{
	dataset::{read_csv, Encoding, HeldOut},
	manifest::{Data, TaskManifest},
	requests::InferenceSettings,
	text::TokenizerKind,
	Architecture, ModelError, Task,
};
use proptest::prelude::*;
use serde_json::Value;
use std::{fs, path::PathBuf};
use tempfile::tempdir;

fn example() -> PathBuf {
	PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.toml")
}

fn text() -> String {
	fs::read_to_string(example()).unwrap()
}

fn refused(from: &str, to: &str, why: &[&str]) {
	let text = text();
	assert!(text.contains(from), "the example has no `{from}`");
	let error = TaskManifest::from_toml(&text.replace(from, to))
		.expect_err(to)
		.to_string();
	for part in why {
		assert!(error.contains(part), "`{error}` does not say `{part}`");
	}
}

#[test]
fn the_example_should_state_the_root_of_its_data() {
	let task = Task::from_file(&example()).unwrap();
	let root: String = task
		.workload
		.input_root()
		.iter()
		.map(|b| format!("{b:02x}"))
		.collect();
	assert_eq!(task.manifest.data.root, Some(format!("0x{root}")));
	let rows: Vec<u32> = task.data.sets().iter().map(|t| t.rows()).collect();
	assert_eq!(rows, [1437, 1437, 360, 360]);
	assert_eq!(task.info.segments, 13);
	assert!(task.memory_mib() < 64);
}

#[test]
fn faulty_values_should_be_named_with_a_remedy() {
	refused(
		"title = \"Handwritten digits, 64-512-512-10\"",
		"title = \" \"",
		&["`title` is", "1 to 128"],
	);
	refused(
		"class = \"training\"",
		"class = \"gambling\"",
		&["gambling", "training"],
	);
	refused(
		"class = \"training\"",
		"class = \"training\"\nprise = 1",
		&["prise", "unknown field"],
	);
	refused("class = \"training\"", "", &["missing field `class`"]);
	refused(
		"layers = [64, 512, 512, 10]",
		"layers = [64]",
		&["`model.layers` is 1 widths", "2 to 64"],
	);
	refused(
		"512, 512, 10]",
		"0, 512, 10]",
		&["`model.layers[1]` is 0", "1 to 65535"],
	);
	refused("batch = 512", "batch = 0", &["`training.batch` is 0"]);
	refused("batch = 512", "batch = 512\nbatch = 512", &["duplicate key"]);
	refused("batch = 512", "batch = -1", &["batch", "-1"]);
	refused(
		"rate = 0.003",
		"rate = 0.063",
		&["`optimiser.rate` is 0.063", "0.062"],
	);
	refused(
		"rate = 0.003",
		"rate = 0.06",
		&[
			"`optimiser.weight_decay` is too large for a rate of 0.06",
			"at most 0.062",
		],
	);
	refused("rate = 0.003", "rate = nan", &["`optimiser.rate` is NaN"]);
	refused("rate = 0.003", "rate = -1.0", &["`optimiser.rate` is -1"]);
	refused(
		"weight_decay = 0.1",
		"weight_decay = 1.0",
		&["`optimiser.weight_decay` is 1"],
	);
	refused("floor = 0.1", "floor = inf", &["`schedule.floor` is inf"]);
	refused(
		"classes = 10",
		"classes = 1",
		&["`data.classes` is 1", "2 to 65535"],
	);
	refused(
		"exponent = -3",
		"exponent = 65",
		&["`data.encoding.exponent` is 65"],
	);
	refused(
		"offset = 8",
		"offset = 2000000",
		&["`data.encoding.offset` is 2000000"],
	);
	refused(
		"max_total = 1000000000000000",
		"max_total = 0",
		&["`price.max_total` is 0"],
	);
	refused("sampled = 4", "sampled = 0", &["`verification.sampled` is 0"]);
	refused(
		"verifiers = 1",
		"verifiers = 65",
		&["`verification.verifiers` is 65"],
	);
	refused(
		"deadline_blocks = 600",
		"deadline_blocks = 0",
		&["`terms.deadline_blocks` is 0"],
	);
	let long = format!("locator = \"{}\"", "x".repeat(257));
	refused("locator = \"\"", &long, &["`terms.locator`", "256"]);
	refused("root = \"0x", "root = \"0X", &["`data.root`", "64 hex digits"]);
	refused("root = \"0x", "root = \"0x+", &["`data.root`"]);
	refused(
		"class = \"training\"",
		"class = \"training\"\narchitecture_file = \"a.toml\"",
		&["given twice"],
	);
	assert!(matches!(
		TaskManifest::from_toml("\u{0}"),
		Err(ModelError::Toml(_))
	));
}

fn build(from: &str, to: &str) -> String {
	let manifest = TaskManifest::from_toml(&text().replace(from, to)).unwrap();
	manifest
		.build(example().parent().unwrap())
		.expect_err(to)
		.to_string()
}

#[test]
fn models_that_do_not_fit_the_data_should_be_refused_before_anything_is_paid() {
	let says = |from, to, why: &str| {
		let error = build(from, to);
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	says("[64, 512", "[63, 512", "the data has 64 values");
	says("512, 10]", "512, 11]", "the data has 10 classes");
	says(
		"classes = 10",
		"classes = 9",
		"label 9: it must be a class from 0 to 8",
	);
	says(
		"batch = 512",
		"batch = 1438",
		"the training set has 1437 examples",
	);
	says("offset = 8", "offset = -60", "outside of -63 to 63");
	says("every = 5", "every = 1", "`data.held_out.every` is 1");
	says("remainder = 0", "remainder = 5", "`data.held_out.remainder` is 5");
	says("digits.csv.gz", "digit.csv.gz", "check the path");
}

#[test]
fn data_that_is_not_the_expected_one_should_be_refused() {
	let text = text();
	let at = text.find("root = \"0x").unwrap() + 10;
	let mut other = text.clone();
	let digit = if &text[at..at + 1] == "0" { "1" } else { "0" };
	other.replace_range(at..at + 1, digit);
	let error = TaskManifest::from_toml(&other)
		.unwrap()
		.build(example().parent().unwrap())
		.unwrap_err();
	assert!(matches!(error, ModelError::Root { .. }), "{error}");
}

#[test]
fn data_files_with_errors_should_name_row_and_value() {
	let folder = tempdir().unwrap();
	let folder = folder.path();
	let encoding = Encoding {
		offset: 0,
		shift: 0,
		exponent: 0,
	};
	let read = |name: &str, bytes: &[u8]| {
		let path = folder.join(name);
		fs::write(&path, bytes).unwrap();
		read_csv(&path, &encoding, 3)
	};
	let says = |bytes: &[u8], why: &str| {
		let error = read("a.csv", bytes).unwrap_err().to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	assert_eq!(read("a.csv", b"1,2,0\n-3,63,2\n").unwrap().values, [1, 2, -3, 63]);
	says(b"", "no rows");
	says(b"1,2,0\n1,x,0\n", "row 2: column 2: `x` is not an integer");
	says(b"1,2,0\n1,0\n", "rows of one length");
	says(b"1,64,0\n", "64 - offset 0 is 64");
	says(b"1,2,3\n", "label 3");
	says(b"1,2,-1\n", "label -1");
	says(b"7\n", "1 columns");
	says(b"1,\xff\xfe,0\n", "row 1");
	says(b"99999999999999999999,1,0\n", "is not an integer");
	assert!(read("b.csv.gz", b"not gzip").is_err());
	let few = read("a.csv", b"1,2,0\n").unwrap();
	let rule = HeldOut {
		every: 2,
		remainder: 0,
	};
	assert!(few
		.split(&rule, 3, 0)
		.unwrap_err()
		.to_string()
		.contains("one part would be empty"));
}

/// Property names of every object in the schema, by its path; of alternatives, that whose kind is the example's.
fn schema_keys(
	schema: &Value,
	node: &Value,
	example: &Value,
	path: &str,
	out: &mut Vec<(String, Vec<String>)>,
) {
	let resolve = |node: &'_ Value| match node.get("$ref").and_then(Value::as_str) {
		Some(reference) => schema["$defs"][reference.trim_start_matches("#/$defs/")].clone(),
		None => node.clone(),
	};
	let kind = example.pointer(&format!("{path}/kind"));
	let mut node = resolve(node);
	let alternatives = node.get("oneOf").and_then(Value::as_array).cloned();
	if let (Some(kind), Some(alternatives)) = (kind, alternatives) {
		let fits = |a: &Value| a["properties"]["kind"]["const"] == *kind;
		node = alternatives
			.iter()
			.map(resolve)
			.find(fits)
			.unwrap_or_else(|| panic!("the schema has no {kind} at {path}"));
	}
	let Some(properties) = node.get("properties").and_then(Value::as_object) else {
		return;
	};
	assert_eq!(node["additionalProperties"], Value::Bool(false), "{path}");
	let mut keys: Vec<String> = properties.keys().cloned().collect();
	keys.sort();
	out.push((path.into(), keys));
	for (name, child) in properties {
		schema_keys(schema, child, example, &format!("{path}/{name}"), out);
	}
}

/// A manifest in which every field is given: of different kinds of model, optimiser and data at once.
fn full_manifest(model: &str, optimiser: &str) -> Value {
	let mut manifest = TaskManifest::from_toml(&text()).unwrap();
	let mut architecture = Architecture::from_toml(&format!(
		"[model]\n{model}\n[training]\nbatch = 8\nepochs = 1\nsteps_per_segment = 1\n[optimiser]\n{optimiser}\n"
	))
	.unwrap();
	architecture.training.steps = Some(1);
	manifest.architecture = Some(architecture);
	manifest.architecture_file = Some("a.toml".into());
	manifest.inference = Some(InferenceSettings {
		model: "model".into(),
		length: 8,
		batch: 8,
	});
	manifest.data.labels = Some("b.gz".into());
	manifest.data.tokenizer = Some(TokenizerKind::Bpe);
	manifest.data.vocabulary = Some(512);
	manifest.data.tokenizer_file = Some("tokenizer.json".into());
	serde_json::to_value(&manifest).unwrap()
}

#[test]
fn the_schema_should_have_the_fields_of_the_manifest() {
	let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("task-manifest.schema.json");
	let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
	let conv = "kind = \"conv\"\ninput = { height = 8, width = 8, channels = 1 }\n\
		convolutions = [{ filters = 16, kernel = 3 }]\ndense = [10]";
	let transformer =
		"kind = \"transformer\"\nlayers = 1\nwidth = 32\nheads = 2\nfeed_forward = 64\ncontext = 16";
	let encoder = transformer.replace("transformer", "encoder");
	let kinds = [
		(
			"kind = \"mlp\"\nlayers = [4, 2]",
			"kind = \"sgd\"\nrate = 0.1",
			13,
		),
		(conv, "kind = \"l1-adam\"\nrate = 0.001", 14),
		(transformer, "kind = \"adam\"\nrate = 0.001", 13),
		(&encoder, "kind = \"adam\"\nrate = 0.001", 13),
	];
	for (model, optimiser, count) in kinds {
		let full = full_manifest(model, optimiser);
		let mut objects = Vec::new();
		schema_keys(&schema, &schema, &full, "", &mut objects);
		assert_eq!(objects.len(), count, "{model}");
		for (path, keys) in objects {
			let object = full
				.pointer(&path)
				.unwrap_or_else(|| panic!("the manifest has no {path}"));
			let mut fields: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
			fields.sort();
			assert_eq!(fields, keys, "at `{path}`");
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn altered_manifests_should_never_panic(at: usize, with in "[ -~\\n]{0,3}", cut in 0usize..4) {
		let mut text = text();
		let at = at % text.len();
		if text.is_char_boundary(at) && text.is_char_boundary((at + cut).min(text.len())) {
			text.replace_range(at..(at + cut).min(text.len()), &with);
			if let Ok(manifest) = TaskManifest::from_toml(&text) {
				prop_assert!(manifest.check().is_ok());
			}
			let _ = Architecture::from_toml(&text);
			let _ = toml::from_str::<Data>(&text);
		}
	}
}
