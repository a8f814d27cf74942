// SPDX-License-Identifier: Apache-2.0

//! Who votes on finality: the bonded verifiers that have set session keys.

use crate::{configs::MaxAuthorities, AccountId, Runtime, WorkerRegistry};
use alloc::vec::Vec;
use core::cmp::Reverse;
use poaiw_primitives::traits::Registry;
use polkadot_sdk::*;

/// Number of a session, as the session pallet counts.
type SessionIndex = u32;

/// Elects the finality authorities at every session change.
///
/// The set is that of the bonded verifiers with session keys, largest bonds first, cut to [`MaxAuthorities`]. When there
/// is none, the present set stays: an empty set could never hand over again, and finality would be lost for good.
pub struct BondedVerifiers;

impl BondedVerifiers {
	fn elect() -> Option<Vec<AccountId>> {
		let mut candidates = WorkerRegistry::verifiers();
		candidates.retain(|(account, _)| pallet_session::NextKeys::<Runtime>::contains_key(account));
		// Ties by account, so that the order never depends on how the registry iterates.
		candidates.sort_by(|(a, bond_a), (b, bond_b)| Reverse(bond_a).cmp(&Reverse(bond_b)).then(a.cmp(b)));
		candidates.truncate(MaxAuthorities::get() as usize);
		(!candidates.is_empty()).then(|| candidates.into_iter().map(|(account, _)| account).collect())
	}
}

impl pallet_session::SessionManager<AccountId> for BondedVerifiers {
	fn new_session(_: SessionIndex) -> Option<Vec<AccountId>> {
		Self::elect()
	}

	/// Genesis takes the authorities as they are listed there: pallets may not be built yet.
	fn new_session_genesis(_: SessionIndex) -> Option<Vec<AccountId>> {
		None
	}

	fn end_session(_: SessionIndex) {}

	fn start_session(_: SessionIndex) {}
}
