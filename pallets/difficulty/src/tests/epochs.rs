// SPDX-License-Identifier: Apache-2.0

//! Epochs roll over on time and their seeds mix the tickets of the epoch before.

use crate::{mock::*, *};
use poaiw_primitives::{
	traits::{OnParentSeal, WorkTarget},
	AccountId,
};
use poaiw_work::{source::WorkSource, summary::SealSummary};

fn seal(ticket: u8) -> SealSummary {
	SealSummary {
		source: WorkSource::Synthetic,
		ticket: [ticket; 32],
		root_a: [0; 32],
		root_b: [0; 32],
		work: 1 << 17,
		m: 16,
		n: 16,
		k: 512,
	}
}

fn note(parent: u32, ticket: u8) {
	Difficulty::on_parent_seal(parent, &AccountId::new([1; 32]), &seal(ticket));
}

#[test]
fn epoch_should_change_after_its_last_block() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(Difficulty::epoch(), (0, EPOCH + 1));
		blocks(EPOCH - 1);
		// Asked of this state: block 20 is still in epoch 0.
		assert_eq!(Difficulty::epoch(), (0, EPOCH + 1));
		blocks(1);
		assert_eq!(Difficulty::epoch(), (1, 2 * EPOCH + 1));
		assert_eq!(<Difficulty as WorkTarget>::epoch(), 1);
		let seed = Difficulty::epoch_seed();
		System::assert_last_event(
			Event::EpochStarted {
				index: 1,
				starts_at: EPOCH + 1,
				seed,
			}
			.into(),
		);
		blocks(3 * EPOCH);
		assert_eq!(Difficulty::epoch(), (4, 5 * EPOCH + 1));
	})
}

#[test]
fn seed_should_be_fixed_during_an_epoch_and_depend_on_all_its_tickets() {
	let seed_after = |changed: Option<u32>| {
		let mut seed = [0; 32];
		ExtBuilder::default().build_and_execute(|| {
			for parent in 0..EPOCH {
				assert_eq!(Difficulty::epoch_seed(), [0; 32], "genesis seed is fixed");
				note(
					parent,
					if changed == Some(parent) {
						200
					} else {
						parent as u8
					},
				);
				blocks(1);
			}
			seed = Difficulty::epoch_seed();
			// Tickets noted now are for the next epoch.
			note(EPOCH, 99);
			assert_eq!(Difficulty::epoch_seed(), seed);
		});
		seed
	};
	let seed = seed_after(None);
	for parent in 0..EPOCH {
		assert_ne!(seed_after(Some(parent)), seed, "ticket of block {parent}");
	}
	assert_eq!(seed_after(None), seed);
}

#[test]
fn seed_should_depend_on_the_order_of_tickets() {
	let mix = |tickets: [u8; 2]| {
		let mut ext = ExtBuilder::default().build();
		ext.execute_with(|| {
			tickets.iter().for_each(|t| note(1, *t));
			TicketMix::<Test>::get()
		})
	};
	assert_ne!(mix([1, 2]), mix([2, 1]));
}
