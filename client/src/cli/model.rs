// SPDX-License-Identifier: Apache-2.0

//! `poaiw model`: using what a task has trained.

use super::Out;
use clap::{Args, Subcommand};
use poaiw::{Error, Result};
use poaiw_models::{
	embed::TextEncoder,
	export::from_folder,
	sample::{LanguageModel, Sampling},
	ModelError,
};
use serde_json::json;
use std::{fs, path::PathBuf};

/// Commands for trained models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
	/// Let a language model continue a text.
	Sample(SampleArgs),
	/// Turn texts into vectors with an encoder.
	Embed(EmbedArgs),
	/// Write the weights of a result as safetensors in float32.
	Export(ExportArgs),
}

/// Arguments of `poaiw model export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
	/// Folder of a result, as written by `poaiw task result`.
	#[arg(long, value_name = "FOLDER")]
	model: PathBuf,
	/// File to write.
	#[arg(long, value_name = "FILE")]
	output: PathBuf,
	/// Manifest of the task, with its data beside it; needed unless the result is a text model.
	#[arg(long, value_name = "MANIFEST")]
	manifest: Option<PathBuf>,
}

/// Arguments of `poaiw model embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
	/// Folder of a result, as written by `poaiw task result`, or of a published encoder.
	#[arg(long, value_name = "FOLDER")]
	model: PathBuf,
	/// Text to embed; may be given several times.
	#[arg(long, required = true)]
	text: Vec<String>,
}

/// Arguments of `poaiw model sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
	/// Folder of a result, as written by `poaiw task result`.
	#[arg(long, value_name = "FOLDER")]
	model: PathBuf,
	/// Text to continue.
	#[arg(long)]
	prompt: String,
	/// Tokens to add.
	#[arg(long, default_value_t = 200)]
	length: usize,
	/// 0 always takes the best token, 1 draws as the model says, more is more even.
	#[arg(long, default_value_t = 0.8)]
	temperature: f64,
	/// Decides what is drawn: the same seed gives the same text.
	#[arg(long, default_value_t = 0)]
	seed: u64,
}

/// Runs a command; needs no node.
pub fn run(out: Out, command: ModelCommand) -> Result<u8> {
	match command {
		ModelCommand::Sample(args) => sample(out, &args),
		ModelCommand::Embed(args) => embed(out, &args),
		ModelCommand::Export(args) => export(out, &args),
	}
}

fn export(out: Out, args: &ExportArgs) -> Result<u8> {
	let wrong = |error: ModelError| Error::Artifact {
		what: args.model.display().to_string(),
		reason: error.to_string(),
		next: "name the folder of a training task's result, and its manifest: --manifest TASK.toml",
	};
	let bytes = from_folder(&args.model, args.manifest.as_deref()).map_err(wrong)?;
	fs::write(&args.output, &bytes).map_err(|source| Error::File {
		path: args.output.clone(),
		source,
		next: "check that the folder exists and that you may write there",
	})?;
	let file = args.output.display().to_string();
	out.value(&json!({ "file": file, "bytes": bytes.len() }));
	out.text(format!("{file}: {} bytes", bytes.len()));
	Ok(0)
}

fn embed(out: Out, args: &EmbedArgs) -> Result<u8> {
	let encoder = TextEncoder::open(&args.model).map_err(|error| Error::Artifact {
		what: args.model.display().to_string(),
		reason: error.to_string(),
		next: "name the folder of an encoder task's result (`poaiw task result ID -o FOLDER`) or of a published encoder",
	})?;
	let vectors = encoder.embed(&args.text).map_err(|error| Error::Argument {
		argument: "model embed",
		reason: error.to_string(),
	})?;
	let each = || args.text.iter().zip(&vectors);
	let entry = |(text, vector): (&String, &Vec<f32>)| json!({ "text": text, "vector": vector });
	out.value(&json!({ "embeddings": each().map(entry).collect::<Vec<_>>() }));
	for (text, vector) in each() {
		let numbers: Vec<String> = vector.iter().map(|x| format!("{x:.4}")).collect();
		out.text(format!("{text}: {}", numbers.join(" ")));
	}
	Ok(0)
}

fn sample(out: Out, args: &SampleArgs) -> Result<u8> {
	let model = LanguageModel::from_folder(&args.model).map_err(|error| Error::Artifact {
		what: args.model.display().to_string(),
		reason: error.to_string(),
		next: "name the folder of a text-model task's result: `poaiw task result ID -o FOLDER`",
	})?;
	let sampling = Sampling {
		temperature: args.temperature,
		seed: args.seed,
	};
	let text = model
		.sample(&args.prompt, args.length, sampling)
		.map_err(|error| Error::Argument {
			argument: "model sample",
			reason: error.to_string(),
		})?;
	out.value(&json!({
		"prompt": args.prompt,
		"text": text,
		"temperature": args.temperature,
		"seed": args.seed,
	}));
	out.text(format!("{}{text}", args.prompt));
	Ok(0)
}
