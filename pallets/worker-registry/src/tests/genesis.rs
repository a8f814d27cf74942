// SPDX-License-Identifier: Apache-2.0

//! Registrations at genesis.

use crate::{mock::*, *};
use poaiw_primitives::traits::Registry as _;

fn initial(n: u8, bond: u128) -> InitialRegistration {
	InitialRegistration {
		account: account(n),
		reporter: key(n),
		roles: BOTH,
		bond,
		memory_mib: 512,
	}
}

#[test]
fn genesis_should_register_with_bonds() {
	ExtBuilder {
		registrations: vec![initial(1, 3_000), initial(2, 4_000)],
	}
	.build_and_execute(|| {
		assert_eq!(
			Registry::verifiers(),
			vec![(account(1), 3_000), (account(2), 4_000)]
		);
		assert_eq!((Registry::workers(), held(2)), (2, 4_000));
		assert_eq!(Registry::account_of(&key(2)), Some(account(2)));
	})
}

#[test]
fn genesis_should_survive_json() {
	let json = serde_json::to_value(initial(1, 3_000)).unwrap();
	assert_eq!(json["memoryMib"], 512);
	assert_eq!(json["roles"]["verifier"], true);
	assert_eq!(
		serde_json::from_value::<InitialRegistration>(json).unwrap(),
		initial(1, 3_000)
	);
}

#[test]
#[should_panic(expected = "workerRegistry.registrations[1]")]
fn genesis_should_refuse_a_bond_that_is_too_low() {
	ExtBuilder {
		registrations: vec![initial(1, 3_000), initial(2, 2_999)],
	}
	.build();
}

#[test]
#[should_panic(expected = "workerRegistry.registrations[0]")]
fn genesis_should_refuse_a_bond_without_funds() {
	ExtBuilder {
		registrations: vec![initial(1, ENDOWMENT + 1)],
	}
	.build();
}
