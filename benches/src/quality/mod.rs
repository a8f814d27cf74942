// SPDX-License-Identifier: Apache-2.0

//! The quality bench: integer models beside their float32 twins, on the same data, with the same shapes and steps.
//!
//! Every result is kept in a file under the target folder with the hash of all that it depends on, so that a run that was
//! interrupted goes on where it stopped, and a second run only measures what has changed. Speed is measured every time.

pub mod cases;
pub mod integer;
pub mod minilm;
pub mod python;
pub mod report;
pub mod twin;

use anyhow::{Context, Result};
use serde::{de::DeserializeOwned, Serialize};
use std::{
	fs,
	path::{Path, PathBuf},
};

/// What a run measures and where it keeps its files.
#[derive(Clone, Debug)]
pub struct Bench {
	/// Folder with the data sets that are not part of the repository.
	pub data: Option<PathBuf>,
	/// Folder for the environment and results.
	pub work: PathBuf,
	/// Python of the virtual environment.
	pub python: PathBuf,
}

/// The source folder of the bench: architectures and baselines.
pub fn source() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("quality")
}

impl Bench {
	/// Folder of a case and seed.
	///
	/// # Errors
	/// If it can't be made.
	pub fn folder(&self, case: &str, seed: u32) -> Result<PathBuf> {
		let folder = self.work.join(case).join(seed.to_string());
		fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
		Ok(folder)
	}

	/// A data file.
	///
	/// # Errors
	/// If no data folder was given, or the file is not in it.
	pub fn file(&self, name: &str) -> Result<PathBuf> {
		let folder = self.data.as_ref().with_context(|| {
			format!("this case needs {name}: give its folder with --data or POAIW_BENCH_DATA, or choose cases with --case digits")
		})?;
		let path = folder.join(name);
		anyhow::ensure!(
			path.is_file(),
			"{} does not exist: put the file there, or name another folder with --data",
			path.display()
		);
		Ok(path)
	}
}

/// The value of `file` if it was made from what `key` stands for, or else a new one.
///
/// # Errors
/// What `make` fails with, or if the file can't be written.
pub fn cached<T: Serialize + DeserializeOwned>(
	file: &Path,
	key: &[u8; 32],
	make: impl FnOnce() -> Result<T>,
) -> Result<T> {
	let key: String = key.iter().map(|b| format!("{b:02x}")).collect();
	if let Ok(text) = fs::read_to_string(file) {
		if let Ok((found, value)) = serde_json::from_str::<(String, T)>(&text) {
			if found == key {
				return Ok(value);
			}
		}
	}
	let made = (key, make()?);
	fs::write(file, serde_json::to_vec(&made)?)
		.with_context(|| format!("{} can't be written", file.display()))?;
	Ok(made.1)
}
