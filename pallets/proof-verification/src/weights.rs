// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls and hooks: estimated by hand from reads, writes and hashing; `cargo xtask weights` replaces them
//! with measured ones.

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
	/// A vote that ends the verification (the dearest case).
	fn vote() -> Weight;
	/// Admission of a vote: record, check and one signature.
	fn authorize_vote() -> Weight;
	/// `due` attestations at their dearest: a draw that names verifiers for each of 64 segments.
	fn on_initialize(due: u32) -> Weight;
	/// One seal with a claim.
	fn on_parent_seal() -> Weight;
}

const fn micros(n: u64) -> Weight {
	Weight::from_parts(n.saturating_mul(1_000_000), 0)
}

macro_rules! weights {
	($db:expr) => {
		fn attest() -> Weight {
			micros(80).saturating_add($db.reads_writes(12, 10))
		}
		fn authorize_attest() -> Weight {
			micros(90).saturating_add($db.reads_writes(8, 0))
		}
		fn vote() -> Weight {
			micros(400).saturating_add($db.reads_writes(100, 60))
		}
		fn authorize_vote() -> Weight {
			micros(80).saturating_add($db.reads_writes(4, 0))
		}
		fn on_initialize(due: u32) -> Weight {
			let one = micros(3_000).saturating_add($db.reads_writes(400, 600));
			micros(10)
				.saturating_add($db.reads(1))
				.saturating_add(one.saturating_mul(due.into()))
		}
		fn on_parent_seal() -> Weight {
			micros(40).saturating_add($db.reads_writes(4, 4))
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
