// SPDX-License-Identifier: Apache-2.0

//! What the pallet tells: events, and why calls are refused. A section of the pallet's module, which imports it.

use polkadot_sdk::frame_support::pallet_macros::pallet_section;

/// Events and errors.
#[pallet_section]
mod events {
	/// Events.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An account registered.
		Registered {
			/// The account.
			account: AccountId,
			/// Its roles.
			roles: Roles,
			/// Key that signs its reports.
			reporter: ReporterId,
			/// Its bond.
			bond: Balance,
		},
		/// A registration was changed; these are the values now.
		Updated {
			/// The account.
			account: AccountId,
			/// Its roles.
			roles: Roles,
			/// Key that signs its reports.
			reporter: ReporterId,
			/// Declared device memory.
			memory_mib: u32,
		},
		/// The bond grew.
		Bonded {
			/// The account.
			account: AccountId,
			/// By how much.
			added: Balance,
			/// Bond now.
			bond: Balance,
		},
		/// A part of the bond is being withdrawn.
		Unbonding {
			/// The account.
			account: AccountId,
			/// All that is being withdrawn.
			amount: Balance,
			/// From this height on it can be withdrawn.
			free_at: BlockNumber,
			/// Bond that remains.
			bond: Balance,
		},
		/// The account gave up its roles; it can withdraw everything when `free_at` has come.
		Leaving {
			/// The account.
			account: AccountId,
			/// From this height on the bond can be withdrawn.
			free_at: BlockNumber,
		},
		/// An unbonded amount was released.
		Withdrawn {
			/// The account.
			account: AccountId,
			/// What was released.
			amount: Balance,
			/// Whether the registration ended with it.
			left: bool,
		},
		/// A verifier lost its place to one with a larger bond. It may add to its bond and ask for the role again.
		VerifierDisplaced {
			/// Who lost its place.
			account: AccountId,
			/// Its bond.
			bond: Balance,
			/// Who took it.
			by: AccountId,
		},
		/// A bond was taken.
		Slashed {
			/// Whose bond.
			account: AccountId,
			/// What was taken.
			amount: Balance,
			/// Who received a part.
			winner: Option<AccountId>,
			/// The winner's part; the rest was burned.
			paid: Balance,
		},
		/// A fault was proven: all results of the account are checked again.
		TrustLost {
			/// The account.
			account: AccountId,
			/// The record now.
			reputation: Reputation,
		},
	}

	/// Errors.
	#[pallet::error]
	pub enum Error<T> {
		/// The account is not registered. Register it first.
		NotRegistered,
		/// The account is registered already. Use `update` and `bond_more`, or `withdraw` if it is leaving.
		AlreadyRegistered,
		/// Neither worker nor verifier was asked for. Choose at least one role, or `deregister`.
		NoRole,
		/// Another account uses this report key. Generate a new one.
		ReporterTaken,
		/// The bond would be smaller than the roles demand (`MinWorkerBond`, `MinVerifierBond`, or both added). Bond more,
		/// unbond less, or `deregister` to leave.
		BondTooLow,
		/// All places of verifiers are taken by bonds that are not smaller. Offer a larger bond.
		TooManyVerifiers,
		/// Leases, attestations or votes of the account are not finished. Finish them, then try again.
		HasObligations,
		/// The account is leaving. `withdraw` when the time has come, then register again.
		Leaving,
		/// Nothing was unbonded. Use `unbond` or `deregister` first.
		NothingToWithdraw,
		/// The unbonded amount is not free yet. Wait for the height stated in the last `Unbonding` or `Leaving` event, or
		/// for the dispute window of the last result.
		StillLocked,
		/// The account has as many obligations as can be counted. Finish some first.
		TooManyObligations,
	}
}
