// SPDX-License-Identifier: Apache-2.0

//! `cargo xtask setup`: what a fresh machine lacks. Each item is checked first, so that a second run does nothing.

use crate::shell::{self, output, privileged, say, works};
use anyhow::{bail, Context, Result};
use std::{
	fs,
	path::{Path, PathBuf},
	process::Command,
};

/// Name under which rustup knows the distribution's compiler that has the wasm target.
pub const WASM_TOOLCHAIN: &str = "poaiw-wasm";
/// Target of runtimes.
const WASM_TARGET: &str = "wasm32v1-none";
/// What the distribution's way needs. `lld-19` links, `rust-web-src` has the sources of `core` and `alloc`.
const WASM_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// Bring everything that builds and tests need.
pub fn run_quietly_if_done() -> Result<()> {
	if missing().is_empty() {
		return Ok(());
	}
	run_all()
}

/// The command.
pub fn run() -> Result<()> {
	run_all()?;
	say("set-up is complete: `cargo xtask devnet` starts a network, `cargo xtask test` runs all tests");
	Ok(())
}

fn run_all() -> Result<()> {
	compiler()?;
	protobuf()?;
	vulkan()?;
	wasm()
}

fn missing() -> Vec<&'static str> {
	let checks: [(&str, bool); 4] = [
		("C compiler", works("cc", &["--version"])),
		("protobuf compiler", works("protoc", &["--version"])),
		("Vulkan driver", has_vulkan()),
		("wasm target", wasm_way().is_some()),
	];
	checks
		.into_iter()
		.filter(|(_, there)| !there)
		.map(|(name, _)| name)
		.collect()
}

/// A C compiler, for the crates that build C.
fn compiler() -> Result<()> {
	if works("cc", &["--version"]) {
		say("C compiler: there");
		return Ok(());
	}
	install("a C compiler", &["build-essential", "pkg-config"])
}

/// The network layer of the node generates code from protobuf files.
fn protobuf() -> Result<()> {
	if works("protoc", &["--version"]) {
		say("protobuf compiler: there");
		return Ok(());
	}
	install("the protobuf compiler", &["protobuf-compiler"])
}

/// The Vulkan loader, and a software driver so that GPU tests run where no GPU is.
fn vulkan() -> Result<()> {
	if has_vulkan() {
		say("Vulkan loader and a driver: there");
		return Ok(());
	}
	install(
		"the Vulkan loader and a software driver",
		&["libvulkan1", "mesa-vulkan-drivers"],
	)
}

fn has_vulkan() -> bool {
	if !cfg!(target_os = "linux") {
		return true;
	}
	let loader =
		output(Command::new("ldconfig").arg("-p")).is_some_and(|list| list.contains("libvulkan.so.1"));
	loader && lavapipe().is_some()
}

/// Description of Mesa's software Vulkan driver, wherever the distribution puts it.
pub fn lavapipe() -> Option<PathBuf> {
	let folder = Path::new("/usr/share/vulkan/icd.d");
	fs::read_dir(folder)
		.ok()?
		.flatten()
		.map(|entry| entry.path())
		.find(|path| {
			path.file_name().is_some_and(|name| {
				let name = name.to_string_lossy();
				name.starts_with("lvp_icd") && name.ends_with(".json")
			})
		})
}

fn install(what: &str, packages: &[&str]) -> Result<()> {
	if works("apt-get", &["--version"]) {
		say(&format!("{what}: installing {}", packages.join(", ")));
		shell::run(privileged("apt-get").args(["update", "-q"]))?;
		return shell::run(
			privileged("apt-get")
				.args(["install", "-y", "-q", "--no-install-recommends"])
				.args(packages),
		);
	}
	bail!(
		"{what} is missing and this machine has no apt-get; install what your system calls {} and run `cargo xtask setup` again",
		packages.join(", ")
	)
}

/// How runtimes get compiled to wasm here.
pub enum WasmWay {
	/// The default toolchain has the target.
	Default,
	/// The linked toolchain of this name has it.
	Linked(&'static str),
}

/// The way that is ready to use, if there is one.
pub fn wasm_way() -> Option<WasmWay> {
	let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
	if has_target(Path::new(&sysroot)) {
		return Some(WasmWay::Default);
	}
	let sysroot =
		output(Command::new("rustup").args(["run", WASM_TOOLCHAIN, "rustc", "--print", "sysroot"]))?;
	has_target(Path::new(&sysroot)).then_some(WasmWay::Linked(WASM_TOOLCHAIN))
}

fn has_target(sysroot: &Path) -> bool {
	let folder = sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib");
	let Ok(files) = fs::read_dir(folder) else {
		return false;
	};
	files
		.flatten()
		.any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

/// The wasm target: by rustup, or from the distribution's packages where rustup can't download.
fn wasm() -> Result<()> {
	match wasm_way() {
		Some(WasmWay::Default) => {
			say("wasm target: there");
			return Ok(());
		}
		Some(WasmWay::Linked(name)) => {
			say(&format!("wasm target: there, in toolchain {name}"));
			return Ok(());
		}
		None => {}
	}
	say("wasm target: asking rustup");
	let added = Command::new("timeout")
		.args(["120", "rustup", "target", "add", WASM_TARGET])
		.status();
	if added.is_ok_and(|status| status.success()) && wasm_way().is_some() {
		return Ok(());
	}
	if !works("apt-get", &["--version"]) {
		bail!(
			"rustup could not add {WASM_TARGET}, and without apt-get there is no second way; \
			run `rustup target add {WASM_TARGET}` where the network allows it"
		);
	}
	say("rustup could not download it: building it from the distribution's packages");
	install("a compiler with sources", &WASM_PACKAGES)?;
	build_wasm_core()?;
	shell::run(Command::new("rustup").args(["toolchain", "link", WASM_TOOLCHAIN, "/usr"]))?;
	if wasm_way().is_none() {
		bail!("toolchain {WASM_TOOLCHAIN} was linked but has no {WASM_TARGET}; look into /usr/lib/rustlib/{WASM_TARGET}/lib");
	}
	Ok(())
}

/// Build `core`, `alloc` and `compiler_builtins` for the target and place them, and a linker, in the sysroot.
fn build_wasm_core() -> Result<()> {
	let folder = std::env::temp_dir().join(format!("poaiw-wasm-core-{}", std::process::id()));
	fs::create_dir_all(folder.join("src"))?;
	fs::write(
		folder.join("Cargo.toml"),
		"[package]\nname = \"wasm-core\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
	)?;
	fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
	shell::run(
		Command::new("/usr/bin/cargo")
			.current_dir(&folder)
			.args([
				"build",
				"--release",
				"--target",
				WASM_TARGET,
				"-Z",
				"build-std=core,alloc",
			])
			.env_remove("RUSTUP_TOOLCHAIN")
			.env("RUSTC", "/usr/bin/rustc")
			.env("RUSTC_BOOTSTRAP", "1")
			// Without bitcode the link-time optimisation of runtimes does not find its section.
			.env("RUSTFLAGS", "-C embed-bitcode=yes")
			.env("CARGO_TARGET_DIR", folder.join("target")),
	)?;
	let built = folder.join("target").join(WASM_TARGET).join("release/deps");
	let sysroot = output(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))
		.context("/usr/bin/rustc does not run")?;
	let rustlib = Path::new(&sysroot).join("lib/rustlib");
	let libraries = rustlib.join(WASM_TARGET).join("lib");
	shell::run(privileged("mkdir").arg("-p").arg(&libraries))?;
	for file in fs::read_dir(&built)?.flatten() {
		let name = file.file_name().to_string_lossy().to_string();
		let wanted = ["libcore-", "liballoc-", "libcompiler_builtins-"]
			.iter()
			.any(|start| name.starts_with(start));
		if wanted && name.ends_with(".rlib") {
			shell::run(privileged("cp").arg(file.path()).arg(&libraries))?;
		}
	}
	let host = rustlib
		.join(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
		.join("bin");
	shell::run(privileged("mkdir").arg("-p").arg(&host))?;
	shell::run(
		privileged("ln")
			.args(["-sf", "/usr/bin/lld-19"])
			.arg(host.join("rust-lld")),
	)?;
	fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))
}
