// SPDX-License-Identifier: Apache-2.0

//! Accounts, genesis, blocks, and the invariants after each of them.

use super::{pallet_proof_verification, pallet_task_market, runtime::*};
use codec::Encode;
use poaiw_primitives::{
	app::ReporterPair,
	digest::{Author, ENGINE_ID},
	inherent::SealSummary,
	worker::Roles,
	AccountId, Balance, BlockNumber, Hash, UNIT,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_support::{
		assert_ok,
		traits::{fungible::InspectHold, OnFinalize, OnInitialize},
	},
	frame_system, pallet_balances,
	sp_core::Pair,
	sp_io,
	sp_keystore::{testing::MemoryKeystore, KeystoreExt},
	sp_runtime::{BuildStorage, DigestItem},
};

/// Requesters are below 10, workers 10 to 19, verifiers from 20 on; 30 is a miner without any role.
pub const REQUESTER: u8 = 1;
pub const WORKER: u8 = 10;
pub const HONEST: u8 = 11;
pub const MINER: u8 = 30;
pub const VERIFIERS: [u8; 3] = [20, 21, 22];
pub const ENDOWMENT: Balance = 10_000 * UNIT;

pub fn account(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

pub fn signed(n: u8) -> RuntimeOrigin {
	RuntimeOrigin::signed(account(n))
}

/// Report key of an account.
pub fn key(n: u8) -> ReporterPair {
	ReporterPair::from_seed(&[n; 32])
}

pub fn register(n: u8, roles: Roles, bond: Balance) {
	assert_ok!(Registry::register(signed(n), roles, key(n).public(), 1_024, bond));
}

pub struct ExtBuilder {
	pub workers: Vec<u8>,
	pub verifiers: Vec<u8>,
}

impl Default for ExtBuilder {
	fn default() -> Self {
		Self {
			workers: vec![WORKER, HONEST, 12],
			verifiers: VERIFIERS.to_vec(),
		}
	}
}

impl ExtBuilder {
	pub fn build(self) -> sp_io::TestExternalities {
		let balances = (1..=40).map(|n| (account(n), ENDOWMENT)).collect();
		let mut storage = frame_system::GenesisConfig::<Test>::default()
			.build_storage()
			.unwrap();
		pallet_balances::GenesisConfig::<Test> {
			balances,
			..Default::default()
		}
		.assimilate_storage(&mut storage)
		.unwrap();
		pallet_token_economics::GenesisConfig::<Test>::default()
			.assimilate_storage(&mut storage)
			.unwrap();
		let mut ext: sp_io::TestExternalities = storage.into();
		ext.execute_with(|| {
			begin_block(1, None);
			for n in self.workers {
				register(
					n,
					Roles {
						worker: true,
						verifier: false,
					},
					WORKER_BOND,
				);
			}
			for n in self.verifiers {
				register(
					n,
					Roles {
						worker: false,
						verifier: true,
					},
					VERIFIER_BOND,
				);
			}
		});
		ext
	}

	/// With a keystore, in which keys can be made.
	pub fn build_with_keystore(self) -> sp_io::TestExternalities {
		let mut ext = self.build();
		ext.register_extension(KeystoreExt::new(MemoryKeystore::new()));
		ext
	}

	/// Runs a test and checks all invariants after it.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			check_state();
		});
	}
}

/// The invariants of both pallets, the balance of the supply, and no obligation without a cause.
pub fn check_state() {
	TaskMarket::do_try_state().unwrap();
	Verification::do_try_state().unwrap();
	let supply = Economics::supply();
	assert!(supply.is_balanced(), "{supply:?}");
	for n in 1..=40 {
		assert_eq!(
			obligations(n),
			causes_of_obligations(n),
			"obligations of account {n}"
		);
	}
}

/// Leases (attested or not) of an account, and open segments about which it is or was asked and not silent.
fn causes_of_obligations(n: u8) -> u32 {
	use pallet_proof_verification::types::{Answer, Stage};
	let who = account(n);
	let leases = pallet_task_market::Tasks::<Test>::iter_values()
		.filter(|task| task.lease().is_some_and(|lease| lease.worker == who))
		.count();
	let votes = pallet_proof_verification::Checks::<Test>::iter()
		.filter(|(task, _, check)| {
			let record = pallet_proof_verification::Records::<Test>::get(task).unwrap();
			record.stage == Stage::Voting && check.finding.is_none()
		})
		.flat_map(|(_, _, check)| check.voters)
		.filter(|voter| voter.who == who && voter.answer != Answer::Silent)
		.count();
	(leases + votes) as u32
}

fn begin_block(height: BlockNumber, summary: Option<SealSummary>) {
	System::initialize(&height, &Hash::repeat_byte(height as u8), &Default::default());
	AllPalletsWithSystem::on_initialize(height);
	assert_ok!(Economics::note_parent_seal(RuntimeOrigin::none(), summary));
}

/// Ends the current block, mined by `author` from `source`, and begins the next one. Events of the new block only.
pub fn next_block_by(author: u8, source: WorkSource) {
	let height = System::block_number();
	let digest = Author {
		author: account(author),
		payout: account(author),
	};
	System::deposit_log(DigestItem::PreRuntime(ENGINE_ID, digest.encode()));
	AllPalletsWithSystem::on_finalize(height);
	System::finalize();
	check_state();
	let mut ticket = [7; 32];
	ticket[..4].copy_from_slice(&height.to_le_bytes());
	let root = if source.is_synthetic() { [0; 32] } else { [9; 32] };
	let summary = SealSummary {
		source,
		ticket,
		root_a: root,
		root_b: root,
		work: 1 << 17,
		m: 16,
		n: 16,
		k: 512,
	};
	System::reset_events();
	begin_block(height + 1, Some(summary));
}

pub fn next_block() {
	next_block_by(MINER, WorkSource::Synthetic);
}

pub fn run_blocks(count: BlockNumber) {
	(0..count).for_each(|_| next_block());
}

pub fn now() -> BlockNumber {
	System::block_number()
}

pub fn held(n: u8) -> Balance {
	Balances::balance_on_hold(&pallet_task_market::HoldReason::Task.into(), &account(n))
}

pub fn bond(n: u8) -> Balance {
	use poaiw_primitives::traits::Registry as _;
	Registry::bond(&account(n))
}

/// Obligations of an account in the registry.
pub fn obligations(n: u8) -> u32 {
	pallet_worker_registry::Records::<Test>::get(account(n)).map_or(0, |record| record.obligations)
}
