// SPDX-License-Identifier: Apache-2.0

//! BLAKE2s-256, alone and many at a time.
//!
//! `blake2s_simd` hashes up to eight inputs at once with AVX2 (four with SSE4.1), chosen at run time; elsewhere
//! (wasm, other processors) it runs one at a time. All paths give the same bytes.

use blake2s_simd::{
	many::{hash_many as run, HashManyJob, MAX_DEGREE},
	Params,
};

/// A BLAKE2s-256 hash.
pub type Hash32 = [u8; 32];

/// 32 zero bytes: the padding of trees, and the operand commitment of synthetic work.
pub const ZERO_HASH: Hash32 = [0; 32];

/// `H(parts[0] ‖ parts[1] ‖ …)`, unkeyed.
pub fn hash(parts: &[&[u8]]) -> Hash32 {
	let mut state = Params::new().to_state();
	for part in parts {
		state.update(part);
	}
	*state.finalize().as_array()
}

/// `H(key; parts[0] ‖ parts[1] ‖ …)` with a 32-byte key.
pub fn keyed_hash(key: &Hash32, parts: &[&[u8]]) -> Hash32 {
	let mut state = Params::new().key(key).to_state();
	for part in parts {
		state.update(part);
	}
	*state.finalize().as_array()
}

/// Hashes every input into the place of the same number in `out`; stops at the shorter of the two.
pub fn hash_many<'a>(inputs: impl Iterator<Item = &'a [u8]>, out: &mut [Hash32]) {
	many(&Params::new(), inputs, out)
}

/// As [`hash_many`], keyed.
pub fn keyed_hash_many<'a>(key: &Hash32, inputs: impl Iterator<Item = &'a [u8]>, out: &mut [Hash32]) {
	many(Params::new().key(key), inputs, out)
}

fn many<'a>(params: &Params, mut inputs: impl Iterator<Item = &'a [u8]>, out: &mut [Hash32]) {
	for places in out.chunks_mut(MAX_DEGREE) {
		let mut jobs: [Option<HashManyJob<'a>>; MAX_DEGREE] = core::array::from_fn(|_| None);
		for (job, input) in jobs.iter_mut().zip((&mut inputs).take(places.len())) {
			*job = Some(HashManyJob::new(params, input));
		}
		run(jobs.iter_mut().flatten());
		for (place, job) in places.iter_mut().zip(jobs.iter().flatten()) {
			*place = *job.to_hash().as_array();
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use blake2::{
		digest::{consts::U32, Mac},
		Blake2s256, Blake2sMac, Digest,
	};
	use proptest::prelude::*;

	fn other(data: &[u8]) -> Hash32 {
		Blake2s256::digest(data).into()
	}

	fn other_keyed(key: &Hash32, data: &[u8]) -> Hash32 {
		let mut mac = <Blake2sMac<U32> as blake2::digest::KeyInit>::new_from_slice(key).unwrap();
		mac.update(data);
		mac.finalize().into_bytes().into()
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(64))]

		#[test]
		fn hashes_should_equal_another_implementation(
			data in proptest::collection::vec(any::<u8>(), 0..1200),
			cut in 0usize..1200,
			key in any::<Hash32>(),
		) {
			let (x, y) = data.split_at(cut.min(data.len()));
			prop_assert_eq!(hash(&[x, y]), other(&data));
			prop_assert_eq!(keyed_hash(&key, &[x, y]), other_keyed(&key, &data));
		}

		#[test]
		fn many_hashes_should_equal_single_ones(
			inputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40),
			key in any::<Hash32>(),
		) {
			let mut plain = vec![ZERO_HASH; inputs.len()];
			let mut keyed = plain.clone();
			hash_many(inputs.iter().map(|x| x.as_slice()), &mut plain);
			keyed_hash_many(&key, inputs.iter().map(|x| x.as_slice()), &mut keyed);
			for (i, input) in inputs.iter().enumerate() {
				prop_assert_eq!(plain[i], other(input));
				prop_assert_eq!(keyed[i], other_keyed(&key, input));
			}
		}
	}
}
