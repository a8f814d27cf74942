// SPDX-License-Identifier: Apache-2.0

//! Checkpoints: all that a run needs to go on after the process or machine was killed.
//!
//! A file is written under another name, flushed, renamed over the old one, and the folder is flushed, so there is
//! always one whole checkpoint. Its hash is at its end: a damaged file is reported and the run begins anew.

use codec::{Decode, DecodeAll, Encode};
use poaiw_commitment::{hash, Hash32};
use poaiw_program::{SegmentRecord, Tensor, TensorDecl};
use std::{
	fs, io,
	io::Write,
	path::{Path, PathBuf},
};

const MAGIC: [u8; 8] = *b"poaiwck1";

/// What a checkpoint belongs to. A lease with another seed or attempt is another run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Identity {
	/// Hash of the workload.
	pub workload: Hash32,
	/// The task.
	pub task: u64,
	/// The lease.
	pub attempt: u32,
	/// Seed of the run.
	pub seed: Hash32,
}

/// A run up to and including some step.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
	/// What it belongs to.
	pub identity: Identity,
	/// Records of the segments that are done.
	pub records: Vec<SegmentRecord>,
	/// Losses of the segments that are done.
	pub losses: Vec<Vec<i32>>,
	/// Root of the state before the running segment.
	pub state_before: Hash32,
	/// Losses of the running segment's steps that are done.
	pub running: Vec<i32>,
	/// Bytes of each state tensor after those steps.
	pub state: Vec<Vec<u8>>,
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
	/// The file system failed.
	#[error("checkpoint {path}: {error}. The run goes on, but can't be resumed from here", path = .path.display())]
	Io {
		/// The file.
		path: PathBuf,
		/// What happened.
		error: io::Error,
	},
	/// The content is not a whole checkpoint.
	#[error("checkpoint {path} is damaged ({reason}): it is ignored and the task begins anew", path = .path.display())]
	Damaged {
		/// The file.
		path: PathBuf,
		/// What is wrong.
		reason: String,
	},
}

impl Checkpoint {
	/// The state as tensors of the given layout.
	///
	/// # Errors
	/// In words, if they do not fit.
	pub fn tensors(&self, decls: &[TensorDecl]) -> Result<Vec<Tensor>, String> {
		if decls.len() != self.state.len() {
			return Err(format!(
				"{} state tensors where the workload has {}",
				self.state.len(),
				decls.len()
			));
		}
		let each = decls.iter().zip(&self.state);
		each.map(|(decl, bytes)| Tensor::from_bytes(decl, bytes).map_err(|e| e.to_string()))
			.collect()
	}
}

/// The checkpoint file of one task.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
	path: PathBuf,
}

impl CheckpointFile {
	/// The file of a task in a folder.
	pub fn new(folder: &Path, task: u64) -> Self {
		Self {
			path: folder.join(format!("task-{task}.checkpoint")),
		}
	}

	/// Where it is.
	pub fn path(&self) -> &Path {
		&self.path
	}

	fn io(&self) -> impl Fn(io::Error) -> CheckpointError + '_ {
		|error| CheckpointError::Io {
			path: self.path.clone(),
			error,
		}
	}

	/// Writes a checkpoint in place of the last one.
	///
	/// # Errors
	/// [`CheckpointError::Io`]; the last one is still there then.
	pub fn write(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
		let mut bytes = MAGIC.to_vec();
		checkpoint.encode_to(&mut bytes);
		let end = hash(&[&bytes]);
		bytes.extend_from_slice(&end);
		self.replace(&bytes).map_err(self.io())
	}

	fn replace(&self, bytes: &[u8]) -> io::Result<()> {
		let folder = self.path.parent().unwrap_or(Path::new("."));
		fs::create_dir_all(folder)?;
		let temporary = self.path.with_extension("checkpoint.new");
		let mut file = fs::File::create(&temporary)?;
		file.write_all(bytes)?;
		file.sync_all()?;
		fs::rename(&temporary, &self.path)?;
		fs::File::open(folder)?.sync_all()
	}

	/// The checkpoint of this very run, if there is one. One of another run is `None`.
	/// `most` bounds the file: what a checkpoint of this workload can need.
	///
	/// # Errors
	/// [`CheckpointError`] if there is a file that can't be used.
	pub fn read(&self, identity: &Identity, most: u64) -> Result<Option<Checkpoint>, CheckpointError> {
		let damaged = |reason: &str| CheckpointError::Damaged {
			path: self.path.clone(),
			reason: reason.into(),
		};
		let length = match fs::metadata(&self.path) {
			Ok(found) => found.len(),
			Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
			Err(error) => return Err(self.io()(error)),
		};
		if length > most {
			return Err(damaged(&format!("{length} bytes, at most {most} are possible")));
		}
		let bytes = fs::read(&self.path).map_err(self.io())?;
		let Some((content, end)) = bytes.split_last_chunk::<32>() else {
			return Err(damaged("too short"));
		};
		if hash(&[content]) != *end {
			return Err(damaged("its hash is wrong"));
		}
		let Some(content) = content.strip_prefix(MAGIC.as_slice()) else {
			return Err(damaged("of another version"));
		};
		let checkpoint = Checkpoint::decode_all(&mut &content[..]).map_err(|_| damaged("not an encoding"))?;
		Ok((checkpoint.identity == *identity).then_some(checkpoint))
	}

	/// Removes the file, if there is one.
	///
	/// # Errors
	/// [`CheckpointError::Io`].
	pub fn remove(&self) -> Result<(), CheckpointError> {
		match fs::remove_file(&self.path) {
			Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io()(error)),
			_ => Ok(()),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn sample() -> Checkpoint {
		Checkpoint {
			identity: Identity {
				workload: [1; 32],
				task: 7,
				attempt: 2,
				seed: [3; 32],
			},
			records: vec![],
			losses: vec![],
			state_before: [4; 32],
			running: vec![9, 8],
			state: vec![vec![1, 2, 3, 4]],
		}
	}

	#[test]
	fn a_checkpoint_should_come_back_only_for_its_own_run() {
		let folder = tempfile::tempdir().unwrap();
		let file = CheckpointFile::new(folder.path(), 7);
		let sample = sample();
		assert_eq!(file.read(&sample.identity, 1 << 20).unwrap(), None);
		file.write(&sample).unwrap();
		assert_eq!(
			file.read(&sample.identity, 1 << 20).unwrap(),
			Some(sample.clone())
		);
		for other in [
			Identity {
				seed: [0; 32],
				..sample.identity.clone()
			},
			Identity {
				attempt: 3,
				..sample.identity.clone()
			},
			Identity {
				workload: [0; 32],
				..sample.identity.clone()
			},
		] {
			assert_eq!(file.read(&other, 1 << 20).unwrap(), None);
		}
		file.remove().unwrap();
		file.remove().unwrap();
		assert_eq!(file.read(&sample.identity, 1 << 20).unwrap(), None);
	}

	#[test]
	fn a_damaged_checkpoint_should_be_refused_with_its_reason() {
		let folder = tempfile::tempdir().unwrap();
		let file = CheckpointFile::new(folder.path(), 7);
		let sample = sample();
		file.write(&sample).unwrap();
		let whole = fs::read(file.path()).unwrap();
		for at in 0..whole.len() {
			let mut bytes = whole.clone();
			bytes[at] ^= 4;
			fs::write(file.path(), bytes).unwrap();
			assert!(
				matches!(
					file.read(&sample.identity, 1 << 20),
					Err(CheckpointError::Damaged { .. })
				),
				"{at}"
			);
		}
		fs::write(file.path(), &whole[..20]).unwrap();
		assert!(file.read(&sample.identity, 1 << 20).is_err());
		fs::write(file.path(), &whole).unwrap();
		assert!(file
			.read(&sample.identity, 10)
			.unwrap_err()
			.to_string()
			.contains("at most 10"));
	}

	#[test]
	fn a_torn_write_should_leave_the_last_checkpoint() {
		let folder = tempfile::tempdir().unwrap();
		let file = CheckpointFile::new(folder.path(), 7);
		let sample = sample();
		file.write(&sample).unwrap();
		fs::write(file.path().with_extension("checkpoint.new"), b"half").unwrap();
		assert_eq!(file.read(&sample.identity, 1 << 20).unwrap(), Some(sample));
	}
}
