// SPDX-License-Identifier: Apache-2.0

//! Weights of calls and hooks: storage accesses are counted by hand, execution times are upper estimates.
//! `frame-omni-bencher` measures them from `benchmarking.rs` and a runtime with the feature `runtime-benchmarks`.

use crate::*;
use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, RuntimeDbWeight, Weight},
};

/// Weights that the runtime must state.
pub trait WeightInfo {
	/// Burn a share that was not released, note the author when the block ends.
	fn on_initialize() -> Weight;
	/// Reward the parent; with what its handlers (beacon, claims, seeds, epoch) need.
	fn note_parent_seal() -> Weight;
	/// Change the parameters.
	fn set_parameters() -> Weight;
	/// Settle a task with `s` held shares.
	fn on_settled(s: u32) -> Weight;
	/// Burn `s` held shares of a task.
	fn on_failed(s: u32) -> Weight;
}

fn weight(db: RuntimeDbWeight, micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), 16_000)
		.saturating_add(db.reads_writes(reads, writes))
}

fn with_shares(db: RuntimeDbWeight, shares: u32, micros: u64, reads: u64, writes: u64) -> Weight {
	weight(db, 80, 8, 6).saturating_add(weight(db, micros, reads, writes).saturating_mul(shares.into()))
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn on_initialize() -> Weight {
		weight(T::DbWeight::get(), 80, 9, 8)
	}
	fn note_parent_seal() -> Weight {
		weight(T::DbWeight::get(), 250, 20, 16)
	}
	fn set_parameters() -> Weight {
		weight(T::DbWeight::get(), 10, 0, 2)
	}
	fn on_settled(s: u32) -> Weight {
		with_shares(T::DbWeight::get(), s, 8, 2, 1)
	}
	fn on_failed(s: u32) -> Weight {
		with_shares(T::DbWeight::get(), s, 45, 3, 3)
	}
}

impl WeightInfo for () {
	fn on_initialize() -> Weight {
		weight(RocksDbWeight::get(), 80, 9, 8)
	}
	fn note_parent_seal() -> Weight {
		weight(RocksDbWeight::get(), 250, 20, 16)
	}
	fn set_parameters() -> Weight {
		weight(RocksDbWeight::get(), 10, 0, 2)
	}
	fn on_settled(s: u32) -> Weight {
		with_shares(RocksDbWeight::get(), s, 8, 2, 1)
	}
	fn on_failed(s: u32) -> Weight {
		with_shares(RocksDbWeight::get(), s, 45, 3, 3)
	}
}
