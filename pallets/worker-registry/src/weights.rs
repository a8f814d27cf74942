// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls: storage accesses are counted by hand, execution times are upper estimates.
//! `frame-omni-bencher` measures them from `benchmarking.rs` and a runtime with the feature `runtime-benchmarks`.

use crate::*;
use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, RuntimeDbWeight, Weight},
};

/// Weights that the runtime must state.
pub trait WeightInfo {
	/// Register beside `v` verifiers.
	fn register(v: u32) -> Weight;
	/// Update beside `v` verifiers.
	fn update(v: u32) -> Weight;
	/// Add to the bond.
	fn bond_more() -> Weight;
	/// Begin to withdraw.
	fn unbond() -> Weight;
	/// Give up all roles.
	fn deregister() -> Weight;
	/// Release what was unbonded.
	fn withdraw() -> Weight;
}

/// A call that reads and writes so many items, and reads record and hold of `v` verifiers.
fn call(db: RuntimeDbWeight, micros: u64, reads: u64, writes: u64, v: u32) -> Weight {
	let per_verifier = Weight::from_parts(4_000_000, 2_500).saturating_add(db.reads(2));
	Weight::from_parts(micros.saturating_mul(1_000_000), 12_000)
		.saturating_add(db.reads_writes(reads, writes))
		.saturating_add(per_verifier.saturating_mul(v.into()))
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn register(v: u32) -> Weight {
		call(T::DbWeight::get(), 80, 7, 8, v)
	}
	fn update(v: u32) -> Weight {
		call(T::DbWeight::get(), 50, 7, 6, v)
	}
	fn bond_more() -> Weight {
		call(T::DbWeight::get(), 55, 4, 3, 0)
	}
	fn unbond() -> Weight {
		call(T::DbWeight::get(), 25, 3, 2, 0)
	}
	fn deregister() -> Weight {
		call(T::DbWeight::get(), 30, 4, 3, 0)
	}
	fn withdraw() -> Weight {
		call(T::DbWeight::get(), 60, 3, 4, 0)
	}
}

impl WeightInfo for () {
	fn register(v: u32) -> Weight {
		call(RocksDbWeight::get(), 80, 7, 8, v)
	}
	fn update(v: u32) -> Weight {
		call(RocksDbWeight::get(), 50, 7, 6, v)
	}
	fn bond_more() -> Weight {
		call(RocksDbWeight::get(), 55, 4, 3, 0)
	}
	fn unbond() -> Weight {
		call(RocksDbWeight::get(), 25, 3, 2, 0)
	}
	fn deregister() -> Weight {
		call(RocksDbWeight::get(), 30, 4, 3, 0)
	}
	fn withdraw() -> Weight {
		call(RocksDbWeight::get(), 60, 3, 4, 0)
	}
}
