// SPDX-License-Identifier: Apache-2.0

//! Trained weights as safetensors.

mod downloaded;

use downloaded::{hex, save};
use poaiw_models::{export, safetensors_file::TensorFile, Architecture, Task};
use poaiw_program::Tensor;
use safetensors::SafeTensors;
use std::{
	fs,
	path::{Path, PathBuf},
};
use tempfile::tempdir;

const ARCHITECTURE: &str = "model = { kind = \"mlp\", layers = [2, 3, 2] }\n\
	training = { batch = 2, epochs = 1, steps_per_segment = 1 }\n\
	optimiser = { kind = \"l1-adam\", rate = 0.001 }";

fn architecture() -> Architecture {
	Architecture::from_toml(ARCHITECTURE).unwrap()
}

/// Two matrices with two optimiser tensors each, and two scalars.
fn state() -> Vec<Tensor> {
	let tensor = |rows: u32, cols: u32, first: i32| {
		let values = (0..rows * cols).map(|n| (first + n as i32) << 20).collect();
		Tensor::from_i32(rows, cols, values).unwrap()
	};
	let mut all = vec![];
	for (rows, cols, first) in [(3, 2, -3), (2, 3, 7)] {
		all.extend([
			tensor(rows, cols, first),
			tensor(rows, cols, 0),
			tensor(rows, cols, 1),
		]);
	}
	all.extend([tensor(1, 1, 5), tensor(1, 1, 6)]);
	all
}

#[test]
fn weights_should_become_floats_under_their_names() {
	let bytes = export::classifier(&architecture(), &state()).unwrap();
	let file = TensorFile::from_bytes(Path::new("x"), bytes.clone()).unwrap();
	assert_eq!(file.names(), ["layer.0.weight", "layer.1.weight"]);
	let second = file.floats("layer.1.weight").unwrap();
	assert_eq!(second.shape, [2, 3]);
	let expected: Vec<f32> = (7..13).map(|n| n as f32 / 16.0).collect();
	assert_eq!(second.values, expected);
	let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
	let metadata = metadata.metadata().clone().unwrap();
	let back: serde_json::Value = serde_json::from_str(&metadata[export::ARCHITECTURE]).unwrap();
	assert_eq!(back, serde_json::to_value(architecture()).unwrap());
}

#[test]
fn a_state_of_another_architecture_should_be_refused() {
	for count in [0, 2, 3, 7] {
		let error = export::classifier(&architecture(), &state()[..count]).unwrap_err();
		assert!(error.to_string().contains(&format!("{count} tensors")), "{error}");
	}
	let mut bytes = state();
	bytes[3] = Tensor::from_i8(2, 3, vec![0; 6]).unwrap();
	let error = export::classifier(&architecture(), &bytes).unwrap_err();
	assert!(error.to_string().contains("layer.1.weight"), "{error}");
}

/// A manifest with this architecture, and its data, in a folder.
fn manifest(folder: &Path, rate: &str) -> PathBuf {
	fs::write(folder.join("data.csv"), "1,2,0\n3,4,1\n5,6,0\n7,8,1\n").unwrap();
	let architecture = ARCHITECTURE.replace("rate = 0.001", &format!("rate = {rate}"));
	let architecture = architecture.lines().map(|line| format!("architecture.{line}\n"));
	let text = architecture.collect::<String>()
		+ "title = \"a small network\"\nclass = \"training\"\n\
		data = { file = \"data.csv\", format = \"csv\", classes = 2, held_out = { every = 4, remainder = 0 } }\n\
		price = { tip_per_gmac = 1, max_total = 1 }\nverification = { sampled = 1, verifiers = 3 }\n\
		terms = { deadline_blocks = 100 }\n";
	let path = folder.join(format!("task-{rate}.toml"));
	fs::write(&path, text).unwrap();
	path
}

#[test]
fn a_downloaded_result_should_be_exported_and_an_altered_one_refused() {
	let folder = tempdir().unwrap();
	let manifest = manifest(folder.path(), "0.001");
	let program = Task::from_file(&manifest).unwrap().workload.hash();
	save(folder.path(), &program, &state(), &[]);
	assert_eq!(
		export::from_folder(folder.path(), Some(&manifest)).unwrap(),
		export::classifier(&architecture(), &state()).unwrap()
	);
	let error = export::from_folder(folder.path(), None).unwrap_err().to_string();
	assert!(
		error.contains("architecture") && error.contains("manifest"),
		"{error}"
	);
	let path = folder.path().join("state-000.bin");
	let mut bytes = fs::read(&path).unwrap();
	bytes[0] ^= 1;
	fs::write(&path, bytes).unwrap();
	let error = export::from_folder(folder.path(), Some(&manifest))
		.unwrap_err()
		.to_string();
	assert!(error.contains("state-000.bin"), "{error}");
}

// The weights of another rate may have another unit: they would be exported four times too large.
#[test]
fn a_result_should_not_be_exported_by_the_manifest_of_another_task() {
	let folder = tempdir().unwrap();
	let (of_result, other) = (manifest(folder.path(), "0.001"), manifest(folder.path(), "0.015"));
	let program = Task::from_file(&of_result).unwrap().workload.hash();
	save(folder.path(), &program, &state(), &[]);
	let error = export::from_folder(folder.path(), Some(&other))
		.unwrap_err()
		.to_string();
	assert!(
		error.contains(&hex(&program)) && error.contains("of that task"),
		"{error}"
	);
	let index = folder.path().join("index.json");
	let without = fs::read_to_string(&index)
		.unwrap()
		.replace("program_root", "root");
	fs::write(&index, without).unwrap();
	let error = export::from_folder(folder.path(), Some(&of_result))
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("program_root") && error.contains("download"),
		"{error}"
	);
}
