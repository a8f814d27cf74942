// SPDX-License-Identifier: Apache-2.0

//! What a runtime's parameters must fulfil.

use crate::{Config, Pallet};
use polkadot_sdk::frame_support::traits::Get;

impl<T: Config> Pallet<T> {
	/// Stops the tests of a runtime whose parameters do not fit together.
	pub(crate) fn check_config() {
		assert!(T::MinBaseFee::get() > 0, "MinBaseFee must be more than zero");
		assert!(
			T::BaseFeeStep::get() <= crate::pricing::MAX_STEP,
			"BaseFeeStep can be 12.5 % at most"
		);
		let target = T::UtilisationTarget::get();
		assert!(
			!target.is_zero() && !target.is_one(),
			"UtilisationTarget must be between 0 and 100 %"
		);
		assert!(
			T::MaxSegmentMacs::get() > 0,
			"MaxSegmentMacs must be more than zero"
		);
		assert!(T::WorkerRate::get() > 0, "WorkerRate must be more than zero");
		assert!(
			T::HeartbeatPeriod::get() > 0,
			"HeartbeatPeriod must be more than zero"
		);
		assert!(
			T::HeartbeatTimeout::get() >= T::HeartbeatPeriod::get().saturating_mul(2),
			"HeartbeatTimeout must leave room for one lost heartbeat"
		);
		assert!(
			T::MinDuration::get() > 0 && T::MinDuration::get() <= T::MaxDuration::get(),
			"durations"
		);
		assert!(
			(1..=crate::types::ATTEMPTS_BOUND).contains(&T::MaxAttempts::get()),
			"MaxAttempts"
		);
		assert!(
			T::MaxVerifiers::get() > 0 && T::MaxSampled::get() > 0,
			"levels must be possible"
		);
		for size in [
			T::BucketSize::get(),
			T::AgendaSize::get(),
			T::AgendaPerBlock::get(),
			T::MaxLeases::get(),
			T::MaxNewLeases::get(),
			T::LeaseChecksPerBlock::get(),
			T::MaxWalk::get(),
			// A task that ends is kept at least until the next one ends.
			T::KeepEnded::get(),
		] {
			assert!(size > 0, "bounds must be more than zero");
		}
	}
}
