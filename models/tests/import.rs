// SPDX-License-Identifier: Apache-2.0

//! Folders of published models: what is sound is read, every defect is refused by its name.

mod bert;

use bert::{config, config_json, file_bytes, tensors, tokenizer_json, write_folder, Tensors, VOCABULARY};
use poaiw_models::{
	encoder::Encoder,
	import::{fixed, gain, linear, BertConfig, Pooling, SentenceEncoder, Tokens},
	safetensors_file::TensorFile,
	TaskManifest,
};
use proptest::prelude::*;
use std::{fs, path::Path};
use tempfile::{tempdir, TempDir};

const QUERY: &str = "encoder.layer.1.attention.self.query.weight";

fn read(bytes: Vec<u8>) -> Result<Encoder, String> {
	TensorFile::from_bytes(Path::new("m.safetensors"), bytes)
		.and_then(|file| Encoder::from_bert(&config(), &file))
		.map_err(|e| e.to_string())
}

/// A folder with a whole model.
fn folder() -> TempDir {
	let folder = tempdir().unwrap();
	write_folder(folder.path());
	folder
}

#[test]
fn a_published_folder_should_be_read() {
	let folder = folder();
	let model = SentenceEncoder::open(folder.path()).unwrap();
	assert_eq!(model.encoder, read(file_bytes(&tensors())).unwrap());
	assert_eq!(model.tokens.encode("w7 w9 other").unwrap(), [1, 7, 9, 0, 2]);
	// Names may stand behind the prefix of a model with a head, which may have tensors of its own.
	let mut prefixed: Tensors = tensors()
		.into_iter()
		.map(|(n, t)| (format!("bert.{n}"), t))
		.collect();
	prefixed.insert("cls.weight".into(), (vec![1], vec![0.5]));
	assert_eq!(read(file_bytes(&prefixed)).unwrap(), model.encoder);
}

#[test]
fn every_missing_or_misshapen_tensor_should_be_named() {
	let good = tensors();
	for name in good.keys() {
		let mut all = good.clone();
		all.remove(name);
		let text = read(file_bytes(&all)).unwrap_err();
		assert!(
			text.contains(name.as_str()) && text.contains("no such tensor"),
			"{name}: {text}"
		);
		let mut all = good.clone();
		let (shape, values) = all.get_mut(name).unwrap();
		shape[0] += 1;
		values.resize(shape.iter().product(), 0.0);
		let text = read(file_bytes(&all)).unwrap_err();
		assert!(
			text.contains(name.as_str()) && text.contains("its shape is"),
			"{name}: {text}"
		);
	}
}

#[test]
fn values_without_an_integer_form_should_be_named() {
	let with = |name: &str, value: f32| {
		let mut all = tensors();
		all.get_mut(name).unwrap().1[3] = value;
		read(file_bytes(&all))
	};
	for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
		let text = with(QUERY, value).unwrap_err();
		assert!(text.contains(QUERY) && text.contains("value 3"), "{text}");
	}
	let norm = "encoder.layer.0.output.LayerNorm";
	let text = with(&format!("{norm}.weight"), 1000.0).unwrap_err();
	assert!(text.contains(norm) && text.contains("gain"), "{text}");
	let bias = "encoder.layer.0.output.dense";
	let text = with(&format!("{bias}.bias"), 1e9).unwrap_err();
	assert!(text.contains(bias) && text.contains("value 3"), "{text}");
	let text = with(QUERY, 1e30).unwrap_err();
	assert!(text.contains(QUERY) && text.contains("row 0"), "{text}");
	let text = with("embeddings.word_embeddings.weight", 1e6).unwrap_err();
	assert!(
		text.contains("word_embeddings") && text.contains("value 3"),
		"{text}"
	);
	assert!(with(QUERY, 100.0).is_ok());
}

#[test]
fn configurations_that_ask_for_something_else_should_be_refused() {
	let good = config_json();
	let refused = |from: &str, to: &str, why: &str| {
		let json = good.replace(from, to);
		assert_ne!(json, good, "{from}");
		let text = BertConfig::from_json(Path::new("c.json"), json.as_bytes())
			.expect_err(why)
			.to_string();
		assert!(
			text.contains(why) && text.contains("c.json"),
			"`{text}` does not say `{why}`"
		);
	};
	refused("\"bert\"", "\"roberta\"", "model_type");
	refused("\"gelu\"", "\"silu\"", "`hidden_act` is `silu`");
	refused("1e-12", "1e-2", "layer_norm_eps");
	refused("1e-12", "-1", "layer_norm_eps");
	refused(
		"\"hidden_size\": 32",
		"\"hidden_size\": 33",
		"num_attention_heads",
	);
	refused("\"hidden_size\": 32", "\"hidden_size\": 0", "hidden_size");
	refused(
		"\"hidden_size\": 32",
		"\"hidden_size\": -1",
		"fetch the file again",
	);
	refused(
		"\"num_hidden_layers\": 2",
		"\"num_hidden_layers\": 49",
		"num_hidden_layers",
	);
	refused("\"vocab_size\": 50", "\"vocab_size\": 2000000", "vocab_size");
	refused("\"vocab_size\": 50", "\"vocab\": 50", "vocab_size");
	refused(
		"\"type_vocab_size\": 2",
		"\"type_vocab_size\": 2, \"is_decoder\": true",
		"is_decoder",
	);
	refused(
		"\"type_vocab_size\": 2",
		"\"type_vocab_size\": 2, \"position_embedding_type\": \"relative_key\"",
		"position_embedding_type",
	);
	let pooling =
		|json: &str| Pooling::check_json(Path::new("p.json"), json.as_bytes()).map_err(|e| e.to_string());
	assert!(pooling(r#"{"pooling_mode_mean_tokens": true, "word_embedding_dimension": 3}"#).is_ok());
	for (json, why) in [
		("{}", "pooling_mode_mean_tokens"),
		(
			r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#,
			"pooling_mode_cls_token",
		),
		(r#"{"pooling_mode_lasttoken": true}"#, "pooling_mode_lasttoken"),
		("[", "fetch the file again"),
	] {
		let text = pooling(json).unwrap_err();
		assert!(text.contains(why), "{text}");
	}
}

#[test]
fn tokenizers_of_another_vocabulary_should_be_refused() {
	let path = Path::new("tokenizer.json");
	for size in [VOCABULARY - 1, VOCABULARY + 1] {
		let json = tokenizer_json(size);
		let text = Tokens::from_json(path, json.as_bytes(), VOCABULARY as u32)
			.unwrap_err()
			.to_string();
		assert!(text.contains(&format!("a vocabulary of {size}")), "{text}");
	}
	let high = tokenizer_json(VOCABULARY).replace("\"w49\": 49", "\"w49\": 99");
	let text = Tokens::from_json(path, high.as_bytes(), VOCABULARY as u32)
		.unwrap_err()
		.to_string();
	assert!(text.contains("numbers up to 99"), "{text}");
	assert!(Tokens::from_json(path, b"{}", 3).is_err());
	// The library's own reader panics at an error inside of this field.
	let broken = tokenizer_json(VOCABULARY).replace("\"decoder\": null", "\"decoder\": nul");
	assert!(Tokens::from_json(path, broken.as_bytes(), VOCABULARY as u32).is_err());
}

#[test]
fn defective_folders_should_be_refused_by_their_file() {
	for (name, content) in [
		("config.json", b"{".as_slice()),
		("1_Pooling/config.json", br#"{"pooling_mode_cls_token": true}"#),
		("tokenizer.json", b"[]"),
		("model.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
	] {
		let folder = folder();
		let path = folder.path().join(name);
		fs::write(&path, content).unwrap();
		let text = SentenceEncoder::open(folder.path()).unwrap_err().to_string();
		assert!(text.contains(name), "{text}");
		fs::remove_file(&path).unwrap();
		// Only the pooling may be missing.
		assert_eq!(
			SentenceEncoder::open(folder.path()).is_ok(),
			name.starts_with('1')
		);
	}
	let whole = file_bytes(&tensors());
	for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
		assert!(read(whole[..length].to_vec()).is_err(), "{length}");
	}
}

#[test]
fn an_inference_manifest_should_build_from_a_folder() {
	let folder = folder();
	fs::write(folder.path().join("lines.txt"), "w3 w4\nw5\nw6 w7 w8\n").unwrap();
	let manifest = |inference: &str, data: &str| {
		format!(
			"title = \"t\"\nclass = \"inference\"\n[inference]\nmodel = \".\"\n{inference}\n[data]\nfile = \"lines.txt\"\n{data}\n\
			[price]\ntip_per_gmac = 1\nmax_total = 1\n[verification]\nsampled = 1\nverifiers = 1\n[terms]\ndeadline_blocks = 9\n"
		)
	};
	let build = |text: &str| TaskManifest::from_toml(text).and_then(|m| m.build(folder.path()));
	let good = "length = 8\nbatch = 2";
	let task = build(&manifest(good, "format = \"lines\"")).unwrap();
	assert_eq!((task.info.segments, task.workload.evaluations), (2, 2));
	assert!(task.info.product_macs > 0 && task.info.state.is_empty());
	for (inference, data, why) in [
		("length = 4\nbatch = 2", "format = \"lines\"", "row 3"),
		("length = 0\nbatch = 2", "format = \"lines\"", "inference.length"),
		("length = 8\nbatch = 0", "format = \"lines\"", "inference.batch"),
		(
			"length = 8192\nbatch = 60000",
			"format = \"lines\"",
			"inference.batch",
		),
		("length = 25\nbatch = 1", "format = \"lines\"", "24 positions"),
		(good, "format = \"csv\"\nclasses = 2", "class"),
		(good, "format = \"lines\"\nclasses = 2", "data.classes"),
		(good, "format = \"lines\"\nvocabulary = 2", "data.vocabulary"),
	] {
		let text = build(&manifest(inference, data)).expect_err(why).to_string();
		assert!(text.contains(why), "`{text}` does not say `{why}`");
	}
	let training = manifest(good, "format = \"lines\"").replace("\"inference\"", "\"training\"");
	assert!(TaskManifest::from_toml(&training).is_err());
	let both =
		manifest(good, "format = \"lines\"").replace("[inference]", "architecture_file = \"a\"\n[inference]");
	let text = TaskManifest::from_toml(&both).unwrap_err().to_string();
	assert!(text.contains("architecture"), "{text}");
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn altered_files_should_be_read_or_refused(
		changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
	) {
		let mut bytes = file_bytes(&tensors());
		let header = 4096.min(bytes.len());
		for (at, value, early) in changes {
			let range = if early { header } else { bytes.len() };
			bytes[at.index(range)] = value;
		}
		let _ = read(bytes);
	}

	#[test]
	fn altered_texts_should_be_read_or_refused(at in any::<proptest::sample::Index>(), value in any::<u8>()) {
		let mut json = config_json().into_bytes();
		let n = at.index(json.len());
		json[n] = value;
		let _ = BertConfig::from_json(Path::new("c"), &json);
		let mut json = tokenizer_json(VOCABULARY).into_bytes();
		let n = at.index(json.len());
		json[n] = value;
		let _ = Tokens::from_json(Path::new("t"), &json, VOCABULARY as u32);
	}

	#[test]
	fn rows_should_get_the_exponent_of_least_error(
		values in proptest::collection::vec(-1e3f32..1e3, 12),
		scale in -20i32..20,
	) {
		let values: Vec<f32> = values.iter().map(|v| v * (scale as f32).exp2()).collect();
		let matrix = linear(&values, 3, None).unwrap();
		for ((row, mantissas), e) in values.chunks(4).zip(matrix.mantissas.chunks(4)).zip(&matrix.exponents) {
			let unit = f64::from(*e).exp2();
			let error = |v: &f32, m: f64, unit: f64| (f64::from(*v) - m * unit).abs();
			for (v, m) in row.iter().zip(mantissas) {
				prop_assert!((-63..=63).contains(m));
				// Only the largest magnitudes may be cut off, and by less than half of themselves.
				prop_assert!(error(v, f64::from(*m), unit) <= unit / 2.0 || m.unsigned_abs() == 63);
				prop_assert!(f64::from(*v).abs() < 128.0 * unit);
			}
			// Never a coarser unit than needed, nor one that another unit beats.
			prop_assert!(mantissas.iter().any(|m| m.unsigned_abs() >= 31) || row.iter().all(|v| *v == 0.0));
			let own: f64 = row.iter().zip(mantissas).map(|(v, m)| error(v, f64::from(*m), unit).powi(2)).sum();
			for other in [unit / 2.0, unit * 2.0] {
				let best = |v: &f32| (f64::from(*v) / other).round().clamp(-63.0, 63.0);
				let errors: f64 = row.iter().map(|v| error(v, best(v), other).powi(2)).sum();
				prop_assert!(own <= errors * 1.000_001 + 1e-30, "{own} {errors}");
			}
		}
	}
}

#[test]
fn vectors_should_be_rounded_to_their_unit() {
	assert_eq!(fixed(&[0.5, -0.25, 0.126], -2), Ok(vec![2, -1, 1]));
	assert!(fixed(&[0.0, 3e9], 0).unwrap_err().contains("value 1"));
	let norm = gain(&[1.5, -0.5], &[0.25, 0.0]).unwrap();
	assert_eq!((norm.gain_unit, norm.gain), (-13, vec![12288, -4096]));
	assert_eq!(norm.bias, [1 << 14, 0]);
	assert!(gain(&[257.0], &[0.0]).is_err());
	assert!(gain(&[256.0], &[0.0]).is_ok());
	let zero = linear(&[0.0, 0.0, 0.25, 0.5], 2, None).unwrap();
	assert_eq!(zero.exponents[0], zero.exponents[1]);
}
