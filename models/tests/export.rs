// SPDX-License-Identifier: Apache-2.0

//! Trained weights as safetensors.

use poaiw_models::{export, safetensors_file::TensorFile, Architecture};
use poaiw_program::Tensor;
use safetensors::SafeTensors;
use std::{fs, path::Path};

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

#[test]
fn a_downloaded_result_should_be_exported_and_an_altered_one_refused() {
	let folder = std::env::temp_dir().join(format!("poaiw-export-{}", std::process::id()));
	fs::create_dir_all(&folder).unwrap();
	let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
	let entry = |(n, tensor): (usize, &Tensor)| {
		let file = format!("state-{n:03}.bin");
		fs::write(folder.join(&file), tensor.to_bytes()).unwrap();
		serde_json::json!({
			"file": file, "element": "i32", "rows": tensor.rows(), "cols": tensor.cols(),
			"lo": i32::MIN, "hi": i32::MAX, "root": format!("0x{}", hex(tensor.root().unwrap())),
		})
	};
	let state = state();
	let entries: Vec<_> = state.iter().enumerate().map(entry).collect();
	let index = serde_json::json!({ "state": entries, "outputs": [] });
	fs::write(folder.join("index.json"), index.to_string()).unwrap();
	let architecture = architecture();
	assert_eq!(
		export::from_folder(&folder, Some(&architecture)).unwrap(),
		export::classifier(&architecture, &state).unwrap()
	);
	let error = export::from_folder(&folder, None).unwrap_err().to_string();
	assert!(
		error.contains("architecture") && error.contains("manifest"),
		"{error}"
	);
	let path = folder.join("state-000.bin");
	let mut bytes = fs::read(&path).unwrap();
	bytes[0] ^= 1;
	fs::write(&path, bytes).unwrap();
	assert!(export::from_folder(&folder, Some(&architecture)).is_err());
	fs::remove_dir_all(&folder).unwrap();
}
