// SPDX-License-Identifier: Apache-2.0

//! A verified result as files: raw tensors with an index, the trace, and a receipt.

use crate::{
	client::hex32,
	error::{Error, Result},
	format::amount,
	results::{output_decls, Verified},
	view::{self, Tally, TaskView},
};
use poaiw_primitives::{task::TaskState, Hash};
use poaiw_program::{Element, SegmentRecord, Tensor, TensorDecl};
use serde::Serialize;
use serde_json::{json, Value};
use std::{fs, path::Path};

/// What a requester keeps: which task, who did it, what was committed to, paid and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
	/// Genesis hash of the network.
	pub genesis: String,
	/// The task's whole life.
	pub task: TaskView,
	/// Account that did the work.
	pub worker: String,
	/// Seed that the chain drew for the run.
	pub seed: String,
	/// Tip and base fee together.
	pub price_paid: Option<String>,
	/// How the verifiers voted.
	pub votes: Tally,
	/// What this client checked itself.
	pub checks: Vec<&'static str>,
}

/// A tensor in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct TensorEntry {
	file: String,
	element: &'static str,
	rows: u32,
	cols: u32,
	lo: i32,
	hi: i32,
	root: String,
}

/// The receipt of a result.
pub fn receipt(result: &Verified, genesis: Hash, prefix: u16) -> Receipt {
	let task = view::task(&result.report, prefix);
	let price_paid = match &result.report.state {
		TaskState::Settled { paid, burned, .. } => paid.checked_add(*burned).map(amount),
		_ => None,
	};
	Receipt {
		genesis: format!("{genesis:?}"),
		worker: crate::signer::address(&result.worker, prefix),
		seed: hex32(&result.seed),
		price_paid,
		votes: task.verification.as_ref().map(|x| x.tally()).unwrap_or_default(),
		checks: result.checks.clone(),
		task,
	}
}

/// Makes sure that a result can be written to `folder`: it must not exist, or be empty.
///
/// # Errors
/// If there is something in it, or it can't be made.
pub fn prepare_folder(folder: &Path) -> Result<()> {
	let fail = |source| Error::File {
		path: folder.into(),
		source,
		next: "name a new or empty folder with -o (nothing is ever overwritten)",
	};
	fs::create_dir_all(folder).map_err(fail)?;
	match fs::read_dir(folder).map_err(fail)?.next() {
		None => Ok(()),
		Some(_) => Err(fail(std::io::Error::new(
			std::io::ErrorKind::AlreadyExists,
			"the folder is not empty",
		))),
	}
}

/// Writes `state-NNN.bin` and `output-NNN.bin` (row-major, little-endian), `index.json` which describes them,
/// `trace.json`, and at last `receipt.json`: a folder without a receipt is not complete.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, result: &Verified, receipt: &Receipt) -> Result<()> {
	let state = write_tensors(folder, "state", &result.state, &result.info.state)?;
	// The outputs of one evaluation after those of the other, numbered through.
	let decls = output_decls(&result.workload)
		.unwrap_or_default()
		.repeat(result.outputs.len());
	let outputs = write_tensors(folder, "output", &result.outputs.concat(), &decls)?;
	let claim = &result.attestation;
	let index = json!({
		"format": "row-major, little-endian; element i8 or i32",
		"program_root": hex32(&result.report.spec.program_root),
		"final_state_root": hex32(&claim.final_state_root),
		"output_root": hex32(&claim.output_root),
		"state": state,
		"outputs": outputs,
	});
	write_json(folder, "index.json", &index)?;
	let loss = &result.workload.loss;
	let trace = json!({
		"trace_root": hex32(&claim.trace_root),
		"initial_state_root": hex32(&claim.initial_state_root),
		"loss_divisor": loss.divisor,
		"segments": result.trace.records.iter().map(record).collect::<Vec<_>>(),
		"losses": result.trace.losses,
	});
	write_json(folder, "trace.json", &trace)?;
	let receipt = serde_json::to_value(receipt).map_err(|error| Error::File {
		path: folder.join("receipt.json"),
		source: error.into(),
		next: "this is a fault of the program: please report it",
	})?;
	write_json(folder, "receipt.json", &receipt)
}

fn write_tensors(
	folder: &Path,
	name: &str,
	tensors: &[Tensor],
	decls: &[TensorDecl],
) -> Result<Vec<TensorEntry>> {
	let mut entries = Vec::with_capacity(tensors.len());
	for (number, (tensor, decl)) in tensors.iter().zip(decls).enumerate() {
		let file = format!("{name}-{number:03}.bin");
		write_file(&folder.join(&file), &tensor.to_bytes())?;
		let root = tensor.root().map_err(|error| Error::Commitment {
			what: file.clone(),
			expected: "a tensor within the bounds of commitments".into(),
			got: error.to_string(),
		})?;
		let element = match tensor.element() {
			Element::I8 => "i8",
			Element::I32 => "i32",
		};
		let (rows, cols) = (tensor.rows(), tensor.cols());
		entries.push(TensorEntry {
			file,
			element,
			rows,
			cols,
			lo: decl.lo,
			hi: decl.hi,
			root: hex32(&root),
		});
	}
	Ok(entries)
}

fn record(record: &SegmentRecord) -> Value {
	json!({
		"index": record.index,
		"state_before": hex32(&record.state_before),
		"state_after": hex32(&record.state_after),
		"inputs_root": hex32(&record.inputs_root),
		"loss_hash": hex32(&record.loss_hash),
		"evaluation": record.evaluation.map(|x| json!({
			"output_root": hex32(&x.output_root),
			"hits": x.hits,
			"total": x.total,
		})),
	})
}

fn write_json(folder: &Path, name: &str, value: &Value) -> Result<()> {
	write_file(&folder.join(name), format!("{value:#}\n").as_bytes())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
	fs::write(path, bytes).map_err(|source| Error::File {
		path: path.into(),
		source,
		next: "check that there is room and that you may write there, then run this again with a new folder",
	})
}
