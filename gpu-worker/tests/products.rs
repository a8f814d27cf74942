// SPDX-License-Identifier: Apache-2.0

//! Mined products on the device against the CPU functions of `poaiw-work`: commitments, products, tickets, seals.

mod common;

use common::{gpu, pool, Random};
use poaiw_commitment::{hash, tensor_root, TensorTree};
use poaiw_program::ProductSite;
use poaiw_work::{
	accept,
	builder::Product,
	cpu_miner::{mine_product, Miner, Search},
	gemm,
	retarget::TARGET_MAX,
	Dims, Epoch, LightCache, Operand, WorkProfile, WorkSource, U256,
};
use poaiw_worker::{
	device::{known_answer, DotPath},
	executor::ProductSink,
	kernels::{
		commit, dataset,
		product::{Job, Variant},
	},
	miner::{Found, GpuMiner, Stats, Template, TemplateSlot},
};
use proptest::prelude::*;
use std::sync::mpsc;

fn bytes(values: &[i8]) -> Vec<u8> {
	values.iter().map(|x| *x as u8).collect()
}

fn words(bytes: &[u8]) -> Vec<i32> {
	bytes
		.as_chunks::<4>()
		.0
		.iter()
		.map(|x| i32::from_le_bytes(*x))
		.collect()
}

fn template(profile: WorkProfile, mac_target: U256, name: &[u8]) -> Template {
	let author = hash(&[b"author"]);
	Template::new(hash(&[name]), 5, author, profile, mac_target, hash(&[b"epoch"])).unwrap()
}

fn profile(rank: u32) -> WorkProfile {
	WorkProfile {
		rank,
		synthetic_m: 64,
		synthetic_n: 96,
		synthetic_k: 2048,
		..WorkProfile::dev()
	}
}

/// A miner that hands its seals to a channel.
fn miner(template: Option<Template>) -> (GpuMiner, mpsc::Receiver<Found>, TemplateSlot, Stats) {
	let (sender, receiver) = mpsc::channel();
	let (slot, stats) = (TemplateSlot::default(), Stats::default());
	slot.set(template);
	let sink = Box::new(move |found| sender.send(found).unwrap());
	(
		GpuMiner::new(pool(), slot.clone(), stats.clone(), sink),
		receiver,
		slot,
		stats,
	)
}

#[test]
fn the_known_answer_test_should_pass_on_the_software_device() {
	let answer = known_answer(&gpu()).unwrap();
	assert_eq!(answer.variants, Variant::ALL);
	assert!(answer.tickets > 3);
	assert!(answer.operations > 10);
	assert_eq!(gpu().dot(), DotPath::Packed);
}

#[test]
fn mesa_should_run_every_iteration_of_the_longest_product() {
	// k = 65,536 is the longest row: 4,096 iterations of the inner loop, under the limit of some drivers.
	let (m, n, k) = (16, 16, 65_536);
	let mut random = Random::new(7);
	let (a, b) = (random.i8s(m * k), random.i8s(n * k));
	let expected = gemm::product(&a, &b, m, n, k).unwrap();
	for variant in Variant::ALL {
		let (mut miner, _, _, _) = miner(Some(template(profile(32), U256::one(), b"long")));
		miner.pipeline().variant = Some(variant);
		assert_eq!(mine(&mut miner, &a, &b, (m, n, k)), expected, "{variant:?}");
	}
}

fn mine(miner: &mut GpuMiner, a: &[i8], b: &[i8], (m, n, k): (usize, usize, usize)) -> Vec<i32> {
	let pool = miner.pipeline().pool().clone();
	let left = pool.upload(&bytes(a), m as u32, k as u32).unwrap();
	let right = pool.upload(&bytes(b), n as u32, k as u32).unwrap();
	let c = pool.matrix(m as u32, n as u32 * 4).unwrap();
	let site = ProductSite {
		segment: 1,
		step: 2,
		instruction: 3,
	};
	let dims = Dims::new(m as u32, n as u32, k as u32).unwrap();
	miner.product(site, (&left, &right), &c, dims).unwrap();
	miner.step_done().unwrap();
	words(&pool.download(&[&c]).unwrap()[0])
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn commitments_should_equal_the_cpu(rows in 1u32..70, row_bytes in 1u32..1700, seed: u64) {
		let data = bytes(&Random::new(seed).i8s((rows * row_bytes) as usize));
		let matrix = pool().upload(&data, rows, row_bytes).unwrap();
		let (trees, _) = commit::trees(&gpu(), &[&matrix], &[]).unwrap();
		prop_assert_eq!(trees[0].root(), tensor_root(&data, rows, row_bytes).unwrap());
		prop_assert_eq!(&pool().download(&[&matrix]).unwrap()[0], &data);
	}

	#[test]
	fn mined_products_should_be_exact_and_give_the_tickets_of_the_cpu(
		m in 1usize..150, n in 1usize..150, k in 1usize..2300, rank_bits in 5u32..8, tiled: bool, seed: u64,
	) {
		let mut random = Random::new(seed);
		let (a, b) = (random.i8s(m * k), random.i8s(n * k));
		let template = template(profile(1 << rank_bits), TARGET_MAX, &seed.to_le_bytes());
		let (mut miner, found, _, stats) = miner(Some(template.clone()));
		miner.set_task(9);
		miner.pipeline().variant = Some(if tiled { Variant::Tiled64 } else { Variant::Direct4x4 });
		miner.pipeline().slice_macs = 1 << 22;
		prop_assert_eq!(mine(&mut miner, &a, &b, (m, n, k)), gemm::product(&a, &b, m, n, k).unwrap());

		let (left, right) =
			(Operand::new(&a, m as u32, k as u32).unwrap(), Operand::new(&b, n as u32, k as u32).unwrap());
		let tree_a = TensorTree::build(left.bytes(), m as u32, k as u32).unwrap();
		let tree_b = TensorTree::build(right.bytes(), n as u32, k as u32).unwrap();
		let product = Product::new(left, right, &tree_a, &tree_b).unwrap();
		let source = WorkSource::Task { id: 9, segment: 1, step: 2, instruction: 3 };
		let search = Search {
			pre_hash: &template.pre_hash,
			profile: &template.profile,
			mac_target: template.mac_target,
			items: None,
		};
		let wins = mine_product(search, &source, product).unwrap();
		prop_assert_eq!(stats.counts().tickets, product.dims().tickets(template.rank));
		match found.try_recv() {
			Ok(found) => {
				let at = found.seal.position();
				prop_assert!(wins.iter().any(|win| win.position == at));
				let accepted = accept(
					&template.pre_hash, &template.author, &found.seal, &template.profile, None, template.mac_target,
				);
				prop_assert_eq!(accepted.unwrap().source, source);
			},
			Err(_) => prop_assert!(wins.is_empty()),
		}
	}
}

#[test]
fn a_product_should_be_exact_when_there_is_no_template() {
	let (m, n, k) = (33, 70, 900);
	let mut random = Random::new(3);
	let (a, b) = (random.i8s(m * k), random.i8s(n * k));
	let (mut miner, found, _, stats) = miner(None);
	assert_eq!(
		mine(&mut miner, &a, &b, (m, n, k)),
		gemm::product(&a, &b, m, n, k).unwrap()
	);
	assert!(found.try_recv().is_err());
	assert_eq!(stats.counts().tickets, 0);
	assert!(stats.counts().task_macs > 0);
}

#[test]
fn a_ticket_should_count_as_stale_when_the_template_changed_meanwhile() {
	let (m, n, k) = (64, 64, 1024);
	let mut random = Random::new(4);
	let (a, b) = (random.i8s(m * k), random.i8s(n * k));
	let easy = template(profile(32), TARGET_MAX, b"old");
	let (mut miner, found, slot, stats) = miner(Some(easy));
	let pool = miner.pipeline().pool().clone();
	let left = pool.upload(&bytes(&a), m as u32, k as u32).unwrap();
	let right = pool.upload(&bytes(&b), n as u32, k as u32).unwrap();
	let c = pool.matrix(m as u32, n as u32 * 4).unwrap();
	let dims = Dims::new(m as u32, n as u32, k as u32).unwrap();
	miner
		.product(
			ProductSite {
				segment: 0,
				step: 0,
				instruction: 0,
			},
			(&left, &right),
			&c,
			dims,
		)
		.unwrap();
	slot.set(Some(template(profile(32), TARGET_MAX, b"new")));
	miner.step_done().unwrap();
	assert!(found.try_recv().is_err());
	assert_eq!((stats.counts().stale, stats.counts().found), (1, 0));
	assert_eq!(
		words(&pool.download(&[&c]).unwrap()[0]),
		gemm::product(&a, &b, m, n, k).unwrap()
	);
}

#[test]
fn synthetic_mining_should_give_accepted_seals_and_use_up_a_header() {
	for rank in [32, 64, 128] {
		let template = template(profile(rank), TARGET_MAX, &[rank as u8]);
		let (mut miner, found, _, stats) = miner(Some(template.clone()));
		assert!(miner.synthetic().unwrap());
		let seal = found.try_recv().unwrap().seal;
		accept(
			&template.pre_hash,
			&template.author,
			&seal,
			&template.profile,
			None,
			template.mac_target,
		)
		.unwrap();
		assert!(seal.openings.is_none());
		assert!(stats.counts().synthetic_macs > 0);
		// The same positions win on the CPU.
		let search = Search {
			pre_hash: &template.pre_hash,
			profile: &template.profile,
			mac_target: template.mac_target,
			items: None,
		};
		let cpu = Miner::synthetic(search, &template.author, &seal.dims().unwrap()).unwrap();
		assert!(cpu
			.all_wins()
			.unwrap()
			.iter()
			.any(|win| win.position == seal.position()));
	}
}

#[test]
fn tickets_with_memory_accesses_should_equal_the_cpu() {
	let profile = WorkProfile {
		accesses: 64,
		..profile(32)
	};
	let cache = LightCache::build(&hash(&[b"epoch"]), profile.cache_items()).unwrap();
	let on_device = dataset::build(&gpu(), &cache, profile.dataset_items()).unwrap();
	let read = gpu()
		.read(&on_device, u64::from(profile.dataset_items()) * 16)
		.unwrap();
	for index in [0, 1, 77, profile.dataset_items() - 1] {
		let item = &read[index as usize * 16..][..16];
		assert_eq!(item, cache.dataset_item(index));
	}
	let template = template(profile, TARGET_MAX, b"memory");
	let (mut miner, found, _, _) = miner(Some(template.clone()));
	assert!(miner.synthetic().unwrap());
	let seal = found.try_recv().unwrap().seal;
	let epoch = Epoch {
		seed: &template.epoch_seed,
		cache: &cache,
	};
	let accepted = accept(
		&template.pre_hash,
		&template.author,
		&seal,
		&template.profile,
		Some(epoch),
		template.mac_target,
	);
	assert!(accepted.is_ok(), "{accepted:?}");
}

#[test]
fn plain_products_should_be_exact_in_every_variant() {
	let mut random = Random::new(11);
	for (m, n, k) in [
		(1, 1, 1),
		(16, 16, 32),
		(65, 130, 33),
		(100, 10, 512),
		(20, 70, 1030),
	] {
		let (a, b) = (random.i8s(m * k), random.i8s(n * k));
		let expected = gemm::product(&a, &b, m, n, k).unwrap();
		let (pool, device) = (pool(), gpu());
		let left = pool.upload(&bytes(&a), m as u32, k as u32).unwrap();
		let right = pool.upload(&bytes(&b), n as u32, k as u32).unwrap();
		for variant in Variant::ALL {
			let c = pool.matrix(m as u32, n as u32 * 4).unwrap();
			let job = Job {
				variant,
				a: left.buffer(),
				b: right.buffer(),
				c: Some(&c),
				dims: Dims::new(m as u32, n as u32, k as u32).unwrap(),
				rank: None,
			};
			let none = device.buffer("none", 4).unwrap();
			let mut recorder = device.record();
			job.record(&device, &mut recorder, &none, 0, m as u32).unwrap();
			recorder.submit();
			assert_eq!(
				words(&pool.download(&[&c]).unwrap()[0]),
				expected,
				"{variant:?} {m}x{n}x{k}"
			);
		}
	}
}

#[test]
fn a_matrix_that_does_not_fit_should_be_refused_with_its_size() {
	let error = pool().matrix(1 << 20, 1 << 22).err().unwrap().to_string();
	assert!(error.contains("does not fit a buffer"), "{error}");
	let error = pool().matrix(0, 5).err().unwrap().to_string();
	assert!(error.contains("0 rows"), "{error}");
	let error = pool().upload(&[1, 2, 3], 2, 2).err().unwrap().to_string();
	assert!(error.contains("3 bytes for a matrix of 2 x 2"), "{error}");
}
