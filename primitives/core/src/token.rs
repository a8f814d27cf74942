// SPDX-License-Identifier: Apache-2.0

//! The secret that lets a worker on another machine use a node: how it is kept in a file and sent. For host programs.

use std::{fmt, fs::File, io::Read, path::Path, string::String};

/// Fewest characters of a token: 32 hex digits are 128 bits.
pub const MIN_CHARS: usize = 32;
/// Most bytes of a token file.
pub const MAX_FILE: u64 = 1_024;

/// A bearer token. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str("Token(…)")
	}
}

impl Token {
	/// Reads a token from a file that only its owner may read.
	///
	/// # Errors
	/// In words, with what to do.
	pub fn read(path: &Path) -> Result<Self, String> {
		let shown = path.display();
		let make = format!("make one with `(umask 077; openssl rand -hex 32 > {shown})`");
		let mut file =
			File::open(path).map_err(|e| format!("the token file {shown} can't be read: {e}; {make}"))?;
		let about = file
			.metadata()
			.map_err(|e| format!("the token file {shown} can't be read: {e}; {make}"))?;
		if !about.is_file() {
			return Err(format!("the token file {shown} is not a file; {make}"));
		}
		private(&about, path)?;
		let mut text = String::new();
		// One more than is allowed, so that a longer file shows.
		let read = Read::by_ref(&mut file)
			.take(MAX_FILE.saturating_add(1))
			.read_to_string(&mut text)
			.map_err(|e| format!("the token file {shown} can't be read as text: {e}; {make}"))?;
		if read as u64 > MAX_FILE {
			return Err(format!(
				"the token file {shown} has more than {MAX_FILE} bytes: it must hold one token and nothing else; {make}"
			));
		}
		Self::parse(text.trim_end_matches(['\r', '\n']))
			.map_err(|e| format!("the token file {shown} can't be used: {e}; {make}"))
	}

	/// A token from its text.
	///
	/// # Errors
	/// If it is too short, or has characters that can't be sent in a header.
	pub fn parse(text: &str) -> Result<Self, String> {
		if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
			return Err(format!(
				"a token is one word of visible ASCII characters, {bad:?} is none"
			));
		}
		if text.len() < MIN_CHARS {
			return Err(format!(
				"the token has {} characters, at least {MIN_CHARS} are needed",
				text.len()
			));
		}
		Ok(Self(text.into()))
	}

	/// The secret itself.
	pub fn secret(&self) -> &str {
		&self.0
	}

	/// Value of the `Authorization` header that carries it.
	pub fn header(&self) -> String {
		format!("Bearer {}", self.0)
	}

	/// The secret in an `Authorization` header; none if the header has another scheme.
	pub fn offered(header: &[u8]) -> Option<&[u8]> {
		let (scheme, rest) = header.split_at_checked("bearer ".len())?;
		scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
	}
}

#[cfg(unix)]
fn private(about: &std::fs::Metadata, path: &Path) -> Result<(), String> {
	use std::os::unix::fs::PermissionsExt;
	let mode = about.permissions().mode() & 0o777;
	if mode & 0o077 != 0 {
		let shown = path.display();
		return Err(format!(
			"the token file {shown} is open to other users of this machine (mode {mode:03o}): run `chmod 600 {shown}`"
		));
	}
	Ok(())
}

#[cfg(not(unix))]
fn private(_: &std::fs::Metadata, _: &Path) -> Result<(), String> {
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn token_should_be_taken_when_it_is_long_and_visible() {
		let text = "0123456789abcdef0123456789abcdef";
		let token = Token::parse(text).unwrap();
		assert_eq!(token.header(), format!("Bearer {text}"));
		assert_eq!(Token::offered(token.header().as_bytes()), Some(text.as_bytes()));
		assert!(!format!("{token:?}").contains(text));
	}

	#[test]
	fn token_should_be_refused_when_it_is_short_or_has_other_characters() {
		assert!(Token::parse(&"a".repeat(MIN_CHARS - 1))
			.unwrap_err()
			.contains("31 characters"));
		for bad in [" ", "\n", "ä", "\u{7f}"] {
			assert!(
				Token::parse(&format!("{}{bad}", "a".repeat(40))).is_err(),
				"{bad:?}"
			);
		}
	}

	#[test]
	fn header_should_offer_nothing_when_its_scheme_is_another() {
		for header in ["", "Bearer", "Basic abc", "Bearerabc", "B\u{e9}arer abc"] {
			assert_eq!(Token::offered(header.as_bytes()), None, "{header}");
		}
		assert_eq!(Token::offered(b"bEARER  abc "), Some(&b"abc"[..]));
	}
}
