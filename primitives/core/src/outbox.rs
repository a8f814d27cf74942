// SPDX-License-Identifier: Apache-2.0

//! Reports on their way from a worker to the chain.
//!
//! A worker hands a report to its node by RPC; the node checks it and stores it in persistent off-chain storage under the
//! keys below. The off-chain workers of the pallets look at the state (which leases, attestations and votes are due from
//! a local key), take the report that is stored for it, sign it, submit it, and try again until it is seen on chain.
//! State decides what is sent, so nothing is sent twice on chain and nothing is lost by a restart.

use crate::{
	app::{ReporterId, ReporterSignature},
	task::Attestation,
	task::Verdict,
	AccountId, BlockNumber, TaskId,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use polkadot_sdk::{
	sp_application_crypto::RuntimeAppPublic,
	sp_runtime::{
		offchain::storage::{StorageRetrievalError, StorageValueRef},
		transaction_validity::InvalidTransaction,
	},
};
use scale_info::TypeInfo;

/// Blocks after which a report that was submitted but not seen on chain is submitted again.
pub const RETRY_AFTER: BlockNumber = 4;
/// Blocks for which a signed report is valid; older ones are stale.
pub const REPORT_LONGEVITY: BlockNumber = 64;

/// A worker's wish for its next task. Kept fresh by the worker; stale wishes are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LeaseWish {
	/// Height at which the worker last asked.
	pub at: BlockNumber,
	/// A task that it wants; `None` for the best that it is eligible for.
	pub task: Option<TaskId>,
	/// Tasks it does not want (their artifacts or workloads were unusable), at most 32.
	pub refused: Vec<TaskId>,
}

/// Sign of life for a lease.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Liveness {
	/// Height at which the worker last reported progress.
	pub at: BlockNumber,
}

/// What a reporter key signs. The variant and the genesis hash keep signatures from being used for anything else.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Report {
	/// Take a task.
	Lease {
		/// The task.
		task: TaskId,
	},
	/// Still working on it.
	Heartbeat {
		/// The task.
		task: TaskId,
	},
	/// Done.
	Attest(Attestation),
	/// Finding of a verifier.
	Vote(crate::task::Vote),
}

/// A report with its sender and time: the payload that is signed (SCALE, prefixed with the genesis hash).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedReport {
	/// Account that reports.
	pub account: AccountId,
	/// Height of the chain when it was signed.
	pub at: BlockNumber,
	/// The report.
	pub report: Report,
}

impl SignedReport {
	/// Bytes that the reporter key signs.
	pub fn payload(&self, genesis: &crate::Hash) -> Vec<u8> {
		(b"PoAIW/report/1", genesis, self).encode()
	}

	/// Whether the report may be used at height `now`: signed neither later than that nor more than
	/// [`REPORT_LONGEVITY`] blocks before.
	pub fn check_age(&self, now: BlockNumber) -> Result<(), InvalidTransaction> {
		match now.checked_sub(self.at) {
			None => Err(InvalidTransaction::Future),
			Some(age) if age > REPORT_LONGEVITY => Err(InvalidTransaction::Stale),
			Some(_) => Ok(()),
		}
	}

	/// Blocks for which the report stays valid.
	pub fn longevity(&self, now: BlockNumber) -> u64 {
		u64::from(self.at.saturating_add(REPORT_LONGEVITY).saturating_sub(now)).max(1)
	}

	/// Whether `reporter` signed this report for the chain with this genesis. The expensive check: make it last.
	pub fn check_signature(
		&self,
		genesis: &crate::Hash,
		reporter: &ReporterId,
		signature: &ReporterSignature,
	) -> Result<(), InvalidTransaction> {
		if reporter.verify(&self.payload(genesis), signature) {
			Ok(())
		} else {
			Err(InvalidTransaction::BadProof)
		}
	}
}

/// Verdict as the node stores it for an assignment.
pub type StoredVerdict = Verdict;

/// Off-chain storage key of the lease wish of `account`.
pub fn lease_key(account: &AccountId) -> Vec<u8> {
	(b"poaiw/outbox/lease", account).encode()
}

/// Off-chain storage key of the sign of life of `account` for `task`.
pub fn liveness_key(account: &AccountId, task: TaskId) -> Vec<u8> {
	(b"poaiw/outbox/alive", account, task).encode()
}

/// Off-chain storage key of the attestation of `account` for `task`, in the lease number `attempt`.
pub fn attestation_key(account: &AccountId, task: TaskId, attempt: u32) -> Vec<u8> {
	(b"poaiw/outbox/attest", account, task, attempt).encode()
}

/// Off-chain storage key of the verdict of `account` on a segment.
pub fn vote_key(account: &AccountId, task: TaskId, attempt: u32, segment: u32) -> Vec<u8> {
	(b"poaiw/outbox/vote", account, task, attempt, segment).encode()
}

/// Off-chain storage key of the height at which the report stored under `key` was last submitted.
pub fn submitted_key(key: &[u8]) -> Vec<u8> {
	(b"poaiw/outbox/submitted", key).encode()
}

/// Read a value that the node stored under `key`; `None` when there is none or it can't be decoded.
/// For off-chain workers only.
pub fn stored<V: Decode>(key: &[u8]) -> Option<V> {
	StorageValueRef::persistent(key).get::<V>().ok().flatten()
}

/// Take the right to submit the report stored under `key` at height `now`: `false` while a submission of less than
/// [`RETRY_AFTER`] blocks ago may still be on its way, or when another off-chain worker was faster.
/// A time in the future (left by an abandoned fork) doesn't count. For off-chain workers only.
pub fn claim_submission(key: &[u8], now: BlockNumber) -> bool {
	StorageValueRef::persistent(&submitted_key(key))
		.mutate(
			|last: Result<Option<BlockNumber>, StorageRetrievalError>| match last {
				Ok(Some(at)) if at <= now && now.saturating_sub(at) < RETRY_AFTER => Err(()),
				_ => Ok(now),
			},
		)
		.is_ok()
}

/// Give the right taken by [`claim_submission`] back, because nothing could be submitted.
pub fn release_submission(key: &[u8]) {
	StorageValueRef::persistent(&submitted_key(key)).clear();
}

#[cfg(test)]
mod tests {
	use super::*;

	fn report(at: BlockNumber) -> SignedReport {
		SignedReport {
			account: AccountId::new([1; 32]),
			at,
			report: Report::Lease { task: 1 },
		}
	}

	#[test]
	fn report_should_be_refused_when_stale_or_from_the_future() {
		assert_eq!(report(11).check_age(10), Err(InvalidTransaction::Future));
		assert_eq!(report(10).check_age(10), Ok(()));
		assert_eq!(report(10).check_age(10 + REPORT_LONGEVITY), Ok(()));
		assert_eq!(
			report(10).check_age(11 + REPORT_LONGEVITY),
			Err(InvalidTransaction::Stale)
		);
	}

	#[test]
	fn payload_should_depend_on_chain_sender_time_and_report() {
		let base = report(1).payload(&crate::Hash::repeat_byte(1));
		assert_ne!(base, report(1).payload(&crate::Hash::repeat_byte(2)));
		assert_ne!(base, report(2).payload(&crate::Hash::repeat_byte(1)));
		let beat = SignedReport {
			report: Report::Heartbeat { task: 1 },
			..report(1)
		};
		assert_ne!(base, beat.payload(&crate::Hash::repeat_byte(1)));
	}
}
