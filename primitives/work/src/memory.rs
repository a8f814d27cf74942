// SPDX-License-Identifier: Apache-2.0

//! The memory-hard finish: a light cache and a dataset for each epoch, and the walk of a transcript through it.
//!
//! A miner keeps the whole [`Dataset`]; a verifier computes the few items that a walk reads from the [`LightCache`].
//! Both go through [`Items`], so there is one walk.

use crate::{dims::STRIPES, error::Error};
use alloc::{vec, vec::Vec};
use poaiw_commitment::{hash, hash_many, Hash32, ZERO_HASH};

/// Words of one item of cache or dataset, and of a transcript.
pub const ITEM_WORDS: usize = 16;
/// Bytes of one item.
pub const ITEM_BYTES: usize = 4 * ITEM_WORDS;
/// Cache items that one dataset item depends on.
pub const PARENTS: u32 = 32;
/// The most items of a light cache (1 GiB).
pub const MAX_CACHE_ITEMS: u32 = 1 << 24;

/// One item of cache or dataset.
pub type Item = [u32; ITEM_WORDS];

/// What a walk reads.
pub trait Items {
	/// Number of items in the dataset.
	fn count(&self) -> u32;
	/// The dataset item `index`, which is below [`Items::count`].
	fn item(&self, index: u32) -> Item;
}

fn fnv(x: u32, y: u32) -> u32 {
	x.wrapping_mul(0x0100_0193) ^ y
}

fn to_bytes(item: &Item) -> [u8; ITEM_BYTES] {
	let mut out = [0; ITEM_BYTES];
	for (to, word) in out.chunks_exact_mut(4).zip(item) {
		to.copy_from_slice(&word.to_le_bytes());
	}
	out
}

fn from_hashes(first: &Hash32, second: &Hash32) -> Item {
	let mut out = [0; ITEM_WORDS];
	let words = first.as_chunks::<4>().0.iter().chain(second.as_chunks::<4>().0);
	for (to, word) in out.iter_mut().zip(words) {
		*to = u32::from_le_bytes(*word);
	}
	out
}

/// The light cache of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightCache {
	seed: Hash32,
	items: Vec<Item>,
}

impl LightCache {
	/// Builds the cache: one hash chain over all items, then three passes that mix each item with its predecessor
	/// and a data-dependent third. Sequential by design (16 MiB take a fraction of a second).
	///
	/// # Errors
	/// [`Error::Items`] if `items` is zero or above [`MAX_CACHE_ITEMS`].
	pub fn build(seed: &Hash32, items: u32) -> Result<Self, Error> {
		if items == 0 || items > MAX_CACHE_ITEMS {
			return Err(Error::Items {
				items,
				max: MAX_CACHE_ITEMS,
			});
		}
		let count = items as usize;
		let mut cache = vec![[0u32; ITEM_WORDS]; count];
		let mut previous = *seed;
		for (i, item) in cache.iter_mut().enumerate() {
			let first = hash(&[b"PoAIW/cache", &(i as u32).to_le_bytes(), &previous]);
			previous = hash(&[&first]);
			*item = from_hashes(&first, &previous);
		}
		for _ in 0..3 {
			for i in 0..count {
				let before = cache[(i + count - 1) % count];
				let other = cache[cache[i][0] as usize % count];
				let mixed = to_bytes(&core::array::from_fn(|w| before[w] ^ other[w]));
				let first = hash(&[&mixed]);
				cache[i] = from_hashes(&first, &hash(&[&first, &mixed]));
			}
		}
		Ok(Self {
			seed: *seed,
			items: cache,
		})
	}

	/// The epoch seed that the cache was built from.
	pub fn seed(&self) -> &Hash32 {
		&self.seed
	}

	/// The items, for an upload to a GPU.
	pub fn items(&self) -> &[Item] {
		&self.items
	}

	fn parent(&self, index: u32) -> &Item {
		&self.items[index as usize % self.items.len()]
	}

	/// One item of the dataset. It does not depend on the size of the dataset.
	pub fn dataset_item(&self, index: u32) -> Item {
		let mut out = [[0; ITEM_WORDS]];
		self.fill_batch(index, &mut out);
		out[0]
	}

	/// Dataset items from `first` on, eight at a time for the lanes of the hash.
	pub fn dataset_items(&self, first: u32, out: &mut [Item]) {
		let mut index = first;
		for batch in out.chunks_mut(8) {
			self.fill_batch(index, batch);
			index = index.wrapping_add(batch.len() as u32);
		}
	}

	fn fill_batch(&self, first: u32, out: &mut [Item]) {
		for (index, mix) in (first..).zip(out.iter_mut()) {
			*mix = *self.parent(index);
			mix[0] ^= index;
		}
		expand(out);
		// Parent by parent over the whole batch: the cache reads of different items overlap.
		for p in 0..PARENTS {
			for (index, mix) in (first..).zip(out.iter_mut()) {
				let parent = self.parent(fnv(index ^ p, mix[p as usize % ITEM_WORDS]));
				for (x, y) in mix.iter_mut().zip(parent) {
					*x = fnv(*x, *y);
				}
			}
		}
		expand(out);
	}
}

/// `words ← H(words) ‖ H(H(words))` for up to eight items.
fn expand(items: &mut [Item]) {
	let mut first = [ZERO_HASH; 8];
	let mut second = [ZERO_HASH; 8];
	let mut bytes = [[0u8; ITEM_BYTES]; 8];
	for items in items.chunks_mut(8) {
		let count = items.len();
		for (bytes, item) in bytes.iter_mut().zip(items.iter()) {
			*bytes = to_bytes(item);
		}
		hash_many(bytes[..count].iter().map(|x| x.as_slice()), &mut first[..count]);
		hash_many(first[..count].iter().map(|x| x.as_slice()), &mut second[..count]);
		for (item, (x, y)) in items.iter_mut().zip(first.iter().zip(&second)) {
			*item = from_hashes(x, y);
		}
	}
}

/// The dataset as a verifier sees it: computed from the cache when read.
#[derive(Clone, Copy, Debug)]
pub struct LightDataset<'a> {
	/// The cache of the epoch.
	pub cache: &'a LightCache,
	/// Items of the dataset.
	pub items: u32,
}

impl Items for LightDataset<'_> {
	fn count(&self) -> u32 {
		self.items
	}

	fn item(&self, index: u32) -> Item {
		self.cache.dataset_item(index)
	}
}

/// The whole dataset in memory, as a miner keeps it.
#[derive(Clone, Debug)]
pub struct Dataset {
	items: Vec<Item>,
}

impl Dataset {
	/// Computes all `items` items on one thread; with `std`, see [`Dataset::build_parallel`].
	///
	/// # Errors
	/// [`Error::Items`] if there are none.
	pub fn build(cache: &LightCache, items: u32) -> Result<Self, Error> {
		let mut out = Self::empty(items)?;
		cache.dataset_items(0, &mut out.items);
		Ok(out)
	}

	/// Computes all `items` items on `threads` threads.
	///
	/// # Errors
	/// [`Error::Items`] if there are none.
	#[cfg(feature = "std")]
	pub fn build_parallel(cache: &LightCache, items: u32, threads: usize) -> Result<Self, Error> {
		let mut out = Self::empty(items)?;
		let part = out.items.len().div_ceil(threads.max(1));
		std::thread::scope(|scope| {
			for (number, items) in out.items.chunks_mut(part).enumerate() {
				scope.spawn(move || cache.dataset_items((number * part) as u32, items));
			}
		});
		Ok(out)
	}

	fn empty(items: u32) -> Result<Self, Error> {
		if items == 0 {
			return Err(Error::Items { items, max: u32::MAX });
		}
		Ok(Self {
			items: vec![[0; ITEM_WORDS]; items as usize],
		})
	}

	/// The items in their order.
	pub fn items(&self) -> &[Item] {
		&self.items
	}
}

impl Items for Dataset {
	fn count(&self) -> u32 {
		self.items.len() as u32
	}

	fn item(&self, index: u32) -> Item {
		self.items.get(index as usize).copied().unwrap_or([0; ITEM_WORDS])
	}
}

/// Walks `accesses` items; each index depends on what was read before it. An empty dataset leaves the words alone.
pub fn memory_mix(words: &[u32; STRIPES], items: &(impl Items + ?Sized), accesses: u32) -> [u32; STRIPES] {
	let mut mix = *words;
	let count = items.count();
	if count == 0 {
		return mix;
	}
	for a in 0..accesses {
		let at = a as usize;
		let index = fnv(a ^ mix[at % ITEM_WORDS], mix[(at + 1) % ITEM_WORDS]) % count;
		for (x, y) in mix.iter_mut().zip(items.item(index)) {
			*x = fnv(*x, y);
		}
	}
	mix
}
