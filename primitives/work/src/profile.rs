// SPDX-License-Identifier: Apache-2.0

//! The work profile: the parameters of the ticket that governance and epochs may change.

use crate::{
	dims::{Dims, Rank, MAX_K, MAX_ROWS, TILE},
	memory::{ITEM_BYTES, MAX_CACHE_ITEMS},
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// The most dataset reads of one ticket.
pub const MAX_ACCESSES: u32 = 64;

/// Parameters of the ticket in one epoch.
#[derive(
	Clone,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub struct WorkProfile {
	/// Noise rank r: 32, 64 or 128.
	pub rank: u32,
	/// Dependent dataset reads of one ticket, 0 to 64; 0 switches the memory-hard finish off.
	pub accesses: u32,
	/// Size of the light cache: it has the largest prime number of 64-byte items under this.
	pub cache_bytes: u64,
	/// Size of the dataset: it has the largest prime number of 64-byte items under this.
	pub dataset_bytes: u64,
	/// The most rows of a synthetic A; a multiple of 16.
	pub synthetic_m: u32,
	/// The most rows of a synthetic transposed B; a multiple of 16.
	pub synthetic_n: u32,
	/// The most columns of synthetic operands; a multiple of 16 r.
	pub synthetic_k: u32,
}

/// Why a profile is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileError {
	/// Rank is none of 32, 64, 128.
	Rank(u32),
	/// More accesses than [`MAX_ACCESSES`].
	Accesses(u32),
	/// Cache or dataset hold less than two items or more than can be addressed.
	Bytes {
		/// `cache_bytes` or `dataset_bytes`.
		name: &'static str,
		/// Its value.
		value: u64,
	},
	/// The dataset is not larger than its cache.
	DatasetTooSmall {
		/// Bytes of the cache.
		cache: u64,
		/// Bytes of the dataset.
		dataset: u64,
	},
	/// A synthetic size is zero, too large or not made of whole tiles and windows.
	Synthetic {
		/// Which size.
		name: &'static str,
		/// Its value.
		value: u32,
		/// What it must be a multiple of.
		multiple: u32,
		/// The most allowed.
		max: u32,
	},
}

impl fmt::Display for ProfileError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Rank(rank) => write!(f, "rank = {rank}: use 32, 64 or 128"),
			Self::Accesses(accesses) => write!(f, "accesses = {accesses}: use 0 to {MAX_ACCESSES}"),
			Self::Bytes { name, value } => {
				write!(
					f,
					"{name} = {value}: use more than 128 and at most what 64-byte items can address"
				)
			}
			Self::DatasetTooSmall { cache, dataset } => {
				write!(
					f,
					"dataset_bytes = {dataset} is not larger than cache_bytes = {cache}"
				)
			}
			Self::Synthetic {
				name,
				value,
				multiple,
				max,
			} => {
				write!(
					f,
					"{name} = {value}: use a multiple of {multiple}, at least one and at most {max}"
				)
			}
		}
	}
}

impl core::error::Error for ProfileError {}

impl WorkProfile {
	/// The profile of development chains: rank 32, a cache of 64 KiB, a dataset of 4 MiB, no memory accesses.
	pub const fn dev() -> Self {
		Self {
			rank: 32,
			accesses: 0,
			cache_bytes: 64 << 10,
			dataset_bytes: 4 << 20,
			synthetic_m: 2048,
			synthetic_n: 2048,
			synthetic_k: 2048,
		}
	}

	/// The profile of public chains: rank 64, a cache of 16 MiB, a dataset of 1 GiB, no memory accesses.
	pub const fn standard() -> Self {
		Self {
			rank: 64,
			accesses: 0,
			cache_bytes: 16 << 20,
			dataset_bytes: 1 << 30,
			synthetic_m: 16_384,
			synthetic_n: 16_384,
			synthetic_k: 8_192,
		}
	}

	/// As [`WorkProfile::standard`], with 64 dependent reads of the dataset in each ticket.
	pub const fn memory_hard() -> Self {
		Self {
			accesses: MAX_ACCESSES,
			..Self::standard()
		}
	}

	/// Checks every field.
	///
	/// # Errors
	/// The first field that is wrong, with its value.
	pub fn validate(&self) -> Result<Rank, ProfileError> {
		let rank = Rank::new(self.rank).map_err(|_| ProfileError::Rank(self.rank))?;
		if self.accesses > MAX_ACCESSES {
			return Err(ProfileError::Accesses(self.accesses));
		}
		let largest = [
			("cache_bytes", self.cache_bytes, u64::from(MAX_CACHE_ITEMS)),
			("dataset_bytes", self.dataset_bytes, u64::from(u32::MAX)),
		];
		for (name, value, max_items) in largest {
			if items_under(value) < 2 || value.div_ceil(ITEM_BYTES as u64) > max_items {
				return Err(ProfileError::Bytes { name, value });
			}
		}
		if self.dataset_bytes <= self.cache_bytes {
			return Err(ProfileError::DatasetTooSmall {
				cache: self.cache_bytes,
				dataset: self.dataset_bytes,
			});
		}
		self.validate_synthetic(rank)?;
		Ok(rank)
	}

	fn validate_synthetic(&self, rank: Rank) -> Result<(), ProfileError> {
		let tile = TILE as u32;
		check_sizes([
			("synthetic_m", self.synthetic_m, tile, MAX_ROWS),
			("synthetic_n", self.synthetic_n, tile, MAX_ROWS),
			("synthetic_k", self.synthetic_k, rank.window() as u32, MAX_K),
		])
	}

	/// Items of the light cache: the largest prime under the profile's size.
	pub fn cache_items(&self) -> u32 {
		prime_items(self.cache_bytes)
	}

	/// Items of the dataset: the largest prime under the profile's size.
	pub fn dataset_items(&self) -> u32 {
		prime_items(self.dataset_bytes)
	}

	/// Checked sizes of a synthetic product: whole tiles and windows, no larger than the profile's.
	///
	/// # Errors
	/// [`ProfileError`] if the profile itself is not valid or the sizes do not fit it.
	pub fn synthetic_dims(&self, m: u32, n: u32, k: u32) -> Result<Dims, ProfileError> {
		let rank = self.validate()?;
		let tile = TILE as u32;
		check_sizes([
			("m", m, tile, self.synthetic_m),
			("n", n, tile, self.synthetic_n),
			("k", k, rank.window() as u32, self.synthetic_k),
		])?;
		// Inside the profile's sizes, which are inside these bounds.
		Dims::new(m, n, k).map_err(|_| ProfileError::Synthetic {
			name: "k",
			value: k,
			multiple: 1,
			max: MAX_K,
		})
	}
}

/// Checks (name, value, multiple, most) of the three synthetic sizes.
fn check_sizes(sizes: [(&'static str, u32, u32, u32); 3]) -> Result<(), ProfileError> {
	for (name, value, multiple, max) in sizes {
		if value == 0 || value > max || !value.is_multiple_of(multiple) {
			return Err(ProfileError::Synthetic {
				name,
				value,
				multiple,
				max,
			});
		}
	}
	Ok(())
}

impl Default for WorkProfile {
	fn default() -> Self {
		Self::standard()
	}
}

/// Whole items strictly under a size.
fn items_under(bytes: u64) -> u64 {
	bytes.saturating_sub(1) / ITEM_BYTES as u64
}

/// The largest prime number of items strictly under a size; 0 if there is none.
fn prime_items(bytes: u64) -> u32 {
	let most = u32::try_from(items_under(bytes)).unwrap_or(u32::MAX);
	(2..=most).rev().find(|x| is_prime(*x)).unwrap_or(0)
}

fn is_prime(x: u32) -> bool {
	if x < 4 {
		return x >= 2;
	}
	let divisors = core::iter::once(2).chain((3..).step_by(2));
	divisors
		.take_while(|d| u64::from(*d) * u64::from(*d) <= u64::from(x))
		.all(|d| !x.is_multiple_of(d))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn item_counts_should_be_the_largest_primes_under_the_sizes() {
		assert_eq!(
			(
				WorkProfile::dev().cache_items(),
				WorkProfile::dev().dataset_items()
			),
			(1021, 65_521)
		);
		let standard = WorkProfile::standard();
		assert_eq!(
			(standard.cache_items(), standard.dataset_items()),
			(262_139, 16_777_213)
		);
		assert_eq!(prime_items(64 * 257), 251);
		assert_eq!(prime_items(64 * 257 + 1), 257);
		assert_eq!(prime_items(128), 0);
		assert_eq!(prime_items(u64::MAX), 4_294_967_291);
	}

	#[test]
	fn built_in_profiles_should_be_valid() {
		for profile in [
			WorkProfile::dev(),
			WorkProfile::standard(),
			WorkProfile::memory_hard(),
		] {
			assert_eq!(profile.validate().unwrap().get() as u32, profile.rank);
		}
	}

	#[test]
	fn each_wrong_field_should_be_named() {
		let check = |change: fn(&mut WorkProfile), expected: ProfileError| {
			let mut profile = WorkProfile::dev();
			change(&mut profile);
			assert_eq!(profile.validate(), Err(expected));
		};
		check(|p| p.rank = 33, ProfileError::Rank(33));
		check(|p| p.accesses = 65, ProfileError::Accesses(65));
		check(
			|p| p.cache_bytes = 128,
			ProfileError::Bytes {
				name: "cache_bytes",
				value: 128,
			},
		);
		check(
			|p| p.cache_bytes = u64::MAX,
			ProfileError::Bytes {
				name: "cache_bytes",
				value: u64::MAX,
			},
		);
		check(
			|p| p.dataset_bytes = 1 << 40,
			ProfileError::Bytes {
				name: "dataset_bytes",
				value: 1 << 40,
			},
		);
		check(
			|p| p.dataset_bytes = 65_536,
			ProfileError::DatasetTooSmall {
				cache: 65_536,
				dataset: 65_536,
			},
		);
		check(
			|p| p.synthetic_m = 0,
			ProfileError::Synthetic {
				name: "synthetic_m",
				value: 0,
				multiple: 16,
				max: MAX_ROWS,
			},
		);
		check(
			|p| p.synthetic_n = 17,
			ProfileError::Synthetic {
				name: "synthetic_n",
				value: 17,
				multiple: 16,
				max: MAX_ROWS,
			},
		);
		check(
			|p| p.synthetic_k = 768,
			ProfileError::Synthetic {
				name: "synthetic_k",
				value: 768,
				multiple: 512,
				max: MAX_K,
			},
		);
		check(
			|p| p.synthetic_k = 1 << 17,
			ProfileError::Synthetic {
				name: "synthetic_k",
				value: 1 << 17,
				multiple: 512,
				max: MAX_K,
			},
		);
	}

	#[test]
	fn synthetic_sizes_should_be_whole_and_inside_the_profile() {
		let profile = WorkProfile::dev();
		assert!(profile.synthetic_dims(16, 2048, 512).is_ok());
		for (m, n, k) in [
			(0, 16, 512),
			(8, 16, 512),
			(2064, 16, 512),
			(16, 24, 512),
			(16, 16, 256),
			(16, 16, 4096),
		] {
			assert!(profile.synthetic_dims(m, n, k).is_err(), "{m} {n} {k}");
		}
	}
}
