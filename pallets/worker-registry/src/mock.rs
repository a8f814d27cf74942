// SPDX-License-Identifier: Apache-2.0

//! A runtime with this pallet and the real `pallet-balances`.

use crate::*;
use codec::Decode;
use frame_support::{
	derive_impl, parameter_types,
	traits::{fungible::InspectHold, ConstU128, ConstU32},
};
use poaiw_primitives::{
	app::ReporterId,
	economics::BurnCause,
	traits::{BurnLedger, WorkTarget},
	worker::Roles,
	AccountId, Balance, BlockNumber,
};
use sp_runtime::BuildStorage;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Registry: crate,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type AccountId = AccountId;
	type Lookup = sp_runtime::traits::IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

pub const ED: Balance = 10;

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<ED>;
	type AccountStore = System;
}

pub const WORKER_BOND: Balance = 1_000;
pub const VERIFIER_BOND: Balance = 2_000;
pub const ENDOWMENT: Balance = 100_000;
pub const UNBONDING: BlockNumber = 50;
pub const DISPUTE: BlockNumber = 20;
pub const HALF_LIFE: u32 = 4;

parameter_types! {
	pub static CurrentEpoch: u32 = 0;
	pub static Burned: Balance = 0;
}

/// Epochs as the test sets them.
pub struct Clock;
impl WorkTarget for Clock {
	fn expected_macs() -> u128 {
		1 << 30
	}
	fn epoch() -> u32 {
		CurrentEpoch::get()
	}
}

/// Adds up burned slashes.
pub struct Ledger;
impl BurnLedger for Ledger {
	fn note_burned(cause: BurnCause, amount: Balance) {
		assert_eq!(cause, BurnCause::Slash);
		Burned::mutate(|burned| *burned += amount);
	}
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type BurnLedger = Ledger;
	type WorkTarget = Clock;
	type MinWorkerBond = ConstU128<WORKER_BOND>;
	type MinVerifierBond = ConstU128<VERIFIER_BOND>;
	type MaxVerifiers = ConstU32<3>;
	type UnbondingPeriod = ConstU32<UNBONDING>;
	type DisputeWindow = ConstU32<DISPUTE>;
	type ReputationHalfLife = ConstU32<HALF_LIFE>;
	type WeightInfo = ();
}

pub const WORKER: Roles = Roles {
	worker: true,
	verifier: false,
};
pub const VERIFIER: Roles = Roles {
	worker: false,
	verifier: true,
};
pub const BOTH: Roles = Roles {
	worker: true,
	verifier: true,
};

pub fn account(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

pub fn signed(n: u8) -> RuntimeOrigin {
	RuntimeOrigin::signed(account(n))
}

pub fn key(n: u8) -> ReporterId {
	ReporterId::decode(&mut &[n; 32][..]).unwrap()
}

pub fn held(n: u8) -> Balance {
	Balances::balance_on_hold(&HoldReason::Bond.into(), &account(n))
}

pub fn go_to(n: BlockNumber) {
	System::set_block_number(n);
}

/// Register with a key of the same number.
pub fn register(n: u8, roles: Roles, bond: Balance) {
	Registry::register(signed(n), roles, key(n), 1_024, bond).unwrap();
}

#[derive(Default)]
pub struct ExtBuilder {
	pub registrations: Vec<InitialRegistration>,
}

impl ExtBuilder {
	pub fn build(self) -> sp_io::TestExternalities {
		CurrentEpoch::set(0);
		Burned::set(0);
		let config = RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances: (1..=9).map(|n| (account(n), ENDOWMENT)).collect(),
				..Default::default()
			},
			registry: crate::GenesisConfig {
				registrations: self.registrations,
				..Default::default()
			},
			..Default::default()
		};
		let mut ext: sp_io::TestExternalities = config.build_storage().unwrap().into();
		ext.execute_with(|| go_to(1));
		ext
	}

	/// Run a test; then check the invariants, and that only slashes changed the issuance.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		let mut ext = self.build();
		let issued = ext.execute_with(Balances::total_issuance);
		ext.execute_with(|| {
			test();
			Registry::do_try_state().unwrap();
			assert_eq!(Balances::total_issuance() + Burned::get(), issued);
		})
	}
}
