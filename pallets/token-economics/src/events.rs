// SPDX-License-Identifier: Apache-2.0

//! What the pallet tells: events, and why calls are refused. A section of the pallet's module, which imports it.

use polkadot_sdk::frame_support::pallet_macros::pallet_section;

/// Events and errors.
#[pallet_section]
mod events {
	/// Events.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// The author of a block was rewarded.
		BlockRewarded {
			/// Height of the block.
			block: BlockNumber,
			/// Who mined it.
			author: AccountId,
			/// Who received the reward.
			payout: AccountId,
			/// Base share, paid.
			base: Balance,
			/// Useful share.
			useful: Balance,
			/// What became of the useful share, and why.
			outcome: ShareOutcome,
		},
		/// A settled task granted credit, and shares were released out of the worker's credit.
		UsefulReleased {
			/// The settled task.
			task: TaskId,
			/// Its worker.
			worker: AccountId,
			/// Credit that the task granted.
			granted: Balance,
			/// Shares released.
			released: Balance,
			/// Credit that is left.
			credit: Balance,
		},
		/// The held share of a block was burned: its lease failed, or it was not released in time.
		UsefulBurned {
			/// Height of the block.
			block: BlockNumber,
			/// The task that its seal named.
			task: TaskId,
			/// How much.
			amount: Balance,
		},
		/// A verifier was paid for a vote.
		VoteRewarded {
			/// The verifier.
			verifier: AccountId,
			/// How much.
			amount: Balance,
		},
		/// A payment was not minted because the account can't take it, for example since it would stay below the
		/// existential deposit. Use an existing account.
		NotMinted {
			/// The account.
			account: AccountId,
			/// How much.
			amount: Balance,
		},
		/// Root changed the parameters.
		ParametersSet {
			/// In force from now on.
			parameters: Parameters,
		},
	}

	/// Errors.
	#[pallet::error]
	pub enum Error<T> {
		/// This block noted the seal of its parent already. A block has exactly one parent-seal inherent.
		AlreadyNoted,
		/// The parent has a seal, but the inherent has none. Derive the summary from the parent's header.
		SealMissing,
		/// Genesis has no seal, but the inherent has one. Give none in block 1.
		SealOfGenesis,
		/// The shares don't add up to exactly 100 %. Change one of them.
		SplitNotWhole,
		/// The cap is larger than the emission can be computed with (2^127 / 10^9). Use a smaller one.
		CapTooLarge,
		/// A year has no blocks. State how many blocks a year has at the planned block time.
		YearWithoutBlocks,
	}
}
