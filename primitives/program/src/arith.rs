// SPDX-License-Identifier: Apache-2.0

//! The scalar formulas of [`crate::op`], written once over a word type.
//!
//! [`i32`] is the word of the executors: validation has proven that nothing leaves 32 bits, so plain arithmetic is exact.
//! [`Checked`] is the word of the arbiter: the same formula with a sticky overflow mark, so that values outside of their
//! declared ranges are reported and never wrap.

use crate::adam::short_quotient;

/// A 32-bit signed word.
pub trait Word: Copy {
	/// The word of a value.
	fn of(value: i32) -> Self;
	/// The value (of an overflown word: unspecified).
	fn value(self) -> i32;
	/// Sum.
	fn plus(self, other: Self) -> Self;
	/// Difference.
	fn minus(self, other: Self) -> Self;
	/// Product.
	fn times(self, other: Self) -> Self;
	/// Replaces the value by one that was computed without any possible overflow.
	fn map(self, f: impl FnOnce(i32) -> i32) -> Self;
	/// Left shift; bits must not be lost.
	fn shl(self, by: u32) -> Self;
	/// Quotient, truncated; the divisor is positive by construction.
	fn over(self, divisor: i32) -> Self {
		self.map(|x| x / divisor.max(1))
	}
	/// Arithmetic right shift by 0 to 31.
	#[inline(always)]
	fn shr(self, by: u32) -> Self {
		self.map(|x| x >> (by & 31))
	}
	/// Clamps into `lo..=hi`, `lo <= hi`.
	#[inline(always)]
	fn clip(self, lo: i32, hi: i32) -> Self {
		self.map(|x| x.max(lo).min(hi))
	}
}

impl Word for i32 {
	#[inline(always)]
	fn of(value: i32) -> Self {
		value
	}
	#[inline(always)]
	fn value(self) -> i32 {
		self
	}
	#[inline(always)]
	fn plus(self, other: Self) -> Self {
		self.wrapping_add(other)
	}
	#[inline(always)]
	fn minus(self, other: Self) -> Self {
		self.wrapping_sub(other)
	}
	#[inline(always)]
	fn times(self, other: Self) -> Self {
		self.wrapping_mul(other)
	}
	#[inline(always)]
	fn map(self, f: impl FnOnce(i32) -> i32) -> Self {
		f(self)
	}
	#[inline(always)]
	fn shl(self, by: u32) -> Self {
		self << (by & 31)
	}
}

/// A word that remembers whether anything overflowed on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
	value: i32,
	overflown: bool,
}

impl Checked {
	/// The value, or `None` if a step towards it left 32 bits.
	pub fn get(self) -> Option<i32> {
		(!self.overflown).then_some(self.value)
	}

	fn step(result: Option<i32>, marked: bool) -> Self {
		Self {
			value: result.unwrap_or_default(),
			overflown: marked || result.is_none(),
		}
	}
}

impl Word for Checked {
	fn of(value: i32) -> Self {
		Self {
			value,
			overflown: false,
		}
	}
	fn value(self) -> i32 {
		self.value
	}
	fn plus(self, other: Self) -> Self {
		Self::step(
			self.value.checked_add(other.value),
			self.overflown || other.overflown,
		)
	}
	fn minus(self, other: Self) -> Self {
		Self::step(
			self.value.checked_sub(other.value),
			self.overflown || other.overflown,
		)
	}
	fn times(self, other: Self) -> Self {
		Self::step(
			self.value.checked_mul(other.value),
			self.overflown || other.overflown,
		)
	}
	fn map(self, f: impl FnOnce(i32) -> i32) -> Self {
		Self {
			value: f(self.value),
			..self
		}
	}
	fn shl(self, by: u32) -> Self {
		let wide = i64::from(self.value) << (by & 31);
		Self::step(i32::try_from(wide).ok(), self.overflown)
	}
}

/// Bit length of a magnitude; negative words count as their two's complement (never reached after validation).
#[inline(always)]
pub fn bit_length(x: i32) -> i32 {
	32 - x.leading_zeros() as i32
}

/// `rsh`: right shift by 0 to 31, rounding half up. Cannot overflow.
#[inline(always)]
pub fn rsh<W: Word>(x: W, by: u32) -> W {
	let by = by & 31;
	x.map(|x| {
		if by == 0 {
			x
		} else {
			(x >> by).wrapping_add((x >> (by - 1)) & 1)
		}
	})
}

/// `sh`: rounding right shift for `by >= 0`, saturating left shift otherwise. Cannot overflow.
#[inline(always)]
pub fn sh<W: Word>(x: W, by: i32) -> W {
	if by >= 0 {
		rsh(x, by.min(31) as u32)
	} else {
		let n = by.max(-30).unsigned_abs();
		let limit = (1 << 30) >> n;
		x.clip(-limit, limit).shl(n)
	}
}

/// `|x|`; the caller excludes the smallest word.
#[inline(always)]
pub fn magnitude<W: Word>(x: W) -> W {
	if x.value() < 0 {
		W::of(0).minus(x)
	} else {
		x
	}
}

/// [`crate::Op::RandomUniform`].
#[inline(always)]
pub fn random_uniform<W: Word>(random: u32, scale: u32, shift: u32) -> W {
	let centred = W::of((random >> 16) as i32 - 32768);
	rsh(centred.times(W::of(scale as i32)), shift)
}

/// [`crate::Op::Ema`].
#[inline(always)]
pub fn ema<W: Word>(average: W, value: W, shift: u32) -> W {
	average.plus(rsh(value.minus(average), shift))
}

/// [`crate::Op::Decay`].
#[inline(always)]
pub fn decay<W: Word>(x: W, shift: u32) -> W {
	x.minus(x.shr(shift))
}

/// [`crate::Op::ExcessBits`].
#[inline(always)]
pub fn excess_bits(x: i32, bits: u32) -> i32 {
	bit_length(x).saturating_sub(bits.min(32) as i32).max(0)
}

/// [`crate::Op::Requantise`], rounding half up.
#[inline(always)]
pub fn requantise_half_up<W: Word>(x: W, shift: i32, limit: i32) -> W {
	rsh(x, shift as u32).clip(-limit, limit)
}

/// [`crate::Op::Requantise`] with random bits.
#[inline(always)]
pub fn requantise_keyed<W: Word>(x: W, shift: i32, random: u32, limit: i32) -> W {
	let by = shift as u32 & 31;
	let mask = (1u32 << by).wrapping_sub(1);
	let added = W::of(((random >> 1) & mask) as i32);
	x.plus(added).shr(by).clip(-limit, limit)
}

/// [`crate::Op::Rescale`].
#[inline(always)]
pub fn rescale<W: Word>(x: W, by: i32, limit: i32) -> W {
	sh(x, by).clip(-limit, limit)
}

/// [`crate::Op::BiasCorrection`]; the ranges of both inputs are `0..=2^30`.
pub fn bias_correction<W: Word>(p1: W, p2: W) -> W {
	let one = W::of(1 << 30);
	let divisor = one.minus(p1).shr(15).value();
	one.minus(p2).shr(1).over(divisor.max(1)).clip(-65535, 65535)
}

/// [`crate::Op::L1Adam`].
#[inline(always)]
pub fn l1_adam<W: Word>(w: W, m: W, v: W, rate: W, correction: W, limit: i32, decay: u32) -> W {
	let m = m.map(|m| if m > -8 && m < 8 { 0 } else { m });
	let v = v.map(|v| v.max(64));
	let n = (bit_length(v.value()) - 15).max(0) as u32;
	let direction = m.shr(n).clip(-(1 << 18), 1 << 18).shl(12);
	let divisor = v.shr(n).value().max(1);
	let u = direction.map(|x| short_quotient(x, divisor));
	descend(w, u, rate, correction, limit, decay)
}

/// The step of [`crate::Op::L1Adam`] and [`crate::Op::Adam`] along a direction `u` of unit `2^-12`, `|u| <= 16384`.
#[inline(always)]
pub fn descend<W: Word>(w: W, u: W, rate: W, correction: W, limit: i32, decay: u32) -> W {
	let u = rsh(u.times(correction), 14).clip(-16384, 16384);
	let shrink = rsh(rsh(w, 14).times(rate), 8).times(W::of(decay as i32));
	w.minus(rsh(u.times(rate), 12))
		.minus(rsh(shrink, 10))
		.clip(-limit, limit)
}

/// [`crate::Op::Sgd`].
#[inline(always)]
pub fn sgd<W: Word>(w: W, m: W, rate: W, shift: u32, limit: i32) -> W {
	let q = rsh(m, 14).clip(-32767, 32767);
	w.minus(rsh(q.times(rate), shift)).clip(-limit, limit)
}

/// [`crate::Op::Multiply`].
#[inline(always)]
pub fn multiply<W: Word>(a: W, b: W, shift: u32) -> W {
	rsh(a.times(b), shift)
}

/// [`crate::Op::LeakyReluGrad`]; [`crate::Op::LeakyRelu`] where both are the same.
#[inline(always)]
pub fn leaky<W: Word>(value: W, activation: i32, shift: u32) -> W {
	value.map(|x| if activation > 0 { x } else { x >> (shift & 31) })
}

/// [`crate::Op::Iota`]: element number `position`.
#[inline(always)]
pub fn iota<W: Word>(position: u32, divisor: u32, modulus: u32, offset: i32) -> W {
	W::of(((position / divisor.max(1)) % modulus.max(1)) as i32).plus(W::of(offset))
}
