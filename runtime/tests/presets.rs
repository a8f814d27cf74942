// SPDX-License-Identifier: Apache-2.0

//! Every genesis preset builds, and the chain that it makes can start.

use codec::Encode;
use poaiw_primitives::traits::Registry;
use poaiw_runtime::{
	configs, genesis_config_presets as presets, session::BondedVerifiers, AccountId, Difficulty, Grandpa,
	Runtime, RuntimeGenesisConfig, Session, TokenEconomics, UncheckedExtrinsic, WorkerRegistry, UNIT,
};
use polkadot_sdk::*;
use serde_json::Value;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};

/// Lays a patch over a whole configuration, as chain specifications do.
fn merge(base: &mut Value, patch: Value) {
	match (base, patch) {
		(Value::Object(base), Value::Object(patch)) => {
			for (key, value) in patch {
				merge(base.entry(key).or_insert(Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

/// The state that a preset makes.
fn chain(name: &str) -> sp_io::TestExternalities {
	let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).expect("presets are JSON");
	let mut config = json(
		frame_support::genesis_builder_helper::get_preset::<RuntimeGenesisConfig>(&None, |_| None)
			.expect("there is a default"),
	);
	merge(
		&mut config,
		json(presets::get_preset(&name.into()).expect("the preset exists")),
	);
	let mut state = sp_io::TestExternalities::default();
	state.execute_with(|| {
		let bytes = serde_json::to_vec(&config).expect("JSON");
		frame_support::genesis_builder_helper::build_state::<RuntimeGenesisConfig>(bytes)
			.expect("the preset builds");
	});
	state
}

fn names() -> Vec<String> {
	presets::preset_names()
		.iter()
		.map(|name| name.to_string())
		.collect()
}

#[test]
fn every_preset_should_build_a_state_whose_invariants_hold() {
	assert_eq!(names(), ["development", "local_testnet"]);
	for name in names() {
		chain(&name).execute_with(|| {
			let supply = TokenEconomics::supply();
			assert_eq!(
				(supply.genesis, supply.minted, supply.burned()),
				(supply.issuance, 0, Some(0)),
				"{name}"
			);
			assert!(
				supply.is_balanced() && supply.issuance > 1_000_000 * UNIT,
				"{name}: {supply:?}"
			);
			assert!(
				Difficulty::block_work() > 1_000_000.into(),
				"{name}: a block must cost work"
			);
			assert!(Difficulty::profile().validate().is_ok(), "{name}");
			assert!(
				WorkerRegistry::workers() >= 2,
				"{name}: a rejected task needs another worker"
			);
			assert!(pallet_sudo::Key::<Runtime>::get().is_some(), "{name}");
		});
	}
}

#[test]
fn authorities_should_be_bonded_verifiers_with_a_vote_on_finality() {
	for name in names() {
		chain(&name).execute_with(|| {
			let authorities = Session::validators();
			assert!(!authorities.is_empty(), "{name}");
			assert_eq!(Grandpa::grandpa_authorities().len(), authorities.len(), "{name}");
			for authority in &authorities {
				assert!(
					WorkerRegistry::is_verifier(authority),
					"{name}: {authority} is no bonded verifier"
				);
			}
			let elected = <BondedVerifiers as pallet_session::SessionManager<AccountId>>::new_session(2);
			let mut elected = elected.expect("somebody is elected");
			elected.sort();
			let mut expected = authorities;
			expected.sort();
			assert_eq!(
				elected, expected,
				"{name}: the first election must give the authorities of genesis"
			);
		});
	}
}

#[test]
fn election_should_leave_out_who_has_no_session_keys_or_no_bond() {
	chain("local_testnet").execute_with(|| {
		let elect = || {
			<BondedVerifiers as pallet_session::SessionManager<AccountId>>::new_session(2).unwrap_or_default()
		};
		assert_eq!(elect().len(), 3);
		pallet_session::NextKeys::<Runtime>::remove(Bob.to_account_id());
		let elected = elect();
		assert_eq!(elected.len(), 2);
		assert!(!elected.contains(&Bob.to_account_id()));
		pallet_session::NextKeys::<Runtime>::remove(Alice.to_account_id());
		pallet_session::NextKeys::<Runtime>::remove(Charlie.to_account_id());
		// Nobody is left: the present set stays, instead of an empty one.
		assert_eq!(
			<BondedVerifiers as pallet_session::SessionManager<AccountId>>::new_session(2),
			None
		);
	});
}

#[test]
fn unknown_preset_should_be_none() {
	assert_eq!(presets::get_preset(&"nowhere".into()), None);
}

#[test]
fn header_limit_should_leave_room_for_the_largest_seal() {
	let limit = configs::RuntimeBlockLength::get().max_header_size() as usize;
	assert!(limit > poaiw_work::MAX_SEAL_BYTES + 1024, "{limit}");
}

#[test]
fn encoded_authorised_transaction_should_be_small_and_decode() {
	use frame_system::offchain::CreateAuthorizedTransaction;
	let call: poaiw_runtime::RuntimeCall = frame_system::Call::remark { remark: vec![] }.into();
	let transaction =
		<Runtime as CreateAuthorizedTransaction<frame_system::Call<Runtime>>>::create_authorized_transaction(
			call,
		);
	let bytes = transaction.encode();
	assert!(bytes.len() < 64, "{}", bytes.len());
	assert!(<UncheckedExtrinsic as codec::Decode>::decode(&mut &bytes[..]).is_ok());
}

#[test]
fn integrity_tests_of_all_pallets_should_pass() {
	use frame_support::traits::IntegrityTest;
	sp_io::TestExternalities::default()
		.execute_with(<poaiw_runtime::AllPalletsWithSystem as IntegrityTest>::integrity_test);
}

/// A burn that the ledger does not see would make the supply equation false for good.
#[test]
fn burning_outside_of_the_ledger_should_be_filtered_and_a_transfer_allowed() {
	use frame_support::traits::Contains;
	use poaiw_runtime::{configs::Calls, RuntimeCall};
	let burn = pallet_balances::Call::burn {
		value: 1,
		keep_alive: false,
	};
	let transfer = pallet_balances::Call::transfer_keep_alive {
		dest: AccountId::new([1; 32]).into(),
		value: 1,
	};
	assert!(!Calls::contains(&RuntimeCall::Balances(burn)));
	assert!(Calls::contains(&RuntimeCall::Balances(transfer)));
}
