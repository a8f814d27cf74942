// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! A small map that forgets the oldest entry.

use std::collections::VecDeque;

/// At most `capacity` entries, looked up from the newest to the oldest. Meant for tens or hundreds of entries, where
/// a scan is cheaper than what it saves.
pub struct Recent<K, V> {
	entries: VecDeque<(K, V)>,
	capacity: usize,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
	/// An empty map.
	pub fn new(capacity: usize) -> Self {
		Self {
			entries: VecDeque::with_capacity(capacity),
			capacity,
		}
	}

	/// The newest value of `key`.
	pub fn get(&self, key: &K) -> Option<V> {
		self.entries
			.iter()
			.rev()
			.find(|(k, _)| k == key)
			.map(|(_, value)| value.clone())
	}

	/// Adds or replaces; the oldest entry goes when there is no room.
	pub fn insert(&mut self, key: K, value: V) {
		self.entries.retain(|(k, _)| *k != key);
		while self.entries.len() >= self.capacity.max(1) {
			self.entries.pop_front();
		}
		self.entries.push_back((key, value));
	}

	/// All entries, oldest first.
	pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
		self.entries.iter()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn oldest_entry_should_go_when_full() {
		let mut map = Recent::new(2);
		map.insert(1, 'a');
		map.insert(2, 'b');
		map.insert(3, 'c');
		assert_eq!(
			(map.get(&1), map.get(&2), map.get(&3)),
			(None, Some('b'), Some('c'))
		);
	}

	#[test]
	fn insert_should_replace_and_renew_when_the_key_is_known() {
		let mut map = Recent::new(2);
		map.insert(1, 'a');
		map.insert(2, 'b');
		map.insert(1, 'x');
		map.insert(3, 'c');
		assert_eq!(
			(map.get(&1), map.get(&2), map.iter().count()),
			(Some('x'), None, 2)
		);
	}
}
