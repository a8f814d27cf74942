// SPDX-License-Identifier: Apache-2.0

//! Random sequences of everything that can happen keep the invariants, and no funds appear or get lost.

use crate::{mock::*, *};
use poaiw_primitives::{
	traits::{Registry as _, Slash},
	worker::Roles,
	Balance,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
	Register(u8, Roles, u8, Balance),
	Update(u8, Option<Roles>, Option<u8>),
	BondMore(u8, Balance),
	Unbond(u8, Balance),
	Deregister(u8),
	Withdraw(u8),
	Begin(u8),
	End(u8),
	Slash(u8, Balance, Option<u8>),
	Fault(u8),
	Wait(u32),
}

fn op() -> impl Strategy<Value = Op> {
	let who = 1u8..7;
	let roles = || (any::<bool>(), any::<bool>()).prop_map(|(worker, verifier)| Roles { worker, verifier });
	prop_oneof![
		(who.clone(), roles(), 1u8..9, 0u128..6_000).prop_map(|(a, r, k, b)| Op::Register(a, r, k, b)),
		(
			who.clone(),
			proptest::option::of(roles()),
			proptest::option::of(1u8..9)
		)
			.prop_map(|(a, r, k)| Op::Update(a, r, k)),
		(who.clone(), 0u128..3_000).prop_map(|(a, b)| Op::BondMore(a, b)),
		(who.clone(), 0u128..3_000).prop_map(|(a, b)| Op::Unbond(a, b)),
		who.clone().prop_map(Op::Deregister),
		who.clone().prop_map(Op::Withdraw),
		who.clone().prop_map(Op::Begin),
		who.clone().prop_map(Op::End),
		(who.clone(), 0u128..5_000, proptest::option::of(1u8..20)).prop_map(|(a, b, w)| Op::Slash(a, b, w)),
		who.prop_map(Op::Fault),
		(1u32..40).prop_map(Op::Wait),
	]
}

/// Refusals are part of the sequences: they must change nothing, which storage layers of calls ensure.
fn apply(op: Op) {
	use frame_support::storage::with_storage_layer;
	let _ = with_storage_layer(|| match op {
		Op::Register(n, roles, k, bond) => Registry::register(signed(n), roles, key(k), 1, bond),
		Op::Update(n, roles, k) => Registry::update(signed(n), roles, k.map(key), None),
		Op::BondMore(n, amount) => Registry::bond_more(signed(n), amount),
		Op::Unbond(n, amount) => Registry::unbond(signed(n), amount),
		Op::Deregister(n) => Registry::deregister(signed(n)),
		Op::Withdraw(n) => Registry::withdraw(signed(n)),
		Op::Begin(n) => Registry::begin_obligation(&account(n)),
		Op::End(n) => {
			Registry::end_obligation(&account(n));
			Ok(())
		}
		Op::Slash(n, amount, winner) => {
			let before = held(n);
			let taken = Registry::slash(&account(n), amount, winner.map(account).as_ref());
			assert_eq!(before - held(n), taken);
			assert_eq!(
				taken,
				if Records::<Test>::contains_key(account(n)) {
					amount.min(before)
				} else {
					0
				}
			);
			Ok(())
		}
		Op::Fault(n) => {
			Registry::note_fault(&account(n));
			Ok(())
		}
		Op::Wait(blocks) => {
			go_to(System::block_number() + blocks);
			Ok(())
		}
	});
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn invariants_should_hold_for_any_sequence(ops in proptest::collection::vec(op(), 1..60)) {
		// `build_and_execute` also compares the issuance with what was burned.
		ExtBuilder::default().build_and_execute(|| {
			for op in ops {
				apply(op);
				Registry::do_try_state().unwrap();
				for n in 1..7 {
					let record = Records::<Test>::get(account(n));
					assert!(record.is_some() || held(n) == 0, "a bond without a record");
				}
			}
		})
	}
}
