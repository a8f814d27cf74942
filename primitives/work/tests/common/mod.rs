// SPDX-License-Identifier: Apache-2.0

//! One small product of a task, mined for real.

#![allow(dead_code)]

use poaiw_commitment::{hash, Hash32, TensorTree};
use poaiw_work::{
	builder::Product,
	cpu_miner::{mine_product, Search, Win},
	memory::Items,
	retarget::TARGET_MAX,
	Operand, Rank, Seal, WorkProfile, WorkSource,
};

pub const PRE_HASH: Hash32 = [11; 32];
pub const AUTHOR: Hash32 = [22; 32];
pub const SOURCE: WorkSource = WorkSource::Task {
	id: 7,
	segment: 3,
	step: 2,
	instruction: 1,
};

/// A development profile of a given rank.
pub fn profile(rank: u32, accesses: u32) -> WorkProfile {
	WorkProfile {
		rank,
		accesses,
		..WorkProfile::dev()
	}
}

/// Operands with their trees.
pub struct Fixture {
	pub m: u32,
	pub n: u32,
	pub k: u32,
	a: Vec<i8>,
	b: Vec<i8>,
	tree_a: TensorTree,
	tree_b: TensorTree,
}

impl Fixture {
	pub fn new(m: u32, n: u32, k: u32) -> Self {
		let data = |label: &[u8], len: u32| -> Vec<i8> {
			(0..len.div_ceil(32))
				.flat_map(|i| hash(&[label, &i.to_le_bytes()]))
				.take(len as usize)
				.map(|x| (x % 127) as i8 - 63)
				.collect()
		};
		let (a, b) = (data(b"a", m * k), data(b"b", n * k));
		let tree = |data: &[i8], rows| TensorTree::build(bytemuck::cast_slice(data), rows, k).unwrap();
		let (tree_a, tree_b) = (tree(&a, m), tree(&b, n));
		Self {
			m,
			n,
			k,
			a,
			b,
			tree_a,
			tree_b,
		}
	}

	pub fn product(&self) -> Product<'_> {
		let a = Operand::new(&self.a, self.m, self.k).unwrap();
		let b = Operand::new(&self.b, self.n, self.k).unwrap();
		Product::new(a, b, &self.tree_a, &self.tree_b).unwrap()
	}

	/// All wins at the easiest target.
	pub fn wins(&self, profile: &WorkProfile, items: Option<&(dyn Items + Sync)>) -> Vec<Win> {
		let search = Search {
			pre_hash: &PRE_HASH,
			profile,
			mac_target: TARGET_MAX,
			items,
		};
		mine_product(search, &SOURCE, self.product()).unwrap()
	}

	/// The seal of the last win at the easiest target, and its ticket.
	pub fn seal(&self, profile: &WorkProfile) -> (Seal, Hash32) {
		let rank = Rank::new(profile.rank).unwrap();
		let win = *self.wins(profile, None).last().unwrap();
		(
			self.product().seal(SOURCE, win.position, rank).unwrap(),
			win.ticket,
		)
	}
}
