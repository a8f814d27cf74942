// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of the calls.

use crate::*;
use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::traits::{fungible::Inspect, fungible::Mutate, Get};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use poaiw_primitives::{app::ReporterId, worker::Roles, AccountId, Balance};
use sp_runtime::traits::TrailingZeroInput;

const BOTH: Roles = Roles {
	worker: true,
	verifier: true,
};
const WORKER: Roles = Roles {
	worker: true,
	verifier: false,
};

fn key(n: u32) -> ReporterId {
	let seed = sp_io::hashing::blake2_256(&n.to_le_bytes());
	match ReporterId::decode(&mut TrailingZeroInput::new(&seed)) {
		Ok(key) => key,
		Err(_) => panic!("32 bytes are a key"),
	}
}

fn funded<T: Config>(n: u32) -> AccountId {
	let who: AccountId = account("registered", n, 0);
	T::Currency::set_balance(
		&who,
		bond::<T>()
			.saturating_mul(10)
			.saturating_add(T::Currency::minimum_balance()),
	);
	who
}

fn bond<T: Config>() -> Balance {
	Pallet::<T>::required_bond(BOTH).max(T::Currency::minimum_balance())
}

fn registered<T: Config>(n: u32, roles: Roles) -> AccountId {
	let who = funded::<T>(n);
	assert!(Pallet::<T>::do_register(&who, roles, key(n), 1, bond::<T>()).is_ok());
	who
}

/// Only so many verifiers that the next has to look for the weakest when `v` is the maximum.
fn verifiers<T: Config>(v: u32) {
	let others = Verifiers::<T>::get().len() as u32;
	(others..v).for_each(|n| {
		registered::<T>(n.saturating_add(1_000), BOTH);
	});
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register(v: Linear<0, { T::MaxVerifiers::get() }>) {
		verifiers::<T>(v);
		let who = funded::<T>(0);
		let bond = bond::<T>().saturating_add(1);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), BOTH, key(0), 1, bond);

		assert!(Records::<T>::contains_key(who));
	}

	#[benchmark]
	fn update(v: Linear<0, { T::MaxVerifiers::get() }>) {
		verifiers::<T>(v);
		let who = registered::<T>(0, WORKER);
		assert!(Pallet::<T>::do_bond_more(&who, 1).is_ok());

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), Some(BOTH), Some(key(1)), Some(2));

		assert!(Records::<T>::get(who).is_some_and(|r| r.roles == BOTH && r.reporter == key(1)));
	}

	#[benchmark]
	fn bond_more() {
		let who = registered::<T>(0, WORKER);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), 1);

		assert_eq!(Pallet::<T>::held(&who), bond::<T>().saturating_add(1));
	}

	#[benchmark]
	fn unbond() {
		let who = registered::<T>(0, WORKER);
		assert!(Pallet::<T>::do_bond_more(&who, 1).is_ok());

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), 1);

		assert!(Records::<T>::get(who).is_some_and(|r| r.unbonding.is_some()));
	}

	#[benchmark]
	fn deregister() {
		let who = registered::<T>(0, WORKER);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(Records::<T>::get(who).is_some_and(|r| r.leaving));
	}

	#[benchmark]
	fn withdraw() {
		let who = registered::<T>(0, WORKER);
		assert!(Pallet::<T>::do_deregister(&who).is_ok());
		let end = Pallet::<T>::now().saturating_add(T::UnbondingPeriod::get());
		frame_system::Pallet::<T>::set_block_number(BlockNumberFor::<T>::from(end));

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(!Records::<T>::contains_key(who));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
