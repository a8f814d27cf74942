// SPDX-License-Identifier: Apache-2.0

//! Puts instructions into the order in which they run: each begins a stage, which takes up what fits from the instructions
//! behind it, or runs by itself.

use super::{
	stage::{Growing, Stage},
	Item, Node,
};
use crate::program::{Program, TensorId};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};

/// How many instructions further on are looked at for a stage.
const WINDOW: usize = 512;

/// Puts instructions into the order in which they run.
pub(super) fn schedule(program: &Program, nodes: Vec<Node>, kept: &[bool], strip_bytes: u64) -> Vec<Item> {
	let mut order = Order {
		program,
		there: program.inputs.iter().map(|i| i.tensor).collect(),
		users: BTreeMap::new(),
		nodes: nodes.into_iter().map(Some).collect(),
		items: Vec::new(),
		strip_bytes,
	};
	for node in order.nodes.iter().flatten() {
		for arg in &node.inputs {
			*order.users.entry(arg.tensor).or_default() += 1;
		}
	}
	for at in 0..order.nodes.len() {
		let Some(first) = order.nodes.get_mut(at).and_then(Option::take) else {
			continue;
		};
		match Stage::begin(program, first) {
			Err(alone) => order.run(alone),
			Ok(stage) => order.join(stage, at, kept),
		}
	}
	order.items
}

struct Order<'a> {
	program: &'a Program,
	/// Tensors whose value is there.
	there: BTreeSet<TensorId>,
	/// How often every tensor is read.
	users: BTreeMap<TensorId, usize>,
	/// Instructions that do not run yet.
	nodes: Vec<Option<Node>>,
	items: Vec<Item>,
	strip_bytes: u64,
}

impl Order<'_> {
	fn run(&mut self, node: Node) {
		self.there.insert(node.output);
		self.items.push(Item::One(node));
	}

	/// Adds all that can join a stage; small instructions that do not need it run before it.
	fn join(&mut self, mut stage: Growing, first: usize, kept: &[bool]) {
		for at in first + 1..self.nodes.len().min(first + WINDOW) {
			let Some(place) = self.nodes.get_mut(at) else {
				break;
			};
			let Some(node) = place.take() else { continue };
			if node.small && node.inputs.iter().all(|a| self.there.contains(&a.tensor)) {
				self.run(node);
				continue;
			}
			if let Err(node) = stage.add(self.program, &self.there, node) {
				if let Some(place) = self.nodes.get_mut(at) {
					*place = Some(node);
				}
			}
		}
		match stage.finish(&self.users, kept, self.strip_bytes) {
			Err(alone) => self.run(alone),
			Ok(stage) => {
				let written = stage.nodes.iter().map(|n| n.node.output);
				self.there.extend(written);
				self.items.push(Item::Stage(stage));
			}
		}
	}
}
