// SPDX-License-Identifier: Apache-2.0

//! A runtime with the real pallets that task market and verification deal with. Both pallets are tested in it: this file
//! is a module of each of them, and the parent module names the two crates.

use super::{pallet_proof_verification, pallet_task_market};
use codec::Encode;
use poaiw_primitives::{
	app::{ReporterPair, ReporterSignature},
	digest::{Author, ENGINE_ID},
	inherent::SealSummary,
	outbox::{Report, SignedReport},
	task::{Attestation, TaskClass, TaskSpec, TaskState, Verdict, VerificationLevel, Vote},
	traits::{Market, OnParentSeal, WorkTarget},
	worker::Roles,
	AccountId, Balance, BlockNumber, Hash, TaskId, GMAC, UNIT,
};
use poaiw_work::source::WorkSource;
use polkadot_sdk::{
	frame_support::{
		self, assert_ok, derive_impl,
		dispatch::RawOrigin,
		parameter_types,
		traits::{fungible::InspectHold, Authorize, ConstU128, ConstU32, ConstU64, OnFinalize, OnInitialize},
		PalletId,
	},
	frame_system, pallet_balances, sp_core, sp_io,
	sp_runtime::{
		generic,
		testing::TestXt,
		traits::{BlakeTwo256, Dispatchable, IdentityLookup},
		transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
		BuildStorage, DigestItem, DispatchResult, Permill,
	},
};
use sp_core::Pair;

pub type Extrinsic = TestXt<RuntimeCall, frame_system::AuthorizeCall<Test>>;
type Block = generic::Block<generic::Header<BlockNumber, BlakeTwo256>, Extrinsic>;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Registry: pallet_worker_registry,
		Economics: pallet_token_economics,
		TaskMarket: pallet_task_market,
		Verification: pallet_proof_verification,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

pub const ED: Balance = UNIT / 1_000;

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<ED>;
	type AccountStore = System;
}

/// Epochs and expected work do not change in these tests.
pub struct Clock;
impl WorkTarget for Clock {
	fn expected_macs() -> u128 {
		u128::from(GMAC)
	}
	fn epoch() -> u32 {
		0
	}
}

pub const WORKER_BOND: Balance = 100 * UNIT;
pub const VERIFIER_BOND: Balance = 50 * UNIT;

impl pallet_worker_registry::Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type BurnLedger = Economics;
	type WorkTarget = Clock;
	type MinWorkerBond = ConstU128<{ 50 * UNIT }>;
	type MinVerifierBond = ConstU128<{ 25 * UNIT }>;
	type MaxVerifiers = ConstU32<8>;
	type UnbondingPeriod = ConstU32<50>;
	type DisputeWindow = ConstU32<20>;
	type ReputationHalfLife = ConstU32<4>;
	type WeightInfo = ();
}

/// Seeds first, then claims: the order does not matter to either.
pub struct Seals;
impl OnParentSeal for Seals {
	fn on_parent_seal(parent: BlockNumber, author: &AccountId, summary: &SealSummary) {
		TaskMarket::on_parent_seal(parent, author, summary);
		Verification::on_parent_seal(parent, author, summary);
	}
}

parameter_types! {
	pub const TreasuryId: PalletId = PalletId(*b"poaiw/pg");
	pub const BaseFeeStep: Permill = Permill::from_percent(1);
	pub const Half: Permill = Permill::from_percent(50);
	pub const LostLeaseSlash: Permill = Permill::from_percent(1);
	pub const FaultSlash: Permill = Permill::from_percent(80);
	pub const WithheldSlash: Permill = Permill::from_percent(5);
	pub const SilenceSlash: Permill = Permill::from_percent(2);
	pub const MinoritySlash: Permill = Permill::from_percent(10);
	pub static SelfVerification: bool = false;
}

impl pallet_token_economics::Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Market = TaskMarket;
	type WorkTarget = Clock;
	type OnParentSeal = Seals;
	type PalletId = TreasuryId;
	type ReleaseWindow = ConstU32<1_000>;
	type MaxShares = ConstU32<16>;
	type VotesPerPool = ConstU32<8>;
	type WeightInfo = ();
}

pub const HEARTBEAT_TIMEOUT: BlockNumber = 10;
pub const MAX_ATTEMPTS: u32 = 4;
pub const BASE_FEE: Balance = UNIT / 10;

impl pallet_task_market::Config for Test {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Registry = Registry;
	type Slash = Registry;
	type Verification = Verification;
	type UsefulWork = Economics;
	type BurnLedger = Economics;
	type MinBaseFee = ConstU128<BASE_FEE>;
	type BaseFeeStep = BaseFeeStep;
	type UtilisationTarget = Half;
	type UtilisationWindow = ConstU32<8>;
	type WorkerRate = ConstU64<1>;
	type MinPrice = ConstU128<UNIT>;
	type MaxMacs = ConstU64<{ 1_000 * GMAC }>;
	type MinDuration = ConstU32<5>;
	type MaxDuration = ConstU32<1_000>;
	type MaxSampled = ConstU32<8>;
	type MaxVerifiers = ConstU32<3>;
	type HeartbeatPeriod = ConstU32<4>;
	type HeartbeatTimeout = ConstU32<HEARTBEAT_TIMEOUT>;
	type LostLeaseSlash = LostLeaseSlash;
	type MaxAttempts = ConstU32<MAX_ATTEMPTS>;
	type BucketSize = ConstU32<8>;
	type AgendaSize = ConstU32<3>;
	type AgendaPerBlock = ConstU32<4>;
	type MaxLeases = ConstU32<3>;
	type MaxNewLeases = ConstU32<2>;
	type LeaseChecksPerBlock = ConstU32<2>;
	type MaxWalk = ConstU32<64>;
	type KeepEnded = ConstU32<6>;
	type ReportPriority = ConstU64<1_000>;
	type WeightInfo = ();
}

pub const BEACON_DELAY: BlockNumber = 1;
pub const VOTE_WINDOW: BlockNumber = 6;
/// Blocks from an attestation to the draw.
pub const TO_DRAW: BlockNumber = BEACON_DELAY + pallet_proof_verification::BEACON_SEALS + 2;

impl pallet_proof_verification::Config for Test {
	type Registry = Registry;
	type Slash = Registry;
	type Market = TaskMarket;
	type UsefulWork = Economics;
	type BeaconDelay = ConstU32<BEACON_DELAY>;
	type VoteWindow = ConstU32<VOTE_WINDOW>;
	type MaxSampled = ConstU32<8>;
	type MaxVerifiers = ConstU32<3>;
	type MaxRounds = ConstU32<2>;
	type MaxRedraws = ConstU32<1>;
	type MaxPending = ConstU32<4>;
	type DuePerBlock = ConstU32<2>;
	type MaxClaims = ConstU32<4>;
	type KeepDecided = ConstU32<4>;
	type ExposureMargin = ConstU32<2>;
	type MinExposure = ConstU128<UNIT>;
	type FaultSlash = FaultSlash;
	type WithheldSlash = WithheldSlash;
	type SilenceSlash = SilenceSlash;
	type MinoritySlash = MinoritySlash;
	type AllowSelfVerification = SelfVerification;
	type ReportPriority = ConstU64<1_000>;
	type WeightInfo = ();
}

impl<C> frame_system::offchain::CreateTransactionBase<C> for Test
where
	RuntimeCall: From<C>,
{
	type RuntimeCall = RuntimeCall;
	type Extrinsic = Extrinsic;
}

impl<C> frame_system::offchain::CreateTransaction<C> for Test
where
	RuntimeCall: From<C>,
{
	type Extension = frame_system::AuthorizeCall<Test>;
	fn create_transaction(call: RuntimeCall, extension: Self::Extension) -> Extrinsic {
		Extrinsic::new_transaction(call, extension)
	}
}

impl<C> frame_system::offchain::CreateAuthorizedTransaction<C> for Test
where
	RuntimeCall: From<C>,
{
	fn create_extension() -> Self::Extension {
		frame_system::AuthorizeCall::<Test>::new()
	}
}

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

/// A task of 10 GMACs in 6 segments at 2 tokens of tip per GMAC.
pub fn spec() -> TaskSpec {
	TaskSpec {
		class: TaskClass::Training,
		program_root: [1; 32],
		input_root: [2; 32],
		held_out: None,
		macs: 10 * GMAC,
		segments: 6,
		memory_mib: 512,
		locator: Default::default(),
		tip_per_gmac: 2 * UNIT,
		max_price: 50 * UNIT,
		deadline: now() + 100,
		min_reputation: 0,
		level: VerificationLevel {
			sampled: 2,
			verifiers: 2,
		},
	}
}

pub fn post_spec(spec: TaskSpec) -> TaskId {
	let id = pallet_task_market::NextTask::<Test>::get();
	assert_ok!(TaskMarket::post(signed(REQUESTER), spec));
	id
}

pub fn post() -> TaskId {
	post_spec(spec())
}

pub fn report(n: u8, report: Report) -> SignedReport {
	SignedReport {
		account: account(n),
		at: now(),
		report,
	}
}

pub fn sign(n: u8, report: &SignedReport) -> ReporterSignature {
	key(n).sign(&report.payload(&System::block_hash(0)))
}

/// The call that carries a report.
pub fn call_of(report: SignedReport, signature: ReporterSignature) -> RuntimeCall {
	match report.report {
		Report::Lease { .. } => pallet_task_market::Call::lease { report, signature }.into(),
		Report::Heartbeat { .. } => pallet_task_market::Call::heartbeat { report, signature }.into(),
		Report::Attest(_) => pallet_proof_verification::Call::attest { report, signature }.into(),
		Report::Vote(_) => pallet_proof_verification::Call::vote { report, signature }.into(),
	}
}

/// Admits and executes a feeless call, as a block does. `Err` means that it does not get into a block.
pub fn apply(call: RuntimeCall) -> Result<DispatchResult, TransactionValidityError> {
	call.authorize(TransactionSource::External)
		.expect("call is not authorizable")?;
	Ok(call
		.dispatch(RawOrigin::Authorized.into())
		.map(|_| ())
		.map_err(|error| error.error))
}

pub fn send_report(n: u8, report: SignedReport) -> Result<DispatchResult, TransactionValidityError> {
	let signature = sign(n, &report);
	apply(call_of(report, signature))
}

pub fn send(n: u8, what: Report) -> Result<DispatchResult, TransactionValidityError> {
	send_report(n, report(n, what))
}

/// What admission says when a check fails.
pub fn refused(error: impl Encode) -> Result<DispatchResult, TransactionValidityError> {
	Err(InvalidTransaction::Custom(error.encode()[0]).into())
}

pub fn lease(n: u8, task: TaskId) {
	assert_eq!(send(n, Report::Lease { task }), Ok(Ok(())));
}

/// Leases and waits for the seed.
pub fn lease_seeded(n: u8, task: TaskId) {
	lease(n, task);
	next_block();
}

pub fn attestation(task: TaskId) -> Attestation {
	let leased = TaskMarket::leased(task).expect("not leased");
	Attestation {
		task,
		attempt: leased.lease.attempt,
		trace_root: [3; 32],
		segments: leased.spec.segments,
		macs: leased.spec.macs,
		initial_state_root: [4; 32],
		final_state_root: [5; 32],
		output_root: [6; 32],
		losses: Default::default(),
		metric: Some((9, 10)),
	}
}

pub fn attest(n: u8, task: TaskId) {
	assert_eq!(send(n, Report::Attest(attestation(task))), Ok(Ok(())));
}

/// Leases, attests, and runs to the block of the draw.
pub fn attested(n: u8) -> TaskId {
	let task = post();
	lease_seeded(n, task);
	attest(n, task);
	run_blocks(TO_DRAW);
	task
}

/// All votes that are due on a task now: (verifier, segment).
pub fn due_votes(task: TaskId) -> Vec<(u8, u32)> {
	(1..=40u8)
		.flat_map(|n| {
			Verification::assignments(&account(n))
				.into_iter()
				.map(move |a| (n, a))
		})
		.filter(|(_, assignment)| assignment.task == task)
		.map(|(n, assignment)| (n, assignment.segment))
		.collect()
}

pub fn vote_of(task: TaskId, segment: u32, verdict: Verdict) -> Report {
	let attempt = pallet_proof_verification::Records::<Test>::get(task)
		.expect("no record")
		.attestation
		.attempt;
	Report::Vote(Vote {
		task,
		attempt,
		segment,
		verdict,
	})
}

pub fn vote(n: u8, task: TaskId, segment: u32, verdict: Verdict) {
	assert_eq!(send(n, vote_of(task, segment, verdict)), Ok(Ok(())));
}

/// Casts all votes that are due, including those of rounds that follow, until there are none.
pub fn vote_all(task: TaskId, verdict: impl Fn(u8, u32) -> Verdict) {
	while let Some((n, segment)) = due_votes(task).first().copied() {
		vote(n, task, segment, verdict(n, segment));
	}
}

pub fn state(task: TaskId) -> TaskState {
	pallet_task_market::Tasks::<Test>::get(task)
		.expect("no such task")
		.state
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
