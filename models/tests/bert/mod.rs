// SPDX-License-Identifier: Apache-2.0

//! A small model of the BERT family with random weights, as files and in floats.
#![allow(dead_code)]

use poaiw_models::{import::BertConfig, safetensors_file::TensorFile};
use safetensors::{serialize, tensor::TensorView, Dtype};
use std::{collections::BTreeMap, path::Path};

/// Sizes of the model.
pub const WIDTH: usize = 32;
pub const INNER: usize = 64;
pub const HEADS: usize = 4;
pub const LAYERS: usize = 2;
pub const VOCABULARY: usize = 50;
pub const POSITIONS: usize = 24;

/// Tensors by name, with their shapes.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A small generator of numbers.
pub struct Rng(pub u64);

impl Rng {
	pub fn next(&mut self) -> u32 {
		self.0 = self
			.0
			.wrapping_mul(6_364_136_223_846_793_005)
			.wrapping_add(1_442_695_040_888_963_407);
		(self.0 >> 33) as u32
	}

	pub fn below(&mut self, n: usize) -> usize {
		self.next() as usize % n
	}

	/// About normal, of this standard deviation.
	pub fn normal(&mut self, deviation: f32) -> f32 {
		let uniform = |r: u32| r as f32 / (1u32 << 31) as f32 - 0.5;
		(0..12).map(|_| uniform(self.next())).sum::<f32>() * deviation
	}
}

/// A tokenizer of `size` words `w0`, `w1`, ... with `w1` and `w2` around every text.
pub fn tokenizer_json(size: usize) -> String {
	let words: Vec<String> = (0..size).map(|n| format!("\"w{n}\": {n}")).collect();
	format!(
		r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
		"pre_tokenizer": {{"type": "Whitespace"}},
		"post_processor": {{"type": "BertProcessing", "sep": ["w2", 2], "cls": ["w1", 1]}},
		"decoder": null, "model": {{"type": "WordLevel", "vocab": {{{}}}, "unk_token": "w0"}}}}"#,
		words.join(", ")
	)
}

/// Writes a whole model in the layout in which they are published.
pub fn write_folder(folder: &Path) {
	let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
	std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
	write("config.json", config_json().as_bytes());
	write("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": true}"#);
	write("tokenizer.json", tokenizer_json(VOCABULARY).as_bytes());
	write("model.safetensors", &file_bytes(&tensors()));
}

pub fn config_json() -> String {
	format!(
		r#"{{"model_type": "bert", "hidden_act": "gelu", "hidden_size": {WIDTH}, "intermediate_size": {INNER},
		"max_position_embeddings": {POSITIONS}, "num_attention_heads": {HEADS}, "num_hidden_layers": {LAYERS},
		"type_vocab_size": 2, "vocab_size": {VOCABULARY}, "layer_norm_eps": 1e-12}}"#
	)
}

pub fn config() -> BertConfig {
	BertConfig::from_json(Path::new("config.json"), config_json().as_bytes()).unwrap()
}

pub fn tensors() -> Tensors {
	let mut rng = Rng(5);
	let mut all = Tensors::new();
	let mut add = |name: String, shape: Vec<usize>, mean: f32, deviation: f32| {
		let values = (0..shape.iter().product())
			.map(|_| mean + rng.normal(deviation))
			.collect();
		all.insert(name, (shape, values));
	};
	for (name, rows) in [("word", VOCABULARY), ("position", POSITIONS), ("token_type", 2)] {
		add(
			format!("embeddings.{name}_embeddings.weight"),
			vec![rows, WIDTH],
			0.0,
			0.1,
		);
	}
	let mut norms = vec!["embeddings.LayerNorm".to_string()];
	for n in 0..LAYERS {
		let at = |name: &str| format!("encoder.layer.{n}.{name}");
		for (name, rows, cols) in [
			("attention.self.query", WIDTH, WIDTH),
			("attention.self.key", WIDTH, WIDTH),
			("attention.self.value", WIDTH, WIDTH),
			("attention.output.dense", WIDTH, WIDTH),
			("intermediate.dense", INNER, WIDTH),
			("output.dense", WIDTH, INNER),
		] {
			add(at(&format!("{name}.weight")), vec![rows, cols], 0.0, 0.15);
			add(at(&format!("{name}.bias")), vec![rows], 0.0, 0.2);
		}
		norms.extend([at("attention.output.LayerNorm"), at("output.LayerNorm")]);
	}
	for name in norms {
		add(format!("{name}.weight"), vec![WIDTH], 1.0, 0.2);
		add(format!("{name}.bias"), vec![WIDTH], 0.0, 0.2);
	}
	all
}

/// The bytes of a file with these tensors.
pub fn file_bytes(tensors: &Tensors) -> Vec<u8> {
	let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
		.iter()
		.map(|(name, (shape, values))| {
			let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
			(name, shape, bytes)
		})
		.collect();
	let views = bytes.iter().map(|(name, shape, bytes)| {
		(
			*name,
			TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap(),
		)
	});
	serialize(views, None).unwrap()
}

pub fn file(tensors: &Tensors) -> TensorFile {
	TensorFile::from_bytes(Path::new("model.safetensors"), file_bytes(tensors)).unwrap()
}

/// The embedding of a sequence in floats.
pub fn reference(tensors: &Tensors, sequence: &[u32]) -> Vec<f64> {
	let get = |name: &str| -> Vec<f64> { tensors[name].1.iter().map(|v| f64::from(*v)).collect() };
	let linear = |name: &str, x: &[Vec<f64>]| -> Vec<Vec<f64>> {
		let (weights, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
		x.iter()
			.map(|row| {
				let rows = weights.chunks(row.len()).zip(&bias);
				rows.map(|(w, b)| w.iter().zip(row).map(|(w, x)| w * x).sum::<f64>() + b)
					.collect()
			})
			.collect()
	};
	let norm = |name: &str, x: &[Vec<f64>]| -> Vec<Vec<f64>> {
		let (gain, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
		x.iter()
			.map(|row| {
				let mean = row.iter().sum::<f64>() / row.len() as f64;
				let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
				let y = row.iter().map(|v| (v - mean) / variance.sqrt());
				y.zip(gain.iter().zip(&bias))
					.map(|(y, (g, b))| y * g + b)
					.collect()
			})
			.collect()
	};
	let add = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
		let rows = a.iter().zip(b);
		rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect())
			.collect()
	};
	let table = |name: &str, row: usize| -> Vec<f64> {
		get(&format!("embeddings.{name}_embeddings.weight"))[row * WIDTH..(row + 1) * WIDTH].to_vec()
	};
	let mut x: Vec<Vec<f64>> = (0..sequence.len())
		.map(|n| {
			let parts = [
				table("word", sequence[n] as usize),
				table("position", n),
				table("token_type", 0),
			];
			(0..WIDTH)
				.map(|j| parts.iter().map(|part| part[j]).sum())
				.collect()
		})
		.collect();
	x = norm("embeddings.LayerNorm", &x);
	for n in 0..LAYERS {
		let at = |name: &str| format!("encoder.layer.{n}.{name}");
		let [q, k, v] =
			["query", "key", "value"].map(|part| linear(&at(&format!("attention.self.{part}")), &x));
		let mut context = vec![vec![0.0; WIDTH]; x.len()];
		let width = WIDTH / HEADS;
		for head in 0..HEADS {
			let columns = head * width..(head + 1) * width;
			for (t, row) in context.iter_mut().enumerate() {
				let scores: Vec<f64> = (0..x.len())
					.map(|s| columns.clone().map(|j| q[t][j] * k[s][j]).sum::<f64>() / (width as f64).sqrt())
					.map(f64::exp)
					.collect();
				let sum: f64 = scores.iter().sum();
				for j in columns.clone() {
					row[j] = scores.iter().zip(&v).map(|(p, v)| p * v[j]).sum::<f64>() / sum;
				}
			}
		}
		let y = linear(&at("attention.output.dense"), &context);
		x = norm(&at("attention.output.LayerNorm"), &add(&x, &y));
		let mut inner = linear(&at("intermediate.dense"), &x);
		for v in inner.iter_mut().flatten() {
			*v *= 0.5 * (1.0 + (0.797_884_560_8 * (*v + 0.044_715 * v.powi(3))).tanh());
		}
		let y = linear(&at("output.dense"), &inner);
		x = norm(&at("output.LayerNorm"), &add(&x, &y));
	}
	(0..WIDTH).map(|j| x.iter().map(|row| row[j]).sum()).collect()
}

pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
	let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
	dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
