// SPDX-License-Identifier: Apache-2.0

//! Where transaction fees and dust go: they are burned, and the supply is told.

use crate::{AccountId, Balances, TokenEconomics};
use poaiw_primitives::{economics::BurnCause, traits::BurnLedger};
use polkadot_sdk::*;

use frame_support::traits::{fungible::Credit, Imbalance, OnUnbalanced};

/// Burns what it is given and notes it under transaction fees (which also stand for the dust of reaped accounts).
pub struct BurnFees;

impl OnUnbalanced<Credit<AccountId, Balances>> for BurnFees {
	fn on_nonzero_unbalanced(fee: Credit<AccountId, Balances>) {
		TokenEconomics::note_burned(BurnCause::TransactionFee, fee.peek());
		// Dropping a credit takes it out of the issuance.
		drop(fee);
	}
}
