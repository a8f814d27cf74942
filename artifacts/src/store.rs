// SPDX-License-Identifier: Apache-2.0

//! The store: one folder or bucket, one object for each artifact.

use crate::blobs::{checked_output, checked_state, same, tensors_size, tensors_to_bytes, Trace};
use futures::TryStreamExt;
use object_store::{
	local::LocalFileSystem, path::Path, prefix::PrefixStore, ObjectStore, ObjectStoreExt, PutPayload,
};
use poaiw_commitment::{hash, tensor_root, Hash32};
use poaiw_program::{
	program::MAX_ENCODED_BYTES,
	trace::{output_root, state_root, trace_root},
	Tensor, TensorDecl, Workload,
};
use std::sync::Arc;

/// What an artifact is; part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
	/// SCALE of a `poaiw_program::Workload`, under its hash.
	Workload,
	/// A data set, row-major, under its `tensor_root`.
	Tensor,
	/// The tensors of a state, under the state root.
	State,
	/// A [`Trace`], under its trace root.
	Trace,
	/// The outputs of an evaluation, under the output root.
	Output,
}

impl Kind {
	/// Folder of the kind.
	pub fn folder(self) -> &'static str {
		match self {
			Self::Workload => "workload",
			Self::Tensor => "tensor",
			Self::State => "state",
			Self::Trace => "trace",
			Self::Output => "output",
		}
	}
}

/// Why an artifact could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
	/// The locator is no folder or URL that can be opened.
	#[error("artifact store `{locator}` can't be opened: {reason}. Give a folder, or a URL whose scheme this build knows (file, memory)")]
	Open {
		/// What was given.
		locator: String,
		/// Why not.
		reason: String,
	},
	/// There is no such artifact.
	#[error("{kind} {root} is not in the store {store}: ask its owner to upload it, or use another store", kind = .kind.folder())]
	Missing {
		/// Its kind.
		kind: Kind,
		/// Its root, hex.
		root: String,
		/// The store.
		store: String,
	},
	/// It has more bytes than it can have.
	#[error("{kind} {root} has {got} bytes, at most {most} are possible: it was not read", kind = .kind.folder())]
	TooLong {
		/// Its kind.
		kind: Kind,
		/// Its root, hex.
		root: String,
		/// Its length.
		got: u64,
		/// The bound.
		most: u64,
	},
	/// Its content is not what its name says.
	#[error("{kind} {root} is corrupt: {reason}. Fetch it from another store", kind = .kind.folder())]
	Corrupt {
		/// Its kind.
		kind: Kind,
		/// Its root, hex.
		root: String,
		/// How it differs.
		reason: String,
	},
	/// What was to be stored is not sound.
	#[error("this {kind} can't be stored: {reason}", kind = .kind.folder())]
	Refused {
		/// Its kind.
		kind: Kind,
		/// Why not.
		reason: String,
	},
	/// The store failed.
	#[error("artifact store {store}: {reason}")]
	Store {
		/// The store.
		store: String,
		/// What it said.
		reason: String,
	},
}

/// A store of artifacts. Clones share it.
#[derive(Clone)]
pub struct ArtifactStore {
	inner: Arc<dyn ObjectStore>,
	name: String,
}

impl ArtifactStore {
	/// Opens a folder (made if it does not exist) or a URL.
	///
	/// # Errors
	/// [`ArtifactError::Open`].
	pub fn open(locator: &str) -> Result<Self, ArtifactError> {
		let fail = |reason: String| ArtifactError::Open {
			locator: locator.to_string(),
			reason,
		};
		let inner: Arc<dyn ObjectStore> = if let Some((scheme, _)) =
			locator.split_once("://").filter(|x| x.0 != "file")
		{
			let parsed = locator
				.parse()
				.map_err(|_| fail(format!("`{scheme}` URL is malformed")))?;
			let (store, prefix) =
				object_store::parse_url(&parsed).map_err(|error| fail(error.to_string()))?;
			Arc::new(PrefixStore::new(store, prefix))
		} else {
			let folder = locator.strip_prefix("file://").unwrap_or(locator);
			if folder.is_empty() {
				return Err(fail("the name is empty".into()));
			}
			std::fs::create_dir_all(folder).map_err(|error| fail(error.to_string()))?;
			// Written to a temporary name, flushed and renamed: a reader never sees half an artifact.
			let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| fail(error.to_string()))?;
			Arc::new(store.with_fsync(true))
		};
		Ok(Self {
			inner,
			name: locator.to_string(),
		})
	}

	/// Folder or URL.
	pub fn name(&self) -> &str {
		&self.name
	}

	fn path(kind: Kind, root: &Hash32) -> Path {
		Path::from_iter([kind.folder(), &hex::encode(root)])
	}

	fn failed(&self, error: object_store::Error) -> ArtifactError {
		ArtifactError::Store {
			store: self.name.clone(),
			reason: error.to_string(),
		}
	}

	/// Whether an artifact is there (not whether it is sound).
	///
	/// # Errors
	/// [`ArtifactError::Store`].
	pub async fn has(&self, kind: Kind, root: &Hash32) -> Result<bool, ArtifactError> {
		match self.inner.head(&Self::path(kind, root)).await {
			Ok(_) => Ok(true),
			Err(object_store::Error::NotFound { .. }) => Ok(false),
			Err(error) => Err(self.failed(error)),
		}
	}

	/// Removes an artifact; fine if there is none.
	///
	/// # Errors
	/// [`ArtifactError::Store`].
	pub async fn remove(&self, kind: Kind, root: &Hash32) -> Result<(), ArtifactError> {
		match self.inner.delete(&Self::path(kind, root)).await {
			Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
			Err(error) => Err(self.failed(error)),
		}
	}

	async fn put(&self, kind: Kind, root: &Hash32, bytes: Vec<u8>) -> Result<(), ArtifactError> {
		let payload = PutPayload::from(bytes);
		self.inner
			.put(&Self::path(kind, root), payload)
			.await
			.map_err(|error| self.failed(error))?;
		Ok(())
	}

	/// Reads at most `most` bytes; nothing is allocated beyond that, whatever the store says or sends.
	async fn get(&self, kind: Kind, root: &Hash32, most: u64) -> Result<Vec<u8>, ArtifactError> {
		let too_long = |got: u64| ArtifactError::TooLong {
			kind,
			root: hex::encode(root),
			got,
			most,
		};
		let found = match self.inner.get(&Self::path(kind, root)).await {
			Ok(found) => found,
			Err(object_store::Error::NotFound { .. }) => {
				return Err(ArtifactError::Missing {
					kind,
					root: hex::encode(root),
					store: self.name.clone(),
				})
			}
			Err(error) => return Err(self.failed(error)),
		};
		if found.meta.size > most {
			return Err(too_long(found.meta.size));
		}
		let mut bytes = Vec::with_capacity(found.meta.size as usize);
		let mut stream = found.into_stream();
		while let Some(part) = stream.try_next().await.map_err(|error| self.failed(error))? {
			if (bytes.len() + part.len()) as u64 > most {
				return Err(too_long((bytes.len() + part.len()) as u64));
			}
			bytes.extend_from_slice(&part);
		}
		Ok(bytes)
	}

	fn corrupt(kind: Kind, root: &Hash32) -> impl Fn(String) -> ArtifactError + '_ {
		move |reason| ArtifactError::Corrupt {
			kind,
			root: hex::encode(root),
			reason,
		}
	}

	/// Stores a workload and gives its hash.
	///
	/// # Errors
	/// [`ArtifactError::Refused`] if it is too long to be read again, [`ArtifactError::Store`].
	pub async fn put_workload(&self, workload: &Workload) -> Result<Hash32, ArtifactError> {
		let bytes = codec::Encode::encode(workload);
		if bytes.len() > MAX_ENCODED_BYTES {
			let reason = format!("{} bytes, at most {MAX_ENCODED_BYTES} are decoded", bytes.len());
			return Err(ArtifactError::Refused {
				kind: Kind::Workload,
				reason,
			});
		}
		let root = hash(&[&bytes]);
		self.put(Kind::Workload, &root, bytes).await?;
		Ok(root)
	}

	/// The workload of a hash. It is not validated yet.
	///
	/// # Errors
	/// If it is missing, too long, or not the one asked for.
	pub async fn get_workload(&self, root: &Hash32) -> Result<Workload, ArtifactError> {
		let corrupt = Self::corrupt(Kind::Workload, root);
		let bytes = self.get(Kind::Workload, root, MAX_ENCODED_BYTES as u64).await?;
		same(root, &hash(&[&bytes])).map_err(&corrupt)?;
		Workload::from_bytes(&bytes).map_err(|error| corrupt(error.to_string()))
	}

	/// Stores a matrix of bytes and gives its root.
	///
	/// # Errors
	/// [`ArtifactError::Refused`] if the sizes don't fit, [`ArtifactError::Store`].
	pub async fn put_bytes(
		&self,
		bytes: Vec<u8>,
		rows: u32,
		row_bytes: u32,
	) -> Result<Hash32, ArtifactError> {
		let refused = |reason: String| ArtifactError::Refused {
			kind: Kind::Tensor,
			reason,
		};
		let root = tensor_root(&bytes, rows, row_bytes).map_err(|error| refused(error.to_string()))?;
		self.put(Kind::Tensor, &root, bytes).await?;
		Ok(root)
	}

	/// A matrix of bytes of known sizes.
	///
	/// # Errors
	/// If it is missing, of another size, or not the one asked for.
	pub async fn get_bytes(
		&self,
		root: &Hash32,
		rows: u32,
		row_bytes: u32,
	) -> Result<Vec<u8>, ArtifactError> {
		let corrupt = Self::corrupt(Kind::Tensor, root);
		let bytes = self
			.get(Kind::Tensor, root, u64::from(rows) * u64::from(row_bytes))
			.await?;
		let got = tensor_root(&bytes, rows, row_bytes).map_err(|error| corrupt(error.to_string()))?;
		same(root, &got).map_err(&corrupt)?;
		Ok(bytes)
	}

	/// Stores a data set and gives its root.
	///
	/// # Errors
	/// As [`ArtifactStore::put_bytes`].
	pub async fn put_tensor(&self, tensor: &Tensor) -> Result<Hash32, ArtifactError> {
		self.put_bytes(tensor.to_bytes(), tensor.rows(), tensor.row_bytes())
			.await
	}

	/// A data set of a known layout; values outside of the declared range are refused.
	///
	/// # Errors
	/// If it is missing, of another size or range, or not the one asked for.
	pub async fn get_tensor(&self, root: &Hash32, decl: &TensorDecl) -> Result<Tensor, ArtifactError> {
		let bytes = self.get_bytes(root, decl.rows, decl.row_bytes()).await?;
		Tensor::from_bytes(decl, &bytes).map_err(|error| Self::corrupt(Kind::Tensor, root)(error.to_string()))
	}

	/// Stores a state and gives its root.
	///
	/// # Errors
	/// As [`ArtifactStore::put_bytes`].
	pub async fn put_state(&self, state: &[Tensor]) -> Result<Hash32, ArtifactError> {
		let refused = |reason: String| ArtifactError::Refused {
			kind: Kind::State,
			reason,
		};
		let root = state_root(state).map_err(|error| refused(error.to_string()))?;
		self.put(Kind::State, &root, tensors_to_bytes(state)).await?;
		Ok(root)
	}

	/// A state of a known layout (`WorkloadInfo::state`).
	///
	/// # Errors
	/// If it is missing, of another size or range, or not the one asked for.
	pub async fn get_state(&self, root: &Hash32, decls: &[TensorDecl]) -> Result<Vec<Tensor>, ArtifactError> {
		let bytes = self.get(Kind::State, root, tensors_size(decls)).await?;
		checked_state(&bytes, root, decls).map_err(Self::corrupt(Kind::State, root))
	}

	/// Stores the outputs of an evaluation and gives their root.
	///
	/// # Errors
	/// As [`ArtifactStore::put_bytes`].
	pub async fn put_output(&self, outputs: &[Tensor]) -> Result<Hash32, ArtifactError> {
		let refused = |reason: String| ArtifactError::Refused {
			kind: Kind::Output,
			reason,
		};
		let root = output_root(outputs).map_err(|error| refused(error.to_string()))?;
		self.put(Kind::Output, &root, tensors_to_bytes(outputs)).await?;
		Ok(root)
	}

	/// Outputs of a known layout (the declarations of the evaluation program's outputs).
	///
	/// # Errors
	/// If they are missing, of another size or range, or not the ones asked for.
	pub async fn get_output(
		&self,
		root: &Hash32,
		decls: &[TensorDecl],
	) -> Result<Vec<Tensor>, ArtifactError> {
		let bytes = self.get(Kind::Output, root, tensors_size(decls)).await?;
		checked_output(&bytes, root, decls).map_err(Self::corrupt(Kind::Output, root))
	}

	/// Stores the trace of a worker's run and gives its root.
	///
	/// # Errors
	/// As [`ArtifactStore::put_bytes`].
	pub async fn put_trace(
		&self,
		trace: &Trace,
		task: u64,
		worker: &[u8; 32],
	) -> Result<Hash32, ArtifactError> {
		let refused = |reason: String| ArtifactError::Refused {
			kind: Kind::Trace,
			reason,
		};
		let root = trace_root(task, worker, &trace.records).map_err(|error| refused(error.to_string()))?;
		self.put(Kind::Trace, &root, trace.to_bytes()).await?;
		Ok(root)
	}

	/// The trace of a worker's run of a workload with so many segments and steps.
	///
	/// # Errors
	/// If it is missing, too long, or not the one asked for.
	pub async fn get_trace(
		&self,
		root: &Hash32,
		(task, worker): (u64, &[u8; 32]),
		(segments, steps): (u32, u32),
	) -> Result<Trace, ArtifactError> {
		let bytes = self
			.get(Kind::Trace, root, Trace::max_bytes(segments, steps))
			.await?;
		Trace::checked(&bytes, root, task, worker).map_err(Self::corrupt(Kind::Trace, root))
	}
}
