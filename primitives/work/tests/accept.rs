// SPDX-License-Identifier: Apache-2.0

//! The accept predicate: real seals pass, and every check refuses what it is there for.

mod common;

use codec::Encode;
use common::*;
use poaiw_commitment::Hash32;
use poaiw_work::{
	accept,
	accept::Side,
	accept_preliminary,
	cpu_miner::{Miner, Search},
	memory::LightDataset,
	profile::ProfileError,
	retarget::TARGET_MAX,
	seal::Opening,
	ticket::Position,
	Dataset, Epoch, LightCache, Rank, Reject, Seal, SealSummary, WorkProfile, WorkSource, U256,
};

fn decide(seal: &Seal, profile: &WorkProfile) -> Result<Hash32, Reject> {
	let decided = accept(&PRE_HASH, &AUTHOR, seal, profile, None, TARGET_MAX).map(|x| x.ticket);
	// Without memory accesses the stateless decision is the same one.
	let preliminary = accept_preliminary(&PRE_HASH, &AUTHOR, seal, profile).map(|x| x.ticket.unwrap());
	assert_eq!(decided, preliminary);
	decided
}

#[test]
fn every_win_should_be_accepted_and_nothing_else() {
	for (rank, m, n, k) in [(32, 40, 33, 1300), (64, 20, 50, 2048), (128, 17, 16, 4100)] {
		let (fixture, profile) = (Fixture::new(m, n, k), profile(rank, 0));
		let wins = fixture.wins(&profile, None);
		assert!(!wins.is_empty());
		let dims = *fixture.product().dims();
		let rank = Rank::new(rank).unwrap();
		for tile_row in 0..dims.tile_rows() {
			for tile_col in 0..dims.tile_cols() {
				for window in 0..dims.windows(rank) {
					let position = Position {
						tile_row,
						tile_col,
						window,
					};
					let seal = fixture.product().seal(SOURCE, position, rank).unwrap();
					let decoded = Seal::from_bytes(&seal.encode()).unwrap();
					assert_eq!(decoded, seal);
					let decided = decide(&decoded, &profile);
					match wins.iter().find(|win| win.position == position) {
						Some(win) => assert_eq!(decided, Ok(win.ticket)),
						None => assert!(matches!(decided, Err(Reject::NotWinning { .. }))),
					}
				}
			}
		}
	}
}

#[test]
fn the_limit_itself_should_win_and_one_less_should_not() {
	let (fixture, profile) = (Fixture::new(64, 64, 1024), profile(32, 0));
	let (seal, ticket) = fixture.seal(&profile);
	let (target, rest) = U256::from_little_endian(&ticket).div_mod(U256::from(131_072u32));
	let target = target + u32::from(!rest.is_zero());
	assert!(accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, target).is_ok());
	let less = accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, target - 1);
	assert!(matches!(less, Err(Reject::NotWinning { .. })));
}

#[test]
fn a_seal_should_hold_for_its_header_and_its_profile_only() {
	let (fixture, mut profile) = (Fixture::new(64, 64, 1024), profile(32, 0));
	// A window that exists for rank 64 too.
	let win = *fixture
		.wins(&profile, None)
		.iter()
		.find(|win| win.position.window == 0)
		.unwrap();
	let seal = fixture
		.product()
		.seal(SOURCE, win.position, Rank::ALL[0])
		.unwrap();
	let ticket = win.ticket;
	let other = accept(&[12; 32], &AUTHOR, &seal, &profile, None, TARGET_MAX);
	assert_ne!(other.map(|x| x.ticket), Ok(ticket));
	// The header covers the author; a seal of task work does not depend on it in any other way.
	let author = accept(&PRE_HASH, &[0; 32], &seal, &profile, None, TARGET_MAX).unwrap();
	assert_eq!(author.ticket, ticket);
	profile.rank = 64;
	assert!(matches!(
		decide(&seal, &profile),
		Err(Reject::BlockLength {
			side: Side::A,
			expected: 16_384,
			..
		})
	));
}

#[test]
fn each_check_on_task_work_should_refuse() {
	let (fixture, profile) = (Fixture::new(40, 33, 1300), profile(32, 0));
	let rank = Rank::new(32).unwrap();
	let (good, _) = fixture.seal(&profile);
	let refuse = |change: &dyn Fn(&mut Seal), expected: Reject| {
		let mut seal = good.clone();
		change(&mut seal);
		assert_eq!(decide(&seal, &profile), Err(expected.clone()));
		assert!(expected.to_string().len() > 10 && !expected.name().is_empty());
	};
	fn a(seal: &mut Seal) -> &mut Opening {
		&mut seal.openings.as_mut().unwrap().0
	}
	fn b(seal: &mut Seal) -> &mut Opening {
		&mut seal.openings.as_mut().unwrap().1
	}
	refuse(&|s| s.version = 2, Reject::Version(2));
	refuse(
		&|s| s.m = 0,
		Reject::Size {
			name: "m",
			value: 0,
			max: 1 << 20,
		},
	);
	refuse(
		&|s| s.n = u32::MAX,
		Reject::Size {
			name: "n",
			value: u32::MAX,
			max: 1 << 20,
		},
	);
	refuse(
		&|s| s.k = 65_537,
		Reject::Size {
			name: "k",
			value: 65_537,
			max: 65_536,
		},
	);
	refuse(
		&|s| s.tile_row = 3,
		Reject::Position {
			name: "tile_row",
			value: 3,
			count: 3,
		},
	);
	refuse(
		&|s| s.tile_col = u32::MAX,
		Reject::Position {
			name: "tile_col",
			value: u32::MAX,
			count: 3,
		},
	);
	refuse(
		&|s| s.window = 3,
		Reject::Position {
			name: "window",
			value: 3,
			count: 3,
		},
	);
	refuse(&|s| s.openings = None, Reject::OpeningsMissing);
	refuse(&|s| s.source = WorkSource::Synthetic, Reject::OpeningsUnexpected);
	refuse(
		&|s| b(s).block.truncate(8191),
		Reject::BlockLength {
			side: Side::B,
			expected: 8192,
			got: 8191,
		},
	);
	refuse(
		&|s| a(s).paths.clear(),
		Reject::PathCount {
			side: Side::A,
			expected: 1,
			got: 0,
		},
	);
	refuse(
		&|s| b(s).paths[0].push([0; 32]),
		Reject::PathLength {
			side: Side::B,
			expected: 4,
			got: 5,
		},
	);
	refuse(
		&|s| a(s).block[9] = 64,
		Reject::OperandRange {
			side: Side::A,
			index: 9,
			value: 64,
		},
	);
	refuse(
		&|s| b(s).block[511] = 0x80,
		Reject::OperandRange {
			side: Side::B,
			index: 511,
			value: -128,
		},
	);
	refuse(
		&|s| a(s).block[0] ^= 1,
		Reject::Root {
			side: Side::A,
			leaf: 0,
		},
	);
	refuse(
		&|s| b(s).paths[0][1][5] ^= 1,
		Reject::Root {
			side: Side::B,
			leaf: 0,
		},
	);
	refuse(
		&|s| s.root_a[31] ^= 1,
		Reject::Root {
			side: Side::A,
			leaf: 0,
		},
	);
	refuse(
		&|s| s.m += 1,
		Reject::Root {
			side: Side::A,
			leaf: 0,
		},
	);
	let edge = fixture
		.product()
		.seal(
			SOURCE,
			Position {
				tile_row: 2,
				tile_col: 2,
				window: 2,
			},
			rank,
		)
		.unwrap();
	let mut seal = edge.clone();
	seal.openings.as_mut().unwrap().0.block[300] = 1;
	assert_eq!(
		decide(&seal, &profile),
		Err(Reject::Padding {
			side: Side::A,
			index: 300
		})
	);
	let mut seal = edge;
	seal.openings.as_mut().unwrap().1.block[512] = 1;
	assert_eq!(
		decide(&seal, &profile),
		Err(Reject::Padding {
			side: Side::B,
			index: 512
		})
	);
}

#[test]
fn each_leaf_of_a_wide_window_should_be_checked() {
	let (fixture, profile) = (Fixture::new(32, 32, 2048), profile(128, 0));
	let (good, _) = fixture.seal(&profile);
	for leaf in 0..4u32 {
		let mut seal = good.clone();
		let opening = &mut seal.openings.as_mut().unwrap().1;
		opening.block[15 * 2048 + leaf as usize * 512] ^= 1;
		assert_eq!(decide(&seal, &profile), Err(Reject::Root { side: Side::B, leaf }));
	}
}

#[test]
fn a_product_narrower_than_a_window_should_have_no_tickets() {
	let (fixture, profile) = (Fixture::new(16, 16, 512), profile(32, 0));
	let seal = fixture
		.product()
		.seal(
			SOURCE,
			Position {
				tile_row: 0,
				tile_col: 0,
				window: 0,
			},
			Rank::ALL[0],
		)
		.unwrap();
	let wide = WorkProfile { rank: 64, ..profile };
	assert_eq!(
		decide(&seal, &wide),
		Err(Reject::NoWindow { k: 512, window: 1024 })
	);
	assert!(fixture.wins(&wide, None).is_empty());
}

#[test]
fn the_callers_faults_should_be_named() {
	let (fixture, profile) = (Fixture::new(64, 64, 1024), profile(32, 0));
	let (seal, _) = fixture.seal(&profile);
	for target in [U256::zero(), TARGET_MAX + 1, U256::MAX] {
		let decided = accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, target);
		assert_eq!(decided, Err(Reject::Target(target)));
	}
	let wrong = WorkProfile { rank: 7, ..profile };
	assert_eq!(decide(&seal, &wrong), Err(Reject::Profile(ProfileError::Rank(7))));
}

#[test]
fn memory_hard_seals_should_need_the_cache_of_their_epoch() {
	let (fixture, profile) = (Fixture::new(64, 64, 1024), profile(32, 16));
	let epoch_seed = [5; 32];
	let cache = LightCache::build(&epoch_seed, profile.cache_items()).unwrap();
	let light = LightDataset {
		cache: &cache,
		items: profile.dataset_items(),
	};
	let full = Dataset::build_parallel(&cache, profile.dataset_items(), 2).unwrap();
	let wins = fixture.wins(&profile, Some(&light));
	assert_eq!(wins, fixture.wins(&profile, Some(&full)));
	let win = wins[0];
	let seal = fixture
		.product()
		.seal(SOURCE, win.position, Rank::ALL[0])
		.unwrap();
	let decide = |epoch| accept(&PRE_HASH, &AUTHOR, &seal, &profile, epoch, TARGET_MAX).map(|x| x.ticket);

	assert_eq!(
		decide(Some(Epoch {
			seed: &epoch_seed,
			cache: &cache
		})),
		Ok(win.ticket)
	);
	assert_eq!(decide(None), Err(Reject::EpochMissing));
	let items = profile.cache_items();
	assert_eq!(
		decide(Some(Epoch {
			seed: &[6; 32],
			cache: &cache
		})),
		Err(Reject::EpochMismatch {
			expected_items: items,
			items,
			same_seed: false
		})
	);
	let small = LightCache::build(&epoch_seed, 101).unwrap();
	assert_eq!(
		decide(Some(Epoch {
			seed: &epoch_seed,
			cache: &small
		})),
		Err(Reject::EpochMismatch {
			expected_items: items,
			items: 101,
			same_seed: true
		})
	);

	// Without the cache everything but the ticket's value is checked.
	let preliminary = accept_preliminary(&PRE_HASH, &AUTHOR, &seal, &profile).unwrap();
	assert_eq!((preliminary.ticket, preliminary.work), (None, 131_072));
	let mut bad = seal.clone();
	bad.root_b[0] ^= 1;
	assert_eq!(
		accept_preliminary(&PRE_HASH, &AUTHOR, &bad, &profile),
		Err(Reject::Root {
			side: Side::B,
			leaf: 0
		})
	);
	// A miner without the dataset is told so.
	let search = Search {
		pre_hash: &PRE_HASH,
		profile: &profile,
		mac_target: TARGET_MAX,
		items: None,
	};
	assert!(Miner::task(search, &SOURCE, fixture.product()).is_err());
}

#[test]
fn a_summary_should_repeat_the_seal_in_short() {
	use codec::{Decode, MaxEncodedLen};
	let (fixture, profile) = (Fixture::new(64, 64, 1024), profile(32, 0));
	let (seal, ticket) = fixture.seal(&profile);
	let accepted = accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, TARGET_MAX).unwrap();
	let summary = SealSummary::new(&seal, &accepted);
	assert_eq!(
		(summary.ticket, summary.source, summary.work),
		(ticket, SOURCE, 131_072)
	);
	assert_eq!((summary.root_a, summary.root_b), (seal.root_a, seal.root_b));
	assert_eq!((summary.m, summary.n, summary.k), (64, 64, 1024));
	let bytes = summary.encode();
	assert!(bytes.len() <= SealSummary::max_encoded_len() && SealSummary::max_encoded_len() < 160);
	assert_eq!(SealSummary::decode(&mut &bytes[..]).unwrap(), summary);
}
