// SPDX-License-Identifier: Apache-2.0

//! Genesis presets.
//!
//! | preset | who |
//! |---|---|
//! | `development` | one node does everything: Alice seals, votes on finality and verifies; Bob and Charlie work |
//! | `local_testnet` | Alice, Bob and Charlie verify and vote on finality; Dave and Eve work |
//!
//! Both have short times and a target that one thread of a CPU, or a software GPU, meets every few seconds. Another
//! network is another preset: copy one, change it, and give it a name in [`get_preset`].

use crate::{
	AccountId, BalancesConfig, DifficultyConfig, RuntimeGenesisConfig, SessionConfig, SessionKeys,
	SudoConfig, TokenEconomicsConfig, WorkerRegistryConfig, UNIT,
};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use pallet_token_economics::Parameters;
use pallet_worker_registry::InitialRegistration;
use poaiw_primitives::{worker::Roles, Hash, U256};
use poaiw_work::profile::WorkProfile;
use polkadot_sdk::*;
use serde_json::Value;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// Time between blocks of the presets, in ms.
const BLOCK_MS: u64 = 3_000;
/// Being late by so many blocks doubles the target.
const HALF_LIFE_BLOCKS: u64 = 30;
/// Blocks of an epoch.
const EPOCH_BLOCKS: u32 = 20;
/// Expected MACs of the first block: what one CPU thread does in a few seconds.
const INITIAL_BLOCK_MACS: u64 = 3_000_000_000;
/// What every well-known account has.
const ENDOWMENT: u128 = 1_000_000 * UNIT;
/// Bonds: far above the minimum, so that a development chain takes tasks of any size.
const WORKER_BOND: u128 = 20_000 * UNIT;
const VERIFIER_BOND: u128 = 20_000 * UNIT;
/// Device memory that the workers declare, in MiB.
const MEMORY_MIB: u32 = 4_096;

const WORKER: Roles = Roles {
	worker: true,
	verifier: false,
};
const VERIFIER: Roles = Roles {
	worker: false,
	verifier: true,
};

/// A verifier with a vote on finality.
fn authority(sr25519: Sr25519Keyring, ed25519: Ed25519Keyring) -> (AccountId, AccountId, SessionKeys) {
	let account = sr25519.to_account_id();
	(
		account.clone(),
		account,
		SessionKeys {
			grandpa: ed25519.public().into(),
		},
	)
}

fn registration(key: Sr25519Keyring, roles: Roles, bond: u128) -> InitialRegistration {
	InitialRegistration {
		account: key.to_account_id(),
		reporter: key.public().into(),
		roles,
		bond,
		memory_mib: if roles.worker { MEMORY_MIB } else { 0 },
	}
}

fn worker(key: Sr25519Keyring) -> InitialRegistration {
	registration(key, WORKER, WORKER_BOND)
}

fn verifier(key: Sr25519Keyring) -> InitialRegistration {
	registration(key, VERIFIER, VERIFIER_BOND)
}

/// A test network with these people.
fn testnet(
	root: AccountId,
	authorities: Vec<(AccountId, AccountId, SessionKeys)>,
	registrations: Vec<InitialRegistration>,
	seed: &[u8],
) -> Value {
	let balances = Sr25519Keyring::well_known()
		.map(|key| (key.to_account_id(), ENDOWMENT))
		.collect::<Vec<_>>();
	let year_ms = 31_557_600_000u64;
	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig { balances },
		session: SessionConfig { keys: authorities },
		sudo: SudoConfig { key: Some(root) },
		difficulty: DifficultyConfig {
			initial_target: U256::MAX / INITIAL_BLOCK_MACS,
			block_ms: BLOCK_MS,
			half_life_ms: HALF_LIFE_BLOCKS * BLOCK_MS,
			epoch_blocks: EPOCH_BLOCKS,
			epoch_seed: Hash::from(sp_io::hashing::blake2_256(seed)),
			profile: WorkProfile::dev(),
		},
		worker_registry: WorkerRegistryConfig { registrations },
		token_economics: TokenEconomicsConfig {
			parameters: Parameters {
				blocks_per_year: (year_ms / BLOCK_MS) as u32,
				..Parameters::default()
			}
		},
	})
}

/// One node that does everything.
fn development() -> Value {
	use Sr25519Keyring::{Alice, Bob, Charlie};
	testnet(
		Alice.to_account_id(),
		vec![authority(Alice, Ed25519Keyring::Alice)],
		vec![verifier(Alice), worker(Bob), worker(Charlie)],
		b"PoAIW development",
	)
}

/// Three verifiers, two workers.
fn local_testnet() -> Value {
	use Sr25519Keyring::{Alice, Bob, Charlie, Dave, Eve};
	testnet(
		Alice.to_account_id(),
		vec![
			authority(Alice, Ed25519Keyring::Alice),
			authority(Bob, Ed25519Keyring::Bob),
			authority(Charlie, Ed25519Keyring::Charlie),
		],
		vec![
			verifier(Alice),
			verifier(Bob),
			verifier(Charlie),
			worker(Dave),
			worker(Eve),
		],
		b"PoAIW local testnet",
	)
}

/// The JSON of a preset.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let preset = match id.as_ref() {
		DEV_RUNTIME_PRESET => development(),
		LOCAL_TESTNET_RUNTIME_PRESET => local_testnet(),
		_ => return None,
	};
	serde_json::to_vec(&preset).ok()
}

/// Names of the presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![
		PresetId::from(DEV_RUNTIME_PRESET),
		PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET),
	]
}
