// SPDX-License-Identifier: Apache-2.0

//! The known-answer test: a mined product with every kernel variant, against the CPU functions of `poaiw-work`, and
//! operations (`super::known_operations`).
//!
//! Some drivers give silently wrong bits for some instructions; a device that fails would cost its owner the bond.

use super::{known_operations::known_operations, DeviceError, Gpu};
use crate::{
	kernels::{
		commit,
		product::Variant,
		ticket::{self, HIT_WORDS},
		Matrix, Pool,
	},
	miner::pipeline::{Draw, Pipeline},
};
use poaiw_commitment::{hash, Hash32, TensorTree};
use poaiw_work::{
	builder::Product,
	cpu_miner::{mine_product, Search},
	gemm,
	seeds::Seeds,
	ticket::{limit, Position},
	Dims, Operand, Rank, WorkProfile, WorkSource, U256,
};
use std::{
	ops::ControlFlow,
	sync::{Arc, OnceLock},
};

/// What the test compared.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KnownAnswer {
	/// Kernel variants that gave the right bits.
	pub variants: Vec<Variant>,
	/// Elements of the product that were compared, for each variant.
	pub elements: usize,
	/// Winning tickets that had to be found, for each variant.
	pub tickets: usize,
	/// Operations of programs that gave the right bits.
	pub operations: usize,
}

/// Sizes: padded rows, several windows, columns after the last one.
const SIZES: (u32, u32, u32) = (75, 100, 1700);

/// What the CPU says.
struct Expected {
	a: Vec<i8>,
	b: Vec<i8>,
	roots: [Hash32; 2],
	product: Vec<i32>,
	seeds: Seeds,
	limit: U256,
	wins: Vec<Position>,
}

/// int7 values with both extremes in whole runs, where wrong sign extension shows.
fn operand(label: u8, count: u32) -> Vec<i8> {
	let blocks = (0..count.div_ceil(32)).flat_map(|i| hash(&[&[label], &i.to_le_bytes()]));
	let values = blocks.map(|byte| (byte % 127) as i8 - 63).take(count as usize);
	values
		.enumerate()
		.map(|(i, x)| if i % 97 < 16 { 63 - 126 * (i as i8 & 1) } else { x })
		.collect()
}

fn expected() -> Result<Expected, poaiw_work::Error> {
	let (m, n, k) = SIZES;
	let (a, b) = (operand(b'a', m * k), operand(b'b', n * k));
	let (left, right) = (Operand::new(&a, m, k)?, Operand::new(&b, n, k)?);
	let tree_a = TensorTree::build(left.bytes(), m, k)?;
	let tree_b = TensorTree::build(right.bytes(), n, k)?;
	let product = Product::new(left, right, &tree_a, &tree_b)?;
	let profile = WorkProfile {
		rank: 32,
		accesses: 0,
		..WorkProfile::dev()
	};
	let source = WorkSource::Task {
		id: 1,
		segment: 2,
		step: 3,
		instruction: 4,
	};
	let pre_hash = hash(&[b"known answer"]);
	// About one ticket in five wins.
	let mac_target = U256::MAX / 5 / Rank::new(32)?.work();
	let search = Search {
		pre_hash: &pre_hash,
		profile: &profile,
		mac_target,
		items: None,
	};
	let mut wins: Vec<Position> = mine_product(search, &source, product)?
		.iter()
		.map(|win| win.position)
		.collect();
	wins.sort_by_key(key);
	let seeds = product.seeds(&pre_hash, &source, &profile)?;
	let exact = gemm::product(&a, &b, m as usize, n as usize, k as usize)?;
	let limit = limit(mac_target, Rank::new(32)?);
	let roots = [tree_a.root(), tree_b.root()];
	Ok(Expected {
		a,
		b,
		roots,
		product: exact,
		seeds,
		limit,
		wins,
	})
}

fn key(p: &Position) -> (u32, u32, u32) {
	(p.tile_row, p.tile_col, p.window)
}

/// Compares all variants on a device with the CPU.
///
/// # Errors
/// [`DeviceError::WrongAnswer`] naming device and driver, or another error if the device fails.
pub fn known_answer(gpu: &Arc<Gpu>) -> Result<KnownAnswer, DeviceError> {
	static EXPECTED: OnceLock<Result<Expected, poaiw_work::Error>> = OnceLock::new();
	let expected = match EXPECTED.get_or_init(expected) {
		Ok(expected) => expected,
		Err(error) => return Err(DeviceError::Sizes(error.to_string())),
	};
	let wrong = |what: String| DeviceError::WrongAnswer {
		name: gpu.name().into(),
		driver: gpu.driver(),
		what,
	};
	let (m, n, k) = SIZES;
	let pool = Pool::new(gpu.clone());
	let bytes = |values: &[i8]| values.iter().map(|x| *x as u8).collect::<Vec<u8>>();
	let a = pool.upload(&bytes(&expected.a), m, k)?;
	let b = pool.upload(&bytes(&expected.b), n, k)?;
	let (trees, _) = commit::trees(gpu, &[&a, &b], &[])?;
	if trees.iter().map(TensorTree::root).ne(expected.roots) {
		return Err(wrong("commitment to an operand (BLAKE2s)".into()));
	}
	for variant in Variant::ALL {
		let (product, mut wins) = run(&pool, variant, &a, &b, expected)?;
		wins.sort_by_key(key);
		if wins != expected.wins {
			let (got, all) = (wins.len(), expected.wins.len());
			return Err(wrong(format!(
				"tickets of {variant:?}: {got} winners, {all} expected"
			)));
		}
		if let Some(at) = product.iter().zip(&expected.product).position(|(x, y)| x != y) {
			let (got, right) = (product[at], expected.product[at]);
			return Err(wrong(format!(
				"product of {variant:?}: element {at} is {got}, {right} expected"
			)));
		}
	}
	let (elements, tickets) = (expected.product.len(), expected.wins.len());
	Ok(KnownAnswer {
		variants: Variant::ALL.to_vec(),
		elements,
		tickets,
		operations: known_operations(gpu)?,
	})
}

fn run(
	pool: &Pool,
	variant: Variant,
	a: &Matrix,
	b: &Matrix,
	expected: &Expected,
) -> Result<(Vec<i32>, Vec<Position>), DeviceError> {
	let (m, n, k) = SIZES;
	let fit = |error: poaiw_work::Error| DeviceError::Sizes(error.to_string());
	let dims = Dims::new(m, n, k).map_err(fit)?;
	let rank = Rank::new(32).map_err(fit)?;
	let draw = Draw {
		dims,
		rank,
		seeds: expected.seeds,
		limit: expected.limit,
		memory: None,
	};
	let mut pipeline = Pipeline::new(pool.clone());
	pipeline.variant = Some(variant);
	// Small slices, so that the seams between them are tested too.
	pipeline.slice_macs = 1;
	let c = pool.matrix(m, n * 4)?;
	let hits = pool.gpu().buffer("hits", HIT_WORDS)?;
	let noisy = pipeline.noisy(&draw, a, b)?;
	pipeline.draw(&draw, &noisy, Some(&c), &hits, || Ok(ControlFlow::Continue(())))?;
	pipeline.peel(&dims, &noisy, b, &c)?;
	let words = pool.gpu().read(&hits, HIT_WORDS)?;
	let product = pool.download(&[&c])?.pop().unwrap_or_default();
	let product = product
		.as_chunks::<4>()
		.0
		.iter()
		.map(|x| i32::from_le_bytes(*x))
		.collect();
	Ok((product, ticket::hits(&words).0))
}
