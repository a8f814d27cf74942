// SPDX-License-Identifier: Apache-2.0

//! Layers that models share: quantisation by tensor and by row, the residual stream, and root-mean-square normalisation
//! with its gradient, as instructions.

use crate::builder::{Builder, Scaled};
use poaiw_program::{range::output_range, Element, Op, Reason, Rounding, TensorDecl, TensorId};

/// Exponent of the unit of the residual stream.
pub const STREAM_UNIT: i32 = -16;
/// Saturation of the residual stream.
pub const STREAM_LIMIT: i32 = 1 << 28;
/// Saturation of the residual stream's gradient.
pub const STREAM_GRADIENT_LIMIT: i32 = 1 << 29;
/// Largest value of a rescaled tensor: a sum with a stream stays in 32 bits.
const ADDEND_LIMIT: i32 = 1 << 30;
/// Exponent of the unit of a normalised row.
const NORM_UNIT: i32 = -10;
/// [`Op::RmsExponent`] adds 32 so that it is not negative; the gradient's exponent is 3 higher.
const NORM_GRADIENT_EXPONENT: i32 = 3 - 32;
/// Most bits of a tensor that is cut into two operands.
const HALVED_BITS: u32 = 29;
/// Most bits of the gradient that goes through a normalisation.
const NORM_GRADIENT_BITS: u32 = 12;

/// Sizes of operands: int7 for products that tickets are drawn from, int8 inside of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
	/// `[-63, 63]`.
	Narrow,
	/// `[-127, 127]`.
	Wide,
}

impl Operand {
	/// Bits of a magnitude.
	pub fn bits(self) -> u32 {
		match self {
			Operand::Narrow => 6,
			Operand::Wide => 7,
		}
	}

	/// Largest magnitude.
	pub fn limit(self) -> u32 {
		(1 << self.bits()) - 1
	}

	fn requantise(self, rounding: Rounding) -> Op {
		match self {
			Operand::Narrow => Op::Requantise { rounding },
			Operand::Wide => Op::RequantiseWide { rounding },
		}
	}
}

/// Operands whose sum is a gradient.
#[derive(Clone, Copy, Debug)]
pub struct Halves {
	/// The upper half, or all of it.
	pub first: Scaled,
	/// The lower half, where it is cut in two.
	pub rest: Option<Scaled>,
}

impl Halves {
	/// Both halves, changed alike.
	///
	/// # Errors
	/// Those of the change.
	pub fn map(self, mut change: impl FnMut(Scaled) -> Result<Scaled, Reason>) -> Result<Self, Reason> {
		Ok(Self {
			first: change(self.first)?,
			rest: self.rest.map(change).transpose()?,
		})
	}
}

/// A normalised matrix and what its gradient needs.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
	/// The normalised rows.
	pub y: Scaled,
	factor: TensorId,
	exponent: TensorId,
	largest: TensorId,
}

impl Builder {
	/// `exponent + by`.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn raise(&mut self, exponent: TensorId, by: i32) -> Result<TensorId, Reason> {
		let by = self.constant(by)?;
		self.map(Op::Add, &[exponent, by])
	}

	/// Largest magnitude that a tensor may hold.
	pub fn magnitude(&self, x: TensorId) -> u32 {
		let d = self.decl(x);
		d.lo.unsigned_abs().max(d.hi.unsigned_abs())
	}

	/// Positions and repetitions, `[rows, 1]`: `(i / divisor) % modulus + offset`.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn iota(&mut self, rows: u32, divisor: u32, modulus: u32, offset: i32) -> Result<TensorId, Reason> {
		let op = Op::Iota {
			divisor,
			modulus,
			offset,
		};
		self.emit(op, &[], Element::I32, rows, 1)
	}

	/// Shifts a tensor so that its largest magnitude has `bits` bits.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn fill(&mut self, x: Scaled, bits: u32) -> Result<Scaled, Reason> {
		let max = self.max_abs(x.mantissa)?;
		let length = self.map(Op::ExcessBits { bits: 0 }, &[max])?;
		let wanted = self.constant(bits as i32)?;
		let left = self.map(Op::Sub, &[wanted, length])?;
		let op = Op::Rescale {
			unit: 0,
			limit: 1 << bits,
		};
		Ok(Scaled {
			mantissa: self.map(op, &[x.mantissa, left])?,
			exponent: self.map(Op::Sub, &[x.exponent, left])?,
		})
	}

	/// Operands with one exponent for the tensor.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn quantise(&mut self, x: Scaled, rounding: Rounding, operand: Operand) -> Result<Scaled, Reason> {
		let max = self.max_abs(x.mantissa)?;
		let shift = self.map(Op::ExcessBits { bits: operand.bits() }, &[max])?;
		self.quantise_by(x, shift, rounding, operand)
	}

	/// A gradient as operands of products, rounded with keyed random bits: to 13 bits as two halves, or one.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn quantise_gradient(&mut self, x: Scaled, operand: Operand, halves: bool) -> Result<Halves, Reason> {
		if halves {
			let [first, rest] = self.quantise_in_two(x)?;
			return Ok(Halves {
				first,
				rest: Some(rest),
			});
		}
		Ok(Halves {
			first: self.quantise(x, Rounding::Keyed, operand)?,
			rest: None,
		})
	}

	/// The products of both halves as one.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn product_of_halves(
		&mut self,
		x: Halves,
		product: impl Fn(&mut Self, Scaled) -> Result<Scaled, Reason>,
	) -> Result<Scaled, Reason> {
		let first = product(self, x.first)?;
		match x.rest {
			None => Ok(first),
			Some(rest) => {
				let rest = product(self, rest)?;
				self.add_halves(first, rest)
			}
		}
	}

	/// Int7 operands whose sum is the tensor to 13 bits: the upper half is rounded half up, what is left of it with keyed
	/// random bits. The first one's exponent is 6 higher.
	///
	/// # Errors
	/// As [`Builder::emit`].
	fn quantise_in_two(&mut self, x: Scaled) -> Result<[Scaled; 2], Reason> {
		// The difference of a value and its upper half fits 2^30.
		let x = match self.magnitude(x.mantissa) > 1 << HALVED_BITS {
			true => self.fill(x, HALVED_BITS)?,
			false => x,
		};
		let bits = Operand::Narrow.bits();
		let max = self.max_abs(x.mantissa)?;
		let low = self.map(Op::ExcessBits { bits: 2 * bits }, &[max])?;
		let high = self.raise(low, bits as i32)?;
		let upper = self.quantise_by(x, high, Rounding::HalfUp, Operand::Narrow)?;

		let zero = self.constant(0)?;
		let right = self.map(Op::Sub, &[zero, high])?;
		let limit = Operand::Narrow.limit() as i32;
		let whole = self.map(Op::Rescale { unit: 0, limit }, &[x.mantissa, right])?;
		let limit = 1 << HALVED_BITS;
		let whole = self.map(Op::Rescale { unit: 0, limit }, &[whole, high])?;
		let rest = Scaled {
			mantissa: self.map(Op::Sub, &[x.mantissa, whole])?,
			..x
		};
		let lower = self.quantise_by(rest, low, Rounding::Keyed, Operand::Narrow)?;
		Ok([upper, lower])
	}

	/// The sum of two products with the operands of [`Builder::quantise_in_two`].
	///
	/// # Errors
	/// As [`Builder::emit`].
	fn add_halves(&mut self, upper: Scaled, lower: Scaled) -> Result<Scaled, Reason> {
		let bits = Operand::Narrow.bits();
		let [most, rest] = [upper, lower].map(|x| u64::from(self.magnitude(x.mantissa)));
		if (most << bits) + rest > i32::MAX as u64 {
			// Sums this long give up the last bits of the lower product.
			return self.add_aligned(upper, lower);
		}
		let factor = self.constant(1 << bits)?;
		let upper = self.map(Op::Multiply { shift: 0 }, &[upper.mantissa, factor])?;
		Ok(Scaled {
			mantissa: self.map(Op::Add, &[upper, lower.mantissa])?,
			..lower
		})
	}

	/// Operands with one exponent for every row: a row's bits do not depend on its neighbours.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn quantise_rows(&mut self, x: Scaled, operand: Operand) -> Result<Scaled, Reason> {
		let rows = self.decl(x.mantissa).rows;
		let max = self.emit(Op::RowMaxAbs, &[x.mantissa], Element::I32, rows, 1)?;
		let shift = self.map(Op::ExcessBits { bits: operand.bits() }, &[max])?;
		self.quantise_by(x, shift, Rounding::HalfUp, operand)
	}

	/// Operands with one exponent for every `group` rows.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn quantise_groups(&mut self, x: Scaled, group: u32, operand: Operand) -> Result<Scaled, Reason> {
		let rows = self.decl(x.mantissa).rows;
		let groups = rows / group.max(1);
		let of_rows = self.emit(Op::RowMaxAbs, &[x.mantissa], Element::I32, rows, 1)?;
		let of_rows = self.emit(Op::Reshape, &[of_rows], Element::I32, groups, group)?;
		let max = self.emit(Op::RowMaxAbs, &[of_rows], Element::I32, groups, 1)?;
		let shift = self.map(Op::ExcessBits { bits: operand.bits() }, &[max])?;
		let index = self.iota(rows, group, groups, 0)?;
		let shift = self.gather(shift, index)?;
		self.quantise_by(x, shift, Rounding::HalfUp, operand)
	}

	/// Operands by a given shift, of the tensor or of every row.
	fn quantise_by(
		&mut self,
		x: Scaled,
		shift: TensorId,
		rounding: Rounding,
		operand: Operand,
	) -> Result<Scaled, Reason> {
		let d = self.decl(x.mantissa);
		let op = operand.requantise(rounding);
		let mantissa = self.emit(op, &[x.mantissa, shift], Element::I8, d.rows, d.cols)?;
		// The first operand gives the sizes, the second one is spread over them.
		let of_rows = self.decl(x.exponent).rows < self.decl(shift).rows;
		let (first, second) = if of_rows {
			(shift, x.exponent)
		} else {
			(x.exponent, shift)
		};
		let exponent = self.map(Op::Add, &[first, second])?;
		Ok(Scaled { mantissa, exponent })
	}

	/// From its own exponent to a fixed unit.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn rescale(&mut self, x: Scaled, unit: i32, limit: i32) -> Result<TensorId, Reason> {
		self.map(Op::Rescale { unit, limit }, &[x.mantissa, x.exponent])
	}

	/// Adds to the residual stream, whose unit is fixed.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn add_to_stream(&mut self, stream: TensorId, x: Scaled) -> Result<TensorId, Reason> {
		let addend = self.rescale(x, STREAM_UNIT, ADDEND_LIMIT)?;
		self.saturating_add(stream, addend, STREAM_LIMIT)
	}

	/// Adds to the residual stream's gradient, which keeps its exponent.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn add_to_gradient(&mut self, stream: Scaled, x: Scaled) -> Result<Scaled, Reason> {
		let by = self.map(Op::Sub, &[x.exponent, stream.exponent])?;
		let relative = Scaled { exponent: by, ..x };
		let addend = self.rescale(relative, 0, ADDEND_LIMIT)?;
		Ok(Scaled {
			mantissa: self.saturating_add(stream.mantissa, addend, STREAM_GRADIENT_LIMIT)?,
			..stream
		})
	}

	fn saturating_add(&mut self, a: TensorId, b: TensorId, limit: i32) -> Result<TensorId, Reason> {
		let sum = self.map(Op::Add, &[a, b])?;
		let op = Op::Clip {
			lo: -limit,
			hi: limit,
		};
		self.map(op, &[sum])
	}

	/// Adds two tensors of different exponents; the lower one is shifted right.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn add_aligned(&mut self, a: Scaled, b: Scaled) -> Result<Scaled, Reason> {
		let exponent = self.map(Op::Max, &[a.exponent, b.exponent])?;
		let mut aligned = [a.mantissa; 2];
		for (to, x) in aligned.iter_mut().zip([a, b]) {
			let relative = Scaled {
				exponent: self.map(Op::Sub, &[x.exponent, exponent])?,
				..x
			};
			// A right shift makes nothing larger: this limit never acts.
			let limit = self.magnitude(x.mantissa).clamp(1, 1 << 30) as i32;
			*to = self.rescale(relative, 0, limit)?;
		}
		Ok(Scaled {
			mantissa: self.map(Op::Add, &aligned)?,
			exponent,
		})
	}

	/// Every row divided by its root mean square.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn rms_norm(&mut self, x: TensorId) -> Result<Scaled, Reason> {
		Ok(Scaled {
			mantissa: self.map(Op::RmsNorm, &[x])?,
			exponent: self.constant(NORM_UNIT)?,
		})
	}

	/// [`Builder::rms_norm`] of the residual stream, with what the gradient needs.
	///
	/// # Errors
	/// As [`Builder::emit`].
	pub fn rms_norm_for_training(&mut self, x: TensorId) -> Result<Norm, Reason> {
		let rows = self.decl(x).rows;
		let y = self.rms_norm(x)?;
		let factor = self.emit(Op::RmsFactor, &[x], Element::I32, rows, 1)?;
		let exponent = self.emit(Op::RmsExponent, &[x], Element::I32, rows, 1)?;
		let largest = self.max_abs(exponent)?;
		Ok(Norm {
			y,
			factor,
			exponent,
			largest,
		})
	}

	/// Gradient with respect to the input of a normalisation.
	///
	/// # Errors
	/// If no number of bits keeps the sums in 32 bits: the rows are too wide.
	pub fn rms_norm_gradient(&mut self, gradient: Scaled, norm: &Norm) -> Result<Scaled, Reason> {
		let d = self.decl(gradient.mantissa);
		let others = [norm.y.mantissa, norm.factor, norm.exponent, norm.largest];
		let decls = others.map(|id| self.decl(id));
		let fits = |bits: u32| {
			let g = TensorDecl::new(Element::I32, d.rows, d.cols, -(1 << bits), 1 << bits);
			let inputs = [&g, &decls[0], &decls[1], &decls[2], &decls[3]];
			output_range(&Op::RmsNormGradient { bits }, &inputs, &d)
		};
		let mut bits = NORM_GRADIENT_BITS;
		while bits > 1 && fits(bits).is_err() {
			bits -= 1;
		}
		let g = self.fill(gradient, bits)?;
		let op = Op::RmsNormGradient { bits };
		let inputs = [g.mantissa, others[0], others[1], others[2], others[3]];
		let mantissa = self.map(op, &inputs)?;
		let exponent = self.map(Op::Add, &[g.exponent, norm.largest])?;
		Ok(Scaled {
			mantissa,
			exponent: self.raise(exponent, NORM_GRADIENT_EXPONENT)?,
		})
	}
}
