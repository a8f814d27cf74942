// SPDX-License-Identifier: Apache-2.0

//! Weights of calls and hooks: storage accesses are counted by hand, execution times are upper estimates.
//! `frame-omni-bencher` measures them from `benchmarking.rs` and a runtime with the feature `runtime-benchmarks`.

use crate::*;
use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::RocksDbWeight, Weight},
};

/// Weights that the runtime must state.
pub trait WeightInfo {
	/// Retarget and, at the end of an epoch, draw the next.
	fn on_finalize() -> Weight;
	/// Move the anchor.
	fn set_anchor() -> Weight;
}

fn on_finalize(db: frame_support::weights::RuntimeDbWeight) -> Weight {
	Weight::from_parts(20_000_000, 1_024).saturating_add(db.reads_writes(5, 4))
}

fn set_anchor(db: frame_support::weights::RuntimeDbWeight) -> Weight {
	Weight::from_parts(12_000_000, 1_024).saturating_add(db.reads_writes(3, 1))
}

/// Weights with the database of the runtime.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	fn on_finalize() -> Weight {
		on_finalize(T::DbWeight::get())
	}
	fn set_anchor() -> Weight {
		set_anchor(T::DbWeight::get())
	}
}

impl WeightInfo for () {
	fn on_finalize() -> Weight {
		on_finalize(RocksDbWeight::get())
	}
	fn set_anchor() -> Weight {
		set_anchor(RocksDbWeight::get())
	}
}
