// SPDX-License-Identifier: Apache-2.0

//! Why a program is refused: where, and which bound it broke.

use crate::op::OpKind;
use alloc::{borrow::Cow, string::String};
use core::fmt;

/// A refused program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateError {
	/// Where the fault lies.
	pub place: Place,
	/// What is wrong.
	pub reason: Reason,
}

/// Part of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
	/// The program or workload as a whole.
	Whole,
	/// The declaration of a tensor.
	Tensor(u32),
	/// An input, by its place in the list.
	Input(u32),
	/// An instruction, by its index.
	Instruction(u32, OpKind),
	/// One of the output lists or scalars, by name.
	Output(&'static str),
	/// A part of a workload, by name.
	Part(Cow<'static, str>),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
	/// There are too many of something.
	TooMany {
		/// Of what.
		what: &'static str,
		/// How many.
		got: u64,
		/// How many are allowed.
		most: u64,
	},
	/// A parameter, size or range is outside of its bound.
	Bound {
		/// What.
		what: &'static str,
		/// Its value.
		got: i64,
		/// Smallest that is allowed.
		least: i64,
		/// Largest that is allowed.
		most: i64,
	},
	/// A tensor does not exist, or nothing has written it yet.
	Unwritten {
		/// Its number.
		tensor: u32,
	},
	/// A tensor is written twice, or is an input that is written.
	WrittenTwice {
		/// Its number.
		tensor: u32,
	},
	/// Sizes or element types don't fit together.
	Shape {
		/// Which rule is broken.
		rule: &'static str,
		/// The sizes, in words.
		got: String,
	},
	/// The proven range leaves the declared one.
	Range {
		/// Proven lower end.
		lo: i64,
		/// Proven upper end.
		hi: i64,
		/// Declared lower end.
		declared_lo: i32,
		/// Declared upper end.
		declared_hi: i32,
	},
}

impl fmt::Display for ValidateError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match &self.place {
			Place::Whole => write!(f, "the program: ")?,
			Place::Tensor(n) => write!(f, "tensor {n}: ")?,
			Place::Input(n) => write!(f, "input {n}: ")?,
			Place::Instruction(n, kind) => write!(f, "instruction {n} ({}): ", kind.name())?,
			Place::Output(name) => write!(f, "output `{name}`: ")?,
			Place::Part(name) => write!(f, "{name}: ")?,
		}
		write!(f, "{}", self.reason)
	}
}

impl fmt::Display for Reason {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::TooMany { what, got, most } => write!(f, "{got} {what}, at most {most} are allowed"),
			Self::Bound { what, got, least, most } => {
				write!(f, "{what} is {got}, it must be between {least} and {most}")
			}
			Self::Unwritten { tensor } => write!(
				f,
				"tensor {tensor} has no value here: make it an input, or write it by an earlier instruction"
			),
			Self::WrittenTwice { tensor } => write!(
				f,
				"tensor {tensor} is written twice: every tensor is written once, by an instruction or as an input"
			),
			Self::Shape { rule, got } => write!(f, "{rule}; got {got}"),
			Self::Range {
				lo,
				hi,
				declared_lo,
				declared_hi,
			} => write!(
				f,
				"values may reach {lo} to {hi}, declared are {declared_lo} to {declared_hi}: widen the declaration or clip before"
			),
		}
	}
}

impl core::error::Error for ValidateError {}

impl Reason {
	/// The reason at a place.
	pub fn at(self, place: Place) -> ValidateError {
		ValidateError { place, reason: self }
	}
}

/// Checks that a value lies in `least..=most`.
pub(crate) fn bound(
	what: &'static str,
	got: impl Into<i128>,
	least: impl Into<i128>,
	most: impl Into<i128>,
) -> Result<(), Reason> {
	let (got, least, most) = (got.into(), least.into(), most.into());
	if (least..=most).contains(&got) {
		return Ok(());
	}
	Err(Reason::Bound {
		what,
		got: saturated(got),
		least: saturated(least),
		most: saturated(most),
	})
}

/// The nearest value that a message can hold.
pub(crate) fn saturated(x: i128) -> i64 {
	x.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}
