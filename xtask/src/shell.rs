// SPDX-License-Identifier: Apache-2.0

//! Running other programs: every command is shown before it runs, and a failure names it.

use anyhow::{bail, Context, Result};
use std::{
	path::{Path, PathBuf},
	process::{Command, Stdio},
};

/// Folder of the workspace.
pub fn root() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR"))
		.parent()
		.map(Path::to_path_buf)
		.unwrap_or_default()
}

/// One line about what happens now.
pub fn say(what: &str) {
	eprintln!("\x1b[1;32m==>\x1b[0m {what}");
}

/// Show and run; an exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
	say(&show(command));
	let status = command
		.status()
		.with_context(|| format!("could not start {}", show(command)))?;
	if !status.success() {
		bail!("{} ended with {status}", show(command));
	}
	Ok(())
}

/// Run silently; its standard output if it succeeds.
pub fn output(command: &mut Command) -> Option<String> {
	let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
	output
		.status
		.success()
		.then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Whether the program runs and succeeds.
pub fn works(program: &str, args: &[&str]) -> bool {
	output(Command::new(program).args(args)).is_some()
}

/// A command as a person would type it.
pub fn show(command: &Command) -> String {
	let mut text = String::new();
	for (key, value) in command.get_envs() {
		if let Some(value) = value {
			text += &format!("{}={} ", key.to_string_lossy(), value.to_string_lossy());
		}
	}
	text += &command.get_program().to_string_lossy();
	for arg in command.get_args() {
		let arg = arg.to_string_lossy();
		text += &if arg.contains(' ') {
			format!(" '{arg}'")
		} else {
			format!(" {arg}")
		};
	}
	text
}

/// A command with administrator's rights: as it is for root, with sudo otherwise.
pub fn privileged(program: &str) -> Command {
	let is_root = output(Command::new("id").arg("-u")).as_deref() == Some("0");
	if is_root {
		Command::new(program)
	} else {
		let mut command = Command::new("sudo");
		command.arg(program);
		command
	}
}
