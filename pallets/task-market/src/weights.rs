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
	/// Posting a task.
	fn post() -> Weight;
	/// Cancelling a leased task (the dearer case).
	fn cancel() -> Weight;
	/// Taking a lease.
	fn lease() -> Weight;
	/// Admission of a lease: eligibility and one signature.
	fn authorize_lease() -> Weight;
	/// A heartbeat.
	fn heartbeat() -> Weight;
	/// Admission of a heartbeat.
	fn authorize_heartbeat() -> Weight;
	/// Base fee, `deadlines` ends of tasks and `leases` looks at heartbeats, each at its dearest.
	fn on_initialize(deadlines: u32, leases: u32) -> Weight;
	/// Seeds of `leases` fresh leases.
	fn on_parent_seal(leases: u32) -> Weight;
}

const fn micros(n: u64) -> Weight {
	Weight::from_parts(n.saturating_mul(1_000_000), 0)
}

macro_rules! weights {
	($db:expr) => {
		fn post() -> Weight {
			micros(60).saturating_add($db.reads_writes(7, 7))
		}
		fn cancel() -> Weight {
			micros(140).saturating_add($db.reads_writes(18, 16))
		}
		fn lease() -> Weight {
			micros(60).saturating_add($db.reads_writes(12, 7))
		}
		fn authorize_lease() -> Weight {
			micros(90).saturating_add($db.reads_writes(10, 0))
		}
		fn heartbeat() -> Weight {
			micros(20).saturating_add($db.reads_writes(1, 1))
		}
		fn authorize_heartbeat() -> Weight {
			micros(70).saturating_add($db.reads_writes(3, 0))
		}
		fn on_initialize(deadlines: u32, leases: u32) -> Weight {
			let deadline = micros(120).saturating_add($db.reads_writes(18, 15));
			let lease = micros(120).saturating_add($db.reads_writes(18, 15));
			micros(15)
				.saturating_add($db.reads_writes(6, 4))
				.saturating_add(deadline.saturating_mul(deadlines.into()))
				.saturating_add(lease.saturating_mul(leases.into()))
		}
		fn on_parent_seal(leases: u32) -> Weight {
			let one = micros(15).saturating_add($db.reads_writes(1, 1));
			$db.reads_writes(1, 1)
				.saturating_add(one.saturating_mul(leases.into()))
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
