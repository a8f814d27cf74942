// SPDX-License-Identifier: Apache-2.0

//! Manifests, uploads and results with real files: a small model is trained by the CPU executor, stored as a worker stores
//! it, and downloaded; whatever is changed on the way is refused.

use poaiw::{receipt, results, submission, Error};
use poaiw_artifacts::{ArtifactStore, Trace};
use poaiw_models::Task;
use poaiw_primitives::{
	task::{loss_curve, Attestation, TaskReport, TaskState, Verdict, VerificationReport},
	AccountId, Hash, Hash32,
};
use poaiw_program::{
	interpreter::run_segment, run::initial_state, state_root, task_metric, task_output_root, Control,
	Observer, Product, ProductSite,
};
use std::{
	fs,
	path::{Path, PathBuf},
};
use tempfile::TempDir;

const MANIFEST: &str = r#"
title = "two bands"
class = "training"
[architecture.model]
kind = "mlp"
layers = [4, 16, 2]
[architecture.training]
batch = 16
epochs = 3
steps_per_segment = 2
[architecture.optimiser]
kind = "sgd"
rate = 0.1
[data]
file = "bands.csv"
format = "csv"
classes = 2
held_out = { every = 5, remainder = 0 }
[price]
tip_per_gmac = 1000
max_total = 1000000000
[verification]
sampled = 2
verifiers = 1
[terms]
deadline_blocks = 100
"#;
const WORKER: [u8; 32] = [5; 32];
const SEED: Hash32 = [3; 32];
const TASK: u64 = 7;

struct Bench {
	folder: TempDir,
	store: ArtifactStore,
	task: Task,
}

impl Bench {
	fn new() -> Self {
		let folder = tempfile::tempdir().unwrap();
		let manifest = write_manifest(folder.path(), MANIFEST);
		let task = submission::load(&manifest).unwrap();
		let store = submission::open_store(&folder.path().join("store").display().to_string()).unwrap();
		Self { folder, store, task }
	}

	/// The only file of a kind.
	fn artifact(&self, kind: &str, root: &Hash32) -> PathBuf {
		self.folder
			.path()
			.join("store")
			.join(kind)
			.join(hex::encode(root))
	}

	/// Uploads the task, runs it, and stores and reports the result as a worker and the chain do.
	async fn settled(&self) -> TaskReport {
		submission::upload(&self.store, &self.task, |_| ()).await.unwrap();
		let (workload, info) = (&self.task.workload, &self.task.info);
		let mut state = initial_state(workload, info, SEED).unwrap();
		let initial_state_root = state_root(&state).unwrap();
		let mut trace = Trace::default();
		for segment in 0..info.segments {
			let done = run_segment(workload, SEED, state, &self.task.data, segment, &mut Nobody).unwrap();
			trace.records.push(done.record);
			trace.losses.push(done.losses);
			if done.record.evaluation.is_some() {
				self.store.put_output(&done.outputs).await.unwrap();
			}
			state = done.state;
		}
		let attestation = Attestation {
			task: TASK,
			attempt: 1,
			trace_root: self.store.put_trace(&trace, TASK, &WORKER).await.unwrap(),
			segments: info.segments,
			macs: info.product_macs,
			initial_state_root,
			final_state_root: self.store.put_state(&state).await.unwrap(),
			output_root: task_output_root(&trace.records),
			losses: loss_curve(&trace.all_losses()),
			metric: task_metric(&trace.records),
		};
		let vote = (AccountId::from([9; 32]), Some(Verdict::Accept));
		TaskReport {
			id: TASK,
			requester: [1; 32].into(),
			posted_at: 10,
			spec: submission::spec(&self.task, 10).unwrap(),
			state: TaskState::Settled {
				worker: WORKER.into(),
				seed: SEED,
				at: 40,
				paid: 3000,
				burned: 2000,
			},
			held: 0,
			attempts: 1,
			verification: Some(VerificationReport {
				attestation,
				attested_at: 30,
				segments: vec![(0, vec![vote])],
			}),
			seals: vec![(25, 1)],
		}
	}
}

struct Nobody;

impl Observer for Nobody {
	fn product(&mut self, _: ProductSite, _: Product<'_>) {}

	fn step_done(&mut self, _: u32, _: i32) -> Control {
		Control::Continue
	}
}

fn write_manifest(folder: &Path, text: &str) -> PathBuf {
	let rows: String = (0i32..80)
		.map(|i| {
			let class = i % 2;
			let value = |k: i32| (i * 7 + k * 5) % 9 - 4 + if class == 1 { 30 } else { -30 };
			format!("{},{},{},{},{class}\n", value(0), value(1), value(2), value(3))
		})
		.collect();
	fs::write(folder.join("bands.csv"), rows).unwrap();
	let path = folder.join("task.toml");
	fs::write(&path, text).unwrap();
	path
}

fn claim(report: &mut TaskReport) -> &mut Attestation {
	&mut report.verification.as_mut().unwrap().attestation
}

fn flip(path: &Path, at: usize) {
	let mut bytes = fs::read(path).unwrap();
	bytes[at] ^= 1;
	fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn result_should_be_verified_and_written_with_a_receipt() {
	let bench = Bench::new();
	let report = bench.settled().await;
	let result = results::download(&bench.store, report).await.unwrap();
	assert_eq!(result.checks.len(), 7, "{:?}", result.checks);
	let folder = bench.folder.path().join("out");
	receipt::prepare_folder(&folder).unwrap();
	let receipt = receipt::receipt(&result, Hash::repeat_byte(2), 42);
	receipt::write(&folder, &result, &receipt).unwrap();

	let read = |name: &str| -> serde_json::Value {
		serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
	};
	let kept = read("receipt.json");
	assert_eq!(kept["task"]["id"], TASK);
	assert_eq!(kept["price_paid"], "0.000000005");
	assert_eq!(
		kept["votes"],
		serde_json::json!({ "accept": 1, "against": 0, "pending": 0 })
	);
	assert_eq!(kept["seed"], format!("0x{}", "03".repeat(32)));
	assert_eq!(
		read("trace.json")["segments"].as_array().unwrap().len(),
		bench.task.info.segments as usize
	);
	// The files alone lead to the root that the chain has.
	let index = read("index.json");
	let state: Vec<_> = bench
		.task
		.info
		.state
		.iter()
		.zip(index["state"].as_array().unwrap())
		.collect();
	assert_eq!(state.len(), bench.task.info.state.len());
	let tensors: Vec<_> = state
		.iter()
		.map(|(decl, entry)| {
			let bytes = fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
			poaiw_program::Tensor::from_bytes(decl, &bytes).unwrap()
		})
		.collect();
	assert_eq!(
		index["final_state_root"],
		format!("0x{}", hex::encode(state_root(&tensors).unwrap()))
	);
	// Nothing is ever overwritten.
	assert!(receipt::prepare_folder(&folder)
		.unwrap_err()
		.to_string()
		.contains("not empty"));
}

#[tokio::test]
async fn tampered_artifacts_should_be_refused() {
	let bench = Bench::new();
	let mut report = bench.settled().await;
	let spec_root = report.spec.program_root;
	let claim = claim(&mut report).clone();
	let info = &bench.task.info;
	let sizes = (info.segments, bench.task.workload.steps);
	let trace = bench
		.store
		.get_trace(&claim.trace_root, (TASK, &WORKER), sizes)
		.await;
	let evaluation = trace.unwrap().records.last().unwrap().evaluation.unwrap();
	let artifacts = [
		("workload", spec_root, 0),
		("state", claim.final_state_root, 3),
		("output", evaluation.output_root, 0),
		("trace", claim.trace_root, 9),
	];
	for (kind, root, at) in artifacts {
		let path = bench.artifact(kind, &root);
		flip(&path, at);
		let error = results::download(&bench.store, report.clone()).await.unwrap_err();
		assert!(matches!(error, Error::Artifact { .. }), "{kind}: {error}");
		assert_eq!(error.exit_code(), 6);
		assert!(error.to_string().contains("next:"), "{error}");
		flip(&path, at);
	}
	let state = bench.artifact("state", &claim.final_state_root);
	fs::write(&state, fs::read(&state).unwrap().split_last().unwrap().1).unwrap();
	assert!(results::download(&bench.store, report.clone()).await.is_err());
	fs::remove_file(&state).unwrap();
	let error = results::download(&bench.store, report)
		.await
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("is not in the store") && error.contains("--artifacts"),
		"{error}"
	);
}

#[tokio::test]
async fn claims_that_do_not_fit_the_trace_should_be_refused() {
	let bench = Bench::new();
	let good = bench.settled().await;
	let other_state = initial_state(&bench.task.workload, &bench.task.info, [8; 32]).unwrap();
	let other_root = bench.store.put_state(&other_state).await.unwrap();
	type Change<'a> = (&'a str, &'a dyn Fn(&mut TaskReport));
	let changes: [Change<'_>; 7] = [
		("end of the trace", &|report| {
			claim(report).final_state_root = other_root
		}),
		("trace", &|report| claim(report).initial_state_root = other_root),
		("loss curve", &|report| claim(report).losses[0] += 1),
		("output in the trace", &|report| {
			claim(report).output_root = [0; 32]
		}),
		("held-out metric", &|report| claim(report).metric = Some((16, 16))),
		("workload", &|report| report.spec.macs += 1),
		("workload", &|report| report.spec.input_root = [1; 32]),
	];
	for (what, change) in changes {
		let mut report = good.clone();
		change(&mut report);
		if report == good {
			// The metric may be perfect already.
			claim(&mut report).metric = Some((15, 16));
		}
		match results::download(&bench.store, report).await {
			Err(Error::Commitment { what: found, .. }) => assert_eq!(found, what),
			other => panic!("{what}: {other:?}"),
		}
	}
	// Another worker's trace, or another seed than the one that the chain drew.
	let mut report = good.clone();
	report.state = TaskState::Settled {
		worker: [6; 32].into(),
		seed: SEED,
		at: 40,
		paid: 0,
		burned: 0,
	};
	assert!(matches!(
		results::download(&bench.store, report).await,
		Err(Error::Artifact { .. })
	));
	let mut report = good;
	if let TaskState::Settled { seed, .. } = &mut report.state {
		*seed = [4; 32];
	}
	let error = results::download(&bench.store, report)
		.await
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("initial state does not match its commitment"),
		"{error}"
	);
}

#[tokio::test]
async fn results_of_unsettled_tasks_should_be_refused_with_the_next_step() {
	let bench = Bench::new();
	let mut report = bench.settled().await;
	report.state = TaskState::Open;
	let error = results::download(&bench.store, report.clone())
		.await
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("task 7 is open") && error.contains("poaiw task watch 7"),
		"{error}"
	);
	report.state = TaskState::Expired { at: 50 };
	let error = results::download(&bench.store, report)
		.await
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("task 7 is expired") && error.contains("poaiw task submit"),
		"{error}"
	);
}

#[tokio::test]
async fn upload_should_store_all_parts_once() {
	let bench = Bench::new();
	let mut parts = Vec::new();
	submission::upload(&bench.store, &bench.task, |part| parts.push(part.clone()))
		.await
		.unwrap();
	assert_eq!(parts.len(), 1 + bench.task.workload.data.len());
	assert!(parts.iter().all(|part| !part.present));
	assert_eq!(
		parts.iter().map(|part| part.bytes).sum::<u64>(),
		submission::artifact_bytes(&bench.task)
	);
	let stored = bench
		.store
		.get_workload(&bench.task.workload.hash())
		.await
		.unwrap();
	assert_eq!(stored, bench.task.workload);
	parts.clear();
	submission::upload(&bench.store, &bench.task, |part| parts.push(part.clone()))
		.await
		.unwrap();
	assert!(parts.iter().all(|part| part.present));
}

#[test]
fn spec_should_carry_what_the_workload_is() {
	let bench = Bench::new();
	let spec = submission::spec(&bench.task, 1000).unwrap();
	assert_eq!((spec.deadline, spec.macs), (1100, bench.task.info.product_macs));
	assert_eq!(spec.program_root, bench.task.workload.hash());
	assert_eq!(spec.input_root, bench.task.workload.input_root());
	let error = submission::spec(&bench.task, u32::MAX - 5)
		.unwrap_err()
		.to_string();
	assert!(
		error.contains("terms.deadline_blocks") && error.contains("100"),
		"{error}"
	);
}

#[test]
fn segments_should_be_refused_beyond_the_bound_of_the_network() {
	let bench = Bench::new();
	let info = &bench.task.info;
	let largest = info.macs_per_segment.max(info.evaluation_macs);
	submission::check_segments(info, largest).unwrap();
	let error = submission::check_segments(info, largest - 1)
		.unwrap_err()
		.to_string();
	assert!(
		error.contains(&largest.to_string()) && error.contains(&(largest - 1).to_string()),
		"{error}"
	);
	let mut evaluation = info.clone();
	evaluation.evaluation_macs = info.macs_per_segment + 1;
	evaluation.product_macs += evaluation.evaluation_macs;
	let error = submission::check_segments(&evaluation, info.macs_per_segment).unwrap_err();
	assert!(error.to_string().contains("the evaluation"), "{error}");
}

#[test]
fn manifest_errors_should_name_file_field_value_and_remedy() {
	let folder = tempfile::tempdir().unwrap();
	let cases = [
		(
			"deadline_blocks = 100",
			"deadline_blocks = 0",
			"`terms.deadline_blocks` is 0",
		),
		("deadline_blocks = 100", "deadline = 100", "deadline"),
		("verifiers = 1", "verifiers = 0", "`verification.verifiers` is 0"),
		(
			"max_total = 1000000000",
			"max_total = 0",
			"`price.max_total` is 0",
		),
		("classes = 2", "classes = 1", "`data.classes` is 1"),
		("class = \"training\"", "class = \"mining\"", "mining"),
		("bands.csv", "nothing.csv", "nothing.csv"),
		("layers = [4, 16, 2]", "layers = [4]", "layers"),
		("title = \"two bands\"", "title = \"\"", "`title`"),
	];
	for (from, to, expected) in cases {
		assert!(MANIFEST.contains(from), "{from}");
		let path = write_manifest(folder.path(), &MANIFEST.replace(from, to));
		let error = submission::load(&path).unwrap_err();
		assert_eq!(error.exit_code(), 4);
		let text = error.to_string();
		assert!(
			text.contains(expected) && text.contains("task.toml") && text.contains("next:"),
			"{text}"
		);
	}
	let error = submission::load(&folder.path().join("none.toml"))
		.unwrap_err()
		.to_string();
	assert!(error.contains("none.toml"), "{error}");
}
