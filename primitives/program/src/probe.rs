// SPDX-License-Identifier: Apache-2.0

//! Checks the operands that seals name: an observer that commits to the operands of chosen products.

use crate::run::{Control, Observer, Product, ProductSite};
use alloc::collections::{BTreeMap, BTreeSet};
use poaiw_commitment::{tensor_root, Hash32};

/// Sizes and commitments of the operands of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
	/// Rows of `a`.
	pub m: u32,
	/// Rows of `b`.
	pub n: u32,
	/// Columns of both.
	pub k: u32,
	/// `tensor_root` of `a`.
	pub root_a: Hash32,
	/// `tensor_root` of `b`.
	pub root_b: Hash32,
}

/// Collects the operands of the products that it was asked for.
#[derive(Clone, Debug, Default)]
pub struct OperandProbe {
	wanted: BTreeSet<(u32, u32)>,
	found: BTreeMap<(u32, u32), Operands>,
}

impl OperandProbe {
	/// Asks for products by step and instruction.
	pub fn new(sites: impl IntoIterator<Item = (u32, u32)>) -> Self {
		Self {
			wanted: sites.into_iter().collect(),
			found: BTreeMap::new(),
		}
	}

	/// What was found at a step and instruction: `None` if there is no product, or the segment did not run it.
	pub fn at(&self, step: u32, instruction: u32) -> Option<&Operands> {
		self.found.get(&(step, instruction))
	}
}

impl Observer for OperandProbe {
	fn wants(&self, site: ProductSite) -> bool {
		self.wanted.contains(&(site.step, site.instruction))
	}

	fn product(&mut self, site: ProductSite, product: Product<'_>) {
		let at = (site.step, site.instruction);
		if !self.wanted.contains(&at) {
			return;
		}
		let bytes = |x: &[i8]| x.iter().map(|x| *x as u8).collect::<alloc::vec::Vec<u8>>();
		let Product { a, b, m, n, k } = product;
		// Sizes of a validated program are inside of the commitment's bounds, so both roots exist.
		if let (Ok(root_a), Ok(root_b)) = (tensor_root(&bytes(a), m, k), tensor_root(&bytes(b), n, k)) {
			self.found.insert(
				at,
				Operands {
					m,
					n,
					k,
					root_a,
					root_b,
				},
			);
		}
	}

	fn step_done(&mut self, _step: u32, _loss: i32) -> Control {
		Control::Continue
	}
}
