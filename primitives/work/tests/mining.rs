// SPDX-License-Identifier: Apache-2.0

//! Synthetic work and the CPU miner.

mod common;

use codec::Encode;
use common::*;
use poaiw_work::{
	accept,
	accept::Side,
	accept_preliminary,
	builder::synthetic_seal,
	cpu_miner::{attempt_dims, Event, Miner, Search},
	profile::ProfileError,
	retarget::TARGET_MAX,
	Dims, Rank, Reject, Seal,
};
use std::ops::ControlFlow;

#[test]
fn synthetic_wins_should_be_accepted_for_their_author_only() {
	let profile = profile(64, 0);
	let rank = Rank::ALL[1];
	let dims = Dims::new(64, 48, 2048).unwrap();
	let search = Search {
		pre_hash: &PRE_HASH,
		profile: &profile,
		mac_target: TARGET_MAX,
		items: None,
	};
	let miner = Miner::synthetic(search, &AUTHOR, &dims).unwrap();
	let wins = miner.all_wins().unwrap();
	assert!(!wins.is_empty());
	for win in &wins {
		let seal = synthetic_seal(&dims, win.position, rank).unwrap();
		assert!(seal.encode().len() < 128);
		let accepted = accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, TARGET_MAX).unwrap();
		assert_eq!((accepted.ticket, accepted.work), (win.ticket, 262_144));
		let thief = accept(&PRE_HASH, &[23; 32], &seal, &profile, None, TARGET_MAX);
		assert_ne!(thief.map(|x| x.ticket), Ok(win.ticket));
	}
	let good = synthetic_seal(&dims, wins[0].position, rank).unwrap();
	let refuse = |change: &dyn Fn(&mut Seal), expected: Reject| {
		let mut seal = good.clone();
		change(&mut seal);
		assert_eq!(
			accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, TARGET_MAX),
			Err(expected.clone())
		);
		assert_eq!(
			accept_preliminary(&PRE_HASH, &AUTHOR, &seal, &profile),
			Err(expected)
		);
	};
	refuse(&|s| s.source = SOURCE, Reject::OpeningsMissing);
	refuse(&|s| s.root_a[0] = 1, Reject::SyntheticRoot(Side::A));
	refuse(&|s| s.root_b[31] = 1, Reject::SyntheticRoot(Side::B));
	let size = |name, value, multiple| {
		Reject::SyntheticSize(ProfileError::Synthetic {
			name,
			value,
			multiple,
			max: 2048,
		})
	};
	refuse(&|s| s.m = 72, size("m", 72, 16));
	refuse(&|s| s.n = 2064, size("n", 2064, 16));
	refuse(&|s| s.k = 2560, size("k", 2560, 1024));
}

#[test]
fn a_search_should_cover_every_ticket_once_and_stop_when_told() {
	let profile = profile(32, 0);
	let dims = Dims::new(160, 176, 1024).unwrap();
	let search = Search {
		pre_hash: &PRE_HASH,
		profile: &profile,
		mac_target: TARGET_MAX,
		items: None,
	};
	let miner = Miner::synthetic(search, &AUTHOR, &dims).unwrap();
	let mut parts = Vec::new();
	let mut tickets = 0;
	for range in [0..3, 3..9, 9..100] {
		let flow = miner
			.mine(range, &mut |event| {
				match event {
					Event::Win(win) => parts.push(win),
					Event::Tickets(count) => tickets += count,
				}
				ControlFlow::Continue(())
			})
			.unwrap();
		assert!(flow.is_continue());
	}
	assert_eq!(parts, miner.all_wins().unwrap());
	assert_eq!(tickets, dims.tickets(Rank::ALL[0]));
	let mut events = 0;
	let flow = miner
		.mine(0..10, &mut |_| {
			events += 1;
			ControlFlow::Break(())
		})
		.unwrap();
	assert!(flow.is_break() && events == 1);
}

#[test]
fn attempts_should_never_repeat_a_product() {
	let largest = Dims::new(48, 64, 512).unwrap();
	let all: Vec<_> = (0..)
		.map_while(|attempt| attempt_dims(&largest, attempt))
		.collect();
	assert_eq!(all.len(), 12);
	assert_eq!(all[0], largest);
	for (i, dims) in all.iter().enumerate() {
		assert!(!all[..i].contains(dims));
		assert!(dims.m() % 16 == 0 && dims.n() % 16 == 0);
	}
}
