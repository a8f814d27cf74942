// SPDX-License-Identifier: Apache-2.0

//! Who signs transactions: a well-known development account or a key file that only its owner can read.

use crate::error::{Error, Result};
use poaiw_primitives::{AccountId, Signature};
use polkadot_sdk::{
	sp_core::{
		crypto::{Ss58AddressFormat, Ss58Codec},
		sr25519, Pair,
	},
	sp_runtime::traits::{IdentifyAccount, Verify},
};
use std::{fs, io::Write, path::Path};

/// Most bytes of a key file that are read.
const MAX_KEY_FILE: u64 = 4096;

/// An sr25519 key pair and its account.
#[derive(Clone)]
pub struct Signer {
	pair: sr25519::Pair,
	account: AccountId,
}

impl core::fmt::Debug for Signer {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		// Never the pair: debug output ends in logs.
		f.debug_struct("Signer").field("account", &self.account).finish()
	}
}

impl Signer {
	/// A development account by its path, such as `//Alice`. Everybody knows these keys.
	///
	/// # Errors
	/// If it is no such path. Other secrets are refused, since command lines are visible to every user of a machine.
	pub fn development(path: &str) -> Result<Self> {
		if !path.starts_with("//") {
			return Err(Error::Signer {
				reason: format!("`{}` is no development account", path.chars().take(8).collect::<String>() + "…"),
				next: "use a path such as //Ferdie; a secret belongs in a file: `poaiw account new --key-file FILE`".into(),
			});
		}
		Self::from_secret(path)
	}

	/// The key in a file: one line with a mnemonic, a hexadecimal seed, or either with a derivation path.
	///
	/// # Errors
	/// If the file can't be read, others than its owner may read it, or it holds no secret.
	pub fn from_key_file(path: &Path) -> Result<Self> {
		let fail = |source| Error::File {
			path: path.into(),
			source,
			next: "make a key with `poaiw account new --key-file FILE`, or name an existing one",
		};
		let meta = fs::metadata(path).map_err(fail)?;
		check_private(path, &meta)?;
		if meta.len() > MAX_KEY_FILE {
			return Err(Error::Signer {
				reason: format!(
					"{} has {} bytes: a key file has one line",
					path.display(),
					meta.len()
				),
				next: "name the file that holds the mnemonic or seed".into(),
			});
		}
		let text = fs::read_to_string(path).map_err(fail)?;
		Self::from_secret(text.trim())
	}

	/// The key of a secret: mnemonic, `0x` seed, or derivation path.
	///
	/// # Errors
	/// If it is none of them. The message does not repeat the secret.
	pub fn from_secret(secret: &str) -> Result<Self> {
		let pair = sr25519::Pair::from_string(secret, None).map_err(|error| Error::Signer {
			reason: format!("not a usable secret: {error:?}"),
			next: "give a mnemonic of 12 to 24 words, a seed of 0x and 64 digits, or a path such as //Ferdie"
				.into(),
		})?;
		let account = <Signature as Verify>::Signer::from(pair.public()).into_account();
		Ok(Self { pair, account })
	}

	/// Makes a new key and writes its mnemonic to `path`, readable by its owner only. Never overwrites a file.
	///
	/// # Errors
	/// If the file exists or can't be written.
	pub fn create_key_file(path: &Path) -> Result<Self> {
		let (_, phrase, _) = sr25519::Pair::generate_with_phrase(None);
		let mut options = fs::OpenOptions::new();
		options.write(true).create_new(true);
		#[cfg(unix)]
		std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
		let fail = |source| {
			Error::File {
			path: path.into(),
			source,
			next: "choose a new file name in a folder that you may write to (an existing key is never overwritten)",
		}
		};
		let mut file = options.open(path).map_err(fail)?;
		file.write_all(format!("{phrase}\n").as_bytes())
			.and_then(|_| file.sync_all())
			.map_err(fail)?;
		Self::from_secret(&phrase)
	}

	/// The account that pays.
	pub fn account(&self) -> &AccountId {
		&self.account
	}

	/// Signs the payload of a transaction.
	pub fn sign(&self, payload: &[u8]) -> Signature {
		Signature::Sr25519(self.pair.sign(payload))
	}
}

#[cfg(unix)]
fn check_private(path: &Path, meta: &fs::Metadata) -> Result<()> {
	let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
	if mode & 0o077 != 0 {
		return Err(Error::Signer {
			reason: format!(
				"{} has mode {mode:04o}: other users can read this secret",
				path.display()
			),
			next: format!("run `chmod 600 {}`", path.display()),
		});
	}
	Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &fs::Metadata) -> Result<()> {
	Ok(())
}

/// An account as people write it.
pub fn address(account: &AccountId, prefix: u16) -> String {
	account.to_ss58check_with_version(Ss58AddressFormat::custom(prefix))
}

/// Reads an address of any network (an account is the same key everywhere), `0x` and 64 digits, or a development path.
///
/// # Errors
/// If it is none of them.
pub fn parse_account(text: &str) -> Result<AccountId> {
	if text.starts_with("//") {
		return Ok(Signer::development(text)?.account().clone());
	}
	let wrong = |reason: String| Error::Argument {
		argument: "account",
		reason: format!(
			"`{text}` is no account ({reason}): give an address, 0x and 64 digits, or a path such as //Bob"
		),
	};
	if let Some(digits) = text.strip_prefix("0x") {
		let mut raw = [0; 32];
		hex::decode_to_slice(digits, &mut raw).map_err(|error| wrong(error.to_string()))?;
		return Ok(raw.into());
	}
	AccountId::from_ss58check_with_version(text)
		.map(|(account, _)| account)
		.map_err(|error| wrong(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn development_should_give_the_well_known_account() {
		let signer = Signer::development("//Alice").unwrap();
		assert_eq!(
			address(signer.account(), 42),
			"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
		);
		assert_eq!(
			&parse_account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY").unwrap(),
			signer.account()
		);
		let payload = b"payload";
		assert!(signer.sign(payload).verify(&payload[..], signer.account()));
	}

	#[test]
	fn development_should_refuse_a_mnemonic_without_repeating_it() {
		let secret = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
		let error = Signer::development(secret).unwrap_err().to_string();
		assert!(!error.contains("drive"), "{error}");
		assert!(error.contains("--key-file"), "{error}");
	}

	#[test]
	fn create_key_file_should_be_private_and_never_overwrite() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		let made = Signer::create_key_file(&path).unwrap();
		assert_eq!(Signer::from_key_file(&path).unwrap().account(), made.account());
		assert!(matches!(Signer::create_key_file(&path), Err(Error::File { .. })));
		assert_eq!(Signer::from_key_file(&path).unwrap().account(), made.account());
	}

	#[cfg(unix)]
	#[test]
	fn from_key_file_should_refuse_a_file_that_others_can_read() {
		use std::os::unix::fs::PermissionsExt;
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		Signer::create_key_file(&path).unwrap();
		fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
		let error = Signer::from_key_file(&path).unwrap_err().to_string();
		assert!(
			error.contains("mode 0644") && error.contains("chmod 600"),
			"{error}"
		);
	}

	#[test]
	fn from_key_file_should_refuse_what_is_no_secret() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		Signer::create_key_file(&path).unwrap();
		fs::write(&path, "correct horse battery staple").unwrap();
		assert!(Signer::from_key_file(&path)
			.unwrap_err()
			.to_string()
			.contains("not a usable secret"));
	}

	#[test]
	fn parse_account_should_refuse_a_mistyped_address() {
		let error = parse_account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ")
			.unwrap_err()
			.to_string();
		assert!(error.contains("is no account"), "{error}");
		assert!(parse_account("0x12").is_err());
	}
}
