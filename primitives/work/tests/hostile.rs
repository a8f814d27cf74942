// SPDX-License-Identifier: Apache-2.0

//! Random and mutated bytes: decoding and deciding never panic, and no changed seal passes for the original.

mod common;

use codec::{Compact, Decode, Encode, MaxEncodedLen};
use common::*;
use poaiw_commitment::Hash32;
use poaiw_work::{
	accept, accept_preliminary,
	retarget::{next_target, work, TARGET_MAX, TARGET_MIN},
	seal::{Opening, SealError, MAX_DEPTH},
	Seal, WorkSource, MAX_SEAL_BYTES, U256,
};
use proptest::prelude::*;
use std::{num::NonZeroU64, sync::OnceLock};

fn good() -> &'static (Seal, Hash32) {
	static SEAL: OnceLock<(Seal, Hash32)> = OnceLock::new();
	SEAL.get_or_init(|| Fixture::new(64, 48, 2048).seal(&profile(64, 0)))
}

/// A mutated seal may only pass as another ticket of another source, which its miner drew honestly: the source is
/// bound by the ticket, not by the operands.
fn must_not_pass(bytes: &[u8]) {
	let (original, ticket) = good();
	let Ok(seal) = Seal::from_bytes(bytes) else { return };
	assert_eq!(seal.encode(), bytes, "one value, one encoding");
	let _ = accept_preliminary(&PRE_HASH, &AUTHOR, &seal, &profile(64, 4));
	match accept(&PRE_HASH, &AUTHOR, &seal, &profile(64, 0), None, TARGET_MAX) {
		Ok(accepted) if seal == *original => assert_eq!(accepted.ticket, *ticket),
		Ok(accepted) => {
			assert_ne!(accepted.ticket, *ticket);
			assert_eq!(
				Seal {
					source: original.source,
					..seal
				},
				*original
			);
		}
		Err(reject) => assert!(!reject.to_string().is_empty()),
	}
}

#[test]
fn every_byte_of_the_head_should_count() {
	let bytes = good().0.encode();
	for at in 0..140 {
		for bit in 0..8 {
			let mut bytes = bytes.clone();
			bytes[at] ^= 1 << bit;
			must_not_pass(&bytes);
		}
	}
}

#[test]
fn cut_and_prolonged_seals_should_be_refused() {
	let mut bytes = good().0.encode();
	for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
		assert!(matches!(
			Seal::from_bytes(&bytes[..len]),
			Err(SealError::Malformed(_))
		));
	}
	bytes.push(0);
	assert_eq!(Seal::from_bytes(&bytes), Err(SealError::Trailing(1)));
	assert_eq!(
		Seal::from_bytes(&vec![0; MAX_SEAL_BYTES + 1]),
		Err(SealError::TooLong(MAX_SEAL_BYTES + 1))
	);
}

#[test]
fn the_largest_seal_should_fit_the_bound_exactly_and_100_kib() {
	let mut seal = good().0.clone();
	let opening = || Opening {
		block: vec![0; 32_768],
		paths: vec![vec![[0; 32]; MAX_DEPTH]; 4],
	};
	seal.openings = Some((opening(), opening()));
	let bytes = seal.encode();
	assert_eq!(Seal::from_bytes(&bytes).unwrap(), seal);
	assert_eq!(bytes.len(), MAX_SEAL_BYTES);
	assert_eq!(Seal::max_encoded_len(), MAX_SEAL_BYTES);
	const { assert!(MAX_SEAL_BYTES < 100 << 10) };
}

#[test]
fn lengths_out_of_bounds_should_be_refused_before_anything_is_allocated() {
	let head = good().0.encode()[..good().0.encode().len() - good().0.openings.encode().len()].to_vec();
	let with = |tail: &[&[u8]]| {
		let mut bytes = head.clone();
		bytes.push(1);
		tail.iter().for_each(|part| bytes.extend_from_slice(part));
		Seal::from_bytes(&bytes)
	};
	let compact = |x: u32| Compact(x).encode();
	for len in [0, 1, 8191, 8193, 32_769, u32::MAX] {
		assert!(
			matches!(with(&[&compact(len), &[0; 9000]]), Err(SealError::Malformed(_))),
			"{len}"
		);
	}
	let block = [&compact(8192)[..], &[0; 8192]].concat();
	assert!(with(&[&block, &compact(5)]).is_err());
	assert!(with(&[&block, &compact(u32::MAX)]).is_err());
	assert!(with(&[&block, &compact(1), &compact(24)]).is_err());
	// Compact 1 in four bytes instead of one.
	assert!(with(&[&block, &[0b110, 0, 0, 0], &compact(0), &block, &compact(0)]).is_err());
	assert!(with(&[&block, &compact(0), &block, &compact(0)]).is_ok());
}

#[test]
fn openings_and_source_should_agree() {
	let mut seal = good().0.clone();
	seal.openings = None;
	assert!(Seal::from_bytes(&seal.encode()).is_err());
	let mut seal = good().0.clone();
	seal.source = WorkSource::Synthetic;
	assert!(Seal::from_bytes(&seal.encode()).is_err());
	let mut seal = good().0.clone();
	seal.version = 0;
	assert!(Seal::from_bytes(&seal.encode()).is_err());
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(512))]

	#[test]
	fn random_bytes_should_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
		must_not_pass(&bytes);
		let _ = WorkSource::decode(&mut &bytes[..]);
	}

	#[test]
	fn random_bytes_after_a_valid_head_should_not_panic(
		tail in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..200,
	) {
		let bytes = good().0.encode();
		must_not_pass(&[&bytes[..cut], &tail[..]].concat());
	}

	#[test]
	fn mutated_seals_should_not_pass(changes in proptest::collection::vec((any::<usize>(), 1u8..), 1..4)) {
		let mut bytes = good().0.encode();
		for (at, mask) in changes {
			let at = at % bytes.len();
			bytes[at] ^= mask;
		}
		must_not_pass(&bytes);
	}

	#[test]
	fn random_fields_should_not_panic(
		m in any::<u32>(), n in any::<u32>(), k in any::<u32>(), position in any::<[u32; 3]>(),
		small in any::<bool>(), synthetic in any::<bool>(), block in 0usize..20_000, paths in 0usize..6, depth in 0usize..30,
	) {
		let mask = if small { 0xFFF } else { u32::MAX };
		let mut seal = good().0.clone();
		(seal.m, seal.n, seal.k) = (m & mask, n & mask, k & mask);
		[seal.tile_row, seal.tile_col, seal.window] = position.map(|x| x & (mask >> 8));
		if synthetic {
			seal.source = WorkSource::Synthetic;
			seal.openings = None;
			(seal.root_a, seal.root_b) = ([0; 32], [0; 32]);
		} else {
			let opening = Opening { block: vec![0; block], paths: vec![vec![[0; 32]; depth]; paths] };
			seal.openings = Some((opening.clone(), opening));
		}
		for rank in [32, 64, 128] {
			let profile = profile(rank, 0);
			let a = accept(&PRE_HASH, &AUTHOR, &seal, &profile, None, TARGET_MAX).map(|x| x.ticket);
			let b = accept_preliminary(&PRE_HASH, &AUTHOR, &seal, &profile).map(|x| x.ticket.unwrap());
			prop_assert_eq!(a, b);
		}
	}

	#[test]
	fn the_target_should_stay_in_its_range_for_all_arguments(
		anchor in any::<[u64; 4]>(), elapsed in any::<u64>(), height in any::<u64>(), block in any::<u64>(),
		half_life in 1u64.., shift in 0usize..256,
	) {
		let target = next_target(U256(anchor) >> shift, elapsed, height, block, NonZeroU64::new(half_life).unwrap());
		prop_assert!((TARGET_MIN..=TARGET_MAX).contains(&target));
		prop_assert!(!work(target).is_zero());
	}

	#[test]
	fn more_elapsed_time_should_never_make_the_target_harder(
		anchor in 1u64.., height in 0u64..100_000, elapsed in 0u64..2_000_000_000, more in 0u64..100_000_000,
	) {
		let anchor = U256::from(anchor) << 150;
		let half_life = NonZeroU64::new(3_456_000).unwrap();
		let next = |elapsed| next_target(anchor, elapsed, height, 12_000, half_life);
		prop_assert!(next(elapsed + more) >= next(elapsed));
	}
}

#[test]
fn the_retarget_should_hold_at_its_ends() {
	let half_life = NonZeroU64::new(90_000).unwrap();
	assert_eq!(next_target(TARGET_MAX, 3_000, 0, 3_000, half_life), TARGET_MAX);
	assert_eq!(
		next_target(U256::one(), 0, u64::MAX, u64::MAX, half_life),
		TARGET_MIN
	);
	assert_eq!(
		next_target(U256::one(), u64::MAX, 0, 0, NonZeroU64::MIN),
		TARGET_MAX
	);
	assert_eq!(
		next_target(U256::zero(), u64::MAX, 0, 0, NonZeroU64::MIN),
		TARGET_MIN
	);
	assert_eq!(
		next_target(U256::MAX, u64::MAX, 0, 0, NonZeroU64::MIN),
		TARGET_MAX
	);
	let anchor = U256::one() << 200;
	assert_eq!(next_target(anchor, 93_000, 0, 3_000, half_life), anchor << 1);
	assert_eq!(next_target(anchor, 3_000, 30, 3_000, half_life), anchor >> 1);
	assert_eq!(TARGET_MAX, (U256::one() << 237) - 1);
	assert_eq!(work(TARGET_MAX), U256::from(1 << 19));
	assert_eq!(work(U256::MAX), U256::one());
	assert_eq!(work(U256::one()), U256::one() << 255);
	assert_eq!(work(U256::zero()), U256::MAX);
}
