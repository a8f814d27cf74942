// SPDX-License-Identifier: Apache-2.0

//! Errors of the functions that produce work. (What a verifier answers to a seal is [`crate::accept::Reject`].)

use core::fmt;

/// Why an input of the work functions is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
	/// The noise rank is none of 32, 64, 128.
	Rank(u32),
	/// A size of the product is zero or too large.
	Size {
		/// Which of `m`, `n`, `k`.
		name: &'static str,
		/// Its value.
		value: u32,
		/// The most allowed.
		max: u32,
	},
	/// A buffer has another length than its sizes say.
	Length {
		/// What the buffer holds.
		what: &'static str,
		/// Elements that the sizes ask for.
		expected: u64,
		/// Elements given.
		got: u64,
	},
	/// An operand holds a value outside of [-63, 63]; with noise it would leave int8.
	OperandRange {
		/// Index of the first such element.
		index: u64,
		/// Its value.
		value: i8,
	},
	/// A tile, window or row that the product does not have.
	OutOfRange {
		/// Which coordinate.
		what: &'static str,
		/// Its value.
		value: u32,
		/// How many there are.
		count: u32,
	},
	/// Number of items of a light cache or dataset that cannot be.
	Items {
		/// Items asked for.
		items: u32,
		/// The most allowed.
		max: u32,
	},
	/// The left operand of a product holds a larger value than the right one was packed for.
	Magnitude {
		/// The largest magnitude that was promised.
		most: u8,
		/// The largest found.
		got: u8,
	},
	/// Two packed blocks that do not belong together.
	Partner,
	/// The committed sizes are not the operand's.
	Tree {
		/// Rows and row bytes of the operand.
		operand: (u32, u32),
		/// Rows and row bytes of the tree.
		tree: (u32, u32),
	},
	/// The profile is not valid.
	Profile(crate::profile::ProfileError),
	/// The commitment refused.
	Commitment(poaiw_commitment::Error),
	/// The profile asks for memory accesses, but no dataset was given, or one of other sizes.
	Dataset {
		/// Items that the profile asks for.
		expected: u32,
		/// Items given.
		got: u32,
	},
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Rank(rank) => write!(f, "noise rank {rank} is not known: use 32, 64 or 128"),
			Self::Size { name, value, max } => write!(f, "{name} = {value} is not in 1..={max}"),
			Self::Length { what, expected, got } => {
				write!(f, "{what} has {got} elements, its sizes say {expected}")
			},
			Self::OperandRange { index, value } => {
				write!(f, "element {index} of an operand is {value}: operands are int7, from -63 to 63")
			},
			Self::OutOfRange { what, value, count } => {
				write!(f, "{what} {value} does not exist: there are {count}, counted from 0")
			},
			Self::Items { items, max } => write!(f, "{items} items: a cache or dataset has 1 to {max}"),
			Self::Magnitude { most, got } => {
				write!(f, "a value of magnitude {got} in a product packed for at most {most}: pack with a larger `most_a`")
			},
			Self::Partner => write!(f, "packed blocks of different rank, side or kernel can't be multiplied"),
			Self::Tree { operand, tree } => {
				write!(f, "the tree commits to sizes {tree:?}, the operand has {operand:?}: build it from this operand")
			},
			Self::Profile(error) => write!(f, "work profile: {error}"),
			Self::Commitment(error) => write!(f, "commitment: {error}"),
			Self::Dataset { expected, got } => write!(
				f,
				"the profile asks for a dataset of {expected} items, got {got}: build it from the light cache of the epoch"
			),
		}
	}
}

impl core::error::Error for Error {}

impl From<poaiw_commitment::Error> for Error {
	fn from(error: poaiw_commitment::Error) -> Self {
		Self::Commitment(error)
	}
}

impl From<crate::profile::ProfileError> for Error {
	fn from(error: crate::profile::ProfileError) -> Self {
		Self::Profile(error)
	}
}

/// Checks the length of a buffer.
pub(crate) fn check_len(what: &'static str, expected: usize, got: usize) -> Result<(), Error> {
	if expected == got {
		Ok(())
	} else {
		Err(Error::Length {
			what,
			expected: expected as u64,
			got: got as u64,
		})
	}
}
