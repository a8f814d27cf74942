// SPDX-License-Identifier: Apache-2.0

//! Why a seal is refused: one variant for each check, with the values that failed it.

use crate::{profile::ProfileError, retarget::TARGET_MAX, seal::SEAL_VERSION};
use core::fmt;
use primitive_types::U256;

/// One of the two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
	/// The left operand, m × k.
	A,
	/// The right operand, stored transposed, n × k.
	B,
}

/// Why a seal was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
	/// The verifier's profile is not valid: a fault of the caller, not of the seal.
	Profile(ProfileError),
	/// The target is zero or above the easiest one: a fault of the caller, not of the seal.
	Target(U256),
	/// The profile asks for memory accesses and the caller has no light cache.
	EpochMissing,
	/// The light cache is not the one of this epoch and profile.
	EpochMismatch {
		/// Items that the profile asks for.
		expected_items: u32,
		/// Items of the cache given.
		items: u32,
		/// Whether the cache was built from the epoch's seed.
		same_seed: bool,
	},
	/// A version that this code does not know.
	Version(u8),
	/// A size of the product is out of bounds.
	Size {
		/// Which of `m`, `n`, `k`.
		name: &'static str,
		/// Its value.
		value: u32,
		/// The most allowed.
		max: u32,
	},
	/// A synthetic product is not made of whole tiles and windows inside the profile's sizes.
	SyntheticSize(ProfileError),
	/// Synthetic work names an operand commitment.
	SyntheticRoot(Side),
	/// The columns of the product do not fill one window of this rank.
	NoWindow {
		/// Columns.
		k: u32,
		/// Columns of a window.
		window: u32,
	},
	/// A coordinate outside of the product.
	Position {
		/// `tile_row`, `tile_col` or `window`.
		name: &'static str,
		/// Its value.
		value: u32,
		/// How many there are.
		count: u32,
	},
	/// Task work without openings.
	OpeningsMissing,
	/// Synthetic work with openings.
	OpeningsUnexpected,
	/// A window block of a wrong length.
	BlockLength {
		/// Operand.
		side: Side,
		/// Bytes that the rank asks for.
		expected: u32,
		/// Bytes given.
		got: u64,
	},
	/// A wrong number of paths.
	PathCount {
		/// Operand.
		side: Side,
		/// Leaves of a window block.
		expected: u32,
		/// Paths given.
		got: u64,
	},
	/// A path of a wrong length.
	PathLength {
		/// Operand.
		side: Side,
		/// Depth of the operand's tree.
		expected: u32,
		/// Hashes given.
		got: u64,
	},
	/// An operand value that is not int7.
	OperandRange {
		/// Operand.
		side: Side,
		/// Index in the window block.
		index: u32,
		/// Its value.
		value: i8,
	},
	/// Data where the operand has only padding.
	Padding {
		/// Operand.
		side: Side,
		/// Index in the window block.
		index: u32,
	},
	/// A block and its path do not lead to the commitment.
	Root {
		/// Operand.
		side: Side,
		/// Which leaf of the window block.
		leaf: u32,
	},
	/// The ticket is above the limit.
	NotWinning {
		/// The ticket, as the number that is compared.
		ticket: U256,
		/// The most that wins.
		limit: U256,
	},
}

impl Reject {
	/// A short fixed name, for metrics and logs.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Profile(_) => "profile",
			Self::Target(_) => "target",
			Self::EpochMissing => "epoch_missing",
			Self::EpochMismatch { .. } => "epoch_mismatch",
			Self::Version(_) => "version",
			Self::Size { .. } => "size",
			Self::SyntheticSize(_) => "synthetic_size",
			Self::SyntheticRoot(_) => "synthetic_root",
			Self::NoWindow { .. } => "no_window",
			Self::Position { .. } => "position",
			Self::OpeningsMissing => "openings_missing",
			Self::OpeningsUnexpected => "openings_unexpected",
			Self::BlockLength { .. } => "block_length",
			Self::PathCount { .. } => "path_count",
			Self::PathLength { .. } => "path_length",
			Self::OperandRange { .. } => "operand_range",
			Self::Padding { .. } => "padding",
			Self::Root { .. } => "root",
			Self::NotWinning { .. } => "not_winning",
		}
	}
}

impl fmt::Display for Reject {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Profile(error) => write!(f, "the verifier's work profile is not valid: {error}"),
			Self::Target(target) => {
				write!(f, "the verifier's target {target:#x} is not in 1..={TARGET_MAX:#x}")
			},
			Self::EpochMissing => {
				write!(f, "the profile has memory accesses: build the epoch's light cache before verifying")
			},
			Self::EpochMismatch { expected_items, items, same_seed } => write!(
				f,
				"the light cache is of another epoch or profile ({items} items for {expected_items}, same seed: {same_seed})"
			),
			Self::Version(version) => write!(f, "seal version {version}, this node knows {SEAL_VERSION}"),
			Self::Size { name, value, max } => write!(f, "{name} = {value} is not in 1..={max}"),
			Self::SyntheticSize(error) => write!(f, "synthetic product does not fit the profile: {error}"),
			Self::SyntheticRoot(side) => {
				write!(f, "synthetic work has no commitments, root of {side:?} must be 32 zero bytes")
			},
			Self::NoWindow { k, window } => {
				write!(f, "k = {k} does not fill a window of {window} columns, so the product has no tickets")
			},
			Self::Position { name, value, count } => {
				write!(f, "{name} = {value}, the product has {count} of them, counted from 0")
			},
			Self::OpeningsMissing => write!(f, "task work needs the openings of both operands"),
			Self::OpeningsUnexpected => write!(f, "synthetic work carries no openings"),
			Self::BlockLength { side, expected, got } => {
				write!(f, "window block of {side:?} has {got} bytes, the profile's rank asks for {expected}")
			},
			Self::PathCount { side, expected, got } => {
				write!(f, "window block of {side:?} has {got} paths, it covers {expected} leaves")
			},
			Self::PathLength { side, expected, got } => {
				write!(f, "a path of {side:?} has {got} hashes, its tree is {expected} deep")
			},
			Self::OperandRange { side, index, value } => {
				write!(f, "element {index} of the window block of {side:?} is {value}, operands are in -63..=63")
			},
			Self::Padding { side, index } => {
				write!(f, "element {index} of the window block of {side:?} lies in the padding and is not zero")
			},
			Self::Root { side, leaf } => {
				write!(f, "leaf {leaf} of the window block of {side:?} does not lead to its commitment")
			},
			Self::NotWinning { ticket, limit } => {
				write!(f, "ticket {ticket:#x} is above the limit {limit:#x}")
			},
		}
	}
}

impl core::error::Error for Reject {}
