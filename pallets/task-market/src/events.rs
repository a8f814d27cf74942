// SPDX-License-Identifier: Apache-2.0

//! What the pallet tells: events, and why calls are refused. A section of the pallet's module, which imports it.

use polkadot_sdk::frame_support::pallet_macros::pallet_section;

/// Events and errors.
#[pallet_section]
mod events {
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A task was posted and `held` tokens of the requester were put on hold for it.
		Posted {
			/// The task.
			task: TaskId,
			/// Who posted it.
			requester: AccountId,
			/// Product MACs of the run.
			macs: u64,
			/// Tokens held.
			held: Balance,
			/// Height of the deadline.
			deadline: BlockNumber,
		},
		/// A worker leased a task at a fixed price; the seed follows with the next block.
		Leased {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// Number of the lease.
			attempt: u32,
			/// Base fee per GMAC that the lease fixes.
			base_fee_per_gmac: Balance,
		},
		/// The seed of a lease is known: the worker can begin.
		Seeded {
			/// The task.
			task: TaskId,
			/// Number of the lease.
			attempt: u32,
			/// The seed.
			seed: [u8; 32],
		},
		/// A lease ended without a result; `slashed` was taken from the worker's bond.
		LeaseEnded {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// Number of the lease.
			attempt: u32,
			/// Why.
			reason: LeaseEnd,
			/// Taken from the worker's bond.
			slashed: Balance,
		},
		/// The worker attested a result; verification decides.
		Attested {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// Number of the lease.
			attempt: u32,
		},
		/// The result was rejected; the requester paid nothing.
		Rejected {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// Number of the lease.
			attempt: u32,
		},
		/// The task is open again.
		Reopened {
			/// The task.
			task: TaskId,
			/// Leases so far.
			attempts: u32,
		},
		/// The result was accepted: `paid` went to the worker, `burned` is the base fee, `released` went back to the requester.
		Settled {
			/// The task.
			task: TaskId,
			/// The worker.
			worker: AccountId,
			/// Tokens for the worker.
			paid: Balance,
			/// Tokens burned as base fee.
			burned: Balance,
			/// Tokens released to the requester.
			released: Balance,
		},
		/// The task ended without a result; everything (`released`) went back to the requester.
		Expired {
			/// The task.
			task: TaskId,
			/// Why.
			reason: ExpiryReason,
			/// Tokens released to the requester.
			released: Balance,
		},
		/// The requester withdrew the task; work already done cost `paid` (to the worker) and `burned`.
		Cancelled {
			/// The task.
			task: TaskId,
			/// Tokens for the worker.
			paid: Balance,
			/// Tokens burned as base fee.
			burned: Balance,
			/// Tokens released to the requester.
			released: Balance,
		},
		/// The base fee per GMAC changed.
		BaseFeeChanged {
			/// Base fee per GMAC from now on.
			base_fee: Balance,
			/// Smoothed share of workers under lease.
			utilisation: Permill,
		},
	}

	/// Why a call was refused. Feeless calls carry the number of the variant as custom validity error.
	#[pallet::error]
	#[derive(PartialEq, Eq)]
	pub enum Error<T> {
		/// No task has this number, or it ended long ago. Look at `tasks` for the known ones.
		UnknownTask,
		/// Only the requester can do this. Sign with the account that posted the task.
		NotRequester,
		/// The task has no work in it. State the product MACs of the workload.
		NoWork,
		/// The task has more MACs than the chain takes. Split it.
		TooMuchWork,
		/// Segments must be between 1 and `MAX_SEGMENTS`, and not more than MACs.
		BadSegments,
		/// Segments have more MACs than a verifier is expected to re-execute in time. Use fewer steps per segment.
		SegmentTooLarge,
		/// The program root is zero. Give the hash of the encoded workload.
		NoProgram,
		/// The locator is not printable ASCII. Give a URL, or nothing for the default store.
		BadLocator,
		/// The deadline is too near for a worker to make it. Choose a later height.
		DeadlineTooSoon,
		/// The deadline is too far away. Choose an earlier height.
		DeadlineTooFar,
		/// Too many tasks have this deadline. Choose another height.
		DeadlineBusy,
		/// A level needs between one and `MaxVerifiers` verifiers.
		BadVerifiers,
		/// A level can ask for at most `MaxSampled` sampled segments.
		TooManySampled,
		/// `max_price` is less than the price at the current base fee, or than `MinPrice`. Ask for a quote.
		PriceTooLow,
		/// The price does not fit into a balance. Lower the tip.
		PriceOverflow,
		/// Too many tasks with a tip of this size are live. Raise the tip, or wait.
		MarketFull,
		/// The task is settled, expired or cancelled.
		TaskEnded,
		/// A result waits for its verdict, so the task can't be cancelled.
		ResultPending,
		/// The task is not open: somebody else has the lease.
		NotOpen,
		/// The lease was signed before the task came to the market. Sign a fresh one.
		LeaseTooOld,
		/// The deadline of the task has passed.
		DeadlinePassed,
		/// The account may not take tasks: not registered as worker, or its bond is too small.
		NotWorker,
		/// The worker has a running lease. One at a time.
		HasLease,
		/// The worker's device has not enough memory for the task.
		TooLittleMemory,
		/// The worker has not enough valid results in a row for the task.
		TooLittleReputation,
		/// At the current base fee the task would cost more than its `max_price`.
		PriceAboveMax,
		/// A result of this worker for this task was rejected before.
		RejectedBefore,
		/// The worker's bond does not cover what it could gain by cheating. Add to the bond.
		BondTooSmall,
		/// Too many leases run, or began in this block. Try again in the next one.
		TooManyLeases,
		/// The account has no lease on this task.
		NotLeaseholder,
		/// The heartbeat is not newer than the last one.
		HeartbeatTooOld,
		/// The report is of another kind than the call takes.
		WrongReport,
		/// Running numbers are used up.
		Exhausted,
	}
}
