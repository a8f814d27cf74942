// SPDX-License-Identifier: Apache-2.0

//! Runtime APIs: what node, worker and client read from the state.

use crate::{
	economics::Supply,
	task::{Quote, TaskReport, TaskSpec},
	worker::{Assignment, VerificationBrief, WorkerReport},
	AccountId, Balance, BlockNumber, Hash32, Moment, TaskId, U256,
};
use alloc::vec::Vec;
use poaiw_program::arbiter::Case;
use poaiw_work::profile::WorkProfile;
use polkadot_sdk::sp_api;

sp_api::decl_runtime_apis! {
	/// What a miner needs besides a template. All answers are for the child of the block at which they are asked.
	pub trait WorkApi {
		/// Chance of one MAC, times 2^256.
		fn mac_target() -> U256;
		/// Work profile of the epoch.
		fn profile() -> WorkProfile;
		/// Seed of the epoch (dataset of the memory-hard finish).
		fn epoch_seed() -> Hash32;
		/// Number of the epoch and height at which the next one begins.
		fn epoch() -> (u32, BlockNumber);
		/// Earliest time stamp that the median rule allows, in milliseconds.
		fn earliest_timestamp() -> Moment;
	}

	/// Reads of the task market.
	pub trait MarketApi {
		/// Price and expected wait of a task of so many product MACs at this tip.
		fn quote(macs: u64, tip_per_gmac: Balance) -> Quote;
		/// What is wrong with a specification, in words; empty when it can be posted.
		fn check_spec(requester: AccountId, spec: TaskSpec) -> Vec<u8>;
		/// The whole life of a task.
		fn task_report(task: TaskId) -> Option<TaskReport>;
		/// The last `limit` tasks (at most 100), newest first.
		fn tasks(limit: u32) -> Vec<TaskReport>;
		/// The best task that the worker may take now.
		fn next_task(worker: AccountId, refused: Vec<TaskId>) -> Option<TaskId>;
	}

	/// Reads of the worker registry and of verification.
	pub trait WorkerApi {
		/// A registered account.
		fn worker_report(account: AccountId) -> Option<WorkerReport>;
		/// Segments that wait for a vote of this verifier.
		fn assignments(verifier: AccountId) -> Vec<Assignment>;
		/// What a verifier must know of an attested task.
		fn brief(task: TaskId) -> Option<VerificationBrief>;
	}

	/// The arbiter as the chain runs it: whoever prepares a dispute can ask beforehand how it will end.
	pub trait ArbiterApi {
		/// The padded bytes of a block of an instruction's output, or why there is no ruling, in words.
		fn arbitrate(case: Case) -> Result<Vec<u8>, Vec<u8>>;
	}

	/// Reads of the token's economics.
	pub trait EconomicsApi {
		/// Where the supply comes from and went.
		fn supply() -> Supply;
		/// Reward of the next block, all shares together.
		fn block_reward() -> Balance;
	}
}
