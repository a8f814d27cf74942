// SPDX-License-Identifier: Apache-2.0

//! What `substrate-wasm-builder` asks of the crate `wasm-opt`: modules without debug information and without
//! instructions that the first version of WebAssembly does not have.
//!
//! The original compiles Binaryen, which takes a fifth of the time of a whole first build, and is asked for nothing that
//! optimises. Debug information lies in sections of its own, which are left out here; instructions of later versions
//! are not emitted for `wasm32v1-none`, the only target of our runtimes, and a module that has some is refused, where the
//! original would rewrite them.

use std::{fmt, fs, io, path::Path};
use wasmparser::{BinaryReaderError, Parser, Payload, Validator, WasmFeatures};

/// Names of sections with debug information start with this.
const DWARF: &str = ".debug_";
/// Bytes before the first section.
const HEADER: usize = 8;

/// A pass over a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
	/// Leaves out debug information.
	StripDwarf,
	/// Demands that there are no sign extensions: nothing is lowered, see [`OptimizationOptions::run`].
	SignextLowering,
}

/// Why a module was not written.
#[derive(Debug)]
pub enum OptimizationError {
	/// A file can't be read or written.
	File(io::Error),
	/// It is no module of the first version of WebAssembly.
	Module(BinaryReaderError),
}

impl fmt::Display for OptimizationError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::File(error) => write!(f, "the module can't be read or written: {error}"),
			Self::Module(error) => write!(
				f,
				"no module of the first version of WebAssembly: {error}; build the runtime for wasm32v1-none"
			),
		}
	}
}

impl std::error::Error for OptimizationError {}

/// What is done to a module.
#[derive(Clone, Debug, Default)]
pub struct OptimizationOptions {
	passes: Vec<Pass>,
}

impl OptimizationOptions {
	/// Nothing.
	pub fn new_opt_level_0() -> Self {
		Self::default()
	}

	/// No instruction may be of a later version: always so here.
	pub fn mvp_features_only(&mut self) -> &mut Self {
		self
	}

	/// Whether names are kept: always so here.
	pub fn debug_info(&mut self, _keep: bool) -> &mut Self {
		self
	}

	/// Adds a pass.
	pub fn add_pass(&mut self, pass: Pass) -> &mut Self {
		self.passes.push(pass);
		self
	}

	/// Checks the module in a file and writes what the passes leave of it to another one, or the same.
	///
	/// # Errors
	/// If a file can't be read or written, or the module is not valid in the first version of WebAssembly with imported
	/// and exported globals that change.
	pub fn run(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), OptimizationError> {
		let module = fs::read(from).map_err(OptimizationError::File)?;
		let module = self.apply(&module).map_err(OptimizationError::Module)?;
		fs::write(to, module).map_err(OptimizationError::File)
	}

	fn apply(&self, module: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
		Validator::new_with_features(WasmFeatures::WASM1).validate_all(module)?;
		let strip = self.passes.contains(&Pass::StripDwarf);
		let mut out = Vec::with_capacity(module.len());
		out.extend_from_slice(&module[..HEADER]);
		for payload in Parser::new(0).parse_all(module) {
			let payload = payload?;
			let dwarf = matches!(&payload, Payload::CustomSection(s) if s.name().starts_with(DWARF));
			let Some((kind, range)) = payload.as_section() else {
				continue;
			};
			if !(strip && dwarf) {
				let content = &module[range];
				out.push(kind);
				put_number(&mut out, content.len());
				out.extend_from_slice(content);
			}
		}
		Ok(out)
	}
}

/// Writes a number in LEB128.
fn put_number(out: &mut Vec<u8>, mut value: usize) {
	while value > 0x7f {
		out.push(value as u8 | 0x80);
		value >>= 7;
	}
	out.push(value as u8);
}

#[cfg(test)]
mod tests {
	use super::*;
	use wasm_encoder::{
		CodeSection, CustomSection, Encode, Function, FunctionSection, Instruction, Module, TypeSection,
		ValType,
	};

	/// A module with a function, and these sections behind it.
	fn module(body: &[Instruction<'_>], custom: &[&str]) -> Vec<u8> {
		let mut types = TypeSection::new();
		types.ty().function([ValType::I32], [ValType::I32]);
		let mut functions = FunctionSection::new();
		functions.function(0);
		let mut function = Function::new([]);
		for instruction in body {
			function.instruction(instruction);
		}
		let mut code = CodeSection::new();
		code.function(&function);
		let mut module = Module::new();
		module.section(&types).section(&functions).section(&code);
		for name in custom {
			module.section(&CustomSection {
				name: (*name).into(),
				data: (&[7u8; 300]).into(),
			});
		}
		module.finish()
	}

	const BODY: [Instruction<'static>; 2] = [Instruction::LocalGet(0), Instruction::End];

	fn apply(module: &[u8], passes: &[Pass]) -> Result<Vec<u8>, BinaryReaderError> {
		let mut options = OptimizationOptions::new_opt_level_0();
		for pass in passes {
			options.mvp_features_only().debug_info(true).add_pass(*pass);
		}
		options.apply(module)
	}

	#[test]
	fn only_debug_sections_should_be_left_out() {
		let all = module(&BODY, &[".debug_info", "name", "runtime_version", ".debug_line"]);
		let without = module(&BODY, &["name", "runtime_version"]);
		let passes = [Pass::StripDwarf, Pass::SignextLowering];
		assert_eq!(apply(&all, &passes).unwrap(), without);
		assert_eq!(apply(&all, &[Pass::SignextLowering]).unwrap(), all);
		assert_eq!(apply(&without, &passes).unwrap(), without);
	}

	#[test]
	fn sizes_of_more_bytes_than_needed_should_be_read() {
		let plain = module(&BODY, &[]);
		// A section of one name byte and no content, its size in five bytes.
		let padded = [&plain[..], &[0, 0x82, 0x80, 0x80, 0x80, 0x00, 1, b'x']].concat();
		let mut expected = plain.clone();
		expected.push(0);
		2usize.encode(&mut expected);
		expected.extend([1, b'x']);
		assert_eq!(apply(&padded, &[Pass::StripDwarf]).unwrap(), expected);
	}

	#[test]
	fn instructions_of_later_versions_should_be_refused() {
		let body = [
			Instruction::LocalGet(0),
			Instruction::I32Extend8S,
			Instruction::End,
		];
		let error = apply(&module(&body, &[]), &[Pass::SignextLowering]).unwrap_err();
		let error = OptimizationError::Module(error).to_string();
		assert!(
			error.contains("sign extension") && error.contains("wasm32v1-none"),
			"{error}"
		);
		assert!(apply(&module(&BODY, &[])[..20], &[]).is_err());
		assert!(apply(b"no module", &[]).is_err());
	}

	#[test]
	fn files_should_be_read_and_written_and_their_absence_named() {
		let folder = std::env::temp_dir().join(format!("poaiw-wasm-opt-{}", std::process::id()));
		fs::create_dir_all(&folder).unwrap();
		let (from, to) = (folder.join("from.wasm"), folder.join("to.wasm"));
		let options = OptimizationOptions::new_opt_level_0();
		assert!(matches!(options.run(&from, &to), Err(OptimizationError::File(_))));
		fs::write(&from, module(&BODY, &["name"])).unwrap();
		options.run(&from, &to).unwrap();
		assert_eq!(fs::read(&to).unwrap(), fs::read(&from).unwrap());
		fs::remove_dir_all(folder).unwrap();
	}
}
