// SPDX-License-Identifier: Apache-2.0

//! The store against real folders: what is put comes back, and nothing else does.

use poaiw_artifacts::{ArtifactError, ArtifactStore, Kind, Trace};
use poaiw_commitment::hash;
use poaiw_program::{
	trace::loss_hash, Element, LossUnit, Program, SegmentRecord, Tensor, TensorDecl, Workload,
};

const WORKER: [u8; 32] = [9; 32];

fn store() -> (tempfile::TempDir, ArtifactStore) {
	let folder = tempfile::tempdir().unwrap();
	let store = ArtifactStore::open(folder.path().to_str().unwrap()).unwrap();
	(folder, store)
}

fn tamper(folder: &tempfile::TempDir, kind: Kind, root: &[u8; 32], change: impl FnOnce(&mut Vec<u8>)) {
	let path = folder.path().join(kind.folder()).join(hex::encode(root));
	let mut bytes = std::fs::read(&path).unwrap();
	change(&mut bytes);
	std::fs::write(path, bytes).unwrap();
}

fn tensor() -> (Tensor, TensorDecl) {
	let values: Vec<i8> = (0..20 * 600).map(|i| (i % 127 - 63) as i8).collect();
	(
		Tensor::from_i8(20, 600, values).unwrap(),
		TensorDecl::new(Element::I8, 20, 600, -63, 63),
	)
}

fn trace() -> Trace {
	let losses = vec![vec![5, 4, 3], vec![2]];
	let record = |index: u32| SegmentRecord {
		index,
		state_before: [1; 32],
		inputs_root: [2; 32],
		loss_hash: loss_hash(&losses[index as usize]),
		state_after: [3; 32],
		evaluation: None,
	};
	Trace {
		records: vec![record(0), record(1)],
		losses: losses.clone(),
	}
}

#[tokio::test]
async fn a_tensor_should_come_back_only_if_it_is_the_same() {
	let (folder, store) = store();
	let (tensor, decl) = tensor();
	let root = store.put_tensor(&tensor).await.unwrap();
	assert_eq!(root, tensor.root().unwrap());
	assert!(store.has(Kind::Tensor, &root).await.unwrap());
	assert_eq!(store.get_tensor(&root, &decl).await.unwrap(), tensor);
	let narrow = TensorDecl { hi: 62, ..decl };
	assert!(matches!(
		store.get_tensor(&root, &narrow).await,
		Err(ArtifactError::Corrupt { .. })
	));
	let small = TensorDecl { rows: 19, ..decl };
	assert!(matches!(
		store.get_tensor(&root, &small).await,
		Err(ArtifactError::TooLong { .. })
	));
	tamper(&folder, Kind::Tensor, &root, |bytes| bytes[77] ^= 1);
	assert!(matches!(
		store.get_tensor(&root, &decl).await,
		Err(ArtifactError::Corrupt { .. })
	));
	store.remove(Kind::Tensor, &root).await.unwrap();
	store.remove(Kind::Tensor, &root).await.unwrap();
	assert!(matches!(
		store.get_tensor(&root, &decl).await,
		Err(ArtifactError::Missing { .. })
	));
}

#[tokio::test]
async fn a_state_and_outputs_should_not_stand_for_each_other() {
	let (_folder, store) = store();
	let (tensor, decl) = tensor();
	let scalar = Tensor::from_i32(1, 1, vec![7]).unwrap();
	let both = [tensor, scalar];
	let decls = [decl, TensorDecl::scalar(0, 10)];
	let state = store.put_state(&both).await.unwrap();
	let output = store.put_output(&both).await.unwrap();
	assert_ne!(state, output);
	assert_eq!(store.get_state(&state, &decls).await.unwrap(), both);
	assert_eq!(store.get_output(&output, &decls).await.unwrap(), both);
	assert!(matches!(
		store.get_output(&state, &decls).await,
		Err(ArtifactError::Missing { .. })
	));
	assert!(store.get_state(&state, &decls[..1]).await.is_err());
}

#[tokio::test]
async fn a_trace_should_belong_to_its_task_and_worker() {
	let (folder, store) = store();
	let root = store.put_trace(&trace(), 4, &WORKER).await.unwrap();
	assert_eq!(
		store.get_trace(&root, (4, &WORKER), (2, 4)).await.unwrap(),
		trace()
	);
	assert!(matches!(
		store.get_trace(&root, (5, &WORKER), (2, 4)).await,
		Err(ArtifactError::Corrupt { .. })
	));
	assert!(matches!(
		store.get_trace(&root, (4, &[8; 32]), (2, 4)).await,
		Err(ArtifactError::Corrupt { .. })
	));
	assert_eq!(trace().all_losses(), [5, 4, 3, 2]);
	// The losses are not under the root themselves: each record's hash must bind them.
	let mut forged = trace();
	forged.losses[1] = vec![1];
	tamper(&folder, Kind::Trace, &root, |bytes| *bytes = forged.to_bytes());
	assert!(matches!(
		store.get_trace(&root, (4, &WORKER), (2, 4)).await,
		Err(ArtifactError::Corrupt { .. })
	));
	forged.losses.pop();
	tamper(&folder, Kind::Trace, &root, |bytes| *bytes = forged.to_bytes());
	assert!(matches!(
		store.get_trace(&root, (4, &WORKER), (2, 4)).await,
		Err(ArtifactError::Corrupt { .. })
	));
	tamper(&folder, Kind::Trace, &root, |bytes| bytes.resize(1 << 16, 0));
	assert!(matches!(
		store.get_trace(&root, (4, &WORKER), (2, 4)).await,
		Err(ArtifactError::TooLong { .. })
	));
}

#[tokio::test]
async fn a_workload_should_come_back_only_under_its_hash() {
	let (folder, store) = store();
	let workload = Workload {
		init: Program::default(),
		step: Program::default(),
		evaluate: None,
		data: vec![],
		steps: 3,
		steps_per_segment: 1,
		evaluations: 0,
		loss: LossUnit {
			divisor: 1,
			lo: 0,
			hi: 1,
		},
		metric_total: 0,
	};
	let root = store.put_workload(&workload).await.unwrap();
	assert_eq!(root, workload.hash());
	assert_eq!(store.get_workload(&root).await.unwrap(), workload);
	tamper(&folder, Kind::Workload, &root, |bytes| bytes.push(0));
	assert!(matches!(
		store.get_workload(&root).await,
		Err(ArtifactError::Corrupt { .. })
	));
	assert!(matches!(
		store.get_workload(&hash(&[b"no"])).await,
		Err(ArtifactError::Missing { .. })
	));
}

#[tokio::test]
async fn a_store_should_open_by_url_and_refuse_what_it_does_not_know() {
	assert!(ArtifactStore::open("memory:///").is_ok());
	for locator in ["", "gopher://somewhere/else", "s3://"] {
		assert!(
			matches!(ArtifactStore::open(locator), Err(ArtifactError::Open { .. })),
			"{locator}"
		);
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_should_see_a_whole_artifact_or_none_when_many_write_it_at_once() {
	let (folder, store) = store();
	let (tensor, decl) = tensor();
	let root = tensor.root().unwrap();
	let writers = (0..8).map(|_| {
		let (store, tensor) = (store.clone(), tensor.clone());
		tokio::spawn(async move { store.put_tensor(&tensor).await.unwrap() })
	});
	let readers = (0..8).map(|_| {
		let store = store.clone();
		tokio::spawn(async move {
			match store.get_tensor(&root, &decl).await {
				Ok(_) | Err(ArtifactError::Missing { .. }) => (),
				Err(error) => panic!("a reader saw something else: {error}"),
			}
		})
	});
	let (writers, readers): (Vec<_>, Vec<_>) = (writers.collect(), readers.collect());
	for writer in writers {
		assert_eq!(writer.await.unwrap(), root);
	}
	for reader in readers {
		reader.await.unwrap();
	}
	assert_eq!(store.get_tensor(&root, &decl).await.unwrap(), tensor);
	let left = std::fs::read_dir(folder.path().join(Kind::Tensor.folder()))
		.unwrap()
		.count();
	assert_eq!(left, 1, "temporary files were left behind");
}

#[tokio::test]
async fn a_truncated_artifact_should_be_refused() {
	let (folder, store) = store();
	let (tensor, decl) = tensor();
	let root = store.put_state(std::slice::from_ref(&tensor)).await.unwrap();
	tamper(&folder, Kind::State, &root, |bytes| {
		bytes.truncate(bytes.len() - 1)
	});
	let error = store.get_state(&root, &[decl]).await.unwrap_err();
	assert!(matches!(error, ArtifactError::Corrupt { .. }), "{error}");
	assert!(error.to_string().contains(&hex::encode(root)), "{error}");
}
