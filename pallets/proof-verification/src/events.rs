// SPDX-License-Identifier: Apache-2.0

//! What the pallet tells: events, and why calls are refused. A section of the pallet's module, which imports it.

use polkadot_sdk::frame_support::pallet_macros::pallet_section;

/// Events and errors.
#[pallet_section]
mod events {
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A worker attested a result.
		Attested {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// The lease.
			attempt: u32,
			/// Root over the trace.
			trace_root: Hash32,
			/// State after the last segment.
			final_state_root: Hash32,
			/// Part of the bond that answers for it.
			exposure: Balance,
		},
		/// The beacon drew the segments to re-execute.
		Sampled {
			/// The task.
			task: TaskId,
			/// The lease.
			attempt: u32,
			/// The segments.
			segments: alloc::vec::Vec<u32>,
		},
		/// Verifiers were named for a segment. None means that there are none: more must register.
		VerifiersNamed {
			/// The task.
			task: TaskId,
			/// The segment.
			segment: u32,
			/// The verifiers.
			verifiers: alloc::vec::Vec<AccountId>,
			/// Height by which they must vote.
			due: BlockNumber,
		},
		/// A verifier voted.
		Voted {
			/// The task.
			task: TaskId,
			/// The segment.
			segment: u32,
			/// The verifier.
			verifier: AccountId,
			/// The finding.
			verdict: Verdict,
		},
		/// A verifier did not vote in time.
		Silent {
			/// The task.
			task: TaskId,
			/// The segment.
			segment: u32,
			/// The verifier.
			verifier: AccountId,
			/// What was taken from its bond.
			slashed: Balance,
		},
		/// A verifier voted against what was found.
		Contradicted {
			/// The task.
			task: TaskId,
			/// The segment.
			segment: u32,
			/// The verifier.
			verifier: AccountId,
			/// What was taken from its bond.
			slashed: Balance,
		},
		/// The votes on a segment are decided.
		SegmentDecided {
			/// The task.
			task: TaskId,
			/// The segment.
			segment: u32,
			/// What was found.
			finding: Finding,
		},
		/// A result is decided.
		Decided {
			/// The task.
			task: TaskId,
			/// The lease.
			attempt: u32,
			/// The worker.
			worker: AccountId,
			/// How.
			outcome: Outcome,
			/// What was taken from the worker's bond.
			slashed: Balance,
		},
		/// The market could not carry a verdict out; it is tried again after a vote window.
		VerdictDelayed {
			/// The task.
			task: TaskId,
			/// What the market said.
			error: DispatchError,
		},
	}

	/// Why a call was refused. Feeless calls carry the number of the variant as custom validity error.
	#[pallet::error]
	#[derive(PartialEq, Eq)]
	pub enum Error<T> {
		/// The report is of another kind than the call takes.
		WrongReport,
		/// The task is not under lease.
		NotLeased,
		/// A result of this lease was attested already.
		AlreadyAttested,
		/// The lease is held by another account.
		NotLeaseholder,
		/// The report is about another lease of the task than the current one.
		WrongAttempt,
		/// The seed of the lease is not drawn yet, so no result can come from it.
		NoSeed,
		/// The attestation states another number of MACs than the task.
		WrongMacs,
		/// The attestation states another number of segments than the task.
		WrongSegments,
		/// A trace root or state root is zero.
		MissingRoot,
		/// A metric must have a total, and not more correct than that.
		WrongMetric,
		/// The bond does not cover what could be gained by cheating, besides the worker's pending results. Add to it.
		BondTooSmall,
		/// Too many results wait for their verdict. Try again later.
		TooManyPending,
		/// No result of this task waits for votes.
		NothingToVote,
		/// The segment is not in the sample.
		NotSampled,
		/// The verifier was not asked about this segment.
		NotAssigned,
		/// The verifier has voted on this segment.
		AlreadyVoted,
		/// The vote comes too late.
		TooLate,
	}
}
