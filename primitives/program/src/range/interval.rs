// SPDX-License-Identifier: Apache-2.0

//! Interval arithmetic over words.

use crate::{
	error::{bound, Reason},
	tensor::TensorDecl,
};

/// Proven closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
	/// Lower end.
	pub lo: i128,
	/// Upper end.
	pub hi: i128,
}

impl Interval {
	pub(super) fn of(decl: &TensorDecl) -> Self {
		Self {
			lo: decl.lo.into(),
			hi: decl.hi.into(),
		}
	}

	pub(super) fn new(lo: impl Into<i128>, hi: impl Into<i128>) -> Self {
		Self {
			lo: lo.into(),
			hi: hi.into(),
		}
	}

	/// The interval if all of it fits `i32`.
	pub(super) fn word(self, what: &'static str) -> Result<Self, Reason> {
		bound(what, self.lo, i32::MIN, i32::MAX)?;
		bound(what, self.hi, i32::MIN, i32::MAX)?;
		Ok(self)
	}

	pub(super) fn magnitude(self) -> i128 {
		self.lo.abs().max(self.hi.abs())
	}

	pub(super) fn plus(self, o: Self) -> Self {
		Self::new(self.lo + o.lo, self.hi + o.hi)
	}

	pub(super) fn minus(self, o: Self) -> Self {
		Self::new(self.lo - o.hi, self.hi - o.lo)
	}

	pub(super) fn times(self, o: Self) -> Self {
		let corners = [self.lo * o.lo, self.lo * o.hi, self.hi * o.lo, self.hi * o.hi];
		let [first, ..] = corners;
		corners
			.into_iter()
			.fold(Self::new(first, first), |all, x| all.hull(Self::new(x, x)))
	}

	pub(super) fn clamp(self, lo: i32, hi: i32) -> Self {
		let (lo, hi) = (i128::from(lo), i128::from(hi));
		Self::new(self.lo.clamp(lo, hi), self.hi.clamp(lo, hi))
	}

	/// The smallest interval with both.
	pub(super) fn hull(self, o: Self) -> Self {
		Self::new(self.lo.min(o.lo), self.hi.max(o.hi))
	}

	/// Image under a non-decreasing function of words.
	pub(super) fn rising(self, f: impl Fn(i32) -> i32) -> Result<Self, Reason> {
		let at = |x: i128| -> Result<i128, Reason> {
			bound("an intermediate", x, i32::MIN, i32::MAX)?;
			Ok(f(x as i32).into())
		};
		Ok(Self::new(at(self.lo)?, at(self.hi)?))
	}
}
