// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Well-known keys of development chains.

use poaiw_primitives::app::{ReporterPair, KEY_TYPE};
use polkadot_sdk::*;
use sc_service::ChainType;
use sp_core::{ByteArray, Pair};
use sp_keystore::{Keystore, KeystorePtr};

/// Names whose reporter keys a development node holds, so that workers of all of them can report through it.
pub const DEV_REPORTERS: [&str; 4] = ["//Alice", "//Bob", "//Charlie", "//Dave"];

/// Puts the reporter keys into the keystore that belong to this kind of chain: all of [`DEV_REPORTERS`] on a development
/// chain, the one of `--alice` and so on (`seed`) on a local one, none elsewhere.
///
/// # Errors
/// If the keystore can't be written.
pub fn insert_reporters(keystore: &KeystorePtr, chain: &ChainType, seed: Option<&str>) -> Result<(), String> {
	let seeds: Vec<&str> = match chain {
		ChainType::Development => DEV_REPORTERS.to_vec(),
		ChainType::Local => seed.into_iter().collect(),
		_ => Vec::new(),
	};
	for seed in seeds {
		let pair =
			ReporterPair::from_string(seed, None).map_err(|e| format!("reporter key {seed}: {e:?}"))?;
		keystore
			.insert(KEY_TYPE, seed, pair.public().as_slice())
			.map_err(|()| format!("can't write the reporter key {seed} into the keystore"))?;
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_keystore::testing::MemoryKeystore;
	use std::sync::Arc;

	fn held(chain: ChainType, seed: Option<&str>) -> usize {
		let keystore: KeystorePtr = Arc::new(MemoryKeystore::new());
		insert_reporters(&keystore, &chain, seed).unwrap();
		keystore.sr25519_public_keys(KEY_TYPE).len()
	}

	#[test]
	fn keys_should_be_inserted_on_development_chains_only() {
		assert_eq!(held(ChainType::Development, None), DEV_REPORTERS.len());
		assert_eq!(held(ChainType::Local, Some("//Bob")), 1);
		assert_eq!(held(ChainType::Local, None), 0);
		assert_eq!(held(ChainType::Live, Some("//Bob")), 0);
	}
}
