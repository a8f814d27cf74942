// SPDX-License-Identifier: Apache-2.0

//! The convolutional network: what it computes, that it learns, and what is refused.

use poaiw_models::{
	classifier,
	dataset::{Examples, HeldOut, Split},
	Architecture,
};
use poaiw_program::{
	initial_state, interpreter::run_all, random::mix, state_root, CheckedData, Control, Interpreter,
	SegmentOutput, StepBackend, Tensor, Workload,
};

const SIZE: usize = 9;

fn architecture(size: usize, epochs: u32) -> String {
	format!(
		"[model]\nkind = \"conv\"\ninput = {{ height = {size}, width = {size}, channels = 1 }}\n\
		convolutions = [\n{{ filters = 8, kernel = 3, stride = 2, padding = 1 }},\n{{ filters = 6, kernel = 2 }},\n]\n\
		dense = [12, 2]\n[training]\nbatch = 32\nepochs = {epochs}\nsteps_per_segment = 50\n\
		[optimiser]\nkind = \"l1-adam\"\nrate = 0.0039\n"
	)
}

/// Noise with a bright bar in it, at any place: class 0 lies, class 1 stands.
fn bars(count: u32, size: usize, seed: u32) -> Examples {
	let (mut values, mut labels, mut state) = (Vec::new(), Vec::new(), seed);
	let mut below = |n: u32| {
		state = state.wrapping_add(0x9e37_79b9);
		mix(state) % n
	};
	for _ in 0..count {
		let label = below(2) as usize;
		let mut image = vec![0i8; size * size];
		for value in &mut image {
			*value = below(12) as i8;
		}
		let (row, col) = (below(size as u32 - 3) as usize, below(size as u32 - 3) as usize);
		for n in 0..4 {
			let at = match label {
				0 => row * size + col + n,
				_ => (row + n) * size + col,
			};
			image[at] = 50;
		}
		values.extend(image);
		labels.push(label as i32);
	}
	Examples {
		features: (size * size) as u32,
		values,
		labels,
	}
}

fn split(examples: &Examples) -> Split {
	let rule = HeldOut {
		every: 4,
		remainder: 0,
	};
	examples.split(&rule, 2, -5).unwrap()
}

fn compile(text: &str, split: &Split) -> Workload {
	classifier::compile(&Architecture::from_toml(text).unwrap(), split).unwrap()
}

fn train(workload: &Workload, split: &Split, seed: [u8; 32]) -> Vec<SegmentOutput> {
	let info = workload.validate().unwrap();
	let data = CheckedData::new(workload, split.tensors.to_vec()).unwrap();
	let state = initial_state(workload, &info, seed).unwrap();
	let root = state_root(&state).unwrap();
	let mut backend = Interpreter::new(workload, &info, seed, &data, ()).unwrap();
	backend.load_state(state).unwrap();
	let mut outputs = Vec::new();
	run_all(
		&mut backend,
		workload,
		&info,
		root,
		|_, _| Control::Continue,
		|o| outputs.push(o),
	)
	.unwrap();
	outputs
}

/// Predictions of the state that a seed starts from.
fn predictions(workload: &Workload, split: &Split, seed: [u8; 32]) -> (Vec<Tensor>, Vec<Tensor>) {
	let info = workload.validate().unwrap();
	let data = CheckedData::new(workload, split.tensors.to_vec()).unwrap();
	let state = initial_state(workload, &info, seed).unwrap();
	let mut backend = Interpreter::new(workload, &info, seed, &data, ()).unwrap();
	backend.load_state(state.clone()).unwrap();
	(state, backend.evaluate(0, 0).unwrap().outputs)
}

/// Int7 mantissas with one shift for all, halves up.
fn int7(values: &[i64]) -> Vec<i64> {
	let most = values.iter().map(|v| v.abs()).max().unwrap_or(0);
	let shift = (64 - most.leading_zeros()).saturating_sub(6);
	let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
	let round = |v: &i64| ((v + half) >> shift).clamp(-63, 63);
	values.iter().map(round).collect()
}

/// An image as it is looked at: height, width, and values with the channels of a pixel side by side.
type Picture = (usize, usize, Vec<i64>);

fn convolve((h, w, x): &Picture, weights: &[i64], filters: usize, k: usize, s: usize, p: usize) -> Picture {
	let c = x.len() / (h * w);
	let (oh, ow) = ((h + 2 * p - k) / s + 1, (w + 2 * p - k) / s + 1);
	let mut out = vec![0; oh * ow * filters];
	for v in 0..oh {
		for u in 0..ow {
			for f in 0..filters {
				let mut sum = 0;
				for ky in 0..k {
					for kx in 0..k {
						let (y, z) = (v * s + ky, u * s + kx);
						if y < p || z < p || y - p >= *h || z - p >= *w {
							continue;
						}
						for j in 0..c {
							let weight = weights[f * k * k * c + (ky * k + kx) * c + j];
							sum += weight * x[((y - p) * w + z - p) * c + j];
						}
					}
				}
				out[(v * ow + u) * filters + f] = sum.max(0);
			}
		}
	}
	(oh, ow, int7(&out))
}

fn dense(x: &[i64], weights: &[i64]) -> Vec<i64> {
	let rows = weights.chunks_exact(x.len());
	rows.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
		.collect()
}

#[test]
fn predictions_should_be_those_of_a_convolution_written_out() {
	let split = split(&bars(80, SIZE, 5));
	let workload = compile(&architecture(SIZE, 1), &split);
	let (state, outputs) = predictions(&workload, &split, [9; 32]);
	// Matrix, first moment, mean magnitude; four matrices.
	let weights: Vec<Vec<i64>> = state
		.iter()
		.step_by(3)
		.take(4)
		.map(|t| {
			int7(
				&t.i32s()
					.unwrap()
					.iter()
					.map(|x| i64::from(*x))
					.collect::<Vec<_>>(),
			)
		})
		.collect();
	let expected: Vec<i32> = split.tensors[2]
		.i8s()
		.unwrap()
		.chunks_exact(SIZE * SIZE)
		.map(|image| {
			let x = (SIZE, SIZE, image.iter().map(|v| i64::from(*v)).collect());
			let x = convolve(&x, &weights[0], 8, 3, 2, 1);
			let x = convolve(&x, &weights[1], 6, 2, 1, 0);
			assert_eq!((x.0, x.1), (4, 4));
			let z = dense(&x.2, &weights[2]);
			let x = int7(&z.iter().map(|v| (*v).max(0)).collect::<Vec<_>>());
			let z = dense(&x, &weights[3]);
			i32::from(z[1] > z[0])
		})
		.collect();
	assert_eq!(outputs[0].i32s().unwrap(), expected);
	assert!(
		expected.contains(&0) && expected.contains(&1),
		"a test of one class tests little"
	);
}

#[test]
fn bars_should_be_learnt_from_any_seed() {
	let split = split(&bars(640, SIZE, 1));
	let workload = compile(&architecture(SIZE, 20), &split);
	for seed in 0..3 {
		let evaluation = train(&workload, &split, [seed; 32])
			.last()
			.unwrap()
			.record
			.evaluation
			.unwrap();
		assert_eq!(evaluation.total, 160);
		assert!(
			evaluation.hits >= 152,
			"{} of 160 with seed {seed}",
			evaluation.hits
		);
	}
}

#[test]
fn a_prediction_should_not_depend_on_the_images_beside_it() {
	let all = bars(160, SIZE, 7);
	let rule = HeldOut {
		every: 4,
		remainder: 0,
	};
	let whole = all.split(&rule, 2, -5).unwrap();
	let text = architecture(SIZE, 1);
	let together = predictions(&compile(&text, &whole), &whole, [3; 32]).1;
	// The same held-out images beside one whose pixels are all at their end, and in reverse.
	let mut turned = whole.clone();
	let mut images: Vec<i8> = vec![63; SIZE * SIZE];
	let rows = whole.tensors[2].i8s().unwrap().chunks_exact(SIZE * SIZE);
	images.extend(rows.rev().flatten());
	let count = whole.tensors[2].rows() + 1;
	turned.tensors[2] = Tensor::from_i8(count, (SIZE * SIZE) as u32, images).unwrap();
	turned.tensors[3] = Tensor::from_i32(count, 1, vec![0; count as usize]).unwrap();
	let apart = predictions(&compile(&text, &turned), &turned, [3; 32]).1;
	let mut reversed = apart[0].i32s().unwrap()[1..].to_vec();
	reversed.reverse();
	assert_eq!(together[0].i32s().unwrap(), reversed);
}

#[test]
fn a_large_held_out_set_should_go_through_in_parts() {
	// 64 x 64 pixels: 256 images fill the rows of a tensor.
	let split = split(&bars(1040, 64, 2));
	assert_eq!(split.tensors[2].rows(), 260);
	let text = architecture(64, 1);
	let outputs = predictions(&compile(&text, &split), &split, [4; 32]).1;
	let rows: Vec<u32> = outputs.iter().map(Tensor::rows).collect();
	assert_eq!(rows, [256, 4]);
	// The last four alone.
	let mut few = split.clone();
	let from = 256 * 64 * 64;
	let images = split.tensors[2].i8s().unwrap()[from..].to_vec();
	few.tensors[2] = Tensor::from_i8(4, 64 * 64, images).unwrap();
	few.tensors[3] = Tensor::from_i32(4, 1, vec![0; 4]).unwrap();
	let alone = predictions(&compile(&text, &few), &few, [4; 32]).1;
	assert_eq!(alone[0], outputs[1]);
}

#[test]
fn networks_that_do_not_fit_should_be_refused_by_name() {
	let text = architecture(SIZE, 1);
	let says = |from: &str, to: &str, why: &[&str]| {
		assert!(text.contains(from), "{from}");
		let error = Architecture::from_toml(&text.replace(from, to))
			.expect_err(to)
			.to_string();
		for part in why {
			assert!(error.contains(part), "`{error}` does not say `{part}`");
		}
	};
	says(
		"filters = 8",
		"filters = 0",
		&["`model.convolutions[0].filters` is 0", "1 to 4096"],
	);
	says(
		"kernel = 3",
		"kernel = 16",
		&["`model.convolutions[0].kernel` is 16", "1 to 15"],
	);
	says(
		"stride = 2",
		"stride = 0",
		&["`model.convolutions[0].stride` is 0"],
	);
	says(
		"padding = 1",
		"padding = 3",
		&["`model.convolutions[0].padding` is 3", "0 to 2"],
	);
	says(
		"kernel = 2",
		"kernel = 6",
		&["`model.convolutions[1].kernel`", "5 x 5 pixels"],
	);
	says("channels = 1", "channels = 0", &["`model.input.channels` is 0"]);
	says("dense = [12, 2]", "dense = []", &["`model.dense` is 0 widths"]);
	says(
		"dense = [12, 2]",
		"dense = [70000, 2]",
		&["`model.dense[0]` is 70000"],
	);
	says("kernel = 2", "kernel = 2, pool = 2", &["unknown field"]);

	let split = split(&bars(80, SIZE, 5));
	let fits_not = |from: &str, to: &str, why: &str| {
		let architecture = Architecture::from_toml(&text.replace(from, to)).unwrap();
		let error = classifier::compile(&architecture, &split)
			.unwrap_err()
			.to_string();
		assert!(error.contains(why), "`{error}` does not say `{why}`");
	};
	fits_not("height = 9", "height = 10", "the data has 81 values");
	fits_not("dense = [12, 2]", "dense = [12, 3]", "the data has 2 classes");
	fits_not("batch = 32", "batch = 61", "the training set has 60 examples");
}

#[test]
fn a_batch_too_deep_for_a_product_should_be_refused_with_its_bound() {
	// 64 x 64 positions of 40 images: the weight gradient would sum 163,840 products.
	let split = split(&bars(80, 64, 5));
	let text = architecture(64, 1)
		.replace("stride = 2", "stride = 1")
		.replace("batch = 32", "batch = 40");
	let error = classifier::compile(&Architecture::from_toml(&text).unwrap(), &split)
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("131071") && error.contains("smaller batch"),
		"{error}"
	);
}
