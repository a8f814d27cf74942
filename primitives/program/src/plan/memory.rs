// SPDX-License-Identifier: Apache-2.0

//! Where the tensors of a stage live, and how many bytes that takes.

use super::stage::{Home, Member, Source, StageTensor};
use crate::tensor::Element;
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};

/// Bytes of a unit.
pub(super) fn bytes(tensor: &StageTensor) -> u64 {
	u64::from(tensor.rows) * u64::from(tensor.decl.row_bytes())
}

/// Bytes that a unit takes of all memory, scratch buffers being shared.
pub(super) fn memory(tensors: &[StageTensor]) -> u64 {
	let mut scratch: BTreeMap<(bool, usize), u64> = BTreeMap::new();
	let mut sum = 0u64;
	for tensor in tensors {
		match tensor.home {
			Home::Scratch(number) => {
				let most = scratch
					.entry((tensor.decl.element == Element::I32, number))
					.or_default();
				*most = bytes(tensor).max(*most);
			}
			_ => sum = sum.saturating_add(bytes(tensor)),
		}
	}
	sum.saturating_add(scratch.values().sum())
}

/// Gives every scratch tensor a buffer, which another one gets after its last use; the outputs of the first `products`
/// instructions get panels of their own. Bytes and words have buffers of their own.
pub(super) fn assign(nodes: &[Member], products: usize, tensors: &mut [StageTensor]) {
	for (panel, node) in nodes.iter().take(products).enumerate() {
		if let Some(StageTensor { home, .. }) = tensors.get_mut(node.output) {
			if matches!(home, Home::Scratch(_)) {
				*home = Home::Panel(panel);
			}
		}
	}
	let strips = |node: &Member| -> BTreeSet<usize> {
		let number = |source: &Source| match source {
			Source::Strip(number) => Some(*number),
			Source::Whole(_) => None,
		};
		node.sources.iter().filter_map(number).collect()
	};
	let mut last = BTreeMap::new();
	for (n, node) in nodes.iter().enumerate() {
		last.extend(strips(node).into_iter().map(|number| (number, n)));
	}
	// Buffers that nobody has at present, and how many there are.
	let mut free: [(Vec<usize>, usize); 2] = Default::default();
	for (n, node) in nodes.iter().enumerate() {
		if let Some(tensor) = tensors.get_mut(node.output) {
			let kind = usize::from(tensor.decl.element == Element::I32);
			if let (Home::Scratch(buffer), Some((free, count))) = (&mut tensor.home, free.get_mut(kind)) {
				*buffer = free.pop().unwrap_or_else(|| {
					*count += 1;
					*count - 1
				});
			}
		}
		for number in strips(node)
			.into_iter()
			.filter(|number| last.get(number) == Some(&n))
		{
			let Some(tensor) = tensors.get(number) else {
				continue;
			};
			let kind = usize::from(tensor.decl.element == Element::I32);
			if let (Home::Scratch(buffer), Some((free, _))) = (tensor.home, free.get_mut(kind)) {
				free.push(buffer);
			}
		}
	}
}
