// SPDX-License-Identifier: Apache-2.0

//! Types in this pallet's storage and genesis.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use poaiw_primitives::{
	app::ReporterId,
	worker::{Reputation, Roles},
	AccountId, Balance, BlockNumber,
};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// A part of a bond that is being withdrawn.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Unbonding {
	/// How much.
	pub amount: Balance,
	/// From this height on it can be withdrawn.
	pub free_at: BlockNumber,
}

/// A registration. The bond itself is the hold on the account, and not repeated here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Record {
	/// What the account does; no role while it is leaving.
	pub roles: Roles,
	/// Key that signs its reports.
	pub reporter: ReporterId,
	/// Device memory declared, in MiB.
	pub memory_mib: u32,
	/// What is being withdrawn.
	pub unbonding: Option<Unbonding>,
	/// Whether the account gave up its roles and waits for its bond.
	pub leaving: bool,
	/// Unfinished leases, attestations and votes.
	pub obligations: u32,
	/// Record of results, as of `decayed_at`.
	pub reputation: Reputation,
	/// Epoch up to which the decay of the record has been applied.
	pub decayed_at: u32,
}

/// A registration at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitialRegistration {
	/// The account; it must have the bond and more at genesis.
	pub account: AccountId,
	/// Key that signs its reports.
	pub reporter: ReporterId,
	/// What it does.
	pub roles: Roles,
	/// Its bond.
	pub bond: Balance,
	/// Device memory, in MiB.
	pub memory_mib: u32,
}
