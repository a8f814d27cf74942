// SPDX-License-Identifier: Apache-2.0

//! One child process with its log file: started, asked to stop, killed, and never left behind.

use anyhow::{bail, Context, Result};
use std::{
	fs::{self, File, OpenOptions},
	path::{Path, PathBuf},
	process::{Child, Command, ExitStatus, Stdio},
	time::{Duration, Instant},
};

/// A running program. Dropping it kills it.
pub struct Process {
	name: String,
	child: Child,
	log: PathBuf,
}

impl Process {
	/// Start `command`; both of its outputs are appended to `folder/NAME.log`.
	pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
		fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
		let log = folder.join(format!("{name}.log"));
		let open = || -> Result<File> {
			OpenOptions::new()
				.create(true)
				.append(true)
				.open(&log)
				.with_context(|| format!("could not write {}", log.display()))
		};
		let child = command
			.stdin(Stdio::null())
			.stdout(open()?)
			.stderr(open()?)
			.spawn()
			.with_context(|| {
				format!(
					"could not start {name} ({:?}); is it built?",
					command.get_program()
				)
			})?;
		Ok(Self {
			name: name.into(),
			child,
			log,
		})
	}

	/// Where its output goes.
	pub fn log(&self) -> &Path {
		&self.log
	}

	/// Error with the end of the log if the process has ended.
	pub fn check(&mut self) -> Result<()> {
		match self.child.try_wait()? {
			None => Ok(()),
			Some(status) => bail!(
				"{} ended unexpectedly with {status}; the end of {}:\n{}",
				self.name,
				self.log.display(),
				self.tail(15)
			),
		}
	}

	/// The last lines of its log.
	pub fn tail(&self, lines: usize) -> String {
		let text = fs::read(&self.log)
			.map(|bytes| String::from_utf8_lossy(&bytes).to_string())
			.unwrap_or_default();
		let all: Vec<&str> = text.lines().collect();
		all.get(all.len().saturating_sub(lines)..)
			.unwrap_or_default()
			.join("\n")
	}

	/// End it at once, as a crash would (SIGKILL).
	pub fn kill(mut self) -> Result<()> {
		self.child.kill()?;
		self.child.wait()?;
		Ok(())
	}

	/// Ask it to stop (SIGINT), as Ctrl-C would; kill it if it has not ended after `patience`.
	pub fn stop(mut self, patience: Duration) -> Result<ExitStatus> {
		let asked = Command::new("kill")
			.args(["-INT", &self.child.id().to_string()])
			.status();
		let until = Instant::now() + patience;
		while asked.is_ok() && Instant::now() < until {
			if let Some(status) = self.child.try_wait()? {
				return Ok(status);
			}
			std::thread::sleep(Duration::from_millis(50));
		}
		self.child.kill()?;
		let status = self.child.wait()?;
		eprintln!(
			"{} did not stop within {} s and was killed",
			self.name,
			patience.as_secs()
		);
		Ok(status)
	}
}

impl Drop for Process {
	fn drop(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}
