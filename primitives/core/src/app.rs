// SPDX-License-Identifier: Apache-2.0

//! The application key with which a worker's or verifier's node signs reports (leases, heartbeats, attestations, votes).

use polkadot_sdk::{sp_application_crypto, sp_core};
use sp_core::crypto::KeyTypeId;

/// Key type under which the keystore holds report keys.
pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"poai");

mod sr25519 {
	use polkadot_sdk::sp_application_crypto::{app_crypto, sr25519};
	app_crypto!(sr25519, super::KEY_TYPE);
}

sp_application_crypto::with_pair! {
	/// Key pair of a reporter.
	pub type ReporterPair = sr25519::Pair;
}
/// Public report key, registered on chain for an account.
pub type ReporterId = sr25519::Public;
/// Signature of a report.
pub type ReporterSignature = sr25519::Signature;
