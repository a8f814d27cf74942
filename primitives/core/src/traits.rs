// SPDX-License-Identifier: Apache-2.0

//! How the pallets call one another. Each trait is implemented by one pallet and is the only way in.

use crate::{
	app::ReporterId,
	economics::BurnCause,
	task::{Attestation, TaskSpec},
	worker::Reputation,
	AccountId, Balance, BlockNumber, Hash32, TaskId,
};
use alloc::vec::Vec;
use poaiw_work::summary::SealSummary;
use polkadot_sdk::sp_runtime::{DispatchError, DispatchResult};

/// Told about the seal of the parent block, once per block, before any transaction.
/// Implemented by proof-verification (beacon, claims) and task-market (seeds of fresh leases).
pub trait OnParentSeal {
	/// `parent`: height of the sealed block; `author`: who mined it.
	fn on_parent_seal(parent: BlockNumber, author: &AccountId, summary: &SealSummary);
}

#[impl_trait_for_tuples::impl_for_tuples(4)]
impl OnParentSeal for Tuple {
	fn on_parent_seal(parent: BlockNumber, author: &AccountId, summary: &SealSummary) {
		for_tuples!( #( Tuple::on_parent_seal(parent, author, summary); )* );
	}
}

/// Bonds, reputation and keys of workers and verifiers. Implemented by worker-registry.
pub trait Registry {
	/// Report key of a registered account.
	fn reporter(account: &AccountId) -> Option<ReporterId>;
	/// Account of a report key.
	fn account_of(reporter: &ReporterId) -> Option<AccountId>;
	/// Whether the account may take tasks now: registered as worker, bond at least the minimum, not leaving.
	fn is_worker(account: &AccountId) -> bool;
	/// Whether the account may verify now.
	fn is_verifier(account: &AccountId) -> bool;
	/// Verifiers with their bonds, in a fixed order; bounded by the registry.
	fn verifiers() -> Vec<(AccountId, Balance)>;
	/// Registered, bonded workers.
	fn workers() -> u32;
	/// Bond held (without what is being withdrawn).
	fn bond(account: &AccountId) -> Balance;
	/// Record of results.
	fn reputation(account: &AccountId) -> Reputation;
	/// Device memory declared, in MiB.
	fn memory_mib(account: &AccountId) -> u32;
	/// An obligation begins (lease, attestation, vote): the bond can't leave before it ends.
	fn begin_obligation(account: &AccountId) -> DispatchResult;
	/// An obligation ends.
	fn end_obligation(account: &AccountId);
	/// A result was accepted.
	fn note_valid(account: &AccountId);
	/// A lease was lost: costs reputation but not trust in results.
	fn note_lost_lease(account: &AccountId);
	/// A fault was proven: resets the record.
	fn note_fault(account: &AccountId);
}

/// Taking bonds. Implemented by worker-registry; called only by proof-verification and task-market.
pub trait Slash {
	/// Take up to `amount` from the bond of `offender`: half goes to `winner` (if there is one), the rest is burned.
	/// Returns what was taken.
	fn slash(offender: &AccountId, amount: Balance, winner: Option<&AccountId>) -> Balance;
}

/// A leased task as proof-verification and token-economics see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedTask {
	/// Who posted it.
	pub requester: AccountId,
	/// As posted.
	pub spec: TaskSpec,
	/// The current lease.
	pub lease: crate::task::Lease,
	/// Whether a result waits for verification.
	pub attested: bool,
}

impl LeasedTask {
	/// Whether the seal of block `sealed` by `author` that names `segment` of this task counts as work on it: the block comes
	/// after the lease (whose seed its own seal draws), and before the attestation, since the segments to check are drawn
	/// from those that were named by then.
	pub fn takes_claim(&self, sealed: BlockNumber, author: &AccountId, segment: u32) -> bool {
		!self.attested
			&& sealed > self.lease.since
			&& self.lease.worker == *author
			&& segment < self.spec.segments
	}
}

/// The market as others see it. Implemented by task-market.
pub trait Market {
	/// Whether the market has the task: live, or ended and still kept for reading.
	fn knows(task: TaskId) -> bool;
	/// A task under lease (attested or not).
	fn leased(task: TaskId) -> Option<LeasedTask>;
	/// Tasks on which the worker holds a lease that is not attested yet.
	fn lease_of(worker: &AccountId) -> Option<TaskId>;
	/// The worker's attestation was taken: heartbeats end, the deadline no longer applies.
	fn on_attested(task: TaskId) -> DispatchResult;
	/// The result was accepted: pay, burn, settle.
	fn on_accepted(task: TaskId) -> DispatchResult;
	/// The result was rejected: back to the market (or expired).
	fn on_rejected(task: TaskId) -> DispatchResult;
}

/// Verification as others see it. Implemented by proof-verification.
pub trait Verification {
	/// The verification of the current or last attestation of a task.
	fn report(task: TaskId) -> Option<crate::task::VerificationReport>;
	/// Seals that named a task in its current lease, or in the one whose result was accepted: (height of the sealed
	/// block, segment).
	fn seals(task: TaskId) -> Vec<(BlockNumber, u32)>;
	/// The lease of a task ended without an attestation: forget its claims.
	fn on_lease_ended(task: TaskId);
	/// The market forgot an ended task: forget everything about it.
	fn on_forgotten(task: TaskId);
}

/// Rewards that depend on verified work. Implemented by token-economics.
pub trait UsefulWork {
	/// A task was settled: grants the worker credit for `macs` (bounded by what its base fee burned), and releases the
	/// shares of its seals out of that credit. Returns what was released.
	fn on_settled(task: TaskId, worker: &AccountId, macs: u64, burned_base_fee: Balance) -> Balance;
	/// The lease of a task failed (rejected, lost or withdrawn): the shares of its seals are burned.
	fn on_failed(task: TaskId, worker: &AccountId);
	/// A verifier's vote agreed with the outcome: it takes part in the verifiers' share.
	fn on_vote_rewarded(verifier: &AccountId);
	/// Useful credit of a worker.
	fn credit(worker: &AccountId) -> Balance;
}

/// Tells the supply about tokens that another pallet destroyed. Implemented by token-economics.
pub trait BurnLedger {
	/// `amount` was taken out of the total issuance.
	fn note_burned(cause: BurnCause, amount: Balance);
}

/// Randomness from seals. Implemented by proof-verification.
pub trait Beacon {
	/// Mix of the tickets of the last seals, up to the parent's.
	fn current() -> Hash32;
}

/// Epochs and target, as others see them. Implemented by difficulty.
pub trait WorkTarget {
	/// Expected MACs of a block at the current target.
	fn expected_macs() -> u128;
	/// Number of the current epoch.
	fn epoch() -> u32;
}

/// Checks what a task demands. Implemented by proof-verification for task-market, so that post and attest agree.
pub trait AttestationCheck {
	/// Cheap checks of an attestation against the task.
	fn check(spec: &TaskSpec, attestation: &Attestation) -> Result<(), DispatchError>;
	/// Whether the worker's bond would cover an attestation of this task at this base fee, besides those that are pending.
	/// Asked before a lease, so that nobody works for nothing.
	fn bond_covers(
		worker: &AccountId,
		spec: &TaskSpec,
		base_fee_per_gmac: Balance,
	) -> Result<(), DispatchError>;
}
