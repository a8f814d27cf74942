// SPDX-License-Identifier: Apache-2.0

//! The `Config` of this project's pallets: who calls whom, and the constants of the market.
//!
//! What differs between networks (block time, target, emission, first workers) is in the genesis, not here.

use crate::{
	Balances, BlockNumber, Difficulty, ProofVerification, Runtime, RuntimeHoldReason, TaskMarket,
	TokenEconomics, WorkerRegistry, UNIT,
};
use frame_support::{
	parameter_types,
	traits::{ConstBool, ConstU128, ConstU32, ConstU64},
	PalletId,
};
use poaiw_primitives::GMAC;
use polkadot_sdk::*;
use sp_runtime::Permill;

/// Verifiers at a time: bounds what a draw looks at.
const MAX_VERIFIERS: u32 = 256;
/// Most segments sampled of one result, and most verifiers of one segment. The market lets nobody ask for more.
const MAX_SAMPLED: u32 = 16;
const MAX_VERIFIERS_PER_SEGMENT: u32 = 5;
/// Most product MACs of a segment. One core without SIMD does about 3 GMAC/s (see benches), so that the sixteen segments
/// of a sample take it 46 s; the vote window of 100 blocks has 300 s even at a block time of 3 s.
pub const MAX_SEGMENT_MACS: u64 = 1 << 33;
/// Priority of feeless reports in the pool: above ordinary transactions, so that full blocks cost nobody a lease.
const REPORT_PRIORITY: u64 = 1 << 40;

impl pallet_difficulty::Config for Runtime {
	type WeightInfo = pallet_difficulty::weights::SubstrateWeight<Runtime>;
}

impl pallet_worker_registry::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type BurnLedger = TokenEconomics;
	type WorkTarget = Difficulty;
	type MinWorkerBond = ConstU128<{ 100 * UNIT }>;
	type MinVerifierBond = ConstU128<{ 500 * UNIT }>;
	type MaxVerifiers = ConstU32<MAX_VERIFIERS>;
	type UnbondingPeriod = ConstU32<14_400>;
	type DisputeWindow = ConstU32<7_200>;
	type ReputationHalfLife = ConstU32<10>;
	type WeightInfo = pallet_worker_registry::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
	/// Doubles or halves the base fee in about 350 blocks at full or no use.
	pub const BaseFeeStep: Permill = Permill::from_parts(2_000);
	pub const UtilisationTarget: Permill = Permill::from_percent(50);
	pub const LostLeaseSlash: Permill = Permill::from_percent(1);
}

impl pallet_task_market::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Registry = WorkerRegistry;
	type Slash = WorkerRegistry;
	type Verification = ProofVerification;
	type UsefulWork = TokenEconomics;
	type BurnLedger = TokenEconomics;
	type MinBaseFee = ConstU128<{ UNIT / 10 }>;
	type BaseFeeStep = BaseFeeStep;
	type UtilisationTarget = UtilisationTarget;
	type UtilisationWindow = ConstU32<64>;
	type WorkerRate = ConstU64<100>;
	type MinPrice = ConstU128<{ UNIT / 10 }>;
	// About a month of one fast device.
	type MaxMacs = ConstU64<{ 1_000_000_000 * GMAC }>;
	type MaxSegmentMacs = ConstU64<MAX_SEGMENT_MACS>;
	type MinDuration = ConstU32<10>;
	type MaxDuration = ConstU32<216_000>;
	type MaxSampled = ConstU32<MAX_SAMPLED>;
	type MaxVerifiers = ConstU32<MAX_VERIFIERS_PER_SEGMENT>;
	type HeartbeatPeriod = ConstU32<8>;
	type HeartbeatTimeout = ConstU32<40>;
	type LostLeaseSlash = LostLeaseSlash;
	type MaxAttempts = ConstU32<8>;
	type BucketSize = ConstU32<1_024>;
	type AgendaSize = ConstU32<128>;
	type AgendaPerBlock = ConstU32<32>;
	type MaxLeases = ConstU32<4_096>;
	type MaxNewLeases = ConstU32<64>;
	type LeaseChecksPerBlock = ConstU32<128>;
	type MaxWalk = ConstU32<256>;
	type KeepEnded = ConstU32<1_024>;
	type ReportPriority = ConstU64<REPORT_PRIORITY>;
	type WeightInfo = pallet_task_market::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
	/// A wrong result costs most of the bond: being caught once must cost more than many gains.
	pub const FaultSlash: Permill = Permill::from_percent(50);
	pub const WithheldSlash: Permill = Permill::from_percent(5);
	pub const SilenceSlash: Permill = Permill::from_percent(1);
	pub const MinoritySlash: Permill = Permill::from_percent(10);
}

impl pallet_proof_verification::Config for Runtime {
	type Registry = WorkerRegistry;
	type Slash = WorkerRegistry;
	type Market = TaskMarket;
	type UsefulWork = TokenEconomics;
	type BeaconDelay = ConstU32<2>;
	type VoteWindow = ConstU32<100>;
	type MaxSampled = ConstU32<MAX_SAMPLED>;
	type MaxVerifiers = ConstU32<MAX_VERIFIERS_PER_SEGMENT>;
	type MaxRounds = ConstU32<3>;
	type MaxRedraws = ConstU32<2>;
	type MaxPending = ConstU32<1_024>;
	type DuePerBlock = ConstU32<8>;
	type MaxClaims = ConstU32<256>;
	type ExposureMargin = ConstU32<2>;
	type MinExposure = ConstU128<{ 10 * UNIT }>;
	type FaultSlash = FaultSlash;
	type WithheldSlash = WithheldSlash;
	type SilenceSlash = SilenceSlash;
	type MinoritySlash = MinoritySlash;
	// Nobody judges itself, not even on a development chain: there, workers and the verifier are different accounts.
	type AllowSelfVerification = ConstBool<false>;
	type ReportPriority = ConstU64<REPORT_PRIORITY>;
	type WeightInfo = pallet_proof_verification::weights::SubstrateWeight<Runtime>;
}

parameter_types! {
	/// The account from which public-good tasks are paid derives from this.
	pub const PublicGood: PalletId = PalletId(*b"poaiw/pg");
}

/// Blocks in which a seal's useful share must be released.
pub const RELEASE_WINDOW: BlockNumber = 14_400;

impl pallet_token_economics::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Market = TaskMarket;
	type WorkTarget = Difficulty;
	// Difficulty mixes the epoch's seed; verification draws its beacon and keeps the claim; the market seeds leases.
	type OnParentSeal = (Difficulty, ProofVerification, TaskMarket);
	type PalletId = PublicGood;
	type ReleaseWindow = ConstU32<RELEASE_WINDOW>;
	type MaxShares = ConstU32<256>;
	type VotesPerPool = ConstU32<16>;
	type WeightInfo = pallet_token_economics::weights::SubstrateWeight<Runtime>;
}
