// SPDX-License-Identifier: Apache-2.0

//! What a verifier pays for one seal, and the kernels beneath it, on one core.
//!
//! Bars: a seal of rank 64 in 2 ms, with 64 reads of the default dataset in 3 ms, the light cache in 1 s.
//!
//! ```text
//! cargo bench --package poaiw-benches --bench seal_verification
//! ```

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use poaiw_commitment::{tensor_root, Hash32, TensorTree};
use poaiw_work::{
	accept,
	builder::{synthetic_seal, Product},
	cpu_miner::{mine_product, Event, Miner, Search},
	gemm::gemm_i8_with,
	kernel::Kernel,
	memory::LightDataset,
	retarget::TARGET_MAX,
	Dims, Epoch, LightCache, Operand, Rank, Seal, WorkProfile, WorkSource,
};
use std::{hint::black_box, ops::ControlFlow, time::Duration};

const PRE_HASH: Hash32 = [1; 32];
const AUTHOR: Hash32 = [2; 32];
const EPOCH_SEED: Hash32 = [3; 32];
const SOURCE: WorkSource = WorkSource::Task {
	id: 1,
	segment: 2,
	step: 3,
	instruction: 4,
};

fn data(label: u8, len: usize) -> Vec<i8> {
	(0..len.div_ceil(32))
		.flat_map(|i| poaiw_commitment::hash(&[&[label], &i.to_le_bytes()]))
		.take(len)
		.map(|byte| (byte % 127) as i8 - 63)
		.collect()
}

/// A winning seal out of a product of 256 × 256 × 4096.
fn task_seal(profile: &WorkProfile, cache: Option<&LightCache>) -> Seal {
	let (m, n, k) = (256u32, 256u32, 4096u32);
	let (a, b) = (data(1, (m * k) as usize), data(2, (n * k) as usize));
	let (a, b) = (Operand::new(&a, m, k).unwrap(), Operand::new(&b, n, k).unwrap());
	let tree_a = TensorTree::build(a.bytes(), m, k).unwrap();
	let tree_b = TensorTree::build(b.bytes(), n, k).unwrap();
	let product = Product::new(a, b, &tree_a, &tree_b).unwrap();
	let light = cache.map(|cache| LightDataset {
		cache,
		items: profile.dataset_items(),
	});
	let search = Search {
		pre_hash: &PRE_HASH,
		profile,
		mac_target: TARGET_MAX,
		items: light.as_ref().map(|light| light as _),
	};
	let win = mine_product(search, &SOURCE, product).unwrap()[0];
	product
		.seal(SOURCE, win.position, Rank::new(profile.rank).unwrap())
		.unwrap()
}

fn seals(c: &mut Criterion) {
	let mut group = c.benchmark_group("accept");
	let cache = LightCache::build(&EPOCH_SEED, WorkProfile::memory_hard().cache_items()).unwrap();
	let profiles = [
		(
			"task_r32",
			WorkProfile {
				rank: 32,
				..WorkProfile::standard()
			},
		),
		("task_r64", WorkProfile::standard()),
		(
			"task_r128",
			WorkProfile {
				rank: 128,
				..WorkProfile::standard()
			},
		),
		("task_r64_64_accesses", WorkProfile::memory_hard()),
	];
	for (name, profile) in profiles {
		let hard = profile.accesses > 0;
		let seal = task_seal(&profile, hard.then_some(&cache));
		let epoch = hard.then_some(Epoch {
			seed: &EPOCH_SEED,
			cache: &cache,
		});
		group.bench_function(name, |b| {
			b.iter(|| accept(&PRE_HASH, &AUTHOR, black_box(&seal), &profile, epoch, TARGET_MAX).unwrap())
		});
	}
	let profile = WorkProfile::standard();
	let dims = Dims::new(64, 64, 2048).unwrap();
	let search = Search {
		pre_hash: &PRE_HASH,
		profile: &profile,
		mac_target: TARGET_MAX,
		items: None,
	};
	let win = Miner::synthetic(search, &AUTHOR, &dims)
		.unwrap()
		.all_wins()
		.unwrap()[0];
	let seal = synthetic_seal(&dims, win.position, Rank::new(64).unwrap()).unwrap();
	group.bench_function("synthetic_r64", |b| {
		b.iter(|| accept(&PRE_HASH, &AUTHOR, black_box(&seal), &profile, None, TARGET_MAX).unwrap())
	});
	group.finish();
}

fn memory(c: &mut Criterion) {
	let mut group = c.benchmark_group("memory");
	group.sample_size(10);
	let items = WorkProfile::standard().cache_items();
	group.bench_function("light_cache_16_MiB", |b| {
		b.iter(|| LightCache::build(&EPOCH_SEED, items).unwrap())
	});
	let cache = LightCache::build(&EPOCH_SEED, items).unwrap();
	let mut out = vec![[0; 16]; 1 << 14];
	group.throughput(Throughput::Bytes(64 << 14));
	group.bench_function("dataset_1_MiB", |b| {
		b.iter(|| cache.dataset_items(0, black_box(&mut out)))
	});
	group.finish();
}

fn products(c: &mut Criterion) {
	let mut group = c.benchmark_group("gemm");
	group.sample_size(20).measurement_time(Duration::from_secs(2));
	for size in [512usize, 1024] {
		let (a, b) = (data(1, size * size), data(2, size * size));
		let mut product = vec![0; size * size];
		// One element is one multiply-accumulate.
		group.throughput(Throughput::Elements((size * size * size) as u64));
		for kernel in Kernel::available() {
			group.bench_function(BenchmarkId::new(kernel.name(), size), |bench| {
				bench
					.iter(|| gemm_i8_with(kernel, black_box(&a), &b, size, size, size, &mut product).unwrap())
			});
		}
	}
	group.finish();
}

fn mining(c: &mut Criterion) {
	let mut group = c.benchmark_group("cpu_miner");
	group.sample_size(10).measurement_time(Duration::from_secs(2));
	for rank in [32, 64] {
		let profile = WorkProfile {
			rank,
			..WorkProfile::dev()
		};
		let dims = Dims::new(512, 512, 1024).unwrap();
		let search = Search {
			pre_hash: &PRE_HASH,
			profile: &profile,
			mac_target: 1.into(),
			items: None,
		};
		let miner = Miner::synthetic(search, &AUTHOR, &dims).unwrap();
		group.throughput(Throughput::Elements(512 * 512 * 1024));
		group.bench_function(BenchmarkId::new("search", rank), |b| {
			b.iter(|| {
				miner
					.mine(0..32, &mut |_: Event| ControlFlow::Continue(()))
					.unwrap()
			})
		});
		group.bench_function(BenchmarkId::new("prepare", rank), |b| {
			b.iter(|| Miner::synthetic(search, &AUTHOR, &dims).unwrap())
		});
	}
	group.finish();
}

/// Commitment of 4 MiB, beside the same hash from the other well-kept implementation, one input at a time.
fn commitments(c: &mut Criterion) {
	use blake2::{Blake2s256, Digest};
	let mut group = c.benchmark_group("commitment");
	group.sample_size(20);
	let bytes: Vec<u8> = data(1, 4 << 20).iter().map(|x| *x as u8).collect();
	group.throughput(Throughput::Bytes(4 << 20));
	group.bench_function("tensor_root_4_MiB", |b| {
		b.iter(|| tensor_root(black_box(&bytes), 1024, 4096).unwrap())
	});
	group.bench_function("rows_with_blake2_crate", |b| {
		b.iter(|| {
			bytes
				.chunks(512)
				.map(|row| Blake2s256::digest(row)[0])
				.fold(0, |x, y| x ^ y)
		})
	});
	group.bench_function("rows_with_blake2s_simd", |b| {
		let mut out = vec![[0; 32]; bytes.len() / 512];
		b.iter(|| poaiw_commitment::hash_many(bytes.chunks(512), &mut out))
	});
	group.finish();
}

criterion_group!(benches, seals, memory, products, mining, commitments);
criterion_main!(benches);
