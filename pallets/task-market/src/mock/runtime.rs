// SPDX-License-Identifier: Apache-2.0

//! The pallets and their parameters.

use super::{pallet_proof_verification, pallet_task_market};
use poaiw_primitives::{
	inherent::SealSummary,
	traits::{OnParentSeal, WorkTarget},
	AccountId, Balance, BlockNumber, GMAC, UNIT,
};
use polkadot_sdk::{
	frame_support::{
		self, derive_impl, parameter_types,
		traits::{ConstU128, ConstU32, ConstU64},
		PalletId,
	},
	frame_system, pallet_balances,
	sp_runtime::{
		generic,
		testing::TestXt,
		traits::{BlakeTwo256, IdentityLookup},
		Permill,
	},
};

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
	type MaxSegmentMacs = ConstU64<{ 20 * GMAC }>;
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
