// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls and hooks: estimated by hand from reads, writes and hashing in the setups of `benchmarking.rs`.
//! Measured ones come from `frame-omni-bencher` and a runtime with the feature `runtime-benchmarks`.

use core::marker::PhantomData;
use polkadot_sdk::{
	frame_support::{
		traits::Get,
		weights::{constants::RocksDbWeight, Weight},
	},
	frame_system,
};

/// Weights that the pallet needs.
pub trait WeightInfo {
	/// An attestation.
	fn attest() -> Weight;
	/// Admission of an attestation: the task, the bond and one signature.
	fn authorize_attest() -> Weight;
	/// A vote after which more verifiers are asked (the dearest that does not end the verification).
	fn vote() -> Weight;
	/// A vote that ends the verification with a fault (the dearest end).
	fn vote_ends() -> Weight;
	/// Admission of a vote: record, check and one signature.
	fn authorize_vote() -> Weight;
	/// The draw of an attestation: names verifiers for each segment of the largest sample.
	fn on_initialize_draw() -> Weight;
	/// Silence on each segment of the largest sample: slashes, and names further verifiers.
	fn on_initialize_silence() -> Weight;
	/// `due` attestations at their dearest.
	fn on_initialize(due: u32) -> Weight {
		let one = Self::on_initialize_draw().max(Self::on_initialize_silence());
		one.saturating_mul(due.into())
			.saturating_add(Weight::from_parts(50_000_000, 0))
	}
	/// One seal with a claim.
	fn on_parent_seal() -> Weight;
}

const fn micros(n: u64) -> Weight {
	Weight::from_parts(n.saturating_mul(1_000_000), 0)
}

// With samples of 16 segments, 20 verifiers of a segment at most (5 at first) and 256 registered ones.
macro_rules! weights {
	($db:expr) => {
		fn attest() -> Weight {
			micros(200).saturating_add($db.reads_writes(15, 26))
		}
		fn authorize_attest() -> Weight {
			micros(150).saturating_add($db.reads_writes(10, 0))
		}
		fn vote() -> Weight {
			// Two reads for each registered verifier.
			micros(2_500).saturating_add($db.reads_writes(520, 10))
		}
		fn vote_ends() -> Weight {
			// Of 20 verifiers the records, balances and holds; of 16 segments the checks and 300 assignments.
			micros(6_000).saturating_add($db.reads_writes(120, 420))
		}
		fn authorize_vote() -> Weight {
			micros(120).saturating_add($db.reads_writes(4, 0))
		}
		fn on_initialize_draw() -> Weight {
			// For each segment a check, and five assignments with the records of the verifiers.
			micros(8_000).saturating_add($db.reads_writes(540, 260))
		}
		fn on_initialize_silence() -> Weight {
			// As the draw; besides five assignments, records and holds of those who were silent.
			micros(40_000).saturating_add($db.reads_writes(560, 380))
		}
		fn on_parent_seal() -> Weight {
			micros(80).saturating_add($db.reads_writes(4, 4))
		}
	};
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	weights!(T::DbWeight::get());
}

/// Weights with the default database, for tests.
impl WeightInfo for () {
	weights!(RocksDbWeight::get());
}
