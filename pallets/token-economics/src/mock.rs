// SPDX-License-Identifier: Apache-2.0

//! A runtime with this pallet and the real `pallet-balances`. The market is a table that tests fill: the real one
//! depends on this pallet in turn, and they run together in the tests of the runtime.

use crate::*;
use codec::Encode;
use core::cell::RefCell;
use frame_support::{
	derive_impl,
	dispatch::DispatchResult,
	parameter_types,
	traits::{
		fungible::Mutate,
		tokens::{Fortitude, Precision, Preservation},
		ConstU128, ConstU32, OnFinalize, OnInitialize,
	},
	PalletId,
};
use poaiw_primitives::{
	digest::{Author, ENGINE_ID},
	economics::BurnCause,
	task::{Lease, TaskClass, TaskSpec, VerificationLevel},
	traits::{BurnLedger, LeasedTask, Market, OnParentSeal, WorkTarget},
	AccountId, Balance, BlockNumber, TaskId, UNIT,
};
use poaiw_work::{source::WorkSource, summary::SealSummary};
use sp_runtime::{BuildStorage, Digest, DigestItem, FixedU128};
use std::collections::BTreeMap;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Economics: crate,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type AccountId = AccountId;
	type Lookup = sp_runtime::traits::IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

pub const ED: Balance = UNIT / 100;

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<ED>;
	type AccountStore = System;
	type DustRemoval = BurnFees<Test>;
}

parameter_types! {
	pub const TreasuryId: PalletId = PalletId(*b"poaiw/pg");
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Market = Table;
	type WorkTarget = Work;
	type OnParentSeal = Heard;
	type PalletId = TreasuryId;
	type ReleaseWindow = ConstU32<WINDOW>;
	type MaxShares = ConstU32<4>;
	type VotesPerPool = ConstU32<8>;
	type WeightInfo = ();
}

pub const WINDOW: BlockNumber = 40;
/// Expected multiply-accumulates of a block.
pub const EXPECTED: u64 = 1 << 30;
pub const ENDOWMENT: Balance = 1_000_000 * UNIT;

pub struct Work;
impl WorkTarget for Work {
	fn expected_macs() -> u128 {
		EXPECTED.into()
	}
	fn epoch() -> u32 {
		0
	}
}

thread_local! {
	static LEASES: RefCell<BTreeMap<TaskId, LeasedTask>> = const { RefCell::new(BTreeMap::new()) };
	static HEARD: RefCell<Vec<(BlockNumber, AccountId, SealSummary)>> = const { RefCell::new(Vec::new()) };
}

/// What handlers of seals were told.
pub struct Heard;
impl OnParentSeal for Heard {
	fn on_parent_seal(parent: BlockNumber, author: &AccountId, summary: &SealSummary) {
		HEARD.with_borrow_mut(|heard| heard.push((parent, author.clone(), summary.clone())));
	}
}
impl Heard {
	pub fn all() -> Vec<(BlockNumber, AccountId, SealSummary)> {
		HEARD.with_borrow(|heard| heard.clone())
	}
}

/// Tasks on lease.
pub struct Table;
impl Market for Table {
	fn knows(task: TaskId) -> bool {
		Self::leased(task).is_some()
	}
	fn leased(task: TaskId) -> Option<LeasedTask> {
		LEASES.with_borrow(|leases| leases.get(&task).cloned())
	}
	fn lease_of(worker: &AccountId) -> Option<TaskId> {
		LEASES.with_borrow(|leases| {
			leases
				.iter()
				.find(|(_, l)| l.lease.worker == *worker)
				.map(|(id, _)| *id)
		})
	}
	fn on_attested(task: TaskId) -> DispatchResult {
		Self::change(task, |leased| leased.attested = true);
		Ok(())
	}
	fn on_accepted(task: TaskId) -> DispatchResult {
		LEASES.with_borrow_mut(|leases| leases.remove(&task));
		Ok(())
	}
	fn on_rejected(task: TaskId) -> DispatchResult {
		Self::on_accepted(task)
	}
}
impl Table {
	pub fn change(task: TaskId, change: impl FnOnce(&mut LeasedTask)) {
		LEASES.with_borrow_mut(|leases| leases.get_mut(&task).map(change));
	}
	/// Lease a task of four segments from this block on.
	pub fn lease(task: TaskId, worker: &AccountId) {
		Self::lease_attempt(task, worker, 1)
	}
	pub fn lease_attempt(task: TaskId, worker: &AccountId, attempt: u32) {
		let since = System::block_number();
		let lease = Lease {
			worker: worker.clone(),
			attempt,
			since,
			heartbeat: since,
			seed: None,
			base_fee_per_gmac: UNIT,
		};
		let spec = TaskSpec {
			class: TaskClass::Training,
			program_root: [1; 32],
			input_root: [2; 32],
			held_out: None,
			macs: EXPECTED,
			segments: 4,
			memory_mib: 64,
			locator: Default::default(),
			tip_per_gmac: 0,
			max_price: UNIT,
			deadline: u32::MAX,
			min_reputation: 0,
			level: VerificationLevel {
				sampled: 1,
				verifiers: 1,
			},
		};
		LEASES.with_borrow_mut(|leases| {
			leases.insert(
				task,
				LeasedTask {
					requester: account(5),
					spec,
					lease,
					attested: false,
				},
			)
		});
	}
}

pub fn account(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

/// Payout account of the miner `n`.
pub fn payout(n: u8) -> AccountId {
	account(n | 0x80)
}

pub struct ExtBuilder {
	pub parameters: Parameters,
}

impl Default for ExtBuilder {
	fn default() -> Self {
		Self {
			parameters: Parameters {
				useful_cap: FixedU128::from_u32(1_000_000),
				..Default::default()
			},
		}
	}
}

impl ExtBuilder {
	pub fn with(change: impl FnOnce(&mut Parameters)) -> Self {
		let mut builder = Self::default();
		change(&mut builder.parameters);
		builder
	}

	pub fn build(self) -> sp_io::TestExternalities {
		LEASES.with_borrow_mut(|leases| leases.clear());
		HEARD.with_borrow_mut(|heard| heard.clear());
		RuntimeGenesisConfig {
			balances: pallet_balances::GenesisConfig {
				balances: (1..=5).map(|n| (account(n), ENDOWMENT)).collect(),
				..Default::default()
			},
			economics: crate::GenesisConfig {
				parameters: self.parameters,
				..Default::default()
			},
			..Default::default()
		}
		.build_storage()
		.unwrap()
		.into()
	}

	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			Economics::do_try_state().unwrap();
		})
	}
}

pub fn seal_of(source: WorkSource) -> SealSummary {
	SealSummary {
		source,
		ticket: [7; 32],
		root_a: [8; 32],
		root_b: [9; 32],
		work: 1 << 17,
		m: 16,
		n: 16,
		k: 512,
	}
}

pub fn in_task(id: TaskId) -> WorkSource {
	WorkSource::Task {
		id,
		segment: 0,
		step: 0,
		instruction: 0,
	}
}

pub fn digest_of(miner: u8) -> Digest {
	let author = Author {
		author: account(miner),
		payout: payout(miner),
	};
	Digest {
		logs: vec![DigestItem::PreRuntime(ENGINE_ID, author.encode())],
	}
}

/// Begin the next block, made by `miner`.
pub fn begin_block(miner: u8) -> BlockNumber {
	let n = System::block_number() + 1;
	System::reset_events();
	System::initialize(&n, &Default::default(), &digest_of(miner));
	AllPalletsWithSystem::on_initialize(n);
	n
}

pub fn end_block() {
	AllPalletsWithSystem::on_finalize(System::block_number());
	Economics::do_try_state().unwrap();
}

/// Begin a block of `miner` whose parent was sealed with `source`; in block 1 there is no such parent.
pub fn begin_after(miner: u8, source: WorkSource) {
	let n = begin_block(miner);
	let summary = (n > 1).then(|| seal_of(source));
	Economics::note_parent_seal(RuntimeOrigin::none(), summary).unwrap();
}

/// A whole block of `miner`, whose parent was sealed with `source`.
pub fn block(miner: u8, source: WorkSource) {
	begin_after(miner, source);
	end_block();
}

/// What settling a task does in the market: burn the base fee, tell the ledger.
pub fn settle(task: TaskId, worker: u8, macs: u64, base_fee: Balance) -> Balance {
	use poaiw_primitives::traits::UsefulWork;
	let burned = Balances::burn_from(
		&account(5),
		base_fee,
		Preservation::Preserve,
		Precision::BestEffort,
		Fortitude::Polite,
	)
	.unwrap_or(0);
	Economics::note_burned(BurnCause::BaseFee, burned);
	Table::on_accepted(task).unwrap();
	Economics::on_settled(task, &account(worker), macs, burned)
}

pub fn held(who: &AccountId) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&HoldReason::UsefulShare.into(), who)
}
