// SPDX-License-Identifier: Apache-2.0

//! Requests joined into batches: small requests fill products together, and each finds its outputs again.
//!
//! The programs that run such batches use exponents of rows and sequences only, so the bits of an output don't depend on
//! where its sequence stands, or beside which others.

use crate::error::{field, ModelError};

/// Most tokens of all sequences of a bucket together, padding included.
const MAX_TOKENS: u64 = 1 << 24;

/// What somebody wants to have computed: sequences of tokens, each of which gives one output row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
	/// Token numbers.
	pub sequences: Vec<Vec<u32>>,
}

/// How batches are formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
	/// Lengths to which sequences are padded, rising; a sequence gets the least that holds it.
	pub lengths: Vec<u32>,
	/// Tokens of a batch, padding included; a batch has at least one sequence.
	pub tokens: u32,
}

/// Batches of sequences that are padded to one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
	/// Length of every sequence with its padding.
	pub length: u32,
	/// Sequences of a batch.
	pub sequences: u32,
	/// `length` tokens of every sequence, batch after batch.
	pub tokens: Vec<i32>,
	/// Tokens of every sequence without padding; those that only fill the last batch have one token.
	pub lengths: Vec<i32>,
}

/// Where the output of a sequence is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
	/// Number of the bucket.
	pub bucket: usize,
	/// Number of the batch: of the evaluation.
	pub batch: u32,
	/// Row of the batch's output.
	pub row: u32,
}

/// Requests in batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
	/// Buckets that have sequences, by rising length.
	pub buckets: Vec<Bucket>,
	/// For every request the place of every one of its sequences.
	pub places: Vec<Vec<Place>>,
}

impl Bucket {
	/// Number of batches.
	pub fn batches(&self) -> u32 {
		(self.lengths.len() as u32).div_ceil(self.sequences.max(1))
	}
}

impl Packing {
	fn check(&self) -> Result<(), ModelError> {
		let rising = self.lengths.windows(2).all(|pair| pair[0] < pair[1]);
		if self.lengths.first().is_none_or(|least| *least == 0) || !rising {
			let remedy = "give rising lengths of 1 or more".into();
			return Err(field("packing.lengths", format!("{:?}", self.lengths), remedy));
		}
		if !(1..=1 << 20).contains(&self.tokens) {
			return Err(field("packing.tokens", self.tokens, "give 1 to 1048576".into()));
		}
		Ok(())
	}
}

/// Packs the sequences of all requests into batches.
///
/// # Errors
/// If a sequence is empty or longer than the longest length, or there are none or too many.
pub fn join(requests: &[Request], packing: &Packing) -> Result<Joined, ModelError> {
	packing.check()?;
	let mut sorted: Vec<Vec<(usize, usize)>> = vec![Vec::new(); packing.lengths.len()];
	for (r, request) in requests.iter().enumerate() {
		for (s, sequence) in request.sequences.iter().enumerate() {
			let name = format!("request {r}, sequence {s}");
			if sequence.is_empty() {
				return Err(field(&name, "empty", "give at least one token".into()));
			}
			let fits = |length: &u32| sequence.len() <= *length as usize;
			let Some(bucket) = packing.lengths.iter().position(fits) else {
				let most = packing.lengths.last().copied().unwrap_or_default();
				let got = format!("{} tokens long", sequence.len());
				return Err(field(
					&name,
					got,
					format!("shorten it to {most} tokens, or raise the longest length"),
				));
			};
			sorted[bucket].push((r, s));
		}
	}
	let mut joined = Joined {
		buckets: Vec::new(),
		places: requests
			.iter()
			.map(|request| Vec::with_capacity(request.sequences.len()))
			.collect(),
	};
	let mut places: Vec<(usize, usize, Place)> = Vec::new();
	for (length, members) in packing.lengths.iter().zip(sorted) {
		if members.is_empty() {
			continue;
		}
		let number = joined.buckets.len();
		let sequences = (packing.tokens / length).clamp(1, members.len() as u32);
		for (n, (r, s)) in (0u32..).zip(&members) {
			let (batch, row) = (n / sequences, n % sequences);
			let bucket = number;
			places.push((*r, *s, Place { bucket, batch, row }));
		}
		let members = members.iter().map(|(r, s)| requests[*r].sequences[*s].as_slice());
		joined.buckets.push(fill(*length, sequences, members)?);
	}
	if joined.buckets.is_empty() {
		return Err(field("requests", "no sequences", "give at least one".into()));
	}
	places.sort_unstable_by_key(|(r, s, _)| (*r, *s));
	for (r, _, place) in places {
		joined.places[r].push(place);
	}
	Ok(joined)
}

/// A bucket of sequences that all fit its length.
fn fill<'a>(
	length: u32,
	sequences: u32,
	members: impl ExactSizeIterator<Item = &'a [u32]>,
) -> Result<Bucket, ModelError> {
	let batches = (members.len() as u64).div_ceil(sequences.into());
	let rows = batches * u64::from(sequences);
	let tokens = rows * u64::from(length);
	if tokens > MAX_TOKENS {
		let remedy = format!("at most {MAX_TOKENS} with padding: post several tasks");
		return Err(field("requests", format!("{tokens} tokens"), remedy));
	}
	let mut bucket = Bucket {
		length,
		sequences,
		tokens: Vec::with_capacity(tokens as usize),
		lengths: Vec::with_capacity(rows as usize),
	};
	for sequence in members {
		for token in sequence {
			let token = i32::try_from(*token)
				.map_err(|_| field("token", token, "give a token of the model's vocabulary".into()))?;
			bucket.tokens.push(token);
		}
		bucket.lengths.push(sequence.len() as i32);
		bucket.tokens.resize(bucket.lengths.len() * length as usize, 0);
	}
	bucket.lengths.resize(rows as usize, 1);
	bucket.tokens.resize(tokens as usize, 0);
	Ok(bucket)
}
