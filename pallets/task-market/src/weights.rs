// SPDX-License-Identifier: Apache-2.0

//! Weights of the calls and hooks: estimated by hand from reads, writes and hashing in the setups of `benchmarking.rs`.
//! Measured ones come from `frame-omni-bencher` and a runtime with the feature `runtime-benchmarks`.

use core::marker::PhantomData;
use polkadot_sdk::{
	frame_support::{
		traits::Get,
		weights::{constants::RocksDbWeight, RuntimeDbWeight, Weight},
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
	/// Base fee, `deadlines` ends of tasks, `looks` at heartbeats and, among these, `lost` leases, each at its dearest.
	fn on_initialize(deadlines: u32, looks: u32, lost: u32) -> Weight;
	/// Seeds of `leases` fresh leases.
	fn on_parent_seal(leases: u32) -> Weight;
}

const fn micros(n: u64) -> Weight {
	Weight::from_parts(n.saturating_mul(1_000_000), 0)
}

/// What is forgotten when an ended task is pushed out of the archive: the task, its attestation, seals, and a check of each
/// segment of the largest sample.
fn forget(db: RuntimeDbWeight) -> Weight {
	micros(30).saturating_add(db.reads_writes(3, 20))
}

macro_rules! weights {
	($db:expr) => {
		fn post() -> Weight {
			// Nine blocks of the agenda, when eight are full.
			micros(90).saturating_add($db.reads_writes(17, 8))
		}
		fn cancel() -> Weight {
			micros(250)
				.saturating_add($db.reads_writes(20, 18))
				.saturating_add(forget($db))
		}
		fn lease() -> Weight {
			micros(150).saturating_add($db.reads_writes(15, 9))
		}
		fn authorize_lease() -> Weight {
			micros(150).saturating_add($db.reads_writes(12, 0))
		}
		fn heartbeat() -> Weight {
			micros(20).saturating_add($db.reads_writes(1, 1))
		}
		fn authorize_heartbeat() -> Weight {
			micros(90).saturating_add($db.reads_writes(4, 0))
		}
		fn on_initialize(deadlines: u32, looks: u32, lost: u32) -> Weight {
			let end = micros(250)
				.saturating_add($db.reads_writes(20, 18))
				.saturating_add(forget($db));
			let look = micros(5).saturating_add($db.reads(1));
			micros(60)
				.saturating_add($db.reads_writes(6, 4))
				.saturating_add(look.saturating_mul(looks.into()))
				.saturating_add(end.saturating_mul(u64::from(deadlines).saturating_add(lost.into())))
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
