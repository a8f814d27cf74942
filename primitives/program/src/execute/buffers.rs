// SPDX-License-Identifier: Apache-2.0

//! Memory of outputs that is used again, and with how many cores and which vectors outputs are computed.

use crate::{
	plan::run::Workshop,
	tensor::{Tensor, Values},
};
use alloc::vec::Vec;

/// An element of an output.
pub trait Item: Copy + Default + Send + Sync + 'static {
	/// The buffers of this type.
	fn shelf(buffers: &mut Buffers) -> &mut Vec<Vec<Self>>;
}

impl Item for i8 {
	fn shelf(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
		&mut buffers.bytes
	}
}

impl Item for i32 {
	fn shelf(buffers: &mut Buffers) -> &mut Vec<Vec<Self>> {
		&mut buffers.words
	}
}

/// Most elements that are kept.
const MAX_KEPT: usize = 1 << 26;
/// Smaller buffers are left to the allocator.
const MIN_KEPT: usize = 1 << 10;

/// What outputs are computed with. All give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vectors {
	/// All cores, and the widest vectors that the processor has.
	#[default]
	Widest,
	/// All cores, and vectors of 256 bits where the processor has them: what a processor without AVX-512 runs.
	Narrow,
	/// One core and code for any processor: what tests and measurements compare with.
	Plain,
}

/// Memory of tensors that nobody needs any more: taking it again spares the system's zeroed pages.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
	vectors: Vectors,
	bytes: Vec<Vec<i8>>,
	words: Vec<Vec<i32>>,
	kept: usize,
	workshop: Workshop,
}

impl Buffers {
	/// No memory yet; outputs are computed with these vectors.
	pub fn with(vectors: Vectors) -> Self {
		Self {
			vectors,
			..Self::default()
		}
	}

	/// What outputs are computed with.
	pub fn vectors(&self) -> Vectors {
		self.vectors
	}

	/// Memory of stages.
	pub(crate) fn workshop(&mut self) -> &mut Workshop {
		&mut self.workshop
	}

	/// How many parts of an output can be computed at once.
	pub fn threads(&self) -> usize {
		#[cfg(feature = "std")]
		if self.vectors != Vectors::Plain {
			return rayon::current_num_threads().max(1);
		}
		1
	}

	/// Keeps the memory of a tensor.
	pub fn recycle(&mut self, tensor: Tensor) {
		match tensor.into_values() {
			Values::I8(values) => self.keep(values),
			Values::I32(values) => self.keep(values),
		}
	}

	fn keep<T: Item>(&mut self, values: Vec<T>) {
		let size = values.capacity();
		if size < MIN_KEPT || size > MAX_KEPT.saturating_sub(self.kept) {
			return;
		}
		self.kept += size;
		T::shelf(self).push(values);
	}

	/// The smallest buffer that `len` elements fit, unless it is far too large.
	fn find<T: Item>(&mut self, len: usize) -> Option<Vec<T>> {
		let shelf = T::shelf(self);
		let fits = |size: usize| size >= len && size <= len.saturating_mul(2);
		let sizes = shelf.iter().map(Vec::capacity).enumerate();
		let (at, size) = sizes
			.filter(|(_, size)| fits(*size))
			.min_by_key(|(_, size)| *size)?;
		let found = shelf.swap_remove(at);
		self.kept = self.kept.saturating_sub(size);
		Some(found)
	}

	/// An empty vector with room for `len` elements.
	pub fn empty<T: Item>(&mut self, len: usize) -> Vec<T> {
		let mut values = self.find(len).unwrap_or_default();
		values.clear();
		values.reserve_exact(len);
		values
	}

	/// `len` elements of any value.
	pub fn any<T: Item>(&mut self, len: usize) -> Vec<T> {
		let mut values = self.find(len).unwrap_or_default();
		values.truncate(len);
		values.reserve_exact(len.saturating_sub(values.len()));
		values.resize(len, T::default());
		values
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::vec;

	#[test]
	fn buffers_should_be_used_again_only_where_they_fit() {
		let mut buffers = Buffers::default();
		buffers.recycle(Tensor::from_i32(1, 5000, vec![7; 5000]).unwrap());
		assert_eq!(buffers.any::<i32>(9000).len(), 9000);
		assert!(buffers.empty::<i8>(5000).is_empty());
		assert_eq!(buffers.any::<i32>(2000), vec![0; 2000]);
		assert_eq!(buffers.any::<i32>(4000), vec![7; 4000]);
		assert_eq!((buffers.kept, buffers.words.len()), (0, 0));
		buffers.recycle(Tensor::from_i32(1, 5, vec![7; 5]).unwrap());
		assert_eq!(buffers.kept, 0);
	}
}
