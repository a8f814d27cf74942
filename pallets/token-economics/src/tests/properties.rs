// SPDX-License-Identifier: Apache-2.0

//! Random sequences of seals, settlements, failures, votes and fees keep the ledger balanced.

use crate::{mock::*, *};
use frame_support::traits::{
	fungible::Balanced,
	tokens::{Fortitude, Precision, Preservation},
	OnUnbalanced,
};
use poaiw_primitives::{
	traits::{Market, UsefulWork},
	Balance, TaskId, UNIT,
};
use poaiw_work::source::WorkSource;
use proptest::prelude::*;
use sp_runtime::FixedU128;

#[derive(Clone, Debug)]
enum Op {
	Lease(TaskId, u8),
	/// The parent's seal names this task; the next block is by this miner.
	Block(u8, Option<TaskId>),
	Attest(TaskId),
	Settle(TaskId, u64, Balance),
	Fail(TaskId),
	Vote(u8),
	Fee(u8, Balance),
	Dust(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
	let task = 0u64..5;
	let who = 1u8..5;
	prop_oneof![
		3 => (task.clone(), who.clone()).prop_map(|(t, w)| Op::Lease(t, w)),
		8 => (who.clone(), proptest::option::of(task.clone())).prop_map(|(m, t)| Op::Block(m, t)),
		1 => task.clone().prop_map(Op::Attest),
		2 => (task.clone(), 0..4 * EXPECTED, 0..50 * UNIT).prop_map(|(t, m, f)| Op::Settle(t, m, f)),
		1 => task.prop_map(Op::Fail),
		1 => (1u8..9).prop_map(Op::Vote),
		1 => (who.clone(), 0..3 * UNIT).prop_map(|(w, f)| Op::Fee(w, f)),
		1 => (who, 10u8..14).prop_map(|(w, to)| Op::Dust(w, to)),
	]
}

fn apply(op: Op, attempts: &mut u32) {
	match op {
		Op::Lease(task, worker) => {
			if Table::leased(task).is_none() {
				*attempts += 1;
				Table::lease_attempt(task, &account(worker), *attempts);
			}
		}
		Op::Block(miner, task) => {
			end_block();
			begin_after(miner, task.map_or(WorkSource::Synthetic, in_task));
		}
		Op::Attest(task) => Table::on_attested(task).unwrap(),
		Op::Settle(task, macs, fee) => {
			if let Some(leased) = Table::leased(task) {
				let worker = leased.lease.worker;
				let before = (Economics::credit(&worker), Economics::supply().useful_held);
				let number = worker.as_ref() as &[u8];
				let released = settle(task, number[0], macs, fee);
				// Released is what left the hold or the credit paid for it, and nothing else.
				assert!(released <= before.1);
				assert!(released <= before.0 + Economics::credit_for(macs, fee));
			}
		}
		Op::Fail(task) => {
			if let Some(leased) = Table::leased(task) {
				Table::on_rejected(task).unwrap();
				Economics::on_failed(task, &leased.lease.worker);
			}
		}
		Op::Vote(verifier) => Economics::on_vote_rewarded(&account(verifier)),
		Op::Fee(payer, fee) => {
			let how = (Precision::BestEffort, Preservation::Expendable, Fortitude::Polite);
			if let Ok(fee) = Balances::withdraw(&account(payer), fee, how.0, how.1, how.2) {
				BurnFees::<Test>::on_unbalanced(fee);
			}
		}
		Op::Dust(from, to) => {
			let _ = Balances::transfer_allow_death(RuntimeOrigin::signed(account(from)), account(to), ED);
			let left = ED - 1;
			let _ = Balances::transfer_allow_death(RuntimeOrigin::signed(account(to)), account(from), left);
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn ledger_should_be_balanced_for_any_sequence(
		ops in proptest::collection::vec(op(), 1..150), useful_cap in 0u32..40,
	) {
		let build = |p: &mut Parameters| p.useful_cap = FixedU128::from_u32(useful_cap);
		ExtBuilder::with(build).build_and_execute(|| {
			begin_after(1, WorkSource::Synthetic);
			let mut attempts = 0;
			for op in ops {
				apply(op, &mut attempts);
				Economics::do_try_state().unwrap();
				let supply = Economics::supply();
				assert_eq!(
					supply.genesis + supply.minted - supply.burned().unwrap(),
					Balances::total_issuance(),
					"{supply:?}"
				);
			}
			end_block();
			// Nothing stays on hold for longer than a window.
			(0..WINDOW).for_each(|_| block(1, WorkSource::Synthetic));
			assert_eq!(Economics::supply().useful_held, 0);
			assert_eq!(Shares::<Test>::iter().count() + TaskShares::<Test>::iter().count(), 0);
			assert_eq!(ProvenShares::<Test>::iter().count(), 0);
		})
	}
}
