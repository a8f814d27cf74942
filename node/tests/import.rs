// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! What a node takes and refuses, with the real client, runtime and database.
#![allow(missing_docs)]

mod common;

use codec::{Decode, Encode};
use common::{author, genesis_time, now, win, Chain};
use poaiw_node::consensus::mining::SubmitError;
use poaiw_primitives::{api::EconomicsApi, digest::ENGINE_ID, Hash, Header};
use poaiw_work::{Seal, WorkSource};
use polkadot_sdk::*;
use sc_consensus::ImportResult;
use sp_api::ProvideRuntimeApi;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{Digest, DigestItem};

fn with_seal(mut header: Header, seal: Vec<u8>) -> Header {
	header.digest.logs.pop();
	header.digest.logs.push(DigestItem::Seal(ENGINE_ID, seal));
	header
}

fn seal_of(header: &Header) -> Seal {
	match header.digest.logs.last() {
		Some(DigestItem::Seal(_, bytes)) => Seal::decode(&mut &bytes[..]).unwrap(),
		other => panic!("{other:?}"),
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn mined_blocks_should_be_taken_by_another_node_and_pay_their_author() {
	let time = genesis_time();
	let (miner, other) = (Chain::new(time), Chain::new(time));
	for _ in 0..5 {
		let hash = miner.mine().await;
		assert!(matches!(
			other.receive(miner.block(hash)).await,
			Ok(ImportResult::Imported(_))
		));
	}
	assert_eq!(other.best(), miner.best());
	assert_eq!(other.best().0, 5);
	let supply = other.client.runtime_api().supply(other.best().1).unwrap();
	assert!(supply.minted > 0 && supply.is_balanced(), "{supply:?}");
	// The last seal is noted by the next block.
	assert_eq!(
		(supply.synthetic_sealed_blocks, supply.task_sealed_blocks),
		(4, 0)
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_seals_of_each_kind_should_be_refused_and_change_nothing() {
	let time = genesis_time();
	let (miner, other) = (Chain::new(time), Chain::new(time));
	let (header, body) = miner.block(miner.mine().await);
	let good = seal_of(&header);
	let change = |edit: &dyn Fn(&mut Seal)| {
		let mut seal = good.clone();
		edit(&mut seal);
		seal.encode()
	};
	let mut trailing = good.encode();
	trailing.push(0);
	let bad: Vec<(&str, Vec<u8>)> = vec![
		("empty", vec![]),
		("noise", vec![0xAB; 500]),
		("too long", vec![1; poaiw_work::MAX_SEAL_BYTES + 1]),
		("trailing", trailing),
		("cut off", good.encode()[..20].to_vec()),
		("version", change(&|seal| seal.version = 2)),
		("position", change(&|seal| seal.tile_row = seal.m)),
		("size", change(&|seal| seal.m = 0)),
		("window", change(&|seal| seal.window = 1_000)),
		("root", change(&|seal| seal.root_a = [1; 32])),
		("larger than the profile", change(&|seal| seal.m = 4_096)),
		(
			"another source",
			change(&|seal| {
				seal.source = WorkSource::Task {
					id: 1,
					segment: 0,
					step: 0,
					instruction: 0,
				}
			}),
		),
	];
	for (name, seal) in bad {
		let result = other
			.receive((with_seal(header.clone(), seal), body.clone()))
			.await;
		assert!(result.is_err(), "{name}: {result:?}");
		assert_eq!(other.best().0, 0, "{name}");
	}
	assert!(
		other.receive((header, body)).await.is_ok(),
		"the untouched block is fine"
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn ticket_should_not_pass_when_it_does_not_win() {
	let time = genesis_time();
	let (miner, other) = (Chain::new(time), Chain::new(time));
	let (header, body) = miner.block(miner.mine().await);
	let mut seal = seal_of(&header);
	let mut refused = 0;
	// Neighbours of a winning tile: most of them don't win.
	for tile_col in 0..seal.n.div_ceil(16) {
		seal.tile_col = tile_col;
		if let Err(error) = other.rules.check_header(with_seal(header.clone(), seal.encode())) {
			assert!(error.to_string().contains("above the limit"), "{error}");
			refused += 1;
		}
	}
	assert!(refused > 0);
	assert!(other.receive((header, body)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_or_with_another_author_should_be_refused() {
	let time = genesis_time();
	let (miner, other) = (Chain::new(time), Chain::new(time));
	let (header, body) = miner.block(miner.mine().await);
	let edit = |change: &dyn Fn(&mut Digest)| {
		let mut header = header.clone();
		change(&mut header.digest);
		header
	};
	let bob = DigestItem::PreRuntime(ENGINE_ID, author(Sr25519Keyring::Bob).encode());
	let cases: Vec<(&str, Header)> = vec![
		(
			"no author",
			edit(&|digest| {
				digest
					.logs
					.retain(|item| !matches!(item, DigestItem::PreRuntime(..)))
			}),
		),
		("two authors", edit(&|digest| digest.logs.insert(0, bob.clone()))),
		(
			"stolen",
			edit(&|digest| {
				digest
					.logs
					.retain(|item| !matches!(item, DigestItem::PreRuntime(..)));
				digest.logs.insert(0, bob.clone());
			}),
		),
		("no seal", edit(&|digest| drop(digest.logs.pop()))),
		(
			"other engine",
			edit(&|digest| {
				digest.logs.pop();
				digest.logs.push(DigestItem::Seal(*b"aura", vec![]));
			}),
		),
	];
	for (name, header) in cases {
		assert!(other.receive((header, body.clone())).await.is_err(), "{name}");
		assert_eq!(other.best().0, 0, "{name}");
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn block_should_be_refused_when_it_says_something_else_about_its_parents_seal() {
	let time = genesis_time();
	let (liar, other) = (Chain::new(time), Chain::new(time));
	let first = liar.mine().await;
	other.receive(liar.block(first)).await.unwrap();
	// A block whose parent-seal inherent is missing: built from a body without it, sealed anew.
	let (template, proposal) = liar.template(first, liar.author.clone(), now()).await;
	let seal = win(&template);
	let (header, mut body) = (proposal.block.header, proposal.block.extrinsics);
	body.pop();
	let mut sealed = header;
	sealed.digest.logs.push(DigestItem::Seal(ENGINE_ID, seal));
	assert!(other.receive((sealed, body)).await.is_err());
	assert_eq!(other.best().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn seal_should_be_stale_when_its_template_is_gone() {
	let chain = Chain::new(genesis_time());
	let (template, proposal) = chain.template(chain.best().1, chain.author.clone(), now()).await;
	let (pre_hash, seal) = (template.pre_hash, win(&template));
	chain.keeper.store(template, proposal);
	assert!(matches!(
		chain.keeper.submit(pre_hash, vec![1, 2, 3]).await,
		Err(SubmitError::Refused(refusal)) if refusal.name() == "encoding"
	));
	assert!(
		chain.keeper.submit(pre_hash, seal.clone()).await.is_ok(),
		"a bad seal must not use up the template"
	);
	assert!(matches!(
		chain.keeper.submit(pre_hash, seal.clone()).await,
		Err(SubmitError::Stale(_))
	));
	assert!(matches!(
		chain.keeper.submit(Hash::zero(), seal).await,
		Err(SubmitError::Stale(_))
	));
	let counts = chain.rules.metrics().snapshot();
	assert_eq!(
		(
			counts.seals_accepted,
			counts.seals_stale,
			counts.seals_rejected.get("encoding")
		),
		(1, 2, Some(&1))
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_template_of_the_same_parent_should_still_be_good() {
	let chain = Chain::new(genesis_time());
	let parent = chain.best().1;
	let (old, old_proposal) = chain.template(parent, chain.author.clone(), now() - 5_000).await;
	let (new, new_proposal) = chain.template(parent, chain.author.clone(), now()).await;
	let (pre_hash, seal) = (old.pre_hash, win(&old));
	chain.keeper.store(old, old_proposal);
	chain.keeper.store(new, new_proposal);
	assert!(chain.keeper.submit(pre_hash, seal).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_work_should_be_decided_by_the_lower_ticket_whichever_came_first() {
	let time = genesis_time();
	let source = Chain::new(time);
	let genesis = source.best().1;
	let first = source.mine_on(genesis, now() - 4_000).await.unwrap();
	// Easy targets are often won at the first position, and seals of equal bytes leave the tie to the order of arrival.
	let seal = |hash| source.header(hash).digest.logs.last().cloned();
	let mut second = first;
	for step in 0..100 {
		second = source.mine_on(genesis, now() - 3_000 + step).await.unwrap();
		if seal(second) != seal(first) {
			break;
		}
	}
	assert_ne!(seal(second), seal(first), "all blocks were won at one position");
	let ticket = |hash| {
		let summary = source.rules.check_header(source.header(hash)).unwrap();
		poaiw_primitives::U256::from_little_endian(&summary.ticket)
	};
	let winner = if ticket(first) < ticket(second) {
		first
	} else {
		second
	};
	for order in [[first, second], [second, first]] {
		let node = Chain::new(time);
		for hash in order {
			node.receive(source.block(hash)).await.unwrap();
		}
		assert_eq!(node.total_work(first), node.total_work(second));
		assert_eq!(node.best().1, winner);
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_blocks_should_win_when_they_hold_more_work() {
	let time = genesis_time();
	let (late, early) = (Chain::new(time), Chain::new(time));
	let genesis = late.best().1;
	// An hour late: from the second block on the target is 64 times easier.
	for step in 0..4 {
		late.mine_on(late.best().1, now() - 10_000 + step).await.unwrap();
	}
	// On time: two blocks at the first target.
	let one = early.mine_on(genesis, time + 1).await.unwrap();
	let two = early.mine_on(one, time + 2).await.unwrap();
	assert!(early.total_work(two) > late.total_work(late.best().1));
	for hash in [one, two] {
		late.receive(early.block(hash)).await.unwrap();
	}
	assert_eq!(late.best(), (2, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn block_with_a_time_too_far_ahead_should_be_refused() {
	let time = genesis_time();
	let (miner, other) = (Chain::new(time), Chain::new(time));
	let (template, proposal) = miner
		.template(miner.best().1, miner.author.clone(), now() + 600_000)
		.await;
	let seal = win(&template);
	let (mut header, body) = (proposal.block.header, proposal.block.extrinsics);
	header.digest.logs.push(DigestItem::Seal(ENGINE_ID, seal));
	let error = other.receive((header, body)).await.unwrap_err();
	assert!(
		error.contains("future") || error.contains("Inherent") || error.contains("inherent"),
		"{error}"
	);
}
