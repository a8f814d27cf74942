// SPDX-License-Identifier: Apache-2.0

//! Results in a folder, as `poaiw task result` writes them.

use poaiw_program::Tensor;
use serde_json::{json, Value};
use std::{fs, path::Path};

/// `0x` and hex digits.
pub fn hex(bytes: &[u8]) -> String {
	format!(
		"0x{}",
		bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
	)
}

/// Writes state and outputs of a program and their index.
pub fn save(folder: &Path, program_root: &[u8; 32], state: &[Tensor], outputs: &[Tensor]) {
	let write = |name: &str, tensors: &[Tensor]| -> Vec<Value> {
		let entry = |(n, t): (usize, &Tensor)| {
			let file = format!("{name}-{n:03}.bin");
			fs::write(folder.join(&file), t.to_bytes()).unwrap();
			let (lo, hi) = t.element().limits();
			json!({
				"file": file, "element": if t.i8s().is_some() { "i8" } else { "i32" },
				"rows": t.rows(), "cols": t.cols(), "lo": lo, "hi": hi, "root": hex(&t.root().unwrap()),
			})
		};
		tensors.iter().enumerate().map(entry).collect()
	};
	let index = json!({
		"program_root": hex(program_root),
		"state": write("state", state),
		"outputs": write("output", outputs),
	});
	fs::write(folder.join("index.json"), index.to_string()).unwrap();
}
