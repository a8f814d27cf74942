// SPDX-License-Identifier: Apache-2.0

//! What the market stores of a task, and where it stands in time.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_primitives::{
	task::{Lease, TaskSpec, TaskState},
	AccountId, Balance, BlockNumber,
};
use polkadot_sdk::{
	sp_core::ConstU32,
	sp_runtime::{BoundedVec, Permill},
};
use scale_info::TypeInfo;

/// Most leases that a task can ever have; `Config::MaxAttempts` can't be more.
pub const ATTEMPTS_BOUND: u32 = 32;

/// Workers whose result for a task was rejected.
pub type RejectedWorkers = BoundedVec<AccountId, ConstU32<ATTEMPTS_BOUND>>;

/// A posted task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Task {
	/// Who posted it and whose tokens are held.
	pub requester: AccountId,
	/// Height at which it was posted.
	pub posted_at: BlockNumber,
	/// Height at which it came (back) to the market. A lease must have been signed at that height or later, so an old
	/// lease report can't be played again.
	pub open_since: BlockNumber,
	/// Block of the deadline agenda under which the task is filed.
	pub filed_at: BlockNumber,
	/// What was posted.
	pub spec: TaskSpec,
	/// Where it stands.
	pub state: TaskState,
	/// Amount held from the requester for this task; zero once it has ended.
	pub held: Balance,
	/// Leases so far.
	pub attempts: u32,
	/// Workers that may not lease it again, because their result was rejected.
	pub rejected: RejectedWorkers,
}

impl Task {
	/// The current lease, attested or not.
	pub fn lease(&self) -> Option<&Lease> {
		match &self.state {
			TaskState::Leased(lease) | TaskState::Attested(lease) => Some(lease),
			_ => None,
		}
	}

	/// Whether the task is neither settled nor expired nor cancelled.
	pub fn is_live(&self) -> bool {
		matches!(
			self.state,
			TaskState::Open | TaskState::Leased(_) | TaskState::Attested(_)
		)
	}
}

/// A fresh lease that waits for its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct PendingSeed {
	/// The task.
	pub task: u64,
	/// The lease.
	pub attempt: u32,
	/// Block that carries the lease: the ticket of its seal makes the seed.
	pub block: BlockNumber,
}

/// Base fee and the utilisation that moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct FeeState {
	/// Base fee per GMAC.
	pub base_fee: Balance,
	/// Smoothed share of workers that hold a lease.
	pub utilisation: Permill,
}

/// Why a lease ended without a result.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum LeaseEnd {
	/// No heartbeat came in time: costs reputation and a part of the bond.
	Silent,
	/// The deadline passed: costs reputation.
	Deadline,
	/// The requester cancelled: costs the worker nothing.
	Cancelled,
}

/// Why a task expired.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ExpiryReason {
	/// The deadline passed without an attestation that held.
	Deadline,
	/// Too many leases failed.
	Attempts,
}
